//! A killed server, from outside: who comes back with `since` gets exactly what it missed, or is told.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use slipstream_protocol::token::Role;
use slipstream_tests::{
    gateway::{Client, PATIENCE},
    server_process::ServerProcess,
    stand_in::{Answer, StandIn},
};

use crate::cli::binary;

const CHANNEL: &str = "telemetry:shared";
/// Longer than a machine stalls: what a channel remembers is told by number here, not by age.
const REMEMBERS: (&str, &str) = ("SLIPSTREAM_HISTORY_TELEMETRY_AGE", "10m");
const PUBLISHERS: [&str; 2] = ["garage", "pitwall"];

/// A publisher of one of two numbered streams for the same car.
struct Publisher {
    name: &'static str,
    client: Client,
    sent: u64,
    acknowledged: u64,
}

impl Publisher {
    async fn connect(server: &ServerProcess, name: &'static str, sent: u64, acknowledged: u64) -> Self {
        let client = server.client(Role::Relay, &format!("&publisher={name}")).await;
        Self { name, client, sent, acknowledged }
    }

    fn sample(name: &str, seq: u64) -> Value {
        json!({"type": "telemetry", "driverId": "shared", "seq": seq, "data": {"from": name, "n": seq}})
    }

    /// Sends `count` more, without waiting.
    async fn send(&mut self, count: u64) {
        for _ in 0..count {
            self.sent += 1;
            self.client.send(Self::sample(self.name, self.sent)).await;
        }
    }

    async fn all_acknowledged(&mut self) {
        while self.acknowledged < self.sent {
            self.acknowledged = self.client.message_of("ack").await["seq"].as_u64().unwrap();
        }
    }

    /// After a crash: sends again what was not acknowledged, and all of it is.
    async fn resend(self, server: &ServerProcess) -> Self {
        let mut again = Self::connect(server, self.name, self.acknowledged, self.acknowledged).await;
        again.send(self.sent - self.acknowledged).await;
        again.all_acknowledged().await;
        again
    }
}

/// What a subscriber heard: which sample at which offset.
#[derive(Default)]
struct Heard {
    epoch: u64,
    samples: BTreeMap<u64, (String, u64)>,
}

impl Heard {
    fn last(&self) -> u64 {
        self.samples.keys().last().copied().unwrap_or(0)
    }

    fn note(&mut self, message: &Value) {
        if message["type"] == "telemetry" {
            let sample = (message["data"]["from"].as_str().unwrap().to_owned(), message["data"]["n"].as_u64().unwrap());
            let known = self.samples.insert(message["offset"].as_u64().unwrap(), sample);
            assert_eq!(known, None, "an offset was heard twice: {message}");
        }
    }

    async fn listen(&mut self, client: &mut Client, until: u64) {
        while self.last() < until {
            self.note(&client.message().await);
        }
    }

    /// Every sample once, no offset missing, each publisher's in order.
    fn is_exactly(&self, sent: u64) {
        assert_eq!(self.samples.keys().copied().collect::<Vec<_>>(), (1..=2 * sent).collect::<Vec<_>>(), "no gap");
        for name in PUBLISHERS {
            let numbers: Vec<u64> = self.samples.values().filter(|(from, _)| from == name).map(|(_, n)| *n).collect();
            assert_eq!(numbers, (1..=sent).collect::<Vec<_>>(), "{name}: each once, in order");
        }
    }
}

async fn publish(publishers: &mut [Publisher; 2], count: u64) {
    let [a, b] = publishers;
    // Both at once, for the same car: what order they get is the server's to decide, and to remember.
    tokio::join!(a.send(count), b.send(count));
}

async fn acknowledged(publishers: &mut [Publisher; 2]) {
    for publisher in publishers {
        publisher.all_acknowledged().await;
    }
}

async fn resume(server: &ServerProcess, heard: &Heard) -> (Client, Value) {
    let mut client = server.client(Role::Viewer, "").await;
    client.send(json!({"type": "subscribe", "channel": CHANNEL, "since": {"epoch": heard.epoch, "offset": heard.last()}})).await;
    let answer = client.message_of("subscribed").await;
    (client, answer)
}

