//! `slipstream help <word>`: the command and the page of the book for a question.

use clap::{Args, Command};
use slipstream_protocol::near;

use super::{
    Outcome,
    exit::{Exit, Usage},
    print::{self, out},
};

/// The index of the book: a table of question, command, page and further words.
const INDEX: &str = include_str!("../../../docs/book/how-do-i.md");

/// Most lines printed.
const MOST: usize = 12;

#[derive(Args, Clone, Debug)]
pub(super) struct HelpArgs {
    /// A command, or a word of the question: relay, disk, grafana
    #[arg(value_name = "WORD")]
    words: Vec<String>,
}

/// A line of the index.
struct Line<'a> {
    question: &'a str,
    command: &'a str,
    page: &'a str,
    also: &'a str,
}

impl<'a> Line<'a> {
    /// `None` for what is no row of the table.
    fn of(line: &'a str) -> Option<Self> {
        let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
        let (question, command, page, also) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        let command = command.strip_prefix('`')?.strip_suffix('`')?;
        let page = page.strip_prefix('[')?.split(']').next()?;
        Some(Self { question, command, page, also })
    }

    fn words(&self) -> Vec<String> {
        let text = format!("{} {} {} {}", self.question, self.command, self.page, self.also).to_lowercase();
        text.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }

    /// Whether a word of the line begins with each that was asked.
    fn answers(&self, asked: &[String]) -> bool {
        let words = self.words();
        asked.iter().all(|word| words.iter().any(|own| own.starts_with(word)))
    }
}

fn lines() -> impl Iterator<Item = Line<'static>> {
    INDEX.lines().filter_map(Line::of)
}

/// Prints the help of a command, or the lines of the index that answer.
pub(super) fn run(args: &HelpArgs, mut cli: Command) -> Outcome {
    if args.words.is_empty() {
        print::bytes(cli.render_help().to_string().as_bytes());
        out!("");
        out!("slipstream help <word> finds the command and the page for a question: disk, grafana, laps.");
        return Ok(Exit::Done);
    }
    if let Some(command) = subcommand(&mut cli, &args.words) {
        print::bytes(command.render_long_help().to_string().as_bytes());
        return Ok(Exit::Done);
    }
    let asked: Vec<String> = args.words.iter().map(|word| word.to_lowercase()).collect();
    let found: Vec<Line<'_>> = lines().filter(|line| line.answers(&asked)).collect();
    if found.is_empty() {
        return Err(Usage(nothing(&asked)).into());
    }
    for line in found.iter().take(MOST) {
        out!("How do I {}?", line.question);
        out!("    {}", line.command);
        out!("    docs/book/{}", line.page);
    }
    Ok(Exit::Done)
}

/// The command that the words name, as in `replay start`.
fn subcommand<'c>(cli: &'c mut Command, words: &[String]) -> Option<&'c mut Command> {
    let mut command = cli;
    // Gives it the names and arguments that its help shows.
    command.build();
    for word in words {
        command = command.find_subcommand_mut(word)?;
    }
    Some(command)
}

/// What is said where no line answers: words that are close.
fn nothing(asked: &[String]) -> String {
    let mut known: Vec<String> = lines().flat_map(|line| line.words()).filter(|word| word.len() > 2).collect();
    known.sort_unstable();
    known.dedup();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let close: Vec<&str> = asked.iter().filter_map(|word| near::resembles(word, &known)).collect();
    let shown = asked.join(" ");
    match &close[..] {
        [] => format!("nothing is known about '{shown}'; docs/book/how-do-i.md lists the questions, slipstream --help the commands"),
        close => format!("nothing is known about '{shown}'; did you mean '{}'?", close.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_index_is_read_and_its_page_is_there() {
        let rows = INDEX.lines().filter(|line| line.starts_with("| ")).count() - 1;
        let pages: Vec<_> = lines().map(|line| line.page).collect();
        assert_eq!(pages.len(), rows);
        assert!(rows >= 30, "{rows}");
        let book = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/book");
        for page in pages {
            assert!(book.join(page).is_file(), "{page}");
        }
    }

    #[test]
    fn a_word_finds_its_lines_and_a_misspelt_one_its_neighbour() {
        let found = |words: &[&str]| {
            let asked: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            lines().filter(|line| line.answers(&asked)).map(|line| line.page).collect::<Vec<_>>()
        };
        assert!(found(&["disk"]).contains(&"run/disk-full.md"));
        assert!(found(&["grafana"]).contains(&"do/influxdb-and-grafana.md"));
        assert_eq!(found(&["full", "disk"]), ["run/disk-full.md"]);
        assert!(nothing(&["grafna".into()]).contains("did you mean 'grafana'"), "{}", nothing(&["grafna".into()]));
        assert!(nothing(&["zzz".into()]).contains("how-do-i"));
    }
}
