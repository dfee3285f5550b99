-- Groups of devices, and who is in which. The owner is an application, or the account itself.
CREATE TABLE device_group (
    id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, owner {blob} NOT NULL, name {text} NOT NULL, created_at BIGINT NOT NULL,
    doc {text} NOT NULL, UNIQUE (account, owner, name));
CREATE INDEX device_group_by_name ON device_group (account, name, id);
CREATE TABLE group_member (member_of {blob} NOT NULL, device {blob} NOT NULL, PRIMARY KEY (member_of, device)) {clustered};
CREATE INDEX group_member_by_device ON group_member (device, member_of);
