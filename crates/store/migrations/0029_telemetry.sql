-- Alarms of devices, of which one of a kind is open at a time, and what happened to them. `over_at` is when an alarm was cleared; `names` are the
-- fragments of an event, each as JSON on a line of its own.
CREATE TABLE alarm (
    id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, device {blob} NOT NULL, kind {text} NOT NULL, status {text} NOT NULL,
    severity {text} NOT NULL, at BIGINT NOT NULL, over_at BIGINT, doc {text} NOT NULL);
CREATE INDEX alarm_by_account ON alarm (account, at, id, status, severity, kind, device);
CREATE INDEX alarm_by_device ON alarm (device, at, id, account, status, severity, kind);
CREATE INDEX alarm_open_by_account ON alarm (account, at, id, status, severity, kind, device) WHERE over_at IS NULL;
CREATE INDEX alarm_open_by_device ON alarm (device, at, id, account, status, severity, kind) WHERE over_at IS NULL;
CREATE INDEX alarm_over ON alarm (account, over_at, id) WHERE over_at IS NOT NULL;

CREATE TABLE device_event (
    id {blob} PRIMARY KEY, version BIGINT NOT NULL, account {blob} NOT NULL, device {blob} NOT NULL, kind {text} NOT NULL, at BIGINT NOT NULL,
    created_at BIGINT NOT NULL, names {text} NOT NULL, doc {text} NOT NULL);
CREATE INDEX device_event_by_account ON device_event (account, at, id, kind, device, names);
CREATE INDEX device_event_by_device ON device_event (device, at, id, account, kind, names);
CREATE INDEX device_event_by_arrival ON device_event (account, created_at, id);
