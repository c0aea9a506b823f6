//! The engine's state on disk: saved now and then and when the server drains, taken up at the next
//! start together with what the journal holds since.

use std::{
    collections::{HashMap, VecDeque},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use slipstream_actors::{
    ActorSystem, Router, Snapshot, SnapshotOfVersion4,
    ports::{Journal as _, JournalError},
};
use slipstream_protocol::{SampleBatch, Timestamp, VehicleId};
use tokio::{task::JoinHandle, time::Instant};

use crate::data_folder::{SNAPSHOT_MAGIC as MAGIC, snapshot_version};
use crate::ingest::Intake;
use crate::journal::{Consumer, ConsumerRole, EmbeddedJournal, NumberedRecord};
use crate::whole_file;

/// The journal keeps what is newer than the last snapshot for the consumer of this name.
pub(super) const CONSUMER: &str = "actors";

/// The version before, which is still read.
const MAGIC_4: &[u8; 8] = b"SLIPSNP4";
/// Magic, whether the system had drained, journal position, CRC-32 of the body.
const HEAD: usize = 8 + 1 + 8 + 4;
/// Samples routed at once while catching up.
const CATCH_UP: usize = 4_096;
/// Longest wait for restored agents before the doors open.
const AGENTS_START_IN: Duration = Duration::from_secs(10);
/// How often the state of a running system is saved.
const EVERY: Duration = Duration::from_secs(60);

/// A snapshot as it lies on disk.
#[derive(Debug)]
struct Saved {
    snapshot: Snapshot,
    /// The journal's position it was taken at; later records are not in it.
    position: u64,
    /// The system had drained: the snapshot is the whole, channels included.
    drained: bool,
}

/// Where snapshots of one server lie.
#[derive(Clone, Debug)]
pub(super) struct SnapshotFile(PathBuf);

impl SnapshotFile {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self(data_dir.join("snapshot.bin"))
    }

    /// Replaces the snapshot. Either the old one or the new one survives a crash, never a mixture.
    fn save(&self, snapshot: &Snapshot, position: u64, drained: bool) -> io::Result<()> {
        let body = postcard::to_stdvec(snapshot).map_err(io::Error::other)?;
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(MAGIC);
        head.push(u8::from(drained));
        head.extend_from_slice(&position.to_le_bytes());
        head.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        whole_file::replace(&self.0, &[&head, &body])
    }

    /// The snapshot, if there is one that can be read. One that cannot is set aside, told, and does
    /// not hold up the start.
    fn load(&self) -> Option<Saved> {
        let bytes = match fs::read(&self.0) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::error!(path = %self.0.display(), %error, "the snapshot cannot be read; starting from the journal alone");
                return None;
            }
        };
        let saved = parse(&bytes);
        if saved.is_none() {
            // A newer one ends the start before anything is opened.
            let older = snapshot_version(&bytes).filter(|version| Some(*version) < snapshot_version(MAGIC));
            let aside = self.0.with_extension(if older.is_some() { "older" } else { "damaged" });
            if let Some(version) = older {
                tracing::warn!(version, aside = %aside.display(), "the snapshot is of an older version and set aside; the journal is read");
            } else {
                tracing::error!(aside = %aside.display(), "the snapshot is damaged and set aside; the state is rebuilt from the journal");
            }
            if let Err(error) = fs::rename(&self.0, &aside) {
                tracing::error!(%error, "the snapshot cannot be set aside");
            }
        }
        saved
    }
}

fn parse(bytes: &[u8]) -> Option<Saved> {
    let (head, body) = bytes.split_at_checked(HEAD)?;
    let crc = u32::from_le_bytes(head[17..21].try_into().ok()?);
    if crc32fast::hash(body) != crc {
        return None;
    }
    let snapshot = match head.first_chunk()? {
        MAGIC => postcard::from_bytes(body).ok()?,
        MAGIC_4 => postcard::from_bytes::<SnapshotOfVersion4>(body).ok()?.into(),
        _ => return None,
    };
    let position = u64::from_le_bytes(head[9..17].try_into().ok()?);
    Some(Saved { snapshot, position, drained: head[8] == 1 })
}

/// Brings a fresh actor system to where the one before it stopped: the snapshot, then the journal's
/// records since. Returns what the keeper of later snapshots needs.
pub(super) async fn take_up(system: &ActorSystem, journal: &EmbeddedJournal, file: &SnapshotFile) -> Result<Consumer, JournalError> {
    let mut consumer = journal.consumer(CONSUMER, ConsumerRole::Reader);
    let newest = journal.position();
    let mut known: HashMap<VehicleId, Timestamp> = HashMap::new();
    let (mut whole, mut behind) = (false, 0);
    if let Some(mut saved) = file.load() {
        whole = saved.drained && saved.position == newest;
        if !whole {
            saved.snapshot.begin_epochs(system.router().now());
        }
        behind = saved.position;
        known = saved.snapshot.received().map(|(id, at)| (id.clone(), at)).collect();
        tracing::info!(vehicles = saved.snapshot.vehicles(), position = saved.position, whole, "state taken up");
        if saved.drained {
            // From now on the channels move on without it: should this system be killed, it must not pass for the whole.
            let position = saved.position;
            file.save(&saved.snapshot, position, false).map_err(|e| JournalError::Storage(e.to_string()))?;
        }
        system.restore(saved.snapshot);
        // A door that opens before them would answer that there are none.
        system.router().agents_resumed(AGENTS_START_IN).await;
    }
    let router = system.router();
    // What the state does not hold is read from the journal, whatever was committed for the snapshot that is not there: a
    // position says what a snapshot held, not what this system knows.
    let oldest = journal.stats().oldest;
    let mut reached = consumer.position().min(behind).max(oldest.saturating_sub(1));
    consumer.rewind(reached);
    let mut caught_up = 0;
    while !whole && reached < newest {
        let Some((records, last)) = consumer.next_records(CATCH_UP).await? else { break };
        for NumberedRecord { position, mut samples, numbering } in records {
            if numbering.is_empty() {
                // Written by a version that numbered nothing: told apart by the time of arrival.
                samples.retain(|s| position > behind && known.get(&s.vehicle).is_none_or(|at| s.received_at > *at));
            }
            caught_up += if position > behind { samples.len() } else { 0 };
            // A sample that cannot be applied is counted by its actor; it was refused once already.
            router.replay(samples, &numbering).await;
        }
        reached = last;
    }
    router.settled().await;
    if !whole {
        router.begin_epochs().await;
    }
    if caught_up > 0 {
        tracing::info!(samples = caught_up, "caught up with the journal");
    }
    Ok(consumer)
}

