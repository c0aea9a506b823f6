//! Sorting a source by time, and playing it over and over.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use slipstream_protocol::{Sample, Signal, SignalValue, Timestamp};

use super::{Item, Items, Remark, SourceError};

/// `items` by source time; of equal times the first read comes first.
///
/// Holds samples of about `most` bytes. A file of more than that is put in order as far as they reach: what comes later than
/// they can wait for is passed on behind its time, and a remark tells how much that was.
pub(super) fn sorted(items: Items, most: usize) -> Items {
    Box::new(Sorted { items, most, held: 0, heap: BinaryHeap::new(), read: 0, ended: false, error: None, newest: None, late: 0 })
}

struct Sorted {
    items: Items,
    most: usize,
    held: usize,
    heap: BinaryHeap<Reverse<Held>>,
    read: u64,
    ended: bool,
    /// Broke the source off; told behind the samples read before it.
    error: Option<SourceError>,
    /// Of the samples passed on.
    newest: Option<Timestamp>,
    late: u64,
}

struct Held {
    time: Timestamp,
    place: u64,
    sample: Box<Sample>,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.time, self.place).cmp(&(other.time, other.place))
    }
}

/// About the memory of a sample.
fn size(sample: &Sample) -> usize {
    let text = |value: &SignalValue| if let SignalValue::Text(text) = value { text.len() } else { 0 };
    let signals: usize = sample.signals.iter().map(|s| size_of::<Signal>() + text(&s.value)).sum();
    size_of::<Sample>() + size_of::<Held>() + signals + sample.raw.as_ref().map_or(0, bytes::Bytes::len) + 48
}

impl Iterator for Sorted {
    type Item = Result<Item, SourceError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended && self.held <= self.most {
            match self.items.next() {
                Some(Ok(Item::Sample(sample))) => {
                    self.held += size(&sample);
                    self.read += 1;
                    self.heap.push(Reverse(Held { time: sample.source_time, place: self.read, sample: Box::new(sample) }));
                }
                Some(Err(error)) => (self.ended, self.error) = (true, Some(error)),
                None => self.ended = true,
                // Passed on at once, so that none of them is held.
                other => return other,
            }
        }
        if let Some(Reverse(Held { time, sample, .. })) = self.heap.pop() {
            self.held = self.held.saturating_sub(size(&sample));
            self.late += u64::from(self.newest.is_some_and(|newest| time < newest));
            self.newest = self.newest.max(Some(time));
            return Some(Ok(Item::Sample(*sample)));
        }
        if self.late > 0 {
            let late = std::mem::take(&mut self.late);
            let mib = self.most >> 20;
            let text = format!(
                "{late} samples are not in the order of time: the file is too far out of order to be sorted in {mib} MiB; sort it before"
            );
            return Some(Ok(Item::Remark(Remark::partial(0, &text))));
        }
        self.error.take().map(Err)
    }
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
                Some(Ok(Item::Skipped(_) | Item::Remark(_))) if self.round > 0 => {}
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
    use super::super::tests::{drain, drain_all, sample};
    use super::*;

    fn items(times: &[i64]) -> Items {
        let items: Vec<_> = times.iter().map(|t| Ok(Item::Sample(sample("a", *t)))).collect();
        Box::new(items.into_iter())
    }

    #[test]
    fn sorting_goes_by_source_time() {
        let (samples, _) = drain(sorted(items(&[30, 10, 20]), 1 << 20));
        assert_eq!(samples.iter().map(|s| s.source_time.micros()).collect::<Vec<_>>(), [10, 20, 30]);
    }

    #[test]
    fn sorting_is_bounded_and_reports_what_could_not_wait() {
        let times: Vec<i64> = (0..20_000).map(|n| if n == 19_999 { 5 } else { n ^ 1 }).collect();
        let (samples, _, remarks) = drain_all(sorted(items(&times), 64 << 10));
        let sorted = samples.iter().take(19_000).map(|s| s.source_time.micros()).collect::<Vec<_>>();
        assert!(sorted.is_sorted() && samples.len() == 20_000, "neighbours are put in order by a few samples");
        assert!(remarks.len() == 1 && remarks[0].partial && remarks[0].text.starts_with("1 samples"), "{remarks:?}");
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
