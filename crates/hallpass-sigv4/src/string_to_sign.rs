use crate::date::DateText;
use crate::key::SigningKey;
use crate::payload::to_hex;
use crate::scope::Scope;

/// The only algorithm spoken here.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(crate) const CHUNK_ALGORITHM: &str = "AWS4-HMAC-SHA256-PAYLOAD";
pub(crate) const TRAILER_ALGORITHM: &str = "AWS4-HMAC-SHA256-TRAILER";

/// SHA-256 of zero bytes.
pub(crate) const SHA256_OF_NOTHING: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// The signature of a request whose canonical form hashes to `canonical_hash`.
pub(crate) fn request_signature(
    key: &SigningKey,
    date: &DateText,
    scope: &Scope,
    canonical_hash: &[u8; 32],
) -> [u8; 32] {
    key.mac(pieces(ALGORITHM, date, scope, &[&to_hex(canonical_hash)]))
}

/// The pieces of a string to sign: algorithm, date, scope, then `rest`, one a line.
pub(crate) fn pieces<'a>(
    algorithm: &'a str,
    date: &'a DateText,
    scope: &'a Scope,
    rest: &'a [&'a [u8]],
) -> impl Iterator<Item = &'a [u8]> {
    let head: [&[u8]; 4] = [algorithm.as_bytes(), b"\n", date, b"\n"];
    let tail = rest.iter().flat_map(|line| [b"\n".as_slice(), *line]);
    head.into_iter().chain(scope.parts()).chain(tail)
}
