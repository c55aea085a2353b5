use crate::{EpochKeys, MintKey, SessionClaims, VerifyKey};
use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_types::{AccessKeyId, Entropy, UnixSeconds};

/// The longest session token accepted or made, in characters. AWS promises no more than 4,096 for its own, and
/// HTTP servers in between often cap a header at 8 KiB.
pub const SESSION_TOKEN_BYTES_MAX: usize = 7_168;

/// First byte of every token: the layout below. Another layout gets another number.
///
/// `version(1) ‖ epoch(4, big endian) ‖ nonce(12) ‖ AES-256-GCM( signature(64) ‖ claims as JSON ) ‖ tag(16)`, base 64.
/// Version and epoch are the additional data.
const LAYOUT_VERSION: u8 = 1;
const HEADER_BYTES: usize = 5;
const SIGNATURE_BYTES: usize = 64;
/// What the signature is over, before the claims: a signature made for another purpose never fits.
const SIGNING_CONTEXT: &[u8] = b"hallpass session token v1\n";

/// A session could not be sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No epoch key is loaded.
    #[error("no epoch key to seal sessions with")]
    NoEpochKey,
    /// Policies and tags together make a token longer than [`SESSION_TOKEN_BYTES_MAX`].
    #[error("session policies and tags are too large for a session token: {percent}% of the allotted space")]
    TooLarge {
        /// How much of the space would be used.
        percent: usize,
    },
    /// The cryptographic library failed.
    #[error("sealing failed")]
    Failed,
}

/// A token could not be opened, or does not fit the request. Callers are told only `InvalidClientTokenId` or
/// `ExpiredToken`; the exact reason is for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not base 64, too long, too short, or of an unknown layout.
    #[error("the session token is malformed")]
    Malformed,
    /// Sealed with an epoch key that is not (or no longer) known here.
    #[error("the session token belongs to an unknown key epoch")]
    UnknownEpoch,
    /// The token was altered, or not sealed by our authority.
    #[error("the session token is not genuine")]
    NotGenuine,
    /// The token belongs to another access key.
    #[error("the session token does not belong to this access key")]
    WrongAccessKey,
    /// The session is over.
    #[error("the session expired at {0}")]
    Expired(UnixSeconds),
}

/// A session token that was opened and found genuine: proof for whoever demands one.
///
/// Its expiry has **not** been judged: tokens are cached opened, time goes on. [`OpenedSession::current`] judges it.
#[derive(Debug, Clone)]
pub struct OpenedSession {
    claims: SessionClaims,
}

impl OpenedSession {
    /// The claims, if the session is `access_key_id`'s and not over at `now`.
    ///
    /// # Errors
    /// [`OpenError::WrongAccessKey`], [`OpenError::Expired`].
    pub fn current(
        &self,
        access_key_id: &AccessKeyId,
        now: UnixSeconds,
    ) -> Result<&SessionClaims, OpenError> {
        if self.claims.access_key_id != *access_key_id {
            return Err(OpenError::WrongAccessKey);
        }
        if now >= self.claims.expires_at {
            return Err(OpenError::Expired(self.claims.expires_at));
        }
        Ok(&self.claims)
    }
}

/// Signs and encrypts `claims` into a session token.
///
/// # Errors
/// [`SealError`].
pub fn seal(
    claims: &SessionClaims,
    mint: &MintKey,
    epochs: &EpochKeys,
    entropy: &dyn Entropy,
) -> Result<String, SealError> {
    let (epoch, key) = epochs.sealing().ok_or(SealError::NoEpochKey)?;
    let json = serde_json::to_vec(claims).map_err(|_| SealError::Failed)?;
    let mut body = mint.sign(&[SIGNING_CONTEXT, &json].concat());
    body.extend_from_slice(&json);

    let mut token = Vec::with_capacity(HEADER_BYTES + NONCE_LEN + body.len() + 16);
    token.push(LAYOUT_VERSION);
    token.extend_from_slice(&epoch.to_be_bytes());
    let header: [u8; HEADER_BYTES] = token.as_slice().try_into().map_err(|_| SealError::Failed)?;
    let mut nonce = [0u8; NONCE_LEN];
    entropy.fill(&mut nonce);
    key.aead()
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(header), &mut body)
        .map_err(|_| SealError::Failed)?;
    token.extend_from_slice(&nonce);
    token.extend_from_slice(&body);
    let text = STANDARD.encode(token);
    if text.len() > SESSION_TOKEN_BYTES_MAX {
        return Err(SealError::TooLarge {
            percent: text.len() * 100 / SESSION_TOKEN_BYTES_MAX,
        });
    }
    Ok(text)
}

/// Decrypts a session token and verifies the authority's signature in it, with whichever of its keys made it.
///
/// # Errors
/// [`OpenError`]; never says what was inside.
pub fn open(token: &str, verify: &[VerifyKey], epochs: &EpochKeys) -> Result<OpenedSession, OpenError> {
    if token.len() > SESSION_TOKEN_BYTES_MAX {
        return Err(OpenError::Malformed);
    }
    let bytes = STANDARD.decode(token).map_err(|_| OpenError::Malformed)?;
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES).ok_or(OpenError::Malformed)?;
    let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(OpenError::Malformed)?;
    let (version, epoch) = header.split_first().ok_or(OpenError::Malformed)?;
    if *version != LAYOUT_VERSION {
        return Err(OpenError::Malformed);
    }
    let epoch = u32::from_be_bytes(epoch.try_into().map_err(|_| OpenError::Malformed)?);
    let key = epochs.get(epoch).ok_or(OpenError::UnknownEpoch)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Malformed)?;
    let mut sealed = sealed.to_vec();
    let body = key
        .aead()
        .open_in_place(nonce, Aad::from(header), &mut sealed)
        .map_err(|_| OpenError::NotGenuine)?;
    let (signature, json) = body
        .split_at_checked(SIGNATURE_BYTES)
        .ok_or(OpenError::NotGenuine)?;
    let signed = [SIGNING_CONTEXT, json].concat();
    if !verify.iter().any(|key| key.verify(&signed, signature)) {
        return Err(OpenError::NotGenuine);
    }
    let claims = serde_json::from_slice(json).map_err(|_| OpenError::Malformed)?;
    Ok(OpenedSession { claims })
}

#[cfg(test)]
mod tests;
