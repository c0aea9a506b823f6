//! Invitations and revocations.

use slipstream_ports::{Invite, InviteRecords, Listing, Page, RecordsError, RecordsFuture, Revocation, RevocationKind, RevocationRecords};
use slipstream_protocol::{Id, Timestamp, VehicleId};

use super::{
    SqlRecords,
    database::{args, id_of, name_conflict},
    people::role_of,
};

type InviteRow = (String, String, String, Option<String>, String, i64, i64);
type RevocationRow = (String, String, i64, Option<i64>, String);

/// A macro so that the statements stay `&'static str`, which is what keeps them free of injected text.
macro_rules! invite_columns {
    () => {
        "id, hash, role, driver_id, created_by, created_at, expires_at"
    };
}

fn invite((id, hash, role, driver, created_by, created_at, expires_at): InviteRow) -> Result<Invite, RecordsError> {
    Ok(Invite {
        id: id_of(&id)?,
        hash,
        role: role_of(&role)?,
        driver: driver.map(|id| id_of(&id)).transpose()?.map(VehicleId::from),
        created_by,
        created_at: Timestamp::from_micros(created_at),
        expires_at: Timestamp::from_micros(expires_at),
    })
}

fn revocation((kind, value, at, until, by): RevocationRow) -> Result<Revocation, RecordsError> {
    let known = [RevocationKind::Token, RevocationKind::Subject].into_iter().find(|known| known.as_str() == kind);
    Ok(Revocation {
        kind: known.ok_or_else(|| RecordsError::Refused(format!("'{kind}' is no kind of revocation")))?,
        value,
        at: Timestamp::from_micros(at),
        until: until.map(Timestamp::from_micros),
        by,
    })
}

impl InviteRecords for SqlRecords {
    fn create_invite(&self, new: Invite) -> RecordsFuture<'_, ()> {
        Box::pin(async move {
            self.database.execute("DELETE FROM invites WHERE expires_at <= $1", args![new.created_at]).await?;
            let sql = "INSERT INTO invites (id, hash, role, driver_id, created_by, created_at, expires_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let (role, driver) = (new.role.as_str(), new.driver.as_ref());
            let fields = args![&new.id, new.hash, role, driver, new.created_by, new.created_at, new.expires_at];
            let kept = self.database.execute(sql, fields).await;
            kept.map(|_| ()).map_err(|error| name_conflict(error, || format!("the invitation '{}'", new.id)))
        })
    }

    fn take_invite<'a>(&'a self, hash: &'a str, now: Timestamp) -> RecordsFuture<'a, Option<Invite>> {
        Box::pin(async move {
            let sql = concat!("DELETE FROM invites WHERE hash = $1 AND expires_at > $2 RETURNING ", invite_columns!());
            self.database.optional(sql, args![hash, now]).await?.map(invite).transpose()
        })
    }

    fn invites(&self, page: Page) -> RecordsFuture<'_, Listing<Invite>> {
        let sql = concat!("SELECT ", invite_columns!(), " FROM invites ORDER BY created_at, id LIMIT $1 OFFSET $2");
        Box::pin(self.database.page([sql, "SELECT COUNT(*) FROM invites"], page, Vec::new, invite))
    }

    fn delete_invite<'a>(&'a self, id: &'a Id) -> RecordsFuture<'a, bool> {
        Box::pin(async move { Ok(self.database.execute("DELETE FROM invites WHERE id = $1", args![id]).await? > 0) })
    }
}

impl RevocationRecords for SqlRecords {
    fn revoke(&self, new: Revocation) -> RecordsFuture<'_, ()> {
        Box::pin(async move {
            self.database.execute("DELETE FROM revocations WHERE until <= $1", args![new.at]).await?;
            let sql = "INSERT INTO revocations (kind, value, revoked_at, until, revoked_by) VALUES ($1, $2, $3, $4, $5) \
                       ON CONFLICT (kind, value) DO UPDATE SET revoked_at = excluded.revoked_at, until = excluded.until, \
                       revoked_by = excluded.revoked_by";
            let until = new.until.map(Timestamp::micros);
            self.database.execute(sql, args![new.kind.as_str(), new.value, new.at, until, new.by]).await.map(|_| ())
        })
    }

    fn revocations(&self, since: Timestamp, now: Timestamp) -> RecordsFuture<'_, Vec<Revocation>> {
        Box::pin(async move {
            let sql = "SELECT kind, value, revoked_at, until, revoked_by FROM revocations \
                       WHERE revoked_at >= $1 AND (until IS NULL OR until > $2) ORDER BY revoked_at";
            self.database.all(sql, args![since, now]).await?.into_iter().map(revocation).collect()
        })
    }
}
