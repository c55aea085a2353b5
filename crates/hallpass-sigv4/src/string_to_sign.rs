use crate::date::DateText;
use crate::key::SigningKey;
use crate::payload::to_hex;
use crate::scope::Scope;

/// The algorithm of version 4.
pub(crate) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(crate) const CHUNK_ALGORITHM: &str = "AWS4-HMAC-SHA256-PAYLOAD";
pub(crate) const TRAILER_ALGORITHM: &str = "AWS4-HMAC-SHA256-TRAILER";

/// The algorithm of version 4a.
pub(crate) const ECDSA_ALGORITHM: &str = "AWS4-ECDSA-P256-SHA256";
pub(crate) const ECDSA_CHUNK_ALGORITHM: &str = "AWS4-ECDSA-P256-SHA256-PAYLOAD";
pub(crate) const ECDSA_TRAILER_ALGORITHM: &str = "AWS4-ECDSA-P256-SHA256-TRAILER";

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
    key.mac(&text(ALGORITHM, date, scope, &[&to_hex(canonical_hash)]))
}

/// A string to sign: algorithm, date, scope, then `rest`, one a line.
pub(crate) fn text(algorithm: &str, date: &DateText, scope: &Scope, rest: &[&[u8]]) -> Vec<u8> {
    let mut text = Vec::with_capacity(512);
    text.extend_from_slice(algorithm.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(date);
    text.push(b'\n');
    text.extend_from_slice(scope.as_str().as_bytes());
    for line in rest {
        text.push(b'\n');
        text.extend_from_slice(line);
    }
    text
}
