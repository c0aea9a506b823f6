//! One embedded file, ready to be sent.

use std::io::Write as _;

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

/// A file of the page.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its path below `/console/`.
    pub(super) name: &'static str,
    /// Its bytes.
    pub(super) body: &'static [u8],
    /// Its bytes, packed; absent where that would not make it smaller.
    pub(super) gzip: Option<Vec<u8>>,
    /// Its entity tag, quotes included: from the content, so it changes exactly when the content does.
    pub(super) etag: String,
}

impl Asset {
    pub(super) fn new(name: &'static str, body: &'static [u8]) -> Self {
        use std::fmt::Write as _;
        let mut etag = String::from("\"");
        for byte in &Sha256::digest(body)[..12] {
            let _ = write!(etag, "{byte:02x}"); // Writing to a String does not fail.
        }
        etag.push('"');
        Self { name, body, gzip: pack(body).filter(|packed| packed.len() < body.len()), etag }
    }

    /// The media type, by the name's ending.
    pub(super) fn content_type(&self) -> &'static str {
        match self.name.rsplit_once('.').map_or("", |(_, ending)| ending) {
            "html" => "text/html; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "text/plain; charset=utf-8",
        }
    }
}

fn pack(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}
