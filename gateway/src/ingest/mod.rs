//! From a door to the journal and the actors: what every way in shares.

mod accept;
mod decoders;
mod intake;
mod ledger;

pub use accept::{AcceptError, accept};
pub use decoders::DecoderPool;
pub use intake::{Intake, Pass, Turn};
pub use ledger::{Admitted, Ledger, Publisher, Refused, Ticket};
