use slipstream_protocol::{AgentId, Quality, Signal};

use super::*;
use crate::rl::{
    EnvironmentKind, ScoreKind,
    agent::{Agent, PlayedPolicy},
    shield::{Condition, Rule},
};

fn id(text: &str) -> VehicleId {
    VehicleId::new(text).unwrap()
}

fn sample(vehicle: &str, time_s: f64, signals: &[(&str, SignalValue)]) -> Sample {
    let time = Timestamp::from_secs_f64(time_s);
    Sample {
        vehicle: id(vehicle),
        session: None,
        fleet: None,
        seq: None,
        source_time: time,
        received_at: time,
        quality: Quality::Good,
        signals: signals.iter().map(|(name, value)| Signal { name: (*name).into(), value: value.clone() }).collect(),
        raw: None,
    }
}

fn number(value: f64) -> SignalValue {
    SignalValue::Number(value)
}

/// A vehicle that heads east along the x axis.
fn eastward(vehicle: &str, time_s: f64, x_m: f64, speed_mps: f64) -> Sample {
    let place = [("x_m", number(x_m)), ("y_m", number(0.0)), ("speed_mps", number(speed_mps)), ("heading_deg", number(90.0))];
    sample(vehicle, time_s, &place)
}

fn twin_of(sample: &Sample) -> Arc<Twin> {
    let mut vehicle = crate::vehicle::Vehicle::default();
    vehicle.apply(sample, sample.received_at, &mut Vec::new());
    vehicle.twin().clone()
}

#[test]
fn a_gap_that_the_vehicle_measures_itself_is_taken_as_it_is() {
    let mut watch = Watch::new(Attachment::of(id("a")));
    let told = [
        ("speed_mps", number(15.0)),
        ("leader_id", SignalValue::Text("b".into())),
        ("leader_gap_m", number(20.0)),
        ("leader_speed_mps", number(5.0)),
        ("weather", SignalValue::Text("snow".into())),
        ("road_type", number(3.0)),
        ("driver_attention", number(0.5)),
    ];
    let seen = watch.take(&sample("a", 7200.5, &told)).unwrap();
    assert_eq!((seen.leader, watch.leader()), (Some(id("b")), Some(&id("b"))));
    let Situation { distance_m, relative_speed_mps, road, weather, hour, attention, collision_probability, .. } = seen.situation;
    assert_eq!((distance_m, relative_speed_mps, seen.ttc_s), (20.0, 10.0, Some(2.0)));
    assert_eq!((road, weather, hour, attention), (Road::Motorway, Weather::Snow, 2, 0.5));
    assert!(collision_probability > 0.9, "on snow 20 m are too few: {collision_probability}");
    // The leader's own speed is newer than what its follower says of it.
    let seen = watch.take(&sample("b", 7200.6, &[("speed_mps", number(14.0))])).unwrap();
    assert_eq!(seen.situation.relative_speed_mps, 1.0);
}

#[test]
fn without_a_measured_gap_places_and_speeds_of_both_tell() {
    let mut watch = Watch::new(Attachment { leader: Some(id("b")), ..Attachment::of(id("a")) });
    assert_eq!(watch.take(&eastward("c", 0.0, 1.0, 1.0)), None, "of somebody else");
    assert_eq!(watch.take(&eastward("b", 0.0, 60.0, 10.0)), None, "where the vehicle is, is not known yet");
    let seen = watch.take(&eastward("a", 0.5, 20.0, 18.0)).unwrap();
    // The leader has gone on for half a second: 65 m - 20 m, from bumper to bumper.
    assert!((seen.situation.distance_m - (45.0 - VEHICLE_LENGTH_M)).abs() < 1e-9, "{seen:?}");
    assert!((seen.situation.relative_speed_mps - 8.0).abs() < 1e-9 && seen.situation.bearing_deg.abs() < 1e-9);
    assert_eq!(watch.take(&eastward("a", 0.4, 0.0, 1.0)), None, "late");
    let gone = watch.take(&eastward("a", 3.0, 40.0, 18.0));
    assert_eq!(gone, None, "a leader unheard for so long is where nobody knows");
}

