-- What the rows of a job claim for themselves in it.
CREATE TABLE job_claim (job {blob} NOT NULL, key {blob} NOT NULL, row_no BIGINT NOT NULL, PRIMARY KEY (job, key)) {clustered};
