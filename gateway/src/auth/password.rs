//! Passwords: hashed with argon2id on a blocking thread, a few at a time.

use argon2::{
    ARGON2ID_IDENT, Argon2, Block, Params, PasswordHash,
    password_hash::{self, Output, ParamsString, Salt, SaltString, rand_core::OsRng},
};
use parking_lot::Mutex;
use slipstream_protocol::{ErrorCode, ProtocolError};
use tokio::sync::Semaphore;

/// Shortest password, characters.
pub const MIN_CHARS: usize = 8;

/// Longest password, bytes.
pub const MAX_BYTES: usize = 1_024;

/// Each takes 19 MiB for tens of milliseconds: more at once would only wait for each other.
const AT_ONCE: usize = 2;
static HASHING: Semaphore = Semaphore::const_new(AT_ONCE);

/// The memory of hashes that are done, for the next ones: an allocator that is asked for 19 MiB again and again
/// keeps many times as much. There are never more than [`AT_ONCE`].
static MEMORY: Mutex<Vec<Vec<Block>>> = Mutex::new(Vec::new());

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
        hashed(&password, &salt)
    })
    .await?
    .map_err(|error| ProtocolError::new(ErrorCode::Internal, format!("the password could not be hashed: {error}")))
}

/// Whether `password` is the one of `hash`; never where there is no hash, and that takes as long.
pub async fn verify(password: String, hash: Option<String>) -> Result<bool, ProtocolError> {
    blocking(move || {
        let expected = hash.as_deref().unwrap_or(NOBODY);
        let matches = PasswordHash::new(expected).is_ok_and(|parsed| matches(&password, &parsed).unwrap_or(false));
        matches && hash.is_some()
    })
    .await
}

fn hashed(password: &str, salt: &SaltString) -> Result<String, password_hash::Error> {
    let argon2 = Argon2::default();
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(argon2::Version::default().into()),
        params: ParamsString::try_from(argon2.params())?,
        salt: Some(salt.as_salt()),
        hash: Some(output(&argon2, password, salt.as_salt(), Params::DEFAULT_OUTPUT_LEN)?),
    };
    Ok(hash.to_string())
}

/// Whether `password` is the one of `hash`, compared in constant time.
fn matches(password: &str, hash: &PasswordHash<'_>) -> Result<bool, password_hash::Error> {
    let (Some(salt), Some(expected)) = (hash.salt, &hash.hash) else { return Ok(false) };
    let algorithm = argon2::Algorithm::try_from(hash.algorithm)?;
    let version = hash.version.map(argon2::Version::try_from).transpose()?.unwrap_or_default();
    let argon2 = Argon2::new(algorithm, version, Params::try_from(hash)?);
    Ok(output(&argon2, password, salt, expected.len())? == *expected)
}

/// Hashes in memory that is used again.
fn output(argon2: &Argon2<'_>, password: &str, salt: Salt<'_>, len: usize) -> Result<Output, password_hash::Error> {
    let mut decoded = [0; Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut decoded)?;
    let mut memory = MEMORY.lock().pop().unwrap_or_default();
    memory.resize(argon2.params().block_count(), Block::default());
    let outcome = Output::init_with(len, |out| Ok(argon2.hash_password_into_with_memory(password.as_bytes(), salt, out, &mut memory)?));
    // The usual size stays; a hash made elsewhere may have needed more.
    memory.truncate(Params::default().block_count());
    memory.shrink_to_fit();
    let mut kept = MEMORY.lock();
    if kept.len() < AT_ONCE {
        kept.push(memory);
    }
    outcome
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

    #[tokio::test]
    async fn memory_is_used_again_however_many_log_in() {
        let kept = hash("correct horse".to_owned()).await.unwrap();
        let many = (0..12).map(|n| verify(format!("guess {n}"), (n % 2 == 0).then(|| kept.clone())));
        for guess in futures_util::future::join_all(many).await {
            assert!(!guess.unwrap());
        }
        let memory = MEMORY.lock();
        assert!((1..=AT_ONCE).contains(&memory.len()));
        assert!(memory.iter().all(|blocks| blocks.capacity() <= Params::default().block_count()));
    }

    #[test]
    fn hashes_are_those_of_the_library() {
        use argon2::{PasswordHasher as _, PasswordVerifier as _};
        let salt = SaltString::generate(&mut OsRng);
        let ours = hashed("correct horse", &salt).unwrap();
        let theirs = Argon2::default().hash_password(b"correct horse", &salt).unwrap().to_string();
        assert_eq!(ours, theirs);
        assert!(Argon2::default().verify_password(b"correct horse", &PasswordHash::new(&ours).unwrap()).is_ok());
        let small = Argon2::new(argon2::Algorithm::Argon2i, argon2::Version::V0x10, Params::new(64, 1, 1, Some(16)).unwrap());
        let old = small.hash_password(b"correct horse", &salt).unwrap().to_string();
        let parsed = PasswordHash::new(&old).unwrap();
        assert!(matches("correct horse", &parsed).unwrap() && !matches("wrong horse", &parsed).unwrap());
    }

    #[test]
    fn the_hash_of_nobody_is_one_that_takes_the_usual_time() {
        let parsed = PasswordHash::new(NOBODY).unwrap();
        let usual = argon2::Params::default();
        let params = argon2::Params::try_from(&parsed).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (usual.m_cost(), usual.t_cost(), usual.p_cost()));
    }
}
