//! The locks and atomics of hand-made synchronisation. What uses them from here, and nothing else of
//! this crate, is checked under every interleaving: `models/` compiles the same source files against
//! loom's.

pub(crate) use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, Ordering},
};

pub(crate) use parking_lot::{Mutex, RwLock};
