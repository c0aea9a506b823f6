//! How many cells of each column are numbers and how many are text, so that no number becomes text in silence, and no text a
//! number.
//!
//! In files without types (CSV) a duration becomes seconds, and a column of numbers with text in it is reported. Where the file
//! itself calls a cell text (JSON, Parquet) it stays text, and what looks like something else is noted.

use std::collections::HashMap;

use slipstream_protocol::{SignalName, SignalValue};

use super::{
    Remark,
    likeness::{self, Likeness},
    numbers::{self, Style},
    text::shown,
    time,
};

/// Columns that are counted, and columns that are reported.
const MAX_COUNTED: usize = 65_536;
const MAX_REPORTED: usize = 20;

/// Where a value comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// The signal at this place of a wide table.
    Place(usize),
    /// A signal that a row names.
    Named,
}

#[derive(Clone, Debug, Default)]
struct Tally {
    numbers: u64,
    texts: u64,
    /// Cells that were durations and are seconds now, with the first of them.
    durations: u64,
    first_duration: Option<(u64, String)>,
    /// Texts that look like something else, and what the first of them looks like.
    alike: u64,
    likeness: Option<Likeness>,
    /// The first text, and where; one that looks like something else before others.
    first: Option<(u64, String)>,
    /// Whole numbers that a float cannot hold exactly, and the line of the first.
    rounded: u64,
    first_rounded: u64,
    /// Whether the file itself calls these cells text.
    is_typed: bool,
}

/// Whole numbers from here on are rounded to what a float can hold: 2^53.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;
/// No whole number of a file is beyond this: 2^64.
const WHOLE_BELOW: f64 = 18_446_744_073_709_551_616.0;
/// A column of text with at least this share of numbers in it is reported as mixed.
const MIXED_SHARE: u64 = 20;

impl Tally {
    /// Counts a value, and yields what becomes of it.
    fn take(&mut self, value: SignalValue, line: u64) -> SignalValue {
        let SignalValue::Text(text) = value else {
            self.numbers += 1;
            if value.as_number().is_some_and(|number| (EXACT_BELOW..WHOLE_BELOW).contains(&number.abs())) {
                self.rounded += 1;
                if self.rounded == 1 {
                    self.first_rounded = line;
                }
            }
            return value;
        };
        if !self.is_typed
            && let Some(seconds) = time::duration(&text).filter(|seconds| seconds.is_finite())
        {
            self.numbers += 1;
            self.durations += 1;
            self.first_duration.get_or_insert_with(|| (line, text.to_string()));
            return SignalValue::Number(seconds);
        }
        self.texts += 1;
        // A column that holds text, and nothing else, is not looked at for ever.
        let likeness = if self.texts <= 1_000 || self.alike > 0 { likeness::of(&text) } else { None };
        if self.first.is_none() || (likeness.is_some() && self.likeness.is_none()) {
            self.first = Some((line, text.to_string()));
        }
        self.likeness = self.likeness.or(likeness);
        self.alike += u64::from(likeness.is_some());
        SignalValue::Text(text)
    }

    /// Whether the column looks like one of something else than text.
    fn is_suspect(&self) -> bool {
        let by_looks = match self.likeness {
            Some(Likeness::Number) => true,
            // A note may begin with a number; a column of them is none.
            Some(_) => self.alike * 2 >= self.texts,
            None => false,
        };
        self.texts > 0 && (by_looks || (!self.is_typed && self.numbers >= self.texts))
    }

    fn remarks(&self, name: &str) -> Vec<Remark> {
        let mut remarks = Vec::new();
        if let Some((line, example)) = &self.first_duration {
            let text = format!(
                "column {}: {} cells are durations, which are read as seconds; the first is '{}'",
                shown(name),
                self.durations,
                shown(example)
            );
            remarks.push(Remark::new(*line, &text));
        }
        if self.rounded > 0 {
            let text = format!(
                "column {}: {} numbers of 2^53 and more are rounded to the nearest that can be held; where they are ids, write them as text",
                shown(name),
                self.rounded
            );
            remarks.push(Remark::partial(self.first_rounded, &text));
        }
        if self.is_suspect() {
            remarks.push(self.suspicion(name));
        } else if self.is_mixed() {
            let (line, example) = self.first.clone().unwrap_or_default();
            let (numbers, all) = (self.numbers, self.texts + self.numbers);
            let text = format!(
                "column {}: {numbers} of {all} cells are numbers and the others text, as '{}'; each stays what it is",
                shown(name),
                shown(&example)
            );
            remarks.push(Remark::new(line, &text));
        }
        remarks
    }

    /// Whether the cells of a column of text are numbers more often than by chance.
    const fn is_mixed(&self) -> bool {
        !self.is_typed && self.texts > 0 && self.numbers > 0 && self.numbers * MIXED_SHARE >= self.texts + self.numbers
    }

