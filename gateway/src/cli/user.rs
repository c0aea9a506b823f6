//! `slipstream user`: users and invitations, in the database itself, whether the server runs or not, or with `--url` over the REST
//! door of a server elsewhere.

use std::{io::Read as _, path::PathBuf, sync::Arc, time::Duration};

use clap::{Args, Subcommand};
use slipstream_ports::{ApiKey, Invite, Page, Records, User};
use slipstream_protocol::{VehicleId, token::Role};

use super::{
    Outcome,
    access::{self, Access},
    exit::{Exit, Usage},
    print::{err, out},
    rest::Rest,
    token::{lifetime, role},
    user_rest::RemoteUsers,
};
use crate::{
    app,
    auth::{api_key::hash, email, one_time, password, withdrawal},
    config::{self, Config, Flags, Secret},
    data_folder,
    media::new_id,
    records,
};

const EXAMPLES: &str = "\
Examples:
  slipstream user add ann@example.org --role admin          prints a password
  echo 'correct horse battery' | slipstream user password ann@example.org --password-stdin
  slipstream user role bert@example.org engineer
  slipstream user invite --role viewer --ttl 2d             prints a one-time code
  slipstream user list
  slipstream user remove bert@example.org

  slipstream user list --url https://pitwall.example.org --token \"$TOKEN\"

Works on DATABASE_URL, or on slipstream.db under DATA_DIR: run it on the server's machine, with its
settings. A running server takes it up at once; tokens of changed and removed users are revoked
within seconds. With --url it asks a running server, as the admin whose token it is given.";

/// Users read at a time.
const PAGE: u32 = 100;

#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct UserArgs {
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand, Clone, Debug)]
enum UserCommand {
    /// Add a user
    Add(AddArgs),
    /// List users
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Give a user a new password
    Password {
        /// Whose
        #[arg(value_name = "EMAIL", value_parser = email)]
        user: String,
        #[command(flatten)]
        password: NewPassword,
        #[command(flatten)]
        place: Place,
    },
    /// Give a user another role
    Role {
        /// Whose
        #[arg(value_name = "EMAIL", value_parser = email)]
        user: String,
        /// admin, engineer, driver, viewer or relay
        #[arg(value_name = "ROLE", value_parser = role)]
        role: Role,
        /// The id a driver drives as
        #[arg(long, value_name = "ID")]
        driver: Option<VehicleId>,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a user, its tokens and the API keys it made
    Remove {
        /// Whom
        #[arg(value_name = "EMAIL", value_parser = email)]
        user: String,
        #[command(flatten)]
        place: Place,
    },
    /// Make a one-time code by which someone registers
    Invite {
        /// What the user will be
        #[arg(long, value_name = "ROLE", default_value = "viewer", value_parser = role)]
        role: Role,
        /// The id a driver drives as
        #[arg(long, value_name = "ID")]
        driver: Option<VehicleId>,
        /// How long it works: 12h, 7d
        #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = lifetime)]
        ttl: Duration,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Args, Clone, Debug)]
struct AddArgs {
    /// What the user logs in with
    #[arg(value_name = "EMAIL", value_parser = email)]
    user: String,

    /// What the user may do: admin, engineer, driver, viewer or relay
    #[arg(long, value_name = "ROLE", default_value = "viewer", value_parser = role)]
    role: Role,

    /// What people call the user [default: the email up to its @]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The id a driver drives as
    #[arg(long, value_name = "ID")]
    driver: Option<VehicleId>,

    /// Make the database where there is none yet, for a server that has not started
    #[arg(long)]
    new: bool,

    #[command(flatten)]
    password: NewPassword,

    #[command(flatten)]
    place: Place,
}

#[derive(Args, Clone, Debug)]
struct NewPassword {
    /// Read the password from standard input; one is made and printed otherwise
    #[arg(long)]
    password_stdin: bool,
}

/// Where the server keeps its users.
#[derive(Args, Clone, Debug)]
#[expect(clippy::doc_markdown, reason = "shown as it is by --help")]
struct Place {
    /// TOML file with settings [default: slipstream.toml where there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where the server keeps its data [env: DATA_DIR] [default: ./data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,

    /// PostgreSQL or SQLite for records [env: DATABASE_URL] [default: SQLite under the data directory]
    #[arg(long, value_name = "URL", conflicts_with = "url")]
    database_url: Option<String>,

    /// Ask the running server at this address instead of its database
    #[arg(long, value_name = "URL")]
    url: Option<String>,

