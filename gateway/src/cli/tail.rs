//! `slipstream tail`

use std::{
    io::{self, IsTerminal, Write},
    ops::ControlFlow,
    time::{Duration, Instant},
};

use clap::Args;
use slipstream_protocol::{
    Channel, WireFormat,
    client::{Delivery, OnSlow},
    token::Role,
};

use super::{
    Outcome,
    access::{self, Access},
    exit::Exit,
    print::err,
    relay::positive,
    token::duration,
};
use crate::{
    relay::phrase,
    tail::{self, Event, Rates, TailOptions},
};

const EXAMPLES: &str = "\
Examples:
  slipstream tail telemetry:ALB                     one line per publication
  slipstream tail 'telemetry:*' --rates             a live table of rates and latencies
  slipstream tail session:q1 'alerts:*' --json      the raw messages, one a line
  slipstream tail 'telemetry:*' --json --for 1m > minute.jsonl    (relay can play it back)

A line shows the source's time, the channel, the publication's offset, and the milliseconds from the
server's receipt to here (clocks of both machines compared). After a cut the tail reconnects and asks
for what it missed; where the server no longer has it, it says so on standard error.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct TailArgs {
    /// Channels, as in telemetry:ALB, session:q1, telemetry:*
    #[arg(value_name = "CHANNEL", required = true)]
    channels: Vec<Channel>,

    #[command(flatten, next_help_heading = "Server")]
    access: Access,

    #[command(flatten, next_help_heading = "Output")]
    output: Output,

    #[command(flatten, next_help_heading = "Subscription")]
    subscription: Subscription,
}

#[derive(Args, Clone, Debug)]
struct Output {
    /// Print messages as they come, JSON, one a line
    #[arg(long, conflicts_with = "rates")]
    json: bool,

    /// Print a table of messages per second and latency per channel, every second
    #[arg(long)]
    rates: bool,

    /// Stop after so many publications
    #[arg(long, value_name = "N")]
    count: Option<u64>,

    /// Stop after so long
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    length: Option<Duration>,
}

#[derive(Args, Clone, Debug)]
struct Subscription {
    /// Only the newest publication when this reader is ready for it
    #[arg(long, conflicts_with = "max_rate")]
    latest: bool,

    /// At most so many publications a second and channel, the newest of each interval
    #[arg(long, value_name = "HZ", value_parser = positive)]
    max_rate: Option<f64>,

    /// When this reader is slow, drop the oldest publications instead of the connection
    #[arg(long)]
    drop_oldest: bool,

    /// Give up after so long without a connection [default: never]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    give_up_after: Option<Duration>,
}

impl Subscription {
    fn delivery(&self) -> Delivery {
        match self.max_rate {
            Some(hz) => Delivery::MaxRate(hz),
            None if self.latest => Delivery::Latest,
            None => Delivery::All,
        }
    }
}

pub(super) fn run(args: &TailArgs) -> Outcome {
    let config = args.access.config()?;
    super::logging::start(&config)?;
    let endpoint = args.access.endpoint(&config, Role::Viewer, WireFormat::Json)?;
    super::runtime()?.block_on(async {
        let stop = super::signals::stop()?;
        if let Some(length) = args.output.length {
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::time::sleep(length).await;
                stop.cancel();
            });
        }
        let options = TailOptions {
            delivery: args.subscription.delivery(),
            on_slow: if args.subscription.drop_oldest { OnSlow::DropOldest } else { OnSlow::Disconnect },
            give_up_after: args.subscription.give_up_after,
            stop,
            ..TailOptions::new(endpoint, args.channels.clone())
        };
        let mut printer = Printer::new(&args.output);
        tail::run(options, access::now, |event| printer.print(&event)).await?;
        printer.finish();
        Ok(Exit::Done)
    })
}

struct Printer<'a> {
    output: &'a Output,
    out: io::BufWriter<io::Stdout>,
    left: Option<u64>,
    rates: Rates,
    shown_at: Instant,
    shown_lines: usize,
    /// Why there is no connection, as it was printed last.
    reason: Option<String>,
}

impl<'a> Printer<'a> {
    fn new(output: &'a Output) -> Self {
        Self {
            output,
            out: io::BufWriter::new(io::stdout()),
            left: output.count,
            rates: Rates::default(),
            shown_at: Instant::now(),
            shown_lines: 0,
            reason: None,
        }
    }

    fn print(&mut self, event: &Event) -> ControlFlow<()> {
        if self.left == Some(0) {
            return ControlFlow::Break(());
        }
        let publication = event.is_publication();
        let Event::Message { value, text, at } = event else {
            self.note(event);
            return ControlFlow::Continue(());
        };
        self.reason = None;
        let written = if self.output.rates {
            self.rates.count(value, *at);
            if self.shown_at.elapsed() >= Duration::from_secs(1) { self.show_rates() } else { Ok(()) }
        } else if self.output.json {
            writeln!(self.out, "{text}").and_then(|()| self.out.flush())
        } else if publication || tail::kind(value) == "gap" {
            writeln!(self.out, "{}", tail::line(value, *at)).and_then(|()| self.out.flush())
        } else {
            Ok(())
        };
        // The reader of our output is gone (`| head`): so are we.
        if written.is_err() {
            return ControlFlow::Break(());
        }
        match &mut self.left {
            Some(left) if publication => {
                *left -= 1;
                if *left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn show_rates(&mut self) -> io::Result<()> {
        let table = self.rates.table(self.shown_at.elapsed());
        self.shown_at = Instant::now();
        if self.shown_lines > 0 && io::stdout().is_terminal() {
            // Over the table before: cursor up, clear to the end of the screen.
            write!(self.out, "\x1b[{}A\x1b[J", self.shown_lines)?;
        }
        self.shown_lines = table.lines().count();
        self.out.write_all(table.as_bytes())?;
        self.out.flush()
    }

    fn finish(&mut self) {
        if self.output.rates {
            // The last, part second; nobody to tell where standard output is closed.
            let _ = self.show_rates();
        }
    }

    /// Prints what is no message; the same reason for having no connection once.
    fn note(&mut self, event: &Event) {
        match event {
            Event::Missed { channel } => err!("{channel}: publications were missed, the server no longer has them"),
            Event::Reconnecting { reason } if self.reason.as_ref() == Some(reason) => {}
            Event::Reconnecting { reason } => {
                err!("{}; trying again until it does, or until Ctrl-C", phrase::plain(reason));
                self.reason = Some(reason.clone());
            }
            Event::Message { .. } => {}
        }
    }
}
