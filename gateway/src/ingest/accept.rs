//! Samples without numbers, as requests bring them.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use slipstream_ports::JournalError;
use slipstream_protocol::{ErrorCode, ProtocolError, Sample, SampleBatch};

use crate::app::Services;

/// Why samples were not taken.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The engine is behind or drains; nothing was kept.
    #[error(transparent)]
    Refused(#[from] ProtocolError),
    /// The journal could not keep them.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl AcceptError {
    /// Whether to try again without a change.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Refused(error) => error.is_retryable(),
            Self::Journal(error) => error.is_retryable(),
        }
    }
}

/// How long a request waits for those who publish for the same vehicles.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes samples: journalled and routed side by side, so that the answer waits for the slower of the
/// two only. Returns the position of their record, synced to disk.
///
/// A request cannot be slowed down as a connection can, so where the journal or a vehicle is behind it
/// is refused before anything is kept. What is kept is routed, whether or not the caller waits for it.
pub async fn accept(services: &Arc<Services>, samples: Vec<Sample>) -> Result<u64, AcceptError> {
    let behind = |vehicle| {
        let message = format!("vehicle '{vehicle}' gets more than it can take; send slower and try again");
        AcceptError::from(ProtocolError::new(ErrorCode::Busy, message))
    };
    if let Some(sample) = samples.iter().find(|sample| services.router.is_full(&sample.vehicle)) {
        return Err(behind(&sample.vehicle));
    }
    // Others may be at it for the same vehicles, and may be able to wait longer than a request.
    let Ok(mut sequence) = tokio::time::timeout(PATIENCE, services.router.sequence(&samples)).await else {
        return Err(behind(&samples[0].vehicle));
    };
    let pass = services
        .intake
        .enter()
        .ok_or_else(|| ProtocolError::new(ErrorCode::Unavailable, "the server is draining, come back in a moment"))?;
    let count = samples.len() as u64;
    let batch = SampleBatch { publisher: None, samples };
    // The append is queued by the call itself; awaiting the ticket only waits for the sync.
    let mut ticket = sequence.append(&batch, None, &*services.journal);
    let at_once = (&mut ticket).now_or_never().transpose()?;
    services.counters.samples_in.inc_by(count);
    let mut routing = Box::pin(async move {
        // Not refused: it is let in, so the actors do not drain yet.
        sequence.route(batch).await;
        drop(pass);
    });
    if (&mut routing).now_or_never().is_none() {
        // On its own, because a caller that hangs up takes this future along. A panic there was told where it happened.
        drop(tokio::spawn(routing).await);
    }
    match at_once {
        Some(position) => Ok(position),
        None => Ok(ticket.await?),
    }
}
