//! Whose numbered stream it is: a publisher's name belongs to the subject of the token that uses it.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};
use slipstream_protocol::PublisherId;

use crate::journal::SUBJECT_SEPARATOR;

/// The name under which numbers of `publisher`, used by a token of `subject`, are kept: no other pair
/// has it, so nobody can move another one's mark. A new token of the same subject goes on with it.
pub fn stream_name(subject: &str, publisher: &PublisherId) -> PublisherId {
    let mut name = String::with_capacity(subject.len() + SUBJECT_SEPARATOR.len() + publisher.len());
    for byte in subject.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            name.push(char::from(byte));
        } else {
            // Writing into a String does not fail.
            let _ = write!(name, "_{byte:02x}");
        }
    }
    // The first one separates, for a subject has no dot left in it.
    name.push_str(SUBJECT_SEPARATOR);
    name.push_str(publisher);
    PublisherId::new(&name).unwrap_or_else(|_| digest(subject, publisher))
}

/// For pairs too long to be spelled out. No other name begins so: an escape is an underscore and
/// hexadecimal digits.
fn digest(subject: &str, publisher: &PublisherId) -> PublisherId {
    let mut hash = Sha256::new();
    hash.update((subject.len() as u64).to_le_bytes());
    hash.update(subject);
    hash.update(publisher.as_bytes());
    let mut name = String::from("_h");
    for byte in hash.finalize() {
        let _ = write!(name, "{byte:02x}");
    }
    PublisherId::new(&name).expect("hexadecimal digits behind an underscore are an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_pairs_of_subject_and_publisher_have_one_name() {
        let long = "x".repeat(100);
        let subjects = ["", "a", "a.b", "a_2eb", "a..b", "a@b.example", "_h", "ä", &long];
        let publishers = ["p", ".p", "b..p", "..p", "_", &long];
        let mut seen = std::collections::HashSet::new();
        for subject in subjects {
            for publisher in publishers {
                let name = stream_name(subject, &PublisherId::new(publisher).unwrap());
                assert!(seen.insert(name.clone()), "{subject} and {publisher} share {name}");
            }
        }
    }

    #[test]
    fn a_plain_subject_stays_readable() {
        assert_eq!(stream_name("garage-3", &PublisherId::new("car-7.backlog").unwrap()).as_str(), "garage-3..car-7.backlog");
    }
}
