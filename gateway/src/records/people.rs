//! Users, API keys, drivers and teams.

use slipstream_ports::{ApiKey, ApiKeyRecords, Driver, DriverRecords, Listing, Page, RecordsError, RecordsFuture, Team, User, UserRecords};
use slipstream_protocol::{Id, Timestamp, VehicleId, token::Role};

use super::{
    SqlRecords,
    database::{Arg, args, id_of, name_conflict},
};

type UserRow = (String, String, String, String, Option<String>, String, i64);
type ApiKeyRow = (String, String, String, Option<String>, Option<String>, String, String, i64, Option<i64>);
type DriverRow = (String, String, Option<String>, i64);
type TeamRow = (String, String, i64);

/// A macro so that the statements stay `&'static str`, which is what keeps them free of injected text.
macro_rules! user_columns {
    () => {
        "id, email, name, role, driver_id, password_hash, created_at"
    };
}

macro_rules! key_columns {
    () => {
        "id, name, role, channels, publish, hash, owner, created_at, expires_at"
    };
}

pub(super) fn role_of(text: &str) -> Result<Role, RecordsError> {
    let role = Role::ALL.into_iter().find(|role| role.as_str() == text);
    role.ok_or_else(|| RecordsError::Refused(format!("'{text}' is not a role")))
}

fn user((id, email, name, role, driver, password_hash, created_at): UserRow) -> Result<User, RecordsError> {
    Ok(User {
        id: id_of(&id)?,
        email,
        name,
        role: role_of(&role)?,
        driver: driver.map(|id| id_of(&id)).transpose()?.map(VehicleId::from),
        password_hash,
        created_at: Timestamp::from_micros(created_at),
    })
}

fn api_key((id, name, role, channels, publish, hash, owner, created_at, expires_at): ApiKeyRow) -> Result<ApiKey, RecordsError> {
    let unreadable = |error: serde_json::Error| RecordsError::Refused(format!("the channels of the API key '{id}': {error}"));
    Ok(ApiKey {
        channels: channels.as_deref().map(serde_json::from_str).transpose().map_err(unreadable)?,
        id: id_of(&id)?,
        name,
        role: role_of(&role)?,
        publish: publish.map(|ids| ids.split_whitespace().map(ToOwned::to_owned).collect()),
        hash,
        owner,
        created_at: Timestamp::from_micros(created_at),
        expires_at: expires_at.map(Timestamp::from_micros),
    })
}

/// The values of a new user's row, with the role it gets.
fn user_fields(new: &User, role: Role) -> Vec<Arg> {
    args![&new.id, new.email.as_str(), new.name.as_str(), role.as_str(), new.driver.as_ref(), new.password_hash.as_str(), new.created_at]
}

fn driver((id, name, team, created_at): DriverRow) -> Result<Driver, RecordsError> {
    let team = team.map(|id| id_of(&id)).transpose()?;
    Ok(Driver { id: id_of(&id)?.into(), name, team, created_at: Timestamp::from_micros(created_at) })
}

fn team((id, name, created_at): TeamRow) -> Result<Team, RecordsError> {
    Ok(Team { id: id_of(&id)?, name, created_at: Timestamp::from_micros(created_at) })
}

