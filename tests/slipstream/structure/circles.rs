//! Circles of files inside a crate: files that name each other, directly or around several corners.
//!
//! An arrow is a `use crate::`, `use super::` or `use self::` of one file that leads into another. Tests are no part of it, nor is the
//! tie between a module and the children that it declares.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use super::super::architecture::{root, sources};

/// Most files of one circle.
const MOST: usize = 5;

const CRATES: [&str; 7] =
    ["protocol/src", "engine/src", "actors/src", "actors/ports/src", "gateway/journal/src", "gateway/relay/src", "gateway/src"];

type Module = Vec<String>;
type Arrows = BTreeMap<Module, BTreeSet<Module>>;

/// The module that a file of the crate in `folder` is; `None` for tests.
fn module(folder: &Path, file: &Path) -> Option<Module> {
    let mut parts: Module = file.strip_prefix(folder).ok()?.with_extension("").iter().map(|p| p.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    let is_test =
        |part: &String| part == "tests" || part.ends_with("_tests") || matches!(part.as_str(), "properties" | "harness" | "testing");
    (!parts.iter().any(is_test)).then_some(parts)
}

/// Every path that a `use` names, its braces multiplied out.
fn expanded(text: &str, before: &[String], found: &mut Vec<Module>) {
    let text = text.trim();
    let segments = |text: &str| text.split("::").map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect::<Vec<_>>();
    let Some((head, rest)) = text.split_once('{') else {
        let path = text.split(" as ").next().unwrap_or(text);
        found.push([before, &segments(path)[..]].concat());
        return;
    };
    let before = [before, &segments(head)[..]].concat();
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let (mut depth, mut start) = (0, 0);
    for (at, c) in inner.char_indices().chain([(inner.len(), ',')]) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                if !inner[start..at].trim().is_empty() {
                    expanded(&inner[start..at], &before, found);
                }
                start = (at + 1).min(inner.len());
            }
            _ => {}
        }
    }
}

/// What the `use` lines of a file name.
fn named(text: &str) -> Vec<Module> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let line = code[..at].rsplit('\n').next().unwrap_or("").trim();
        let is_use = line.is_empty() || (line.starts_with("pub") && !line.contains(['"', '/']));
        let Some((statement, _)) = code[at + 4..].split_once(';') else { continue };
        if is_use && ["crate::", "super::", "self::"].iter().any(|start| statement.starts_with(start)) {
            expanded(statement, &[], &mut found);
        }
    }
    found
}

fn arrows(room: &str) -> Arrows {
    let folder = root().join(room);
    let files: BTreeMap<Module, String> =
        sources(room).into_iter().filter_map(|file| Some((module(&folder, &file)?, fs::read_to_string(&file).unwrap()))).collect();
    let mut arrows = Arrows::new();
    for (from, text) in &files {
        for path in named(text) {
            let (mut target, mut rest) = (from.clone(), &path[..]);
            match rest.first().map(String::as_str) {
                Some("crate") => (target, rest) = (Module::new(), &rest[1..]),
                Some("self") => rest = &rest[1..],
                _ => {
                    while rest.first().is_some_and(|part| part == "super") {
                        target.pop();
                        rest = &rest[1..];
                    }
                }
            }
            target.extend(rest.iter().cloned());
            while !target.is_empty() && !files.contains_key(&target) {
                target.pop();
            }
            if target != *from && files.contains_key(&target) {
                arrows.entry(from.clone()).or_default().insert(target);
            }
        }
    }
    arrows
}

/// The files that can be reached from `from`.
fn reach(arrows: &Arrows, from: &Module) -> BTreeSet<Module> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
    while let Some(next) = open.pop() {
        for target in arrows.get(&next).into_iter().flatten() {
            if seen.insert(target.clone()) {
                open.push(target.clone());
            }
        }
    }
    seen
}

/// The largest circle of a crate.
fn largest(arrows: &Arrows) -> BTreeSet<Module> {
    let reached: BTreeMap<&Module, BTreeSet<Module>> = arrows.keys().map(|module| (module, reach(arrows, module))).collect();
    let circle = |module: &Module| -> BTreeSet<Module> {
        reached[module].iter().filter(|other| reached.get(other).is_some_and(|back| back.contains(module))).cloned().collect()
    };
    arrows.keys().map(circle).max_by_key(BTreeSet::len).unwrap_or_default()
}

/// The arrow whose end leaves the smallest circle: the one to cut.
fn to_cut(arrows: &Arrows, circle: &BTreeSet<Module>) -> String {
    let within = circle.iter().flat_map(|from| arrows[from].iter().filter(|to| circle.contains(*to)).map(move |to| (from, to)));
    let without = |(from, to): &(&Module, &Module)| {
        let mut cut = arrows.clone();
        cut.get_mut(*from).map(|targets| targets.remove(*to));
        largest(&cut).len()
    };
    within.min_by_key(without).map_or_else(String::new, |(from, to)| format!("{} -> {}", from.join("::"), to.join("::")))
}

#[test]
fn no_circle_has_more_than_five_files() {
    for room in CRATES {
        let arrows = arrows(room);
        let circle = largest(&arrows);
        println!("{room}: the largest circle has {} files", circle.len());
        let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
        assert!(circle.len() <= MOST, "{room}: {names:?} name each other; cut {}", to_cut(&arrows, &circle));
    }
}

#[test]
fn arrows_are_read_from_any_form_of_use() {
    let text = "use crate::{a::{b, c as d}, e};\npub(crate) use super::f;\nuse std::fmt;\n// use crate::not;\n#[cfg(test)]\nmod tests {\n    use super::g;\n}\n";
    let found: Vec<String> = named(text).into_iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["crate::a::b", "crate::a::c", "crate::e", "super::f"]);
}
