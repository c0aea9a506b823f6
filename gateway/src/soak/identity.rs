//! What every sample of a soak is: its number says the vehicle, the time and the values it must have.

use slipstream_protocol::Timestamp;

/// The signal that carries the number.
pub(super) const NUMBER: &str = "n";
/// The signal that carries the value derived from the identity.
pub(super) const PROOF: &str = "proof";

/// One publisher's samples: number `n` (from 1) belongs to vehicle `(n - 1) % vehicles`.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// Name of the publisher; its vehicles are `<name>-<k>`.
    pub(super) name: String,
    pub(super) vehicles: u64,
    pub(super) seed: u64,
    /// Source time of number 0; each number is a millisecond later.
    pub(super) start: Timestamp,
    /// It comes through a spool, in two numbered streams of its own numbers: in order are only those of each.
    pub(super) spooled: bool,
}

impl Stream {
    /// The vehicle of number `n`.
    pub(super) fn vehicle(&self, n: u64) -> String {
        format!("{}-{}", self.name, (n - 1) % self.vehicles)
    }

    /// Every vehicle.
    pub(super) fn vehicles(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.vehicles).map(|k| format!("{}-{k}", self.name))
    }

    /// Which sample of its vehicle number `n` is, from 0.
    pub(super) const fn index(&self, n: u64) -> u64 {
        (n - 1) / self.vehicles
    }

    /// How many samples the vehicle `k` has when `last` is the highest number.
    pub(super) const fn count(&self, k: u64, last: u64) -> u64 {
        if last <= k { 0 } else { (last - k - 1) / self.vehicles + 1 }
    }

    /// Source time of number `n`.
    pub(super) fn time(&self, n: u64) -> Timestamp {
        Timestamp::from_micros(self.start.micros() + n as i64 * 1_000)
    }

    /// The number at a source time.
    pub(super) fn number_at(&self, micros: i64) -> Option<u64> {
        let since = u64::try_from(micros - self.start.micros()).ok()?;
        since.is_multiple_of(1_000).then_some(since / 1_000)
    }

    /// The value number `n` must carry: 52 bits, so that JSON and `f64` keep it whole.
    pub(super) fn proof(&self, n: u64) -> u64 {
        let name = u64::from(crc32fast::hash(self.name.as_bytes()));
        mix(self.seed ^ mix(name << 32 ^ n)) >> 12
    }

    /// The sample as a line (or body) of `{driverId, sessionId, timestamp, data}`.
    pub(super) fn line(&self, n: u64) -> String {
        let (vehicle, time, proof) = (self.vehicle(n), self.time(n), self.proof(n));
        format!(r#"{{"driverId":"{vehicle}","sessionId":"soak","timestamp":"{time}","data":{{"{NUMBER}":{n},"{PROOF}":{proof}}}}}"#)
    }
}

/// The finaliser of `SplitMix64`.
const fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_tells_vehicle_index_time_and_a_value_of_its_own() {
        let stream = Stream { name: "a".into(), vehicles: 3, seed: 7, start: Timestamp::from_millis(1_000), spooled: false };
        assert_eq!((stream.vehicle(1), stream.vehicle(5), stream.index(5)), ("a-0".into(), "a-1".into(), 1));
        assert_eq!(stream.number_at(stream.time(42).micros()), Some(42));
        assert_eq!(stream.number_at(stream.time(42).micros() + 1), None);
        assert_eq!((0..3).map(|k| stream.count(k, 7)).collect::<Vec<_>>(), [3, 2, 2]);
        let proofs: std::collections::HashSet<u64> = (1..1_000).map(|n| stream.proof(n)).collect();
        assert_eq!(proofs.len(), 999);
        assert!(proofs.iter().all(|p| *p < 1 << 52));
        let other = Stream { name: "b".into(), ..stream.clone() };
        assert_ne!(stream.proof(1), other.proof(1));
        assert!(serde_json::from_str::<serde_json::Value>(&stream.line(1)).is_ok());
    }
}
