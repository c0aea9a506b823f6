//! Which offsets the samples of a journal record have on their vehicles' channels.
//!
//! A record that knows starts with version 2, the count of vehicles (u16) and for each of them, in
//! order of first appearance, epoch and first offset (u64 each) and how many samples have one (u32; all
//! little-endian). The rest is what a record of version 1 has behind its version.

use super::record::broken;
use crate::error::ProtocolError;

/// The version byte of a record with offsets.
pub(super) const VERSION: u8 = 2;

/// Bytes of one entry.
const ENTRY: usize = 20;

/// The offsets of one vehicle's samples in a batch: `first` and on, in the channel's life `epoch`.
///
/// They are those of the vehicle's last `count` samples. Samples before them were published earlier,
/// when the journal could not keep them, at offsets that are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The channel's life.
    pub epoch: u64,
    /// Offset of the first of those samples; the next one to come where there is none.
    pub first: u64,
    /// How many of the vehicle's samples in the batch are published with it.
    pub count: u32,
}

/// Writes the version and the entries.
pub(super) fn put(entries: &[Numbering], out: &mut Vec<u8>) {
    // A batch has far fewer vehicles; beyond, the record would go without.
    let count = u16::try_from(entries.len()).unwrap_or(0);
    out.push(VERSION);
    out.extend_from_slice(&count.to_le_bytes());
    for entry in &entries[..usize::from(count)] {
        out.extend_from_slice(&entry.epoch.to_le_bytes());
        out.extend_from_slice(&entry.first.to_le_bytes());
        out.extend_from_slice(&entry.count.to_le_bytes());
    }
}

/// Splits what follows the version into entries and the rest.
pub(super) fn take(bytes: &[u8]) -> Result<(&[u8], &[u8]), ProtocolError> {
    let short = || broken("its offsets are cut");
    let (count, rest) = bytes.split_first_chunk::<2>().ok_or_else(short)?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*count)) * ENTRY).ok_or_else(short)
}

/// Reads entries that [`take`] found.
pub(super) fn read(entries: &[u8]) -> Vec<Numbering> {
    let number = |bytes: &[u8]| bytes.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
    let count = |bytes: &[u8]| bytes.first_chunk::<4>().map_or(0, |b| u32::from_le_bytes(*b));
    entries.chunks_exact(ENTRY).map(|e| Numbering { epoch: number(e), first: number(&e[8..]), count: count(&e[16..]) }).collect()
}
