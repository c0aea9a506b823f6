//! Telemetry frames: refuse what may not be, keep the rest, route it, and promise.

use slipstream_protocol::{ErrorCode, ProtocolError, client::TelemetryFrame, server::AckLevel};

use super::session::Session;

impl Session {
    /// Takes one telemetry frame. Returns whether anything in it was good.
    pub(super) async fn telemetry(&mut self, mut frame: TelemetryFrame) -> bool {
        let mut highest = frame.refused.iter().filter_map(|r| r.seq).max();
        for refusal in frame.refused.drain(..) {
            self.refuse(None, refusal.seq, &refusal.error);
        }
        highest = highest.max(frame.samples.iter().filter_map(|s| s.seq).max());
        let forbidden: Vec<_> = frame.samples.extract_if(.., |s| !self.admission.claims.may_publish(&s.vehicle)).collect();
        for sample in forbidden {
            let message = format!("this token may not publish for '{}'", sample.vehicle);
            self.refuse(None, sample.seq, &ProtocolError::new(ErrorCode::Forbidden, message));
        }
        let any_good = !frame.samples.is_empty();
        // Numbers of refused samples are acknowledged past, too: in order behind what came before.
        let admitted = self.publisher.admit(frame.samples, &*self.services.journal);
        let counters = &self.services.counters;
        counters.duplicates.inc_by(admitted.duplicates);
        counters.samples_in.inc_by(admitted.batch.samples.len() as u64);
        if self.level == AckLevel::Received {
            // The frame still goes through the queue so that a failing journal is noticed.
            self.acks.push(None, admitted.ticket, self.level, self.services.journal.clone());
        } else {
            self.acks.push(highest, admitted.ticket, self.level, self.services.journal.clone());
        }
        if !admitted.batch.samples.is_empty() {
            for refusal in self.services.router.route(admitted.batch).await {
                self.refuse(None, refusal.seq, &refusal.error);
            }
        }
        if let (AckLevel::Received, Some(seq)) = (self.level, highest) {
            self.acknowledge(seq);
        }
        any_good
    }
}
