//! Log lines: to standard error, as text or JSON, around progress bars.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use super::{exit::Usage, progress::BARS};
use crate::config::{Config, LogFormat};

/// Sets logging up for this process; a second call changes nothing.
pub(super) fn start(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log_level)
        .map_err(|e| Usage(format!("log_level = '{}' is no filter: {e}; info or slipstream_gateway=debug,info are", config.log_level)))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(BesideBars);
    // Setting it twice in one process (tests) is harmless: the first stays.
    let _ = match config.log_format {
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    Ok(())
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
        BARS.suspend(|| io::stderr().write_all(text))?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
