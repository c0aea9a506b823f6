//! Tokens: minting, checking, the secret under `DATA_DIR`; passwords.
