// An application whose base address ends with a slash, which sends a BOM, its token as `access_token`, scalars in the other spelling and
// empty texts for what is not set, and which subscribes everything that its SDK lists, in one loop that a refusal ends.
// Usage: odd.mjs BASE CA APP_ID SECRET CALLBACK PUSHES REPORT

import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';

process.on('uncaughtException', (error) => {
    console.error(error.message);
    process.exit(1);
});

const [base, ca, appId, secret, callback, pushes, report] = process.argv.slice(2);
const agent = new https.Agent({ ca: readFileSync(ca), keepAlive: true });
let token;

function call(method, path, body, expected = 200) {
    const headers = { 'Content-Type': 'application/json; charset=UTF-8' };
    if (token) Object.assign(headers, { app_key: appId, access_token: token });
    const text = body === undefined ? undefined : '\ufeff' + JSON.stringify(body);
    return new Promise((resolve, reject) => {
        const request = https.request(base + path, { agent, method, headers }, (answer) => {
            let answered = '';
            answer.on('data', (part) => (answered += part));
            answer.on('end', () => {
                try {
                    assert.equal(answer.statusCode, expected, `${method} ${path}: ${answer.statusCode} ${answered}`);
                    resolve(answered ? JSON.parse(answered) : undefined);
                } catch (error) {
                    reject(error);
                }
            });
        });
        request.on('error', reject);
        request.end(text);
    });
}

async function pushed(kind, device) {
    for (let tries = 0; tries < 200; tries++) {
        const all = readFileSync(pushes, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
        const found = all.filter((push) => push.notifyType === kind && push.deviceId === device);
        if (found.length) return found;
        await sleep(100);
    }
    assert.fail(`no ${kind} was pushed`);
}

// Several workers log in at the same moment, and each goes on with what it got.
const login = () => call('POST', '/iocm/app/sec/v1.1.0/login/', { AppId: appId, Secret: secret });
const [first] = await Promise.all([login()]);
token = first.accessToken;

const kinds = [
    'bindDevice', 'serviceInfoChanged', 'deviceInfoChanged', 'deviceDataChanged', 'deviceAdded', 'deviceDeleted', 'messageConfirm', 'commandRsp',
    'deviceEvent', 'ruleEvent', 'deviceModelAdded', 'deviceModelDeleted', 'deviceDatasChanged',
];
for (const notifyType of kinds) {
    await call('POST', '/iocm/app/sub/v1.2.0/subscribe', { notifyType, callbackurl: callback, appId: '', channel: '' }, 201);
}
const listed = await call('GET', `/iocm/app/sub/v1.2.0/subscriptions?appid=${appId}&pageNo=0&pageSize=100`);
for (const kind of kinds) assert(listed.subscriptions.some((subscription) => subscription.notifyType === kind), kind);

const nodeId = `odd-${process.hrtime.bigint()}`;
const product = { manufacturerId: 'acme', manufacturerName: 'Acme', deviceType: 'Thermometer', model: 'T1', protocolType: 'MQTT' };
const registered = await call('POST', '/iocm/app/reg/v2.0.0/deviceCredentials/', {
    deviceInfo: { nodeId, name: 7, mac: '', location: '', ...product }, mqttConnect: 'true', secret: '', endUserId: '',
});
const id = registered.deviceId;
const shown = await call('GET', `/iocm/app/dm/v1.3.0/devices/${id}`);
assert.deepEqual([shown.deviceInfo.name, shown.deviceInfo.location], ['7', null]);
await call('PUT', `/iocm/app/dm/v1.4.0/devices/${id}/`, { mute: 'FALSE', endUserId: '', dataConfig: { dataAgingTime: '30' } }, 204);

execFileSync(report, [id, registered.secret]);
execFileSync(report, [id, registered.secret]);
for (let tries = 0; (await pushed('deviceDataChanged', id)).length < 2 && tries < 100; tries++) await sleep(100);
const ids = [...(await pushed('deviceDataChanged', id)), ...(await pushed('deviceDatasChanged', id))].map((push) => push.requestId);
assert.equal(new Set(ids).size, ids.length, `a receiver that drops repeats loses some of ${ids}`);

const missing = await call('GET', '/iocm/app/nothing/v1.0.0/here/', undefined, 404);
assert(missing.error_code && missing.error_desc);
await call('DELETE', `/iocm/app/dm/v1.4.0/devices/${id}?cascade=true`, undefined, 204);
for (const notifyType of kinds) await call('DELETE', `/iocm/app/sub/v1.2.0/subscriptions?notifyType=${notifyType}&callbackUrl=${encodeURIComponent(callback)}`, undefined, 204);
agent.destroy();
