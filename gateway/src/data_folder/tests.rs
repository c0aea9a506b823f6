use std::collections::BTreeMap;

use super::*;

/// Every file under a folder, with its bytes and its time of change.
fn everything(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, std::time::SystemTime)> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![dir.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.insert(path.clone(), (fs::read(&path).unwrap(), path.metadata().unwrap().modified().unwrap()));
            }
        }
    }
    found
}

/// A folder as a version without stamps left it.
fn old_folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("journal/quarantine")).unwrap();
    fs::create_dir_all(dir.path().join("pipelines/state")).unwrap();
    let mut database = b"SQLite format 3\0".to_vec();
    database.resize(200, 0);
    for (name, bytes) in [
        ("snapshot.bin", &b"SLIPSNP4 and the state"[..]),
        ("slipstream.db", &database),
        ("slipstream.db-wal", b"records not yet in the file"),
        ("series.db", &database),
        ("journal/00000000000000000001.seg", b"slipstream jnl1\nrecords"),
        ("journal/consumers", b"positions"),
        ("pipelines/state/one.bin", b"state"),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

fn overwrite(path: &Path, at: usize, with: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at..at + with.len()].copy_from_slice(with);
    fs::write(path, bytes).unwrap();
}

#[test]
fn whatever_a_newer_version_wrote_is_refused_and_nothing_is_touched() {
    let parts: [(&str, usize, &[u8], &str); 6] = [
        ("format", 0, b"2", "format 2"),
        ("format", 0, b"99", "format 99"),
        ("snapshot.bin", 7, b"9", "snapshot version 9"),
        ("snapshot.bin", 6, b"12", "snapshot version 12"),
        ("journal/00000000000000000001.seg", 14, b"9", "journal version 9"),
        ("series.db", 60, &7_u32.to_be_bytes(), "schema version 7"),
    ];
    for stamped in [false, true] {
        for (name, at, newer, told) in parts {
            let dir = old_folder();
            if stamped || name == STAMP {
                fs::write(dir.path().join(STAMP), "1 \nwritten by slipstream 0.1.0\n").unwrap();
            }
            overwrite(&dir.path().join(name), at, newer);
            let before = everything(dir.path());
            for refused in [check(dir.path()).unwrap_err(), take_over(dir.path()).unwrap_err()] {
                let text = refused.to_string();
                assert!(matches!(refused, DataFolderError::Newer { .. }) && !refused.is_retryable(), "{name}: {text}");
                for word in [told, "newer slipstream", "restore a backup", "nothing was touched"] {
                    assert!(text.contains(word), "{name}: {text}");
                }
            }
            assert_eq!(everything(dir.path()), before, "{name}");
        }
    }
}

#[test]
fn a_newer_stamp_says_who_wrote_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(STAMP), "7\nwritten by slipstream 3.2.1\n").unwrap();
    assert!(check(dir.path()).unwrap_err().to_string().contains("format 7, written by slipstream 3.2.1"));
}

#[test]
fn a_stamp_that_says_nothing_is_no_reason_to_go_on() {
    for bytes in [&b""[..], b"one", b"\xff\xfe", b"-1\n", b"1.0"] {
        let dir = old_folder();
        fs::write(dir.path().join(STAMP), bytes).unwrap();
        let before = everything(dir.path());
        assert!(matches!(take_over(dir.path()).unwrap_err(), DataFolderError::Stamp { .. }), "{bytes:?}");
        assert_eq!(everything(dir.path()), before);
    }
}

#[test]
fn an_older_folder_is_taken_over_once_with_a_copy_of_what_it_was() {
    let dir = old_folder();
    let before = everything(dir.path());
    take_over(dir.path()).unwrap();
    let copy = dir.path().join("before-format-1");
    for name in ["snapshot.bin", "slipstream.db", "slipstream.db-wal", "journal/consumers", "pipelines/state/one.bin"] {
        assert_eq!(fs::read(copy.join(name)).unwrap(), before[&dir.path().join(name)].0, "{name}");
    }
    for (path, kept) in &before {
        assert_eq!(&fs::read(path).unwrap(), &kept.0, "{}", path.display());
    }
    assert_eq!(stamp_of(dir.path()).unwrap(), Stamp::Of(FORMAT));

    // The copy is of the folder before, whatever comes later.
    fs::write(dir.path().join("snapshot.bin"), "SLIPSNP4 and more").unwrap();
    take_over(dir.path()).unwrap();
    fs::remove_file(dir.path().join(STAMP)).unwrap();
    take_over(dir.path()).unwrap();
    assert_eq!(fs::read(copy.join("snapshot.bin")).unwrap(), b"SLIPSNP4 and the state");
}

#[test]
fn a_stamp_of_more_than_any_version_is_newer_and_not_to_be_written_over() {
    let dir = tempfile::tempdir().unwrap();
    for digits in ["4294967296", "99999999999999999999999999"] {
        fs::write(dir.path().join(STAMP), digits).unwrap();
        let error = check(dir.path()).unwrap_err();
        assert!(matches!(error, DataFolderError::Newer { .. }) && !error.to_string().contains("write "), "{error}");
    }
}

#[test]
fn a_new_folder_is_stamped_and_has_nothing_to_copy() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("jwt.secret"), "made by another command").unwrap();
    take_over(dir.path()).unwrap();
    let names: Vec<_> = everything(dir.path()).into_keys().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, ["format", "jwt.secret"]);
    assert!(check(dir.path()).is_ok() && check(&dir.path().join("nowhere")).is_ok());
}

#[test]
fn a_folder_that_a_server_works_in_is_not_taken_over() {
    let dir = old_folder();
    let lock = fs::File::create(dir.path().join("journal/lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(take_over(dir.path()).unwrap_err(), DataFolderError::InUse { .. }));
    assert!(!dir.path().join(STAMP).exists() && !dir.path().join("before-format-1").exists());
}