impl UserRecords for SqlRecords {
    fn create_user(&self, new: User) -> RecordsFuture<'_, User> {
        Box::pin(async move {
            // `founder` is unique: of two first registrations at once, one inserts nothing here.
            let founder = self
                .database
                .optional::<UserRow>(
                    concat!(
                        "INSERT INTO users (id, email, name, role, driver_id, password_hash, created_at, founder) ",
                        "SELECT $1, $2, $3, $4, $5, $6, $7, 1 ",
                        "WHERE NOT EXISTS (SELECT 1 FROM users) ON CONFLICT DO NOTHING RETURNING ",
                        user_columns!()
                    ),
                    user_fields(&new, Role::Admin),
                )
                .await?;
            if let Some(row) = founder {
                return user(row);
            }
            self.add_user(new).await
        })
    }

    fn add_user(&self, new: User) -> RecordsFuture<'_, User> {
        Box::pin(async move {
            let sql = concat!(
                "INSERT INTO users (id, email, name, role, driver_id, password_hash, created_at) ",
                "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING ",
                user_columns!()
            );
            let row = self.database.one(sql, user_fields(&new, new.role)).await;
            user(row.map_err(|error| name_conflict(error, || format!("the user '{}'", new.email)))?)
        })
    }

    fn add_first_admin(&self, new: User) -> RecordsFuture<'_, Option<User>> {
        Box::pin(async move {
            let sql = concat!(
                "INSERT INTO users (id, email, name, role, driver_id, password_hash, created_at) ",
                "SELECT $1, $2, $3, $4, $5, $6, $7 WHERE NOT EXISTS (SELECT 1 FROM users WHERE role = 'admin') RETURNING ",
                user_columns!()
            );
            let row = self.database.optional::<UserRow>(sql, user_fields(&new, Role::Admin)).await;
            row.map_err(|error| name_conflict(error, || format!("the user '{}'", new.email)))?.map(user).transpose()
        })
    }

    fn admins(&self) -> RecordsFuture<'_, u64> {
        Box::pin(async move {
            let (count,) = self.database.one::<(i64,)>("SELECT COUNT(*) FROM users WHERE role = 'admin'", vec![]).await?;
            Ok(count.cast_unsigned())
        })
    }

    fn user<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, Option<User>> {
        Box::pin(async move {
            let sql = concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1");
            self.database.optional(sql, args![id]).await?.map(user).transpose()
        })
    }

    fn change_user(&self, new: User) -> RecordsFuture<'_, bool> {
        Box::pin(async move {
            let sql = "UPDATE users SET name = $2, role = $3, driver_id = $4, password_hash = $5 WHERE id = $1 AND ($3 = 'admin' \
                       OR role <> 'admin' OR (SELECT COUNT(*) FROM users WHERE role = 'admin') > 1)";
            let fields = args![&new.id, new.name, new.role.as_str(), new.driver.as_ref(), new.password_hash];
            if self.database.execute(sql, fields).await? == 0 {
                return Ok(false);
            }
            // What the new role could not make goes: an engineer makes no keys of admins, and others make none.
            let sql = "DELETE FROM api_keys WHERE owner = $1 AND $2 <> 'admin' AND ($2 <> 'engineer' OR role = 'admin')";
            self.database.execute(sql, args![&new.id, new.role.as_str()]).await?;
            Ok(true)
        })
    }

    fn remove_user<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, bool> {
        Box::pin(async move {
            let sql = "DELETE FROM users WHERE id = $1 \
                       AND (role <> 'admin' OR (SELECT COUNT(*) FROM users WHERE role = 'admin') > 1)";
            if self.database.execute(sql, args![id]).await? == 0 {
                return Ok(false);
            }
            self.database.execute("DELETE FROM api_keys WHERE owner = $1", args![id]).await?;
            Ok(true)
        })
    }

    fn user_by_email<'a>(&'a self, email: &'a str) -> RecordsFuture<'a, Option<User>> {
        Box::pin(async move {
            let sql = concat!("SELECT ", user_columns!(), " FROM users WHERE email = $1");
            self.database.optional(sql, args![email]).await?.map(user).transpose()
        })
    }

    fn users(&self, page: Page) -> RecordsFuture<'_, Listing<User>> {
        let sql = concat!("SELECT ", user_columns!(), " FROM users ORDER BY created_at, id LIMIT $1 OFFSET $2");
        Box::pin(self.database.page([sql, "SELECT COUNT(*) FROM users"], page, Vec::new, user))
    }
}

