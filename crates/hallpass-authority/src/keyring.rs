//! The keys of the authority: what is sealed with them, and how they are kept.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_secret::Secret;
use hallpass_session::{EpochKey, EpochKeys, MintKey, VerifyKey};
use hallpass_types::Entropy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroize as _;

/// A key of the keyring cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Not sealed by this root key, or altered.
    #[error("a stored secret cannot be opened with this root key")]
    Open,
    /// The cryptographic library failed.
    #[error("sealing a secret failed")]
    Seal,
}

/// Seals long-term secrets at rest. Lives outside the store: a 0600 file by default.
pub struct RootKey(LessSafeKey);

impl RootKey {
    /// Takes 32 bytes of key.
    ///
    /// # Errors
    /// [`KeyringError::Seal`] when the library refuses them.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyringError> {
        UnboundKey::new(&AES_256_GCM, bytes)
            .map(|key| Self(LessSafeKey::new(key)))
            .map_err(|_| KeyringError::Seal)
    }

    /// Seals `secret`; `purpose` binds it to its place, so that sealed texts cannot be swapped in the store.
    pub(crate) fn seal(
        &self,
        purpose: &str,
        secret: &str,
        entropy: &dyn Entropy,
    ) -> Result<String, KeyringError> {
        let mut nonce = [0u8; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut body = secret.as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose), &mut body)
            .map_err(|_| KeyringError::Seal)?;
        Ok(STANDARD.encode([nonce.as_slice(), &body].concat()))
    }

    pub(crate) fn open(&self, purpose: &str, sealed: &str) -> Result<Secret, KeyringError> {
        let bytes = STANDARD.decode(sealed).map_err(|_| KeyringError::Open)?;
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN).ok_or(KeyringError::Open)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyringError::Open)?;
        let mut body = body.to_vec();
        let opened = self
            .0
            .open_in_place(nonce, Aad::from(purpose), &mut body)
            .map_err(|_| KeyringError::Open)?;
        let secret = std::str::from_utf8(opened)
            .map(Secret::new)
            .map_err(|_| KeyringError::Open);
        body.zeroize();
        secret
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(redacted)")
    }
}

/// The stored form: every key sealed under the root key.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredKeyring {
    mint_seed: String,
    epochs: BTreeMap<u32, String>,
}

/// Everything sessions are sealed and opened with.
#[derive(Debug)]
pub struct Keyring {
    pub(crate) root: RootKey,
    pub(crate) mint: MintKey,
    pub(crate) verify: VerifyKey,
    pub(crate) epochs: EpochKeys,
}

impl Keyring {
    /// Makes fresh keys; the stored form goes to the store.
    pub(crate) fn generate(
        root: RootKey,
        entropy: &dyn Entropy,
    ) -> Result<(Self, StoredKeyring), KeyringError> {
        let seal = |purpose: &str, mut bytes: [u8; 32]| {
            let sealed = root.seal(purpose, &STANDARD.encode(bytes), entropy);
            bytes.zeroize();
            sealed
        };
        let stored = StoredKeyring {
            mint_seed: seal("mint", EpochKey::generate(entropy))?,
            epochs: BTreeMap::from([(1, seal("epoch/1", EpochKey::generate(entropy))?)]),
        };
        let keyring = Self::open(root, &stored)?;
        Ok((keyring, stored))
    }

    pub(crate) fn open(root: RootKey, stored: &StoredKeyring) -> Result<Self, KeyringError> {
        let bytes = |purpose: &str, sealed: &str| -> Result<[u8; 32], KeyringError> {
            let text = root.open(purpose, sealed)?;
            STANDARD
                .decode(text.expose())
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or(KeyringError::Open)
        };
        let mint = MintKey::from_seed(&bytes("mint", &stored.mint_seed)?).map_err(|_| KeyringError::Open)?;
        let mut epochs = EpochKeys::default();
        for (epoch, sealed) in &stored.epochs {
            let key = bytes(&format!("epoch/{epoch}"), sealed)?;
            epochs.insert(*epoch, key).map_err(|_| KeyringError::Open)?;
        }
        let verify = mint.verify_key();
        Ok(Self {
            root,
            mint,
            verify,
            epochs,
        })
    }
}
