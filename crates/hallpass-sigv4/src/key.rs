use crate::scope::{Scope, TERMINATOR};
use hallpass_secret::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroize;

const BLOCK_BYTES: usize = 64;

/// A secret access key bound to one [`Scope`]: good for one day, region and service only.
///
/// Deriving one costs four HMACs, so callers keep it (by access key id, date, region and service). It holds the
/// keyed hash state rather than the key, so that a signature needs two hash blocks less. Clones share the state; it is
/// wiped with the last of them, and no printed form shows it.
#[derive(Clone)]
pub struct SigningKey(Arc<Hmac<Sha256>>);

impl SigningKey {
    /// Derives the key of `scope`.
    ///
    /// # Source
    /// AWS SigV4, "Derive a signing key": HMAC over date, region, service and `aws4_request` in turn.
    #[must_use]
    pub fn derive(secret: &Secret, scope: &Scope) -> Self {
        let mut start = Vec::with_capacity(4 + secret.expose().len());
        start.extend_from_slice(b"AWS4");
        start.extend_from_slice(secret.expose().as_bytes());
        let mut mac = keyed(&start);
        start.zeroize();
        for part in [
            scope.date().as_bytes(),
            scope.region().as_bytes(),
            scope.service().as_bytes(),
            TERMINATOR.as_bytes(),
        ] {
            mac.update(part);
            let mut key: [u8; 32] = mac.finalize().into_bytes().into();
            mac = keyed(&key);
            key.zeroize();
        }
        Self(Arc::new(mac))
    }

    /// The HMAC of `text`, whole: one long update costs far less than a dozen short ones.
    pub(crate) fn mac(&self, text: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::clone(&self.0);
        mac.update(text);
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

/// HMAC's own key rule (RFC 2104), spelled out because the fixed-size constructor is the one that cannot fail.
pub(crate) fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0u8; BLOCK_BYTES];
    if key.len() > BLOCK_BYTES {
        let digest = Sha256::digest(key);
        for (to, from) in block.iter_mut().zip(digest.iter()) {
            *to = *from;
        }
    } else {
        for (to, from) in block.iter_mut().zip(key) {
            *to = *from;
        }
    }
    let mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
    block.zeroize();
    mac
}
