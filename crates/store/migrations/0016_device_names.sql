-- Every name by which a device is found, in one table: unique on the server where the scope is empty, else in the account that is the scope.
-- Devices of older databases may wait for a name that an older device holds.
CREATE TABLE device_name (scope {blob} NOT NULL, kind {text} NOT NULL, name {text} NOT NULL, device {blob} NOT NULL, PRIMARY KEY (scope, kind, name)) {clustered};
INSERT INTO device_name SELECT CAST('' AS {blob}), 'identity', name, device FROM identity ORDER BY name;
INSERT INTO device_name SELECT account, 'node', node_name, id FROM device WHERE node_name IS NOT NULL ORDER BY account, node_name;

CREATE TABLE name_clash (
    scope {blob} NOT NULL, kind {text} NOT NULL, name {text} NOT NULL, created_at BIGINT NOT NULL, device {blob} NOT NULL,
    PRIMARY KEY (scope, kind, name, created_at, device)) {clustered};
INSERT INTO name_clash SELECT CAST('' AS {blob}), 'identity', name, created_at, device FROM identity_clash;

DROP TABLE identity;
DROP TABLE identity_clash;
DROP INDEX device_by_node_name;
