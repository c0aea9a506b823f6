//! Every example of docs/book/understand/pipelines.md: the rows below a pipeline go in, the results below them come out.

use std::{collections::BTreeMap, sync::Arc};

use slipstream_protocol::{Sample, Signal, SignalValue};

use crate::pipeline::{
    Pipeline, Surroundings,
    tables::MemoryTables,
    testing::{results, sample},
};

const PAGE: &str = include_str!("../../../../docs/book/understand/pipelines.md");

/// Fenced blocks of the page: their language and text.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut blocks = Vec::new();
    let mut rest = PAGE;
    while let Some((_, after)) = rest.split_once("\n```") {
        let (language, body) = after.split_once('\n').unwrap();
        let (text, behind) = body.split_once("\n```").unwrap();
        blocks.push((language, text));
        rest = behind;
    }
    blocks
}

/// What examples refer to: each other, and a table of drivers.
fn around(blocks: &[(&str, &str)]) -> Surroundings {
    let documents = blocks.iter().filter(|(language, _)| *language == "toml").map(|(_, text)| toml::from_str(text).unwrap());
    let pipelines = documents.map(|d: serde_json::Value| (d["name"].as_str().unwrap().to_owned(), d)).collect();
    let ann = vec![("name".to_owned(), "Ann".into()), ("team".to_owned(), "red".into())];
    let drivers = BTreeMap::from([("drivers".to_owned(), BTreeMap::from([("car-1".to_owned(), ann)]))]);
    Surroundings { tables: Arc::new(MemoryTables(drivers)), pipelines, ..Surroundings::default() }
}

/// A line of a table as a sample; empty cells are not sent.
fn read(header: &str, line: &str) -> Sample {
    let cells: Vec<(&str, &str)> = header.split(',').zip(line.split(',')).collect();
    let mut read = sample(cells[1].1, cells[0].1.parse().unwrap(), &[]);
    let sent = cells[2..].iter().filter(|(_, value)| !value.is_empty());
    read.signals = sent.map(|(name, value)| Signal { name: (*name).into(), value: SignalValue::Number(value.parse().unwrap()) }).collect();
    read
}

#[test]
fn every_example_gives_what_the_page_says() {
    let blocks: Vec<_> = blocks().into_iter().filter(|(language, _)| *language != "sh").collect();
    assert!(blocks.len() >= 24, "{}", blocks.len());
    let mut wrong = String::new();
    let around = around(&blocks);
    for example in blocks.chunks(3) {
        let [("toml", toml), ("csv", csv), ("results", expected)] = example else { panic!("an example is not whole: {example:?}") };
        let document: serde_json::Value = toml::from_str(toml).unwrap_or_else(|e| panic!("{toml}\n{e}"));
        let mut pipeline = Pipeline::build_with(&document, &around).unwrap_or_else(|mistakes| panic!("{toml}\n{mistakes}"));
        let (header, lines) = csv.split_once('\n').unwrap();
        for line in lines.lines() {
            pipeline.feed(&read(header, line));
        }
        pipeline.finish();
        let told = results(&mut pipeline).join("\n");
        if told != *expected {
            wrong = format!("{wrong}\n{toml}\ngives\n{told}\nand not\n{expected}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
