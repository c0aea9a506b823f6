//! Ports for servers that cannot be asked which one they got.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU16, Ordering::Relaxed},
};

/// Below what Linux gives to connections by itself (32768 and up): there, a port that was free a moment ago
/// is some client's the next.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

static NEXT: AtomicU16 = AtomicU16::new(0);

/// A loopback port that nobody listens on, not given before in this process.
///
/// # Panics
/// Where all of them are taken.
pub fn free() -> u16 {
    // Processes of tests beside this one begin elsewhere.
    let start = (std::process::id() % 120) as u16 * 100;
    let ports = std::iter::repeat_with(|| FIRST + (start + NEXT.fetch_add(1, Relaxed) % COUNT) % COUNT);
    let free = ports.take(usize::from(COUNT)).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.expect("a loopback port can be had")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_port_is_free_and_given_once() {
        let ports: Vec<u16> = (0..50).map(|_| super::free()).collect();
        assert!(ports.iter().all(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()));
        assert_eq!(ports.iter().collect::<std::collections::HashSet<_>>().len(), ports.len());
    }
}
