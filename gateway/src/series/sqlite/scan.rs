//! Reading blocks as points in order of time.

use std::collections::{HashMap, HashSet, VecDeque};

use slipstream_ports::SeriesQuery;
use slipstream_protocol::{FleetId, SessionId};
use sqlx::{QueryBuilder, Row as _, Sqlite, SqlitePool};

use super::block::{Block, MAX_SPAN};

/// Blocks read of one source at a time.
const CHUNK: usize = 16;

/// One row of `sources`.
pub(super) struct SourceRow {
    id: i64,
    pub(super) session: Option<SessionId>,
    pub(super) fleet: Option<FleetId>,
}

/// A point.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Microseconds since the Unix epoch.
    pub(super) time: i64,
    /// For [`Scan::name`].
    pub(super) signal: i64,
    /// For [`Scan::source`].
    pub(super) source: usize,
    pub(super) quality: u8,
    pub(super) value: Value,
    /// Which of several written for the same moment: the block, and the place in it.
    written: (i64, usize),
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Number(f64),
    Text(String),
}

/// A source's blocks in order of their first sample, a chunk at a time.
struct Cursor {
    blocks: VecDeque<Stored>,
    /// Behind which block the next chunk begins, by first sample and number; `None` at the end.
    behind: Option<(i64, i64)>,
}

struct Stored {
    first: i64,
    number: i64,
    body: Vec<u8>,
}

/// Reads all points a query asks for; of those written more than once for the same moment the last one.
pub(super) struct Scan<'a> {
    pool: &'a SqlitePool,
    from: i64,
    to: i64,
    /// `None`: all.
    signals: Option<HashSet<i64>>,
    names: HashMap<i64, String>,
    sources: Vec<SourceRow>,
    cursors: Vec<Cursor>,
    /// Points not told yet, because others may come before them.
    pending: Vec<Found>,
}

impl<'a> Scan<'a> {
    pub(super) async fn start(pool: &'a SqlitePool, query: &SeriesQuery) -> Result<Self, sqlx::Error> {
        let mut names = HashMap::new();
        let mut signals = None;
        if !query.signals.is_empty() {
            let list = serde_json::to_string(&query.signals).expect("a list of strings is always JSON");
            let rows = sqlx::query("SELECT id, name FROM signals WHERE name IN (SELECT value FROM json_each(?))").bind(list);
            for row in rows.fetch_all(pool).await? {
                names.insert(row.try_get(0)?, row.try_get(1)?);
            }
            signals = Some(names.keys().copied().collect());
        }
        let sources = if signals.as_ref().is_some_and(HashSet::is_empty) { Vec::new() } else { sources(pool, query).await? };
        // What lies behind a number that no block has begins at the earliest one.
        let behind = Some((query.from.micros().saturating_sub(MAX_SPAN), i64::MIN));
        let mut scan = Self {
            pool,
            from: query.from.micros(),
            to: query.to.micros(),
            signals,
            names,
            cursors: sources.iter().map(|_| Cursor { blocks: VecDeque::new(), behind }).collect(),
            sources,
            pending: Vec::new(),
        };
        for source in 0..scan.sources.len() {
            scan.fill(source).await?;
        }
        Ok(scan)
    }

    /// A signal's name.
    pub(super) fn name(&self, signal: i64) -> &str {
        self.names.get(&signal).map_or("", String::as_str)
    }

    /// A point's source.
    pub(super) fn source(&self, source: usize) -> &SourceRow {
        &self.sources[source]
    }

    /// Nothing is to come that is earlier than this.
    pub(super) fn frontier(&self) -> i64 {
        self.cursors.iter().filter_map(|c| c.blocks.front()).map(|b| b.first).min().unwrap_or(i64::MAX)
    }

