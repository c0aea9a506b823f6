//! `slipstream token`

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;
use slipstream_protocol::{
    Channel, VehicleId,
    token::{Claims, Role},
};

use super::{
    Outcome,
    access::{self, Access},
    exit::{Exit, Usage},
    print::out,
    rest::Rest,
};
use crate::{
    auth::Auth,
    config::{self, Config, Flags},
    data_folder,
};

const EXAMPLES: &str = "\
Examples:
  slipstream token --role engineer --ttl 12h
  slipstream token --role driver --subject ALB
  slipstream token --role relay --subject garage-3 --publish ALB,HAM --ttl 30d
  slipstream token --role viewer --channels 'telemetry:*,session:q1'
  slipstream token --role viewer --data-dir /var/lib/slipstream
  slipstream token revoke --subject garage-3

Roles: admin may do everything; engineer hears everything, publishes for all and manages pipelines,
replays and records; driver hears everything and publishes for its own id (the subject); viewer only
hears; relay publishes for the ids it names, or for all where it names none. An engineer narrowed by
--channels or --publish hears and publishes within them and manages nothing.

The token is signed with JWT_SECRET, or with the secret kept under DATA_DIR. It is the server's that
counts: run this on its machine, with its settings.";

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub(super) struct TokenArgs {
    #[command(subcommand)]
    command: Option<TokenCommand>,

    /// Who the bearer is; a driver needs one: the id it drives as [default: cli]
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,

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
    #[arg(long, value_name = "DURATION", default_value = "12h", value_parser = lifetime)]
    ttl: Duration,

    /// Make the secret where there is none yet, for a server that has not started
    #[arg(long)]
    new: bool,

    #[command(flatten, next_help_heading = "Settings")]
    flags: Flags,
}

#[derive(Subcommand, Clone, Debug)]
enum TokenCommand {
    /// Take a token, or all tokens of a subject, back; their connections are closed
    Revoke(RevokeArgs),
}

#[derive(Args, Clone, Debug)]
struct RevokeArgs {
    /// The token
    #[arg(value_name = "JWT", required_unless_present_any = ["jti", "subject"], conflicts_with_all = ["jti", "subject"])]
    revoked: Option<String>,

    /// Its id: the claim jti of the token
    #[arg(long, value_name = "ID", conflicts_with = "subject")]
    jti: Option<String>,

    /// All tokens of this subject that were issued until now
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,

    #[command(flatten, next_help_heading = "Server")]
    access: Access,
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

/// How long a token or a code may live: longer is a slip, or nobody's plan.
const MAX_LIFE: Duration = Duration::from_secs(100 * 366 * 86_400);

/// How long a token or a code lives.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it would have ended already: a length above 0 is expected, as in 12h".to_owned()),
        life if life > MAX_LIFE => Err("at most 100 years are taken, as in 36500d".to_owned()),
        life => Ok(life),
    }
}

pub(super) fn run(args: &TokenArgs) -> Outcome {
    if let Some(TokenCommand::Revoke(args)) = &args.command {
        return revoke(args);
    }
    let config = config::resolve(&args.flags)?;
    super::logging::start(&config)?;
    if let Some(why) = contradiction(args) {
        return Err(Usage(why.to_owned()).into());
    }
    data_folder::check(&config.data_dir)?;
    let auth = secret(&config, args.new)?;
    let now = access::now();
    let claims = Claims {
        sub: args.subject.clone().unwrap_or_else(|| "cli".to_owned()),
        exp: (now.millis() / 1_000).saturating_add(i64::try_from(args.ttl.as_secs()).unwrap_or(i64::MAX)),
        iat: None,
        role: args.role,
        channels: args.channels.clone(),
        publish: args.publish.clone(),
    };
    out!("{}", auth.issue(&claims, now)?);
    Ok(Exit::Done)
}

/// What of the arguments would be ignored, or make a token of no use.
fn contradiction(args: &TokenArgs) -> Option<&'static str> {
    match args.role {
        Role::Driver if args.subject.is_none() => Some("a driver's token needs --subject: the vehicle id it publishes for"),
        Role::Admin if args.channels.is_some() || args.publish.is_some() => {
            Some("an admin may do everything: --channels and --publish narrow engineer, driver, viewer and relay")
        }
        Role::Viewer if args.publish.is_some() => Some("a viewer publishes nothing: --publish goes with driver, relay and engineer"),
        _ => None,
    }
}

/// The secret that signs; one is made only where `make` says so.
fn secret(config: &Config, make: bool) -> anyhow::Result<Auth> {
    if make {
        data_folder::check_writable(&config.data_dir)?;
        return Ok(Auth::from_config(config)?);
    }
    Auth::existing(config)?.ok_or_else(|| {
        let folder = std::path::absolute(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
        let folder = folder.display();
        let why = format!(
            "there is no secret in {folder} (jwt.secret): is this the DATA_DIR of the server? Name it with --data-dir, or set JWT_SECRET \
             as the server has it; --new makes a secret here, for a server that has not started yet"
        );
        Usage(why).into()
    })
}

fn revoke(args: &RevokeArgs) -> Outcome {
    let rest = Rest::new(&args.access, Role::Admin)?;
    let body = match (&args.revoked, &args.jti, &args.subject) {
        (Some(token), ..) => json!({ "token": token }),
        (_, Some(id), _) => json!({ "jti": id }),
        (.., subject) => json!({ "subject": subject }),
    };
    let answer = super::runtime()?.block_on(rest.call("POST", "/api/tokens/revoke", Some(body)))?;
    out!("revoked; {} connections closed", answer["connectionsClosed"]);
    Ok(Exit::Done)
}
