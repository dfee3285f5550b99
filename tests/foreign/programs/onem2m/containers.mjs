// A oneM2M application of the kind that tutorials for other servers make: it registers with the token that does not end, keeps measurements in
// containers, subscribes to them, and finds them by their labels.
// Usage: containers.mjs API_URL TOKEN CA CALLBACK PUSHES

import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

process.on('uncaughtException', (error) => {
    console.error(error.message);
    process.exit(1);
});

const [api, token, ca, callback, pushes] = process.argv.slice(2);
const agent = new https.Agent({ ca: readFileSync(ca), keepAlive: true });
const run = String(process.hrtime.bigint());
const originator = `Ctutorial${run}`;

function call(method, path, body, { kind, origin = originator, expected = 200 } = {}) {
    const headers = { Authorization: `Bearer ${token}`, 'X-M2M-Origin': origin, 'X-M2M-RI': String(Math.random()), Accept: 'application/vnd.onem2m-res+json' };
    if (body) headers['Content-Type'] = `application/vnd.onem2m-res+json; ty=${kind ?? ''}`.replace('; ty=;', '').replace(/; ty=$/, '');
    return new Promise((resolve, reject) => {
        const request = https.request(api + path, { agent, method, headers }, (answer) => {
            let text = '';
            answer.on('data', (part) => (text += part));
            answer.on('end', () => {
                try {
                    assert.equal(answer.statusCode, expected, `${method} ${path}: ${answer.statusCode} ${text}`);
                    resolve(text ? JSON.parse(text) : undefined);
                } catch (error) {
                    reject(error);
                }
            });
        });
        request.on('error', reject);
        request.end(body && JSON.stringify(body));
    });
}

async function noticed(what, condition) {
    for (let tries = 0; tries < 200; tries++) {
        const found = readFileSync(pushes, 'utf8').split('\n').filter((line) => line.includes(run)).map((line) => JSON.parse(line)).find(condition);
        if (found) return found;
        await sleep(100);
    }
    assert.fail(`no notice of ${what}`);
}

const entity = `tutorial${run}`;
const made = await call('POST', '', { 'm2m:ae': { rn: entity, api: 'N.tutorial', rr: true, poa: [callback] } }, { kind: 2, expected: 201 });
assert.equal(made['m2m:ae'].aei, originator);
await call('POST', '', { 'm2m:ae': { rn: entity, api: 'N.tutorial', rr: true } }, { kind: 2, origin: `Cother${run}`, expected: 409 });
for (const name of ['DESCRIPTOR', 'DATA']) {
    await call('POST', `/${entity}`, { 'm2m:cnt': { rn: name, lbl: [`kind:${run}`], mni: 3 } }, { kind: 3, expected: 201 });
}
const data = `/${entity}/DATA`;
const subscription = { 'm2m:sub': { rn: 'watch', enc: { net: [3] }, nct: 1, nu: [originator] } };
await call('POST', data, subscription, { kind: 23, expected: 201 });
for (let value = 0; value < 5; value++) {
    const con = JSON.stringify({ run, value });
    await call('POST', data, { 'm2m:cin': { cnf: 'application/json:0', con } }, { kind: 4, expected: 201 });
}
const notice = await noticed('a new instance', (push) => JSON.stringify(push).includes('m2m:cin'));
assert.equal(notice['m2m:sgn'].nev.net ?? 3, 3);
assert.equal(JSON.parse((await call('GET', `${data}/la`))['m2m:cin'].con).value, 4);
assert.equal(JSON.parse((await call('GET', `${data}/ol`))['m2m:cin'].con).value, 2);
const shown = (await call('GET', `${data}?rcn=4`))['m2m:cnt'];
assert.deepEqual([shown.cni, shown['m2m:cin'].length], [3, 3]);
await call('PUT', data, { 'm2m:cnt': { mni: 1 } });
assert.equal((await call('GET', data))['m2m:cnt'].cni, 1);

const found = (await call('GET', `?fu=1&ty=3&lbl=kind:${run}`))['m2m:uril'];
assert.deepEqual(found.map((uri) => uri.split('/').at(-1)).sort(), ['DATA', 'DESCRIPTOR']);
const tree = (await call('GET', `/${entity}?rcn=4&lvl=2`))['m2m:ae'];
assert.equal(tree['m2m:cnt'].length, 2);
assert((await call('GET', `/${entity}?rcn=4&ty=3`))['m2m:ae']['m2m:cnt'].every((child) => child.lbl[0] === `kind:${run}`));
await call('DELETE', `${data}/watch`);
await call('DELETE', `/${entity}`);
await call('GET', `/${entity}`, undefined, { expected: 404 });
agent.destroy();
