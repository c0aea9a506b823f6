//! The secret that is made on first start.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use rand::TryRngCore;

use super::AuthError;

/// Bytes of a secret: 256 bits.
const SECRET_LEN: usize = 32;

/// Whether there is a secret under `data_dir`.
pub(super) fn exists(data_dir: &Path) -> bool {
    data_dir.join("jwt.secret").exists()
}

/// The secret in `data_dir/jwt.secret`, made there (readable by its owner alone) where there is none.
pub(super) fn load_or_make(data_dir: &Path) -> Result<Vec<u8>, AuthError> {
    let path = data_dir.join("jwt.secret");
    read_or_make(data_dir, &path).map_err(|source| AuthError::Secret { path: path.display().to_string(), source })
}

fn read_or_make(data_dir: &Path, path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Ok(secret) if secret.len() < SECRET_LEN => {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is shorter than 32 bytes; delete it to get a new one"));
        }
        other => return other,
    }
    crate::app::make_private(data_dir)?;
    let mut secret = vec![0; SECRET_LEN];
    rand::rngs::OsRng.try_fill_bytes(&mut secret).map_err(io::Error::other)?;
    // Written whole under another name, then linked: whoever is first wins, nobody sees half a secret.
    let draft = data_dir.join(format!("jwt.secret.{}-{}", std::process::id(), uuid::Uuid::new_v4().simple()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&secret)?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => Ok(secret),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::read(path),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_secret_is_made_once_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let path = dir.path().to_owned();
                std::thread::spawn(move || load_or_make(&path).unwrap())
            })
            .collect();
        let secrets: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        assert!(secrets.iter().all(|s| *s == secrets[0] && s.len() == SECRET_LEN));
        let mode = fs::metadata(dir.path().join("jwt.secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left behind");
    }
}
