use proptest::prelude::*;

use super::physics::*;
use super::*;
use crate::rl::Policy;

/// Plays the episode of a seed; tells its return and whether it ended in a collision.
fn play(seed: u64, mut choose: impl FnMut(&[f32]) -> usize) -> (f64, bool) {
    let (mut road, mut observation) = (Avoidance::new(), [0.0; OBSERVATION_LEN]);
    road.reset(seed, &mut observation).unwrap();
    let mut total = 0.0;
    while !road.is_over() {
        total += road.step(choose(&observation), &mut observation).unwrap().reward;
        assert!(observation.iter().all(|value| (-1.0..=1.0).contains(value)), "{observation:?}");
    }
    (total, road.impact_mps().is_some())
}

fn summary(episodes: u64, mut choose: impl FnMut(&[f32]) -> usize) -> (f64, u64) {
    let results: Vec<(f64, bool)> = (0..episodes).map(|seed| play(seed, &mut choose)).collect();
    (results.iter().map(|result| result.0).sum::<f64>() / episodes as f64, results.iter().filter(|result| result.1).count() as u64)
}

fn advise(rules: &RuleBaseline, observation: &[f32]) -> usize {
    rules.act(observation, &mut [0.0; 5]).unwrap().action
}

#[test]
fn the_rules_collide_less_and_earn_more_than_chance_and_than_doing_nothing() {
    let rules = RuleBaseline::new();
    let mut random = SplitMix64::new(1);
    let baseline = summary(1000, |observation| advise(&rules, observation));
    let chance = summary(1000, |_| random.below(5));
    let nothing = summary(1000, |_| 0);
    let brake = summary(1000, |_| Advice::HardBrake as usize);
    println!("(mean return, collisions of 1000): rules {baseline:?}, chance {chance:?}, nothing {nothing:?}, hard brake {brake:?}");
    assert!(baseline.1 * 2 < chance.1 && baseline.0 > chance.0, "{baseline:?} {chance:?}");
    assert!(baseline.1 * 4 < nothing.1 && baseline.0 > nothing.0, "{baseline:?} {nothing:?}");
    // Standing still on the road is safe from the one ahead, and no way to drive.
    assert!(baseline.0 > brake.0, "{baseline:?} {brake:?}");
}

#[test]
fn lane_changes_are_refused_where_there_is_no_lane() {
    let (mut road, mut observation) = (Avoidance::new(), [0.0; OBSERVATION_LEN]);
    for seed in 0..50 {
        road.reset(seed, &mut observation).unwrap();
        while !road.is_over() {
            road.step(Advice::ChangeLeft as usize, &mut observation).unwrap();
            assert!(road.present().lane < road.present().scenario.road.lanes());
        }
    }
}

#[test]
fn an_attentive_driver_avoids_what_a_distracted_one_hits() {
    let rules = RuleBaseline::new();
    let collisions = |attention: f64| {
        let (mut road, mut observation) = (Avoidance::new(), [0.0; OBSERVATION_LEN]);
        let drawn = (0..400).map(|seed| Scenario { attention, ..Scenario::draw(&mut SplitMix64::new(seed)) });
        drawn
            .filter(|scenario| {
                road.reset_to(scenario, &mut observation).unwrap();
                while !road.is_over() {
                    road.step(advise(&rules, &observation), &mut observation).unwrap();
                }
                road.impact_mps().is_some()
            })
            .count()
    };
    let (alert, distracted) = (collisions(1.0), collisions(0.0));
    assert!(alert < distracted, "{alert} {distracted}");
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let (mut road, mut observation) = (Avoidance::new(), [0.0; OBSERVATION_LEN]);
    assert_eq!(road.step(0, &mut observation), Err(EnvironmentError::EpisodeOver));
    road.reset(5, &mut observation).unwrap();
    let before = road.clone();
    assert!(matches!(road.step(5, &mut observation), Err(EnvironmentError::ActionOutOfRange { .. })));
    assert!(matches!(
        road.reset_to(&Scenario { attention: f64::NAN, ..before.present().scenario }, &mut observation),
        Err(EnvironmentError::Layout(_))
    ));
    assert!(matches!(
        road.reset_to(&Scenario { lane: 9, ..before.present().scenario }, &mut observation),
        Err(EnvironmentError::Layout(_))
    ));
    assert!(matches!(
        road.restore(&State { speed_mps: f64::INFINITY, ..before.state() }, &mut observation),
        Err(EnvironmentError::State(_))
    ));
    assert_eq!(road, before);
    assert_eq!(RuleBaseline::new().act(&[f32::NAN; 8], &mut [0.0; 5]), Err(crate::rl::PolicyError::NotANumber));
}

