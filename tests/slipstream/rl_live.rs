//! An agent attached to live vehicles: what they send through the door becomes advice on `ai:<vehicle>`.

use std::{
    collections::HashMap,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value, json};
use slipstream_protocol::{WireFormat, token::Role};
use slipstream_tests::{
    api::Api,
    gateway::{Client, Gateway},
};

/// An agent that plays the rules and advises `body`'s vehicle.
async fn attached(api: &Api, agent: &str, body: Value) -> Value {
    api.good("POST", "/api/rl/agents", json!({"id": agent, "environment": "avoidance", "seed": 1})).await;
    api.good("PUT", &format!("/api/rl/agents/{agent}/policy"), json!({"model": "rules"})).await;
    api.good("PUT", &format!("/api/rl/agents/{agent}/vehicle"), body).await
}

async fn metric(api: &Api, name: &str) -> f64 {
    let text = api.metrics().await;
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
    line.split(' ').next_back().unwrap().parse().unwrap()
}

/// The next advice on the channel, and how it was published.
async fn advice(listener: &mut Client) -> (Value, Value) {
    let message = listener.message_of_patiently("ai_feedback").await;
    (message["feedback"].clone(), message)
}

#[expect(clippy::needless_pass_by_value, reason = "callers make it in place")]
fn frame(vehicle: &str, time: &str, data: Value) -> Value {
    json!({"type": "telemetry", "driverId": vehicle, "timestamp": time, "data": data})
}

/// The next advice on the agent's own channel.
async fn watcher_update(watcher: &mut Client) -> Value {
    loop {
        let message = watcher.message_of("rl_update").await;
        if message["update"]["kind"] == "advised" {
            return message;
        }
    }
}

/// Sends a vehicle's sample and waits until everyone knows where it is.
async fn is_there(listener: &mut Client, publisher: &mut Client, frame: Value) {
    listener.subscribe(&format!("telemetry:{}", frame["driverId"].as_str().unwrap())).await;
    publisher.send(frame).await;
    listener.message_of("telemetry").await;
}

fn v2v(name: &str) -> Option<Vec<HashMap<String, String>>> {
    let root =
        std::env::var_os("SLIPSTREAM_DATA").map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = root.join("data/v2v").join(name);
    let Ok(packed) = std::fs::read(&path) else {
        println!("skipped: there is no {}", path.display());
        return None;
    };
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| names.iter().zip(line.split(',')).map(|(name, cell)| ((*name).to_owned(), cell.to_owned())).collect();
    Some(lines.map(row).collect())
}

/// A row's cells as signals: numbers where they are some; nothing for empty ones.
fn signals(row: &HashMap<String, String>) -> Value {
    let given = row.iter().filter(|(name, cell)| !cell.is_empty() && !matches!(&***name, "t_s" | "vehicle_id" | "event"));
    let value = |cell: &str| cell.parse::<f64>().map_or_else(|_| json!(cell), |number| json!(number));
    Value::Object(given.map(|(name, cell)| (name.clone(), value(cell))).collect::<Map<_, _>>())
}

/// A moment of the recording as the source's clock would tell it.
fn moment(t_s: f64) -> String {
    slipstream_protocol::Timestamp::from_secs_f64(1_763_000_000.0 + t_s).to_string()
}

