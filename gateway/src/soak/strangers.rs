//! Strangers at the server's door: connections that send nothing, and bodies that do not end. `/health` is asked meanwhile.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use super::{report::Report, server::Server};

/// Longest wait for `/health`.
const ANSWER: Duration = Duration::from_secs(10);
/// Pause between two questions.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// Connections that send nothing; far more than clients have, and fewer than descriptors.
const SILENT: usize = 400;
/// Requests whose body stops before its end.
const FLOOD: usize = 200;
/// What each of them sends of its body.
const BODY: usize = 15_000;

/// Opens connections that send nothing, or only the beginning of a request, and holds them for `length`.
pub(super) async fn silence(server: &Server, length: Duration, report: &mut Report) -> String {
    let beginnings: [&[u8]; 4] = [b"", b"PRI * HTTP/2.0\r\n", b"GET /health HTTP/1.1\r\nhost: x\r\n", b"GET /ws HTTP/1.1\r\n"];
    let held = open(server, SILENT, |n| beginnings[n % beginnings.len()].to_vec()).await;
    let asked = watch(server, "silent connections", length, report).await;
    format!("{} connections for {} ms, /health asked {asked} times", held.len(), length.as_millis())
}

/// Sends bodies that stop before their end to routes that need no token, and holds them for `length`.
pub(super) async fn flood(server: &Server, length: Duration, report: &mut Report) -> String {
    let head = format!("POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", BODY + 1);
    let held = open(server, FLOOD, |_| [head.as_bytes(), &[b' '; BODY]].concat()).await;
    let asked = watch(server, "a flood of bodies", length, report).await;
    format!("{} bodies for {} ms, /health asked {asked} times", held.len(), length.as_millis())
}

async fn open(server: &Server, count: usize, first: impl Fn(usize) -> Vec<u8>) -> Vec<TcpStream> {
    let mut held = Vec::with_capacity(count);
    for n in 0..count {
        let Ok(mut stream) = TcpStream::connect(server.authority()).await else { continue };
        // The server may refuse it; that is its right.
        if stream.write_all(&first(n)).await.is_ok() {
            held.push(stream);
        }
    }
    held
}

/// Asks `/health` again and again for `length`. A violation where it does not answer.
async fn watch(server: &Server, beside: &str, length: Duration, report: &mut Report) -> u32 {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap_or_default();
    let (until, mut asked) = (Instant::now() + length, 0);
    while asked == 0 || Instant::now() < until {
        asked += 1;
        match timeout(ANSWER, client.get(server.url("/health")).send()).await {
            Ok(Ok(answer)) if answer.status().is_success() => {}
            Ok(Ok(answer)) => report.violate("server", "health", format!("{} beside {beside}", answer.status())),
            Ok(Err(error)) => report.violate("server", "health", format!("no answer beside {beside}: {error}")),
            Err(_) => report.violate("server", "health", format!("no answer within {} s beside {beside}", ANSWER.as_secs())),
        }
        sleep(ASK_EVERY).await;
    }
    asked
}
