use std::{collections::HashSet, sync::Arc, time::Duration};

use proptest::prelude::*;
use slipstream_protocol::{ErrorCode, Sample, WireFormat, client::Since};

use crate::{
    ActorSystem, Outbox, OutboxLimits, Probe, SystemConfig,
    harness::{batch, config, in_session, numbers, read_until, request, sample, system, wait_for},
};

fn outbox() -> Arc<Outbox> {
    Outbox::new(WireFormat::Json, OutboxLimits::default())
}

fn count(messages: &[serde_json::Value], kind: &str) -> usize {
    messages.iter().filter(|m| m["type"] == kind).count()
}

async fn stop(system: ActorSystem) {
    system.drain(Duration::from_secs(5)).await;
}

/// Panics on samples whose number is in the set, each time it sees one.
struct Poison(HashSet<u64>);

impl Probe for Poison {
    fn inspect(&self, sample: &Sample) {
        let n = sample.number("n").unwrap() as u64;
        assert!(!self.0.contains(&n), "poisoned by {n}");
    }
}

fn poison(numbers: &[u64]) -> Arc<dyn Probe> {
    Arc::new(Poison(numbers.iter().copied().collect()))
}

#[tokio::test]
async fn a_named_subscriber_and_a_wildcard_subscriber_hear_every_sample_once_in_order() {
    let (system, _) = system(config());
    let router = system.router();
    let (named, wild, both) = (outbox(), outbox(), outbox());
    let (a, b, c) = (router.connect(named.clone()), router.connect(wild.clone()), router.connect(both.clone()));
    router.subscribe(&a, request("telemetry:v1")).await;
    router.subscribe(&b, request("telemetry:*")).await;
    router.subscribe(&c, request("telemetry:v1")).await;
    router.subscribe(&c, request("telemetry:*")).await;
    for n in 0..50 {
        assert!(router.route(batch(vec![sample("v1", n), sample("v2", n)])).await.is_empty());
    }
    let heard = read_until(&named, |m| count(m, "telemetry") >= 50).await;
    assert_eq!(numbers(&heard), (0..50).collect::<Vec<_>>());
    assert_eq!(
        heard.iter().filter(|m| m["type"] == "telemetry").map(|m| m["offset"].as_u64().unwrap()).collect::<Vec<_>>(),
        (1..=50).collect::<Vec<_>>()
    );
    for outbox in [&wild, &both] {
        let heard = read_until(outbox, |m| count(m, "telemetry") >= 100).await;
        for vehicle in ["v1", "v2"] {
            let of: Vec<_> = heard.iter().filter(|m| m["driverId"] == vehicle).cloned().collect();
            assert_eq!(numbers(&of), (0..50).collect::<Vec<_>>());
        }
    }
    stop(system).await;
}

#[tokio::test]
async fn a_session_room_hears_its_members_and_publishes_their_numbers() {
    let (system, clock) = system(config());
    let router = system.router();
    let room = outbox();
    let subscriber = router.connect(room.clone());
    router.subscribe(&subscriber, request("session:q1")).await;
    for n in 0..10 {
        clock.advance(Duration::from_millis(100));
        router.route(batch(vec![in_session(sample("v1", n), "q1"), in_session(sample("v2", n), "q2")])).await;
    }
    let heard = read_until(&room, |m| count(m, "telemetry") >= 10 && count(m, "metrics_update") >= 1).await;
    assert_eq!(numbers(&heard), (0..10).collect::<Vec<_>>());
    assert!(heard.iter().filter(|m| m["type"] == "telemetry").all(|m| m["driverId"] == "v1" && m["channel"] == "session:q1"));
    wait_for("the room's view", || router.views().session("q1").is_some_and(|m| m.vehicles == 1)).await;
    stop(system).await;
}

