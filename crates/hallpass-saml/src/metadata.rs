//! An identity provider's metadata: who it is and which keys are its.

use crate::SamlError;
use crate::keys::Key;
use crate::names::{DSIG, METADATA};
use crate::parse::{Rules, parse};
use crate::signature::decoded;

/// Keys of one provider that are tried.
const KEYS_MAX: usize = 20;
/// Providers publish what attributes they know, hundreds of them; and comments.
const RULES: Rules = Rules {
    nodes_max: 50_000,
    has_comments: true,
};

/// What an `EntityDescriptor` says of an identity provider.
#[derive(Debug, Clone)]
pub struct Metadata {
    pub(crate) entity_id: String,
    pub(crate) keys: Vec<Key>,
}

impl Metadata {
    /// Reads the document of a SAML provider. Its own signature is not looked at: whoever may make the provider vouches
    /// for it. Certificates for encryption, and with keys that cannot be used, are passed over.
    ///
    /// # Errors
    /// [`SamlError::Unreadable`], and [`SamlError::Metadata`] when no issuer or no key for signatures is left.
    pub fn parse(document: &str) -> Result<Self, SamlError> {
        let root = parse(document, RULES)?;
        if !root.is(METADATA, "EntityDescriptor") {
            return Err(SamlError::Metadata("it is no EntityDescriptor"));
        }
        let entity_id = root.attribute("entityID").filter(|id| !id.is_empty());
        let entity_id = entity_id.ok_or(SamlError::Metadata("it has no entityID"))?;
        let described = root
            .all(METADATA, "IDPSSODescriptor")
            .flat_map(|provider| provider.all(METADATA, "KeyDescriptor"))
            .filter(|key| matches!(key.attribute("use"), None | Some("signing")));
        let certificates = described
            .flat_map(|key| key.all(DSIG, "KeyInfo"))
            .flat_map(|info| info.all(DSIG, "X509Data"))
            .flat_map(|data| data.all(DSIG, "X509Certificate"));
        let mut keys: Vec<Key> = vec![];
        for certificate in certificates {
            let key = certificate.text().and_then(decoded);
            if let Some(key) = key.and_then(|der| Key::of_certificate(&der))
                && !keys.contains(&key)
            {
                keys.push(key);
            }
        }
        match keys.len() {
            0 => Err(SamlError::Metadata("it has no certificate that can be used")),
            1..=KEYS_MAX => Ok(Self {
                entity_id: entity_id.to_owned(),
                keys,
            }),
            _ => Err(SamlError::Metadata("it has too many certificates")),
        }
    }

    /// Who the provider says it is: the issuer of its assertions.
    #[must_use]
    pub fn entity_id(&self) -> &str {
        &self.entity_id
    }
}
