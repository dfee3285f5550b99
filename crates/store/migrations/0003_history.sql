CREATE TABLE chunk (
    device {blob} NOT NULL, first_seq BIGINT NOT NULL, last_seq BIGINT NOT NULL, account {blob} NOT NULL, arrived_at BIGINT NOT NULL,
    t0 BIGINT NOT NULL, t1 BIGINT NOT NULL, n BIGINT NOT NULL, points {blob} NOT NULL, PRIMARY KEY (device, first_seq));
CREATE INDEX chunk_by_arrival ON chunk (account, arrived_at);

CREATE TABLE device_state (device {blob} PRIMARY KEY, flushed_seq BIGINT NOT NULL, services {text} NOT NULL);

INSERT INTO meta (key, value) VALUES ('flushed_seq', 0), ('flushing_seq', 0);
