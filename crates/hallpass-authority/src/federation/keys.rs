//! The keys that identity providers publish: asked for when needed, and kept for a while.

use crate::ApiError;
use crate::federation::token::invalid;
use hallpass_types::UnixSeconds;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How long keys are believed without asking again.
const BELIEVED_SECONDS: i64 = 300;
/// A token with a key that is not known asks the provider again at most this often.
const ASKED_AGAIN_SECONDS: i64 = 60;
/// A provider that did not answer is left alone for this long.
const LEFT_ALONE_SECONDS: i64 = 5;
/// Providers remembered.
const ISSUERS_MAX: usize = 1_000;
/// Keys of one provider (STS refuses longer sets).
const KEYS_MAX: usize = 100;

/// Fetches the keys that an issuer publishes.
pub trait IdentityKeys: Send + Sync {
    /// The text of the JSON Web Key Set that the discovery document of `issuer` names. Bounded in size and time.
    fn fetch<'a>(
        &'a self,
        issuer: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, IdentityKeysError>> + Send + 'a>>;
}

/// The keys of an issuer could not be had; the text is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdentityKeysError(pub String);

/// One published key, and what may be signed with it: that is the key's to say, never the token's.
pub(crate) struct Key {
    pub(crate) id: Option<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) key: DecodingKey,
}

#[derive(Default)]
pub(crate) struct KeySet(Vec<Key>);

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// Reads a key set. Keys that sign nothing, or in ways that are not taken, are left out.
    ///
    /// # Errors
    /// `InvalidIdentityToken` when it is none, or has more than a hundred keys.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        let published: Published = serde_json::from_str(text)
            .map_err(|_| invalid("The identity provider's key set cannot be read."))?;
        if published.keys.len() > KEYS_MAX {
            return Err(invalid(format!(
                "The identity provider's key set has more than {KEYS_MAX} keys."
            )));
        }
        Ok(Self(published.keys.into_iter().filter_map(key).collect()))
    }

    /// The key a token names, or the only one when it names none.
    pub(crate) fn of(&self, id: Option<&str>) -> Option<&Key> {
        match (id, self.0.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(_), keys) => keys.iter().find(|key| key.id.as_deref() == id),
        }
    }
}

fn key(value: serde_json::Value) -> Option<Key> {
    let key: Jwk = serde_json::from_value(value).ok()?;
    if !matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    let by_kind: &[(Algorithm, KeyAlgorithm)] = match &key.algorithm {
        AlgorithmParameters::RSA(_) => &[
            (Algorithm::RS256, KeyAlgorithm::RS256),
            (Algorithm::RS384, KeyAlgorithm::RS384),
            (Algorithm::RS512, KeyAlgorithm::RS512),
        ],
        AlgorithmParameters::EllipticCurve(curve) => match curve.curve {
            EllipticCurve::P256 => &[(Algorithm::ES256, KeyAlgorithm::ES256)],
            EllipticCurve::P384 => &[(Algorithm::ES384, KeyAlgorithm::ES384)],
            _ => return None,
        },
        AlgorithmParameters::OctetKeyPair(curve) if curve.curve == EllipticCurve::Ed25519 => {
            &[(Algorithm::EdDSA, KeyAlgorithm::EdDSA)]
        }
        _ => return None,
    };
    let named = key.common.key_algorithm;
    let algorithms: Vec<Algorithm> = by_kind
        .iter()
        .filter(|(_, own)| named.is_none_or(|named| named == *own))
        .map(|(algorithm, _)| *algorithm)
        .collect();
    (!algorithms.is_empty()).then_some(())?;
    Some(Key {
        id: key.common.key_id.clone(),
        algorithms,
        key: DecodingKey::from_jwk(&key).ok()?,
    })
}

#[derive(Default)]
struct Issuer {
    known: Mutex<Known>,
    /// Who holds it asks; the others wait for what they hear.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    keys: Option<(Arc<KeySet>, UnixSeconds)>,
    failed: Option<UnixSeconds>,
}

/// Keys of issuers by issuer.
#[derive(Default)]
pub(crate) struct KeyCache {
    source: OnceLock<Arc<dyn IdentityKeys>>,
    issuers: Mutex<HashMap<String, Arc<Issuer>>>,
}

impl KeyCache {
    pub(crate) fn asks(&self, source: Arc<dyn IdentityKeys>) {
        // Set once; there is one network.
        let _ = self.source.set(source);
    }

    /// The keys of an issuer, with the key `id` among them if the issuer publishes it and was not asked just now.
    ///
    /// # Errors
    /// `IDPCommunicationError`, or what [`KeySet::parse`] says.
    pub(crate) async fn of(
        &self,
        issuer: &str,
        id: Option<&str>,
        now: UnixSeconds,
    ) -> Result<Arc<KeySet>, ApiError> {
        let entry = self.entry(issuer, now);
        if let Some(known) = entry.known(id, now) {
            return known;
        }
        let _asking = entry.asking.lock().await;
        if let Some(known) = entry.known(id, now) {
            return known;
        }
        let fetched = match self.source.get() {
            Some(source) => source.fetch(issuer).await,
            None => Err(IdentityKeysError("nobody to ask for keys".to_owned())),
        };
        let mut known = entry.known.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched.map(|text| KeySet::parse(&text)) {
            Ok(Ok(keys)) => {
                let keys = Arc::new(keys);
                *known = Known {
                    keys: Some((Arc::clone(&keys), now)),
                    failed: None,
                };
                Ok(keys)
            }
            Ok(Err(error)) => {
                known.failed = Some(now);
                Err(error)
            }
            Err(error) => {
                tracing::warn!(%error, issuer, "the keys of an identity provider cannot be had");
                known.failed = Some(now);
                Err(unreachable())
            }
        }
    }

    fn entry(&self, issuer: &str, now: UnixSeconds) -> Arc<Issuer> {
        let mut issuers = self.issuers.lock().unwrap_or_else(PoisonError::into_inner);
        if issuers.len() >= ISSUERS_MAX && !issuers.contains_key(issuer) {
            issuers.retain(|_, issuer| issuer.known(None, now).is_some());
            if issuers.len() >= ISSUERS_MAX {
                issuers.clear();
            }
        }
        Arc::clone(issuers.entry(issuer.to_owned()).or_default())
    }
}

impl Issuer {
    /// What is known without asking; `None`: the provider is to be asked.
    fn known(&self, id: Option<&str>, now: UnixSeconds) -> Option<Result<Arc<KeySet>, ApiError>> {
        let within = |since: UnixSeconds, seconds: i64| (0..seconds).contains(&now.since(since));
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((keys, at)) = &known.keys
            && within(*at, BELIEVED_SECONDS)
        {
            let is_enough = keys.of(id).is_some()
                || within(*at, ASKED_AGAIN_SECONDS)
                || known.failed.is_some_and(|at| within(at, ASKED_AGAIN_SECONDS));
            return is_enough.then(|| Ok(Arc::clone(keys)));
        }
        known
            .failed
            .filter(|at| within(*at, LEFT_ALONE_SECONDS))
            .map(|_| Err(unreachable()))
    }
}

fn unreachable() -> ApiError {
    ApiError::new(
        "IDPCommunicationError",
        400,
        "The identity provider's keys could not be retrieved. Try again later.",
    )
}
