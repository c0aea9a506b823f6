//! Reading configuration so that every mistake is found, named and located, not only the first.

use std::{collections::BTreeSet, fmt, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One mistake in a pipeline's description.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mistake {
    /// Where: `steps[2].window.size`.
    pub path: String,
    /// What is wrong, and what is expected.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

/// All mistakes found so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mistakes(pub Vec<Mistake>);

impl Mistakes {
    /// Notes one.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(Mistake { path: path.into(), message: message.into() });
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// A type a field can have.
pub trait Field: Sized {
    /// What is expected, for the message: `a duration like "10s"`.
    const EXPECTED: &'static str;
    /// The value, if it has the type. `Err` may say more than [`Field::EXPECTED`].
    fn read(value: &Value) -> Result<Self, String>;
}

fn expected<T: Field>() -> String {
    format!("{} is expected", T::EXPECTED)
}

impl Field for String {
    const EXPECTED: &'static str = "a text";
    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().map(str::to_owned).ok_or_else(expected::<Self>)
    }
}

impl Field for f64 {
    const EXPECTED: &'static str = "a number";
    fn read(value: &Value) -> Result<Self, String> {
        value.as_f64().filter(|n| n.is_finite()).ok_or_else(expected::<Self>)
    }
}

impl Field for u64 {
    const EXPECTED: &'static str = "a whole number, 0 or more,";
    fn read(value: &Value) -> Result<Self, String> {
        value.as_u64().ok_or_else(expected::<Self>)
    }
}

impl Field for bool {
    const EXPECTED: &'static str = "true or false";
    fn read(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(expected::<Self>)
    }
}

impl Field for Duration {
    const EXPECTED: &'static str = "a duration like \"10s\", \"250ms\" or \"1h30m\"";
    fn read(value: &Value) -> Result<Self, String> {
        value.as_str().and_then(parse_duration).ok_or_else(expected::<Self>)
    }
}

impl Field for Value {
    const EXPECTED: &'static str = "a value";
    fn read(value: &Value) -> Result<Self, String> {
        Ok(value.clone())
    }
}

/// A duration: whole or decimal numbers each with `us`, `ms`, `s`, `m`, `h` or `d`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (mut rest, mut micros) = (text.trim(), 0.0_f64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        micros += number
            * match &rest[..unit] {
                "us" => 1.0,
                "ms" => 1e3,
                "s" => 1e6,
                "m" | "min" => 6e7,
                "h" => 3.6e9,
                "d" => 8.64e10,
                _ => return None,
            };
        rest = rest[unit..].trim_start();
    }
    // A thousand years is beyond any window; more would overflow sums of times.
    (micros <= 3.2e16).then(|| Duration::from_micros(micros.round() as u64))
}

/// The fields of one table of the description.
///
/// Read each field once, by name; [`Fields::finish`] then notes those that nobody read. A missing or wrong required field is
/// noted and read as `None`: carry on reading the others, so that one answer names them all.
#[derive(Debug)]
pub struct Fields<'a> {
    path: String,
    map: &'a Map<String, Value>,
    read: BTreeSet<&'static str>,
    mistakes: &'a mut Mistakes,
}

impl<'a> Fields<'a> {
    /// The fields of `map`, which stands at `path`.
    pub fn new(path: impl Into<String>, map: &'a Map<String, Value>, mistakes: &'a mut Mistakes) -> Self {
        Self { path: path.into(), map, read: BTreeSet::new(), mistakes }
    }

    /// Where the table itself stands.
    pub fn place(&self) -> &str {
        &self.path
    }

    /// Where a field stands.
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Notes a mistake in a field.
    pub fn mistake(&mut self, name: &str, message: impl Into<String>) {
        let path = if name.is_empty() { self.path.clone() } else { self.path(name) };
        self.mistakes.add(path, message);
    }

    /// How many mistakes there are so far, in the whole description.
    pub fn mistakes(&self) -> usize {
        self.mistakes.0.len()
    }

