-- What the names of devices stand for, as one function computes it (landfall_model::Identity): each identity is held by one device. Older
-- databases may have devices whose identity an older device holds: they wait for it.
CREATE TABLE identity (name {text} PRIMARY KEY, device {blob} NOT NULL) {clustered};
CREATE INDEX identity_by_device ON identity (device);

CREATE TABLE identity_clash (name {text} NOT NULL, created_at BIGINT NOT NULL, device {blob} NOT NULL, PRIMARY KEY (name, created_at, device)) {clustered};
CREATE INDEX identity_clash_by_device ON identity_clash (device);

DROP INDEX device_by_psk_identity;
