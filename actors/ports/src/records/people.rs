//! Who there is: users, their API keys, drivers and teams.

use slipstream_protocol::{Channel, Id, Timestamp, VehicleId, token::Role};

use super::{Listing, Page, RecordsFuture};

/// Someone who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: Id,
    /// What it logs in with: unique, in lower case.
    pub email: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The driver it is, for the role `driver`.
    pub driver: Option<VehicleId>,
    /// The password's argon2 hash in PHC form.
    pub password_hash: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// Users.
pub trait UserRecords: Send + Sync + 'static {
    /// Keeps a new user. The first user ever becomes admin, whatever its role says: someone has to
    /// let the others in. Answers the user as kept.
    ///
    /// Fails with [`super::RecordsError::Conflict`] where the email is taken.
    fn create_user(&self, user: User) -> RecordsFuture<'_, User>;

    /// Keeps a new user with the role it has. Fails as [`Self::create_user`] does.
    fn add_user(&self, user: User) -> RecordsFuture<'_, User>;

    /// Keeps a new user as admin, where there is no admin yet; `None`, and nothing is kept, where there is one. Fails as
    /// [`Self::create_user`] does.
    fn add_first_admin(&self, user: User) -> RecordsFuture<'_, Option<User>>;

    /// How many admins there are.
    fn admins(&self) -> RecordsFuture<'_, u64>;

    /// The user of an id.
    fn user<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, Option<User>>;

    /// The user of an email.
    fn user_by_email<'a>(&'a self, email: &'a str) -> RecordsFuture<'a, Option<User>>;

    /// Replaces name, role, driver and password of the user of this id, and deletes the API keys it made that go beyond its
    /// new role; whether that was done. It is not where there is no such user, or where it would leave no admin.
    fn change_user(&self, user: User) -> RecordsFuture<'_, bool>;

    /// Forgets a user and the API keys it made; whether that was done. It is not where there is no such user, or where it
    /// would leave no admin.
    fn remove_user<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, bool>;

    /// Users, oldest first.
    fn users(&self, page: Page) -> RecordsFuture<'_, Listing<User>>;
}

/// A key that stands for a token. Only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// What its bearer may do.
    pub role: Role,
    /// Channels its bearer may hear; `None`: all.
    pub channels: Option<Vec<Channel>>,
    /// Vehicle ids its bearer may publish for; `None`: what the role gives.
    pub publish: Option<Vec<String>>,
    /// SHA-256 of the key, in hexadecimal.
    pub hash: String,
    /// Who made it: the `sub` of a token.
    pub owner: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when; `None`: until it is deleted.
    pub expires_at: Option<Timestamp>,
}

/// API keys.
pub trait ApiKeyRecords: Send + Sync + 'static {
    /// Keeps a new key.
    fn create_api_key(&self, key: ApiKey) -> RecordsFuture<'_, ()>;

    /// The key of a hash.
    fn api_key_by_hash<'a>(&'a self, hash: &'a str) -> RecordsFuture<'a, Option<ApiKey>>;

    /// Keys, oldest first; only those of `owner` where given.
    fn api_keys<'a>(&'a self, owner: Option<&'a str>, page: Page) -> RecordsFuture<'a, Listing<ApiKey>>;

    /// Forgets a key, only `owner`'s where given; whether there was one.
    fn delete_api_key<'a>(&'a self, id: &'a Id, owner: Option<&'a str>) -> RecordsFuture<'a, bool>;
}

/// Someone, or something, whose telemetry is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Driver {
    /// Its id: the `driverId` of telemetry.
    pub id: VehicleId,
    /// What people call it.
    pub name: String,
    /// For whom it drives.
    pub team: Option<Id>,
    /// Since when.
    pub created_at: Timestamp,
}

/// A team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// Its id.
    pub id: Id,
    /// What people call it.
    pub name: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// Drivers and teams.
pub trait DriverRecords: Send + Sync + 'static {
    /// Keeps a driver, new or changed. A team not known yet is created.
    fn put_driver(&self, driver: Driver) -> RecordsFuture<'_, Driver>;

    /// A driver.
    fn driver<'a>(&'a self, id: &'a VehicleId) -> RecordsFuture<'a, Option<Driver>>;

    /// Drivers by id.
    fn drivers(&self, page: Page) -> RecordsFuture<'_, Listing<Driver>>;

    /// Keeps a team, new or changed.
    fn put_team(&self, team: Team) -> RecordsFuture<'_, Team>;

    /// Teams by id.
    fn teams(&self, page: Page) -> RecordsFuture<'_, Listing<Team>>;
}
