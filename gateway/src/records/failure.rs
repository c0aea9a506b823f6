//! What a database's error means: a state that passes, or something that waiting does not mend.
//!
//! The difference decides at the start: what passes leaves the server up and trying, what does not ends it with a message.

use slipstream_ports::RecordsError;
use sqlx::error::DatabaseError;

use crate::trust;

/// What a database's error means here.
pub(super) fn told(error: &sqlx::Error) -> RecordsError {
    match error {
        sqlx::Error::Database(refusal) => refused(&**refusal),
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::Encode(_) => RecordsError::Refused(error.to_string()),
        sqlx::Error::Configuration(why) => RecordsError::Refused(format!("the address cannot be used: {why}")),
        sqlx::Error::Tls(why) => RecordsError::Refused(format!("{why}{}", tls_cure(&why.to_string()))),
        sqlx::Error::Io(io) => match trust::failure(io) {
            Some(why) => RecordsError::Refused(format!("TLS fails: {why}{}", tls_cure(&why))),
            None => RecordsError::Unavailable(error.to_string()),
        },
        _ => RecordsError::Unavailable(error.to_string()),
    }
}

/// As [`told`], of a first connection: what answers in another protocol is no database of ours, and will not become one.
pub(super) fn told_of_connecting(error: &sqlx::Error) -> RecordsError {
    match error {
        sqlx::Error::Protocol(why) => RecordsError::Refused(format!("what answers there does not speak PostgreSQL's protocol: {why}")),
        _ => told(error),
    }
}

/// What to do about a failure of TLS, besides what holds of every connection.
fn tls_cure(why: &str) -> &'static str {
    if why.contains("does not support TLS") {
        "; the server offers no TLS: switch it on there, or give sslmode=prefer or sslmode=disable"
    } else if why.contains("UnknownIssuer") || why.contains("BadSignature") {
        ", or with sslrootcert=<file.pem> in DATABASE_URL"
    } else if why.contains("not valid for name") {
        ", or sslmode=verify-ca"
    } else {
        ""
    }
}

fn refused(refusal: &dyn DatabaseError) -> RecordsError {
    if refusal.is_unique_violation() {
        return RecordsError::Conflict("such a record".to_owned());
    }
    if refusal.is_foreign_key_violation() {
        return RecordsError::NotFound("what the record refers to".to_owned());
    }
    let code = refusal.code().unwrap_or_default();
    let text = refusal.message();
    let hint = hint(&code, text);
    let told = if code.len() == 5 { format!("{text} (SQLSTATE {code}){hint}") } else { format!("{refusal}{hint}") };
    if passes(&code, text) { RecordsError::Unavailable(told) } else { RecordsError::Refused(told) }
}

/// Whether an error tells of a state that passes.
fn passes(code: &str, text: &str) -> bool {
    // SQLite: the low byte of the extended result code; BUSY, LOCKED, IOERR, FULL, CANTOPEN.
    if let Some(code) = (code.len() < 5).then(|| code.parse::<u32>().ok()).flatten() {
        return matches!(code & 0xff, 5 | 6 | 10 | 13 | 14);
    }
    // A protocol violation. PgBouncer gives this code to whatever it says by itself, outages of the server behind it included.
    if code == "08P01" {
        return !POOLER_REFUSES.iter().any(|words| text.contains(words));
    }
    // PostgreSQL classes: connection, resources, operator intervention, serialisation and deadlock.
    ["08", "53", "57", "40"].iter().any(|class| code.starts_with(class))
}

/// Words of violations of the protocol that no waiting mends: the server's own, and `PgBouncer`'s of its configuration.
const POOLER_REFUSES: [&str; 13] = [
    "bouncer config error",
    "bind message",
    "prepared statement",
    "unsupported startup parameter",
    "unsupported pkt type",
    "invalid message format",
    "no such database",
    "no such user",
    "password authentication failed",
    "auth failed",
    "SASL authentication failed",
    "TLS required",
    "not allowed",
];

/// What to do, where the error does not say it.
fn hint(code: &str, text: &str) -> &'static str {
    match code {
        "42P05" | "26000" => {
            "; a statement met one of another connection: a pooler in between mixes connections within a transaction; let it pool \
             by transaction or by session"
        }
        "08P01" if text.contains("statement pooling") || text.contains("not allowed") => {
            "; records need a pooler that pools by transaction or by session"
        }
        "08P01" if text.contains("startup parameter") => "; let the pooler ignore that parameter (ignore_startup_parameters)",
        "28000" if text.contains("no encryption") || text.contains("SSL off") => "; the server may demand TLS: give sslmode=require",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_states_that_pass_invite_a_retry() {
        for busy in ["5", "261", "13", "08006", "53300", "57P01", "40001"] {
            assert!(passes(busy, ""), "{busy}");
        }
        for broken in ["1", "275", "2067", "42P01", "23514", "22021", "42P05", "26000", "28P01", "3D000"] {
            assert!(!passes(broken, ""), "{broken}");
        }
    }

    #[test]
    fn a_poolers_one_code_is_told_apart_by_its_words() {
        for outage in ["pgbouncer cannot connect to server", "query_wait_timeout", "server conn crashed?", "server login has been failing"]
        {
            assert!(passes("08P01", outage), "{outage}");
        }
        for refusal in [
            "unsupported startup parameter: extra_float_digits",
            "no such database: nowhere",
            "bind message supplies 2 parameters, but prepared statement \"\" requires 1",
            "transaction blocks not allowed in statement pooling mode",
        ] {
            assert!(!passes("08P01", refusal), "{refusal}");
        }
    }

    #[test]
    fn a_failure_of_tls_is_no_outage_and_names_its_cure() {
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let error = sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::InvalidData, unknown));
        let RecordsError::Refused(why) = told(&error) else { panic!("an outage") };
        assert!(why.contains("sslrootcert") && why.contains("SSL_CERT_FILE"), "{why}");
        let RecordsError::Refused(why) = told(&sqlx::Error::Tls("server does not support TLS".into())) else { panic!("an outage") };
        assert!(why.contains("sslmode="), "{why}");
        let away = sqlx::Error::Io(std::io::ErrorKind::ConnectionRefused.into());
        assert!(told(&away).is_retryable());
    }
}
