//! Who hears at once what became of a publisher's numbers.

use slipstream_protocol::PublisherId;

/// Told by the thread that writes, before anybody who waits for a ticket hears of it. What it does
/// must be quick and may not wait for the journal.
pub trait PublisherWatch: std::fmt::Debug + Send + Sync {
    /// Everything of `publisher` up to `seq` that was handed in is durable.
    fn kept(&self, publisher: &PublisherId, seq: u64);

    /// A batch of `publisher` could not be kept, and none that was handed in behind it will be, until
    /// this returns: otherwise its numbers would lie in the journal out of order, and twice when they
    /// are sent again. What is handed in afterwards is a new attempt.
    fn broken(&self, publisher: &PublisherId);
}
