//! Video frames, feedback and speech.

use slipstream_ports::{
    Feedback, FeedbackRecords, Listing, Page, RecordsError, RecordsFuture, VideoFrame, VideoRecords, VoiceClip, VoiceRecords,
};
use slipstream_protocol::{Id, SessionId, Timestamp, VehicleId};

use super::{
    SqlRecords,
    database::{args, id_of, name_conflict},
};

type FrameRow = (String, String, Option<String>, String, i64, i64, i64, String, i64, i64);
type FeedbackRow = (String, String, Option<String>, String, String, String, i64);
type ClipRow = (String, String, String, String, String, i64, i64);

/// A macro so that the statements stay `&'static str`.
macro_rules! frame_columns {
    () => {
        "id, driver_id, session_id, content_type, bytes, width, height, sha256, taken_at, received_at"
    };
}

/// Of one driver, and of one session where given.
macro_rules! of_driver_and_session {
    () => {
        " WHERE driver_id = $1 AND (CAST($2 AS TEXT) IS NULL OR session_id = $2)"
    };
}

fn frame(
    (id, driver, session, content_type, bytes, width, height, sha256, taken_at, received_at): FrameRow,
) -> Result<VideoFrame, RecordsError> {
    Ok(VideoFrame {
        id: id_of(&id)?,
        driver: id_of(&driver)?.into(),
        session: session_of(session)?,
        content_type,
        bytes: bytes.cast_unsigned(),
        width: width as u32,
        height: height as u32,
        sha256,
        taken_at: Timestamp::from_micros(taken_at),
        received_at: Timestamp::from_micros(received_at),
    })
}

fn feedback((id, driver, session, source, telemetry, feedback, created_at): FeedbackRow) -> Result<Feedback, RecordsError> {
    Ok(Feedback {
        id: id_of(&id)?,
        driver: id_of(&driver)?.into(),
        session: session_of(session)?,
        source,
        telemetry,
        feedback,
        created_at: Timestamp::from_micros(created_at),
    })
}

fn session_of(column: Option<String>) -> Result<Option<SessionId>, RecordsError> {
    Ok(column.map(|id| id_of(&id)).transpose()?.map(SessionId::from))
}

impl SqlRecords {
    async fn ensure_known(&self, driver: &VehicleId, session: Option<&SessionId>, now: Timestamp) -> Result<(), RecordsError> {
        self.ensure_driver(driver, now).await?;
        match session {
            Some(session) => self.ensure_session(session, driver, now).await,
            None => Ok(()),
        }
    }
}

impl VideoRecords for SqlRecords {
    fn create_frame(&self, new: VideoFrame) -> RecordsFuture<'_, ()> {
        Box::pin(async move {
            self.ensure_known(&new.driver, new.session.as_ref(), new.received_at).await?;
            let sql = concat!("INSERT INTO video_frames (", frame_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)");
            let fields = args![
                &new.id,
                &new.driver,
                new.session.as_ref(),
                new.content_type,
                new.bytes,
                new.width,
                new.height,
                new.sha256,
                new.taken_at,
                new.received_at
            ];
            let kept = self.database.execute(sql, fields).await;
            kept.map(|_| ()).map_err(|error| name_conflict(error, || format!("the video frame '{}'", new.id)))
        })
    }

    fn frame<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, Option<VideoFrame>> {
        Box::pin(async move {
            let sql = concat!("SELECT ", frame_columns!(), " FROM video_frames WHERE id = $1");
            self.database.optional(sql, args![id]).await?.map(frame).transpose()
        })
    }

    fn frames<'a>(&'a self, driver: &'a VehicleId, session: Option<&'a SessionId>, page: Page) -> RecordsFuture<'a, Listing<VideoFrame>> {
        let sql = concat!(
            "SELECT ",
            frame_columns!(),
            " FROM video_frames",
            of_driver_and_session!(),
            " ORDER BY taken_at DESC, id DESC LIMIT $3 OFFSET $4"
        );
        let total = concat!("SELECT COUNT(*) FROM video_frames", of_driver_and_session!());
        Box::pin(self.database.page([sql, total], page, move || args![driver, session], frame))
    }
}

impl FeedbackRecords for SqlRecords {
    fn create_feedback(&self, new: Feedback) -> RecordsFuture<'_, ()> {
        Box::pin(async move {
            self.ensure_known(&new.driver, new.session.as_ref(), new.created_at).await?;
            let sql = "INSERT INTO ai_feedback (id, driver_id, session_id, source, telemetry, feedback, created_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let fields = args![&new.id, &new.driver, new.session.as_ref(), new.source, new.telemetry, new.feedback, new.created_at];
            let kept = self.database.execute(sql, fields).await;
            kept.map(|_| ()).map_err(|error| name_conflict(error, || format!("the feedback '{}'", new.id)))
        })
    }

    fn feedback<'a>(&'a self, driver: &'a VehicleId, session: Option<&'a SessionId>, page: Page) -> RecordsFuture<'a, Listing<Feedback>> {
        let sql = concat!(
            "SELECT id, driver_id, session_id, source, telemetry, feedback, created_at FROM ai_feedback",
            of_driver_and_session!(),
            " ORDER BY created_at DESC, id DESC LIMIT $3 OFFSET $4"
        );
        let total = concat!("SELECT COUNT(*) FROM ai_feedback", of_driver_and_session!());
        Box::pin(self.database.page([sql, total], page, move || args![driver, session], feedback))
    }
}

impl VoiceRecords for SqlRecords {
    fn put_clip(&self, clip: VoiceClip) -> RecordsFuture<'_, ()> {
        Box::pin(async move {
            let sql = "INSERT INTO voice_cache (key, engine, voice, text, content_type, bytes, created_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (key) DO UPDATE SET \
                       content_type = excluded.content_type, bytes = excluded.bytes, created_at = excluded.created_at";
            let fields = args![clip.key, clip.engine, clip.voice, clip.text, clip.content_type, clip.bytes, clip.created_at];
            self.database.execute(sql, fields).await.map(|_| ())
        })
    }

    fn clip<'a>(&'a self, key: &'a str) -> RecordsFuture<'a, Option<VoiceClip>> {
        Box::pin(async move {
            let sql = "SELECT key, engine, voice, text, content_type, bytes, created_at FROM voice_cache WHERE key = $1";
            let row = self.database.optional::<ClipRow>(sql, args![key]).await?;
            Ok(row.map(|(key, engine, voice, text, content_type, bytes, created_at)| VoiceClip {
                key,
                engine,
                voice,
                text,
                content_type,
                bytes: bytes.cast_unsigned(),
                created_at: Timestamp::from_micros(created_at),
            }))
        })
    }
}