#[test]
fn a_speed_sensor_that_contradicts_the_distance_is_not_believed() {
    let mut watch = Watch::new(Attachment { leader: Some(id("b")), ..Attachment::of(id("a")) });
    let mut last = None;
    for tick in 0..30 {
        let time_s = f64::from(tick) * 0.1;
        watch.take(&eastward("b", time_s, 40.0 + 22.0 * time_s, 5.7));
        last = watch.take(&eastward("a", time_s, 22.0 * time_s, 22.0));
    }
    let seen = last.unwrap();
    assert!(seen.situation.relative_speed_mps.abs() < 0.5, "{seen:?}");
    assert!(seen.remarks[0].contains("the distance is believed"), "{:?}", seen.remarks);
}

#[test]
fn a_broken_speed_sensor_is_seen_through_in_whatever_order_the_two_vehicles_samples_come() {
    let mut random = crate::rl::SplitMix64::new(7);
    for round in 0..20 {
        let mut watch = Watch::new(Attachment { leader: Some(id("b")), ..Attachment::of(id("a")) });
        let mut ticks = (0..40).map(|tick| f64::from(tick) * 0.1);
        let mut hard = 0;
        while let (Some(first), Some(second)) = (ticks.next(), ticks.next()) {
            // Each vehicle's own samples stay in order; one vehicle's come up to two before the other's.
            let of = |vehicle: &str, time_s: f64| match vehicle {
                "b" => eastward("b", time_s + 0.03, 40.0 + 22.0 * (time_s + 0.03), 5.7),
                _ => eastward("a", time_s, 22.0 * time_s, 22.0),
            };
            let order = [["a", "b", "a", "b"], ["b", "a", "b", "a"], ["a", "a", "b", "b"], ["b", "b", "a", "a"], ["b", "a", "a", "b"]];
            let mut times = std::collections::HashMap::from([("a", vec![second, first]), ("b", vec![second, first])]);
            for vehicle in order[random.below(5)] {
                let time_s = times.get_mut(vehicle).and_then(Vec::pop).unwrap();
                let seen = watch.take(&of(vehicle, time_s));
                hard += usize::from(second > 1.5 && seen.is_some_and(|s| s.situation.relative_speed_mps > 1.0));
            }
        }
        assert_eq!(hard, 0, "round {round}");
    }
}

#[test]
fn the_nearest_ahead_in_the_same_lane_is_the_leader_where_nobody_names_one() {
    let mut watch = Watch::new(Attachment::of(id("a")));
    assert!(!watch.wants_nearest());
    watch.take(&eastward("a", 10.0, 100.0, 15.0));
    assert!(watch.wants_nearest());
    let mut others: Vec<_> = [("behind", 80.0), ("far", 190.0), ("near", 130.0), ("out-of-sight", 400.0)]
        .iter()
        .map(|(name, x)| (id(name), twin_of(&eastward(name, 10.1, *x, 12.0))))
        .collect();
    let beside = [("x_m", number(110.0)), ("y_m", number(8.0)), ("speed_mps", number(1.0))];
    others.push((id("beside"), twin_of(&sample("beside", 10.0, &beside))));
    let oncoming = [("x_m", number(112.0)), ("y_m", number(3.0)), ("heading_deg", number(270.0))];
    others.push((id("oncoming"), twin_of(&sample("oncoming", 10.0, &oncoming))));
    others.push((id("stale"), twin_of(&eastward("stale", 7.0, 105.0, 0.0))));
    watch.look_for_nearest(others.clone().into_iter());
    assert_eq!(watch.leader(), Some(&id("near")));
    watch.take(&eastward("a", 10.5, 107.0, 15.0));
    assert!(!watch.wants_nearest(), "once a second is enough");
    watch.look_for_nearest(std::iter::empty());
    assert_eq!(watch.leader(), None);
}

