//! The keys of the authority: what is sealed with them, and how they are kept.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_secret::Secret;
use hallpass_session::{EpochKey, EpochKeys, MintKey, VerifyKey};
use hallpass_types::{Entropy, UnixSeconds};
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

/// Seals the keyring at rest. Lives outside the store: a 0600 file by default.
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

/// One generation of a key, sealed under the root key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredKey {
    sealed: String,
    pub(crate) made: UnixSeconds,
}

/// One kind of key: its generations, and which of them is used for what is new. A generation is known everywhere before
/// it is used, and stays for reading after.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredKeys {
    pub(crate) generations: BTreeMap<u32, StoredKey>,
    pub(crate) current: u32,
    /// Since when `current` is that.
    pub(crate) since: UnixSeconds,
}

/// The stored form: every key sealed under the root key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredKeyring {
    /// Seeds of the keys that sign sessions.
    pub(crate) mint: StoredKeys,
    /// Keys that sessions are sealed under.
    pub(crate) epoch: StoredKeys,
    /// Keys that long-term secrets are sealed under.
    pub(crate) secrets: StoredKeys,
}

/// A kind of key that can be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// What signs sessions.
    Mint,
    /// What sessions are sealed under.
    Epoch,
    /// What long-term secrets are sealed under.
    Secrets,
}

impl KeyKind {
    const ALL: [Self; 3] = [Self::Mint, Self::Epoch, Self::Secrets];

    fn purpose(self, generation: u32) -> String {
        let name = match self {
            Self::Mint => "mint",
            Self::Epoch => "epoch",
            Self::Secrets => "secrets",
        };
        format!("keyring/{name}/{generation}")
    }
}

impl StoredKeyring {
    pub(crate) fn of(&self, kind: KeyKind) -> &StoredKeys {
        match kind {
            KeyKind::Mint => &self.mint,
            KeyKind::Epoch => &self.epoch,
            KeyKind::Secrets => &self.secrets,
        }
    }

    pub(crate) fn of_mut(&mut self, kind: KeyKind) -> &mut StoredKeys {
        match kind {
            KeyKind::Mint => &mut self.mint,
            KeyKind::Epoch => &mut self.epoch,
            KeyKind::Secrets => &mut self.secrets,
        }
    }

    /// First generations of every kind.
    pub(crate) fn generate(
        root: &RootKey,
        entropy: &dyn Entropy,
        now: UnixSeconds,
    ) -> Result<Self, KeyringError> {
        let first = |kind: KeyKind| -> Result<StoredKeys, KeyringError> {
            Ok(StoredKeys {
                generations: BTreeMap::from([(1, fresh(root, kind, 1, entropy, now)?)]),
                current: 1,
                since: now,
            })
        };
        Ok(Self {
            mint: first(KeyKind::Mint)?,
            epoch: first(KeyKind::Epoch)?,
            secrets: first(KeyKind::Secrets)?,
        })
    }

    /// The same keys, sealed under another root key.
    pub(crate) fn resealed(
        &self,
        from: &RootKey,
        to: &RootKey,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeyringError> {
        let mut resealed = self.clone();
        for kind in KeyKind::ALL {
            for (generation, key) in &mut resealed.of_mut(kind).generations {
                let purpose = kind.purpose(*generation);
                key.sealed = to.seal(&purpose, from.open(&purpose, &key.sealed)?.expose(), entropy)?;
            }
        }
        Ok(resealed)
    }

    /// Adds a generation of `kind`, known and not used yet; returns its number.
    pub(crate) fn add(
        &mut self,
        kind: KeyKind,
        root: &RootKey,
        entropy: &dyn Entropy,
        now: UnixSeconds,
    ) -> Result<u32, KeyringError> {
        let keys = self.of_mut(kind);
        let generation = keys.generations.last_key_value().map_or(0, |(last, _)| *last) + 1;
        keys.generations
            .insert(generation, fresh(root, kind, generation, entropy, now)?);
        Ok(generation)
    }
}

fn fresh(
    root: &RootKey,
    kind: KeyKind,
    generation: u32,
    entropy: &dyn Entropy,
    now: UnixSeconds,
) -> Result<StoredKey, KeyringError> {
    let mut bytes = EpochKey::generate(entropy);
    let sealed = root.seal(&kind.purpose(generation), &STANDARD.encode(bytes), entropy);
    bytes.zeroize();
    Ok(StoredKey {
        sealed: sealed?,
        made: now,
    })
}

/// Everything sessions and secrets are sealed and opened with.
#[derive(Debug)]
pub struct Keyring {
    pub(crate) root: RootKey,
    pub(crate) stored: StoredKeyring,
    pub(crate) mint: MintKey,
    pub(crate) verify: Vec<VerifyKey>,
    pub(crate) epochs: EpochKeys,
    secrets: BTreeMap<u32, RootKey>,
}

impl Keyring {
    pub(crate) fn open(root: RootKey, stored: StoredKeyring) -> Result<Self, KeyringError> {
        let bytes = |kind: KeyKind, generation: u32, key: &StoredKey| -> Result<[u8; 32], KeyringError> {
            let text = root.open(&kind.purpose(generation), &key.sealed)?;
            STANDARD
                .decode(text.expose())
                .ok()
                .and_then(|bytes| bytes.try_into().ok())
                .ok_or(KeyringError::Open)
        };
        let (mut mint, mut verify) = (None, vec![]);
        for (generation, key) in &stored.mint.generations {
            let seed = bytes(KeyKind::Mint, *generation, key)?;
            let pair = MintKey::from_seed(&seed).map_err(|_| KeyringError::Open)?;
            verify.push(pair.verify_key());
            if *generation == stored.mint.current {
                mint = Some(pair);
            }
        }
        // The newest first: most tokens are its.
        verify.reverse();
        let mut epochs = EpochKeys::default();
        for (generation, key) in &stored.epoch.generations {
            let key = bytes(KeyKind::Epoch, *generation, key)?;
            epochs.insert(*generation, key).map_err(|_| KeyringError::Open)?;
        }
        epochs.seal_with(stored.epoch.current);
        let mut secrets = BTreeMap::new();
        for (generation, key) in &stored.secrets.generations {
            let key = bytes(KeyKind::Secrets, *generation, key)?;
            secrets.insert(*generation, RootKey::from_bytes(&key)?);
        }
        Ok(Self {
            mint: mint.ok_or(KeyringError::Open)?,
            root,
            stored,
            verify,
            epochs,
            secrets,
        })
    }

    /// Seals a long-term secret for the store; `purpose` binds it to its place there.
    pub(crate) fn seal(
        &self,
        purpose: &str,
        secret: &str,
        entropy: &dyn Entropy,
    ) -> Result<String, KeyringError> {
        let current = self.stored.secrets.current;
        let key = self.secrets.get(&current).ok_or(KeyringError::Seal)?;
        Ok(format!("{current}.{}", key.seal(purpose, secret, entropy)?))
    }

    pub(crate) fn open_secret(&self, purpose: &str, sealed: &str) -> Result<Secret, KeyringError> {
        let (generation, sealed) = sealed.split_once('.').ok_or(KeyringError::Open)?;
        let generation = generation.parse().map_err(|_| KeyringError::Open)?;
        let key: &RootKey = self.secrets.get(&generation).ok_or(KeyringError::Open)?;
        key.open(purpose, sealed)
    }

    /// Whether a stored secret is sealed under the current generation.
    pub(crate) fn is_current(&self, sealed: &str) -> bool {
        sealed
            .split_once('.')
            .is_some_and(|(generation, _)| generation.parse() == Ok(self.stored.secrets.current))
    }
}
