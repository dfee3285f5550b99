-- A callback address of calls and commands stays while one of them names it, or while something that was told to it is not delivered.
CREATE TABLE address_use (holder {blob} PRIMARY KEY, device {blob} NOT NULL, owner {blob} NOT NULL, target {blob} NOT NULL, callback_url {text} NOT NULL);
CREATE INDEX address_use_by_url ON address_use (owner, target, callback_url);
CREATE INDEX address_use_by_device ON address_use (device);
ALTER TABLE subscription ADD COLUMN told_seq BIGINT NOT NULL DEFAULT 0;
UPDATE subscription SET told_seq = COALESCE((SELECT MAX(last_seq) FROM stream), 0) WHERE kind = '*callAddress';
CREATE INDEX subscription_by_url ON subscription (owner, callback_url);
CREATE INDEX subscription_address ON subscription (id) WHERE kind = '*callAddress';
ALTER TABLE read_cursor ADD COLUMN done_to BIGINT NOT NULL DEFAULT 0;
