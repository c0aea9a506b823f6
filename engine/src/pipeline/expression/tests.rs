use proptest::prelude::*;
use slipstream_protocol::{Quality, Timestamp};

use super::Expression;
use crate::pipeline::{Key, Output, Row, Value};

fn row(out: &mut Output) -> Row {
    let key: Key = out.scope.keys.intern("car-1");
    let mut row = out.row(key, Timestamp::from_secs_f64(12.5));
    for (name, value) in [("speed_mps", 20.0), ("tires.fl.temp", 90.0), ("x", -3.0), ("zero", 0.0)] {
        let signal = out.scope.signals.intern(name);
        row.set(signal, value, Quality::Good);
    }
    row.set(out.scope.signals.intern("state"), "driving", Quality::Good);
    row.set(out.scope.signals.intern("on"), true, Quality::Good);
    row.set(out.scope.signals.intern("broken"), 5.0, Quality::Bad);
    row.set(out.scope.signals.intern("doubtful"), 5.0, Quality::Uncertain);
    row.set(out.scope.signals.intern("odd name-1"), 7.0, Quality::Good);
    row
}

fn value(text: &str) -> Value {
    let mut out = Output::default();
    let row = row(&mut out);
    let expression = Expression::compile(text, &mut out.scope.signals).unwrap_or_else(|e| panic!("{text} {e}"));
    expression.value(&row, &out.scope)
}

#[test]
fn numbers_are_all_doubles() {
    for (text, expected) in [
        ("speed_mps * 3 + 1", 61.0),
        ("speed_mps / 8", 2.5),
        ("-x + abs(x)", 6.0),
        ("2 + 3 * 4 - 10 % 4", 12.0),
        ("(2 + 3) * 4", 20.0),
        ("tires.fl.temp - 273.15", -183.149_999_999_999_98),
        ("signal(\"odd name-1\")", 7.0),
        ("speed_mps > 10 ? 1 : 2", 1.0),
        ("clamp(speed_mps, 0, 15) + hypot(3, 4) + max(1, 2, 3) + sign(x)", 22.0),
        ("on + 1", 2.0),
        ("row.time_s", 12.5),
        ("size(state)", 7.0),
    ] {
        assert_eq!(value(text), Value::Number(expected), "{text}");
    }
}

#[test]
fn what_is_unknown_stays_unknown_unless_it_does_not_matter() {
    for (text, expected) in [
        ("missing + 1", Value::Null),
        ("broken > 1", Value::Null),
        ("1 / zero", Value::Null),
        ("sqrt(x)", Value::Null),
        ("missing > 1 || on", true.into()),
        ("on || missing > 1", true.into()),
        ("missing > 1 && !on", false.into()),
        ("missing > 1 && on", Value::Null),
        ("present(missing) || present(broken)", false.into()),
        ("present(speed_mps) && has(tires.fl.temp)", true.into()),
        ("coalesce(missing, broken, 4)", 4.0.into()),
        ("missing > 1 ? 1 : 2", Value::Null),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn texts_are_compared_and_searched() {
    for (text, expected) in [
        ("state == 'driving'", true),
        ("state != \"parked\" && state in ['driving', 'idle']", true),
        ("state.startsWith('dri') && state.endsWith('ing') && !state.contains('x')", true),
        ("row.key + '!' == 'car-1!'", true),
        ("row.kind == 'final'", true),
        ("state == 3", false),
    ] {
        assert_eq!(value(text), expected.into(), "{text}");
    }
}

#[test]
fn the_worst_quality_of_what_is_used_is_the_results() {
    let mut out = Output::default();
    let row = row(&mut out);
    for (text, quality) in
        [("speed_mps + doubtful", Quality::Uncertain), ("speed_mps", Quality::Good), ("coalesce(broken, 1)", Quality::Good)]
    {
        let expression = Expression::compile(text, &mut out.scope.signals).unwrap();
        assert_eq!(expression.quality(&row), quality, "{text}");
    }
}

#[test]
fn mistakes_are_told_in_words() {
    let mut out = Output::default();
    for (text, expected) in [
        ("", "no expression"),
        ("speed_mps +", "no expression"),
        ("sqr(2)", "there is no function 'sqr'; there are abs, sqrt"),
        ("sqr(2)", "did you mean 'sqrt'?"),
        ("atan2(1)", "takes 2 values, not 1"),
        ("row.speed", "'row.speed' is not known"),
        ("[1, 2]", "a list stands only behind 'in'"),
        ("[1, 2].all(x, x > 1)", "are not there"),
        ("gForce[0]", "signal(\"gForce.0\")"),
        ("state.matches('x')", "there is no '.matches()'"),
    ] {
        let told = Expression::compile(text, &mut out.scope.signals).unwrap_err();
        assert!(told.contains(expected), "{text}: {told}");
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let mut out = Output::default();
    for text in ["(".repeat(900) + "1" + &")".repeat(900), "1+".repeat(999) + "1", "!".repeat(1_500) + "on", "x".repeat(5_000)] {
        assert!(Expression::compile(&text, &mut out.scope.signals).is_err(), "{}", &text[..20]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_text_makes_the_compiler_panic(text in "[a-z0-9 ().+*/%&|!<>=?:'\\[\\]{},\"-]{0,60}") {
        let mut out = Output::default();
        let row = row(&mut out);
        if let Ok(expression) = Expression::compile(&text, &mut out.scope.signals) {
            let _ = expression.value(&row, &out.scope);
        }
    }
}
