//! Files of earlier builds: a row for every point, taken over into blocks when the file is opened.

use std::path::Path;

use slipstream_ports::SeriesError;
use slipstream_protocol::{FleetId, Quality, Sample, SessionId, Signal, SignalValue, Timestamp, VehicleId};
use sqlx::{Row as _, sqlite::SqliteRow};

use super::{SqliteSeries, failed, write};

/// Points taken over at once.
const PAGE: usize = 50_000;

/// Takes over what the `file` holds as rows of points; a copy of it as it was is kept beside it. Begun again where it was
/// interrupted: points written twice are told once.
pub(super) async fn convert(store: &SqliteSeries, file: &Path) -> Result<(), SeriesError> {
    let exists = "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'points')";
    if !sqlx::query_scalar::<_, bool>(exists).fetch_one(&store.writer).await.map_err(|e| failed(&e))? {
        return Ok(());
    }
    tracing::info!("the series file is of an earlier build: its points are packed into blocks, which may take a while");
    keep_copy(store, file).await?;
    let mut behind = (i64::MIN, i64::MIN);
    loop {
        let rows = page(store, behind).await.map_err(|e| failed(&e))?;
        let samples = rows.iter().map(sample).collect::<Result<Vec<_>, _>>().map_err(|e| failed(&e))?;
        write::write(&store.writer, &store.known, &samples).await.map_err(|e| failed(&e))?;
        let Some(last) = rows.last() else { break };
        behind = (last.get(0), last.get(1));
    }
    sqlx::raw_sql("DROP TABLE points; DROP TABLE series;").execute(&store.writer).await.map_err(|e| failed(&e))?;
    Ok(())
}

/// Copies the file as it is, unless an interrupted conversion has.
async fn keep_copy(store: &SqliteSeries, file: &Path) -> Result<(), SeriesError> {
    let unavailable = |reason: String| SeriesError::Unavailable { store: super::NAME, reason, retry_after: None };
    let copy = file.with_extension("db.before-blocks");
    if copy.exists() {
        return Ok(());
    }
    let draft = file.with_extension("db.before-blocks.draft");
    if draft.exists() {
        std::fs::remove_file(&draft).map_err(|e| unavailable(format!("{}: {e}", draft.display())))?;
    }
    sqlx::query("VACUUM INTO ?")
        .bind(draft.to_string_lossy().into_owned())
        .execute(&store.writer)
        .await
        .map_err(|e| unavailable(format!("the copy of series.db that an upgrade keeps cannot be made at {}: {e}", draft.display())))?;
    std::fs::rename(&draft, &copy).map_err(|e| unavailable(format!("{}: {e}", copy.display())))?;
    tracing::warn!(copy = %copy.display(), "a copy of the series file as it was is kept; it may be removed later");
    Ok(())
}

async fn page(store: &SqliteSeries, (series, time): (i64, i64)) -> Result<Vec<SqliteRow>, sqlx::Error> {
    sqlx::query(
        "SELECT p.series_id, p.time_us, p.value, p.text, p.quality, s.vehicle, s.signal, s.session, s.fleet \
         FROM points p JOIN series s ON s.id = p.series_id \
         WHERE (p.series_id, p.time_us) > (?, ?) ORDER BY p.series_id, p.time_us LIMIT ?",
    )
    .bind(series)
    .bind(time)
    .bind(PAGE as i64)
    .fetch_all(&store.writer)
    .await
}

fn sample(row: &SqliteRow) -> Result<Sample, sqlx::Error> {
    let vehicle = VehicleId::new(row.try_get(5)?).map_err(|e| sqlx::Error::Decode(e.message.into()))?;
    let time = Timestamp::from_micros(row.try_get(1)?);
    let value = match row.try_get::<Option<f64>, _>(2)? {
        Some(number) => SignalValue::Number(number),
        None => SignalValue::Text(row.try_get::<&str, _>(3)?.into()),
    };
    let quality = match row.try_get::<i64, _>(4)? {
        192.. => Quality::Good,
        64.. => Quality::Uncertain,
        _ => Quality::Bad,
    };
    Ok(Sample {
        vehicle,
        session: SessionId::new(row.try_get(7)?).ok(),
        fleet: FleetId::new(row.try_get(8)?).ok(),
        seq: None,
        source_time: time,
        received_at: time,
        quality,
        signals: vec![Signal { name: row.try_get::<&str, _>(6)?.into(), value }],
        raw: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use slipstream_ports::{Aggregate, SeriesQuery, SeriesStore as _};

    #[tokio::test]
    async fn points_of_an_earlier_build_are_found_where_they_were_and_converted_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("series.db");
        let store = SqliteSeries::open(&file).await.unwrap();
        let old = "
            CREATE TABLE series (id INTEGER PRIMARY KEY, vehicle TEXT, signal TEXT, session TEXT, fleet TEXT);
            CREATE TABLE points (series_id INTEGER, time_us INTEGER, value REAL, text TEXT, quality INTEGER, PRIMARY KEY (series_id, time_us)) WITHOUT ROWID;
            INSERT INTO series VALUES (1, 'car', 'rpm', 'fp1', ''), (2, 'car', 'state', '', 'red');
            INSERT INTO points VALUES (1, 10, 1.5, NULL, 192), (1, 20, 2.5, NULL, 0), (2, 10, NULL, 'pit', 64);";
        sqlx::raw_sql(old).execute(&store.writer).await.unwrap();
        drop(store);
        for _ in 0..2 {
            let store = SqliteSeries::open(&file).await.unwrap();
            let query = SeriesQuery {
                vehicle: VehicleId::new("car").unwrap(),
                session: None,
                from: Timestamp::from_micros(0),
                to: Timestamp::from_micros(100),
                signals: vec![],
                window: None,
                aggregate: Aggregate::Mean,
                limit: 10,
            };
            let answer = store.query(&query).await.unwrap();
            let told: Vec<String> = answer
                .series
                .iter()
                .flat_map(|s| {
                    s.points.iter().map(move |p| format!("{} {} {:?} {:?} {:?}", s.signal, p.time.micros(), p.value, p.text, p.quality))
                })
                .collect();
            assert_eq!(told, ["rpm 10 Some(1.5) None Some(192)", "rpm 20 Some(2.5) None Some(0)", "state 10 None Some(\"pit\") Some(64)"]);
            assert_eq!(answer.series[1].points[0].fleet.as_deref(), Some("red"));
        }
    }
}
