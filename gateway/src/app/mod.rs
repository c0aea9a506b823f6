//! Wiring: config in, a running server out.