    fn suspicion(&self, name: &str) -> Remark {
        let (line, example) = self.first.clone().unwrap_or_default();
        let (name, example) = (shown(name), shown(&example));
        if self.is_typed {
            let looks = match self.likeness {
                Some(Likeness::Duration | Likeness::Clock) => "times",
                Some(Likeness::WithUnit) => "numbers with a unit",
                _ => "numbers",
            };
            let advice = match self.likeness {
                Some(Likeness::Number) => "--decimal or --thousands has them read as numbers",
                _ => "write numbers into the file where they are meant",
            };
            let alike = self.alike;
            return Remark::new(
                line,
                &format!("{name}: {alike} values are text that looks like {looks} and stays text, as '{example}'; {advice}"),
            );
        }
        let advice = match self.likeness {
            Some(Likeness::Number) => "; --decimal or --thousands tells how its numbers are written",
            Some(Likeness::WithUnit) => "; write the number alone, and its unit into the column's name",
            Some(Likeness::Clock) => "; it may be a time of day, or minutes and seconds: write 0:12:30 for a duration",
            Some(Likeness::Duration) | None => "",
        };
        let (texts, all) = (self.texts, self.texts + self.numbers);
        let text = format!("column {name}: {texts} of {all} cells are text, not numbers; the first is '{example}'{advice}");
        let is_meant = match self.likeness {
            Some(Likeness::Number) => false,
            Some(Likeness::Clock) if self.numbers < self.texts => true,
            _ => names_things(&name),
        };
        if is_meant { Remark::new(line, &text) } else { Remark::partial(line, &text) }
    }
}

/// The tallies of one table, by column or, in long tables, by signal.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies {
    by_place: Vec<(SignalName, Tally)>,
    by_name: HashMap<SignalName, Tally>,
    told: Option<Style>,
}

impl Tallies {
    /// Tallies of a file whose numbers are said to be written in a style.
    pub(super) fn new(told: Option<Style>) -> Self {
        Self { told, ..Self::default() }
    }

    /// Counts a value of a file without types, and yields what becomes of it: durations become seconds.
    fn take(&mut self, origin: Origin, name: &SignalName, value: SignalValue, line: u64) -> SignalValue {
        match self.tally(origin, name) {
            Some(tally) => tally.take(value, line),
            None => value,
        }
    }

    /// The same of a value whose type the file tells: text becomes a number only where it is told how numbers are written.
    pub(super) fn take_typed(&mut self, origin: Origin, name: &SignalName, value: SignalValue, line: u64) -> SignalValue {
        let SignalValue::Text(text) = &value else { return value };
        if let Some(number) = self.told.and_then(|style| numbers::parse(text.trim(), style)).filter(|n| n.is_finite()) {
            return SignalValue::Number(number);
        }
        match self.tally(origin, name) {
            Some(tally) => {
                tally.is_typed = true;
                tally.take(value, line)
            }
            None => value,
        }
    }

    /// One of the two.
    pub(super) fn taken(&mut self, is_typed: bool, origin: Origin, name: &SignalName, value: SignalValue, line: u64) -> SignalValue {
        if is_typed { self.take_typed(origin, name, value, line) } else { self.take(origin, name, value, line) }
    }

    /// The first column of a wide table that holds text alone.
    pub(super) fn first_of_text(&self) -> Option<&SignalName> {
        self.by_place.iter().find(|(_, tally)| tally.texts > 0 && tally.numbers == 0).map(|(name, _)| name)
    }

    /// The first column of a wide table that holds numbers.
    pub(super) fn first_of_numbers(&self) -> Option<&SignalName> {
        self.by_place.iter().find(|(_, tally)| tally.numbers > 0).map(|(name, _)| name)
    }

    fn tally(&mut self, origin: Origin, name: &SignalName) -> Option<&mut Tally> {
        match origin {
            Origin::Place(place) => {
                // Signals are counted in their order, and an empty cell leaves a gap.
                if self.by_place.len() <= place {
                    self.by_place.resize_with(place + 1, || ("".into(), Tally::default()));
                }
                let (known, tally) = &mut self.by_place[place];
                if known.is_empty() {
                    known.clone_from(name);
                }
                Some(tally)
            }
            Origin::Named => {
                if !self.by_name.contains_key(name) && self.by_name.len() < MAX_COUNTED {
                    self.by_name.insert(name.clone(), Tally::default());
                }
                self.by_name.get_mut(name)
            }
        }
    }

