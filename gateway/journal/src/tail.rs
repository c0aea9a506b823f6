//! The newest records, in memory, so that consumers that keep up never read the disk.

use std::collections::VecDeque;

use bytes::Bytes;

#[derive(Debug)]
struct TailRecord {
    samples: usize,
    payload: Bytes,
}

/// Records of consecutive positions, bounded by bytes.
#[derive(Debug)]
pub(super) struct Tail {
    first: u64,
    records: VecDeque<TailRecord>,
    bytes: usize,
    most_bytes: usize,
}

impl Tail {
    /// A tail whose first record will have position `first`.
    pub(super) const fn new(first: u64, most_bytes: usize) -> Self {
        Self { first, records: VecDeque::new(), bytes: 0, most_bytes }
    }

    /// Adds the next record; the oldest go where it gets too much.
    pub(super) fn push(&mut self, samples: usize, payload: Bytes) {
        self.bytes += payload.len();
        self.records.push_back(TailRecord { samples, payload });
        while self.bytes > self.most_bytes
            && let Some(oldest) = self.records.pop_front()
        {
            self.bytes -= oldest.payload.len();
            self.first += 1;
        }
    }

    /// Records from `from` on, until they hold `max_samples`; at least one. `None` where `from` is no
    /// longer, or not yet, here.
    pub(super) fn read(&self, from: u64, max_samples: usize) -> Option<Vec<(u64, Bytes)>> {
        let skip = usize::try_from(from.checked_sub(self.first)?).ok()?;
        let mut samples = 0;
        let mut records = Vec::new();
        for (index, record) in self.records.iter().enumerate().skip(skip) {
            if samples > 0 && samples + record.samples > max_samples {
                break;
            }
            samples += record.samples;
            records.push((self.first + index as u64, record.payload.clone()));
        }
        (!records.is_empty()).then_some(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_newest_within_its_bound() {
        let mut tail = Tail::new(5, 10);
        for n in 0..4_u8 {
            tail.push(2, Bytes::from(vec![n; 4]));
        }
        assert_eq!(tail.read(6, 9), None, "5 and 6 are gone");
        let positions = |from, max| tail.read(from, max).map(|r| r.iter().map(|(p, b)| (*p, b[0])).collect::<Vec<_>>());
        assert_eq!(positions(7, 100), Some(vec![(7, 2), (8, 3)]));
        assert_eq!(positions(7, 1), Some(vec![(7, 2)]), "one record at least");
        assert_eq!(positions(9, 1), None);
    }
}
