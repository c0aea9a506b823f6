//! Alarms and their lives.

use slipstream_engine::alarms::{Change, Severity};
use slipstream_ports::{AlarmEntry, AlarmFilter, AlarmMoment, AlarmRecord, AlarmRecords, Listing, Page, RecordsError, RecordsFuture};
use slipstream_protocol::{Id, Timestamp};

use super::{
    SqlRecords,
    database::{args, id_of},
};

type AlarmRow = (
    String,
    String,
    String,
    String,
    String,
    String,
    String,
    i64,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<String>,
    i64,
    Option<f64>,
);
type MomentRow = (String, i64, i64, Option<String>, Option<i64>, Option<String>, Option<String>);

macro_rules! alarm_columns {
    () => {
        "id, pipeline, step, name, rule, key, severity, raised_at, cleared_at, acknowledged_at, acknowledged_by, note, count, value"
    };
}

/// A macro so that the statements stay `&'static str`.
macro_rules! filtered {
    () => {
        " FROM alarms WHERE (CAST($1 AS BIGINT) IS NULL OR (CASE WHEN cleared_at IS NULL THEN 1 ELSE 0 END) = $1) \
         AND (CAST($2 AS BIGINT) IS NULL OR (CASE WHEN acknowledged_at IS NULL THEN 0 ELSE 1 END) = $2) \
         AND (CAST($3 AS TEXT) IS NULL OR key = $3) AND (CAST($4 AS TEXT) IS NULL OR pipeline = $4) \
         AND (CAST($5 AS TEXT) IS NULL OR severity = $5)"
    };
}

fn severity_of(text: &str) -> Result<Severity, RecordsError> {
    let known = [Severity::Info, Severity::Warning, Severity::Critical].into_iter().find(|s| s.as_str() == text);
    known.ok_or_else(|| RecordsError::Refused(format!("'{text}' is no severity")))
}

fn alarm(row: AlarmRow) -> Result<AlarmRecord, RecordsError> {
    let (id, pipeline, step, name, rule, key, severity, raised_at, cleared_at, acknowledged_at, acknowledged_by, note, count, value) = row;
    Ok(AlarmRecord {
        id: id_of(&id)?,
        pipeline,
        step,
        name,
        rule,
        key,
        severity: severity_of(&severity)?,
        raised_at: Timestamp::from_micros(raised_at),
        cleared_at: cleared_at.map(Timestamp::from_micros),
        acknowledged_at: acknowledged_at.map(Timestamp::from_micros),
        acknowledged_by,
        note,
        count: count as u32,
        value,
    })
}

fn moment((change, at, recorded_at, severity, count, by, note): MomentRow) -> AlarmMoment {
    AlarmMoment {
        change,
        at: Timestamp::from_micros(at),
        recorded_at: Timestamp::from_micros(recorded_at),
        severity,
        count: count.map(|count| count as u32),
        by,
        note,
    }
}

impl AlarmRecords for SqlRecords {
    fn keep_alarm_event<'a>(&'a self, entry: &'a AlarmEntry, now: Timestamp) -> RecordsFuture<'a, ()> {
        Box::pin(async move {
            self.take_up(entry).await?;
            self.add_moment(entry, now).await
        })
    }

    fn alarm<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, Option<AlarmRecord>> {
        Box::pin(async move {
            let sql = concat!("SELECT ", alarm_columns!(), " FROM alarms WHERE id = $1");
            self.database.optional::<AlarmRow>(sql, args![id]).await?.map(alarm).transpose()
        })
    }

    fn alarm_life<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, Vec<AlarmMoment>> {
        Box::pin(async move {
            let sql = "SELECT change, at, recorded_at, severity, count, said_by, note FROM alarm_events WHERE alarm_id = $1 \
                       ORDER BY at, recorded_at LIMIT 1000";
            Ok(self.database.all::<MomentRow>(sql, args![id]).await?.into_iter().map(moment).collect())
        })
    }

    fn alarms<'a>(&'a self, filter: &'a AlarmFilter, page: Page) -> RecordsFuture<'a, Listing<AlarmRecord>> {
        let sql = concat!("SELECT ", alarm_columns!(), filtered!(), " ORDER BY raised_at DESC, id LIMIT $6 OFFSET $7");
        let total = concat!("SELECT COUNT(*)", filtered!());
        let flag = |wanted: Option<bool>| wanted.map(i64::from);
        let filters = move || {
            let severity = filter.severity.map(|s| s.as_str().to_owned());
            args![flag(filter.open), flag(filter.acknowledged), filter.key.as_ref(), filter.pipeline.as_ref(), severity]
        };
        Box::pin(self.database.page::<AlarmRow, _>([sql, total], page, filters, alarm))
    }

