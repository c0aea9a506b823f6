//! Replays what the fuzz targets keep, without a fuzzer.
#![allow(clippy::missing_panics_doc, reason = "a panic is how a property says that it does not hold")]
#![allow(clippy::unwrap_used, reason = "the corpus is part of the tree")]

use std::path::Path;

use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};

/// Damaged copies made for each target; `SLIPSTREAM_FUZZ_ROUNDS` makes it more.
const ROUNDS: u32 = 200;
const MAX_LEN: usize = 4_096;
const TELLING: [u8; 12] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'\n', b',', b'{', b'}', b'9', b'-'];

/// Gives every file of a target's corpus to its check, then copies damaged in a few places. Without a
/// fuzzer's eye for coverage they find little, but they find it on any toolchain and every day.
pub fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut paths: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let files: Vec<Vec<u8>> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in &files {
        check(file);
    }
    let asked = std::env::var("SLIPSTREAM_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    for round in 0..asked.unwrap_or(ROUNDS) {
        let copy = damaged(&mut StdRng::seed_from_u64(round.into()), &files);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&copy)));
        assert!(outcome.is_ok(), "round {round}: {}", copy.escape_ascii());
    }
}

fn damaged(random: &mut StdRng, files: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = files.choose(random).cloned().unwrap_or_default();
    for _ in 0..random.random_range(1..6) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..32)).min(bytes.len());
        match random.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = *TELLING.choose(random).unwrap(),
            2 => bytes.insert(at, random.random()),
            3 => drop(bytes.drain(at..end)),
            4 => bytes.extend_from_within(at..end),
            _ => {
                let other = files.choose(random).unwrap();
                bytes.truncate(at);
                bytes.extend_from_slice(&other[random.random_range(0..=other.len())..]);
            }
        }
    }
    bytes.truncate(MAX_LEN);
    bytes
}
