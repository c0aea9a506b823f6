//! Bodies that arrive packed: gzip, as Telegraf and Vector send it, unpacked within the bound of every body.

use std::io::Read as _;

use bytes::Bytes;
use http::{HeaderMap, header};
use slipstream_protocol::ErrorCode;

use super::reply::ApiError;

/// The body as it is meant: unpacked where the request says that it is gzip.
///
/// Fails with [`ErrorCode::UnsupportedEncoding`] on another coding, with [`ErrorCode::TooLarge`] where it is more than
/// `most` bytes unpacked, and with [`ErrorCode::ValidationError`] where it is not gzip.
pub(super) fn unpacked(headers: &HeaderMap, body: Bytes, most: usize) -> Result<Bytes, ApiError> {
    let codings = headers.get_all(header::CONTENT_ENCODING).into_iter().flat_map(|value| value.to_str().unwrap_or("?").split(','));
    let codings: Vec<String> =
        codings.map(|coding| coding.trim().to_ascii_lowercase()).filter(|coding| !coding.is_empty() && coding != "identity").collect();
    match codings.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(body),
        ["gzip" | "x-gzip"] => gunzip(&body, most),
        _ => {
            let given: String = codings.join(", ").chars().take(60).collect();
            Err(ApiError::new(ErrorCode::UnsupportedEncoding, format!("the body's encoding '{given}' is not taken; gzip is, once")))
        }
    }
}

fn gunzip(body: &[u8], most: usize) -> Result<Bytes, ApiError> {
    // Each part of a file of several is read, as gzip itself does.
    let mut unpacked = Vec::with_capacity(body.len().saturating_mul(4).min(most));
    let read = flate2::read::MultiGzDecoder::new(body).take(most as u64 + 1).read_to_end(&mut unpacked);
    if unpacked.len() > most {
        return Err(ApiError::new(ErrorCode::TooLarge, format!("the body is larger than the {most} bytes that are taken, unpacked")));
    }
    match read {
        Ok(_) => Ok(unpacked.into()),
        Err(error) => Err(ApiError::new(ErrorCode::ValidationError, format!("the body is said to be gzip and is not: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn packed(body: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap().into()
    }

    fn said(coding: &'static str) -> HeaderMap {
        [(header::CONTENT_ENCODING, http::HeaderValue::from_static(coding))].into_iter().collect()
    }

    #[test]
    fn gzip_is_unpacked_and_what_is_plain_stays() {
        assert_eq!(unpacked(&said("gzip"), packed(b"{}"), 100).unwrap(), "{}");
        assert_eq!(unpacked(&said("X-GZIP"), packed(b"{}"), 100).unwrap(), "{}");
        assert_eq!(unpacked(&said("identity"), Bytes::from_static(b"{}"), 100).unwrap(), "{}");
        assert_eq!(unpacked(&HeaderMap::new(), Bytes::from_static(b"{}"), 100).unwrap(), "{}");
        let two = [packed(b"[1,"), packed(b"2]")].concat();
        assert_eq!(unpacked(&said("gzip"), two.into(), 100).unwrap(), "[1,2]");
    }

    #[test]
    fn what_unpacks_to_more_than_is_taken_is_refused() {
        assert_eq!(unpacked(&said("gzip"), packed(&vec![b' '; 1 << 20]), 1 << 20).unwrap().len(), 1 << 20);
        assert_eq!(unpacked(&said("gzip"), packed(&vec![b' '; (1 << 20) + 1]), 1 << 20).unwrap_err().code, ErrorCode::TooLarge);
        assert_eq!(unpacked(&said("gzip"), packed(&vec![0; 64 << 20]), 1_000).unwrap_err().code, ErrorCode::TooLarge);
    }

    #[test]
    fn other_codings_and_what_is_not_gzip_are_refused() {
        for coding in ["br", "deflate", "gzip, gzip", "zstd"] {
            assert_eq!(unpacked(&said(coding), packed(b"{}"), 100).unwrap_err().code, ErrorCode::UnsupportedEncoding, "{coding}");
        }
        assert_eq!(unpacked(&said("gzip"), Bytes::from_static(b"{}"), 100).unwrap_err().code, ErrorCode::ValidationError);
        let cut = packed(b"a body of some length, to be cut off");
        assert_eq!(unpacked(&said("gzip"), cut.slice(..cut.len() - 4), 100).unwrap_err().code, ErrorCode::ValidationError);
    }
}
