//! Whether bytes are an image this gateway keeps.

use slipstream_protocol::{ErrorCode, ProtocolError};

use super::picture_head::{self, HeadError};

/// Largest image file, bytes: as base64 in a JSON body it stays below the 8 MiB that a body may have.
pub const MAX_IMAGE_BYTES: usize = 5 << 20;

/// Most pixels an image may say it has: a few bytes can promise a picture that no reader can hold.
pub const MAX_IMAGE_PIXELS: u64 = 50_000_000;

/// What an image's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// Its media type.
    pub content_type: &'static str,
    /// Width, pixels.
    pub width: u32,
    /// Height, pixels.
    pub height: u32,
}

/// Reads an image's header.
///
/// Fails with [`ErrorCode::InvalidImage`] where it is no JPEG, PNG, WebP or GIF or has too many
/// pixels, and with [`ErrorCode::TooLarge`] where the file is too large.
pub fn check_image(bytes: &[u8]) -> Result<ImageFacts, ProtocolError> {
    if bytes.len() > MAX_IMAGE_BYTES {
        let said = format!("the image has {} bytes, {MAX_IMAGE_BYTES} are allowed; send a smaller one", bytes.len());
        return Err(ProtocolError::new(ErrorCode::TooLarge, said));
    }
    let head = picture_head::read(bytes).map_err(|error| match error {
        HeadError::Unknown => invalid("'frameData' is not an image; JPEG, PNG, WebP and GIF are taken"),
        HeadError::Broken { content_type, why } => {
            invalid(&format!("'frameData' begins like {content_type} but its header is broken: {why}"))
        }
    })?;
    let picture_head::Head { content_type, width, height } = head;
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 || pixels > MAX_IMAGE_PIXELS {
        return Err(invalid(&format!("'frameData' has {width} x {height} pixels; 1 to {MAX_IMAGE_PIXELS} in all are taken")));
    }
    Ok(ImageFacts { content_type, width, height })
}

fn invalid(why: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidImage, why)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use image::{DynamicImage, ImageBuffer, ImageFormat, Rgb};
    use proptest::prelude::*;

    fn encoded(format: ImageFormat) -> Vec<u8> {
        let picture = DynamicImage::ImageRgb8(ImageBuffer::from_fn(7, 5, |x, y| Rgb([x as u8 * 30, y as u8 * 40, 9])));
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    const KINDS: [(ImageFormat, &str); 4] = [
        (ImageFormat::Jpeg, "image/jpeg"),
        (ImageFormat::Png, "image/png"),
        (ImageFormat::WebP, "image/webp"),
        (ImageFormat::Gif, "image/gif"),
    ];

    #[test]
    fn each_kind_taken_is_known_by_its_content() {
        for (format, content_type) in KINDS {
            assert_eq!(check_image(&encoded(format)).unwrap(), ImageFacts { content_type, width: 7, height: 5 });
        }
    }

    #[test]
    fn what_is_no_image_is_refused() {
        for bad in
            [b"".as_slice(), b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM123456"]
        {
            assert_eq!(check_image(bad).unwrap_err().code, ErrorCode::InvalidImage, "{bad:?}");
        }
    }

    #[test]
    fn too_many_bytes_and_too_many_pixels_are_refused() {
        let mut bomb = encoded(ImageFormat::Gif);
        bomb[6..10].copy_from_slice(&[0xff; 4]);
        let refused = check_image(&bomb).unwrap_err();
        assert!(refused.code == ErrorCode::InvalidImage && refused.message.contains("65535 x 65535"), "{refused}");
        let mut padded = encoded(ImageFormat::Jpeg);
        padded.resize(MAX_IMAGE_BYTES + 1, 0);
        assert_eq!(check_image(&padded).unwrap_err().code, ErrorCode::TooLarge);
    }

    proptest! {
        #[test]
        fn a_damaged_image_never_makes_it_panic(kind in 0..4_usize, at in 0..200_usize, value: u8, cut in 0..200_usize) {
            let mut bytes = encoded(KINDS[kind].0);
            let at = at % bytes.len();
            bytes[at] = value;
            let _ = check_image(&bytes[..bytes.len() - cut % bytes.len()]);
        }
    }
}