#[tokio::test]
async fn a_panic_costs_the_sample_that_caused_it_and_nothing_else() {
    let (system, _) = system(SystemConfig { probe: Some(poison(&[7, 8, 13])), ..config() });
    let router = system.router();
    let wild = outbox();
    let subscriber = router.connect(wild.clone());
    router.subscribe(&subscriber, request("telemetry:*")).await;
    for n in (0..20).step_by(5) {
        router.route(batch((n..n + 5).map(|n| sample("v1", n)).collect())).await;
        router.route(batch(vec![sample("v2", 1_000 + n)])).await;
    }
    let heard = read_until(&wild, |m| count(m, "telemetry") >= 17 + 4).await;
    let of = |vehicle: &str| numbers(&heard.iter().filter(|m| m["driverId"] == vehicle).cloned().collect::<Vec<_>>());
    assert_eq!(of("v1"), (0..20).filter(|n| ![7, 8, 13].contains(n)).collect::<Vec<_>>());
    assert_eq!(of("v2").len(), 4, "another vehicle is not touched");
    let mut aside: Vec<_> = router.poisoned().iter().map(|p| p.sample.seq.unwrap()).collect();
    aside.sort_unstable();
    assert_eq!(aside, [7, 8, 13]);
    let health = router.health();
    assert_eq!((health.restarts, health.poisoned, health.given_up), (3, 3, 0));
    assert!(health.incidents.iter().all(|i| i.actor == "vehicle:v1" && i.reason.contains("poisoned by")));
    let twin = router.views().vehicle("v1").unwrap();
    assert_eq!(twin.samples, 17, "the state is what the good samples make it");
    stop(system).await;
}

#[tokio::test]
async fn what_comes_while_an_actor_cools_down_waits_and_is_applied_in_order() {
    let limits = SystemConfig {
        probe: Some(poison(&[0, 1, 2, 3])),
        max_restarts: 3,
        restart_window: Duration::from_millis(300),
        mailbox: 2,
        ..config()
    };
    let (system, _) = system(limits);
    let router = system.router();
    let wild = outbox();
    let subscriber = router.connect(wild.clone());
    router.subscribe(&subscriber, request("telemetry:v1")).await;
    for n in 0..4 {
        router.route(batch(vec![sample("v1", n)])).await;
    }
    wait_for("cooling", || router.health().given_up == 1).await;
    // More than the mailbox takes, on one door together with another vehicle's.
    for n in 10..60 {
        assert!(router.route(batch(vec![sample("v1", n), sample("v2", n)])).await.is_empty());
    }
    wait_for("the other vehicle", || router.views().vehicle("v2").is_some_and(|t| t.samples == 50)).await;
    let heard = read_until(&wild, |m| count(m, "telemetry") >= 50).await;
    assert_eq!(numbers(&heard), (10..60).collect::<Vec<_>>());
    router.settled().await;
    router.route(batch(vec![sample("v1", 70)])).await;
    let heard = read_until(&wild, |m| count(m, "telemetry") >= 1).await;
    assert_eq!(numbers(&heard), [70], "and it goes on as before");
    stop(system).await;
}

#[tokio::test]
async fn an_idle_vehicle_leaves_memory_and_comes_back_with_its_state() {
    let (system, clock) = system(config());
    let router = system.router();
    router.route(batch(vec![sample("v1", 1), sample("v1", 2)])).await;
    wait_for("applied", || router.views().vehicle("v1").is_some_and(|t| t.samples == 2)).await;
    clock.advance(Duration::from_secs(1_000));
    wait_for("passivated", || !router.is_resident(&"v1".parse().unwrap())).await;
    assert_eq!(router.views().vehicle("v1").unwrap().samples, 2, "readers still see it");
    router.route(batch(vec![sample("v1", 3)])).await;
    wait_for("back", || router.views().vehicle("v1").is_some_and(|t| t.samples == 3)).await;
    assert_eq!(router.generation(&"v1".parse().unwrap()), 2);
    assert_eq!(router.stats().passivated.get(), 1);
    stop(system).await;
}

#[tokio::test]
async fn a_full_mailbox_makes_the_door_wait_and_loses_nothing() {
    let (system, _) = system(SystemConfig { mailbox: 2, arbiters: 1, ..config() });
    let router = system.router();
    let wild = outbox();
    let subscriber = router.connect(wild.clone());
    router.subscribe(&subscriber, request("telemetry:*")).await;
    let doors: Vec<_> = (0..8)
        .map(|door| {
            let router = router.clone();
            tokio::spawn(async move {
                for n in 0..200 {
                    router.route(batch(vec![in_session(sample(&format!("v{door}"), n), "s")])).await;
                }
            })
        })
        .collect();
    for door in doors {
        door.await.unwrap();
    }
    let heard = read_until(&wild, |m| count(m, "telemetry") >= 1_600).await;
    for door in 0..8 {
        let of: Vec<_> = heard.iter().filter(|m| m["driverId"] == format!("v{door}")).cloned().collect();
        assert_eq!(numbers(&of), (0..200).collect::<Vec<_>>());
    }
    assert!(router.stats().mailbox_full.get() > 0, "the test did fill a mailbox");
    stop(system).await;
}

