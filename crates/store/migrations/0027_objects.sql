-- Objects of the inventory. What one is: itself (0), a group (1) or a device (2), whose id is the subject.
CREATE TABLE object (
    id {int_key}, version BIGINT NOT NULL, account {blob} NOT NULL, what BIGINT NOT NULL, subject {blob}, kind {text}, name {text}, owner {text},
    doc {text} NOT NULL);
CREATE INDEX object_by_account ON object (account, what, id);
CREATE UNIQUE INDEX object_by_subject ON object (subject) WHERE subject IS NOT NULL;
CREATE INDEX object_by_kind ON object (account, kind, id) WHERE kind IS NOT NULL;
CREATE INDEX object_by_name ON object (account, name, id) WHERE name IS NOT NULL;
CREATE INDEX object_by_owner ON object (account, owner, id) WHERE owner IS NOT NULL;
-- The names of fragments by which objects are found.
CREATE TABLE object_fragment (account {blob} NOT NULL, name {text} NOT NULL, object BIGINT NOT NULL, PRIMARY KEY (account, name, object)) {clustered};
-- What is below what: a device (0), an asset (1), an addition (2). A child that is a device says which.
CREATE TABLE object_link (
    parent BIGINT NOT NULL, kind BIGINT NOT NULL, child BIGINT NOT NULL, device {blob}, PRIMARY KEY (parent, kind, child)) {clustered};
CREATE INDEX object_link_by_child ON object_link (child, kind, parent);
CREATE INDEX object_link_by_device ON object_link (device, kind) WHERE device IS NOT NULL;
-- Other names of objects.
CREATE TABLE external_id (
    account {blob} NOT NULL, kind {text} NOT NULL, value {text} NOT NULL, object BIGINT NOT NULL, PRIMARY KEY (account, kind, value)) {clustered};
CREATE INDEX external_id_by_object ON external_id (object, kind, value);