async fn history(server: &ServerProcess, epoch: u64, offset: u64) -> Value {
    let url = server.url(&format!("/api/channels/{CHANNEL}/history?since={epoch}:{offset}"));
    let request = reqwest::Client::new().get(url).bearer_auth(server.token(Role::Viewer)).send();
    let answer: Value = tokio::time::timeout(PATIENCE, request).await.unwrap().unwrap().json().await.unwrap();
    answer["data"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_kills_and_a_clean_restart_a_subscriber_misses_nothing_and_hears_nothing_twice() {
    let data = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(binary(), data.path(), &[REMEMBERS]);
    let mut publishers = [Publisher::connect(&server, "garage", 0, 0).await, Publisher::connect(&server, "pitwall", 0, 0).await];
    let mut client = server.client(Role::Viewer, "").await;
    let mut heard = Heard { epoch: client.subscribe(CHANNEL).await["epoch"].as_u64().unwrap(), ..Heard::default() };
    let mut sent = 0;
    for round in 0..4 {
        publish(&mut publishers, 40).await;
        sent += 40;
        acknowledged(&mut publishers).await;
        heard.listen(&mut client, 2 * sent).await;
        drop(client);
        // Missed, and acknowledged: the journal has it.
        publish(&mut publishers, 25).await;
        sent += 25;
        acknowledged(&mut publishers).await;
        if round == 2 {
            server.terminate();
        } else {
            server.kill();
        }
        server.start_again();
        let past = history(&server, heard.epoch, heard.last()).await;
        assert_eq!((past["recovered"].as_bool(), past["publications"].as_array().map(Vec::len)), (Some(true), Some(50)), "{past}");
        let answer;
        (client, answer) = resume(&server, &heard).await;
        assert_eq!((answer["recovered"].as_bool(), answer["offset"].as_u64()), (Some(true), Some(heard.last())), "{answer}");
        assert_eq!(answer["epoch"].as_u64() == Some(heard.epoch), round == 2, "a kill begins an epoch, a drain does not");
        heard.epoch = answer["epoch"].as_u64().unwrap();
        publishers = [Publisher::connect(&server, "garage", sent, sent).await, Publisher::connect(&server, "pitwall", sent, sent).await];
    }
    publish(&mut publishers, 10).await;
    heard.listen(&mut client, 2 * (sent + 10)).await;
    heard.is_exactly(sent + 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_full_flight_it_goes_on_exactly_or_says_that_it_cannot() {
    let mut exact = 0;
    for round in 0..4_u64 {
        let data = tempfile::tempdir().unwrap();
        // A long wait for company before a sync: much is heard and not yet kept when the kill comes.
        let delay = if round % 2 == 0 { "0ms" } else { "100ms" };
        let mut server = ServerProcess::start(binary(), data.path(), &[REMEMBERS, ("SLIPSTREAM_JOURNAL_SYNC_DELAY", delay)]);
        let mut publishers = [Publisher::connect(&server, "garage", 0, 0).await, Publisher::connect(&server, "pitwall", 0, 0).await];
        let mut client = server.client(Role::Viewer, "").await;
        let mut heard = Heard { epoch: client.subscribe(CHANNEL).await["epoch"].as_u64().unwrap(), ..Heard::default() };
        publish(&mut publishers, 60).await;
        acknowledged(&mut publishers).await;
        heard.listen(&mut client, 60 + 20 * round).await;
        let early = (heard.epoch, 100);
        publish(&mut publishers, 200).await;
        if round >= 2 {
            heard.listen(&mut client, 250).await;
        }
        server.kill();
        drop(client);
        server.start_again();

        let (mut client, answer) = resume(&server, &heard).await;
        let recovered = answer["recovered"].as_bool().unwrap();
        // Whatever was lost: those who stopped where everything was acknowledged go on, and both ways say the same.
        let past = history(&server, early.0, early.1).await;
        assert_eq!(past["recovered"], true, "{past}");
        let publishers = {
            let [a, b] = publishers;
            [a.resend(&server).await, b.resend(&server).await]
        };
        assert_eq!(publishers.iter().map(|p| p.acknowledged).collect::<Vec<_>>(), [260, 260]);
        if recovered {
            exact += 1;
            heard.listen(&mut client, 520).await;
            heard.is_exactly(260);
        } else {
            // It starts anew from what there is: contiguous, each sample once.
            let mut anew = Heard::default();
            while anew.samples.len() < 520 {
                anew.note(&client.message().await);
            }
            assert_eq!(anew.samples.values().collect::<BTreeSet<_>>().len(), 520);
            anew.is_exactly(260);
            assert!(round % 2 == 1 || round >= 2, "what was heard was acknowledged, so it was known: {answer}");
        }
    }
    assert!(exact >= 1, "in the first round all that was heard was acknowledged");
}

/// The state used to be saved at the position before, because the newest samples were not synced yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_restart_keeps_epochs_although_the_disk_was_behind() {
    let data = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(binary(), data.path(), &[REMEMBERS, ("SLIPSTREAM_JOURNAL_SYNC_DELAY", "400ms")]);
    let mut client = server.client(Role::Viewer, "").await;
    let mut heard = Heard { epoch: client.subscribe(CHANNEL).await["epoch"].as_u64().unwrap(), ..Heard::default() };
    for round in 1..=3 {
        let mut publisher = Publisher::connect(&server, "garage", 20 * (round - 1), 20 * (round - 1)).await;
        publisher.send(20).await;
        heard.listen(&mut client, 20 * round).await;
        server.terminate();
        server.start_again();
        let answer;
        (client, answer) = resume(&server, &heard).await;
        assert_eq!((answer["recovered"].as_bool(), answer["epoch"].as_u64()), (Some(true), Some(heard.epoch)), "round {round}: {answer}");
        assert_eq!(publisher.resend(&server).await.acknowledged, 20 * round, "what was taken in is known");
    }
    client.is_well_behind_news().await;
}

/// These channels are not in the journal: what they lost is told, never passed over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_channels_that_are_not_journalled_begin_anew_and_say_so() {
    const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
    let advice = Answer { status: 200, content_type: "application/json", body: br#"{"advice":"brake later"}"#.to_vec() };
    let agent = StandIn::start(advice).await;
    let data = tempfile::tempdir().unwrap();
    let mut server = ServerProcess::start(binary(), data.path(), &[("SLIPSTREAM_HISTORY_AI_AGE", "10m"), ("AI_AGENT_URL", &agent.url())]);
    let requests = [
        (
            "video:shared",
            "/api/video",
            json!({"driverId": "shared", "sessionId": "p1", "frameData": PIXEL, "timestamp": "2026-02-18T09:00:01Z"}),
        ),
        ("ai:shared", "/api/ai/feedback", json!({"driverId": "shared", "sessionId": "p1", "telemetryData": {"gear": 4}})),
        ("session:p1", "/api/telemetry", json!({"driverId": "shared", "sessionId": "p1", "data": {"from": "post", "n": 1}})),
    ];
    let mut known = BTreeMap::new();
    for (round, clean) in [false, false, true, false].into_iter().enumerate() {
        let mut client = server.client(Role::Viewer, "").await;
        for (channel, path, body) in &requests {
            let mut at = (client.subscribe(channel).await["epoch"].as_u64().unwrap(), 0);
            let posted = reqwest::Client::new().post(server.url(path)).bearer_auth(server.token(Role::Engineer)).json(body);
            let posted = posted.send().await.unwrap();
            assert!(posted.status().is_success(), "{posted:?}");
            while at.1 == 0 {
                let message = client.message().await;
                at.1 = if message["channel"] == *channel { message["offset"].as_u64().unwrap() } else { 0 };
            }
            known.insert(*channel, at);
        }
        if clean {
            server.terminate();
        } else {
            server.kill();
        }
        server.start_again();
        let mut client = server.client(Role::Viewer, "").await;
        for (channel, ..) in &requests {
            let (epoch, offset) = known[channel];
            client.send(json!({"type": "subscribe", "channel": channel, "since": {"epoch": epoch, "offset": offset}})).await;
            let answer = client.message_of("subscribed").await;
            assert_eq!(
                (answer["channel"].as_str(), answer["recovered"].as_bool()),
                (Some(*channel), Some(clean)),
                "round {round}: {answer}"
            );
            // Numbers that will mean something else belong to another epoch.
            assert_eq!(answer["epoch"].as_u64() == Some(epoch), clean, "round {round}: {answer}");
        }
    }
}
