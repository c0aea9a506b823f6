//! Progress of long work: a bar on a terminal, a plain line now and then elsewhere.

use std::{
    io::IsTerminal,
    sync::LazyLock,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::print::err;

/// All bars of this process; log lines are written around them.
pub(super) static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How often a plain line is written.
const EVERY: Duration = Duration::from_secs(5);
/// Steps of a bar.
const STEPS: u64 = 1_000;

/// One piece of long work.
pub(super) struct Progress {
    what: String,
    shown: Shown,
}

enum Shown {
    Bar(ProgressBar),
    Lines { last: Instant },
    Nothing,
}

impl Progress {
    /// Work called `what`; nothing is shown when `quiet`.
    pub(super) fn new(what: &str, quiet: bool) -> Self {
        let shown = if quiet {
            Shown::Nothing
        } else if std::io::stderr().is_terminal() {
            let bar = BARS.add(ProgressBar::new_spinner());
            bar.enable_steady_tick(Duration::from_millis(100));
            bar.set_prefix(what.to_owned());
            bar.set_style(style("{spinner} {prefix} {msg} [{elapsed}]"));
            Shown::Bar(bar)
        } else {
            Shown::Lines { last: Instant::now() }
        };
        Self { what: what.to_owned(), shown }
    }

    /// Where it stands: the share done where known, and a few words.
    pub(super) fn update(&mut self, fraction: Option<f64>, words: impl FnOnce() -> String) {
        match &mut self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                if let Some(fraction) = fraction {
                    if bar.length().is_none() {
                        bar.set_length(STEPS);
                        bar.set_style(style("{prefix} {wide_bar} {percent}% {msg} [{elapsed}, {eta} left]"));
                    }
                    bar.set_position((fraction * STEPS as f64) as u64);
                }
                bar.set_message(words());
            }
            Shown::Lines { last } => {
                if last.elapsed() >= EVERY {
                    *last = Instant::now();
                    let percent = fraction.map_or_else(String::new, |f| format!("{:.0} %, ", f * 100.0));
                    err!("{}: {percent}{}", self.what, words());
                }
            }
        }
    }

    /// It is over.
    pub(super) fn finish(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
            BARS.remove(&bar);
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are constant and well-formed")
}

#[cfg(test)]
mod tests {
    #[test]
    fn both_templates_are_well_formed() {
        for template in ["{spinner} {prefix} {msg} [{elapsed}]", "{prefix} {wide_bar} {percent}% {msg} [{elapsed}, {eta} left]"] {
            super::style(template);
        }
    }
}