    /// Whether the field is there.
    pub fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// A field that may be absent.
    pub fn optional<T: Field>(&mut self, name: &'static str) -> Option<T> {
        self.read.insert(name);
        match T::read(self.map.get(name)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.mistake(name, message);
                None
            }
        }
    }

    /// A field that must be there.
    pub fn required<T: Field>(&mut self, name: &'static str) -> Option<T> {
        self.read.insert(name);
        if !self.has(name) {
            self.mistake(name, format!("is missing; {} is expected", T::EXPECTED));
            return None;
        }
        self.optional(name)
    }

    /// A field that has a default.
    pub fn or<T: Field>(&mut self, name: &'static str, default: T) -> T {
        self.optional(name).unwrap_or(default)
    }

    /// A required number within `[least, most]`.
    pub fn number(&mut self, name: &'static str, least: f64, most: f64) -> Option<f64> {
        let number = self.required::<f64>(name)?;
        self.within(name, number, least, most)
    }

    /// An optional number within `[least, most]`.
    pub fn optional_number(&mut self, name: &'static str, least: f64, most: f64) -> Option<f64> {
        let number = self.optional::<f64>(name)?;
        self.within(name, number, least, most)
    }

    fn within(&mut self, name: &str, number: f64, least: f64, most: f64) -> Option<f64> {
        if (least..=most).contains(&number) {
            return Some(number);
        }
        let bound = match (least.is_finite(), most.is_finite()) {
            (true, true) => format!("from {least} to {most}"),
            (true, false) => format!("{least} or more"),
            _ => format!("{most} or less"),
        };
        self.mistake(name, format!("is {number}; a number {bound} is expected"));
        None
    }

    /// A required duration above zero.
    pub fn duration(&mut self, name: &'static str) -> Option<Duration> {
        let duration = self.required::<Duration>(name)?;
        self.above_zero(name, duration)
    }

    /// An optional duration above zero.
    pub fn optional_duration(&mut self, name: &'static str) -> Option<Duration> {
        let duration = self.optional::<Duration>(name)?;
        self.above_zero(name, duration)
    }

    fn above_zero(&mut self, name: &str, duration: Duration) -> Option<Duration> {
        if duration.is_zero() {
            self.mistake(name, "must be longer than zero");
            return None;
        }
        Some(duration)
    }

    /// An optional field that is one of some words.
    pub fn optional_choice<T: Clone>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.optional::<String>(name)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| value.clone());
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.mistake(
                name,
                format!("'{text}' is not known; {} {} expected{}", words.join(", "), are(words.len()), meant(&text, &words)),
            );
        }
        found
    }

    /// A required field that is one of some words.
    pub fn choice<T: Clone>(&mut self, name: &'static str, choices: &[(&str, T)]) -> Option<T> {
        if !self.has(name) {
            self.read.insert(name);
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            self.mistake(name, format!("is missing; one of {} is expected", words.join(", ")));
            return None;
        }
        self.optional_choice(name, choices)
    }

    /// An optional list; a single value counts as a list of one. `None` where the field is absent. Mistakes name the element.
    pub fn optional_list<T: Field>(&mut self, name: &'static str) -> Option<Vec<T>> {
        self.read.insert(name);
        let elements = match self.map.get(name)? {
            Value::Array(elements) => elements.as_slice(),
            one => std::slice::from_ref(one),
        };
        let mut list = Vec::with_capacity(elements.len());
        for (i, element) in elements.iter().enumerate() {
            match T::read(element) {
                Ok(value) => list.push(value),
                Err(message) => self.mistake(&format!("{name}[{i}]"), message),
            }
        }
        Some(list)
    }

    /// A required list with at least one element.
    pub fn list<T: Field>(&mut self, name: &'static str) -> Option<Vec<T>> {
        if !self.has(name) {
            self.read.insert(name);
            self.mistake(name, format!("is missing; a list is expected, each {}", T::EXPECTED));
            return None;
        }
        let list = self.optional_list(name)?;
        if list.is_empty() {
            self.mistake(name, "must not be empty");
            return None;
        }
        Some(list)
    }

    /// An optional table, read by `read`.
    pub fn table<T>(&mut self, name: &'static str, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Option<T> {
        self.read.insert(name);
        let value = self.map.get(name)?;
        self.nested(name, value, read)
    }

    /// The elements of an optional list of tables; none where the field is absent or no list.
    fn list_of_tables(&mut self, name: &'static str) -> &'a [Value] {
        self.read.insert(name);
        match self.map.get(name) {
            None => &[],
            Some(Value::Array(elements)) => elements,
            Some(_) => {
                self.mistake(name, "a list of tables is expected");
                &[]
            }
        }
    }

    /// An optional list of tables, each read by `read`; empty where the field is absent. Those with mistakes are left out.
    pub fn tables<T>(&mut self, name: &'static str, mut read: impl FnMut(&mut Fields<'_>) -> Option<T>) -> Vec<T> {
        let elements = self.list_of_tables(name);
        elements.iter().enumerate().filter_map(|(i, value)| self.nested(&format!("{name}[{i}]"), value, &mut read)).collect()
    }

    /// As [`Fields::tables`], for tables whose other fields somebody else reads: what nobody read is no mistake here.
    pub fn open_tables<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(&mut Fields<'_>, &Map<String, Value>) -> Option<T>,
    ) -> Vec<T> {
        let elements = self.list_of_tables(name);
        let mut list = Vec::with_capacity(elements.len());
        for (i, value) in elements.iter().enumerate() {
            let path = self.path(&format!("{name}[{i}]"));
            match value {
                Value::Object(map) => list.extend(read(&mut Fields::new(path, map, self.mistakes), map)),
                _ => self.mistakes.add(path, "a table is expected"),
            }
        }
        list
    }

    /// An optional table whose field names are free (`rename = {old = "new"}`): each entry is read as `T`, in order of names.
    pub fn entries<T: Field>(&mut self, name: &'static str) -> Option<Vec<(String, T)>> {
        self.read.insert(name);
        let Value::Object(map) = self.map.get(name)? else {
            self.mistake(name, "a table is expected");
            return None;
        };
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map {
            match T::read(value) {
                Ok(value) => entries.push((key.clone(), value)),
                Err(message) => self.mistake(&format!("{name}.{key}"), message),
            }
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Some(entries)
    }

    fn nested<T>(&mut self, name: &str, value: &Value, read: impl FnOnce(&mut Fields<'_>) -> Option<T>) -> Option<T> {
        let Value::Object(map) = value else {
            self.mistake(name, "a table is expected");
            return None;
        };
        let before = self.mistakes();
        let mut fields = Fields::new(self.path(name), map, self.mistakes);
        let made = read(&mut fields);
        fields.finish();
        made.filter(|_| self.mistakes() == before)
    }

    /// The raw value of a field, marked as read.
    pub fn raw(&mut self, name: &'static str) -> Option<&'a Value> {
        self.read.insert(name);
        self.map.get(name)
    }

    /// Notes every field that nobody read. Called by whoever made the `Fields` (for steps: the pipeline).
    pub fn finish(self) {
        let known: Vec<&str> = self.read.iter().copied().collect();
        for name in self.map.keys().filter(|name| !self.read.contains(name.as_str())) {
            let path = if self.path.is_empty() { name.clone() } else { format!("{}.{name}", self.path) };
            let message = format!("is not known here; the fields are {}{}", known.join(", "), meant(name, &known));
            self.mistakes.add(path, message);
        }
    }
}

const fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

/// `; did you mean 'size'?` where one of `words` is near.
pub fn meant(text: &str, words: &[&str]) -> String {
    let nearest = words.iter().map(|word| (distance(text, word), word)).min();
    match nearest {
        Some((d, word)) if d > 0 && d <= 2 && d < word.len() => format!("; did you mean '{word}'?"),
        _ => String::new(),
    }
}

/// Edits from one word to the other (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(40).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().take(40).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, micros) in [("10s", 10_000_000), ("250ms", 250_000), ("1h30m", 5_400_000_000), ("0.5s", 500_000), ("1d", 86_400_000_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_micros(micros)), "{text}");
        }
        for bad in ["", "10", "s", "10x", "-1s", "1.2.3s", "99999999d", "5 5s"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_mistake_is_named_and_located() {
        let json = serde_json::json!({"siez": "10s", "list": [1, "x", 2], "rows": [{"at": 1}, {"to": 2}, 3], "mode": "fsat", "n": 900});
        let mut mistakes = Mistakes::default();
        let mut fields = Fields::new("steps[2]", json.as_object().unwrap(), &mut mistakes);
        assert_eq!(fields.duration("size"), None);
        assert_eq!(fields.list::<f64>("list"), Some(vec![1.0, 2.0]));
        assert_eq!(fields.tables("rows", |row| row.required::<u64>("at")), [1]);
        assert_eq!(fields.choice("mode", &[("fast", 1), ("slow", 2)]), None);
        assert_eq!(fields.number("n", 0.0, 100.0), None);
        fields.finish();
        let told = mistakes.to_string();
        for expected in [
            "steps[2].size: is missing; a duration",
            "steps[2].list[1]: a number is expected",
            "steps[2].rows[1].at: is missing",
            "steps[2].rows[1].to: is not known here; the fields are at",
            "steps[2].rows[2]: a table is expected",
            "steps[2].mode: 'fsat' is not known; fast, slow are expected; did you mean 'fast'?",
            "steps[2].n: is 900; a number from 0 to 100 is expected",
            "steps[2].siez: is not known here; the fields are list, mode, n, rows, size; did you mean 'size'?",
        ] {
            assert!(told.contains(expected), "{expected}\nin\n{told}");
        }
        assert_eq!(mistakes.0.len(), 8, "{told}");
    }
}
