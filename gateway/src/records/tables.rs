//! Records as tables to enrich streams from.

use slipstream_engine::pipeline::Value;
use slipstream_ports::{RecordsError, RecordsFuture, TableRecords, TableRows};

use super::{SqlRecords, database::args};

/// A table: its name, its query, and what the query's columns behind the id are called: five texts and a number.
struct Table {
    name: &'static str,
    sql: &'static str,
    texts: [&'static str; 5],
    number: &'static str,
}

type TableRow = (String, Option<String>, Option<String>, Option<String>, Option<String>, Option<String>, Option<f64>);

const NONE: &str = "";

const TABLES: [Table; 6] = [
    Table {
        name: "drivers",
        sql: "SELECT d.id, d.name, d.team_id, t.name, CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS DOUBLE PRECISION) \
              FROM drivers d LEFT JOIN teams t ON t.id = d.team_id ORDER BY d.id LIMIT $1",
        texts: ["name", "team_id", "team", NONE, NONE],
        number: NONE,
    },
    Table {
        name: "fleets",
        sql: "SELECT id, name, CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), \
              CAST(NULL AS DOUBLE PRECISION) FROM fleets ORDER BY id LIMIT $1",
        texts: ["name", NONE, NONE, NONE, NONE],
        number: NONE,
    },
    Table {
        name: "sessions",
        sql: "SELECT s.id, s.name, s.driver_id, s.track_id, t.name, CAST(NULL AS TEXT), t.length_m \
              FROM sessions s LEFT JOIN tracks t ON t.id = s.track_id ORDER BY s.id LIMIT $1",
        texts: ["name", "driver_id", "track_id", "track", NONE],
        number: "track_length_m",
    },
    Table {
        name: "teams",
        sql: "SELECT id, name, CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), \
              CAST(NULL AS DOUBLE PRECISION) FROM teams ORDER BY id LIMIT $1",
        texts: ["name", NONE, NONE, NONE, NONE],
        number: NONE,
    },
    Table {
        name: "tracks",
        sql: "SELECT id, name, CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), length_m \
              FROM tracks ORDER BY id LIMIT $1",
        texts: ["name", NONE, NONE, NONE, NONE],
        number: "length_m",
    },
    Table {
        name: "vehicles",
        sql: "SELECT v.id, v.type, v.manufacturer, v.model, v.fleet_id, f.name, CAST(NULL AS DOUBLE PRECISION) \
              FROM vehicles v LEFT JOIN fleets f ON f.id = v.fleet_id ORDER BY v.id LIMIT $1",
        texts: ["type", "manufacturer", "model", "fleet_id", "fleet"],
        number: NONE,
    },
];

/// The names of all tables.
pub(crate) const fn names() -> &'static [&'static str] {
    &["drivers", "fleets", "sessions", "teams", "tracks", "vehicles"]
}

impl TableRecords for SqlRecords {
    fn table_names(&self) -> &'static [&'static str] {
        names()
    }

    fn table<'a>(&'a self, name: &'a str, most: u32) -> RecordsFuture<'a, TableRows> {
        Box::pin(async move {
            let table = TABLES.iter().find(|t| t.name == name);
            let table = table.ok_or_else(|| RecordsError::NotFound(format!("the table '{name}'")))?;
            let rows = self.database.all::<TableRow>(table.sql, args![most]).await?;
            Ok(rows.into_iter().map(|row| columns(table, row)).collect())
        })
    }
}

fn columns(table: &Table, row: TableRow) -> (String, Vec<(String, Value)>) {
    let (id, first, second, third, fourth, fifth, number) = row;
    let texts = table.texts.iter().zip([first, second, third, fourth, fifth]).filter(|(name, _)| !name.is_empty());
    let mut row: Vec<(String, Value)> = texts.filter_map(|(name, text)| Some(((*name).to_owned(), Value::from(text?)))).collect();
    row.extend(number.map(|number| (table.number.to_owned(), Value::from(number))));
    (id, row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_named() {
        assert_eq!(TABLES.map(|t| t.name), *names());
    }
}