    /// An admin's token for it; where absent and the server's secret is readable here, one is minted
    #[arg(long, value_name = "JWT", env = "SLIPSTREAM_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

impl Place {
    /// The server asked, where one is named.
    fn remote(&self) -> anyhow::Result<Option<RemoteUsers>> {
        let Some(url) = self.url.clone() else { return Ok(None) };
        let access = Access::at(url, self.token.clone(), self.config.clone(), self.data_dir.clone());
        Ok(Some(RemoteUsers(Rest::new(&access, Role::Admin)?)))
    }

    /// The database there; made only where `make` says so.
    async fn open(&self, make: bool) -> anyhow::Result<Arc<dyn Records>> {
        let (data_dir, database_url) = (self.data_dir.clone(), self.database_url.clone());
        let flags = Flags { config: self.config.clone(), data_dir, database_url, ..Flags::default() };
        let config = config::resolve(&flags)?;
        super::logging::start(&config)?;
        data_folder::check(&config.data_dir)?;
        if let Some(missing) = missing_file(&config).filter(|_| !make) {
            let why = format!(
                "there is no database at {}: is this the DATA_DIR of the server? Name it with --data-dir, or DATABASE_URL as the \
                 server has it; `slipstream user add --new` makes one here, for a server that has not started yet",
                missing.display()
            );
            return Err(Usage(why).into());
        }
        data_folder::check_writable(&config.data_dir)?;
        app::make_private(&config.data_dir)?;
        data_folder::take_over(&config.data_dir)?;
        Ok(records::open(config.database_url.as_ref().map(Secret::expose), &config.data_dir).await?)
    }
}

/// The SQLite file, where that is what is configured and it is not there.
fn missing_file(config: &Config) -> Option<PathBuf> {
    let file = match config.database_url.as_ref().map(Secret::expose) {
        None => config.data_dir.join("slipstream.db"),
        Some(url) => PathBuf::from(url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path))?),
    };
    (!file.exists()).then(|| std::path::absolute(&file).unwrap_or(file))
}

impl NewPassword {
    /// The password, and whether it was made here.
    fn read(&self) -> anyhow::Result<(String, bool)> {
        if !self.password_stdin {
            return Ok((one_time::password(), true));
        }
        let mut text = String::new();
        std::io::stdin().take(2 * password::MAX_BYTES as u64).read_to_string(&mut text)?;
        let given = text.strip_suffix('\n').unwrap_or(&text);
        let given = given.strip_suffix('\r').unwrap_or(given);
        password::check(given).map_err(|why| Usage(format!("the password on standard input: {why}")))?;
        Ok((given.to_owned(), false))
    }
}

pub(super) fn run(args: &UserArgs) -> Outcome {
    super::runtime()?.block_on(async {
        match &args.command {
            UserCommand::Add(args) => add(args).await,
            UserCommand::List { place } => match place.remote()? {
                Some(users) => users.list().await,
                None => list(&*place.open(false).await?).await,
            },
            UserCommand::Password { user, password, place } => {
                let (text, made) = password.read()?;
                if let Some(users) = place.remote()? {
                    users.change(user, [("password".to_owned(), text.clone().into())].into_iter().collect()).await?;
                } else {
                    let hash = hashed(text.clone()).await?;
                    let records = place.open(false).await?;
                    change(&*records, user, |user| user.password_hash.clone_from(&hash)).await?;
                }
                out!("{user} has a new password{}", if made { format!(": {text}") } else { String::new() });
                Ok(Exit::Done)
            }
            UserCommand::Role { user, role, driver, place } => {
                if let Some(users) = place.remote()? {
                    let driver = driver.iter().map(|driver| ("driverId".to_owned(), driver.as_str().into()));
                    users.change(user, driver.chain([("role".to_owned(), role.as_str().into())]).collect()).await?;
                } else {
                    let records = place.open(false).await?;
                    let changed = change(&*records, user, |user| {
                        user.role = *role;
                        user.driver = driver.clone().or(user.driver.take());
                    });
                    changed.await?;
                }
                out!("{user} is {} now", role.as_str());
                Ok(Exit::Done)
            }
            UserCommand::Remove { user, place } => match place.remote()? {
                Some(users) => users.remove(user).await,
                None => remove(&*place.open(false).await?, user).await,
            },
            UserCommand::Invite { role, driver, ttl, place } => {
                driver_of(*role, driver.as_ref())?;
                match place.remote()? {
                    Some(users) => users.invite(*role, driver.as_ref(), *ttl).await,
                    None => invite(&*place.open(false).await?, *role, driver.clone(), *ttl).await,
                }
            }
        }
    })
}

