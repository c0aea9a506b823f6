//! Names that an operation does not know, or that are given twice: a filter that would be passed over gives everything, a misspelt field
//! nothing, and of two values one would be lost.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
};

use http::Method;
use serde::de::{self, IgnoredAny};
use slipstream_protocol::near;

use super::{
    operation::{Access, Field, Operation},
    reply::ApiError,
};
use crate::percent;

/// What every query may have beside what its operation says.
const ALWAYS: [&str; 1] = ["token"];

/// Refuses parameters of a query that `operation` does not have, or that it has twice, naming each.
pub(super) fn check_query(operation: &Operation, query: &str) -> Result<(), ApiError> {
    // Monitors put what they like behind an open address.
    if query.is_empty() || operation.method != Method::GET || operation.access == Access::Open {
        return Ok(());
    }
    let known = names(operation.query);
    let given: Vec<_> = percent::pairs(query).map(|(name, _)| name).collect();
    let (known_names, unknown): (Vec<_>, Vec<_>) = given.iter().partition(|name| known.contains(&&***name) || ALWAYS.contains(&&***name));
    let mut broken: Vec<String> = unknown.into_iter().map(|name| told(name, "there is no such parameter", &known)).collect();
    broken.extend(repeated(known_names.iter().map(|name| &***name)));
    broken.sort_unstable();
    broken.dedup();
    if broken.is_empty() { Ok(()) } else { Err(ApiError::invalid(broken)) }
}

/// Refuses fields of a JSON body that are given twice, or that are probably misspelt ones of `operation`'s. Others are passed over.
pub(super) fn check_body(operation: &Operation, body: &[u8]) -> Result<(), ApiError> {
    // Samples are checked where they are read.
    if operation.body.is_empty() || body.is_empty() || operation.path == "/api/telemetry" {
        return Ok(());
    }
    // What is no object is refused by the handler, in its words.
    let Ok(Names(given)) = serde_json::from_slice::<Names>(body) else { return Ok(()) };
    let twice: Vec<String> = repeated(given.iter().map(String::as_str)).collect();
    // A pipeline's description has its own words for what it does not know.
    if !twice.is_empty() || operation.path.starts_with("/api/pipelines") {
        return if twice.is_empty() { Ok(()) } else { Err(ApiError::invalid(twice)) };
    }
    let known = names(operation.body);
    let misspelt = given.iter().filter(|name| near::resembles(name, &known).is_some_and(|meant| !given.iter().any(|other| other == meant)));
    let broken: Vec<String> = misspelt.map(|name| told(name, "there is no such field", &known)).collect();
    if broken.is_empty() { Ok(()) } else { Err(ApiError::invalid(broken)) }
}

/// What is said of each name that comes again.
fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    let mut seen = HashSet::new();
    let again: BTreeSet<&str> = names.filter(|name| !seen.insert(*name)).collect();
    again.into_iter().map(|name| format!("Field '{}': it is given twice", name.chars().take(60).collect::<String>()))
}

fn names(fields: &'static [Field]) -> Vec<&'static str> {
    fields.iter().map(|(name, ..)| name.strip_suffix('?').unwrap_or(name)).collect()
}

fn told(name: &str, why: &str, known: &[&str]) -> String {
    let shown: String = name.chars().take(60).collect();
    match near::resembles(name, known) {
        Some(meant) => format!("Field '{shown}': {why}, did you mean '{meant}'?"),
        None => format!("Field '{shown}': {why}"),
    }
}

/// The names of an object's fields.
struct Names(Vec<String>);

impl<'de> serde::Deserialize<'de> for Names {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> de::Visitor<'de> for Visit {
            type Value = Vec<String>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    map.next_value::<IgnoredAny>()?;
                    names.push(name);
                }
                Ok(names)
            }
        }
        deserializer.deserialize_map(Visit).map(Names)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::operations, *};

    fn operation(method: &Method, path: &str) -> &'static Operation {
        operations().find(|operation| operation.path == path && operation.method == *method).unwrap()
    }

    #[test]
    fn unknown_parameters_are_refused_by_name() {
        let sessions = operation(&Method::GET, "/api/sessions");
        assert!(check_query(sessions, "driverId=ALB&page=2&token=x").is_ok());
        assert!(check_query(sessions, "driver%49d=ALB").is_ok(), "names are decoded");
        assert!(check_query(operation(&Method::GET, "/health"), "t=1790000000").is_ok(), "as monitors ask");
        let broken = check_query(sessions, "driverID=ALB&colour=red&colour=blue").unwrap_err();
        assert_eq!(
            broken.details,
            ["Field 'colour': there is no such parameter", "Field 'driverID': there is no such parameter, did you mean 'driverId'?"]
        );
    }

    #[test]
    fn what_is_given_twice_is_refused_by_name() {
        let series = operation(&Method::GET, "/api/telemetry/{id}");
        let broken = check_query(series, "from=-1h&to=now&from=-2h&limit=5").unwrap_err();
        assert_eq!(broken.details, ["Field 'from': it is given twice"]);
        let open = operation(&Method::POST, "/api/sessions");
        let broken = check_body(open, br#"{"driverId":"a","name":"b","driverId":"c"}"#).unwrap_err();
        assert_eq!(broken.details, ["Field 'driverId': it is given twice"]);
        let pipeline = operation(&Method::POST, "/api/pipelines");
        assert!(check_body(pipeline, br#"{"name":"a","name":"b"}"#).is_err() && check_body(pipeline, br#"{"nmae":"a"}"#).is_ok());
    }

    #[test]
    fn misspelt_fields_are_refused_and_others_passed_over() {
        let open = operation(&Method::POST, "/api/sessions");
        assert!(check_body(open, br#"{"driverId":"a","name":"b","colour":"red"}"#).is_ok());
        assert!(check_body(open, br#"{"driverId":"a","name":"b","trackId":"t","track_id":"t"}"#).is_ok(), "nothing is lost");
        assert!(check_body(open, b"[1]").is_ok() && check_body(open, b"{").is_ok(), "for the handler to refuse");
        let broken = check_body(open, br#"{"driverId":"a","name":"b","trackID":"t"}"#).unwrap_err();
        assert_eq!(broken.details, ["Field 'trackID': there is no such field, did you mean 'trackId'?"]);
    }
}