#[test]
fn directions_follow_from_the_way_where_no_heading_is_told_and_the_earth_is_a_frame_as_well() {
    let mut watch = Watch::new(Attachment { leader: Some(id("b")), ..Attachment::of(id("a")) });
    let at = |vehicle: &str, time_s: f64, lat: f64| {
        sample(vehicle, time_s, &[("lat_deg", number(lat)), ("lon_deg", number(11.0)), ("speed_kph", number(36.0))])
    };
    watch.take(&at("b", 0.0, 44.0005));
    watch.take(&at("a", 0.0, 44.0));
    watch.take(&at("b", 0.1, 44.000_51));
    let seen = watch.take(&at("a", 0.1, 44.000_01)).unwrap();
    assert!((seen.situation.distance_m - (55.6 - VEHICLE_LENGTH_M)).abs() < 0.1, "{seen:?}");
    assert!(seen.situation.bearing_deg.abs() < 0.1 && seen.situation.relative_speed_mps.abs() < 1e-6, "{seen:?}");
}

#[test]
fn advice_is_shielded_and_says_why() {
    let mut agent = Agent::new(EnvironmentKind::Avoidance, 1);
    let (name, attachment) = (AgentId::new("guard").unwrap(), Attachment::of(id("a")));
    let mut watch = Watch::new(attachment.clone());
    let told = [
        ("speed_mps", number(15.0)),
        ("leader_id", SignalValue::Text("b".into())),
        ("leader_gap_m", number(9.0)),
        ("leader_speed_mps", number(3.0)),
    ];
    let seen = watch.take(&sample("a", 1.0, &told)).unwrap();
    let at = Timestamp::from_secs_f64(1.0);
    let now = Timestamp::from_secs_f64(1.002);
    assert!(Advised::by(&mut agent, &name, &attachment, seen.clone(), (at, at), now).is_err(), "there is no policy");
    agent.swap(Some(PlayedPolicy::rules())).unwrap();
    let advised = Advised::by(&mut agent, &name, &attachment, seen.clone(), (at, at), now).unwrap();
    assert_eq!((advised.action_name, advised.confidence.0, advised.latency_ms), ("hard_brake", 1.0, 2.0));
    assert!(advised.reasons[0].contains("b is 9.0 m ahead and the gap closes at 12.0 m/s: 0.8 s"), "{:?}", advised.reasons);
    let when = vec![Condition { observation: "weather".into(), above: None, below: None }];
    agent.set_shield(vec![Rule { name: "never hard".into(), when, forbid: vec!["hard_brake".into()] }]).unwrap();
    let advised = Advised::by(&mut agent, &name, &attachment, seen, (at, at), now).unwrap();
    assert_eq!((advised.wanted, advised.stopped_by.as_deref()), (Some(2), Some("never hard")));
    assert_ne!(advised.action, 2);
    assert_eq!((agent.counts().advised, agent.counts().steps, agent.episode()), (2, 0, 0), "no episode is touched");
    // The rules survive as any policy does.
    let again = Agent::restore(&agent.save()).unwrap();
    assert_eq!(again.policy().unwrap().policy.description().version, "rules-1");
}

#[test]
fn confidence_is_a_probability_whatever_the_scores_are() {
    assert_eq!(Confidence::of(ScoreKind::Probabilities, &[0.25, 0.75], 1).0, 0.75);
    assert!((Confidence::of(ScoreKind::QValues, &[1000.0, 1000.0], 0).0 - 0.5).abs() < 1e-9);
    assert!(Confidence::of(ScoreKind::QValues, &[-3.0, 5.0], 0).0 < 0.001);
}