async fn hashed(password: String) -> anyhow::Result<String> {
    password::hash(password).await.map_err(|error| anyhow::anyhow!(error.message))
}

fn driver_of(role: Role, driver: Option<&VehicleId>) -> anyhow::Result<()> {
    if role == Role::Driver && driver.is_none() {
        return Err(Usage("a user of role driver needs --driver: the id it drives as".to_owned()).into());
    }
    Ok(())
}

async fn add(args: &AddArgs) -> Outcome {
    driver_of(args.role, args.driver.as_ref())?;
    let (text, made) = args.password.read()?;
    let name = args.name.clone().unwrap_or_else(|| args.user.split('@').next().unwrap_or_default().to_owned());
    if let Some(users) = args.place.remote()? {
        users.add(&args.user, &name, args.role, args.driver.as_ref(), &text).await?;
    } else {
        let records = args.place.open(args.new).await?;
        let user = User {
            id: new_id(),
            email: args.user.clone(),
            name,
            role: args.role,
            driver: args.driver.clone(),
            password_hash: hashed(text.clone()).await?,
            created_at: access::now(),
        };
        records.add_user(user).await?;
        records.close().await;
    }
    out!("{} is {} now{}", args.user, args.role.as_str(), if made { format!("; password: {text}") } else { String::new() });
    Ok(Exit::Done)
}

/// A line of a list of users.
pub(super) fn print_user(role: &str, email: &str, name: &str, since: &str, driver: Option<&str>) {
    let driver = driver.map(|driver| format!("  drives as {driver}")).unwrap_or_default();
    out!("{role:<8}  {email}  {name}  since {since}{driver}");
}

async fn list(records: &dyn Records) -> Outcome {
    for number in 1.. {
        let page = records.users(Page { number, size: PAGE }).await?;
        for user in &page.entries {
            let driver = user.driver.as_ref().map(VehicleId::as_str);
            print_user(user.role.as_str(), &user.email, &user.name, &user.created_at.to_string(), driver);
        }
        if page.entries.len() < PAGE as usize {
            break;
        }
    }
    records.close().await;
    Ok(Exit::Done)
}

async fn find(records: &dyn Records, email: &str) -> anyhow::Result<User> {
    let found = records.user_by_email(email).await?;
    found.ok_or_else(|| Usage(format!("there is no user '{email}'; `slipstream user list` lists them")).into())
}

async fn change(records: &dyn Records, email: &str, change: impl FnOnce(&mut User)) -> anyhow::Result<()> {
    let mut user = find(records, email).await?;
    change(&mut user);
    driver_of(user.role, user.driver.as_ref())?;
    let keys = withdrawal::keys_of(records, user.id.as_str()).await?;
    if !records.change_user(user.clone()).await? {
        return Err(last_admin(email));
    }
    withdraw(records, &user, &keys).await?;
    records.close().await;
    Ok(())
}

async fn remove(records: &dyn Records, email: &str) -> Outcome {
    let user = find(records, email).await?;
    let keys = withdrawal::keys_of(records, user.id.as_str()).await?;
    if !records.remove_user(&user.id).await? {
        return Err(last_admin(email));
    }
    withdraw(records, &user, &keys).await?;
    out!("{email} is removed");
    records.close().await;
    Ok(Exit::Done)
}

fn last_admin(email: &str) -> anyhow::Error {
    Usage(format!("'{email}' is the last admin: make another one first (slipstream user add --role admin)")).into()
}

/// Revokes what the user held. A running server reads that within seconds.
async fn withdraw(records: &dyn Records, user: &User, keys: &[ApiKey]) -> anyhow::Result<()> {
    for revocation in withdrawal::after_change(records, &user.id, keys, "cli", access::now()).await? {
        records.revoke(revocation).await?;
    }
    Ok(())
}

async fn invite(records: &dyn Records, role: Role, driver: Option<VehicleId>, ttl: Duration) -> Outcome {
    let (code, now) = (one_time::make(one_time::INVITE), access::now());
    let expires_at = now.plus(ttl);
    let (id, hash) = (new_id(), hash(&code));
    records.create_invite(Invite { id, hash, role, driver, created_by: "cli".to_owned(), created_at: now, expires_at }).await?;
    out!("{code}");
    err!("works once until {expires_at}, at <the server's address>/setup#<code>, where auth.registration is invite or open");
    records.close().await;
    Ok(Exit::Done)
}
