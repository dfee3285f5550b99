-- Users, and the tenant ids of accounts. The id of a user is its account and the form of its name in which case makes no difference, so that the
-- users of an account are listed by name. What may be long is cut to what an index takes.
CREATE TABLE users (id {blob} PRIMARY KEY, version BIGINT NOT NULL, role {text} NOT NULL, device_id {text} UNIQUE, doc {text} NOT NULL);
-- Of an account with a million devices, its people.
CREATE INDEX users_of_people ON users (id, role) WHERE role <> 'device';
ALTER TABLE account ADD COLUMN tenant {text} NOT NULL DEFAULT '';