impl ApiKeyRecords for SqlRecords {
    fn create_api_key(&self, key: ApiKey) -> RecordsFuture<'_, ()> {
        Box::pin(async move {
            let sql = "INSERT INTO api_keys (id, name, role, channels, publish, hash, owner, created_at, expires_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
            let publish = key.publish.map(|ids| ids.join(" "));
            let channels = key.channels.map(|channels| serde_json::json!(channels).to_string());
            let expires_at = key.expires_at.map(Timestamp::micros);
            let fields = args![&key.id, key.name, key.role.as_str(), channels, publish, key.hash, key.owner, key.created_at, expires_at];
            let kept = self.database.execute(sql, fields).await;
            kept.map(|_| ()).map_err(|error| name_conflict(error, || format!("the API key '{}'", key.id)))
        })
    }

    fn api_key_by_hash<'a>(&'a self, hash: &'a str) -> RecordsFuture<'a, Option<ApiKey>> {
        Box::pin(async move {
            let sql = concat!("SELECT ", key_columns!(), " FROM api_keys WHERE hash = $1");
            self.database.optional(sql, args![hash]).await?.map(api_key).transpose()
        })
    }

    fn api_keys<'a>(&'a self, owner: Option<&'a str>, page: Page) -> RecordsFuture<'a, Listing<ApiKey>> {
        let sql = concat!(
            "SELECT ",
            key_columns!(),
            " FROM api_keys WHERE CAST($1 AS TEXT) IS NULL OR owner = $1 ORDER BY created_at, id LIMIT $2 OFFSET $3"
        );
        let total = "SELECT COUNT(*) FROM api_keys WHERE CAST($1 AS TEXT) IS NULL OR owner = $1";
        Box::pin(self.database.page([sql, total], page, move || args![owner.map(ToOwned::to_owned)], api_key))
    }

    fn delete_api_key<'a>(&'a self, id: &'a Id, owner: Option<&'a str>) -> RecordsFuture<'a, bool> {
        Box::pin(async move {
            let sql = "DELETE FROM api_keys WHERE id = $1 AND (CAST($2 AS TEXT) IS NULL OR owner = $2)";
            Ok(self.database.execute(sql, args![id, owner.map(ToOwned::to_owned)]).await? > 0)
        })
    }
}

impl DriverRecords for SqlRecords {
    fn put_driver(&self, new: Driver) -> RecordsFuture<'_, Driver> {
        Box::pin(async move {
            if let Some(team) = &new.team {
                self.ensure_team(team, new.created_at).await?;
            }
            let sql = "INSERT INTO drivers (id, name, team_id, created_at) VALUES ($1, $2, $3, $4) \
                       ON CONFLICT (id) DO UPDATE SET name = excluded.name, team_id = excluded.team_id \
                       RETURNING id, name, team_id, created_at";
            driver(self.database.one(sql, args![&new.id, new.name, new.team.as_ref(), new.created_at]).await?)
        })
    }

    fn driver<'a>(&'a self, id: &'a VehicleId) -> RecordsFuture<'a, Option<Driver>> {
        Box::pin(async move {
            let sql = "SELECT id, name, team_id, created_at FROM drivers WHERE id = $1";
            self.database.optional(sql, args![id]).await?.map(driver).transpose()
        })
    }

    fn drivers(&self, page: Page) -> RecordsFuture<'_, Listing<Driver>> {
        let sql = "SELECT id, name, team_id, created_at FROM drivers ORDER BY id LIMIT $1 OFFSET $2";
        Box::pin(self.database.page([sql, "SELECT COUNT(*) FROM drivers"], page, Vec::new, driver))
    }

    fn put_team(&self, new: Team) -> RecordsFuture<'_, Team> {
        Box::pin(async move {
            let sql = "INSERT INTO teams (id, name, created_at) VALUES ($1, $2, $3) \
                       ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name, created_at";
            team(self.database.one(sql, args![&new.id, new.name, new.created_at]).await?)
        })
    }

    fn teams(&self, page: Page) -> RecordsFuture<'_, Listing<Team>> {
        let sql = "SELECT id, name, created_at FROM teams ORDER BY id LIMIT $1 OFFSET $2";
        Box::pin(self.database.page([sql, "SELECT COUNT(*) FROM teams"], page, Vec::new, team))
    }
}

impl SqlRecords {
    async fn ensure_team(&self, id: &Id, now: Timestamp) -> Result<(), RecordsError> {
        let sql = "INSERT INTO teams (id, name, created_at) VALUES ($1, $1, $2) ON CONFLICT DO NOTHING";
        self.database.execute(sql, args![id, now]).await.map(|_| ())
    }

    /// Makes sure that a driver exists.
    pub(super) async fn ensure_driver(&self, id: &VehicleId, now: Timestamp) -> Result<(), RecordsError> {
        let sql = "INSERT INTO drivers (id, name, created_at) VALUES ($1, $1, $2) ON CONFLICT DO NOTHING";
        self.database.execute(sql, args![id, now]).await.map(|_| ())
    }
}
