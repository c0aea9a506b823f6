//! What must hold of every reader of files, whatever it is given.
//!
//! One function a reader, each beside what it checks; see the fuzz targets in `fuzz/`. Built for them and for tests alone.

pub use crate::{
    source::fuzz::relay_sources,
    transfer::fuzz::{exported_rows, parquet_files},
};

/// The corpus, and damaged copies of it, keep to the properties.
#[cfg(test)]
mod corpus {
    use slipstream_corpus::replay;

    #[test]
    fn relay_sources() {
        replay("relay_sources", super::relay_sources);
    }

    #[test]
    fn exported_rows() {
        replay("exported_rows", super::exported_rows);
    }

    #[test]
    fn parquet_files() {
        replay("parquet_files", super::parquet_files);
    }
}
