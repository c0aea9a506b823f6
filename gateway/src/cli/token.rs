//! `slipstream token`

use std::time::Duration;

use clap::Args;
use slipstream_protocol::{
    Channel, VehicleId,
    token::{Claims, Role},
};

use super::{Outcome, access, exit::Exit, print::out};
use crate::{
    auth::Auth,
    config::{self, Flags},
};

const EXAMPLES: &str = "\
Examples:
  slipstream token --role engineer --ttl 12h
  slipstream token --role driver --subject ALB
  slipstream token --role relay --subject garage-3 --publish ALB,HAM --ttl 30d
  slipstream token --role viewer --channels 'telemetry:*,session:q1'

Roles: admin may do everything; engineer hears everything, publishes for all and changes sessions;
driver hears everything and publishes for its own id (the subject); viewer only hears; relay
publishes for the ids it names, or for all where it names none.

The token is signed with JWT_SECRET, or with the secret kept under DATA_DIR (made there if need be).";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct TokenArgs {
    /// Who the bearer is
    #[arg(long, value_name = "NAME", default_value = "cli")]
    subject: String,

    /// What the bearer may do: admin, engineer, driver, viewer or relay
    #[arg(long, value_name = "ROLE", default_value = "viewer", value_parser = role)]
    role: Role,

    /// Channels it may hear, as in telemetry:*,session:q1 [default: all]
    #[arg(long, value_name = "CHANNELS", value_delimiter = ',')]
    channels: Option<Vec<Channel>>,

    /// Vehicle ids it may publish for, * for all [default: what the role gives]
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = publish_id)]
    publish: Option<Vec<String>>,

    /// How long it lives: 90s, 15m, 12h, 30d
    #[arg(long, value_name = "DURATION", default_value = "12h", value_parser = duration)]
    ttl: Duration,

    #[command(flatten, next_help_heading = "Settings")]
    flags: Flags,
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    Role::ALL.into_iter().find(|r| r.as_str() == text).ok_or_else(|| {
        let roles = Role::ALL.map(Role::as_str).join(", ");
        format!("the roles are {roles}")
    })
}

fn publish_id(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    VehicleId::new(text).map(|id| id.to_string()).map_err(|e| e.message)
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    config::duration::parse(text).ok_or_else(|| "a whole number and ms, s, m, h or d is expected, as in 12h".to_owned())
}

pub(super) fn run(args: &TokenArgs) -> Outcome {
    let config = config::resolve(&args.flags)?;
    super::logging::start(&config)?;
    let now_s = access::now().millis() / 1_000;
    let claims = Claims {
        sub: args.subject.clone(),
        exp: now_s.saturating_add(i64::try_from(args.ttl.as_secs()).unwrap_or(i64::MAX)),
        iat: Some(now_s),
        role: args.role,
        channels: args.channels.clone(),
        publish: args.publish.clone(),
    };
    out!("{}", Auth::from_config(&config)?.mint(&claims)?);
    Ok(Exit::Done)
}
