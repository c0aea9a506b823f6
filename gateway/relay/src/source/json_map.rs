//! `--map` for JSON: objects of other names as telemetry frames, `{"car":"A","ts":1,"Speed":5}` as
//! `{"driverId":"A","timestamp":1,"data":{"Speed":5}}`.

use serde_json::{Map, Value};

use super::columns::ColumnMap;

/// The fields of a sample that are no signals.
const FIELDS: [&str; 8] = ["driverId", "vehicleId", "sessionId", "fleetId", "seq", "timestamp", "type", "data"];
/// What the words of a map are called in a sample.
const WORDS: [(&str, &str); 4] = [("vehicle", "driverId"), ("time", "timestamp"), ("session", "sessionId"), ("fleet", "fleetId")];

/// The object, list or batch in `bytes` with the names of `map`; `None` where it is no JSON, or nothing is mapped.
pub(super) fn mapped(bytes: &[u8], map: &ColumnMap) -> Option<bytes::Bytes> {
    if *map == ColumnMap::default() {
        return None;
    }
    let mut value: Value = serde_json::from_slice(bytes).ok()?;
    match &mut value {
        Value::Array(samples) => samples.iter_mut().for_each(|sample| rename(sample, map)),
        Value::Object(object) => match object.get_mut("batch") {
            Some(Value::Array(samples)) => samples.iter_mut().for_each(|sample| rename(sample, map)),
            _ => rename(&mut value, map),
        },
        _ => return None,
    }
    Some(value.to_string().into())
}

fn rename(sample: &mut Value, map: &ColumnMap) {
    let Value::Object(fields) = sample else { return };
    for (word, field) in WORDS {
        let Some(value) = map.get(word).filter(|told| *told != field).and_then(|told| fields.remove(told)) else { continue };
        let is_id = field != "timestamp";
        // An id may be written as a number.
        let value = if is_id && value.is_number() { Value::String(value.to_string()) } else { value };
        if field == "driverId" {
            fields.remove("vehicleId");
        }
        fields.insert(field.to_owned(), value);
    }
    if !fields.get("data").is_some_and(Value::is_object) {
        let signals: Vec<String> = fields.keys().filter(|name| *name == "data" || !FIELDS.contains(&name.as_str())).cloned().collect();
        let data: Map<String, Value> = signals.into_iter().filter_map(|name| fields.remove_entry(&name)).collect();
        fields.insert("data".to_owned(), Value::Object(data));
    }
    let Some(Value::Object(data)) = fields.get_mut("data") else { return };
    for (signal, told) in map.signals() {
        if let Some(value) = take(data, told) {
            data.insert(signal.to_owned(), value);
        }
    }
}

/// Takes the value called `name` out, which may lie deeper: `tires.fl`.
fn take(data: &mut Map<String, Value>, name: &str) -> Option<Value> {
    if let Some(value) = data.remove(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    take(data.get_mut(first)?.as_object_mut()?, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_map_and_what_is_left_are_signals() {
        let map: ColumnMap = "vehicle=car,time=ts,session=run,speed_mps=Speed,fl=tires.fl".parse().unwrap();
        let read = |text: &str| mapped(text.as_bytes(), &map).map(|bytes| serde_json::from_slice::<Value>(&bytes).unwrap());
        let expected: Value =
            serde_json::from_str(r#"{"driverId":"7","timestamp":5,"sessionId":"q","data":{"speed_mps":3,"rpm":9,"tires":{},"fl":1}}"#)
                .unwrap();
        let flat = r#"{"car":7,"ts":5,"run":"q","Speed":3,"rpm":9,"tires":{"fl":1}}"#;
        assert_eq!(read(flat), Some(expected.clone()));
        assert_eq!(read(r#"{"car":"7","ts":5,"run":"q","data":{"Speed":3,"rpm":9,"tires":{"fl":1}}}"#), Some(expected.clone()));
        assert_eq!(read(&format!("[{flat}]")), Some(Value::Array(vec![expected.clone()])));
        assert_eq!(read(&format!(r#"{{"batch":[{flat}]}}"#)).unwrap()["batch"][0], expected);
        assert_eq!(mapped(flat.as_bytes(), &ColumnMap::default()), None);
        assert_eq!(read("{"), None);
    }
}
