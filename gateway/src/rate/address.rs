//! Where a request comes from, as far as limits are concerned.

use std::net::IpAddr;

use http::HeaderMap;

/// The address a client is limited by. In the extensions of every request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientAddress(Option<IpAddr>);

impl ClientAddress {
    /// Of a request that came from `peer`. Where `peer` is one of `proxies`, it is the last address of
    /// `X-Forwarded-For` that is not a proxy itself: what stands before it anyone could have written.
    pub fn of(peer: Option<IpAddr>, headers: Option<&HeaderMap>, proxies: &[IpAddr]) -> Self {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else { return Self(None) };
        if !proxies.contains(&peer) {
            return Self(Some(peer));
        }
        let forwarded = headers.into_iter().flat_map(|headers| headers.get_all("x-forwarded-for")).filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = forwarded.flat_map(|value| value.split(',')).collect();
        let hops = hops.into_iter().rev().map_while(|hop| hop.trim().parse::<IpAddr>().ok());
        Self(hops.map(|hop| hop.to_canonical()).find(|hop| !proxies.contains(hop)).or(Some(peer)))
    }

    /// Whether it is this machine itself.
    pub fn is_loopback(self) -> bool {
        self.0.is_some_and(|address| address.is_loopback())
    }

    /// What is limited: an IPv4 address, or the /64 network of an IPv6 one, of which a single host has
    /// as many as it likes. `None` for this machine itself, which is not limited by address.
    pub(crate) fn network(self) -> Option<IpAddr> {
        let address = self.0.filter(|address| !address.is_loopback())?;
        Some(match address {
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() & (u128::MAX << 64)).into()),
            IpAddr::V4(_) => address,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(peer: &str, forwarded: &[&str], proxies: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let proxies: Vec<IpAddr> = proxies.iter().map(|p| p.parse().unwrap()).collect();
        ClientAddress::of(Some(peer.parse().unwrap()), Some(&headers), &proxies).network().map(|a| a.to_string())
    }

    #[test]
    fn only_a_proxy_is_believed_and_only_what_it_saw_itself() {
        let proxies = ["127.0.0.1", "10.0.0.2"];
        assert_eq!(of("198.51.100.4", &["203.0.113.9"], &proxies).as_deref(), Some("198.51.100.4"), "not a proxy");
        assert_eq!(of("127.0.0.1", &["1.1.1.1, 203.0.113.9"], &proxies).as_deref(), Some("203.0.113.9"), "the last");
        assert_eq!(of("127.0.0.1", &["1.1.1.1", "203.0.113.9, 10.0.0.2"], &proxies).as_deref(), Some("203.0.113.9"), "through two");
        assert_eq!(of("10.0.0.2", &["203.0.113.9, garbage"], &proxies).as_deref(), Some("10.0.0.2"), "nothing behind garbage is believed");
        assert_eq!(of("10.0.0.2", &[], &proxies).as_deref(), Some("10.0.0.2"));
        assert_eq!(of("::ffff:127.0.0.1", &["203.0.113.9"], &proxies).as_deref(), Some("203.0.113.9"), "IPv4 on an IPv6 socket");
    }

    #[test]
    fn this_machine_is_not_limited_and_ipv6_is_by_network() {
        assert_eq!(of("127.0.0.1", &[], &["127.0.0.1"]), None);
        assert_eq!(of("::1", &[], &[]), None);
        assert_eq!(of("2001:db8:1:2:3:4:5:6", &[], &[]), of("2001:db8:1:2::99", &[], &[]));
        assert_ne!(of("2001:db8:1:2::1", &[], &[]), of("2001:db8:1:3::1", &[], &[]));
    }
}
