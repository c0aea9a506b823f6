//! From a door to the journal and the actors: what every way in shares.

mod accept;
mod decoders;
mod intake;
mod judge;
mod ledger;
mod line;
mod stream;

pub use accept::{AcceptError, accept};
pub use decoders::DecoderPool;
pub use intake::{Intake, Pass};
pub use judge::Judge;
pub use ledger::{Admitted, Ledger, Publisher, Refused, Ticket};
pub use line::{Flow, Turn};
pub use stream::stream_name;
