//! Time series to and from CSV, JSON lines and Parquet.
