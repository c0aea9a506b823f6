use serde_json::json;

use crate::pipeline::{
    Pipeline,
    testing::{mistakes, pipeline, results, sample},
};

fn steps() -> serde_json::Value {
    json!([{"op": "alarm", "name": "hot", "rule": "hot", "when": "oil_c > 120", "clear": "oil_c < 115", "value": "oil_c", "severity": "warning",
        "raise_after": "2s", "clear_after": "1s", "escalate": [{"after": "5s", "severity": "critical"}]}])
}

fn events(told: &[String]) -> Vec<String> {
    let word = |t: &String, name: &str| t.split(&format!("{name}='")).nth(1).map(|r| r.split('\'').next().unwrap().to_owned());
    told.iter()
        .map(|t| {
            format!("{} {} {}", t.split(' ').take(2).collect::<Vec<_>>().join(" "), word(t, "event").unwrap(), word(t, "severity").unwrap())
        })
        .collect()
}

#[test]
fn an_alarm_is_raised_escalated_and_cleared_in_event_time() {
    let mut p = pipeline("0s", steps());
    for (t, oil) in [(0.0, 100.0), (1.0, 121.0), (2.0, 125.0), (20.0, 118.0), (21.0, 114.0), (30.0, 100.0)] {
        p.feed(&sample("bus", t, &[("oil_c", oil)]));
    }
    p.finish();
    let told = results(&mut p);
    assert_eq!(events(&told), ["bus 3 raised warning", "bus 8 escalated critical", "bus 22 cleared critical"], "{told:#?}");
    assert!(told[0].contains("alarm='hot/bus/3000000'") && told[0].contains("since_s=1") && told[0].contains("value=121"), "{}", told[0]);
}

#[test]
fn an_acknowledged_alarm_escalates_no_further_also_after_a_restart() {
    let mut p = pipeline("0s", steps());
    for t in [1.0, 2.0, 4.0] {
        p.feed(&sample("bus", t, &[("oil_c", 130.0)]));
    }
    let mut told = results(&mut p);
    let answer = p.command("hot", &json!({"command": "acknowledge", "key": "bus", "by": "ana", "note": "stops at the depot"})).unwrap();
    assert_eq!((answer["acknowledged"][0].as_str(), answer["count"].as_u64()), (Some("ana"), Some(1)), "{answer}");
    assert!(p.command("hot", &json!({"command": "acknowledge", "key": "bus", "by": "ben"})).is_err());
    assert!(p.command("hot", &json!({"command": "acknowledge", "key": "tram", "by": "ben"})).is_err());
    told.extend(results(&mut p));
    let document = p.spec().document().clone();
    let mut p = Pipeline::restore(&document, &p.snapshot().unwrap()).unwrap();
    assert_eq!(p.command("hot", &json!({"command": "list"})).unwrap().as_array().unwrap().len(), 1);
    p.feed(&sample("bus", 60.0, &[("oil_c", 130.0)]));
    p.finish();
    told.extend(results(&mut p));
    assert_eq!(
        events(&told).iter().map(|e| e.split(' ').nth(2).unwrap().to_owned()).collect::<Vec<_>>(),
        ["raised", "acknowledged"],
        "{told:#?}"
    );
}

#[test]
fn events_of_many_vehicles_leave_in_the_order_of_time_whoever_speaks() {
    let mut p = pipeline("0s", steps());
    for (vehicle, t) in [("b", 1.0), ("a", 1.5), ("c", 30.0)] {
        p.feed(&sample(vehicle, t, &[("oil_c", 130.0)]));
    }
    p.finish();
    let told = results(&mut p);
    let expected = ["b 3 raised warning", "a 3.5 raised warning", "b 8 escalated critical", "a 8.5 escalated critical"];
    assert_eq!(events(&told)[..4], expected, "{told:#?}");
}

#[test]
fn mistakes_are_located() {
    let told = mistakes(
        json!([{"op": "alarm", "when": "oil_c >", "severity": "bad", "escalate": [{"after": "5s", "severity": "info"}, {"after": "2s"}]}]),
    );
    for expected in [
        "steps[0].rule: is missing",
        "steps[0].when: is no expression",
        "steps[0].severity: 'bad'",
        "steps[0].escalate[1].severity: is missing",
    ] {
        assert!(told.contains(expected), "{expected}\nin\n{told}");
    }
}
