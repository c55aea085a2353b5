//! One message's frame: lengths, their checksum, headers, payload, the checksum of all. Numbers are big-endian.

use crate::error::EventError;
use crc_fast::{CrcAlgorithm, checksum};
use hallpass_types::UnixSeconds;

/// Total length, length of the headers, checksum of both.
pub(super) const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
const DATE: &[u8] = b":date";
const SIGNATURE: &[u8] = b":chunk-signature";
/// Types of header values.
const TIMESTAMP: u8 = 8;
const BYTE_ARRAY: u8 = 6;

/// An outer message taken apart.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// To the second, as it is signed.
    pub(super) date: UnixSeconds,
    /// The header `:date` as it stands in the frame.
    pub(super) date_header: &'a [u8],
    pub(super) signature: [u8; 32],
    /// The inner message; empty in the last.
    pub(super) payload: &'a [u8],
}

/// The total length that a prelude announces, in bytes.
pub(super) fn total_bytes(prelude: &[u8; PRELUDE_BYTES], limit_bytes: usize) -> Result<usize, EventError> {
    let (total, headers, sum) = numbers(prelude);
    if crc32(prelude.get(..8).unwrap_or_default()) != sum {
        return Err(EventError::Checksum);
    }
    if total > limit_bytes {
        return Err(EventError::MessageTooLarge { limit_bytes });
    }
    let around = PRELUDE_BYTES + CHECKSUM_BYTES;
    if total.checked_sub(around).is_none_or(|inside| headers > inside) {
        return Err(EventError::Framing);
    }
    Ok(total)
}

/// Takes a whole frame apart, whose prelude was checked.
pub(super) fn read(frame: &[u8]) -> Result<Message<'_>, EventError> {
    let (covered, sum) = frame
        .split_last_chunk::<CHECKSUM_BYTES>()
        .ok_or(EventError::Framing)?;
    if crc32(covered) != u32::from_be_bytes(*sum) {
        return Err(EventError::Checksum);
    }
    let (prelude, rest) = covered
        .split_first_chunk::<PRELUDE_BYTES>()
        .ok_or(EventError::Framing)?;
    let (_, headers, _) = numbers(prelude);
    let (headers, payload) = rest.split_at_checked(headers).ok_or(EventError::Framing)?;
    let (date, date_header, signature) = read_headers(headers).ok_or(EventError::Headers)?;
    Ok(Message {
        date,
        date_header,
        signature,
        payload,
    })
}

/// Exactly `:date` and `:chunk-signature`, in either order: nothing else would be covered by the signature.
fn read_headers(headers: &[u8]) -> Option<(UnixSeconds, &[u8], [u8; 32])> {
    let (mut date, mut signature) = (None, None);
    let mut rest = headers;
    while let Some((length, after)) = rest.split_first() {
        let (name, after) = after.split_at_checked(usize::from(*length))?;
        let (kind, after) = after.split_first()?;
        let after = match (name, *kind) {
            (DATE, TIMESTAMP) if date.is_none() => {
                let (millis, after) = after.split_first_chunk::<8>()?;
                let whole = rest.get(..rest.len() - after.len())?;
                let seconds = i64::from_be_bytes(*millis).div_euclid(1_000);
                date = Some((UnixSeconds(seconds), whole));
                after
            }
            (SIGNATURE, BYTE_ARRAY) if signature.is_none() => {
                let (length, after) = after.split_first_chunk::<2>()?;
                let (bytes, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
                signature = Some(bytes.try_into().ok()?);
                after
            }
            _ => return None,
        };
        rest = after;
    }
    let (date, whole) = date?;
    Some((date, whole, signature?))
}

/// The header `:date` as it is framed and hashed.
pub(super) fn date_header(date: UnixSeconds) -> Vec<u8> {
    let mut header = vec![5];
    header.extend_from_slice(DATE);
    header.push(TIMESTAMP);
    header.extend_from_slice(&date.0.saturating_mul(1_000).to_be_bytes());
    header
}

/// Appends a signed message.
pub(super) fn write(
    date_header: &[u8],
    signature: &[u8; 32],
    payload: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EventError> {
    let mut headers = date_header.to_vec();
    headers.push(16);
    headers.extend_from_slice(SIGNATURE);
    headers.extend_from_slice(&[BYTE_ARRAY, 0, 32]);
    headers.extend_from_slice(signature);
    let total = PRELUDE_BYTES + headers.len() + payload.len() + CHECKSUM_BYTES;
    let number = |length: usize| {
        let too_large = EventError::MessageTooLarge {
            limit_bytes: u32::MAX as usize,
        };
        u32::try_from(length).map_err(|_| too_large)
    };
    let start = out.len();
    out.extend_from_slice(&number(total)?.to_be_bytes());
    out.extend_from_slice(&number(headers.len())?.to_be_bytes());
    append_crc32(start, out);
    out.extend_from_slice(&headers);
    out.extend_from_slice(payload);
    append_crc32(start, out);
    Ok(())
}

fn append_crc32(start: usize, out: &mut Vec<u8>) {
    let sum = crc32(out.get(start..).unwrap_or_default());
    out.extend_from_slice(&sum.to_be_bytes());
}

/// Total length, length of the headers, checksum.
fn numbers(prelude: &[u8; PRELUDE_BYTES]) -> (usize, usize, u32) {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *prelude;
    let number = |bytes: [u8; 4]| u32::from_be_bytes(bytes);
    let size = |bytes| usize::try_from(number(bytes)).unwrap_or(usize::MAX);
    (size([a, b, c, d]), size([e, f, g, h]), number([i, j, k, l]))
}

fn crc32(bytes: &[u8]) -> u32 {
    // The algorithm's result has thirty-two bits.
    u32::try_from(checksum(CrcAlgorithm::Crc32IsoHdlc, bytes)).unwrap_or_default()
}
