//! The command line, one file a command.

mod access;
mod alarms;
mod completions;
mod config;
mod demo;
mod exit;
mod export;
mod help;
mod import;
mod journal;
mod logging;
mod pipeline;
mod print;
mod progress;
mod relay;
mod replay;
mod rest;
mod rl;
mod serve;
mod signals;
mod soak;
mod table;
mod tail;
mod token;
mod user;
mod user_rest;
mod what_if;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::Flags;
use exit::Exit;

/// With the profile it was built with: figures of a `release` binary are not those of a `dist` one.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SLIPSTREAM_PROFILE"), ")");

const EXAMPLES: &str = "\
Examples:
  slipstream                                        start the server on port 8080
  slipstream demo                                   the same, with 20 simulated cars
  slipstream relay race.csv.gz --speed 10           replay a recording, ten times as fast
  slipstream tail 'telemetry:*' --rates             watch what arrives, and how fast
  slipstream token --role driver --subject ALB      mint a token for a driver
  slipstream user add ann@example.org --role admin  let someone log in

Exit codes:
  0  done
  1  failed while running: a server away, a disk full, a refused token
  2  wrong usage or configuration
  3  done, but something was refused, skipped or not acknowledged (the report says what)

Every setting can be given by flag, environment variable or slipstream.toml; `slipstream config`
prints the ones in force, `slipstream config --list` all there are.";

/// Real-time telemetry: cars, buses and players in, live channels and time series out.
///
/// Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "slipstream", version = VERSION, after_help = EXAMPLES, args_conflicts_with_subcommands = true, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten, next_help_heading = "Settings (of serve)")]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server (the default command)
    Serve(serve::ServeArgs),
    /// Start the server with simulated cars and print the live page's address
    Demo(demo::DemoArgs),
    /// Stream a recording, standard input or simulated cars to a server
    Relay(Box<relay::RelayArgs>),
    /// Play a recorded period or file again, live, with pause and seek
    Replay(Box<replay::ReplayArgs>),
    /// Subscribe to channels and print what arrives
    Tail(tail::TailArgs),
    /// Mint a token signed with the server's secret, or revoke one
    Token(Box<token::TokenArgs>),
    /// Add, list, change and remove users in the database, and invite people
    User(Box<user::UserArgs>),
    /// Look into the durable journal: verify, stats, dump
    Journal(journal::JournalArgs),
    /// Write a file's points into the time-series stores
    Import(Box<import::ImportArgs>),
    /// Write time series into a CSV, JSON lines or Parquet file
    Export(Box<export::ExportArgs>),
    /// Check a declared pipeline, or try it on recorded data
    Pipeline(pipeline::PipelineArgs),
    /// List and acknowledge the alarms that pipelines raised
    Alarms(Box<alarms::AlarmsArgs>),
    /// Train, evaluate, play and convert reinforcement-learning policies
    Rl(rl::RlArgs),
    /// Break a server in every way and check that it keeps its promises
    Soak(Box<soak::SoakArgs>),
    /// Print the configuration in force, secrets redacted
    Config(config::ConfigArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
    /// Print the help of a command, or find the command and the page for a question
    Help(help::HelpArgs),
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    run(std::env::args_os())
}

/// Runs one command line; the first argument is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        // Help and version go to standard output and are no failure.
        Err(error) => {
            let code = if error.use_stderr() { exit::USAGE } else { 0 };
            // Nobody to tell where standard output or error is closed.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let outcome = match cli.command {
        None => serve::run(&serve::ServeArgs { flags: cli.flags }),
        Some(Command::Serve(args)) => serve::run(&args),
        Some(Command::Demo(args)) => demo::run(&args),
        Some(Command::Relay(args)) => relay::run(&args),
        Some(Command::Replay(args)) => replay::run(&args),
        Some(Command::Tail(args)) => tail::run(&args),
        Some(Command::Token(args)) => token::run(&args),
        Some(Command::User(args)) => user::run(&args),
        Some(Command::Journal(args)) => journal::run(&args),
        Some(Command::Import(args)) => import::run(&args),
        Some(Command::Export(args)) => export::run(&args),
        Some(Command::Pipeline(args)) => pipeline::run(&args),
        Some(Command::Alarms(args)) => alarms::run(&args),
        Some(Command::Rl(args)) => rl::run(&args),
        Some(Command::Soak(args)) => soak::run(&args),
        Some(Command::Config(args)) => config::run(&args),
        Some(Command::Help(args)) => help::run(&args, Cli::command()),
        Some(Command::Completions(args)) => {
            completions::run(&args, Cli::command());
            Ok(exit::Exit::Done)
        }
    };
    exit::report(outcome)
}

/// A runtime for the commands that talk to a server.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

type Outcome = anyhow::Result<Exit>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_is_serve_with_its_flags() {
        let cli = Cli::try_parse_from(["slipstream", "--port", "9000"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.flags.port.as_deref(), Some("9000"));
        assert!(Cli::try_parse_from(["slipstream", "serve", "--port", "9000"]).is_ok());
        assert!(Cli::try_parse_from(["slipstream", "--port", "9000", "token"]).is_err(), "a flag before a command would be lost");
    }
}
