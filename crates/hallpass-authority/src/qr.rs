//! A picture of a QR code, for authenticator programs to look at.

use qrcodegen::{QrCode, QrCodeEcc};

/// Pixels of one module.
const SCALE: usize = 4;
/// Modules of white around it (ISO/IEC 18004 asks for four).
const QUIET: usize = 4;

/// `text` as a QR code in a black and white PNG; `None` when it is too long for one.
pub(crate) fn png(text: &str) -> Option<Vec<u8>> {
    let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
    let modules = usize::try_from(code.size()).ok()? + 2 * QUIET;
    let side = modules * SCALE;
    let is_dark = |x: usize, y: usize| {
        let at = |pixel: usize| {
            i32::try_from(pixel / SCALE)
                .unwrap_or(0)
                .saturating_sub(i32::try_from(QUIET).unwrap_or(0))
        };
        code.get_module(at(x), at(y))
    };
    let mut rows = Vec::with_capacity(side * (side / 8 + 2));
    for y in 0..side {
        // No filter (PNG specification, §9).
        rows.push(0);
        for byte in 0..side.div_ceil(8) {
            let bits = (0..8).filter(|bit| !is_dark(byte * 8 + bit, y));
            rows.push(bits.fold(0u8, |row, bit| row | (0x80 >> bit)));
        }
    }
    let side = u32::try_from(side).ok()?.to_be_bytes();
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    // One bit a pixel, greyscale.
    chunk(
        &mut out,
        b"IHDR",
        &[&side[..], &side[..], &[1, 0, 0, 0, 0]].concat(),
    );
    chunk(&mut out, b"IDAT", &stored(&rows));
    chunk(&mut out, b"IEND", &[]);
    Some(out)
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], body: &[u8]) {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    out.extend(length.to_be_bytes());
    let start = out.len();
    out.extend(kind);
    out.extend(body);
    let sum = crc32(out.get(start..).unwrap_or_default());
    out.extend(sum.to_be_bytes());
}

/// A zlib stream that does not compress (RFC 1950, RFC 1951 §3.2.4).
fn stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let mut blocks = data.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let (mut low, mut high) = (1u32, 0u32);
    for byte in data {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    out.extend(((high << 16) | low).to_be_bytes());
    out
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 {
                (sum >> 1) ^ 0xedb8_8320
            } else {
                sum >> 1
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b"IEND"), 0xae42_6082);
        assert_eq!(
            stored(b"Wikipedia").last_chunk::<4>(),
            Some(&[0x11, 0xe6, 0x03, 0x98])
        );
    }

    #[test]
    fn a_picture_is_square_and_white_around() {
        let picture = png("otpauth://totp/x?secret=AAAA").unwrap();
        assert!(
            picture.starts_with(b"\x89PNG\r\n\x1a\n") && picture.ends_with(&0xae42_6082u32.to_be_bytes())
        );
        assert_eq!(picture[16..20], picture[20..24]);
        // Version 2 has 25 modules; with the quiet zone 33, of four pixels each.
        assert_eq!(picture[16..20], 132u32.to_be_bytes());
        // The first row: no filter, then white.
        assert_eq!(picture[48], 0);
        assert!(picture[49..65].iter().all(|byte| *byte == 0xff));
        assert_eq!(png(&"x".repeat(3_000)), None);
    }
}
