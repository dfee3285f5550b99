CREATE TABLE stream (first_seq {int_key}, last_seq BIGINT NOT NULL, at BIGINT NOT NULL, events {blob} NOT NULL);
CREATE INDEX stream_by_time ON stream (at, first_seq);
