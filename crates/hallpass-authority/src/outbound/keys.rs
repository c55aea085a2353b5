//! The keys that sign tokens. Every generation is published from the moment it is made, and signs once it is used.

use super::Algorithm;
use crate::authority::Environment;
use crate::certificates::hex;
use crate::state::put;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hallpass_store::Op;
use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;
use zeroize::Zeroizing;

/// One generation: a key for each algorithm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TokenKeys {
    /// The public halves as JSON Web Keys (RFC 7517), with their ids.
    rs256: Value,
    es384: Value,
    /// The private halves, PKCS #8 in base 64 with a dot between, sealed.
    pub(crate) sealed: String,
    pub(crate) made: UnixSeconds,
    /// Since when it signs what is new; the others are only published.
    pub(crate) used_since: Option<UnixSeconds>,
    pub(crate) is_current: bool,
}

impl TokenKeys {
    pub(super) fn public(&self) -> [&Value; 2] {
        [&self.rs256, &self.es384]
    }

    /// The same keys, which sign what is new from `now` on, or no longer.
    pub(crate) fn in_use(&self, is_current: bool, now: UnixSeconds) -> Self {
        Self {
            is_current,
            used_since: if is_current { Some(now) } else { self.used_since },
            ..self.clone()
        }
    }

    pub(super) fn id(&self, algorithm: Algorithm) -> &str {
        let key = match algorithm {
            Algorithm::Rs256 => &self.rs256,
            Algorithm::Es384 => &self.es384,
        };
        key["kid"].as_str().unwrap_or_default()
    }

    /// The private key of `algorithm`, PKCS #8.
    pub(super) fn private(
        &self,
        env: &Environment,
        generation: u32,
        algorithm: Algorithm,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let opened = env
            .keyring()
            .open_secret(&seal_purpose(generation), &self.sealed)
            .ok()?;
        let (rs256, es384) = opened.expose().split_once('.')?;
        let key = match algorithm {
            Algorithm::Rs256 => rs256,
            Algorithm::Es384 => es384,
        };
        STANDARD.decode(key).ok().map(Zeroizing::new)
    }
}

pub(crate) fn store_key(generation: u32) -> String {
    format!("v1/system/token-key/{generation}")
}

/// What the private keys are sealed for.
pub(crate) fn seal_purpose(generation: u32) -> String {
    format!("token-key/{generation}")
}

pub(crate) fn put_keys(generation: u32, keys: &TokenKeys) -> Op {
    put(store_key(generation), keys)
}

/// A new generation, not used yet.
///
/// # Errors
/// What the cryptographic library says, in words.
pub(crate) fn new_keys(env: &Environment, generation: u32, now: UnixSeconds) -> Result<TokenKeys, String> {
    let failed = |what: &str| format!("a key to sign tokens with could not be made: {what}");
    let rsa = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| failed("RSA"))?;
    let rsa_der = AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).map_err(|_| failed("RSA"))?;
    let ec = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(|_| failed("P-384"))?;
    let ec_der = ec.to_pkcs8v1().map_err(|_| failed("P-384"))?;
    let mut private = Zeroizing::new(STANDARD.encode(rsa_der.as_ref()));
    private.push('.');
    private.push_str(&Zeroizing::new(STANDARD.encode(ec_der.as_ref())));
    let sealed = env
        .keyring()
        .seal(&seal_purpose(generation), &private, &*env.entropy);
    Ok(TokenKeys {
        rs256: rsa_public(&rsa).ok_or_else(|| failed("RSA"))?,
        es384: ec_public(ec.public_key().as_ref()).ok_or_else(|| failed("P-384"))?,
        sealed: sealed.map_err(|error| failed(&error.to_string()))?,
        made: now,
        used_since: None,
        is_current: false,
    })
}

fn id_of(public: &[u8]) -> String {
    let mut id = hex(digest(&SHA256, public).as_ref());
    id.truncate(32);
    id
}

fn rsa_public(pair: &aws_lc_rs::rsa::KeyPair) -> Option<Value> {
    let der = AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()).ok()?;
    let (_, info) = SubjectPublicKeyInfo::from_der(der.as_ref()).ok()?;
    let Ok(PublicKey::RSA(key)) = info.parsed() else {
        return None;
    };
    // DER puts a zero before a number whose first bit is set; a key set does not (RFC 7518, 6.3.1.1).
    let plain = |number: &[u8]| {
        let start = number.iter().position(|byte| *byte != 0).unwrap_or(0);
        URL_SAFE_NO_PAD.encode(number.get(start..).unwrap_or_default())
    };
    Some(
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": id_of(der.as_ref()),
        "n": plain(key.modulus), "e": plain(key.exponent)}),
    )
}

fn ec_public(point: &[u8]) -> Option<Value> {
    let (x, y) = point.strip_prefix(&[4])?.split_at_checked(48)?;
    Some(
        json!({"kty": "EC", "use": "sig", "alg": "ES384", "kid": id_of(point), "crv": "P-384",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)}),
    )
}
