//! The head of a picture: what it is and how large, without decoding it.
//!
//! Reads PNG, JPEG, GIF and WebP by their specifications. No reader here looks at pixels, so a picture with a sound head and
//! a broken rest is taken: whoever shows it will see that.

/// What a picture's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// The media type.
    pub(super) content_type: &'static str,
    /// Width, pixels.
    pub(super) width: u32,
    /// Height, pixels.
    pub(super) height: u32,
}

/// Why bytes have no head that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HeadError {
    /// They begin like none of the four formats.
    #[error("it begins like no JPEG, PNG, WebP or GIF")]
    Unknown,
    /// They begin like one, and go on otherwise.
    #[error("it begins like {content_type} but {why}")]
    Broken {
        /// The format they begin like.
        content_type: &'static str,
        /// What is wrong.
        why: &'static str,
    },
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
const CUT: &str = "ends within its header";

type Size = Result<(u32, u32), &'static str>;

/// Reads the head of `bytes`.
pub(super) fn read(bytes: &[u8]) -> Result<Head, HeadError> {
    let (content_type, size): (_, fn(&[u8]) -> Size) = if bytes.starts_with(PNG) {
        ("image/png", png)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        ("image/jpeg", jpeg)
    } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        ("image/gif", gif)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        ("image/webp", webp)
    } else {
        return Err(HeadError::Unknown);
    };
    let (width, height) = size(bytes).map_err(|why| HeadError::Broken { content_type, why })?;
    Ok(Head { content_type, width, height })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], &'static str> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(CUT)
}

/// PNG (third edition), 5.3 and 11.2.1: the first chunk is `IHDR`, of 13 bytes, with its checksum.
fn png(bytes: &[u8]) -> Size {
    let chunk: [u8; 21] = array(bytes, PNG.len() + 4)?;
    if array(bytes, PNG.len())? != 13_u32.to_be_bytes() || !chunk.starts_with(b"IHDR") {
        return Err("its first chunk is no IHDR");
    }
    if crc32fast::hash(&chunk[..17]).to_be_bytes() != chunk[17..] {
        return Err("the checksum of its IHDR is wrong");
    }
    Ok((u32::from_be_bytes(array(&chunk, 4)?), u32::from_be_bytes(array(&chunk, 8)?)))
}

/// `GIF89a`, 18: the logical screen.
fn gif(bytes: &[u8]) -> Size {
    Ok((u16::from_le_bytes(array(bytes, 6)?).into(), u16::from_le_bytes(array(bytes, 8)?).into()))
}

/// ITU-T T.81, B.1 and B.2: segments until the frame's header (`SOF`).
fn jpeg(bytes: &[u8]) -> Size {
    let mut at = 2;
    loop {
        let [prefix, marker] = array(bytes, at)?;
        match (prefix, marker) {
            // Fill bytes may stand before any marker.
            (0xff, 0xff) => at += 1,
            // TEM stands alone.
            (0xff, 0x01) => at += 2,
            // All of this range but DHT, JPG and DAC: frames of every process.
            (0xff, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) => {
                let size: [u8; 4] = array(bytes, at + 5)?;
                return Ok((u16::from_be_bytes([size[2], size[3]]).into(), u16::from_be_bytes([size[0], size[1]]).into()));
            }
            (0xff, 0xc4 | 0xcc | 0xdb | 0xdd..=0xfe) => {
                let length = usize::from(u16::from_be_bytes(array(bytes, at + 2)?));
                if length < 2 {
                    return Err("one of its segments is shorter than its length");
                }
                at += 2 + length;
            }
            (0xff, _) => return Err("it has no frame before its first scan"),
            _ => return Err("its segments do not follow each other"),
        }
    }
}