/// Attaches an agent, sends the rows of its vehicle and of `others`, moment after moment, and gives back the advice:
/// one piece at least for each of the vehicle's rows.
async fn advised(gateway: &Gateway, rows: &[HashMap<String, String>], attachment: Value, others: &[&str]) -> Vec<Value> {
    let mut listener = gateway.client(Role::Viewer, WireFormat::Json).await;
    listener.subscribe(&format!("ai:{}", attachment["vehicle"].as_str().unwrap())).await;
    let mut others_heard = gateway.client(Role::Viewer, WireFormat::Json).await;
    let mut publisher = gateway.client(Role::Relay, WireFormat::Json).await;
    let mut told = Vec::new();
    let mut rows = rows.iter();
    if let Some(leader) = attachment["leader"].as_str() {
        // Until the leader was heard there is nothing to advise on.
        let first = rows.find(|row| row["vehicle_id"] == leader).unwrap();
        is_there(&mut listener, &mut publisher, frame(leader, &moment(first["t_s"].parse().unwrap()), signals(first))).await;
    }
    let ego = attachment["vehicle"].as_str().unwrap().to_owned();
    attached(&Api::of(gateway, Role::Engineer), "guard", attachment).await;
    for other in others {
        others_heard.subscribe(&format!("telemetry:{other}")).await;
    }
    for row in rows {
        let vehicle = &*row["vehicle_id"];
        if vehicle != ego && !others.contains(&vehicle) {
            continue;
        }
        let time = moment(row["t_s"].parse().unwrap());
        publisher.send(frame(vehicle, &time, signals(row))).await;
        if vehicle == ego {
            let at = json!(time);
            // What was advised on the leader's samples in between comes first.
            loop {
                let (advice, _) = advice(&mut listener).await;
                let own = advice["source_time"] == at;
                told.push(advice);
                if own {
                    break;
                }
            }
        } else {
            // The vehicles' actors are on threads of their own: the next row waits until this one is heard of.
            others_heard.message_of("telemetry").await;
        }
    }
    told
}

#[tokio::test]
async fn a_vehicle_that_closes_in_on_its_leader_is_advised_on_its_channel() {
    let gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Engineer);
    let mut listener = gateway.client(Role::Viewer, WireFormat::Json).await;
    listener.subscribe("ai:ego").await;
    let mut watcher = gateway.client(Role::Viewer, WireFormat::Json).await;
    watcher.subscribe("rl:guard").await;
    let mut publisher = gateway.client(Role::Relay, WireFormat::Json).await;
    let place = |x: f64, speed: f64| json!({"x_m": x, "y_m": 0.0, "heading_deg": 90.0, "speed_mps": speed});
    is_there(&mut listener, &mut publisher, frame("lead", "2026-05-01T12:00:00.000Z", place(40.0, 4.0))).await;
    let attached = attached(&api, "guard", json!({"vehicle": "ego", "leader": "lead", "weather": "rain", "every_ms": 0})).await;
    assert_eq!((attached["attached"]["vehicle"].as_str(), attached["attached"]["weather"].as_str()), (Some("ego"), Some("rain")));
    let mut ego = json!({"type": "telemetry", "driverId": "ego", "sessionId": "s", "timestamp": "2026-05-01T12:00:00.000Z", "data": place(0.0, 20.0)});
    publisher.send(ego.clone()).await;
    let (first, message) = advice(&mut listener).await;
    assert_eq!((message["channel"].as_str(), message["sessionId"].as_str()), (Some("ai:ego"), Some("s")), "{message}");
    assert_eq!((first["kind"].as_str(), first["agent"].as_str(), first["leader"].as_str()), (Some("advised"), Some("guard"), Some("lead")));
    assert_eq!((first["action_name"].as_str(), first["confidence"].as_f64()), (Some("hard_brake"), Some(1.0)), "{first}");
    assert_eq!((first["policy"]["version"].as_str(), first["policy"]["scores"].as_array().unwrap().len()), (Some("rules-1"), 5));
    let state = &first["state"];
    assert_eq!(
        (state["relative_speed_mps"].as_f64(), state["weather"].as_str(), state["hour"].as_u64()),
        (Some(16.0), Some("rain"), Some(12))
    );
    assert!((state["distance_m"].as_f64().unwrap() - 35.0).abs() < 1.0, "{first}");
    assert!(first["latency_ms"].as_f64().unwrap() < 1_000.0 && first["reasons"][0].as_str().unwrap().contains("lead is"), "{first}");
    let update = watcher_update(&mut watcher).await;
    assert_eq!((update["update"]["kind"].as_str(), update["update"]["action_name"].as_str()), (Some("advised"), Some("hard_brake")));
    // The shield stands between policy and advice, and takes effect between two samples.
    let rule = json!({"name": "rain is slippery", "when": [{"observation": "weather", "above": -0.9}], "forbid": ["hard_brake"]});
    api.good("PUT", "/api/rl/agents/guard/shield", json!({"rules": [rule]})).await;
    ego["timestamp"] = json!("2026-05-01T12:00:00.100Z");
    ego["data"] = place(2.0, 20.0);
    publisher.send(ego).await;
    let (shielded, _) = advice(&mut listener).await;
    assert_eq!((shielded["wanted"].as_u64(), shielded["stopped_by"].as_str()), (Some(2), Some("rain is slippery")), "{shielded}");
    let stands = api.good("GET", "/api/rl/agents/guard", json!(null)).await;
    assert_eq!(stands["attached"]["advice"]["stopped_by"], "rain is slippery");
    assert_eq!((stands["counts"]["advised"].as_u64(), stands["counts"]["steps"].as_u64()), (Some(2), Some(0)));
    assert_eq!((metric(&api, "slipstream_rl_advised").await, metric(&api, "slipstream_rl_attached").await), (2.0, 1.0));
    gateway.stop().await;
}

