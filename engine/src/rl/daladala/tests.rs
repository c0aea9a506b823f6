use std::path::PathBuf;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct GoldenLayout {
    police: [Cell; 3],
    lights: [Cell; 4],
    light_red: [u8; 4],
}

#[derive(Debug, Deserialize)]
struct GoldenState {
    step_count: u32,
    pos_idx: u8,
    xy: Cell,
    passengers: u32,
    money: f64,
    speed: u8,
    fined: bool,
    light_cycle: u32,
    passengers_at_stop: [u32; 4],
}

#[derive(Deserialize)]
struct GoldenStep {
    action: usize,
    reward: f64,
    terminated: bool,
    truncated: bool,
    obs: [f32; OBSERVATION_LEN],
    state: GoldenState,
}

#[derive(Deserialize)]
struct GoldenEpisode {
    layout: GoldenLayout,
    obs0: [f32; OBSERVATION_LEN],
    state0: GoldenState,
    steps: Vec<GoldenStep>,
    total_reward: f64,
}

#[derive(Deserialize)]
struct GoldenTransition {
    layout: GoldenLayout,
    state: GoldenState,
    obs: [f32; OBSERVATION_LEN],
    action: usize,
    reward: f64,
    terminated: bool,
    truncated: bool,
    next_state: GoldenState,
    next_obs: [f32; OBSERVATION_LEN],
}

impl GoldenLayout {
    fn layout(&self) -> Layout {
        Layout { police: self.police, lights: self.lights, light_red: self.light_red.map(|red| red == 1) }
    }
}

impl GoldenState {
    fn state(&self, layout: Layout) -> State {
        State {
            layout,
            step_count: self.step_count,
            pos_idx: self.pos_idx,
            passengers: self.passengers,
            money: self.money as u32,
            speed: self.speed,
            fined: self.fined,
            light_cycle: self.light_cycle,
            passengers_at_stop: self.passengers_at_stop,
            over: false,
        }
    }

    fn assert_is(&self, bus: &Daladala) {
        assert_eq!(State { over: false, ..*bus.present() }, self.state(*bus.layout()));
        assert_eq!((bus.cell(), f64::from(bus.present().money)), (self.xy, self.money));
    }
}

/// A file of the reference data, or `None` (said plainly) where it is not at hand.
fn golden<T: serde::de::DeserializeOwned>(file: &str) -> Option<T> {
    let shared =
        std::env::var_os("SLIPSTREAM_DATA").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = shared.join("golden/daladala").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not there (SLIPSTREAM_DATA)", path.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn whole_episodes_agree_with_the_reference_in_every_value() {
    let Some(episodes) = golden::<Vec<GoldenEpisode>>("episodes.json") else { return };
    assert!(!episodes.is_empty());
    let (mut bus, mut observation) = (Daladala::new(), [0.0; OBSERVATION_LEN]);
    for episode in episodes {
        bus.reset_to(&episode.layout.layout(), &mut observation).unwrap();
        assert_eq!(observation, episode.obs0);
        episode.state0.assert_is(&bus);
        let mut total = 0.0;
        for golden in &episode.steps {
            let step = bus.step(golden.action, &mut observation).unwrap();
            let expected = Step { reward: golden.reward, terminated: golden.terminated, truncated: golden.truncated };
            assert_eq!((step, observation), (expected, golden.obs));
            golden.state.assert_is(&bus);
            total += step.reward;
        }
        assert!(bus.is_over());
        assert_eq!(total, episode.total_reward);
    }
}

#[test]
fn single_steps_from_any_state_agree_with_the_reference() {
    let Some(transitions) = golden::<Vec<GoldenTransition>>("transitions.json") else { return };
    assert_eq!(transitions.len(), 1000);
    let (mut bus, mut observation) = (Daladala::new(), [0.0; OBSERVATION_LEN]);
    for golden in transitions {
        bus.restore(&golden.state.state(golden.layout.layout()), &mut observation).unwrap();
        assert_eq!(observation, golden.obs);
        let step = bus.step(golden.action, &mut observation).unwrap();
        let expected = Step { reward: golden.reward, terminated: golden.terminated, truncated: golden.truncated };
        assert_eq!((step, observation), (expected, golden.next_obs), "{:?} {}", golden.state, golden.action);
        golden.next_state.assert_is(&bus);
    }
}