/// RFC 9649, 2.4 to 2.7: the first chunk is lossy (`VP8 `), lossless (`VP8L`) or extended (`VP8X`).
fn webp(bytes: &[u8]) -> Size {
    const DATA: usize = 20;
    match &array::<4>(bytes, 12)? {
        // RFC 6386, 9.1: a frame tag, the start code, then twice 14 bits and a scale.
        b"VP8 " => {
            if array(bytes, DATA + 3)? != [0x9d, 0x01, 0x2a] {
                return Err("its first frame is no key frame");
            }
            let side = |at| Ok::<_, &str>(u32::from(u16::from_le_bytes(array(bytes, at)?) & 0x3fff));
            Ok((side(DATA + 6)?, side(DATA + 8)?))
        }
        b"VP8L" => {
            let [signature, bits @ ..] = array::<5>(bytes, DATA)?;
            let bits = u32::from_le_bytes(bits);
            if signature != 0x2f {
                return Err("its picture has no lossless signature");
            }
            Ok(((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1))
        }
        b"VP8X" => {
            let side = |at| array::<3>(bytes, at).map(|[low, middle, high]| u32::from_le_bytes([low, middle, high, 0]) + 1);
            Ok((side(DATA + 4)?, side(DATA + 7)?))
        }
        _ => Err("its first chunk is no picture"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageFormat};
    use proptest::prelude::*;

    fn picture(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
        let mut bytes = std::io::Cursor::new(Vec::new());
        DynamicImage::new_rgb8(width, height).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    const FORMATS: [(ImageFormat, &str); 4] = [
        (ImageFormat::Png, "image/png"),
        (ImageFormat::Jpeg, "image/jpeg"),
        (ImageFormat::Gif, "image/gif"),
        (ImageFormat::WebP, "image/webp"),
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_size_is_read_as_the_encoder_wrote_it(kind in 0..4_usize, width in 1..400_u32, height in 1..400_u32) {
            let (format, content_type) = FORMATS[kind];
            prop_assert_eq!(read(&picture(format, width, height)), Ok(Head { content_type, width, height }));
        }

        #[test]
        fn a_head_cut_short_is_an_error_that_says_so(kind in 0..4_usize, cut in 0..12_usize) {
            let bytes = picture(FORMATS[kind].0, 3, 3);
            let head = [24, 20, 9, 24][kind];
            prop_assert!(read(&bytes[..head - cut.min(head)]).is_err());
        }
    }

    #[test]
    fn lossy_and_extended_webp_are_read() {
        let of = |chunk: &[u8]| [b"RIFF\0\0\0\0WEBP".as_slice(), chunk].concat();
        let lossy = of(b"VP8 \x20\0\0\0\x10\0\0\x9d\x01\x2a\x80\x42\xe0\x81");
        assert_eq!(read(&lossy), Ok(Head { content_type: "image/webp", width: 640, height: 480 }));
        let extended = of(b"VP8X\x0a\0\0\0\0\0\0\0\xff\x0f\x00\x37\x04\x00");
        assert_eq!(read(&extended), Ok(Head { content_type: "image/webp", width: 4096, height: 1080 }));
        assert!(read(&of(b"VP8 \x20\0\0\0\x11\0\0\0\0\0\x80\x42\xe0\x81")).is_err(), "no key frame");
        assert!(read(&of(b"ALPH\x20\0\0\0")).is_err());
    }

    #[test]
    fn segments_before_the_frame_of_a_jpeg_are_passed_over() {
        let plain = picture(ImageFormat::Jpeg, 7, 5);
        let thumbnail = [b"\xff\xe1\x00\x08\xff\xc0\0\x11\x08\0".as_slice(), b"\xff\xff\xff\xfe\0\x02"].concat();
        let bytes = [&plain[..2], &thumbnail, &plain[2..]].concat();
        assert_eq!(read(&bytes), Ok(Head { content_type: "image/jpeg", width: 7, height: 5 }));
        for broken in [b"\xff\xd8\xff\xe0\0\0".as_slice(), b"\xff\xd8\xff\xda\0\x08", b"\xff\xd8\xff\xfe\0\x02ab"] {
            assert!(matches!(read(broken), Err(HeadError::Broken { content_type: "image/jpeg", .. })), "{broken:?}");
        }
    }

    #[test]
    fn a_png_with_a_wrong_checksum_is_refused() {
        let mut bytes = picture(ImageFormat::Png, 7, 5);
        bytes[19] ^= 1;
        assert!(matches!(read(&bytes), Err(HeadError::Broken { why, .. }) if why.contains("checksum")));
    }
}