/// Saves the state now and then, so that a start after a kill has little to catch up with. The journal
/// keeps what channels remember, `remembered` long, although the state holds it already: it is from
/// there that their histories come back.
pub(super) fn keep_saving(
    router: Router,
    journal: Arc<EmbeddedJournal>,
    intake: Arc<Intake>,
    file: SnapshotFile,
    consumer: Consumer,
    remembered: Duration,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        // At once, too: should this run be killed, the next one knows of the epochs that begin now.
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut saved: VecDeque<(Instant, u64)> = VecDeque::new();
        loop {
            ticks.tick().await;
            // Before the state: what comes in between is in both, and told apart by its offsets.
            let (at, position) = (Instant::now(), journal.position());
            // What is journalled up to there is in the mailboxes then, before the question for the state.
            intake.routed().await;
            let mut snapshot = router.snapshot().await;
            snapshot.leave_to_the_journal();
            // A state that holds what the journal then lost would take it a second time when it is sent again.
            if !all_durable(&journal).await {
                continue;
            }
            if save(&file, snapshot, position, false).await {
                saved.push_back((at, position));
            }
            let told = saved.iter().take_while(|(since, _)| since.elapsed() >= remembered).count();
            if let Some((_, position)) = saved.drain(..told).next_back() {
                consumer.commit(position);
            }
        }
    })
}

/// Waits until everything appended so far is durable; tells whether it is.
async fn all_durable(journal: &EmbeddedJournal) -> bool {
    let stats = journal.stats();
    if stats.appends == stats.records + stats.refused {
        return true;
    }
    // An empty record is durable when everything before it is.
    journal.append(&SampleBatch::default()).await.is_ok()
}

/// Saves the whole state of a drained system, once the journal has all of it: what is appended and not yet
/// synced is in the state, and its position is not known before. Where the journal fails, the earlier
/// snapshot stands.
pub(super) async fn save_drained(journal: &EmbeddedJournal, file: &SnapshotFile, snapshot: Snapshot, most: Duration) {
    if !tokio::time::timeout(most, all_durable(journal)).await.unwrap_or(false) {
        tracing::error!("the journal has not kept all that was taken in; the state before and the journal stand");
        return;
    }
    let position = journal.position();
    if save(file, snapshot, position, true).await {
        journal.consumer(CONSUMER, ConsumerRole::Reader).commit(position);
    }
}

/// Saves a snapshot; tells whether that worked.
async fn save(file: &SnapshotFile, snapshot: Snapshot, position: u64, drained: bool) -> bool {
    let target = file.clone();
    match tokio::task::spawn_blocking(move || target.save(&snapshot, position, drained)).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => tracing::error!(%error, "the snapshot cannot be saved; the journal keeps what it would hold"),
        Err(error) => tracing::error!(%error, "saving the snapshot panicked"),
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_of_an_older_version_is_set_aside_and_not_called_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let file = SnapshotFile::new(folder.path());
        fs::write(&file.0, b"SLIPSNP1 and what it had").unwrap();
        assert!(file.load().is_none());
        assert_eq!(fs::read(file.0.with_extension("older")).unwrap(), b"SLIPSNP1 and what it had");
        assert!(!file.0.exists() && !file.0.with_extension("damaged").exists());
    }

    #[test]
    fn a_snapshot_of_the_version_before_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let file = SnapshotFile::new(folder.path());
        let body = include_bytes!("../../../actors/testdata/snapshot-version-4.postcard");
        let crc = crc32fast::hash(body).to_le_bytes();
        fs::write(&file.0, [&MAGIC_4[..], &[1], &7_u64.to_le_bytes(), &crc, body].concat()).unwrap();
        let saved = file.load().unwrap();
        assert_eq!((saved.snapshot.vehicles(), saved.position, saved.drained), (2, 7, true));
    }

    #[test]
    fn a_snapshot_is_read_back_and_a_damaged_one_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let file = SnapshotFile::new(folder.path());
        assert!(file.load().is_none());
        file.save(&Snapshot::default(), 42, true).unwrap();
        let saved = file.load().unwrap();
        assert_eq!((saved.position, saved.drained), (42, true));
        let mut bytes = fs::read(&file.0).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&file.0, &bytes).unwrap();
        assert!(file.load().is_none());
        assert!(file.0.with_extension("damaged").exists());
        for len in 0..bytes.len() {
            assert!(parse(&bytes[..len]).is_none(), "cut at {len}");
        }
    }
}
