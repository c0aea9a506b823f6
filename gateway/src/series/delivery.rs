//! Delivering lines to a server that speaks the write API of `InfluxDB`: in requests of bounded size,
//! reading what a refusal says.

use std::{future::Future, io::Write as _, ops::Range, time::Duration};

use flate2::{Compression, write::GzEncoder};
use slipstream_ports::{SeriesError, WriteReport};

use super::{line_protocol::Lines, point::reject};

/// Lines of one request: what `InfluxData` recommends.
const LINES_PER_REQUEST: usize = 5_000;

/// How many requests may be refused for reasons of their own in one write before what is refused is no
/// longer divided to find the culprits, so that a store that takes nothing at all is not asked point by point.
const MOST_DIVIDED: usize = 64;

/// How long one request may take.
pub(super) const REQUEST_DEADLINE: Duration = Duration::from_secs(30);

/// A server's answer to a write.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) retry_after: Option<Duration>,
}

impl Reply {
    /// Sends `request` and reads the answer whole.
    pub(super) async fn to(request: reqwest::RequestBuilder) -> Result<Self, reqwest::Error> {
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let asked = answer.headers().get(reqwest::header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
        Ok(Self { status, body: answer.text().await?, retry_after: asked.map(Duration::from_secs) })
    }
}

/// Lines as they go over the wire.
pub(super) fn gzip(lines: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(lines.len() / 8), Compression::fast());
    encoder.write_all(lines).and_then(|()| encoder.finish()).expect("a Vec takes whatever is written")
}

/// Sends lines; an error means that nothing was answered.
pub(super) trait Post: Sync {
    /// What metrics and logs call the store.
    fn store(&self) -> &'static str;
    /// Sends one request.
    fn post(&self, lines: &[u8]) -> impl Future<Output = Result<Reply, SeriesError>> + Send;
}

/// What an answer means.
#[derive(Debug, PartialEq)]
enum Verdict {
    Written,
    /// Written but for these.
    Dropped {
        count: u64,
        reason: String,
    },
    /// Something in it cannot be written: smaller pieces tell what.
    Divide {
        reason: String,
    },
    /// Refused, for a reason that does not pass and that no setting mends: dividing tells what it is about.
    Unwritable {
        reason: String,
    },
    Unavailable,
    /// Credentials, database, bucket or address are wrong: someone has to act, and nothing is given up meanwhile.
    Misconfigured,
}

fn judge(reply: &Reply) -> Verdict {
    match reply.status {
        200..=299 => Verdict::Written,
        413 => Verdict::Divide { reason: "too large for the server".to_owned() },
        400 | 422 if reply.body.contains("partial write") => Verdict::Dropped { count: dropped(&reply.body), reason: told(&reply.body) },
        // Not partial: InfluxDB 2 writes nothing of a request with one bad line.
        400 | 422 if reply.body.contains("unable to parse") => Verdict::Divide { reason: told(&reply.body) },
        // It speaks of the request: "bucket is required", "database not found".
        400 if reply.body.contains("required") || reply.body.contains("not found") => Verdict::Misconfigured,
        408 | 425 | 429 | 500..=599 => Verdict::Unavailable,
        401 | 403 | 404 | 405 | 407 => Verdict::Misconfigured,
        400..=499 => Verdict::Unwritable { reason: format!("HTTP {}: {}", reply.status, told(&reply.body)) },
        // A redirection that leads nowhere, or no HTTP at all.
        _ => Verdict::Misconfigured,
    }
}

/// Lines the server dropped: those it names as unreadable, and those it read and then dropped.
fn dropped(body: &str) -> u64 {
    let unreadable = body.matches("unable to parse").count() as u64;
    let counted = body.rsplit_once("dropped=").map_or("", |(_, rest)| rest);
    let digits: String = counted.chars().take_while(char::is_ascii_digit).collect();
    unreadable.saturating_add(digits.parse::<u64>().unwrap_or(0))
}

