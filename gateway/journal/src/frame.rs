//! How records lie in a segment file.
//!
//! A file starts with [`HEAD`], which tells the version (see [`super::version`]); a damaged one costs nothing. Then frames follow, each
//! `marker (4) | payload length (4) | position (8) | CRC-32 of length, position and payload (4) | payload`,
//! numbers little-endian. Every frame says its own position, so damage in one costs the others nothing.

use std::ops::Range;

/// The first bytes of a segment file.
pub(super) const HEAD: [u8; 16] = *b"slipstream jnl1\n";

/// Starts a frame. `0xF5` occurs in no UTF-8 text, so no JSON inside a payload looks like a frame.
const MARKER: [u8; 4] = [0xF5, 0xA7, 0xE1, 0x9D];

/// Bytes before the payload.
pub(super) const FRAME_HEAD: usize = 20;

/// Largest payload.
pub(super) const MAX_PAYLOAD: usize = 64 << 20;

/// Appends the frame of `payload` to `out`.
pub(super) fn put(out: &mut Vec<u8>, position: u64, payload: &[u8]) {
    let len = (payload.len() as u32).to_le_bytes();
    let position = position.to_le_bytes();
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&len);
    out.extend_from_slice(&position);
    out.extend_from_slice(&checksum(&len, &position, payload).to_le_bytes());
    out.extend_from_slice(payload);
}

fn checksum(len: &[u8], position: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(len);
    hasher.update(position);
    hasher.update(payload);
    hasher.finalize()
}

/// What lies at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// A whole frame whose checksum holds.
    Frame {
        /// The record's position.
        position: u64,
        /// Where the payload lies.
        payload: Range<usize>,
    },
    /// Perhaps a frame, but so many bytes are needed to tell.
    Short(usize),
    /// No frame.
    Bad,
}

/// Reads the frame at the start of `bytes`.
pub(super) fn parse(bytes: &[u8]) -> Parsed {
    let known = bytes.len().min(MARKER.len());
    if bytes[..known] != MARKER[..known] {
        return Parsed::Bad;
    }
    let Some((head, _)) = bytes.split_first_chunk::<FRAME_HEAD>() else {
        return Parsed::Short(FRAME_HEAD);
    };
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let len = word(4) as usize;
    if len > MAX_PAYLOAD {
        return Parsed::Bad;
    }
    let end = FRAME_HEAD + len;
    if bytes.len() < end {
        return Parsed::Short(end);
    }
    if checksum(&head[4..8], &head[8..16], &bytes[FRAME_HEAD..end]) != word(16) {
        return Parsed::Bad;
    }
    let position = u64::from(word(8)) | u64::from(word(12)) << 32;
    // Every record must have a place for the one after it.
    if position == u64::MAX {
        return Parsed::Bad;
    }
    Parsed::Frame { position, payload: FRAME_HEAD..end }
}

/// Whether `bytes`, which hold no valid frame at their start, look like a frame that was there in full
/// once: damage, rather than a write cut short.
pub(super) fn was_whole(bytes: &[u8]) -> bool {
    let len = bytes.get(4..8).map_or(usize::MAX, |l| u32::from_le_bytes([l[0], l[1], l[2], l[3]]) as usize);
    bytes.starts_with(&MARKER) && len <= MAX_PAYLOAD && bytes.len() >= FRAME_HEAD + len
}

/// Where in `bytes` a frame might start, from `from` on.
pub(super) fn find_marker(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(step) = bytes.get(at..)?.iter().position(|b| *b == MARKER[0]) {
        at += step;
        let known = (bytes.len() - at).min(MARKER.len());
        if bytes[at..at + known] == MARKER[..known] {
            return Some(at);
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_makes_a_frame_invalid() {
        let mut bytes = Vec::new();
        put(&mut bytes, 7, b"payload");
        assert_eq!(parse(&bytes), Parsed::Frame { position: 7, payload: 20..27 });
        for at in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[at / 8] ^= 1 << (at % 8);
            assert!(!matches!(parse(&damaged), Parsed::Frame { .. }), "bit {at}");
        }
    }

    #[test]
    fn a_cut_frame_says_how_much_it_needs() {
        let mut bytes = Vec::new();
        put(&mut bytes, 7, b"payload");
        for cut in 0..bytes.len() {
            assert!(matches!(parse(&bytes[..cut]), Parsed::Short(n) if n > cut), "cut at {cut}");
        }
    }
}
