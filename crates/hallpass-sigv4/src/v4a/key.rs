use super::der;
use crate::key::keyed;
use crate::string_to_sign::ECDSA_ALGORITHM;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, UnparsedPublicKey,
};
use hallpass_secret::Secret;
use hallpass_types::AccessKeyId;
use hmac::Mac;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroize;

/// The order of P-256 less two, big-endian. Source: NIST SP 800-186 §3.2.1.3.
const ORDER_LESS_TWO: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x4f,
];

/// No key could be derived. Four thousand million candidates to one, none of 254 fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no signing key could be derived")]
pub struct KeyDerivationError;

/// The P-256 key pair of an access key, for signatures of version 4a.
///
/// It depends on the access key alone, so it is good for every day, region and service: callers keep it as carefully
/// as the secret. Clones share it; no printed form shows it. Its signatures are the one place in this crate that draws
/// randomness, which the library underneath takes for itself.
#[derive(Clone)]
pub struct EcdsaKey {
    pair: Arc<EcdsaKeyPair>,
    public: EcdsaVerifyingKey,
}

impl EcdsaKey {
    /// Derives the key pair of an access key.
    ///
    /// # Errors
    /// [`KeyDerivationError`], which nobody has seen.
    ///
    /// # Source
    /// AWS SigV4a: NIST SP 800-108 §5.1, counter mode with HMAC-SHA-256, label the algorithm's name, context access key
    /// id and a counter; then FIPS 186-5 §A.2.2, rejection of candidates too large.
    pub fn derive(secret: &Secret, access_key_id: &AccessKeyId) -> Result<Self, KeyDerivationError> {
        Self::derive_for(secret, access_key_id.as_str())
    }

    /// [`derive`](Self::derive) for any id: that of the published vectors is too short to exist.
    pub(crate) fn derive_for(secret: &Secret, access_key_id: &str) -> Result<Self, KeyDerivationError> {
        let mut start = Vec::with_capacity(5 + secret.expose().len());
        start.extend_from_slice(b"AWS4A");
        start.extend_from_slice(secret.expose().as_bytes());
        let mac = keyed(&start);
        start.zeroize();
        for counter in 1u8..=254 {
            let mut mac = mac.clone();
            for part in [
                1u32.to_be_bytes().as_slice(),
                ECDSA_ALGORITHM.as_bytes(),
                &[0],
                access_key_id.as_bytes(),
                &[counter],
                &256u32.to_be_bytes(),
            ] {
                mac.update(part);
            }
            let mut scalar: [u8; 32] = mac.finalize().into_bytes().into();
            // Whether a candidate is refused tells nothing of the next.
            if scalar > ORDER_LESS_TWO {
                continue;
            }
            add_one(&mut scalar);
            let pair = Self::from_scalar(&scalar);
            scalar.zeroize();
            return pair.ok_or(KeyDerivationError);
        }
        Err(KeyDerivationError)
    }

    fn from_scalar(scalar: &[u8; 32]) -> Option<Self> {
        let private = PrivateKey::from_private_key(&ECDH_P256, scalar).ok()?;
        let public = private.compute_public_key().ok()?;
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, public.as_ref()).ok()?;
        Some(Self {
            pair: Arc::new(pair),
            public: EcdsaVerifyingKey(Arc::from(public.as_ref())),
        })
    }

    /// The public half.
    #[must_use]
    pub fn verifying_key(&self) -> &EcdsaVerifyingKey {
        &self.public
    }

    /// A signature of `text`, DER in lower-case hex; `None` when the library fails.
    pub(crate) fn sign_hex(&self, text: &[u8]) -> Option<Vec<u8>> {
        let signature = self.pair.sign(&SystemRandom::new(), text).ok()?;
        let digit = |half: u8| half + if half < 10 { b'0' } else { b'a' - 10 };
        let digits = signature
            .as_ref()
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        Some(digits.collect())
    }
}

/// Adds one to a big-endian number that is not all ones.
fn add_one(number: &mut [u8; 32]) {
    for byte in number.iter_mut().rev() {
        let (sum, carry) = byte.overflowing_add(1);
        *byte = sum;
        if !carry {
            return;
        }
    }
}

impl fmt::Debug for EcdsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EcdsaKey(redacted)")
    }
}

/// The public half of an [`EcdsaKey`]: enough to verify, not to sign.
#[derive(Clone, PartialEq, Eq)]
pub struct EcdsaVerifyingKey(Arc<[u8]>);

impl EcdsaVerifyingKey {
    /// The point, uncompressed: `04`, then 32 bytes of X and of Y.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether `hex`, DER in hex, is this key's signature of `text`.
    pub(crate) fn is_signed(&self, text: &[u8], hex: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.as_bytes());
        der(hex).is_some_and(|der| key.verify(text, &der).is_ok())
    }
}

impl fmt::Debug for EcdsaVerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EcdsaVerifyingKey")
    }
}
