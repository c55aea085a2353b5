//! The certificate authority of the fleet's machines: makes itself, and certificates for servers and agents.

use crate::ApiError;
use crate::authority::Authority;
use crate::entity::StoredAuthority;
use crate::state::put;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType,
};
use std::time::{Duration, SystemTime};

/// How long a machine's certificate is good; it renews itself after half of that.
pub(crate) const NODE_SECONDS: i64 = 86_400;
/// How long the authority's own is.
const AUTHORITY_SECONDS: i64 = 10 * 365 * 86_400;
/// Clocks of a fleet differ a little.
const BACKDATED_SECONDS: i64 = 300;
/// The text before a server's name in its certificate.
pub(crate) const SERVER_URI: &str = "urn:hallpass:server:";

/// A certificate could not be made or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// There is no certificate authority yet, or its key cannot be opened.
    #[error("the fleet's certificate authority cannot be used: {0}")]
    Authority(String),
    /// What asks for a certificate is not a signing request with a key of its own.
    #[error("the certificate signing request is not good: {0}")]
    Request(String),
}

/// Whose certificate it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeName {
    /// The agent of an instance; the text is its ARN.
    Instance(String),
    /// A server, by its name in the fleet.
    Server(String),
}

impl NodeName {
    fn uri(&self) -> String {
        match self {
            Self::Instance(arn) => arn.clone(),
            Self::Server(name) => format!("{SERVER_URI}{name}"),
        }
    }

    /// Whose certificate says this in its URI name.
    #[must_use]
    pub fn of_uri(uri: &str) -> Option<Self> {
        match uri.strip_prefix(SERVER_URI) {
            Some(name) => Some(Self::Server(name.to_owned())),
            None => uri.starts_with("arn:").then(|| Self::Instance(uri.to_owned())),
        }
    }
}

/// What a server shows on its control listener, and to its peers. Its `Debug` shows no key.
pub struct ServerIdentity {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// Its key, PKCS #8 DER.
    pub key: Vec<u8>,
    /// Every generation of the authority, DER: what peers and agents may be of.
    pub authorities: Vec<Vec<u8>>,
}

impl std::fmt::Debug for ServerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerIdentity")
            .field("certificate", &fingerprint(&self.certificate))
            .finish_non_exhaustive()
    }
}

fn instant(at: UnixSeconds) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(at.0).unwrap_or(0))
}

fn valid(params: &mut CertificateParams, now: UnixSeconds, seconds: i64) {
    params.not_before = instant(now.plus(-BACKDATED_SECONDS)).into();
    params.not_after = instant(now.plus(seconds)).into();
}

fn unusable(error: impl std::fmt::Display) -> CertificateError {
    CertificateError::Authority(error.to_string())
}

fn authority_params(now: UnixSeconds) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("hallpass fleet {}", now.0));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, now, AUTHORITY_SECONDS);
    params
}

/// The store key of a generation.
pub(crate) fn authority_key(generation: u32) -> String {
    format!("v1/system/ca/{generation}")
}

/// What an authority's private key is sealed for.
pub(crate) fn purpose(generation: u32) -> String {
    format!("ca/{generation}")
}

/// SHA-256 of a certificate, in hex: what an enrolment secret carries of the authority.
#[must_use]
pub(crate) fn fingerprint(certificate: &[u8]) -> String {
    hex(digest(&SHA256, certificate).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes a new generation.
pub(crate) fn new_authority(
    env: &crate::authority::Environment,
    generation: u32,
    now: UnixSeconds,
) -> Result<StoredAuthority, CertificateError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unusable)?;
    let certificate = authority_params(now).self_signed(&key).map_err(unusable)?;
    let sealed_key = env
        .keyring()
        .seal(
            &purpose(generation),
            &STANDARD.encode(key.serialize_der()),
            &*env.entropy,
        )
        .map_err(unusable)?;
    Ok(StoredAuthority {
        certificate: STANDARD.encode(certificate.der()),
        sealed_key,
        made: now,
        is_current: true,
    })
}

