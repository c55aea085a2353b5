use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use hallpass_types::Entropy;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroize as _;

/// The bytes cannot be the key they are said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid key")]
pub struct KeyError;

/// The authority's signing key. Only who holds it can mint sessions.
pub struct MintKey(Ed25519KeyPair);

impl MintKey {
    /// The key derived from a 32-byte seed, the form in which it is kept.
    ///
    /// # Errors
    /// [`KeyError`] when the library refuses the seed.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed)
            .map(Self)
            .map_err(|_| KeyError)
    }

    /// The public half, which gateways hold.
    #[must_use]
    pub fn verify_key(&self) -> VerifyKey {
        VerifyKey(self.0.public_key().as_ref().to_vec())
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for MintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MintKey(redacted)")
    }
}

/// The public half of a [`MintKey`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyKey(Vec<u8>);

impl VerifyKey {
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, signature)
            .is_ok()
    }
}

/// The symmetric key of one epoch, shared by authority and gateways.
pub struct EpochKey(LessSafeKey);

impl EpochKey {
    /// Takes 32 bytes of key.
    ///
    /// # Errors
    /// [`KeyError`] when the library refuses them.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        UnboundKey::new(&AES_256_GCM, bytes)
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| KeyError)
    }

    /// Fresh key bytes.
    #[must_use]
    pub fn generate(entropy: &dyn Entropy) -> [u8; 32] {
        let mut bytes = [0u8; 32];
        entropy.fill(&mut bytes);
        bytes
    }

    pub(crate) fn aead(&self) -> &LessSafeKey {
        &self.0
    }
}

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochKey(redacted)")
    }
}

/// All epoch keys that may still open a token, one of them sealing: the newest, unless another is named.
///
/// A key is known everywhere before it seals, and stays for reading as long as a token sealed with it can live.
#[derive(Debug, Default)]
pub struct EpochKeys {
    by_epoch: BTreeMap<u32, EpochKey>,
    sealing: Option<u32>,
}

impl EpochKeys {
    /// Adds the key of `epoch`.
    ///
    /// # Errors
    /// [`KeyError`] when the bytes are refused.
    pub fn insert(&mut self, epoch: u32, mut bytes: [u8; 32]) -> Result<(), KeyError> {
        let key = EpochKey::from_bytes(&bytes);
        bytes.zeroize();
        self.by_epoch.insert(epoch, key?);
        Ok(())
    }

    /// Drops the key of `epoch`: tokens sealed with it no longer open.
    pub fn remove(&mut self, epoch: u32) {
        self.by_epoch.remove(&epoch);
    }

    /// Seals with the key of `epoch` from now on, though newer ones may be known.
    pub fn seal_with(&mut self, epoch: u32) {
        self.sealing = Some(epoch);
    }

    pub(crate) fn sealing(&self) -> Option<(u32, &EpochKey)> {
        match self.sealing {
            Some(epoch) => self.get(epoch).map(|key| (epoch, key)),
            None => self.by_epoch.last_key_value().map(|(epoch, key)| (*epoch, key)),
        }
    }

    pub(crate) fn get(&self, epoch: u32) -> Option<&EpochKey> {
        self.by_epoch.get(&epoch)
    }
}
