//! What sinks will never have although their place has passed it: points a store refused for good, and
//! records given up because the sink was behind for too much. The acknowledgement level `stored` says so.

use std::collections::VecDeque;

use parking_lot::Mutex;

/// Most ranges remembered; the oldest go. Acknowledgements follow the write within moments.
const MOST: usize = 4_096;

/// Consecutive records among which something is missing.
#[derive(Clone, Copy, Debug)]
struct Range {
    first: u64,
    last: u64,
    points: u64,
}

/// The newest ranges of records of which a sink has not all.
#[derive(Debug, Default)]
pub(super) struct Unstored(Mutex<VecDeque<Range>>);

impl Unstored {
    /// Notes that `points` of the records `first..=last` are missing in a sink.
    pub(super) fn note(&self, first: u64, last: u64, points: u64) {
        let mut ranges = self.0.lock();
        if ranges.len() == MOST {
            ranges.pop_front();
        }
        ranges.push_back(Range { first, last, points });
    }

    /// Points missing among what was written together with the record at `position`; others' points may be among them.
    pub(super) fn among(&self, position: u64) -> u64 {
        let ranges = self.0.lock();
        ranges.iter().filter(|range| (range.first..=range.last).contains(&position)).map(|range| range.points).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_known_for_the_records_it_was_written_with() {
        let unstored = Unstored::default();
        unstored.note(3, 5, 2);
        unstored.note(5, 5, 1);
        assert_eq!([2, 3, 5, 6].map(|position| unstored.among(position)), [0, 2, 3, 0]);
        (0..10_000).for_each(|n| unstored.note(n, n, 1));
        assert_eq!(unstored.0.lock().len(), MOST);
        assert_eq!(unstored.among(9_999), 1);
    }
}
