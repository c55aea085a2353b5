use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use hallpass_types::UnixSeconds;

/// The longest life of a session token: six hours, as the real service's.
pub const TOKEN_TTL_SECONDS_MAX: i64 = 21_600;

/// 12 nonce, 12 plaintext, 16 tag: 40 bytes are 56 characters ending in `==`, the shape of a real token.
const PLAIN_BYTES: usize = 12;
const SEALED_BYTES: usize = NONCE_LEN + PLAIN_BYTES + 16;
const LAYOUT: [u8; 4] = *b"HPt1";

/// A session token is not valid, for this caller, now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of ours: another shape, another key (another boot), another caller or another instance.
    #[error("the metadata token is not this caller's")]
    NotGenuine,
    /// It was ours and is over.
    #[error("the metadata token has expired")]
    Expired,
    /// The cryptographic library failed.
    #[error("sealing the metadata token failed")]
    Failed,
}

/// The key that session tokens are sealed with. A token does not outlive it.
///
/// Tokens are stateless, so no number of them exhausts memory; each is bound to caller and instance as additional data.
pub struct TokenKey(LessSafeKey);

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenKey(redacted)")
    }
}

impl TokenKey {
    /// Takes 32 bytes that nobody can predict.
    ///
    /// # Errors
    /// [`TokenError::Failed`] if the library refuses the key.
    pub fn new(bytes: &[u8; 32]) -> Result<Self, TokenError> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| TokenError::Failed)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// A token for `caller` on `instance` until `expires`. `nonce` must never repeat under one key.
    ///
    /// # Errors
    /// [`TokenError::Failed`].
    pub fn seal(
        &self,
        caller: &str,
        instance: &str,
        expires: UnixSeconds,
        nonce: [u8; NONCE_LEN],
    ) -> Result<String, TokenError> {
        let mut body = expires.0.to_be_bytes().to_vec();
        body.extend_from_slice(&LAYOUT);
        let additional = Aad::from(binding(caller, instance));
        let sealing = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(sealing, additional, &mut body)
            .map_err(|_| TokenError::Failed)?;
        Ok(URL_SAFE.encode([nonce.as_slice(), &body].concat()))
    }

    /// Seconds `token` has left for `caller` on `instance`, at least 1.
    ///
    /// # Errors
    /// [`TokenError::NotGenuine`], [`TokenError::Expired`].
    pub fn open(
        &self,
        token: &str,
        caller: &str,
        instance: &str,
        now: UnixSeconds,
    ) -> Result<i64, TokenError> {
        let bytes = URL_SAFE.decode(token).map_err(|_| TokenError::NotGenuine)?;
        if bytes.len() != SEALED_BYTES {
            return Err(TokenError::NotGenuine);
        }
        let (nonce, sealed) = bytes.split_at(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| TokenError::NotGenuine)?;
        let mut sealed = sealed.to_vec();
        let additional = Aad::from(binding(caller, instance));
        let plain = self
            .0
            .open_in_place(nonce, additional, &mut sealed)
            .map_err(|_| TokenError::NotGenuine)?;
        let (expires, layout) = plain.split_first_chunk::<8>().ok_or(TokenError::NotGenuine)?;
        if layout != LAYOUT {
            return Err(TokenError::NotGenuine);
        }
        let left = UnixSeconds(i64::from_be_bytes(*expires)).since(now);
        if (1..=TOKEN_TTL_SECONDS_MAX).contains(&left) {
            Ok(left)
        } else {
            Err(TokenError::Expired)
        }
    }
}

/// Lengths first, so that no two pairs run together to the same bytes.
fn binding(caller: &str, instance: &str) -> Vec<u8> {
    format!("{}:{caller}{}:{instance}", caller.len(), instance.len()).into_bytes()
}
