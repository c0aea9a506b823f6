//! From a door to the journal and the actors: what every way in shares.

mod decoders;
mod ledger;

pub use decoders::DecoderPool;
pub use ledger::{Admitted, Ledger, Publisher, Ticket};

use slipstream_actors::ports::{Journal, JournalError};
use slipstream_protocol::{Sample, SampleBatch, client::Refusal};

use crate::app::Services;

/// What became of samples without numbers.
#[derive(Debug)]
pub struct Accepted {
    /// Position of their record, synced to disk.
    pub position: u64,
    /// Which of them the actors did not take, and why.
    pub refused: Vec<Refusal>,
}

/// Takes samples that carry no numbers: journalled and routed side by side, so that the answer waits
/// for the slower of the two only.
pub async fn accept(services: &Services, samples: Vec<Sample>) -> Result<Accepted, JournalError> {
    services.counters.samples_in.inc_by(samples.len() as u64);
    let batch = SampleBatch { publisher: None, samples };
    // The append is queued by the call itself; awaiting the ticket only waits for the sync.
    let ticket = services.journal.append(&batch);
    let (synced, refused) = tokio::join!(ticket, services.router.route(batch));
    Ok(Accepted { position: synced?, refused })
}
