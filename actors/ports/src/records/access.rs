//! How people are let in, and how tokens are taken back: invitations and revocations.

use slipstream_protocol::{Id, Timestamp, VehicleId, token::Role};

use super::{Listing, Page, RecordsFuture};

/// A one-time code that lets one person register. Only its hash is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Its id.
    pub id: Id,
    /// SHA-256 of the code, in hexadecimal.
    pub hash: String,
    /// What the person will be.
    pub role: Role,
    /// The driver the person is, for the role `driver`.
    pub driver: Option<VehicleId>,
    /// Who made it: the `sub` of a token.
    pub created_by: String,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Invitations.
pub trait InviteRecords: Send + Sync + 'static {
    /// Keeps a new one, and forgets those that have expired by its `created_at`.
    fn create_invite(&self, invite: Invite) -> RecordsFuture<'_, ()>;

    /// Takes the one of a hash out, so that it serves once; `None` where there is none that lives at `now`.
    fn take_invite<'a>(&'a self, hash: &'a str, now: Timestamp) -> RecordsFuture<'a, Option<Invite>>;

    /// Those that were not used, oldest first.
    fn invites(&self, page: Page) -> RecordsFuture<'_, Listing<Invite>>;

    /// Forgets one; whether there was one.
    fn delete_invite<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, bool>;
}

/// What a revocation takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RevocationKind {
    /// The one token whose id (`jti`) this is.
    Token,
    /// Every token of a subject that was issued until then.
    Subject,
}

impl RevocationKind {
    /// The word in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Subject => "subject",
        }
    }
}

/// A token, or every token of a subject, taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// What is taken back.
    pub kind: RevocationKind,
    /// The token's id, or the subject.
    pub value: String,
    /// When.
    pub at: Timestamp,
    /// When the last token it takes back has ended by itself; `None`: not known, so it is remembered for good.
    pub until: Option<Timestamp>,
    /// Who did it: the `sub` of a token.
    pub by: String,
}

/// Revocations.
pub trait RevocationRecords: Send + Sync + 'static {
    /// Keeps one; a later one of the same value replaces an earlier one.
    fn revoke(&self, revocation: Revocation) -> RecordsFuture<'_, ()>;

    /// Those made at or after `since` that are in force at `now`.
    fn revocations(&self, since: Timestamp, now: Timestamp) -> RecordsFuture<'_, Vec<Revocation>>;
}
