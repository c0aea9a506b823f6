-- How people are let in, and how tokens are taken back.

-- Channels as a JSON list; NULL: all.
ALTER TABLE api_keys ADD COLUMN channels TEXT;
-- NULL: until it is deleted.
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;

CREATE TABLE invites (
    id         TEXT PRIMARY KEY,
    -- SHA-256 of the code, hexadecimal; the code itself is nowhere.
    hash       TEXT NOT NULL UNIQUE,
    role       TEXT NOT NULL CHECK (role IN ('admin', 'engineer', 'driver', 'viewer', 'relay')),
    driver_id  TEXT,
    created_by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);

CREATE TABLE revocations (
    -- token: value is a token's id; subject: every token of the subject issued until then.
    kind       TEXT NOT NULL CHECK (kind IN ('token', 'subject')),
    value      TEXT NOT NULL,
    revoked_at INTEGER NOT NULL,
    -- When what it takes back has ended by itself; NULL: not known.
    until      INTEGER,
    revoked_by TEXT NOT NULL,
    PRIMARY KEY (kind, value)
);
CREATE INDEX revocations_by_time ON revocations (revoked_at);
