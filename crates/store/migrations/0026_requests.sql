-- Requests for the credentials of devices, by the digest of the device's id, as an id may be longer than what an index takes.
CREATE TABLE device_request (
    id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, created_at BIGINT NOT NULL, doc {text} NOT NULL);
CREATE INDEX device_request_by_account ON device_request (account, created_at, id);
