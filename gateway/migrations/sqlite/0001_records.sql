-- Relational records. Times are microseconds since the Unix epoch, UTC; ids are the wire's ids.

CREATE TABLE teams (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE drivers (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    team_id    TEXT REFERENCES teams (id),
    created_at INTEGER NOT NULL
);

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    role          TEXT NOT NULL CHECK (role IN ('admin', 'engineer', 'driver', 'viewer', 'relay')),
    driver_id     TEXT,
    password_hash TEXT NOT NULL,
    -- 1 for the first user ever: unique, so two registrations at once cannot both become admin.
    founder       INTEGER UNIQUE,
    created_at    INTEGER NOT NULL
);

CREATE TABLE api_keys (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL CHECK (role IN ('admin', 'engineer', 'driver', 'viewer', 'relay')),
    -- Vehicle ids, separated by spaces; NULL: what the role gives.
    publish    TEXT,
    -- SHA-256 of the key, hexadecimal; the key itself is nowhere.
    hash       TEXT NOT NULL UNIQUE,
    owner      TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE tracks (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    length_m   REAL,
    created_at INTEGER NOT NULL
);

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    driver_id  TEXT NOT NULL REFERENCES drivers (id),
    name       TEXT NOT NULL,
    track_id   TEXT REFERENCES tracks (id),
    created_at INTEGER NOT NULL
);
CREATE INDEX sessions_by_driver ON sessions (driver_id, created_at);

-- What telemetry there is; the samples are in the time-series store.
CREATE TABLE telemetry_index (
    vehicle_id TEXT NOT NULL REFERENCES drivers (id),
    -- '' outside any session.
    session_id TEXT NOT NULL,
    first_at   INTEGER NOT NULL,
    last_at    INTEGER NOT NULL,
    samples    INTEGER NOT NULL,
    PRIMARY KEY (vehicle_id, session_id)
);

CREATE TABLE video_frames (
    id           TEXT PRIMARY KEY,
    driver_id    TEXT NOT NULL REFERENCES drivers (id),
    session_id   TEXT REFERENCES sessions (id),
    content_type TEXT NOT NULL,
    bytes        INTEGER NOT NULL,
    width        INTEGER NOT NULL,
    height       INTEGER NOT NULL,
    sha256       TEXT NOT NULL,
    taken_at     INTEGER NOT NULL,
    received_at  INTEGER NOT NULL
);
CREATE INDEX video_frames_by_driver ON video_frames (driver_id, taken_at);

CREATE TABLE ai_feedback (
    id         TEXT PRIMARY KEY,
    driver_id  TEXT NOT NULL REFERENCES drivers (id),
    session_id TEXT REFERENCES sessions (id),
    source     TEXT NOT NULL,
    telemetry  TEXT NOT NULL,
    feedback   TEXT NOT NULL,
    created_at INTEGER NOT NULL
);
CREATE INDEX ai_feedback_by_driver ON ai_feedback (driver_id, created_at);

CREATE TABLE voice_cache (
    key          TEXT PRIMARY KEY,
    engine       TEXT NOT NULL,
    voice        TEXT NOT NULL,
    text         TEXT NOT NULL,
    content_type TEXT NOT NULL,
    bytes        INTEGER NOT NULL,
    created_at   INTEGER NOT NULL
);

-- Fleets and their vehicles.
CREATE TABLE fleets (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE TABLE vehicles (
    id           TEXT PRIMARY KEY,
    external_id  TEXT UNIQUE,
    type         TEXT NOT NULL,
    manufacturer TEXT,
    model        TEXT,
    fleet_id     TEXT REFERENCES fleets (id),
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
);
