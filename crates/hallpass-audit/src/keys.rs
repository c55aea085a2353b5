//! The keys that checkpoints and digests are signed with: RSA of 2048 bits, as CloudTrail's.
//!
//! The private half is a file for its owner alone beside the log, not sealed under the system's root key: an agent by
//! itself has no root key, and where there is one it is a file of the same owner in the next folder. Public halves are
//! kept for good, so that what they signed can be verified for good.

use crate::files::{make_folder, read_if_there, write_private};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// A key older than this makes room for a new one.
const SIGNING_SECONDS_MAX: i64 = 365 * 86_400;
/// A key is listed as valid for this long after it is replaced: a digest names its key an hour later at most.
const GRACE_SECONDS: i64 = 86_400;

/// Signing failed, or the keys could not be read or made.
#[derive(Debug, thiserror::Error)]
#[error("the audit log's signing keys: {0}")]
pub struct KeyError(String);

impl KeyError {
    fn new(why: impl std::fmt::Display) -> Self {
        Self(why.to_string())
    }
}

/// A public key, as `cloudtrail:ListPublicKeys` lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey {
    /// The first 32 hexadecimal digits of the SHA-256 of the key.
    pub fingerprint: String,
    /// The key in PKCS #1 form (DER), in base 64.
    pub value: String,
    /// When it began to sign, seconds since 1970.
    pub from: i64,
    /// When it ceases to.
    pub until: i64,
}

impl PublicKey {
    /// Whether this key signed `text`; `signature` is in hexadecimal digits.
    #[must_use]
    pub fn signed(&self, text: &[u8], signature: &str) -> bool {
        let (Ok(der), Ok(bytes)) = (STANDARD.decode(&self.value), hex::decode(signature)) else {
            return false;
        };
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der);
        // One signature has one text: capitals are a change, too.
        hex::encode(&bytes) == signature && key.verify(text, &bytes).is_ok()
    }

    /// Whether the fingerprint is this key's.
    #[must_use]
    pub fn is_itself(&self) -> bool {
        STANDARD
            .decode(&self.value)
            .is_ok_and(|der| fingerprint(&der) == self.fingerprint)
    }
}

fn fingerprint(der: &[u8]) -> String {
    let mut digits = crate::Hash::of(der).to_string();
    digits.truncate(32);
    digits
}

/// A key that signs.
pub(crate) struct Signer {
    pair: KeyPair,
    pub(crate) fingerprint: String,
    from: i64,
}

impl Signer {
    /// The signature in hexadecimal digits. The same text has the same signature (PKCS #1 version 1.5).
    pub(crate) fn sign(&self, text: &[u8]) -> Result<String, KeyError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)
            .map_err(KeyError::new)?;
        Ok(hex::encode(signature))
    }
}

/// The keys of one log, in its folder `keys`.
pub(crate) struct SigningKeys {
    folder: PathBuf,
    current: Option<Signer>,
}

impl SigningKeys {
    /// Of the log in `folder`; nothing is read before something is to be signed.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.join("keys"),
            current: None,
        }
    }

    /// The key that signs now: read, or made when there is none or the last one is too old.
    pub(crate) fn signer(&mut self, now: UnixSeconds) -> Result<&Signer, KeyError> {
        let is_fresh = |signer: &Signer| now.0 - signer.from < SIGNING_SECONDS_MAX;
        let signer = match self.current.take().filter(is_fresh) {
            Some(signer) => signer,
            None => match self.load()?.filter(is_fresh) {
                Some(signer) => signer,
                None => self.make(now)?,
            },
        };
        Ok(self.current.insert(signer))
    }

    /// The signer of a fingerprint, if its private half is still here.
    fn load(&self) -> Result<Option<Signer>, KeyError> {
        let Some(newest) = read_public(&self.folder)?.pop() else {
            return Ok(None);
        };
        let path = self.private_path(&newest.fingerprint);
        let Some(bytes) = read_if_there(&path).map_err(KeyError::new)? else {
            return Ok(None);
        };
        let bytes = Zeroizing::new(bytes);
        let pair = KeyPair::from_pkcs8(&bytes)
            .map_err(|error| KeyError(format!("`{}` is damaged: {error}", path.display())))?;
        Ok(Some(Signer {
            pair,
            fingerprint: newest.fingerprint,
            from: newest.from,
        }))
    }

    fn make(&self, now: UnixSeconds) -> Result<Signer, KeyError> {
        make_folder(&self.folder).map_err(KeyError::new)?;
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(KeyError::new)?;
        let der = pair.public_key().as_ref();
        let fingerprint = fingerprint(der);
        let private: Pkcs8V1Der<'_> = pair.as_der().map_err(KeyError::new)?;
        // The private half first: a public key that is listed can sign.
        write_private(&self.private_path(&fingerprint), private.as_ref()).map_err(KeyError::new)?;
        let mut listed = read_public(&self.folder)?;
        let replaced = listed.last().map(|key| key.fingerprint.clone());
        if let Some(old) = listed.last_mut() {
            old.until = old.until.min(now.0 + GRACE_SECONDS);
        }
        listed.push(PublicKey {
            fingerprint: fingerprint.clone(),
            value: STANDARD.encode(der),
            from: now.0,
            until: now.0 + SIGNING_SECONDS_MAX + GRACE_SECONDS,
        });
        let text = serde_json::to_vec_pretty(&listed).map_err(KeyError::new)?;
        write_private(&self.folder.join(PUBLIC_NAME), &text).map_err(KeyError::new)?;
        if let Some(old) = replaced {
            // Nothing is signed with it any more; that it could not be removed harms nobody.
            let _ = std::fs::remove_file(self.private_path(&old));
        }
        Ok(Signer {
            pair,
            fingerprint,
            from: now.0,
        })
    }

    fn private_path(&self, fingerprint: &str) -> PathBuf {
        self.folder.join(format!("{fingerprint}.pk8"))
    }
}

const PUBLIC_NAME: &str = "public.json";

/// Every key that ever signed for the log in `folder`, oldest first.
///
/// # Errors
/// [`KeyError`]: the list is damaged or cannot be read.
pub fn public_keys(folder: &Path) -> Result<Vec<PublicKey>, KeyError> {
    read_public(&folder.join("keys"))
}

fn read_public(folder: &Path) -> Result<Vec<PublicKey>, KeyError> {
    let path = folder.join(PUBLIC_NAME);
    let shown = |error: &dyn std::fmt::Display| KeyError(format!("`{}`: {error}", path.display()));
    match read_if_there(&path).map_err(|error| shown(&error))? {
        None => Ok(vec![]),
        Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| shown(&error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_kept_private_and_replaced_after_a_year() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let sign = |now| {
            let mut keys = SigningKeys::new(folder.path());
            let signer = keys.signer(UnixSeconds(now)).unwrap();
            (signer.fingerprint.clone(), signer.sign(b"text").unwrap())
        };
        let first = sign(1_000);
        assert_eq!(sign(2_000), first);
        let private = folder.path().join(format!("keys/{}.pk8", first.0));
        assert_eq!(
            std::fs::metadata(&private).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let second = sign(1_000 + SIGNING_SECONDS_MAX);
        assert_ne!(second.0, first.0);
        assert!(!private.exists());
        let listed = public_keys(folder.path()).unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed.iter().all(PublicKey::is_itself));
        assert!(listed[0].signed(b"text", &first.1) && !listed[1].signed(b"text", &first.1));
        assert!(!listed[0].signed(b"other", &first.1) && !listed[0].signed(b"text", "zz"));
        assert!(!listed[0].signed(b"text", &first.1.to_uppercase()));
    }
}
