use crate::credentials::UpstreamCredentials;
use crate::error::UpstreamError;
use hallpass_access::Caller;
use hallpass_secret::Secret;
use hallpass_sigv4::{PayloadMode, RequestView, Scope, SigningCredentials, SigningKey, sign_with_key};
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

/// Signs requests for one upstream.
pub(crate) struct Signer {
    credentials: Arc<dyn UpstreamCredentials>,
    keys: Cache<(String, Scope), CachedKey>,
}

/// A key and the secret it was derived from: an id whose secret was replaced must not be signed for with the old one.
#[derive(Clone)]
struct CachedKey {
    secret: Secret,
    key: SigningKey,
}

impl Signer {
    pub(crate) fn new(credentials: Arc<dyn UpstreamCredentials>) -> Self {
        Self {
            credentials,
            keys: Cache::new(KEYS_MAX),
        }
    }

    /// Adds the signature to `headers`, all of which it covers.
    pub(crate) async fn sign(
        &self,
        what: &ToSign<'_>,
        now: UnixSeconds,
        headers: &mut Vec<(HeaderName, HeaderValue)>,
    ) -> Result<(), UpstreamError> {
        let credentials = self.credentials.current(what.caller, now).await?;
        let scope = Scope::new(now, what.region, what.service).map_err(|_| UpstreamError::internal())?;
        let key = self.key(&credentials, &scope);
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
        let signed = sign_with_key(
            &view,
            &credentials.access_key_id,
            token,
            &key,
            &scope,
            now,
            what.payload,
        )
        .map_err(|error| {
            tracing::warn!(%error, "request cannot be signed for the upstream");
            UpstreamError::new("InvalidRequest", 400, "The request cannot be forwarded.")
        })?;
        for (name, value) in &signed.headers {
            let value = HeaderValue::from_str(value);
            let mut value = value.map_err(|_| UpstreamError::internal())?;
            value.set_sensitive(matches!(*name, "authorization" | "x-amz-security-token"));
            headers.push((HeaderName::from_static(name), value));
        }
        Ok(())
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
