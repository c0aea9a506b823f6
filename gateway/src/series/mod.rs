//! Time series in SQLite, InfluxDB 2 or InfluxDB 1.x, and the writer that feeds them.
