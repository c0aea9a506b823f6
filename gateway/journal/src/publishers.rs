//! The highest number of each publisher, kept beyond the life of the segments it was in.

use std::{collections::HashMap, io, path::Path};

use serde::{Deserialize, Serialize};
use slipstream_protocol::PublisherId;

use super::files;

const NAME: &str = "publishers";

/// Stands between the subject of a token and what it calls its publisher.
pub const SUBJECT_SEPARATOR: &str = "..";

/// The subject in a publisher's name; the name itself where there is none.
pub fn subject_of(name: &str) -> &str {
    name.split_once(SUBJECT_SEPARATOR).map_or(name, |(subject, _)| subject)
}

/// Most publishers remembered; beyond, those not heard of for longest are forgotten.
const MOST: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct HighWater {
    seq: u64,
    /// The record that last raised it.
    position: u64,
}

/// High-water marks through a position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Publishers {
    /// Every record up to this one is counted in.
    pub(super) through: u64,
    marks: HashMap<PublisherId, HighWater>,
}

impl Publishers {
    /// Reads the snapshot in `dir`; empty where there is none.
    pub(super) fn load(dir: &Path) -> io::Result<Self> {
        let bytes = files::read_replaced(dir, NAME)?;
        Ok(bytes.and_then(|b| serde_json::from_slice(&b).ok()).unwrap_or_default())
    }

    /// Writes the snapshot.
    pub(super) fn save(&self, dir: &Path) -> io::Result<()> {
        files::replace(dir, NAME, &serde_json::to_vec(self)?)
    }

    /// Counts in the record at `position`.
    pub(super) fn observe(&mut self, publisher: &PublisherId, seq: u64, position: u64) {
        if let Some(mark) = self.marks.get_mut(publisher) {
            mark.position = position;
            mark.seq = mark.seq.max(seq);
            return;
        }
        if self.marks.len() >= MOST {
            self.forget_oldest();
        }
        self.marks.insert(publisher.clone(), HighWater { seq, position });
    }

    /// Forgets half of the names of the subject that has most, those not heard of for longest.
    fn forget_oldest(&mut self) {
        let mut by_subject: HashMap<&str, Vec<u64>> = HashMap::new();
        for (publisher, mark) in &self.marks {
            by_subject.entry(subject_of(publisher)).or_default().push(mark.position);
        }
        let Some((subject, mut positions)) = by_subject.into_iter().max_by_key(|(_, positions)| positions.len()) else { return };
        let subject = subject.to_owned();
        let middle = positions.len() / 2;
        let (_, median, _) = positions.select_nth_unstable(middle);
        let median = *median;
        self.marks.retain(|publisher, mark| mark.position > median || subject_of(publisher) != subject);
        tracing::warn!(
            kept = self.marks.len(),
            subject,
            "too many publishers: those of the subject with most are forgotten, the longest silent first"
        );
    }

    /// Publisher to highest number.
    pub(super) fn marks(&self) -> HashMap<PublisherId, u64> {
        self.marks.iter().map(|(publisher, mark)| (publisher.clone(), mark.seq)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_never_go_back_and_survive_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let relay = PublisherId::new("relay").unwrap();
        let mut publishers = Publishers::default();
        publishers.observe(&relay, 9, 1);
        publishers.observe(&relay, 4, 2);
        publishers.through = 2;
        publishers.save(dir.path()).unwrap();
        let loaded = Publishers::load(dir.path()).unwrap();
        assert_eq!(loaded, publishers);
        assert_eq!(loaded.marks(), HashMap::from([(relay, 9)]));
    }
}
