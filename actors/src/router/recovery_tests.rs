//! Channels across a crash, against a model: a subscriber that comes back gets exactly what it missed
//! or is told that it cannot, whatever was lost.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;
use slipstream_protocol::{Sample, WireFormat, client::Since, codec::Numbering};

use crate::{
    ActorSystem, Outbox, OutboxLimits, Router, Snapshot, Subscriber, SystemConfig,
    harness::{batch, config, messages, request, sample, system},
};

/// What happens to a few samples on their way.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Journalled and published.
    Kept,
    /// Published, but the journal could not keep it.
    NotKept,
    /// Journalled, but its door gave up before the actor had it.
    NotPublished,
    /// Not samples: the state is saved.
    Saved,
}

fn fates() -> impl Strategy<Value = Vec<(Fate, u64)>> {
    let fate = prop_oneof![6 => Just(Fate::Kept), 1 => Just(Fate::NotKept), 1 => Just(Fate::NotPublished), 1 => Just(Fate::Saved)];
    prop::collection::vec((fate, 1..4_u64), 1..20)
}

type Record = (Vec<Sample>, Vec<Numbering>);

/// One run of a system between two crashes, as a subscriber and the disk saw it.
struct Run {
    system: ActorSystem,
    router: Router,
    outbox: std::sync::Arc<Outbox>,
    _subscriber: Subscriber,
    epoch: u64,
    /// Offset to number of everything heard.
    heard: BTreeMap<u64, u64>,
}

impl Run {
    async fn start(restored: Option<(Snapshot, &[Record])>) -> Self {
        let (system, clock) = system(SystemConfig { arbiters: 1, ..config() });
        if restored.is_some() {
            clock.advance(Duration::from_secs(1));
        }
        let router = system.router();
        if let Some((mut snapshot, journal)) = restored {
            snapshot.begin_epochs(router.now());
            system.restore(snapshot);
            for (samples, numbering) in journal {
                router.replay(samples.clone(), numbering).await;
            }
            router.settled().await;
            router.begin_epochs().await;
        }
        let outbox = Outbox::new(WireFormat::Json, OutboxLimits::default());
        let subscriber = router.connect(outbox.clone());
        router.subscribe(&subscriber, request("telemetry:v")).await;
        let mut run = Self { system, router, outbox, _subscriber: subscriber, epoch: 0, heard: BTreeMap::new() };
        run.listen().await;
        run
    }

    async fn listen(&mut self) {
        self.router.settled().await;
        let mut frames = Vec::new();
        if self.outbox.waiting_bytes() > 0 {
            self.outbox.drain(&mut frames).await;
        }
        for message in messages(WireFormat::Json, &frames) {
            if message["type"] == "subscribed" {
                self.epoch = message["epoch"].as_u64().unwrap();
            } else if message["type"] == "telemetry" {
                let n = message["data"]["n"].as_f64().unwrap() as u64;
                assert_eq!(self.heard.insert(message["offset"].as_u64().unwrap(), n), None, "{message}");
            }
        }
    }

    /// Lets `fates` happen from sample `next` on; yields the last saved state.
    async fn live(&mut self, fates: &[(Fate, u64)], next: &mut u64, journal: &mut Vec<Record>) -> Option<Snapshot> {
        let mut saved = None;
        for (fate, count) in fates {
            let samples: Vec<_> = (*next..*next + count).map(|n| sample("v", n)).collect();
            if let Fate::Saved = fate {
                let mut snapshot = self.router.snapshot().await;
                snapshot.leave_to_the_journal();
                saved = Some(snapshot);
                continue;
            }
            *next += count;
            let mut sequence = self.router.sequence(&samples).await;
            let numbering = sequence.number(&samples, None);
            if !matches!(fate, Fate::NotKept) {
                journal.push((samples.clone(), numbering));
            }
            if !matches!(fate, Fate::NotPublished) {
                assert!(sequence.route(batch(samples)).await.is_empty());
            }
            self.listen().await;
        }
        saved
    }
}

/// What a subscriber that stopped at `since` gets of `run`: `None` where it is told that it cannot.
async fn resumed(run: &Run, since: Since) -> Option<BTreeMap<u64, u64>> {
    let told = run.router.history(&"telemetry:v".parse().unwrap(), Some(since), 10_000).await.ok()?;
    let texts = told.publications.iter().map(|p| serde_json::from_slice::<serde_json::Value>(p).unwrap());
    let all = texts.map(|m| (m["offset"].as_u64().unwrap(), m["data"]["n"].as_f64().unwrap() as u64)).collect();
    (told.recovered && told.epoch == run.epoch).then_some(all)
}

async fn check(first: Vec<(Fate, u64)>, second: Vec<(Fate, u64)>, lost: usize) {
    let (mut next, mut journal) = (0, Vec::new());
    let mut before = Run::start(None).await;
    let saved = before.live(&first, &mut next, &mut journal).await;
    // A crash keeps a prefix of the journal. A snapshot never knows more than the journal kept, because it
    // waits for it; here that is so where nothing is lost.
    let kept = if saved.is_some() { journal.len() } else { journal.len() - lost.min(journal.len()) };
    journal.truncate(kept);
    let end = |(samples, numbering): &Record| numbering[0].first + samples.len() as u64 - 1;
    let journal_end = journal.last().map_or(0, end);
    let saved_offset = saved.as_ref().map_or(0, |s| s.offset_of("v"));
    let (epoch, newest) = (before.epoch, before.heard.keys().last().copied().unwrap_or(0));
    let mut after = Run::start(Some((saved.unwrap_or_default(), &journal))).await;
    let _ = after.live(&second, &mut next, &mut journal).await;
    // What was published behind this was heard, perhaps, and is gone: nobody is given anything for it.
    let told = journal_end.max(saved_offset);
    let mut exact = 0;
    for offset in 0..=newest + 3 {
        let Some(got) = resumed(&after, Since { epoch, offset }).await else { continue };
        exact += 1;
        assert!(offset <= told, "{offset} is not known after the crash: {told}");
        for (at, n) in before.heard.range(offset + 1..=told.max(offset + 1)).filter(|(at, _)| **at <= told) {
            // Missed before the crash: it comes, and nothing else in its place.
            assert_eq!(got.get(at), Some(n), "offset {at} after {offset}");
        }
        for (at, n) in &after.heard {
            assert_eq!(got.get(at), Some(n), "offset {at} after {offset}, published after the crash");
        }
        assert!(got.keys().all(|at| *at > offset));
    }
    if kept > 0 && first.iter().chain(&second).all(|(fate, _)| matches!(fate, Fate::Kept | Fate::Saved)) {
        assert_eq!(exact, told + 1, "everyone who stopped where the journal reaches goes on");
    }
    before.system.drain(Duration::from_secs(5)).await;
    after.system.drain(Duration::from_secs(5)).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn after_a_crash_a_subscriber_gets_exactly_what_it_missed_or_is_told(first in fates(), second in fates(), lost in 0..4_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(first, second, lost));
    }
}
