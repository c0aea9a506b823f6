//! `slipstream alarms`

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use slipstream_protocol::token::Role;

use super::{
    Outcome,
    access::Access,
    exit::Exit,
    print::{err, out},
    rest::Rest,
};

const EXAMPLES: &str = "\
Examples:
  slipstream alarms list --open                      what is raised now
  slipstream alarms list --vehicle bus-7 --json
  slipstream alarms show 5f0c...                     one, with its life
  slipstream alarms ack 5f0c... --note 'stops at the depot'

An acknowledged alarm escalates no further; subscribers of alerts:<vehicle> hear who has seen it.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct AlarmsArgs {
    #[command(subcommand)]
    command: AlarmsCommand,

    #[command(flatten, next_help_heading = "Server")]
    access: Access,
}

#[derive(Subcommand, Clone, Debug)]
enum AlarmsCommand {
    /// List alarms, the newest first
    List(ListArgs),
    /// Tell one and its life
    Show {
        /// Its id
        id: String,
    },
    /// Say that you have seen one
    Ack {
        /// Its id
        id: String,
        /// What you do about it
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
}

#[derive(Args, Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct ListArgs {
    /// Only those still raised
    #[arg(long, conflicts_with = "closed")]
    open: bool,

    /// Only those over
    #[arg(long)]
    closed: bool,

    /// Only those nobody has seen
    #[arg(long)]
    unseen: bool,

    /// Of this vehicle
    #[arg(long, value_name = "ID")]
    vehicle: Option<String>,

    /// Of this pipeline
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,

    /// This bad: info, warning or critical
    #[arg(long, value_name = "WORD")]
    severity: Option<String>,

    /// Which page
    #[arg(long, value_name = "N", default_value_t = 1)]
    page: u32,

    /// One JSON object per alarm
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &AlarmsArgs) -> Outcome {
    let rest = Rest::new(&args.access, Role::Engineer)?;
    super::runtime()?.block_on(async {
        match &args.command {
            AlarmsCommand::List(list) => list_all(&rest, list).await,
            AlarmsCommand::Show { id } => {
                out!("{:#}", rest.call("GET", &format!("/api/alarms/{id}"), None).await?);
                Ok(Exit::Done)
            }
            AlarmsCommand::Ack { id, note } => {
                let body = json!({"note": note});
                out!("{}", line(&rest.call("POST", &format!("/api/alarms/{id}/acknowledge"), Some(body)).await?));
                Ok(Exit::Done)
            }
        }
    })
}

async fn list_all(rest: &Rest, args: &ListArgs) -> Outcome {
    let mut path = format!("/api/alarms?per_page=100&page={}", args.page);
    let open = (args.open || args.closed).then_some(args.open);
    let wanted = [
        ("open", open.map(|o| o.to_string())),
        ("acknowledged", args.unseen.then(|| "false".to_owned())),
        ("vehicle", args.vehicle.clone()),
        ("pipeline", args.pipeline.clone()),
        ("severity", args.severity.clone()),
    ];
    for (name, value) in wanted.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        path = format!("{path}&{name}={value}");
    }
    let answer = rest.envelope("GET", &path, None).await?;
    let alarms = answer["data"].as_array().cloned().unwrap_or_default();
    for alarm in &alarms {
        out!("{}", if args.json { alarm.to_string() } else { line(alarm) });
    }
    let total = answer["pagination"]["total"].as_u64().unwrap_or(0);
    if total > alarms.len() as u64 {
        err!("{} of {total}; --page tells others", alarms.len());
    }
    Ok(Exit::Done)
}

fn line(alarm: &Value) -> String {
    let text = |name: &str| alarm[name].as_str().unwrap_or("-").to_owned();
    let state = if alarm["open"] == true { "open" } else { "over" };
    let seen = alarm["acknowledgedBy"].as_str().map_or_else(|| "not seen".to_owned(), |who| format!("seen by {who}"));
    let times = alarm["count"].as_u64().filter(|n| *n > 1).map_or_else(String::new, |n| format!(", {n} times"));
    format!("{}  {:<8} {state}  {}  {}: {}{times}, {seen}", text("id"), text("severity"), text("raisedAt"), text("vehicleId"), text("rule"))
}