fn weathers() -> impl Strategy<Value = Weather> {
    prop::sample::select(Weather::ALL.to_vec())
}

proptest! {
    #[test]
    fn harder_braking_never_makes_the_stopping_distance_longer(
        speed in 0.0..60.0_f64, soft in 0.5..9.0_f64, harder in 0.0..5.0_f64, attention in 0.0..1.0_f64, weather in weathers(),
    ) {
        let soft_m = stopping_distance_m(speed, soft, weather, attention);
        prop_assert!(stopping_distance_m(speed, soft + harder, weather, attention) <= soft_m);
    }

    #[test]
    fn less_friction_or_attention_never_makes_it_shorter_or_safer(
        speed in 0.1..60.0_f64, gap in 0.0..150.0_f64, attention in 0.0..0.9_f64, weather in weathers(), worse in weathers(),
    ) {
        prop_assume!(worse.friction() <= weather.friction());
        prop_assert!(stopping_distance_m(speed, 9.0, weather, attention) <= stopping_distance_m(speed, 9.0, worse, attention));
        prop_assert!(stopping_distance_m(speed, 9.0, weather, attention + 0.1) <= stopping_distance_m(speed, 9.0, weather, attention));
        let probability = collision_probability(gap, speed, weather, attention);
        prop_assert!((0.0..=1.0).contains(&probability));
        prop_assert!(probability <= collision_probability(gap, speed, worse, attention) + 1e-6);
        prop_assert!(collision_probability(gap, speed, weather, attention + 0.1) <= probability + 1e-6);
        prop_assert!(collision_probability(gap + 1.0, speed, weather, attention) <= probability + 1e-6);
    }

    #[test]
    fn the_same_seed_and_actions_give_the_same_episode_and_a_restored_one_goes_on_the_same(
        seed in any::<u64>(), actions in prop::collection::vec(0..5_usize, 120), cut in 0..60_usize,
    ) {
        let (mut first, mut second) = (Avoidance::new(), Avoidance::new());
        let (mut seen, mut seen_again) = ([0.0; OBSERVATION_LEN], [0.0; OBSERVATION_LEN]);
        first.reset(seed, &mut seen).unwrap();
        second.reset(seed, &mut seen_again).unwrap();
        for (step, action) in actions.into_iter().enumerate() {
            if first.is_over() {
                break;
            }
            if step == cut {
                let text = serde_json::to_string(&second.state()).unwrap();
                second = Avoidance::new();
                second.restore(&serde_json::from_str(&text).unwrap(), &mut seen_again).unwrap();
            }
            let steps = (first.step(action, &mut seen).unwrap(), second.step(action, &mut seen_again).unwrap());
            prop_assert_eq!(steps.0, steps.1);
            prop_assert_eq!(seen, seen_again);
        }
        prop_assert_eq!(first, second);
    }

    #[test]
    fn nobody_drives_backwards_or_brakes_harder_than_the_road_allows(seed in any::<u64>(), action in 0..5_usize) {
        let (mut road, mut observation) = (Avoidance::new(), [0.0; OBSERVATION_LEN]);
        road.reset(seed, &mut observation).unwrap();
        while !road.is_over() {
            let before = *road.present();
            let step = road.step(action, &mut observation).unwrap();
            let after = road.present();
            prop_assert!(step.reward.is_finite() && step.reward <= 0.0);
            prop_assert!(after.position_m >= before.position_m && after.speed_mps >= 0.0);
            prop_assert!(after.acceleration_mps2 >= -deceleration_limit_mps2(after.scenario.weather) - 1e-9);
        }
    }
}
