//! Telemetry frames: refuse what may not be, gather the rest, keep it, route it, and promise.

use slipstream_actors::Sequence;
use slipstream_protocol::{
    ErrorCode, ProtocolError, Sample,
    client::{Refusal, TelemetryFrame},
    server::AckLevel,
};

use super::{
    acks::Kept,
    session::{End, Session},
};
use crate::{
    app::Services,
    ingest::{Admitted, Pass, Refused},
};

/// Bytes a connection may bring in before the others on its thread have their turn: well below a
/// millisecond of work.
const SHARE: usize = 64 << 10;

/// Most samples handed in together: a batch of a relay agent.
const TOGETHER: usize = 256;

/// What frames brought in together: a publisher that sends a sample a frame, faster than it is read, costs
/// about as little as one that sends batches.
#[derive(Default)]
pub(super) struct Gathered {
    samples: Vec<Sample>,
    /// The highest number in the frames, those of refused samples included.
    highest: Option<u64>,
    /// Size of the frames on the wire.
    bytes: usize,
}

impl Gathered {
    /// Whether `frame` of `bytes` is to be taken together with what is there: not beyond what a turn may
    /// bring in, and not numbered samples with others.
    fn goes_with(&self, samples: &[Sample], bytes: usize) -> bool {
        let numbered = |samples: &[Sample]| samples.first().map(|s| s.seq.is_some());
        self.bytes == 0
            || (self.bytes + bytes <= SHARE
                && self.samples.len() + samples.len() <= TOGETHER
                && (self.samples.is_empty() || samples.is_empty() || numbered(&self.samples) == numbered(samples)))
    }
}

impl Session {
    /// Takes one telemetry frame of `bytes`: what may be is gathered, to be handed in with what arrived with
    /// it. Returns whether anything in it was good.
    ///
    /// May wait as [`Session::hand_in`] does.
    pub(super) async fn telemetry(&mut self, mut frame: TelemetryFrame, bytes: usize) -> Result<bool, End> {
        let highest = frame.refused.iter().map(|r| r.seq).chain(frame.samples.iter().map(|s| s.seq)).flatten().max();
        let is_batch = frame.samples.len() + frame.refused.len() > 1;
        if !frame.samples.iter().all(|s| self.admission.claims.may_publish(&s.vehicle)) {
            frame.refuse_where(|sample| {
                let message = || format!("this token may not publish for '{}'", sample.vehicle);
                (!self.admission.claims.may_publish(&sample.vehicle)).then(|| ProtocolError::new(ErrorCode::Forbidden, message()))
            });
        }
        for Refusal { index, seq, mut error } in frame.refused.drain(..) {
            if seq.is_none() && is_batch {
                // Without a number its place is all that names it.
                error.message = format!("batch[{index}]: {}", error.message);
            }
            self.refuse_at(None, seq, is_batch.then_some(index), &error);
        }
        let any_good = !frame.samples.is_empty();
        if !self.gathered.goes_with(&frame.samples, bytes) {
            self.hand_in().await?;
        }
        let gathered = &mut self.gathered;
        if gathered.samples.is_empty() {
            gathered.samples = frame.samples;
        } else {
            gathered.samples.append(&mut frame.samples);
        }
        gathered.highest = gathered.highest.max(highest);
        gathered.bytes += bytes.max(1);
        Ok(any_good)
    }

    /// Keeps and routes what was gathered, and promises.
    ///
    /// Waits where the journal is behind or a vehicle's mailbox is full. Nothing more is read
    /// meanwhile, so the peer's sends slow down to what the engine takes.
    pub(super) async fn hand_in(&mut self) -> Result<(), End> {
        let Gathered { samples, highest, bytes } = std::mem::take(&mut self.gathered);
        if bytes == 0 {
            return Ok(());
        }
        self.share_out(bytes).await;
        // Whoever publishes for the same vehicles waits until these are handed over.
        let mut sequence = self.services.router.sequence(&samples).await;
        // Not let in any more: what is not acknowledged is sent again after the restart.
        let Some(pass) = self.services.intake.enter() else { return Err(End::Draining) };
        let start = self.services.intake.charge(&self.flow, bytes);
        let first = if self.services.intake.is_clear(&self.services.journal) {
            self.publisher.admit(samples, |batch, routed| sequence.append(batch, routed, &*self.services.journal))
        } else {
            Err(Refused { samples, duplicates: 0 })
        };
        let (admitted, pass) = match first {
            Ok(admitted) => (admitted, pass),
            Err(refused) => {
                drop(pass);
                // Boxed: rare, and its states would otherwise be kept in every connection's task.
                Box::pin(self.admit_in_turn(refused, start, &mut sequence)).await?
            }
        };
        let counters = &self.services.counters;
        counters.duplicates.inc_by(admitted.duplicates);
        counters.samples_in.inc_by(admitted.batch.samples.len() as u64);
        if !admitted.batch.samples.is_empty() {
            self.lateness.add(self.judge.judge(&self.services, &admitted.batch.samples));
        }
        // Numbers of refused samples are acknowledged past, too: in order behind what came before.
        // Promised already, the frame still goes through the queue so that a failing journal is noticed.
        let numbered = highest.filter(|_| self.level != AckLevel::Received);
        self.acks.push(numbered, bytes, admitted.ticket, self.level, self.services.journal.clone());
        if !admitted.batch.samples.is_empty() && !sequence.route(admitted.batch).await.is_empty() {
            // Journalled and never refused: the next start applies it.
            tracing::debug!("samples came in while the actors drained");
        }
        drop(pass);
        if self.level == AckLevel::Received {
            self.acknowledge(Kept { seq: highest, unstored: 0 });
        }
        Ok(())
    }

    /// Lets the others on this thread go on after every [`SHARE`] bytes: between two frames that have
    /// arrived nothing else would.
    async fn share_out(&mut self, bytes: usize) {
        self.unshared += bytes;
        if self.unshared >= SHARE {
            self.unshared = 0;
            tokio::task::yield_now().await;
        }
    }

    /// Waits in line until the journal takes what it did not.
    async fn admit_in_turn(&mut self, refused: Refused, start: u64, sequence: &mut Sequence) -> Result<(Admitted, Pass), End> {
        let Services { intake, journal, counters, .. } = &*self.services;
        let Refused { mut samples, mut duplicates } = refused;
        counters.ws_backpressure.inc();
        loop {
            let turn = tokio::select! {
                () = self.admission.registered.stop.cancelled() => return Err(self.stopped()),
                turn = intake.turn(journal, start) => turn,
            };
            let pass = intake.enter().ok_or(End::Draining)?;
            let outcome = self.publisher.admit(samples, |batch, routed| sequence.append(batch, routed, &**journal));
            drop(turn);
            match outcome {
                Ok(admitted) => return Ok((Admitted { duplicates: duplicates + admitted.duplicates, ..admitted }, pass)),
                // Doors that cannot wait took the room.
                Err(again) => {
                    duplicates += again.duplicates;
                    samples = again.samples;
                }
            }
        }
    }
}
