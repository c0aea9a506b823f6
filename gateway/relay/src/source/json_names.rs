//! Names that come twice in a JSON object: most readers keep one value and lose the other.

use std::collections::HashSet;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Whether an object anywhere in `bytes` has two fields of one name; false where they are no JSON.
pub(super) fn repeats_a_name(bytes: &[u8]) -> bool {
    struct Unique(bool);
    impl<'de> Deserialize<'de> for Unique {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(Visit)
        }
    }
    struct Visit;
    impl<'de> Visitor<'de> for Visit {
        type Value = Unique;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("JSON")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique, A::Error> {
            let (mut names, mut unique) = (HashSet::new(), true);
            while let Some((name, Unique(inner))) = map.next_entry::<String, Unique>()? {
                unique &= inner & names.insert(name);
            }
            Ok(Unique(unique))
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Unique, A::Error> {
            let mut unique = true;
            while let Some(Unique(inner)) = seq.next_element()? {
                unique &= inner;
            }
            Ok(Unique(unique))
        }
        fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
            Ok(Unique(true))
        }
        fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
            Ok(Unique(true))
        }
        fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
            Ok(Unique(true))
        }
        fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
            Ok(Unique(true))
        }
        fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
            Ok(Unique(true))
        }
        fn visit_unit<E>(self) -> Result<Unique, E> {
            Ok(Unique(true))
        }
    }
    serde_json::from_slice(bytes).is_ok_and(|Unique(unique)| !unique)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_given_twice_is_found_however_deep() {
        for (json, repeats) in [
            (r#"{"a":1,"b":[{"a":null},"x"],"c":{"a":true,"b":-1.5}}"#, false),
            (r#"{"a":1,"b":2,"a":1}"#, true),
            (r#"[{"x":[{"a":1,"a":2}]}]"#, true),
            (r#"{"a":1,"#, false),
        ] {
            assert_eq!(repeats_a_name(json.as_bytes()), repeats, "{json}");
        }
    }
}
