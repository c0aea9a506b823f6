//! The live page, embedded.
