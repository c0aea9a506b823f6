-- What POST /api/telemetry of PitBox needs of its schema.
CREATE TABLE IF NOT EXISTS telemetry (
  id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  driver_id TEXT NOT NULL,
  session_id TEXT,
  data JSONB NOT NULL,
  recorded_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS telemetry_by_driver ON telemetry (driver_id, recorded_at);
