-- Which principals see a device: their ids one after the other in its row, and an entry for each in the order of its lists. A database that
-- was written before has one for each device.
ALTER TABLE device RENAME COLUMN app TO principals;
CREATE TABLE device_principal (
    account {blob} NOT NULL, principal {blob} NOT NULL, created_at BIGINT NOT NULL, id {blob} NOT NULL, node_type {text} NOT NULL,
    PRIMARY KEY (account, principal, created_at, id)) {clustered};
INSERT INTO device_principal SELECT account, principals, created_at, id, node_type FROM device ORDER BY account, principals, created_at, id;
DROP INDEX device_by_app;