#[test]
fn what_cannot_be_attached_is_refused() {
    let own = Attachment { leader: Some(id("a")), ..Attachment::of(id("a")) };
    assert_eq!(own.check(), Err(AttachmentError::OwnLeader(id("a"))));
    assert_eq!(Attachment { attention: f64::NAN, ..Attachment::of(id("a")) }.check(), Err(AttachmentError::Attention));
    assert_eq!(Attachment::of(id("a")).check(), Ok(()));
}

#[test]
fn a_leader_that_turned_off_is_nobodys_leader_any_more() {
    let mut watch = Watch::new(Attachment::of(id("a")));
    let named = [("speed_mps", number(15.0)), ("leader_id", SignalValue::Text("b".into())), ("leader_gap_m", number(9.0))];
    assert_eq!(watch.take(&sample("a", 1.0, &named)), None, "nobody knows how fast the leader is");
    assert_eq!(watch.leader(), Some(&id("b")));
    assert_eq!((watch.take(&sample("a", 1.1, &named[..1])), watch.leader()), (None, None), "nobody knows who is ahead now");
}

/// Whether a vehicle that tells this, 12 m behind a standing one, is advised to go on as if nobody were there.
fn sees_nobody(signals: &[(&str, SignalValue)]) -> bool {
    let mut watch = Watch::new(Attachment::of(id("a")));
    let standing = twin_of(&eastward("b", 10.0, 112.0, 0.0));
    watch.note(&sample("a", 10.0, signals));
    if watch.wants_nearest() {
        watch.look_for_nearest([(id("b"), standing)].into_iter());
    }
    watch.see().is_some_and(|seen| seen.leader.is_none())
}

#[test]
fn nothing_is_advised_where_place_heading_or_speed_is_not_known() {
    let all = [("x_m", number(100.0)), ("y_m", number(0.0)), ("heading_deg", number(90.0)), ("speed_mps", number(14.0))];
    let without = |left_out: &[&str]| {
        let told: Vec<_> = all.iter().filter(|(name, _)| !left_out.contains(name)).cloned().collect();
        sees_nobody(&told)
    };
    for left_out in [
        &["x_m", "y_m"][..],
        &["heading_deg"],
        &["speed_mps"],
        &["x_m", "y_m", "heading_deg"],
        &["x_m", "y_m", "heading_deg", "speed_mps"],
        &[],
    ] {
        assert!(!without(left_out), "without {left_out:?}");
    }
    // All is known, and the road is free.
    let mut watch = Watch::new(Attachment::of(id("a")));
    watch.note(&sample("a", 10.0, &all));
    assert_eq!(watch.see(), None, "nobody has looked yet");
    watch.look_for_nearest(std::iter::empty());
    assert_eq!(watch.see().map(|seen| seen.leader), Some(None));
    // What was known once is not known for ever.
    watch.note(&sample("a", 20.0, &[("wiper", number(1.0))]));
    watch.look_for_nearest(std::iter::empty());
    assert_eq!(watch.see(), None);
}

#[test]
fn a_vehicle_near_whose_clock_is_off_makes_it_unknown_who_is_ahead() {
    let mut watch = Watch::new(Attachment::of(id("a")));
    watch.note(&eastward("a", 100.0, 100.0, 14.0));
    let fast = Sample { received_at: Timestamp::from_secs_f64(100.0), ..eastward("b", 130.0, 112.0, 0.0) };
    watch.look_for_nearest([(id("b"), twin_of(&fast))].into_iter());
    assert_eq!(watch.see(), None);
    watch.look_for_nearest([(id("b"), twin_of(&eastward("b", 70.0, 112.0, 0.0)))].into_iter());
    assert_eq!(watch.see().map(|seen| seen.leader), Some(None), "unheard for half a minute it is gone");
}

