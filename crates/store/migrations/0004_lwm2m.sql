ALTER TABLE device ADD COLUMN psk_identity {text} NOT NULL DEFAULT '';
UPDATE device SET psk_identity = node_id;
CREATE UNIQUE INDEX device_by_psk_identity ON device (psk_identity);

CREATE TABLE command (
    id {blob} PRIMARY KEY, version BIGINT NOT NULL, device {blob} NOT NULL, account {blob} NOT NULL, app {blob} NOT NULL,
    place BIGINT NOT NULL, state {text} NOT NULL, created_at BIGINT NOT NULL, due_at BIGINT, doc {text} NOT NULL, UNIQUE (device, place));
CREATE INDEX command_open ON command (device, place) WHERE state IN ('PENDING', 'SENT', 'DELIVERED');
CREATE INDEX command_over ON command (created_at) WHERE state NOT IN ('PENDING', 'SENT', 'DELIVERED');
CREATE INDEX command_due ON command (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX command_by_account ON command (account, created_at, id);
CREATE INDEX command_by_app ON command (account, app, created_at, id);
CREATE INDEX command_by_device ON command (account, device, created_at, id);

CREATE TABLE revoke_task (
    id {blob} PRIMARY KEY, account {blob} NOT NULL, app {blob} NOT NULL, device {blob} NOT NULL, state {text} NOT NULL,
    created_at BIGINT NOT NULL, doc {text} NOT NULL);
CREATE INDEX revoke_task_by_account ON revoke_task (account, created_at, id);
CREATE INDEX revoke_task_by_app ON revoke_task (account, app, created_at, id);
CREATE INDEX revoke_task_by_device ON revoke_task (device);
CREATE INDEX revoke_task_by_time ON revoke_task (created_at);

CREATE TABLE shadow (device {blob} PRIMARY KEY, version BIGINT NOT NULL, doc {text} NOT NULL);

CREATE TABLE setting (
    id {int_key}, account {blob} NOT NULL, device {blob} NOT NULL, at BIGINT NOT NULL, service_id {text} NOT NULL,
    properties {text} NOT NULL, doc {text} NOT NULL);
CREATE INDEX setting_by_device ON setting (device, at, id);
CREATE INDEX setting_by_time ON setting (account, at);

CREATE TABLE registration (device {blob} PRIMARY KEY, expires_at BIGINT NOT NULL, doc {blob} NOT NULL);
CREATE INDEX registration_by_end ON registration (expires_at);

CREATE TABLE secure_session (id {int_key}, device {blob} NOT NULL, state {text} NOT NULL);
CREATE INDEX secure_session_by_device ON secure_session (device);
