//! One token: what it says, signed (RFC 7515, RFC 7519).

use super::TokenKeys;
use crate::authority::Environment;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass_secret::Secret;
use serde_json::{Value, json};

/// The claim under which AWS puts what is AWS's ("Understanding token claims").
pub(super) const CLAIMS: &str = "https://sts.amazonaws.com/";

/// What a token can be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// RSA of 2,048 bits with SHA-256.
    Rs256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
}

impl Algorithm {
    pub(crate) const ALL: [Self; 2] = [Self::Rs256, Self::Es384];

    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es384 => "ES384",
        }
    }

    fn sign(self, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(key).ok()?;
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature);
                signed.ok().map(|()| signature)
            }
            Self::Es384 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, key).ok()?;
                let signature = pair.sign(&random, message).ok()?;
                Some(signature.as_ref().to_vec())
            }
        }
    }
}

/// `claims` as a token, signed with that generation's key. `None`: the key cannot be opened or used.
pub(crate) fn sign(
    env: &Environment,
    (generation, keys): (u32, &TokenKeys),
    algorithm: Algorithm,
    claims: &Value,
) -> Option<Secret> {
    let private = keys.private(env, generation, algorithm)?;
    let header = json!({"alg": algorithm.name(), "kid": keys.id(algorithm), "typ": "JWT"});
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut token = format!("{}.{}", encode(&header), encode(claims));
    let signature = algorithm.sign(&private, token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Some(Secret::new(token))
}
