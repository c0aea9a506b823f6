//! Subscribe to channels and print what arrives.
