//! The operating system's phrases in the words of people who type commands.

/// Phrases as the system has them, and what is said instead.
const PHRASES: [(&str, &str); 10] = [
    ("No such file or directory", "there is no such file or folder"),
    ("Is a directory", "it is a folder"),
    ("Not a directory", "a part of the path is a file, not a folder"),
    ("Permission denied", "this user may not do that there"),
    ("Read-only file system", "the file system there is read-only"),
    ("No space left on device", "the disk is full"),
    ("Connection refused", "nothing listens there"),
    ("Too many open files", "this process has as many files open as it may (ulimit -n)"),
    ("File exists", "there is one already"),
    ("Cannot assign requested address", "this machine has no such address"),
];

/// `text` with the phrases replaced and without the system's numbers, as in `(os error 2)`.
pub fn plain(text: &str) -> String {
    let mut words = without_numbers(text);
    for (phrase, instead) in PHRASES {
        if words.contains(phrase) {
            words = words.replace(phrase, instead);
        }
    }
    words.replace("IO error: ", "")
}

fn without_numbers(text: &str) -> String {
    let mut rest = text;
    let mut words = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once(" (os error ") {
        let Some((number, after)) = after.split_once(')') else { break };
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            break;
        }
        words.push_str(before);
        rest = after;
    }
    words + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_and_numbers_do_not_reach_people() {
        let missing = std::io::Error::from_raw_os_error(2);
        assert_eq!(plain(&format!("x.csv: {missing}")), "x.csv: there is no such file or folder");
        assert_eq!(plain("IO error: Connection refused (os error 111)"), "nothing listens there");
        assert_eq!(plain("a (os error x) b"), "a (os error x) b");
    }
}
