//! Names that were probably meant to be others: `sessionID` for `sessionId`.

/// The one of `known` that `given` was probably meant to be; `None` where it is one of them or resembles none.
///
/// Case, `_` and `-` do not count; nor does a missing `Id` at the end. Beyond that one letter may be wrong, missing,
/// surplus or swapped with its neighbour, two in names of eight letters and more that begin alike. Names of less than
/// four letters resemble only themselves: `sec` is not `seq`.
pub fn resembles<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    if known.contains(&given) || given.len() > 64 {
        return None;
    }
    let plain = plain(given);
    let exact = known.iter().find(|name| {
        let name = self::plain(name);
        name == plain || name.strip_suffix("id").is_some_and(|stem| stem.len() > 3 && stem == plain)
    });
    if let Some(name) = exact {
        return Some(name);
    }
    known.iter().copied().find(|name| {
        let name = self::plain(name);
        let most = match name.len() {
            0..4 => 0,
            4..8 => 1,
            _ if name.as_bytes().first() == plain.as_bytes().first() => 2,
            _ => 1,
        };
        most > 0 && distance(name.as_bytes(), plain.as_bytes()) <= most
    })
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// Edits between two names, a swap of neighbours counted as one (optimal string alignment).
fn distance(a: &[u8], b: &[u8]) -> usize {
    if a.len().abs_diff(b.len()) > 2 {
        return usize::MAX;
    }
    let (mut before, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + usize::from(!same));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 7] = ["driverId", "vehicleId", "sessionId", "fleetId", "seq", "timestamp", "data"];

    #[test]
    fn typos_are_recognised() {
        for (given, meant) in [
            ("sessionID", "sessionId"),
            ("session_id", "sessionId"),
            ("sesionId", "sessionId"),
            ("session", "sessionId"),
            ("sessoinId", "sessionId"),
            ("driverid", "driverId"),
            ("vehicle", "vehicleId"),
            ("fleet", "fleetId"),
            ("timestmp", "timestamp"),
            ("time_stamp", "timestamp"),
            ("Data", "data"),
            ("SEQ", "seq"),
        ] {
            assert_eq!(resembles(given, &KNOWN), Some(meant), "{given}");
        }
    }

    #[test]
    fn other_names_are_others() {
        for given in ["sessionId", "seq", "lap", "lapId", "tripId", "versionId", "stationId", "sec", "set", "source", "meta", "x", ""] {
            assert_eq!(resembles(given, &KNOWN), None, "{given}");
        }
    }
}
