//! Telemetry frames: refuse what may not be, keep the rest, route it, and promise.

use std::time::Duration;

use slipstream_protocol::{ErrorCode, ProtocolError, client::TelemetryFrame, server::AckLevel};

use tokio::time::{Instant, sleep};

use super::session::Session;
use crate::journal::EmbeddedJournal;

/// How often a connection that waits for room in the journal looks again.
const ROOM_POLL: Duration = Duration::from_millis(2);
/// How long it waits: a disk that takes nothing for so long is failing, and the publisher is told.
const ROOM_PATIENCE: Duration = Duration::from_secs(10);

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
        if !self.services.journal.has_room() {
            // Boxed: rare, and its timer would otherwise be kept in every connection's task.
            Box::pin(wait_for_room(&self.services.journal)).await;
        }
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

/// Waits while the journal is behind. Nothing more is read meanwhile, so the peer's sends slow down
/// to what the disk takes.
async fn wait_for_room(journal: &EmbeddedJournal) {
    let deadline = Instant::now() + ROOM_PATIENCE;
    while !journal.has_room() && Instant::now() < deadline {
        sleep(ROOM_POLL).await;
    }
}