    /// What is to be said of columns that changed, or that look like something else than text.
    pub(super) fn remarks(&self) -> Vec<Remark> {
        let all = self.by_place.iter().map(|(n, t)| (n, t)).chain(&self.by_name);
        let mut remarks: Vec<Remark> = all.flat_map(|(name, tally)| tally.remarks(name)).collect();
        remarks.sort_by(|a, b| (!a.partial, a.line, &a.text).cmp(&(!b.partial, b.line, &b.text)));
        let more = remarks.split_off(remarks.len().min(MAX_REPORTED));
        if !more.is_empty() {
            let text = format!("{} more columns hold text among their numbers, or durations", more.len());
            remarks.push(if more.iter().any(|r| r.partial) { Remark::partial(0, &text) } else { Remark::new(0, &text) });
        }
        remarks
    }
}

/// Whether a column holds names, which may be of digits alone: `route_id` with `3002` and `3002P`.
fn names_things(name: &str) -> bool {
    let name = time::plain(name);
    let last = name.rsplit('_').next().unwrap_or_default();
    matches!(last, "id" | "ids" | "name" | "code" | "codes" | "label" | "route" | "line" | "stop" | "block" | "plate")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remarks(cells: &[&str]) -> Vec<Remark> {
        let (mut tallies, name) = (Tallies::default(), SignalName::from("v"));
        for (line, cell) in (2..).zip(cells) {
            let value = cell.parse().map_or_else(|_| SignalValue::Text((*cell).into()), SignalValue::Number);
            tallies.take(Origin::Place(3), &name, value, line);
        }
        tallies.remarks()
    }

    #[test]
    fn text_in_a_column_of_numbers_is_reported_with_its_count_and_first_example() {
        let told = remarks(&["1", "fast", "2", "slow", "3"]);
        assert_eq!(told.len(), 1);
        assert!(told[0].partial && told[0].line == 3, "{told:?}");
        assert!(told[0].text.contains("v: 2 of 5 cells") && told[0].text.contains("'fast'"), "{told:?}");
        let told = remarks(&["a", "b", "101,5"]);
        assert!(told[0].text.contains("'101,5'") && told[0].text.contains("--decimal"), "{told:?}");
        for mixed in [&["on", "off", "7"][..], &["ERR", "ERR", "7", "8", "ERR"], &["5-", "- 5", "7"]] {
            let told = remarks(mixed);
            assert!(told.len() == 1 && !told[0].partial || told[0].text.contains("--decimal"), "{mixed:?}: {told:?}");
        }
        let mut notes = vec!["a note"; 99];
        notes.push("7");
        assert!(remarks(&notes).is_empty(), "a note may be a number");
        let told = remarks(&["-583.206.639", "-583.206.640"]);
        assert!(told[0].partial && told[0].text.contains("--thousands"), "{told:?}");
        assert!(names_things("route_id") && names_things("tripId") && !names_things("grid") && !names_things("speed"));
        assert!(remarks(&["1", "2", "9007199254740991"]).is_empty());
        let told = remarks(&["1", "9007199254740993"]);
        assert!(told.len() == 1 && told[0].partial && told[0].line == 3 && told[0].text.contains("rounded"), "{told:?}");
    }

    #[test]
    fn durations_become_seconds_and_what_only_looks_like_a_number_is_reported() {
        let (mut tallies, name) = (Tallies::default(), SignalName::from("lap_time"));
        for (text, seconds) in
            [("1:23.456", 83.456), ("0 days 00:01:23.456", 83.456), ("PT1M23.456S", 83.456), ("00:01:23.456", 83.456), ("-0:00:01", -1.0)]
        {
            let value = tallies.take(Origin::Named, &name, SignalValue::Text(text.into()), 2);
            assert!(matches!(value, SignalValue::Number(n) if (n - seconds).abs() < 1e-9), "{text}: {value:?}");
        }
        let told = tallies.remarks();
        assert!(told.len() == 1 && !told[0].partial && told[0].text.contains("5 cells are durations"), "{told:?}");
        let told = remarks(&["12:30", "12:31"]);
        assert!(told.len() == 1 && !told[0].partial && told[0].text.contains("time of day"), "{told:?}");
        let told = remarks(&["1500ms", "1600ms"]);
        assert!(told.len() == 1 && told[0].partial && told[0].text.contains("the column's name"), "{told:?}");
        assert!(remarks(&["ok", "5 s", "fast", "slow"]).is_empty(), "a note may begin with a number");
    }

    #[test]
    fn text_that_the_file_calls_text_stays_so_and_is_noted_unless_told_otherwise() {
        let (name, cell) = (SignalName::from("v"), || SignalValue::Text("1,5".into()));
        let mut tallies = Tallies::default();
        assert_eq!(tallies.take_typed(Origin::Named, &name, cell(), 1), cell());
        let told = tallies.remarks();
        assert!(told.len() == 1 && !told[0].partial && told[0].text.contains("--decimal"), "{told:?}");
        let mut tallies = Tallies::new(Style::told(Some(','), None));
        assert_eq!(tallies.take_typed(Origin::Named, &name, cell(), 1), SignalValue::Number(1.5));
        assert!(tallies.remarks().is_empty());
    }
}