    fn abandon_alarms<'a>(&'a self, pipeline: &'a str, now: Timestamp) -> RecordsFuture<'a, u64> {
        Box::pin(async move {
            let sql = "INSERT INTO alarm_events (alarm_id, at, change, recorded_at) \
                       SELECT id, CAST($2 AS BIGINT), 'abandoned', CAST($2 AS BIGINT) FROM alarms WHERE pipeline = $1 AND cleared_at IS NULL \
                       ON CONFLICT DO NOTHING";
            self.database.execute(sql, args![pipeline, now]).await?;
            let sql = "UPDATE alarms SET cleared_at = $2, updated_at = $2 WHERE pipeline = $1 AND cleared_at IS NULL";
            self.database.execute(sql, args![pipeline, now]).await
        })
    }
}

impl SqlRecords {
    /// The alarm as it is after the event. Events come in order, so one that is older than the alarm was told before.
    async fn take_up(&self, entry: &AlarmEntry) -> Result<(), RecordsError> {
        let (id, at) = (&entry.id, entry.event.at);
        let (sql, fields) = match &entry.event.change {
            Change::Raised { severity, value, .. } => {
                let sql = "INSERT INTO alarms (id, pipeline, step, name, rule, key, severity, raised_at, count, value, updated_at) \
                           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $8) ON CONFLICT (id) DO NOTHING";
                let event = &entry.event;
                let (pipeline, step) = (entry.pipeline.as_str(), entry.step.as_str());
                let (name, rule, key) = (event.id.as_str(), event.rule.as_str(), event.key.as_str());
                (sql, args![id, pipeline, step, name, rule, key, severity.as_str(), at, *value])
            }
            Change::Repeated { count, .. } => {
                let sql = "UPDATE alarms SET cleared_at = NULL, count = $3, updated_at = $2 WHERE id = $1 AND updated_at <= $2";
                (sql, args![id, at, *count])
            }
            Change::Escalated { severity } => {
                let sql = "UPDATE alarms SET severity = $3, updated_at = $2 WHERE id = $1 AND updated_at <= $2";
                (sql, args![id, at, severity.as_str()])
            }
            Change::Acknowledged { by, note } => {
                let sql =
                    "UPDATE alarms SET acknowledged_at = $2, acknowledged_by = $3, note = $4 WHERE id = $1 AND acknowledged_at IS NULL";
                (sql, args![id, at, by.as_str(), note.clone()])
            }
            Change::Cleared { .. } => {
                let sql = "UPDATE alarms SET cleared_at = $2, updated_at = $2 WHERE id = $1 AND updated_at <= $2";
                (sql, args![id, at])
            }
        };
        self.database.execute(sql, fields).await.map(|_| ())
    }

    /// Adds the event to the alarm's life, once. An alarm raised before alarms were kept has no row, and no life.
    async fn add_moment(&self, entry: &AlarmEntry, now: Timestamp) -> Result<(), RecordsError> {
        let (mut severity, mut count, mut who, mut said) = (None, None, None, None);
        match &entry.event.change {
            Change::Raised { severity: s, .. } | Change::Escalated { severity: s } => severity = Some(s.as_str().to_owned()),
            Change::Repeated { count: n, .. } => count = Some(i64::from(*n)),
            Change::Acknowledged { by, note } => (who, said) = (Some(by.clone()), note.clone()),
            Change::Cleared { .. } => {}
        }
        let sql = "INSERT INTO alarm_events (alarm_id, at, change, severity, count, said_by, note, recorded_at) \
                   SELECT id, CAST($2 AS BIGINT), CAST($3 AS TEXT), CAST($4 AS TEXT), CAST($5 AS BIGINT), CAST($6 AS TEXT), \
                   CAST($7 AS TEXT), CAST($8 AS BIGINT) FROM alarms WHERE id = $1 ON CONFLICT DO NOTHING";
        let fields = args![&entry.id, entry.event.at, entry.event.change.as_str(), severity, count, who, said, now];
        self.database.execute(sql, fields).await.map(|_| ())
    }
}