#[tokio::test]
async fn an_attachment_survives_a_restart_and_ends_when_told_or_with_its_agent() {
    let mut gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Engineer);
    let before = attached(&api, "guard", json!({"vehicle": "ego", "leader": "lead", "road": "motorway", "attention": 0.5})).await;
    gateway.restart().await;
    let api = Api::of(&gateway, Role::Engineer);
    let after = api.good("GET", "/api/rl/agents/guard", json!(null)).await;
    assert_eq!((&after["attached"], &after["policy"]), (&before["attached"], &before["policy"]));
    let mut listener = gateway.client(Role::Viewer, WireFormat::Json).await;
    listener.subscribe("ai:ego").await;
    let mut publisher = gateway.client(Role::Relay, WireFormat::Json).await;
    let data = json!({"speed_mps": 30.0, "leader_id": "other", "x_m": 0.0, "y_m": 0.0, "heading_deg": 0.0});
    publisher.send(frame("lead", "2026-05-01T12:00:00Z", json!({"x_m": 0.0, "y_m": 90.0, "speed_mps": 30.0, "heading_deg": 0.0}))).await;
    publisher.send(frame("ego", "2026-05-01T12:00:00Z", data.clone())).await;
    let (told, _) = advice(&mut listener).await;
    assert_eq!((told["leader"].as_str(), told["state"]["road"].as_str()), (Some("lead"), Some("motorway")), "{told}");
    let detached = api.good("PUT", "/api/rl/agents/guard/vehicle", json!({})).await;
    assert_eq!(detached["attached"], Value::Null);
    let counted = detached["counts"]["advised"].clone();
    publisher.send(frame("ego", "2026-05-01T12:00:01Z", data)).await;
    publisher.is_well_behind_news().await;
    assert_eq!(api.good("GET", "/api/rl/agents/guard", json!(null)).await["counts"]["advised"], counted);
    api.good("PUT", "/api/rl/agents/guard/vehicle", json!({"vehicle": "ego"})).await;
    assert_eq!(metric(&api, "slipstream_rl_attached").await, 1.0);
    api.good("DELETE", "/api/rl/agents/guard", json!(null)).await;
    assert_eq!(metric(&api, "slipstream_rl_attached").await, 0.0);
    gateway.stop().await;
}

#[tokio::test]
async fn what_cannot_be_attached_is_refused_and_named() {
    let gateway = Gateway::start().await;
    let api = Api::of(&gateway, Role::Engineer);
    api.good("POST", "/api/rl/agents", json!({"id": "bus", "environment": "daladala", "seed": 1})).await;
    api.good("POST", "/api/rl/agents", json!({"id": "bare", "environment": "avoidance", "seed": 1})).await;
    attached(&api, "guard", json!({"vehicle": "ego"})).await;
    for (path, body, status, said) in [
        ("bus", json!({"vehicle": "ego"}), 400, "one of 'avoidance' can"),
        ("bare", json!({"vehicle": "ego"}), 400, "No model loaded"),
        ("nobody", json!({"vehicle": "ego"}), 404, "nobody"),
        ("guard", json!({"vehicle": "ego", "leader": "ego"}), 400, "its own leader"),
        ("guard", json!({"vehicle": "a\u{7}b"}), 400, "vehicle"),
        ("guard", json!({"vehicle": "ego", "weather": "hail", "road": 7, "attention": 2, "every_ms": -1}), 400, "weather"),
    ] {
        let (got, answer) = api.call("PUT", &format!("/api/rl/agents/{path}/vehicle"), body).await;
        assert!(got == status && answer.to_string().contains(said), "{path}: {answer}");
    }
    assert_eq!(api.good("GET", "/api/rl/agents/guard", json!(null)).await["attached"]["vehicle"], "ego", "it goes on as it was");
    let viewer = Api::of(&gateway, Role::Viewer);
    assert_eq!(viewer.call("PUT", "/api/rl/agents/guard/vehicle", json!({"vehicle": "ego"})).await.0, 403);
    gateway.stop().await;
}

