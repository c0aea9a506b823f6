//! Video frames: checked to be images, kept under `DATA_DIR`.
