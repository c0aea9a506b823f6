//! Log lines: to standard error, as text or JSON, around progress bars.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::{exit::Usage, progress::BARS};
use crate::config::{Config, LogFormat};

/// Sets logging up for this process; a second call changes nothing.
pub(super) fn start(config: &Config) -> anyhow::Result<()> {
    let filter = filter(&config.log_level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(BesideBars);
    // Setting it twice in one process (tests) is harmless: the first stays.
    let _ = match config.log_format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    Ok(())
}

/// The filter of `log_level`.
///
/// A bare word is a level, in the words of other programs too (`warning`, `fatal`): taken for a module's name, as
/// the filter's own grammar has it, a misspelt level would silence everything.
pub(super) fn filter(log_level: &str) -> Result<EnvFilter, Usage> {
    let directives = log_level.split(',').map(|directive| level(directive.trim())).collect::<Option<Vec<_>>>();
    let refusal = |why: String| {
        Usage(format!(
            "log_level = '{log_level}' {why}; error, warn, info, debug, trace, off or slipstream_gateway=debug,info are expected"
        ))
    };
    let directives = directives.ok_or_else(|| refusal("is no level".to_owned()))?;
    EnvFilter::try_new(directives.join(",")).map_err(|error| refusal(format!("is no filter: {error}")))
}

/// One directive with its level in the filter's words; none where a bare word is no level.
fn level(directive: &str) -> Option<String> {
    let (target, level) = directive.rsplit_once('=').map_or((None, directive), |(target, level)| (Some(target), level));
    let known = match level.to_ascii_lowercase().as_str() {
        "warn" | "warning" => "warn",
        "error" | "err" | "fatal" | "critical" => "error",
        "info" | "information" | "notice" => "info",
        "debug" => "debug",
        "trace" | "verbose" => "trace",
        "off" | "none" | "silent" => "off",
        // A module on its own (`slipstream_gateway::ws`) and spans (`[request]`) are targets.
        _ if target.is_some() || directive.contains("::") || directive.starts_with('[') || directive.starts_with("slipstream_") => {
            return Some(directive.to_owned());
        }
        _ => return None,
    };
    Some(target.map_or_else(|| known.to_owned(), |target| format!("{target}={known}")))
}

/// Standard error, with the progress bars taken away while a line is written.
struct BesideBars;

impl<'a> MakeWriter<'a> for BesideBars {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line
    }
}

struct Line;

impl Write for Line {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        // A standard error that cannot be written leaves no place to say so, and must not end what is logged about.
        let _ = BARS.suspend(|| io::stderr().write_all(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = io::stderr().flush();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_known_in_the_words_of_other_programs() {
        for (given, meant) in [("WARNING", "warn"), ("warn", "warn"), ("fatal", "error"), ("Info", "info"), ("none", "off")] {
            assert_eq!(filter(given).unwrap().to_string(), meant, "{given}");
        }
        assert_eq!(level("slipstream_gateway::ws=warning").as_deref(), Some("slipstream_gateway::ws=warn"));
        assert!(filter("slipstream_gateway=debug,info").is_ok() && filter("slipstream_gateway::ws").is_ok());
    }

    #[test]
    fn a_word_that_is_no_level_is_refused_instead_of_silencing_everything() {
        for bad in ["loud", "warnings", "", "info,quiet", "5"] {
            let refusal = filter(bad).unwrap_err().to_string();
            assert!(refusal.contains("is no level") && refusal.contains(bad), "{refusal}");
        }
    }
}
