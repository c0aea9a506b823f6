//! The shape of the sources in numbers that may only fall, and names in the documents that have to exist.

mod circles;

use std::{collections::BTreeSet, fs};

use slipstream_gateway::config::SETTINGS;

use super::{
    architecture::{root, sources},
    book::pages,
};

const ROOMS: [&str; 4] = ["protocol", "engine", "actors", "gateway"];

/// What is counted, and how much of it there may be. Who takes some away lowers the number.
const COUNTS: [(&str, usize); 3] = [
    ("structs with more than eight public fields", 43),
    ("doc comments that begin with 'Who' or 'What'", 790),
    ("names with 'told' in them", 617),
];

/// The sources of the product, without tests.
fn texts() -> impl Iterator<Item = String> {
    let files = ROOMS.into_iter().flat_map(sources).filter(|file| {
        let name = file.to_string_lossy();
        !["/tests/", "tests.rs", "properties.rs", "harness.rs"].iter().any(|part| name.contains(part))
    });
    files.map(|file| {
        let text = fs::read_to_string(file).unwrap();
        text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
    })
}

/// Structs with more than eight fields that are `pub` outright: they travel, and any part may use any of them.
fn wide_structs(text: &str) -> usize {
    let bodies = text.split("pub struct ").skip(1).filter_map(|rest| rest.split_once(" {\n")?.1.split_once("\n}"));
    bodies.filter(|(body, _)| body.lines().filter(|line| line.starts_with("    pub ") && line.contains(':')).count() > 8).count()
}

fn vague_comments(text: &str) -> usize {
    let comments = text.lines().filter_map(|line| line.trim_start().strip_prefix("///").or_else(|| line.strip_prefix("//!")));
    comments.filter(|comment| ["Who ", "What "].iter().any(|word| comment.trim_start().starts_with(word))).count()
}

fn told_names(text: &str) -> usize {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .filter(|word| word.split('_').any(|part| part == "told") || word.contains("Told"))
        .count()
}

#[test]
fn what_makes_the_sources_hard_to_read_only_falls() {
    let mut counts = [0; COUNTS.len()];
    for text in texts() {
        for (count, of) in counts.iter_mut().zip([wide_structs, vague_comments, told_names]) {
            *count += of(&text);
        }
    }
    for ((what, most), count) in COUNTS.into_iter().zip(counts) {
        println!("{count} {what}");
        assert!(count <= most, "{count} {what}; {most} were there");
        assert!(count == most, "there are only {count} {what}: lower the number in this test from {most}");
    }
}

/// Words in backticks that look like a type of ours and are one of others.
const TYPES_OF_OTHERS: [&str; 4] = ["PersistMode", "SyncAll", "WriteDataPoint", "VecNormalize"];

/// Variables that are no settings: of the command line against a server, of tests and of benchmarks.
const OTHER_VARIABLES: [&str; 4] = ["SLIPSTREAM_DATA", "SLIPSTREAM_TOKEN", "SLIPSTREAM_URL", "SLIPSTREAM_BENCH_"];
/// Fields of answers that read like settings.
const FIELDS: [&str; 2] = ["actors.poisoned", "actors.restarts"];

/// Every word in backticks of the book and the decisions.
fn quoted() -> Vec<(String, String)> {
    let adr = fs::read_dir(root().join("docs/adr")).unwrap().map(|entry| entry.unwrap().path());
    let adr = adr.map(|path| (path.clone(), fs::read_to_string(path).unwrap()));
    let mut words = Vec::new();
    for (path, text) in pages().into_iter().chain(adr) {
        let page = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
        let prose = text.split("```").step_by(2).collect::<String>();
        words.extend(prose.split('`').skip(1).step_by(2).map(|word| (page.clone(), word.to_owned())));
    }
    words
}

#[test]
fn every_type_that_the_documents_name_is_in_the_sources() {
    let all: String = ["protocol", "engine", "actors", "gateway", "tests", "benches"]
        .into_iter()
        .flat_map(sources)
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let words: BTreeSet<&str> = all.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    let is_type = |word: &str| {
        let begins = word.starts_with(|c: char| c.is_ascii_uppercase()) && word.chars().any(|c| c.is_ascii_lowercase());
        begins && word.chars().all(char::is_alphanumeric) && word.chars().skip(1).any(|c| c.is_ascii_uppercase())
    };
    let gone: BTreeSet<String> = quoted()
        .into_iter()
        .flat_map(|(page, quote)| quote.split("::").map(|part| (page.clone(), part.to_owned())).collect::<Vec<_>>())
        .filter(|(_, word)| is_type(word) && !words.contains(word.as_str()) && !TYPES_OF_OTHERS.contains(&word.as_str()))
        .map(|(page, word)| format!("{page}: {word}"))
        .collect();
    assert!(gone.is_empty(), "named and not there:\n{gone:#?}");
}

#[test]
fn every_setting_that_the_documents_name_exists() {
    let keys: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
    let sections: BTreeSet<&str> = keys.iter().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect();
    let variables: BTreeSet<&str> = SETTINGS.iter().map(|setting| setting.env).collect();
    let is_key = |word: &str| {
        let (section, rest) = word.split_once('.').unwrap_or_default();
        sections.contains(section) && !rest.is_empty() && rest.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '_' | '.'))
    };
    let is_variable =
        |word: &str| word.starts_with("SLIPSTREAM_") && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let gone: BTreeSet<String> = quoted()
        .into_iter()
        .filter(|(_, word)| !FIELDS.contains(&word.as_str()) && !OTHER_VARIABLES.iter().any(|known| word.starts_with(known)))
        .filter(|(_, word)| (is_key(word) && !keys.contains(word.as_str())) || (is_variable(word) && !variables.contains(word.as_str())))
        .map(|(page, word)| format!("{page}: {word}"))
        .collect();
    assert!(gone.is_empty(), "named and not there:\n{gone:#?}");
}
