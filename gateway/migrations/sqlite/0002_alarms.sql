-- Alarms of declared pipelines: what each is, and what happened to it. Times are event times unless they say otherwise.

CREATE TABLE alarms (
    id              TEXT PRIMARY KEY,
    pipeline        TEXT NOT NULL,
    step            TEXT NOT NULL,
    name            TEXT NOT NULL,
    rule            TEXT NOT NULL,
    -- The vehicle, unless the pipeline is keyed otherwise.
    key             TEXT NOT NULL,
    severity        TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    raised_at       INTEGER NOT NULL,
    cleared_at      INTEGER,
    acknowledged_at INTEGER,
    acknowledged_by TEXT,
    note            TEXT,
    count           INTEGER NOT NULL,
    value           REAL,
    -- The newest event taken up: older ones told again change nothing.
    updated_at      INTEGER NOT NULL
);
CREATE INDEX alarms_by_time ON alarms (raised_at);
CREATE INDEX alarms_by_key ON alarms (key, raised_at);
CREATE INDEX alarms_by_pipeline ON alarms (pipeline, raised_at);

CREATE TABLE alarm_events (
    alarm_id    TEXT NOT NULL REFERENCES alarms (id),
    at          INTEGER NOT NULL,
    change      TEXT NOT NULL,
    severity    TEXT,
    count       INTEGER,
    said_by     TEXT,
    note        TEXT,
    -- By the server's clock.
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (alarm_id, at, change)
);
