CREATE TABLE device_count (
    account {blob} NOT NULL, owner {blob} NOT NULL, status {text} NOT NULL, node_type {text} NOT NULL, n BIGINT NOT NULL,
    PRIMARY KEY (account, owner, status, node_type)) {clustered};
CREATE INDEX device_count_of_accounts ON device_count (n) WHERE owner = account;
INSERT INTO device_count SELECT account, account, status, node_type, COUNT(*) FROM device GROUP BY account, status, node_type;
INSERT INTO device_count SELECT account, app, status, node_type, COUNT(*) FROM device WHERE app <> account GROUP BY account, app, status, node_type;
INSERT INTO device_count SELECT account, product, status, node_type, COUNT(*) FROM device WHERE product IS NOT NULL GROUP BY account, product, status, node_type;
INSERT INTO device_count SELECT account, gateway, status, node_type, COUNT(*) FROM device WHERE gateway <> id GROUP BY account, gateway, status, node_type;

DROP INDEX device_by_account;
DROP INDEX device_by_app;
DROP INDEX device_by_gateway;
CREATE INDEX device_by_account ON device (account, created_at, id, node_type);
CREATE INDEX device_by_app ON device (account, app, created_at, id, node_type);
CREATE INDEX device_by_gateway ON device (account, gateway, created_at, id, app, node_type);
CREATE INDEX device_by_status ON device (account, status, created_at, id, app);
CREATE INDEX device_by_name ON device (account, name, created_at, id) WHERE name IS NOT NULL;
CREATE INDEX device_by_location ON device (account, location, created_at, id) WHERE location IS NOT NULL;
CREATE INDEX device_by_type ON device (account, device_type, created_at, id, app) WHERE device_type IS NOT NULL;
CREATE INDEX device_in_product ON device (account, product, created_at, id, app) WHERE product IS NOT NULL;
DROP INDEX device_silent;
DROP INDEX device_expiring;
CREATE INDEX device_silent ON device (status, (COALESCE(last_seen, created_at)), id);
CREATE INDEX device_expiring ON device (code_expires_at, id) WHERE activated = 0 AND code_expires_at IS NOT NULL;

CREATE INDEX subscription_by_owner ON subscription (owner, created_at, id);
CREATE INDEX subscription_by_target ON subscription (target, created_at, id);
CREATE INDEX subscription_by_callback ON subscription (callback_url, created_at, id);
CREATE INDEX subscription_by_kind ON subscription (kind, created_at, id, account);

DROP INDEX revoke_task_by_device;
CREATE INDEX revoke_task_by_device ON revoke_task (device, created_at, id);
CREATE INDEX revoke_task_by_state ON revoke_task (account, state, created_at, id, app);

DROP INDEX resource_by_parent;
CREATE INDEX resource_by_parent ON resource (parent, created_at, id, kind);

ALTER TABLE container ADD COLUMN first BIGINT NOT NULL DEFAULT 0;
DROP INDEX instance_by_place;
DROP INDEX instance_by_end;
CREATE INDEX instance_by_place ON instance (container, n, size, expires_at);
CREATE INDEX instance_by_end ON instance (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX instance_ending ON instance (container, expires_at, n) WHERE expires_at IS NOT NULL;

CREATE TABLE unlinked (owner {blob} PRIMARY KEY, kind {text} NOT NULL) {clustered};
