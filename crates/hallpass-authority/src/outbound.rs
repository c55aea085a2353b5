//! Outbound identity federation: the caller's identity as a JSON Web Token that services elsewhere verify by OpenID Connect
//! discovery ("Federating AWS identities to external services", IAM User Guide).

mod keys;
mod token;

pub(crate) use keys::{TokenKeys, new_keys, put_keys, seal_purpose, store_key};
pub(crate) use token::{Algorithm, sign};

use crate::authority::{Authority, Environment};
use serde_json::{Value, json};

/// Below the API's own address. No bucket's name begins with `_`.
const PATH: &str = "/_hallpass/oidc/";
/// What an issuer's documents are called (OpenID Connect Discovery 1.0; the key set's name is AWS's).
const CONFIGURATION: &str = "/.well-known/openid-configuration";
const KEY_SET: &str = "/.well-known/jwks.json";

/// The issuer of the account that has this id, once it is known where the API is reached.
pub(crate) fn issuer(env: &Environment, id: &str) -> Option<String> {
    Some(format!("{}{PATH}{id}", env.public_url.get()?))
}

impl Authority {
    /// Tokens name the address at which their keys are found: the API's, as others reach it, `https://api.example.com`. Said
    /// once, before the first request; a second time changes nothing.
    pub fn is_reached_at(&self, public_url: &str) {
        let url = public_url.trim_end_matches('/').to_owned();
        let _ = self.env.public_url.set(url);
    }

    /// The document at `path` if it is one of an account's issuer: its configuration or its keys, as JSON. They are for
    /// everybody, and stay when the account stops issuing: what was issued is good until it ends.
    #[must_use]
    pub fn issuer_document(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(PATH)?;
        let (id, document) = rest.split_at_checked(rest.find('/')?)?;
        let state = self.read();
        let is_known = |account: &crate::account::AccountState| {
            let outbound = account.settings().outbound.as_ref();
            outbound.is_some_and(|outbound| outbound.id == id)
        };
        if !state.accounts.values().any(is_known) {
            return None;
        }
        let value = match document {
            CONFIGURATION => configuration(&issuer(&self.env, id)?),
            KEY_SET => {
                let keys = state.token_keys.values().rev();
                let keys: Vec<_> = keys.flat_map(|one| one.public()).collect();
                json!({ "keys": keys })
            }
            _ => return None,
        };
        Some(value.to_string())
    }
}

fn configuration(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "jwks_uri": format!("{issuer}{KEY_SET}"),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES384"],
        "claims_supported": ["iss", "aud", "sub", "iat", "exp", "jti", token::CLAIMS],
    })
}
