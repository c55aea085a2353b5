use crate::date::DateText;
use crate::key::SigningKey;
use crate::payload::{parse_hex, to_hex};
use crate::scope::Scope;
use crate::string_to_sign::{
    CHUNK_ALGORITHM, ECDSA_CHUNK_ALGORITHM, ECDSA_TRAILER_ALGORITHM, SHA256_OF_NOTHING, TRAILER_ALGORITHM,
    text,
};
use crate::v4a::{self, EcdsaKey, EcdsaVerifyingKey};
use hallpass_secret::constant_time_eq;
use std::fmt;

/// What makes or checks a chain's signatures.
#[derive(Clone)]
enum ChainKey {
    Hmac(SigningKey),
    EcdsaSigning(EcdsaKey),
    EcdsaVerifying(EcdsaVerifyingKey),
}

/// The chain of signatures through a body: each covers the one before, the first the request's own.
#[derive(Clone)]
pub(crate) struct Chain {
    key: ChainKey,
    scope: Scope,
    date: DateText,
    /// The last signature's hex digits.
    previous: Vec<u8>,
}

impl Chain {
    pub(crate) fn new(key: SigningKey, scope: Scope, date: DateText, seed: &[u8; 32]) -> Self {
        Self {
            key: ChainKey::Hmac(key),
            scope,
            date,
            previous: to_hex(seed).to_vec(),
        }
    }

    /// A chain of version 4a that makes signatures; `seed` is in hex.
    pub(crate) fn ecdsa_signing(key: EcdsaKey, scope: Scope, date: DateText, seed: Vec<u8>) -> Self {
        Self {
            key: ChainKey::EcdsaSigning(key),
            scope,
            date,
            previous: seed,
        }
    }

    /// A chain of version 4a that checks signatures; `seed` is in hex.
    pub(crate) fn ecdsa_verifying(
        key: EcdsaVerifyingKey,
        scope: Scope,
        date: DateText,
        seed: Vec<u8>,
    ) -> Self {
        Self {
            key: ChainKey::EcdsaVerifying(key),
            scope,
            date,
            previous: seed,
        }
    }

    fn is_ecdsa(&self) -> bool {
        !matches!(self.key, ChainKey::Hmac(_))
    }

    /// What the next chunk's signature is over.
    ///
    /// Source: S3, "Signature calculations … transferring payload in multiple chunks". The fifth line is the hash of
    /// nothing, reserved for chunk headers that never came to be.
    fn chunk_text(&self, data_hash: &[u8; 32]) -> Vec<u8> {
        let (nothing, data) = (to_hex(&SHA256_OF_NOTHING), to_hex(data_hash));
        let lines: [&[u8]; 3] = [&self.previous, &nothing, &data];
        let algorithm = if self.is_ecdsa() {
            ECDSA_CHUNK_ALGORITHM
        } else {
            CHUNK_ALGORITHM
        };
        text(algorithm, &self.date, &self.scope, &lines)
    }

    /// What the signature of the trailers, `name:value` and a line feed each, is over.
    fn trailer_text(&self, trailer_hash: &[u8; 32]) -> Vec<u8> {
        let trailers = to_hex(trailer_hash);
        let lines: [&[u8]; 2] = [&self.previous, &trailers];
        let algorithm = if self.is_ecdsa() {
            ECDSA_TRAILER_ALGORITHM
        } else {
            TRAILER_ALGORITHM
        };
        text(algorithm, &self.date, &self.scope, &lines)
    }

    /// Signs the next chunk; the signature becomes the previous one.
    pub(crate) fn chunk(&mut self, data_hash: &[u8; 32]) {
        self.sign(&self.chunk_text(data_hash));
    }

    /// Signs the trailers.
    pub(crate) fn trailers(&mut self, trailer_hash: &[u8; 32]) {
        self.sign(&self.trailer_text(trailer_hash));
    }

    fn sign(&mut self, text: &[u8]) {
        self.previous = match &self.key {
            ChainKey::Hmac(key) => to_hex(&key.mac(text)).to_vec(),
            // An empty signature is one that nobody accepts.
            ChainKey::EcdsaSigning(key) => key.sign_hex(text).unwrap_or_default(),
            ChainKey::EcdsaVerifying(_) => Vec::new(),
        };
    }

    /// Checks one signature, given in hex, which becomes the previous one.
    fn check(&mut self, text: &[u8], presented: &[u8]) -> bool {
        let matches = match &self.key {
            ChainKey::Hmac(key) => constant_time_eq(&to_hex(&key.mac(text)), presented),
            ChainKey::EcdsaSigning(key) => key.verifying_key().is_signed(text, presented),
            ChainKey::EcdsaVerifying(key) => key.is_signed(text, presented),
        };
        self.previous = presented.to_vec();
        matches
    }

    /// Appends the last signature. Those of version 4a differ in length and are filled up, so that a body's length is
    /// known before it is signed.
    pub(crate) fn write_padded(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.previous);
        if self.is_ecdsa() {
            let missing = v4a::SIGNATURE_HEX_MAX.saturating_sub(self.previous.len());
            out.extend(std::iter::repeat_n(v4a::SIGNATURE_PADDING, missing));
        }
    }

    /// The bytes that [`write_padded`](Self::write_padded) appends.
    pub(crate) fn padded_length(&self) -> u64 {
        if self.is_ecdsa() {
            v4a::SIGNATURE_HEX_MAX as u64
        } else {
            64
        }
    }
}

/// Verifies the signatures of a body's chunks, in order. Comes from [`Verified`](crate::Verified) only, so its seed
/// is a signature that was verified.
#[derive(Clone)]
pub struct ChunkVerifier(Chain);

impl ChunkVerifier {
    pub(crate) fn new(chain: Chain) -> Self {
        Self(chain)
    }

    pub(crate) fn is_ecdsa(&self) -> bool {
        self.0.is_ecdsa()
    }

    /// The digits of a signature as they stand in a body, filling taken off; `None` when they cannot be one.
    pub(crate) fn read(&self, presented: &[u8]) -> Option<Vec<u8>> {
        if !self.is_ecdsa() {
            return parse_hex(presented).map(|_| presented.to_vec());
        }
        let end = presented
            .iter()
            .rposition(|byte| *byte != v4a::SIGNATURE_PADDING)?;
        let digits = presented.get(..=end)?;
        (presented.len() <= v4a::SIGNATURE_HEX_MAX && v4a::der(digits).is_some()).then(|| digits.to_vec())
    }

    pub(crate) fn chunk(&mut self, data_hash: &[u8; 32], presented: &[u8]) -> bool {
        let text = self.0.chunk_text(data_hash);
        self.0.check(&text, presented)
    }

    pub(crate) fn trailers(&mut self, trailer_hash: &[u8; 32], presented: &[u8]) -> bool {
        let text = self.0.trailer_text(trailer_hash);
        self.0.check(&text, presented)
    }
}

impl fmt::Debug for ChunkVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChunkVerifier(redacted)")
    }
}
