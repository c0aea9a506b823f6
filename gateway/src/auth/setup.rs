//! The first admin: a link with a one-time code, printed in the log while there is no admin.
//!
//! The code is in the address's fragment, which browsers do not send: it is in no access log. It serves once, ends after
//! [`LIFE`], and is worth nothing as soon as there is an admin.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use slipstream_protocol::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{api_key::hash, one_time};
use crate::app::Services;

/// How long the link works.
pub const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// How often the records are asked again while they do not answer.
const AGAIN: Duration = Duration::from_secs(5);

/// The code that is out, if one is.
#[derive(Default)]
pub struct Setup(Mutex<Option<(String, Timestamp)>>);

impl Setup {
    /// Makes a code; one made before ends.
    pub fn make(&self, now: Timestamp) -> String {
        let code = one_time::make("");
        *self.0.lock() = Some((hash(&code), now.plus(LIFE)));
        code
    }

    /// Whether a code is out.
    pub fn is_offered(&self) -> bool {
        self.0.lock().is_some()
    }

    /// Uses up the code; its end, where it was the one and has not ended.
    pub fn take(&self, code: &str, now: Timestamp) -> Option<Timestamp> {
        self.0.lock().take_if(|(kept, _)| *kept == hash(code)).map(|(_, end)| end).filter(|end| now < *end)
    }

    /// Puts a code back whose use failed for a reason of its own.
    pub fn put_back(&self, code: &str, end: Timestamp) {
        *self.0.lock() = Some((hash(code), end));
    }
}

/// Prints how to get in, as soon as the records tell whether there is an admin.
pub async fn offer(services: Arc<Services>, addr: SocketAddr, stop: CancellationToken) {
    let admins = loop {
        if let Ok(admins) = services.records.admins().await {
            break admins;
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(AGAIN) => {}
        }
    };
    let (url, folder) = (url(addr), services.config.data_dir.display());
    if admins > 0 {
        let message = "get in: log in by POST /api/auth/login, or mint a token with `slipstream token --role viewer` on this machine";
        tracing::info!(url, data_dir = %folder, "{message}");
        return;
    }
    let link = format!("{url}/setup#{}", services.setup.make(services.clock.now()));
    let hours = LIFE.as_secs() / 3_600;
    // A warning, so that it is seen whatever is logged: without an admin nobody is let in.
    tracing::warn!(link, data_dir = %folder, "there is no admin yet: open this link within {hours} hours to become it (once; from another machine with this one's name instead of 127.0.0.1), or run `slipstream user add <email> --role admin`");
}

/// Where the server is reached from this machine.
pub fn url(addr: SocketAddr) -> String {
    let ip = if addr.ip().is_unspecified() { std::net::Ipv4Addr::LOCALHOST.into() } else { addr.ip() };
    format!("http://{}", SocketAddr::new(ip, addr.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_serves_once_and_not_after_its_end() {
        let (setup, now) = (Setup::default(), Timestamp::from_millis(1_000));
        assert_eq!(setup.take("", now), None);
        let code = setup.make(now);
        assert_eq!(setup.take("another", now), None);
        assert!(setup.is_offered());
        let end = setup.take(&code, now).unwrap();
        assert_eq!((end, setup.take(&code, now), setup.is_offered()), (now.plus(LIFE), None, false));
        setup.put_back(&code, end);
        assert_eq!(setup.take(&code, now.plus(LIFE)), None);
        let (old, new) = (setup.make(now), setup.make(now));
        assert_eq!((setup.take(&old, now), setup.take(&new, now)), (None, Some(end)));
    }

    #[test]
    fn the_link_leads_to_this_machine() {
        for (addr, expected) in
            [("0.0.0.0:8080", "http://127.0.0.1:8080"), ("[::]:80", "http://127.0.0.1:80"), ("[::1]:8080", "http://[::1]:8080")]
        {
            assert_eq!(url(addr.parse().unwrap()), expected);
        }
    }
}
