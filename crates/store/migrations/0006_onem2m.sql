ALTER TABLE device ADD COLUMN node_name {text};
CREATE UNIQUE INDEX device_by_node_name ON device (account, node_name) WHERE node_name IS NOT NULL;

CREATE TABLE resource (
    id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, parent {blob} NOT NULL, name {text} NOT NULL, kind BIGINT NOT NULL,
    device {blob}, expires_at BIGINT, created_at BIGINT NOT NULL, doc {text} NOT NULL, UNIQUE (parent, name));
CREATE INDEX resource_by_account ON resource (account, created_at, id);
CREATE INDEX resource_by_kind ON resource (account, kind, created_at, id);
CREATE INDEX resource_by_parent ON resource (parent, created_at, id);
CREATE INDEX resource_by_device ON resource (device, created_at, id) WHERE device IS NOT NULL;
CREATE INDEX resource_by_end ON resource (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX resource_subscription ON resource (id) WHERE kind = 23;

CREATE TABLE container (
    id {blob} PRIMARY KEY, part BIGINT NOT NULL, device {blob}, account {blob} NOT NULL, state BIGINT NOT NULL, instances BIGINT NOT NULL,
    bytes BIGINT NOT NULL, modified_at BIGINT NOT NULL) {clustered};
CREATE INDEX container_by_device ON container (device, part) WHERE device IS NOT NULL;
CREATE INDEX container_outgoing ON container (device) WHERE part = 4;

CREATE TABLE instance (
    id {blob} PRIMARY KEY, container {blob} NOT NULL, n BIGINT NOT NULL, name {text}, size BIGINT NOT NULL, expires_at BIGINT,
    doc {blob} NOT NULL) {clustered};
CREATE INDEX instance_by_place ON instance (container, n, size);
CREATE UNIQUE INDEX instance_by_name ON instance (container, name) WHERE name IS NOT NULL;
CREATE INDEX instance_by_end ON instance (expires_at, container) WHERE expires_at IS NOT NULL;

CREATE TABLE label (account {blob} NOT NULL, label {text} NOT NULL, subject {blob} NOT NULL, PRIMARY KEY (account, label, subject)) {clustered};
CREATE INDEX label_by_subject ON label (subject);

CREATE TABLE provisioning (
    id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, app {blob} NOT NULL, name {text} NOT NULL,
    created_at BIGINT NOT NULL, finished_at BIGINT, doc {text} NOT NULL, UNIQUE (account, name));
CREATE INDEX provisioning_by_account ON provisioning (account, created_at, id);
CREATE INDEX provisioning_by_app ON provisioning (account, app, created_at, id);
CREATE INDEX provisioning_open ON provisioning (created_at, id) WHERE finished_at IS NULL;
CREATE INDEX provisioning_over ON provisioning (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE provisioning_part (request {blob} NOT NULL, first BIGINT NOT NULL, doc {text} NOT NULL, PRIMARY KEY (request, first));
CREATE TABLE provisioning_failure (request {blob} NOT NULL, place BIGINT NOT NULL, doc {text} NOT NULL, PRIMARY KEY (request, place)) {clustered};