#[test]
fn who_is_ahead_does_not_depend_on_how_many_others_there_are() {
    let mut nearby = Nearby::default();
    let mut twins = std::collections::HashMap::new();
    let mut add = |sample: Sample| {
        let twin = twin_of(&sample);
        nearby.put(&sample.vehicle, position_of(&twin).unwrap());
        twins.insert(sample.vehicle, twin);
    };
    for n in 0..12_000 {
        add(eastward(&format!("far-{n}"), 10.0, 10_000.0 + f64::from(n) * 20.0, 12.0));
    }
    for pair in 0..30 {
        add(sample(
            &format!("standing-{pair}"),
            10.0,
            &[("x_m", number(112.0)), ("y_m", number(f64::from(pair) * 1e3)), ("speed_mps", number(0.0))],
        ));
    }
    for pair in 0..30 {
        let mut watch = Watch::new(Attachment::of(id("ego")));
        let place =
            [("x_m", number(100.0)), ("y_m", number(f64::from(pair) * 1e3)), ("heading_deg", number(90.0)), ("speed_mps", number(14.0))];
        watch.note(&sample("ego", 10.0, &place));
        let near = nearby.around(watch.position().unwrap());
        assert!(near.len() < 50, "{} are looked at", near.len());
        watch.look_for_nearest(near.into_iter().map(|id| (id.clone(), twins[&id].clone())));
        watch.seed_leader(&twins[watch.leader().unwrap()]);
        let seen = watch.see().unwrap();
        assert_eq!((seen.leader, seen.situation.distance_m < 12.0), (Some(id(&format!("standing-{pair}"))), true));
    }
}

#[test]
fn impossible_speeds_headings_and_positions_are_unknown_and_nothing_is_advised_on_them() {
    let road = |signal: (&'static str, f64)| {
        let mut place = vec![("x_m", number(20.0)), ("y_m", number(0.0)), ("speed_mps", number(18.0)), ("heading_deg", number(90.0))];
        place.retain(|(name, _)| *name != signal.0);
        place.push((signal.0, number(signal.1)));
        place
    };
    let impossible = [
        ("speed_mps", -3.0),
        ("speed_mps", 150.1),
        ("speed_mps", 1e9),
        ("speed_mps", f64::NAN),
        ("speed_mps", f64::INFINITY),
        ("heading_deg", 361.0),
        ("heading_deg", -720.0),
        ("heading_deg", f64::NAN),
        ("x_m", 1e12),
        ("x_m", f64::NAN),
    ];
    for signal in impossible {
        // Nobody is near, and what was right a moment ago does not stand in for it.
        let mut watch = Watch::new(Attachment::of(id("a")));
        watch.note(&eastward("a", 0.0, 2.0, 18.0));
        watch.note(&sample("a", 0.01, &road(signal)));
        watch.look_for_nearest(std::iter::empty());
        let seen = watch.see();
        assert!(seen.is_none() || signal.0 == "heading_deg", "{signal:?}: {seen:?}");
        if let Some(seen) = seen {
            assert!(seen.remarks.iter().any(|r| r.contains("impossible heading")), "{seen:?}");
        }
        // A leader's, or the vehicle's own, beside one that is right.
        for broken in ["a", "b"] {
            let mut watch = Watch::new(Attachment { leader: Some(id("b")), ..Attachment::of(id("a")) });
            watch.note(&if broken == "b" { sample("b", 0.0, &road(signal)) } else { eastward("b", 0.0, 60.0, 10.0) });
            let seen = watch.take(&if broken == "a" { sample("a", 0.1, &road(signal)) } else { eastward("a", 0.1, 0.0, 18.0) });
            let closing = seen.as_ref().map_or(0.0, |seen| seen.situation.relative_speed_mps.abs());
            assert!(closing < 40.0, "{broken} {signal:?}: {seen:?}");
        }
    }
    let mut watch = Watch::new(Attachment::of(id("a")));
    watch.note(&sample("a", 0.0, &road(("speed_mps", -0.2))));
    watch.look_for_nearest(std::iter::empty());
    assert!(watch.see().is_some(), "noise about zero is standing");
}
