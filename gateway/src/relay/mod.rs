//! The relay agent: sources, pacing, batching, acknowledgements, reconnects.
