//! Origins (RFC 6454) and the authority of a request, as far as comparing them needs.

use std::net::Ipv6Addr;

/// Host and port of an address; the host in lower case, an IPv6 address in its shortest form within brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    pub(super) host: String,
    pub(super) port: Option<u16>,
}

impl Authority {
    /// Reads `host`, `host:port` or `[address]:port`; user names are refused.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, after) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            (format!("[{address}]"), if after.is_empty() { "" } else { after.strip_prefix(':')? })
        } else {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            // A full domain name may end with a dot.
            (host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase(), port)
        };
        let is_plain = !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic() && !"/?#@\\".contains(c));
        let port = if port.is_empty() { None } else { Some(port.bytes().all(|b| b.is_ascii_digit()).then(|| port.parse().ok())??) };
        is_plain.then_some(Self { host, port })
    }
}

/// An origin: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Site {
    is_tls: bool,
    host: String,
    port: u16,
}

impl Site {
    /// Reads `http://host[:port]` or `https://host[:port]`; anything else is none a page of a server has.
    pub(super) fn parse(origin: &str) -> Option<Self> {
        let (scheme, rest) = origin.split_once("://")?;
        let is_tls = scheme.eq_ignore_ascii_case("https");
        if !is_tls && !scheme.eq_ignore_ascii_case("http") {
            return None;
        }
        let authority = Authority::parse(rest)?;
        Some(Self { is_tls, port: authority.port.unwrap_or(default_port(is_tls)), host: authority.host })
    }

    pub(super) const fn scheme(&self) -> &'static str {
        if self.is_tls { "https" } else { "http" }
    }

    /// Whether it is at this host and port. The server itself speaks plain HTTP, so a port that is left out is that of the
    /// site's scheme: TLS may end in front of the server.
    pub(super) fn is(&self, authority: &Authority) -> bool {
        self.host == authority.host && self.port == authority.port.unwrap_or(default_port(self.is_tls))
    }
}

const fn default_port(is_tls: bool) -> u16 {
    if is_tls { 443 } else { 80 }
}