    /// The next points in order of time, at least one; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Found>>, sqlx::Error> {
        loop {
            let frontier = self.frontier();
            self.pending.sort_by_key(|p| (p.time, p.source, p.signal, p.written));
            let count = self.pending.partition_point(|p| p.time < frontier);
            if count > 0 {
                let later = self.pending.split_off(count);
                let mut found = std::mem::replace(&mut self.pending, later);
                let place = |p: &Found| (p.time, p.source, p.signal);
                // The last of equal ones: the list is turned around so that it is the first.
                found.reverse();
                found.dedup_by(|a, b| place(a) == place(b));
                found.reverse();
                return Ok(Some(found));
            }
            let earliest = (0..self.cursors.len()).filter_map(|at| Some((self.cursors[at].blocks.front()?.first, at))).min();
            let Some((_, source)) = earliest else { return Ok(None) };
            self.unpack(source).await?;
            if self.cursors[source].blocks.is_empty() {
                self.fill(source).await?;
            }
        }
    }

    /// Takes the points of a source's next block.
    async fn unpack(&mut self, source: usize) -> Result<(), sqlx::Error> {
        let Some(stored) = self.cursors[source].blocks.pop_front() else { return Ok(()) };
        let broken = || sqlx::Error::Decode(format!("block {} is damaged", stored.number).into());
        let block = Block::unpack(&stored.body).ok_or_else(broken)?;
        let rows: Vec<usize> = (0..block.times.len()).filter(|row| (self.from..self.to).contains(&block.times[*row])).collect();
        for column in block.columns {
            let signal = column.signal;
            if self.signals.as_ref().is_some_and(|wanted| !wanted.contains(&signal)) {
                continue;
            }
            if !self.names.contains_key(&signal) {
                let name = sqlx::query_scalar("SELECT name FROM signals WHERE id = ?").bind(signal).fetch_one(self.pool).await?;
                self.names.insert(signal, name);
            }
            let mut tell = |row: usize, value| {
                let (time, quality) = (block.times[row], block.qualities[row]);
                self.pending.push(Found { time, signal, source, quality, value, written: (stored.number, row) });
            };
            for row in &rows {
                if let Some(number) = column.numbers.get(*row).filter(|n| !n.is_nan()) {
                    tell(*row, Value::Number(*number));
                }
            }
            for (row, text) in column.texts {
                let row = row as usize;
                if block.times.get(row).is_some_and(|time| (self.from..self.to).contains(time)) {
                    tell(row, Value::Text(text));
                }
            }
        }
        Ok(())
    }

    /// Reads a source's next chunk.
    async fn fill(&mut self, source: usize) -> Result<(), sqlx::Error> {
        let cursor = &mut self.cursors[source];
        let Some((first, number)) = cursor.behind else { return Ok(()) };
        let rows = sqlx::query(
            "SELECT first_us, id, body FROM blocks WHERE source_id = ? AND (first_us, id) > (?, ?) AND first_us < ? AND last_us >= ? \
             ORDER BY first_us, id LIMIT ?",
        )
        .bind(self.sources[source].id)
        .bind(first)
        .bind(number)
        .bind(self.to)
        .bind(self.from)
        .bind(CHUNK as i64)
        .fetch_all(self.pool)
        .await?;
        for row in &rows {
            cursor.blocks.push_back(Stored { first: row.try_get(0)?, number: row.try_get(1)?, body: row.try_get(2)? });
        }
        cursor.behind = cursor.blocks.back().filter(|_| rows.len() == CHUNK).map(|b| (b.first, b.number));
        Ok(())
    }
}

async fn sources(pool: &SqlitePool, query: &SeriesQuery) -> Result<Vec<SourceRow>, sqlx::Error> {
    let mut statement = QueryBuilder::<Sqlite>::new("SELECT id, session, fleet FROM sources WHERE vehicle = ");
    statement.push_bind(query.vehicle.as_str().to_owned());
    if let Some(session) = &query.session {
        statement.push(" AND session = ").push_bind(session.as_str().to_owned());
    }
    statement.push(" ORDER BY session, fleet");
    let rows = statement.build().fetch_all(pool).await?;
    let row = |row: &sqlx::sqlite::SqliteRow| {
        Ok(SourceRow { id: row.try_get(0)?, session: SessionId::new(row.try_get(1)?).ok(), fleet: FleetId::new(row.try_get(2)?).ok() })
    };
    rows.iter().map(row).collect()
}