/// A recording of the New York City pilot whose alert was false: the target tells 5.7 m/s while it drives as fast as
/// the host, and the distance never falls below 39 m.
#[tokio::test]
async fn the_false_alert_of_the_new_york_recording_is_not_repeated() {
    let Some(rows) = v2v("nyc_fcw_event.csv.gz") else { return };
    let gateway = Gateway::start().await;
    let mut rows = rows;
    rows.sort_by(|a, b| a["t_s"].parse::<f64>().unwrap().total_cmp(&b["t_s"].parse().unwrap()));
    let attachment = json!({"vehicle": "C7D30386", "leader": "A305214A", "every_ms": 0});
    let told = advised(&gateway, &rows, attachment, &["A305214A"]).await;
    let settled = &told[20..];
    let hard: Vec<_> = settled.iter().filter(|advice| advice["action_name"] == "hard_brake").collect();
    assert!(told.len() > 150 && hard.is_empty(), "{} of {}: {:?}", hard.len(), told.len(), hard.first());
    let believed = settled.iter().filter(|a| a["reasons"].to_string().contains("the distance is believed")).count();
    assert!(believed * 2 > settled.len(), "{believed} of {}", settled.len());
    gateway.stop().await;
}

/// The hardest rear-end conflict of the Bologna simulation, by its own conflict measures.
#[tokio::test]
async fn the_sharpest_conflict_of_the_bologna_recording_is_braked_for_in_time() {
    let Some(conflicts) = v2v("sumo_bologna_seed42.ssm_conflicts.csv.gz") else { return };
    let Some(rows) = v2v("sumo_bologna_seed42.fcd.csv.gz") else { return };
    let number = |row: &HashMap<String, String>, name: &str| row[name].parse::<f64>().unwrap_or(f64::INFINITY);
    // Ego follows the other one, within the recording's minute.
    let following = conflicts.iter().filter(|c| c["min_ttc_s_type"] == "2" && (5.0..55.0).contains(&number(c, "min_ttc_s_at_s")));
    let sharpest = following.min_by(|a, b| number(a, "min_ttc_s").total_cmp(&number(b, "min_ttc_s"))).unwrap();
    let (ego, foe, at_s) = (&*sharpest["ego"], &*sharpest["foe"], number(sharpest, "min_ttc_s_at_s"));
    let near: Vec<_> = rows.into_iter().filter(|row| (at_s - 4.0..at_s + 1.0).contains(&number(row, "t_s"))).collect();
    let gateway = Gateway::start().await;
    let told = advised(&gateway, &near, json!({"vehicle": ego, "every_ms": 0}), &[foe]).await;
    assert!(told.len() >= 40, "{}", told.len());
    let worst = told.iter().filter(|a| a["leader"] == foe).min_by(|a, b| {
        let ttc = |advice: &&Value| advice["ttc_s"].as_f64().unwrap_or(f64::INFINITY);
        ttc(a).total_cmp(&ttc(b))
    });
    let worst = worst.unwrap_or_else(|| panic!("{foe} was never seen by {ego}: {:?}", told.last()));
    let (mine, theirs) = (worst["ttc_s"].as_f64().unwrap(), number(sharpest, "min_ttc_s"));
    assert!((mine - theirs).abs() < 0.5, "time to collision {mine} s, the recording's measure has {theirs} s");
    assert_eq!(worst["action_name"], "hard_brake", "{worst}");
    let braking = told.iter().position(|a| a["action_name"] != "maintain").unwrap();
    let sharpest_at = told.iter().position(|a| a == worst).unwrap();
    println!("{ego} behind {foe}: least time to collision {mine:.2} s; first advice to brake {} samples before", sharpest_at - braking);
    assert!(braking < sharpest_at);
    gateway.stop().await;
}