/// A server's message, bounded.
fn told(body: &str) -> String {
    let message = serde_json::from_str::<serde_json::Value>(body)
        .ok()
        .and_then(|v| Some(v.get("error").or_else(|| v.get("message"))?.as_str()?.to_owned()))
        .unwrap_or_else(|| body.to_owned());
    message.trim().chars().take(300).collect()
}

/// The error that a reply to anything but good lines is.
pub(super) fn failure(store: &'static str, reply: &Reply) -> SeriesError {
    let reason = format!("HTTP {}: {}", reply.status, told(&reply.body));
    match reply.status {
        408 | 425 | 429 | 500..=599 => SeriesError::Unavailable { store, reason, retry_after: reply.retry_after },
        401 | 403 => SeriesError::Refused { store, reason: format!("{reason}; check the configured credentials") },
        404 => SeriesError::Refused { store, reason: format!("{reason}; check the configured address, and its database or bucket") },
        _ => SeriesError::Refused { store, reason },
    }
}

/// Sends all `lines`. Fails on the first request that did not arrive; sending again is safe, because
/// points overwrite themselves.
pub(super) async fn deliver<P: Post>(server: &P, lines: &Lines, report: &mut WriteReport) -> Result<(), SeriesError> {
    let mut waiting: Vec<Range<usize>> =
        (0..lines.len()).step_by(LINES_PER_REQUEST).map(|start| start..lines.len().min(start + LINES_PER_REQUEST)).rev().collect();
    let mut refused = 0;
    while let Some(range) = waiting.pop() {
        let reply = server.post(lines.text(range.clone())).await?;
        let count = range.len() as u64;
        match judge(&reply) {
            Verdict::Written => report.written += count,
            Verdict::Dropped { count: dropped, reason } => {
                let dropped = dropped.min(count);
                report.written += count - dropped;
                reject(report, dropped, format!("{dropped} of {count} points"), reason);
            }
            Verdict::Divide { reason } | Verdict::Unwritable { reason } if range.len() == 1 => {
                refused += 1;
                reject(report, 1, first_line(lines, &range), reason);
            }
            Verdict::Unwritable { reason } if refused >= MOST_DIVIDED => {
                reject(report, count, format!("{count} points, the first: {}", first_line(lines, &range)), reason);
            }
            Verdict::Divide { .. } => divide(&range, &mut waiting),
            Verdict::Unwritable { .. } => {
                refused += 1;
                divide(&range, &mut waiting);
            }
            Verdict::Unavailable | Verdict::Misconfigured => return Err(failure(server.store(), &reply)),
        }
    }
    Ok(())
}

/// Puts both halves of `range` next, the earlier one first.
fn divide(range: &Range<usize>, waiting: &mut Vec<Range<usize>>) {
    let middle = range.start + range.len() / 2;
    waiting.push(middle..range.end);
    waiting.push(range.start..middle);
}

