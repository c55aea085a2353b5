use crate::credentials::UpstreamCredentials;
use crate::error::UpstreamError;
use hallpass_access::Caller;
use hallpass_secret::Secret;
use hallpass_sigv4::{
    EcdsaKey, EventSigner, PayloadMode, RegionSet, RequestView, Scope, SigningCredentials, SigningKey,
    sign_v4a_with_key, sign_with_key,
};
use hallpass_types::UnixSeconds;
use http::{HeaderName, HeaderValue};
use quick_cache::sync::Cache;
use std::sync::Arc;

/// Signing keys kept: one for each of the upstream's credentials in use, day, region and service.
const KEYS_MAX: usize = 4_096;

/// What a signature is over.
pub(crate) struct ToSign<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) payload: PayloadMode,
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) caller: &'a Caller,
}

/// An access key id and what its secret makes of it.
type KeyPairs = Cache<String, (Secret, EcdsaKey)>;

/// Signs requests for one upstream.
pub(crate) struct Signer {
    credentials: Arc<dyn UpstreamCredentials>,
    keys: Cache<(String, Scope), CachedKey>,
    /// With it, signatures are of version 4a.
    region_set: Option<RegionSet>,
    key_pairs: KeyPairs,
}

/// A key and the secret it was derived from: an id whose secret was replaced must not be signed for with the old one.
#[derive(Clone)]
struct CachedKey {
    secret: Secret,
    key: SigningKey,
}

impl Signer {
    pub(crate) fn new(credentials: Arc<dyn UpstreamCredentials>, region_set: Option<RegionSet>) -> Self {
        Self {
            credentials,
            keys: Cache::new(KEYS_MAX),
            region_set,
            key_pairs: Cache::new(KEYS_MAX),
        }
    }

    /// Adds the signature to `headers`, all of which it covers. Returns what signs the body, when it is a stream of
    /// events.
    pub(crate) async fn sign(
        &self,
        what: &ToSign<'_>,
        now: UnixSeconds,
        headers: &mut Vec<(HeaderName, HeaderValue)>,
    ) -> Result<Option<EventSigner>, UpstreamError> {
        let credentials = self.credentials.current(what.caller, now).await?;
        let view: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let view = RequestView {
            method: what.method,
            path: what.path,
            query: Some(what.query),
            headers: &view,
        };
        let token = credentials.session_token.as_ref();
        let id = &credentials.access_key_id;
        let internal = |_| UpstreamError::internal();
        let signed = match &self.region_set {
            None => {
                let scope = Scope::new(now, what.region, what.service).map_err(internal)?;
                let key = self.key(&credentials, &scope);
                sign_with_key(&view, id, token, &key, &scope, now, what.payload)
            }
            Some(regions) => {
                let scope = Scope::without_region(now, what.service).map_err(internal)?;
                let key = self.key_pair(&credentials)?;
                sign_v4a_with_key(&view, id, token, &key, regions, &scope, now, what.payload)
            }
        };
        let signed = signed.map_err(|error| {
            tracing::warn!(%error, "request cannot be signed for the upstream");
            UpstreamError::new("InvalidRequest", 400, "The request cannot be forwarded.")
        })?;
        for (name, value) in &signed.headers {
            let value = HeaderValue::from_str(value);
            let mut value = value.map_err(|_| UpstreamError::internal())?;
            value.set_sensitive(matches!(*name, "authorization" | "x-amz-security-token"));
            headers.push((HeaderName::from_static(name), value));
        }
        Ok(signed.event_signer(&credentials.secret))
    }

    fn key_pair(&self, credentials: &SigningCredentials) -> Result<EcdsaKey, UpstreamError> {
        let id = credentials.access_key_id.as_str();
        if let Some((secret, pair)) = self.key_pairs.get(id)
            && secret == credentials.secret
        {
            return Ok(pair);
        }
        let pair = EcdsaKey::derive(&credentials.secret, &credentials.access_key_id)
            .map_err(|_| UpstreamError::internal())?;
        let kept = (credentials.secret.clone(), pair.clone());
        self.key_pairs.insert(id.to_owned(), kept);
        Ok(pair)
    }

    fn key(&self, credentials: &SigningCredentials, scope: &Scope) -> SigningKey {
        let name = (credentials.access_key_id.as_str().to_owned(), scope.clone());
        if let Some(cached) = self.keys.get(&name)
            && cached.secret == credentials.secret
        {
            return cached.key;
        }
        let key = SigningKey::derive(&credentials.secret, scope);
        let secret = credentials.secret.clone();
        self.keys.insert(
            name,
            CachedKey {
                secret,
                key: key.clone(),
            },
        );
        key
    }
}
