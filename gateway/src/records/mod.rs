//! Relational records in SQLite or PostgreSQL.
