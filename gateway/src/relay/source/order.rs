//! Sorting a source by time, and playing it over and over.

use slipstream_protocol::Timestamp;

use super::{Item, Items, SourceError};

/// All of `items`, by source time; of equal times the first read comes first. Holds all in memory.
pub(super) fn sorted(items: Items) -> Items {
    let mut rest = Vec::new();
    let mut samples = Vec::new();
    for item in items {
        match item {
            Ok(Item::Sample(sample)) => samples.push(sample),
            other => rest.push(other),
        }
    }
    samples.sort_by_key(|s| s.source_time);
    // What was skipped is told first, an error that broke the source off last.
    let (skipped, errors): (Vec<_>, Vec<_>) = rest.into_iter().partition(Result::is_ok);
    Box::new(skipped.into_iter().chain(samples.into_iter().map(|s| Ok(Item::Sample(s)))).chain(errors))
}

/// Plays what `open` yields without end; each round begins where the one before ended.
pub(super) struct Repeated<F> {
    open: F,
    items: Items,
    round: u64,
    shift_us: i64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    /// Distance between the last two samples of different times: the pause between rounds.
    step_us: i64,
}

impl<F: FnMut() -> Result<Items, SourceError>> Repeated<F> {
    pub(super) fn new(mut open: F) -> Result<Self, SourceError> {
        let items = open()?;
        Ok(Self { open, items, round: 0, shift_us: 0, first: None, last: None, step_us: 0 })
    }

    fn next_round(&mut self) -> Result<bool, SourceError> {
        let (Some(first), Some(last)) = (self.first, self.last) else { return Ok(false) };
        self.round += 1;
        self.shift_us = self.shift_us.saturating_add((last - first).saturating_add(self.step_us.max(1)));
        self.items = (self.open)()?;
        Ok(true)
    }
}

impl<F: FnMut() -> Result<Items, SourceError>> Iterator for Repeated<F> {
    type Item = Result<Item, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.items.next() {
                Some(Ok(Item::Sample(mut sample))) => {
                    if self.round == 0 {
                        let time = sample.source_time;
                        self.first = Some(self.first.map_or(time, |first| first.min(time)));
                        if let Some(last) = self.last.filter(|last| time > *last) {
                            self.step_us = time - last;
                        }
                        self.last = Some(self.last.map_or(time, |last| last.max(time)));
                    }
                    sample.source_time = Timestamp::from_micros(sample.source_time.micros().saturating_add(self.shift_us));
                    return Some(Ok(Item::Sample(sample)));
                }
                // Told once, not once a round.
                Some(Ok(Item::Skipped(_))) if self.round > 0 => {}
                Some(other) => return Some(other),
                None => match self.next_round() {
                    Ok(true) => {}
                    Ok(false) => return None,
                    Err(error) => return Some(Err(error)),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{drain, sample};
    use super::*;

    fn items(times: &[i64]) -> Items {
        let items: Vec<_> = times.iter().map(|t| Ok(Item::Sample(sample("a", *t)))).collect();
        Box::new(items.into_iter())
    }

    #[test]
    fn sorting_goes_by_source_time() {
        let (samples, _) = drain(sorted(items(&[30, 10, 20])));
        assert_eq!(samples.iter().map(|s| s.source_time.micros()).collect::<Vec<_>>(), [10, 20, 30]);
    }

    #[test]
    fn rounds_follow_each_other_without_going_back_in_time() {
        let repeated = Repeated::new(|| Ok(items(&[100, 110, 120]))).unwrap();
        let times: Vec<_> = drain(repeated.take(7)).0.iter().map(|s| s.source_time.micros()).collect();
        assert_eq!(times, [100, 110, 120, 130, 140, 150, 160]);
    }

    #[test]
    fn an_empty_source_is_not_repeated_for_ever() {
        assert_eq!(Repeated::new(|| Ok(items(&[]))).unwrap().count(), 0);
    }
}
