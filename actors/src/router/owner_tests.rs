//! Names that somebody subscribes to cost memory only while they are used.

use std::{sync::Arc, time::Duration};

use slipstream_protocol::WireFormat;

use crate::{
    Outbox, OutboxLimits,
    harness::{batch, config, in_session, numbers, read_until, request, sample, system, wait_for},
};

const KINDS: [&str; 8] = ["telemetry", "video", "ai", "alerts", "session", "rl", "cell", "pipeline"];

fn outbox() -> Arc<Outbox> {
    Outbox::new(WireFormat::Json, OutboxLimits::default())
}

#[tokio::test]
async fn an_owner_of_which_nothing_was_published_goes_with_its_last_subscriber() {
    let (system, clock) = system(config());
    let router = system.router();
    let owners = || router.owners().iter().map(|(_, count)| count).sum::<usize>();
    let (leaving, gone, staying) = (outbox(), outbox(), outbox());
    let (one, two, three) = (router.connect(leaving.clone()), router.connect(gone.clone()), router.connect(staying.clone()));
    for kind in KINDS {
        for n in 0..20 {
            router.subscribe(&one, request(&format!("{kind}:left-{n}"))).await;
            router.subscribe(&two, request(&format!("{kind}:dropped-{n}"))).await;
        }
        router.subscribe(&three, request(&format!("{kind}:kept"))).await;
    }
    read_until(&leaving, |m| m.len() >= 20 * KINDS.len()).await;
    read_until(&gone, |m| m.len() >= 20 * KINDS.len()).await;
    // The four kinds of a vehicle have one owner.
    let owned = 5;
    assert_eq!(owners(), 41 * owned);
    for kind in KINDS {
        for n in 0..20 {
            router.unsubscribe(&one, &format!("{kind}:left-{n}").parse().unwrap(), None).await;
        }
    }
    drop(two);
    read_until(&leaving, |m| m.len() >= 20 * KINDS.len()).await;
    let forgotten = || {
        clock.advance(Duration::from_secs(1));
        owners() == owned
    };
    wait_for("only what somebody hears is known", forgotten).await;
    assert_eq!(router.stats().owners_forgotten.get(), 40 * owned as u64);
    let snapshot = router.snapshot().await;
    assert_eq!((snapshot.vehicles.len(), snapshot.rooms.len(), snapshot.topics.len(), snapshot.agents.len()), (1, 1, 2, 1));
    // Who stayed hears the first publication.
    router.route(batch(vec![in_session(sample("kept", 1), "kept")])).await;
    let heard = read_until(&staying, |m| numbers(m).len() >= 2).await;
    assert!(heard.iter().any(|m| m["channel"] == "telemetry:kept") && heard.iter().any(|m| m["channel"] == "session:kept"));
    drop(three);
    let vehicles_and_rooms = || {
        clock.advance(Duration::from_secs(1));
        owners() == 2
    };
    wait_for("what was published keeps its owner", vehicles_and_rooms).await;
    assert_eq!(router.views().vehicles().len(), 1);
    system.drain(Duration::from_secs(5)).await;
}

/// Subscribing again and again to a name that is about to go never finds two owners of it.
#[tokio::test]
async fn who_comes_while_an_owner_goes_is_served_all_the_same() {
    let (system, clock) = system(config());
    let router = system.router();
    for round in 0..200_u64 {
        let outbox = outbox();
        let subscriber = router.connect(outbox.clone());
        for kind in KINDS {
            router.subscribe(&subscriber, request(&format!("{kind}:again"))).await;
        }
        let told = read_until(&outbox, |m| m.len() >= KINDS.len()).await;
        assert!(told.iter().all(|m| m["type"] == "subscribed"), "{told:?}");
        if round % 3 == 0 {
            router.route(batch(vec![sample(&format!("v{round}"), round)])).await;
        }
        drop(subscriber);
        clock.advance(Duration::from_millis(30));
        tokio::task::yield_now().await;
    }
    system.drain(Duration::from_secs(5)).await;
}
