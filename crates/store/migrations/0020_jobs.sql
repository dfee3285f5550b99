-- Jobs with the counts of their begun targets, which the writer keeps; their targets as they were chosen, in blocks; and those that were begun.
-- The application of a job of none is its account.
CREATE TABLE job (
    id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, app {blob} NOT NULL, kind {text} NOT NULL, name {text} NOT NULL,
    created_at BIGINT NOT NULL, finished_at BIGINT, doc {text} NOT NULL, running BIGINT NOT NULL DEFAULT 0, succeeded BIGINT NOT NULL DEFAULT 0,
    failed BIGINT NOT NULL DEFAULT 0, timed_out BIGINT NOT NULL DEFAULT 0, expired BIGINT NOT NULL DEFAULT 0, stopped BIGINT NOT NULL DEFAULT 0,
    UNIQUE (name, account, app, kind));
CREATE INDEX job_by_time ON job (created_at, id, kind, finished_at);
CREATE INDEX job_by_account ON job (account, created_at, id, kind, finished_at);
CREATE INDEX job_by_app ON job (app, created_at, id, account, kind, finished_at);
CREATE INDEX job_open ON job (created_at, id) WHERE finished_at IS NULL;
CREATE INDEX job_over ON job (finished_at, id) WHERE finished_at IS NOT NULL;

-- Ids of devices one after the other, or rows of a list as JSON.
CREATE TABLE job_block (job {blob} NOT NULL, first BIGINT NOT NULL, devices {blob}, list {text}, PRIMARY KEY (job, first));

CREATE TABLE job_target (
    job {blob} NOT NULL, place BIGINT NOT NULL, state {text} NOT NULL, device {blob}, command {blob}, detail {blob},
    PRIMARY KEY (job, place)) {clustered};
CREATE INDEX job_target_by_state ON job_target (job, state, place);
CREATE INDEX job_target_by_device ON job_target (job, device) WHERE device IS NOT NULL;
