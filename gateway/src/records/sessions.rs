//! Sessions, tracks and the index of telemetry.

use slipstream_ports::{Listing, Page, RecordsError, RecordsFuture, Session, SessionRecords, TelemetrySpan, Track};
use slipstream_protocol::{Id, SessionId, Timestamp, VehicleId};

use super::{
    SqlRecords,
    database::{args, id_of, name_conflict},
};

type SessionRow = (String, String, String, Option<String>, i64);
type TrackRow = (String, String, Option<f64>, i64);
type SpanRow = (String, String, i64, i64, i64);

/// A driver's sessions: those it opened and those it sent telemetry in; every session without a driver.
macro_rules! of_driver {
    () => {
        "CAST($1 AS TEXT) IS NULL OR driver_id = $1 OR id IN (SELECT session_id FROM telemetry_index WHERE vehicle_id = $1)"
    };
}

fn session((id, driver, name, track, created_at): SessionRow) -> Result<Session, RecordsError> {
    Ok(Session {
        id: id_of(&id)?.into(),
        driver: id_of(&driver)?.into(),
        name,
        track: track.map(|id| id_of(&id)).transpose()?,
        created_at: Timestamp::from_micros(created_at),
    })
}

fn track((id, name, length_m, created_at): TrackRow) -> Result<Track, RecordsError> {
    Ok(Track { id: id_of(&id)?, name, length_m, created_at: Timestamp::from_micros(created_at) })
}

fn span((vehicle, session, first, last, samples): SpanRow) -> Result<TelemetrySpan, RecordsError> {
    Ok(TelemetrySpan {
        vehicle: id_of(&vehicle)?.into(),
        session: if session.is_empty() { None } else { Some(id_of(&session)?.into()) },
        first: Timestamp::from_micros(first),
        last: Timestamp::from_micros(last),
        samples: samples.cast_unsigned(),
    })
}

impl SessionRecords for SqlRecords {
    fn create_session(&self, new: Session) -> RecordsFuture<'_, Session> {
        Box::pin(async move {
            self.ensure_driver(&new.driver, new.created_at).await?;
            if let Some(track) = &new.track {
                let sql = "INSERT INTO tracks (id, name, created_at) VALUES ($1, $1, $2) ON CONFLICT DO NOTHING";
                self.database.execute(sql, args![track, new.created_at]).await?;
            }
            let sql = "INSERT INTO sessions (id, driver_id, name, track_id, created_at) VALUES ($1, $2, $3, $4, $5)";
            let fields = args![&new.id, &new.driver, new.name.as_str(), new.track.as_ref(), new.created_at];
            let kept = self.database.execute(sql, fields).await;
            kept.map_err(|error| name_conflict(error, || format!("the session '{}'", new.id)))?;
            Ok(new)
        })
    }

    fn session<'a>(&'a self, id: &'a SessionId) -> RecordsFuture<'a, Option<Session>> {
        Box::pin(async move {
            let sql = "SELECT id, driver_id, name, track_id, created_at FROM sessions WHERE id = $1";
            self.database.optional(sql, args![id]).await?.map(session).transpose()
        })
    }

    fn sessions<'a>(&'a self, driver: Option<&'a VehicleId>, page: Page) -> RecordsFuture<'a, Listing<Session>> {
        let sql = concat!(
            "SELECT id, driver_id, name, track_id, created_at FROM sessions WHERE ",
            of_driver!(),
            " ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3"
        );
        let total = concat!("SELECT COUNT(*) FROM sessions WHERE ", of_driver!());
        Box::pin(self.database.page([sql, total], page, move || args![driver], session))
    }

    fn put_track(&self, new: Track) -> RecordsFuture<'_, Track> {
        Box::pin(async move {
            let sql = "INSERT INTO tracks (id, name, length_m, created_at) VALUES ($1, $2, $3, $4) \
                       ON CONFLICT (id) DO UPDATE SET name = excluded.name, length_m = excluded.length_m \
                       RETURNING id, name, length_m, created_at";
            track(self.database.one(sql, args![&new.id, new.name, new.length_m, new.created_at]).await?)
        })
    }

    fn track<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, Option<Track>> {
        Box::pin(async move {
            let sql = "SELECT id, name, length_m, created_at FROM tracks WHERE id = $1";
            self.database.optional(sql, args![id]).await?.map(track).transpose()
        })
    }

    fn tracks(&self, page: Page) -> RecordsFuture<'_, Listing<Track>> {
        let sql = "SELECT id, name, length_m, created_at FROM tracks ORDER BY id LIMIT $1 OFFSET $2";
        Box::pin(self.database.page([sql, "SELECT COUNT(*) FROM tracks"], page, Vec::new, track))
    }

    fn index_telemetry<'a>(&'a self, spans: &'a [TelemetrySpan], now: Timestamp) -> RecordsFuture<'a, ()> {
        Box::pin(async move {
            for span in spans {
                self.ensure_driver(&span.vehicle, now).await?;
                if let Some(session) = &span.session {
                    self.ensure_session(session, &span.vehicle, now).await?;
                }
                let sql = "INSERT INTO telemetry_index (vehicle_id, session_id, first_at, last_at, samples) \
                           VALUES ($1, $2, $3, $4, $5) ON CONFLICT (vehicle_id, session_id) DO UPDATE SET \
                           first_at = CASE WHEN excluded.first_at < telemetry_index.first_at \
                                      THEN excluded.first_at ELSE telemetry_index.first_at END, \
                           last_at = CASE WHEN excluded.last_at > telemetry_index.last_at \
                                     THEN excluded.last_at ELSE telemetry_index.last_at END, \
                           samples = telemetry_index.samples + excluded.samples";
                let session = span.session.as_ref().map_or("", SessionId::as_str);
                self.database.execute(sql, args![&span.vehicle, session, span.first, span.last, span.samples]).await?;
            }
            Ok(())
        })
    }

    fn telemetry_spans<'a>(&'a self, vehicle: &'a VehicleId) -> RecordsFuture<'a, Vec<TelemetrySpan>> {
        Box::pin(async move {
            let sql = "SELECT vehicle_id, session_id, first_at, last_at, samples FROM telemetry_index \
                       WHERE vehicle_id = $1 ORDER BY last_at DESC, session_id";
            self.database.all(sql, args![vehicle]).await?.into_iter().map(span).collect()
        })
    }
}

impl SqlRecords {
    /// Makes sure that a session exists; its driver must.
    pub(super) async fn ensure_session(&self, id: &SessionId, driver: &VehicleId, now: Timestamp) -> Result<(), RecordsError> {
        let sql = "INSERT INTO sessions (id, driver_id, name, created_at) VALUES ($1, $2, $1, $3) ON CONFLICT DO NOTHING";
        self.database.execute(sql, args![id, driver, now]).await.map(|_| ())
    }
}