#[tokio::test]
async fn a_returning_subscriber_gets_exactly_what_it_missed_then_live() {
    let (system, _) = system(config());
    let router = system.router();
    let first = outbox();
    let subscriber = router.connect(first.clone());
    router.subscribe(&subscriber, request("telemetry:v")).await;
    router.route(batch((0..4).map(|n| sample("v", n)).collect())).await;
    let heard = read_until(&first, |m| count(m, "telemetry") >= 4).await;
    let epoch = heard[0]["epoch"].as_u64().unwrap();
    drop(subscriber);
    router.route(batch((4..9).map(|n| sample("v", n)).collect())).await;
    let again = outbox();
    let subscriber = router.connect(again.clone());
    router
        .subscribe(
            &subscriber,
            slipstream_protocol::client::SubscribeRequest { since: Some(Since { epoch, offset: 2 }), ..request("telemetry:v") },
        )
        .await;
    router.route(batch(vec![sample("v", 9)])).await;
    let heard = read_until(&again, |m| count(m, "telemetry") >= 8).await;
    assert_eq!((heard[0]["recovered"].as_bool(), heard[0]["offset"].as_u64()), (Some(true), Some(2)));
    assert_eq!(numbers(&heard), (2..10).collect::<Vec<_>>());
    let past = router.history(&"telemetry:v".parse().unwrap(), Some(Since { epoch, offset: 2 }), 3).await.unwrap();
    assert_eq!((past.recovered, past.offset, past.newest), (true, 2, 10));
    let texts: Vec<serde_json::Value> = past.publications.iter().map(|p| serde_json::from_slice(p).unwrap()).collect();
    assert_eq!(numbers(&texts), [2, 3, 4], "readers get the same publications, at most as many as they ask for");
    let other = outbox();
    let subscriber = router.connect(other.clone());
    let stale = Since { epoch: epoch + 1, offset: 2 };
    router.subscribe(&subscriber, slipstream_protocol::client::SubscribeRequest { since: Some(stale), ..request("telemetry:v") }).await;
    let heard = read_until(&other, |m| count(m, "telemetry") >= 10).await;
    assert_eq!(heard[0]["recovered"].as_bool(), Some(false), "another epoch is never recovered");
    stop(system).await;
}

#[tokio::test]
async fn offsets_of_samples_that_never_arrive_are_told_as_a_gap_and_whoever_resumes_behind_it_goes_on() {
    let (system, _) = system(SystemConfig { arbiters: 1, probe: Some(poison(&[7])), ..config() });
    let router = system.router();
    let outbox = outbox();
    let subscriber = router.connect(outbox.clone());
    router.subscribe(&subscriber, request("telemetry:v")).await;
    router.route(batch((0..3).map(|n| sample("v", n)).collect())).await;
    let given_up: Vec<_> = (3..5).map(|n| sample("v", n)).collect();
    drop({
        let mut sequence = router.sequence(&given_up).await;
        sequence.number(&given_up, None);
        sequence
    });
    // One of these is set aside by its handler.
    router.route(batch((5..10).map(|n| sample("v", n)).collect())).await;
    let heard = read_until(&outbox, |m| count(m, "telemetry") >= 7).await;
    let gaps: Vec<_> =
        heard.iter().filter(|m| m["type"] == "gap").map(|m| (m["dropped"].clone(), m["from"].clone(), m["to"].clone())).collect();
    assert_eq!(gaps, [(2.into(), 4.into(), 5.into()), (1.into(), 8.into(), 8.into())], "{heard:?}");
    assert_eq!(numbers(&heard), [0, 1, 2, 5, 6, 8, 9]);
    let epoch = heard[0]["epoch"].as_u64().unwrap();
    for (offset, recovered) in [(3, false), (7, false), (8, true), (9, true)] {
        let past = router.history(&"telemetry:v".parse().unwrap(), Some(Since { epoch, offset }), 10).await.unwrap();
        assert_eq!(past.recovered, recovered, "since {offset}");
    }
    stop(system).await;
}

