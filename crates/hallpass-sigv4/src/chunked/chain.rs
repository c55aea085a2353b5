use crate::date::DateText;
use crate::key::SigningKey;
use crate::payload::to_hex;
use crate::scope::Scope;
use crate::string_to_sign::{CHUNK_ALGORITHM, SHA256_OF_NOTHING, TRAILER_ALGORITHM, text};
use hallpass_secret::constant_time_eq;
use std::fmt;

/// The chain of signatures through a body: each covers the one before, the first the request's own.
#[derive(Clone)]
pub(crate) struct Chain {
    key: SigningKey,
    scope: Scope,
    date: DateText,
    previous: [u8; 32],
}

impl Chain {
    pub(crate) fn new(key: SigningKey, scope: Scope, date: DateText, seed: [u8; 32]) -> Self {
        Self {
            key,
            scope,
            date,
            previous: seed,
        }
    }

    /// The signature of the next chunk, which becomes the previous one.
    ///
    /// Source: S3, "Signature calculations … transferring payload in multiple chunks". The fifth line is the hash of
    /// nothing, reserved for chunk headers that never came to be.
    pub(crate) fn chunk(&mut self, data_hash: &[u8; 32]) -> [u8; 32] {
        let (previous, nothing, data) = (
            to_hex(&self.previous),
            to_hex(&SHA256_OF_NOTHING),
            to_hex(data_hash),
        );
        let lines: [&[u8]; 3] = [&previous, &nothing, &data];
        self.previous = self
            .key
            .mac(&text(CHUNK_ALGORITHM, &self.date, &self.scope, &lines));
        self.previous
    }

    /// The signature of the trailers, `name:value` and a line feed each.
    pub(crate) fn trailers(&mut self, trailer_hash: &[u8; 32]) -> [u8; 32] {
        let (previous, trailers) = (to_hex(&self.previous), to_hex(trailer_hash));
        let lines: [&[u8]; 2] = [&previous, &trailers];
        self.previous = self
            .key
            .mac(&text(TRAILER_ALGORITHM, &self.date, &self.scope, &lines));
        self.previous
    }
}

/// Verifies the signatures of a body's chunks, in order. Comes from [`Verified`](crate::Verified) only, so its seed
/// is a signature that was verified.
#[derive(Clone)]
pub struct ChunkVerifier(Chain);

impl ChunkVerifier {
    pub(crate) fn new(key: SigningKey, scope: Scope, date: DateText, seed: [u8; 32]) -> Self {
        Self(Chain::new(key, scope, date, seed))
    }

    pub(crate) fn chunk(&mut self, data_hash: &[u8; 32], presented: &[u8; 32]) -> bool {
        constant_time_eq(&self.0.chunk(data_hash), presented)
    }

    pub(crate) fn trailers(&mut self, trailer_hash: &[u8; 32], presented: &[u8; 32]) -> bool {
        constant_time_eq(&self.0.trailers(trailer_hash), presented)
    }
}

impl fmt::Debug for ChunkVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkVerifier(redacted)")
    }
}