/// The first line of `range`, bounded.
fn first_line(lines: &Lines, range: &Range<usize>) -> String {
    String::from_utf8_lossy(lines.text(range.start..range.start + 1)).trim_end().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{line_protocol::Precision, point::points, sample};
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply { status, body: body.to_owned(), retry_after: None }
    }

    #[test]
    fn a_partial_write_is_counted_from_what_the_server_says() {
        let conflict =
            r#"{"error":"partial write: field type conflict: input field \"value\" on measurement \"m\" is type string dropped=17"}"#;
        assert!(
            matches!(judge(&reply(400, conflict)), Verdict::Dropped { count: 17, reason } if reason.starts_with("partial write: field"))
        );
        let unreadable = r#"{"error":"partial write: unable to parse 'a': missing fields\nunable to parse 'b': missing fields dropped=1"}"#;
        assert!(matches!(judge(&reply(400, unreadable)), Verdict::Dropped { count: 3, .. }));
        let absurd = "partial write: unable to parse 'a' dropped=18446744073709551615";
        assert!(matches!(judge(&reply(400, absurd)), Verdict::Dropped { count: u64::MAX, .. }));
    }

    #[test]
    fn only_what_may_pass_is_worth_another_try() {
        for (status, retry) in [(429, true), (500, true), (503, true), (401, false), (403, false), (404, false), (400, false)] {
            assert_eq!(failure("x", &reply(status, "")).is_retryable(), retry, "{status}");
        }
        assert_eq!(judge(&reply(204, "")), Verdict::Written);
        assert_eq!(judge(&reply(400, r#"{"code":"invalid","message":"bucket is required"}"#)), Verdict::Misconfigured);
        for status in [401, 403, 404, 405, 407, 302] {
            assert_eq!(judge(&reply(status, "no")), Verdict::Misconfigured, "{status}");
        }
        for status in [400, 410, 418, 422] {
            assert!(matches!(judge(&reply(status, "no")), Verdict::Unwritable { .. }), "{status}");
        }
        assert_eq!(judge(&reply(408, "")), Verdict::Unavailable);
    }

    /// Takes requests up to a size, and of those no line that holds "bad" or "odd".
    struct Picky(usize);

    impl Post for Picky {
        fn store(&self) -> &'static str {
            "picky"
        }

        async fn post(&self, lines: &[u8]) -> Result<Reply, SeriesError> {
            let text = std::str::from_utf8(lines).unwrap();
            Ok(if lines.len() > self.0 {
                reply(413, "")
            } else if text.contains("bad") {
                reply(400, r#"{"code":"invalid","message":"unable to parse 'bad'"}"#)
            } else if text.contains("odd") {
                reply(422, r#"{"message":"not today"}"#)
            } else {
                reply(204, "")
            })
        }
    }

    #[tokio::test]
    async fn requests_that_are_refused_whole_are_divided_until_the_culprit_is_alone() {
        let samples: Vec<_> = (0..40).map(|i| sample("car", i, &[(if i == 13 { "bad" } else { "x" }, 1.0)])).collect();
        let mut report = WriteReport::default();
        let lines = Lines::of(&points(&samples, &mut report), Precision::Micros);
        deliver(&Picky(1_000), &lines, &mut report).await.unwrap();
        assert_eq!((report.written, report.rejected), (39, 1));
        assert!(report.rejections[0].what.contains("sensor_type=bad"), "{:?}", report.rejections);
    }

    /// It used to hold up the store for ever.
    #[tokio::test]
    async fn what_is_refused_for_an_unknown_reason_goes_to_the_dead_letters_and_the_rest_is_written() {
        let samples: Vec<_> = (0..40).map(|i| sample("car", i, &[(if i % 20 == 7 { "odd" } else { "x" }, 1.0)])).collect();
        let mut report = WriteReport::default();
        let lines = Lines::of(&points(&samples, &mut report), Precision::Micros);
        deliver(&Picky(1_000_000), &lines, &mut report).await.unwrap();
        assert_eq!((report.written, report.rejected), (38, 2));
        assert!(report.rejections.iter().all(|r| r.reason.contains("not today") && r.what.contains("odd")), "{:?}", report.rejections);
    }

    /// Takes nothing, and counts how often it is asked.
    struct Stubborn(std::sync::atomic::AtomicUsize);

    impl Post for Stubborn {
        fn store(&self) -> &'static str {
            "stubborn"
        }

        async fn post(&self, _: &[u8]) -> Result<Reply, SeriesError> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(reply(418, "I take nothing"))
        }
    }

    #[tokio::test]
    async fn a_server_that_takes_nothing_is_not_asked_point_by_point() {
        let samples: Vec<_> = (0..5_000).map(|i| sample("car", i, &[("x", 1.0)])).collect();
        let mut report = WriteReport::default();
        let lines = Lines::of(&points(&samples, &mut report), Precision::Micros);
        let server = Stubborn(0.into());
        deliver(&server, &lines, &mut report).await.unwrap();
        assert_eq!((report.written, report.rejected), (0, 5_000), "all are counted");
        let asked = server.0.into_inner();
        assert!(asked < 200, "asked {asked} times");
    }
}
