//! Fields of `enrich`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde_json::Value as Json;

use super::Enrich;
use crate::pipeline::{
    Builder, Fields, Keyed, Operator, Value,
    tables::{MemoryTables, TableRow, Tables},
};

/// `rows` (a table of keys, each a table of names and values) or `table`; `by`, `prefix`.
pub(super) fn build(fields: &mut Fields<'_>, builder: &mut Builder<'_>) -> Option<Box<dyn Operator>> {
    let by = fields.optional::<String>("by").map(|name| builder.signal(&name));
    let prefix = fields.or("prefix", String::new());
    let table = fields.optional::<String>("table");
    let rows = fields.entries::<Json>("rows").map(|entries| read_rows(fields, entries));
    let (tables, table): (Arc<dyn Tables>, String) = match (table, rows) {
        (None, Some(rows)) => (Arc::new(MemoryTables(BTreeMap::from([(String::new(), rows)]))), String::new()),
        (Some(table), None) => {
            let names = builder.tables.names();
            if !names.contains(&table) {
                let there = if names.is_empty() { "there are none here".to_owned() } else { format!("there are {}", names.join(", ")) };
                fields.mistake("table", format!("'{table}' is no table; {there}"));
            }
            (Arc::clone(builder.tables), table)
        }
        _ => {
            fields.mistake("table", "either table or rows is expected");
            return None;
        }
    };
    Some(Box::new(Enrich { tables, table, by, prefix, by_key: Keyed::default(), by_text: HashMap::new(), version: 0 }))
}

fn read_rows(fields: &mut Fields<'_>, entries: Vec<(String, Json)>) -> BTreeMap<String, TableRow> {
    let mut rows = BTreeMap::new();
    for (key, value) in entries {
        let Json::Object(map) = value else {
            fields.mistake(&format!("rows.{key}"), "a table is expected");
            continue;
        };
        let mut row = TableRow::new();
        for (name, value) in map {
            match value {
                Json::Number(n) => row.push((name, Value::from(n.as_f64().unwrap_or(f64::NAN)))),
                Json::Bool(b) => row.push((name, Value::Bool(b))),
                Json::String(s) => row.push((name, Value::from(s))),
                _ => fields.mistake(&format!("rows.{key}.{name}"), "a number, a text, true or false is expected"),
            }
        }
        rows.insert(key, row);
    }
    rows
}
