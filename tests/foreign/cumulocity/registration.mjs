// Registration, bulk registration and real time with @c8y/client as it is on npm.
// Usage: registration.mjs PACKAGE BASE TENANT USER PASSWORD BOOTSTRAP_PASSWORD. The exit status is 0 when all was as it should be.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [folder, base, tenant, user, password, bootstrap] = process.argv.slice(2);
const { Client, BasicAuth, FetchClient } = createRequire(folder + "/")("@c8y/client");

const client = await Client.authenticate({ tenant, user, password }, base);
assert.equal(client.core.tenant, tenant);

// Requests, page by page.
const { deviceRegistration, deviceRegistrationBulk, inventory, identity, operation, measurement, realtime } = client;
for (let n = 0; n < 7; n++) assert.equal((await deviceRegistration.create({ id: `npm-${n}` })).data.status, "WAITING_FOR_CONNECTION");
const page = await deviceRegistration.list({ pageSize: 3, withTotalPages: true });
assert.equal(page.data.length, 3);
assert.equal(page.paging.totalPages, 3);
assert.equal((await page.paging.next()).data[0].id, "npm-3");
assert.equal((await deviceRegistration.detail("npm-2")).data.id, "npm-2");
await deviceRegistration.delete("npm-6");
await assert.rejects(deviceRegistration.accept("npm-0"), (refused) => refused.res.status === 422);

// A device that asks is accepted by itself, others with all that wait.
const basicAuthToken = btoa(`management/devicebootstrap:${bootstrap}`);
const device = (deviceId) => Client.deviceBootstrap({ deviceId, basicAuthToken, baseUrl: base, timeout: 60000 });
const accepted = async (id) => {
    for (;;) {
        try {
            return await deviceRegistration.accept(id);
        } catch (refused) {
            if (refused.res.status !== 422) throw refused;
        }
    }
};
const [first] = await Promise.all([device("npm-0"), accepted("npm-0")]);
assert.equal((await first.core.fetch("/user/currentUser")).status, 200);
const second = device("npm-1");
for (;;) {
    await deviceRegistration.acceptAll();
    if ((await deviceRegistration.list()).data.every((one) => one.id !== "npm-1" || one.status === "ACCEPTED")) break;
}
await second;

// A file of devices.
const csv = ["ID;CREDENTIALS;TYPE;NAME;PATH;SHELL;serial number", ...[1, 2, 3].map((n) => `bulk-${n};secret${n};c8y_Meter;"Meter; ${n}";Town/North;1;${n}`), "bad id;x;c8y_Meter;Bad;;0;4"];
const bulk = await deviceRegistrationBulk.create(Buffer.from("\ufeff" + csv.join("\r\n")));
assert.equal(bulk.res.status, 201);
assert.deepEqual([bulk.data.numberOfAll, bulk.data.numberOfCreated, bulk.data.numberOfFailed, bulk.data.numberOfSuccessful], [4, 3, 1, 3]);
assert.equal(bulk.data.failedCreationList[0].deviceId, "bad id");
const again = await deviceRegistrationBulk.create(Buffer.from(csv.slice(0, 4).join("\n")));
assert.deepEqual([again.data.numberOfCreated, again.data.credentialUpdatedList.length], [0, 3]);

// What was made is found, and its agent hears of its operation.
const meter = (await identity.detail({ type: "c8y_Serial", externalId: "bulk-1" })).data.managedObject.id;
assert.equal((await inventory.detail(meter)).data.name, "Meter; 1");
assert.equal((await inventory.list({ type: "c8y_Meter", pageSize: 100, withTotalPages: true })).data.length, 3);
const agent = new Client(new BasicAuth({ tenant, user: "device_bulk-1", password: "secret1" }), base);
agent.core.tenant = tenant;
const heard = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error("the operation was not told")), 30000).unref();
    agent.realtime.subscribe(`/operations/${meter}`, (message) => message.data.data.status === "PENDING" && resolve(message.data.data));
});
// It subscribes meanwhile.
await new Promise((resolve) => setTimeout(resolve, 1000));
const made = (await operation.create({ deviceId: meter, description: "Restart", c8y_Restart: {} })).data;
assert.equal((await heard).id, made.id);
await agent.operation.update({ id: made.id, status: "SUCCESSFUL" });
assert.equal((await operation.detail(made.id)).data.status, "SUCCESSFUL");
await agent.measurement.create({ sourceId: meter, time: new Date().toISOString(), type: "m", c8y_Power: { P: { value: 4.5, unit: "W" } } });
assert.equal((await measurement.list({ source: meter })).data.length, 1);
agent.realtime.disconnect();

// Another password is nobody's.
await assert.rejects(Client.authenticate({ tenant, user, password: "wrong" }, base));
assert.equal((await new FetchClient(new BasicAuth({ tenant, user, password: "wrong" }), base).fetch("/inventory/managedObjects")).status, 401);
process.exit(0);