#[tokio::test]
async fn draining_finishes_what_waits_and_refuses_the_rest() {
    let (system, _) = system(SystemConfig { arbiters: 1, ..config() });
    let router = system.router();
    for n in 0..100 {
        router.route(batch(vec![sample("v", n)])).await;
    }
    stop(system).await;
    assert_eq!(router.views().vehicle("v").unwrap().samples, 100);
    let refused = router.route(batch(vec![sample("v", 100)])).await;
    assert_eq!(refused[0].error.code, ErrorCode::Busy);
}

#[tokio::test]
async fn a_restart_keeps_state_and_a_subscriber_rides_through_it() {
    let (first, _) = system(config());
    let router = first.router();
    let before = outbox();
    let subscriber = router.connect(before.clone());
    router.subscribe(&subscriber, request("telemetry:v")).await;
    router.subscribe(&subscriber, request("session:s")).await;
    router.route(batch((0..4).map(|n| in_session(sample("v", n), "s")).collect())).await;
    let heard = read_until(&before, |m| count(m, "telemetry") >= 8).await;
    let epoch =
        |channel: &str| heard.iter().find(|m| m["type"] == "subscribed" && m["channel"] == channel).unwrap()["epoch"].as_u64().unwrap();
    let (vehicle_epoch, session_epoch) = (epoch("telemetry:v"), epoch("session:s"));
    router.route(batch((4..7).map(|n| in_session(sample("v", n), "s")).collect())).await;
    let mut snapshot = first.drain(Duration::from_secs(5)).await.unwrap();

    let (second, _) = system(config());
    second.restore(snapshot);
    let router = second.router();
    assert_eq!(router.views().vehicle("v").unwrap().samples, 7, "readers see the state before anything new arrives");
    let after = outbox();
    let subscriber = router.connect(after.clone());
    for (channel, epoch) in [("telemetry:v", vehicle_epoch), ("session:s", session_epoch)] {
        let since = Some(Since { epoch, offset: 4 });
        router.subscribe(&subscriber, slipstream_protocol::client::SubscribeRequest { since, ..request(channel) }).await;
    }
    router.route(batch(vec![in_session(sample("v", 7), "s")])).await;
    let heard = read_until(&after, |m| count(m, "telemetry") >= 7).await;
    let of = |channel: &str| heard.iter().filter(|m| m["channel"] == channel).cloned().collect::<Vec<_>>();
    assert_eq!(numbers(&of("telemetry:v")), [4, 5, 6, 7]);
    assert_eq!(of("telemetry:v")[0]["recovered"], true);
    assert_eq!(of("session:s")[0]["recovered"], true);
    snapshot = second.drain(Duration::from_secs(5)).await.unwrap();

    snapshot.leave_to_the_journal();
    let (third, clock) = system(config());
    clock.advance(Duration::from_secs(1));
    snapshot.begin_epochs(third.router().now());
    third.restore(snapshot);
    third.router().begin_epochs().await;
    let killed = outbox();
    let subscriber = third.router().connect(killed.clone());
    let from = [("telemetry:v", vehicle_epoch, 8, true), ("telemetry:v", vehicle_epoch, 4, false), ("session:s", session_epoch, 4, false)];
    for (channel, epoch, offset, recovered) in from {
        let since = Some(Since { epoch, offset });
        third.router().subscribe(&subscriber, slipstream_protocol::client::SubscribeRequest { since, ..request(channel) }).await;
        let heard = read_until(&killed, |m| count(m, "subscribed") == 1).await;
        assert_eq!(heard[0]["recovered"], recovered, "{channel} after {offset}: {heard:?}");
        assert_ne!(heard[0]["epoch"], epoch, "a crash begins an epoch");
    }
    assert_eq!(third.router().views().vehicle("v").unwrap().samples, 8);
    stop(third).await;
}

