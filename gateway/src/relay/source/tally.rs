//! How many cells of each column are numbers and how many are text, so that no number becomes text in silence.

use std::collections::HashMap;

use slipstream_protocol::{SignalName, SignalValue};

use super::{Remark, numbers, text::shown, time};

/// Columns that are counted, and columns that are reported.
const MAX_COUNTED: usize = 65_536;
const MAX_REPORTED: usize = 20;

#[derive(Clone, Debug, Default)]
struct Tally {
    numbers: u64,
    texts: u64,
    /// Texts that would be numbers in one style of writing them.
    numeric: u64,
    /// The first text, and where; one that looks like a number before others.
    first: Option<(u64, String)>,
}

impl Tally {
    fn count(&mut self, value: &SignalValue, line: u64) {
        let SignalValue::Text(text) = value else {
            self.numbers += 1;
            return;
        };
        self.texts += 1;
        // A column that holds text, and nothing else, is not looked at for ever.
        let numeric = (self.texts <= 1_000 || self.numeric > 0) && numbers::is_numeric(text);
        if self.first.is_none() || (numeric && self.numeric == 0) {
            self.first = Some((line, text.to_string()));
        }
        self.numeric += u64::from(numeric);
    }

    /// Whether the column looks like one of numbers.
    const fn is_suspect(&self) -> bool {
        self.texts > 0 && (self.numeric > 0 || (self.numbers > 0 && self.numbers >= self.texts))
    }
}

/// The tallies of one table, by column or, in long tables, by signal.
#[derive(Clone, Debug, Default)]
pub(super) struct Tallies {
    by_place: Vec<(SignalName, Tally)>,
    by_name: HashMap<SignalName, Tally>,
}

impl Tallies {
    /// Counts a value of the signal at `place` of a table.
    pub(super) fn count_at(&mut self, place: usize, name: &SignalName, value: &SignalValue, line: u64) {
        // Signals are counted in their order, and an empty cell leaves a gap.
        if self.by_place.len() <= place {
            self.by_place.resize_with(place + 1, || ("".into(), Tally::default()));
        }
        let (known, tally) = &mut self.by_place[place];
        if known.is_empty() {
            known.clone_from(name);
        }
        tally.count(value, line);
    }

    /// Counts a value of a signal that a row names.
    pub(super) fn count(&mut self, name: &SignalName, value: &SignalValue, line: u64) {
        if let Some(tally) = self.by_name.get_mut(name) {
            tally.count(value, line);
        } else if self.by_name.len() < MAX_COUNTED {
            self.by_name.entry(name.clone()).or_default().count(value, line);
        }
    }

    /// What is to be said of columns that look like numbers and hold text.
    pub(super) fn remarks(&self) -> Vec<Remark> {
        let mut suspects: Vec<_> = self.by_place.iter().map(|(n, t)| (n, t)).chain(&self.by_name).filter(|(_, t)| t.is_suspect()).collect();
        suspects.sort_by_key(|(name, tally)| (tally.first.as_ref().map_or(0, |f| f.0), (*name).clone()));
        let more = suspects.len().saturating_sub(MAX_REPORTED);
        let mut remarks: Vec<Remark> = suspects.into_iter().take(MAX_REPORTED).map(|(name, tally)| remark(name, tally)).collect();
        if more > 0 {
            remarks.push(Remark::partial(0, &format!("{more} more columns hold text among their numbers")));
        }
        remarks
    }
}

fn remark(name: &str, tally: &Tally) -> Remark {
    let (line, example) = tally.first.clone().unwrap_or_default();
    let advice = if tally.numeric > 0 { "; --decimal or --thousands tells how its numbers are written" } else { "" };
    let (texts, all) = (tally.texts, tally.texts + tally.numbers);
    let text = format!("column {}: {texts} of {all} cells are text, not numbers; the first is '{}'{advice}", shown(name), shown(&example));
    if tally.numeric == 0 && names_things(name) { Remark::new(line, &text) } else { Remark::partial(line, &text) }
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
            tallies.count_at(3, &name, &value, line);
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
        assert!(remarks(&["on", "off", "7"]).is_empty(), "a column of text may hold a number");
        let told = remarks(&["-583.206.639", "-583.206.640"]);
        assert!(told[0].partial && told[0].text.contains("--thousands"), "{told:?}");
        assert!(names_things("route_id") && names_things("tripId") && !names_things("grid") && !names_things("speed"));
        assert!(remarks(&["1", "2"]).is_empty());
    }
}