impl Authority {
    /// Makes the fleet's certificate authority if there is none.
    ///
    /// # Errors
    /// [`ApiError`] when the store refuses.
    pub async fn ensure_certificate_authority(&self, now: UnixSeconds) -> Result<(), ApiError> {
        self.change(|state| {
            if !state.authorities.is_empty() {
                return Ok(((), vec![]));
            }
            let made = new_authority(&self.env, 1, now)
                .map_err(|error| ApiError::new("ServiceFailure", 500, error.to_string()))?;
            Ok(((), vec![put(authority_key(1), &made)]))
        })
        .await
    }

    /// Every generation's certificate, DER; the one that signs first.
    #[must_use]
    pub fn certificate_authorities(&self) -> Vec<Vec<u8>> {
        let state = self.read();
        let mut all: Vec<_> = state.authorities.values().collect();
        all.sort_by_key(|one| !one.is_current);
        all.into_iter()
            .filter_map(|one| STANDARD.decode(&one.certificate).ok())
            .collect()
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, CertificateError> {
        let (generation, stored) = {
            let state = self.read();
            let current = state.authorities.iter().find(|(_, one)| one.is_current);
            current
                .map(|(generation, stored)| (*generation, stored.clone()))
                .ok_or_else(|| unusable("there is none"))?
        };
        let key: Secret = self
            .env
            .keyring()
            .open_secret(&purpose(generation), &stored.sealed_key)
            .map_err(unusable)?;
        let key = STANDARD.decode(key.expose()).map_err(unusable)?;
        let key = KeyPair::try_from(key).map_err(unusable)?;
        let certificate = STANDARD.decode(&stored.certificate).map_err(unusable)?;
        Issuer::from_ca_cert_der(&certificate.into(), key).map_err(unusable)
    }

    /// A certificate for a server: its names and addresses are those it is reached by.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn server_identity(
        &self,
        name: &str,
        hosts: &[String],
        now: UnixSeconds,
    ) -> Result<ServerIdentity, CertificateError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(unusable)?;
        let mut params = CertificateParams::new(hosts.to_vec())
            .map_err(|error| CertificateError::Request(error.to_string()))?;
        identify(&mut params, &NodeName::Server(name.to_owned()), name, now)?;
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer()?).map_err(unusable)?;
        Ok(ServerIdentity {
            certificate: certificate.der().to_vec(),
            key: key.serialize_der(),
            authorities: self.certificate_authorities(),
        })
    }

    /// Signs an agent's request for its instance. Of the request only the key is taken: who it is, the authority says.
    pub(crate) fn sign_node(
        &self,
        request: &[u8],
        arn: &str,
        instance: &str,
        now: UnixSeconds,
    ) -> Result<SignedNode, CertificateError> {
        let request = CertificateSigningRequestParams::from_der(&request.into())
            .map_err(|error| CertificateError::Request(error.to_string()))?;
        let mut params = CertificateParams::default();
        identify(&mut params, &NodeName::Instance(arn.to_owned()), instance, now)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = hex(digest(&SHA256, &request.public_key.subject_public_key_info()).as_ref());
        let certificate = params
            .signed_by(&request.public_key, &self.issuer()?)
            .map_err(unusable)?;
        Ok(SignedNode {
            certificate: certificate.der().to_vec(),
            key,
            not_after: now.plus(NODE_SECONDS),
        })
    }
}

/// A certificate made for an instance.
pub(crate) struct SignedNode {
    pub(crate) certificate: Vec<u8>,
    /// SHA-256 of the public key, in hex.
    pub(crate) key: String,
    pub(crate) not_after: UnixSeconds,
}

fn identify(
    params: &mut CertificateParams,
    name: &NodeName,
    common_name: &str,
    now: UnixSeconds,
) -> Result<(), CertificateError> {
    let uri = name
        .uri()
        .try_into()
        .map_err(|error: rcgen::Error| CertificateError::Request(error.to_string()))?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.subject_alt_names.push(SanType::URI(uri));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    valid(params, now, NODE_SECONDS);
    Ok(())
}