#[derive(Clone, Debug)]
enum Step {
    Subscribe(usize, bool),
    Unsubscribe(usize, bool),
    Publish(u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..3_usize, any::<bool>()).prop_map(|(who, wild)| Step::Subscribe(who, wild)),
        (0..3_usize, any::<bool>()).prop_map(|(who, wild)| Step::Unsubscribe(who, wild)),
        (1..4_u32).prop_map(Step::Publish),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// For any interleaving a subscriber hears exactly the publications between its `subscribed` and
    /// its `unsubscribed`: each once, in order, whichever of the two ways it subscribed.
    #[test]
    fn a_subscriber_hears_exactly_what_lies_between_its_subscribe_and_unsubscribe(steps in prop::collection::vec(any_step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let (system, _) = system(config());
            let router = system.router();
            let outboxes: Vec<_> = (0..3).map(|_| outbox()).collect();
            let subscribers: Vec<_> = outboxes.iter().map(|o| router.connect(o.clone())).collect();
            let mut holds = vec![HashSet::new(); 3];
            let mut expected = vec![Vec::new(); 3];
            let mut next = 0;
            for step in steps {
                match step {
                    Step::Subscribe(who, wild) => {
                        let channel = if wild { "telemetry:*" } else { "telemetry:v" };
                        router.subscribe(&subscribers[who], request(channel)).await;
                        holds[who].insert(wild);
                    }
                    Step::Unsubscribe(who, wild) => {
                        let channel = if wild { "telemetry:*" } else { "telemetry:v" }.parse().unwrap();
                        router.unsubscribe(&subscribers[who], &channel, None).await;
                        holds[who].remove(&wild);
                    }
                    Step::Publish(n) => {
                        let samples = (next..next + u64::from(n)).map(|n| sample("v", n)).collect();
                        router.route(batch(samples)).await;
                        // Wildcards take effect at once, named channels in the mailbox's order: let the mailbox run
                        // empty so that the model need not know which is which.
                        wait_for("the mailbox", || router.stats().mailbox_depth.get() == 0).await;
                        for who in (0..3).filter(|who| !holds[*who].is_empty()) {
                            expected[who].extend(next..next + u64::from(n));
                        }
                        next += u64::from(n);
                    }
                }
                wait_for("the mailbox", || router.stats().mailbox_depth.get() == 0).await;
            }
            for (who, outbox) in outboxes.iter().enumerate() {
                outbox.reply(&slipstream_protocol::server::Reply::Pong { id: None });
                let heard = read_until(outbox, |m| m.iter().any(|m| m["type"] == "pong")).await;
                assert_eq!(numbers(&heard), expected[who], "subscriber {who}");
            }
            system.drain(Duration::from_secs(5)).await;
        });
    }
}

/// The same with real concurrency: publishers never pause while a subscriber comes and goes. What it
/// hears in one stay is a run without hole or repeat.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stay_of_a_subscriber_is_one_unbroken_run_while_publishers_never_pause() {
    let (system, _) = system(config());
    let router = system.router();
    let publisher = {
        let router = router.clone();
        tokio::spawn(async move {
            for n in 0..20_000 {
                router.route(batch(vec![sample("v", n)])).await;
            }
        })
    };
    for channel in ["telemetry:v", "telemetry:*"].into_iter().cycle() {
        let outbox = outbox();
        let subscriber = router.connect(outbox.clone());
        router.subscribe(&subscriber, request(channel)).await;
        router.subscribe(&subscriber, request(channel)).await;
        read_until(&outbox, |m| count(m, "subscribed") >= 1).await;
        tokio::task::yield_now().await;
        router.unsubscribe(&subscriber, &channel.parse().unwrap(), None).await;
        let heard = read_until(&outbox, |m| count(m, "unsubscribed") == 1).await;
        let after = heard.iter().position(|m| m["type"] == "unsubscribed").unwrap();
        assert_eq!(after, heard.len() - 1, "nothing follows unsubscribed");
        let run = numbers(&heard);
        assert!(run.windows(2).all(|w| w[1] == w[0] + 1), "{channel}: {run:?}");
        if publisher.is_finished() {
            break;
        }
    }
    publisher.await.unwrap();
    stop(system).await;
}
