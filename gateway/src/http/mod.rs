//! REST: one port for everything, one file a resource.
