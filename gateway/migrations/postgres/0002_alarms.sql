-- Alarms of declared pipelines: what each is, and what happened to it. Times are event times unless they say otherwise.

CREATE TABLE alarms (
    id              TEXT COLLATE "C" PRIMARY KEY,
    pipeline        TEXT NOT NULL,
    step            TEXT NOT NULL,
    name            TEXT NOT NULL,
    rule            TEXT NOT NULL,
    -- The vehicle, unless the pipeline is keyed otherwise.
    key             TEXT NOT NULL,
    severity        TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    raised_at       BIGINT NOT NULL,
    cleared_at      BIGINT,
    acknowledged_at BIGINT,
    acknowledged_by TEXT,
    note            TEXT,
    count           BIGINT NOT NULL,
    value           DOUBLE PRECISION,
    -- The newest event taken up: older ones told again change nothing.
    updated_at      BIGINT NOT NULL
);
CREATE INDEX alarms_by_time ON alarms (raised_at);
CREATE INDEX alarms_by_key ON alarms (key, raised_at);
CREATE INDEX alarms_by_pipeline ON alarms (pipeline, raised_at);

CREATE TABLE alarm_events (
    alarm_id    TEXT NOT NULL REFERENCES alarms (id),
    at          BIGINT NOT NULL,
    change      TEXT NOT NULL,
    severity    TEXT,
    count       BIGINT,
    said_by     TEXT,
    note        TEXT,
    -- By the server's clock.
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (alarm_id, at, change)
);