#[test]
fn hazards_are_drawn_evenly_from_the_25_cells_without_repetition() {
    let mut random = SplitMix64::new(3);
    let (mut police, mut lights, mut red) = ([0_u32; ROUTE_LEN], [0_u32; ROUTE_LEN], 0_u32);
    let draws = 25_000;
    for _ in 0..draws {
        let layout = Layout::draw(&mut random);
        assert_eq!(layout.check(), Ok(()));
        layout.police.iter().for_each(|cell| police[cell.position().unwrap()] += 1);
        layout.lights.iter().for_each(|cell| lights[cell.position().unwrap()] += 1);
        red += layout.light_red.iter().filter(|red| **red).count() as u32;
    }
    for position in 0..ROUTE_LEN {
        if STOP_POSITIONS.contains(&position) {
            assert_eq!((police[position], lights[position]), (0, 0));
        } else {
            // Expected 3000 (standard deviation 51) and 4000 (58).
            assert!(police[position].abs_diff(3000) < 300 && lights[position].abs_diff(4000) < 340, "{police:?} {lights:?}");
        }
    }
    assert!(red.abs_diff(2 * draws) < 1000, "{red} of {}", 4 * draws);
}

#[test]
fn obeying_every_rule_reaches_the_best_return() {
    let (mut bus, mut observation) = (Daladala::new(), [0.0; OBSERVATION_LEN]);
    for seed in 0..200 {
        bus.reset(seed, &mut observation).unwrap();
        let best = bus.best_return().unwrap();
        let mut total = 0.0;
        while !bus.is_over() {
            let at_stop = STOP_POSITIONS.contains(&bus.position());
            let action = match (bus.must_stop_here(), at_stop) {
                (true, _) => Action::Stop,
                (_, true) => Action::Pickup,
                _ => Action::SpeedUp,
            };
            total += bus.step(action as usize, &mut observation).unwrap().reward;
        }
        assert_eq!(total, best);
    }
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let (mut bus, mut observation) = (Daladala::new(), [0.0; OBSERVATION_LEN]);
    assert_eq!(bus.step(0, &mut observation), Err(EnvironmentError::EpisodeOver));
    bus.reset(1, &mut observation).unwrap();
    let before = bus.clone();
    assert_eq!(bus.step(5, &mut observation), Err(EnvironmentError::ActionOutOfRange { action: 5, count: 5 }));
    assert_eq!(bus.step(0, &mut [0.0; 3]), Err(EnvironmentError::ObservationLength { expected: 14, got: 3 }));
    let stop_taken = Layout { police: [STOPS[0], bus.layout().police[1], bus.layout().police[2]], ..*bus.layout() };
    let off_route = Layout { police: [Cell { x: 3, y: 3 }, bus.layout().police[1], bus.layout().police[2]], ..*bus.layout() };
    let twice = Layout { police: [bus.layout().lights[0]; 3], ..*bus.layout() };
    for layout in [stop_taken, off_route, twice] {
        assert!(matches!(bus.reset_to(&layout, &mut observation), Err(EnvironmentError::Layout(_))));
    }
    for state in [State { pos_idx: 29, ..bus.state() }, State { passengers: 51, ..bus.state() }, State { step_count: 351, ..bus.state() }] {
        assert!(matches!(bus.restore(&state, &mut observation), Err(EnvironmentError::State(_))));
    }
    assert_eq!(bus, before);
}

#[test]
fn an_episode_goes_on_from_its_serialised_state_as_if_nothing_had_happened() {
    let (mut first, mut second) = (Daladala::new(), Daladala::new());
    let (mut seen_first, mut seen_second) = ([0.0; OBSERVATION_LEN], [0.0; OBSERVATION_LEN]);
    first.reset(11, &mut seen_first).unwrap();
    let mut random = SplitMix64::new(4);
    while !first.is_over() {
        let text = serde_json::to_string(&first.state()).unwrap();
        second.restore(&serde_json::from_str(&text).unwrap(), &mut seen_second).unwrap();
        let action = random.below(5);
        let steps = (first.step(action, &mut seen_first).unwrap(), second.step(action, &mut seen_second).unwrap());
        assert_eq!((steps.0, seen_first), (steps.1, seen_second));
    }
    assert_eq!(first, second);
}
