-- Files with objects and events, and their bytes in parts. One whose bytes still come is of neither.
CREATE TABLE binary_file (
    id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, object BIGINT, event {blob}, bytes BIGINT NOT NULL, created_at BIGINT NOT NULL,
    doc {text} NOT NULL);
CREATE UNIQUE INDEX binary_file_of_object ON binary_file (object);
CREATE UNIQUE INDEX binary_file_of_event ON binary_file (event);
CREATE INDEX binary_file_by_account ON binary_file (account, bytes);
CREATE TABLE binary_part (file {blob} NOT NULL, no BIGINT NOT NULL, bytes {blob} NOT NULL, PRIMARY KEY (file, no));
