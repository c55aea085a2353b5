//! Identity providers: who else may say who somebody is.

use hallpass_session::Tag;
use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};

/// An OpenID Connect provider. Kept under its URL without the scheme, which is how its ARN names it too.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OidcProvider {
    /// Without `https://`: `token.actions.githubusercontent.com`, `host/path`.
    pub(crate) url: String,
    /// The audiences it may be asked about; at most a hundred.
    #[serde(default)]
    pub(crate) client_ids: Vec<String>,
    /// SHA-1 of its certificate authority's certificate, forty hexadecimal digits each; at most five.
    #[serde(default)]
    pub(crate) thumbprints: Vec<String>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    pub(crate) created: UnixSeconds,
    /// Spoken to without TLS, which only an issuer on this machine's loopback may be.
    #[serde(default)]
    pub(crate) is_plain: bool,
}

impl OidcProvider {
    pub(crate) fn scheme(&self) -> &'static str {
        if self.is_plain { "http" } else { "https" }
    }
}

/// A SAML 2.0 provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SamlProvider {
    pub(crate) name: String,
    /// The metadata document: an `EntityDescriptor` that holds an `IDPSSODescriptor`.
    pub(crate) metadata: String,
    /// The document's `validUntil`; a hundred years after the upload when it has none.
    pub(crate) valid_until: UnixSeconds,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    pub(crate) created: UnixSeconds,
    /// Told as `SAMLProviderUUID`.
    pub(crate) id: String,
}
