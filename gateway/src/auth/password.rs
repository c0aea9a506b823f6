//! Passwords: hashed with argon2id on a blocking thread, a few at a time.

use argon2::{
    Argon2, PasswordHash, PasswordHasher, PasswordVerifier,
    password_hash::{SaltString, rand_core::OsRng},
};
use slipstream_protocol::{ErrorCode, ProtocolError};
use tokio::sync::Semaphore;

/// Shortest password, characters.
pub const MIN_CHARS: usize = 8;

/// Longest password, bytes.
pub const MAX_BYTES: usize = 1_024;

/// Each takes 19 MiB for tens of milliseconds: more at once would only wait for each other.
static HASHING: Semaphore = Semaphore::const_new(2);

/// A hash no password has, checked where there is no user, so that time does not tell who exists.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2xpcHN0cmVhbS1ub2JvZHk$5m3CkE0yNpcC1pWyJZ4PLJ2AXGb0GJ3xIJkNq5m0F1I";

/// Whether a password is as long as one must and may be; the error says what is expected.
pub fn check(password: &str) -> Result<(), String> {
    if password.chars().count() < MIN_CHARS || password.len() > MAX_BYTES {
        return Err(format!("{MIN_CHARS} characters to {MAX_BYTES} bytes are expected"));
    }
    Ok(())
}

/// Hashes a password, in PHC form.
pub async fn hash(password: String) -> Result<String, ProtocolError> {
    blocking(move || {
        let salt = SaltString::generate(&mut OsRng);
        Argon2::default().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string())
    })
    .await?
    .map_err(|error| ProtocolError::new(ErrorCode::Internal, format!("the password could not be hashed: {error}")))
}

/// Whether `password` is the one of `hash`; never where there is no hash, and that takes as long.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, ProtocolError> {
    blocking(move || {
        let expected = hash.as_deref().unwrap_or(NOBODY);
        let matches =
            PasswordHash::new(expected).is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
        matches && hash.is_some()
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ProtocolError> {
    let internal = |why: &str| ProtocolError::new(ErrorCode::Internal, why);
    let _turn = HASHING.acquire().await.map_err(|_| internal("passwords are not hashed any more"))?;
    tokio::task::spawn_blocking(work).await.map_err(|_| internal("hashing a password stopped"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_an_existing_user_passes() {
        let kept = hash("correct horse".to_owned()).await.unwrap();
        assert!(kept.starts_with("$argon2id$") && !kept.contains("horse"));
        assert!(verify("correct horse".to_owned(), Some(kept.clone())).await.unwrap());
        assert!(!verify("wrong horse".to_owned(), Some(kept.clone())).await.unwrap());
        assert!(!verify("correct horse".to_owned(), None).await.unwrap());
        assert!(!verify("correct horse".to_owned(), Some("not a hash".to_owned())).await.unwrap());
        assert_ne!(kept, hash("correct horse".to_owned()).await.unwrap(), "salted");
    }

    #[test]
    fn the_hash_of_nobody_is_one_that_takes_the_usual_time() {
        let parsed = PasswordHash::new(NOBODY).unwrap();
        let usual = argon2::Params::default();
        let params = argon2::Params::try_from(&parsed).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (usual.m_cost(), usual.t_cost(), usual.p_cost()));
    }
}
