CREATE TABLE meta (key {text} PRIMARY KEY, value BIGINT NOT NULL);

CREATE TABLE account (id {blob} PRIMARY KEY, version BIGINT NOT NULL, name {text} NOT NULL UNIQUE, history_days BIGINT NOT NULL, event_days BIGINT NOT NULL, doc {text} NOT NULL);

CREATE TABLE app (id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, name {text} NOT NULL, doc {text} NOT NULL, UNIQUE (account, name));

CREATE TABLE product (id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, product_key {text} NOT NULL, name {text} NOT NULL, doc {text} NOT NULL, UNIQUE (account, product_key));
CREATE INDEX product_by_name ON product (account, name, id);

CREATE TABLE device (
    id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, app {blob} NOT NULL, node_id {text} NOT NULL UNIQUE,
    product {blob}, gateway {blob} NOT NULL, node_type {text} NOT NULL, device_type {text}, name {text}, location {text}, status {text} NOT NULL,
    connected BIGINT NOT NULL, activated BIGINT NOT NULL, code_expires_at BIGINT, aging_days BIGINT,
    created_at BIGINT NOT NULL, last_seen BIGINT, doc {text} NOT NULL);
CREATE INDEX device_by_account ON device (account, created_at, id);
CREATE INDEX device_by_app ON device (account, app, created_at, id);
CREATE INDEX device_by_gateway ON device (account, gateway, created_at, id);
CREATE INDEX device_by_product ON device (product) WHERE product IS NOT NULL;
CREATE INDEX device_silent ON device (status, (COALESCE(last_seen, created_at)));
CREATE INDEX device_expiring ON device (id, code_expires_at) WHERE activated = 0 AND code_expires_at IS NOT NULL;
CREATE INDEX device_connected ON device (id) WHERE connected = 1;
CREATE INDEX device_aging ON device (id, aging_days) WHERE aging_days IS NOT NULL;

CREATE TABLE tombstone (device {blob} PRIMARY KEY, deleted_at BIGINT NOT NULL);
CREATE INDEX tombstone_by_time ON tombstone (deleted_at);

CREATE TABLE subscription (
    id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, owner {blob} NOT NULL, target {blob} NOT NULL,
    kind {text} NOT NULL, scope {text} NOT NULL, callback_url {text} NOT NULL, created_at BIGINT NOT NULL, doc {text} NOT NULL,
    UNIQUE (owner, target, scope));
CREATE INDEX subscription_by_account ON subscription (account, created_at, id);
CREATE INDEX subscription_by_time ON subscription (created_at, id);

CREATE TABLE read_cursor (subscription {blob} PRIMARY KEY, doc {text} NOT NULL);

CREATE TABLE service_call (id {blob} PRIMARY KEY, device {blob} NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, doc {text} NOT NULL);
CREATE INDEX service_call_by_device ON service_call (device, created_at, id);
CREATE INDEX service_call_by_end ON service_call (expires_at);

CREATE TABLE mqtt_session (device {blob} PRIMARY KEY, expires_at BIGINT NOT NULL, doc {text} NOT NULL);
CREATE INDEX mqtt_session_by_end ON mqtt_session (expires_at);
