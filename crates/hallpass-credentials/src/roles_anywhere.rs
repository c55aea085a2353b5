//! The credentials of a certificate, by IAM Roles Anywhere.
//!
//! Source: IAM Roles Anywhere User Guide, "Authentication and authorization", "Signing process" and the `CreateSession`
//! page.

use crate::client::Client;
use crate::document::{credentials, expiry};
use crate::error::{CredentialsError, FetchError};
use crate::refreshed::{Fetch, Fetched};
use crate::{Endpoint, EndpointError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hallpass_secret::Secret;
use hallpass_sigv4::Scope;
use hallpass_types::UnixSeconds;
use hallpass_wire::percent_encode;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{SignatureAlgorithm, SignatureScheme};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::path::{Path, PathBuf};

const JSON: &str = "application/json";
/// Certificates of a chain that fit into the header, the leaf not counted.
const CHAIN_MAX: usize = 5;

/// Which role a certificate is exchanged for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolesAnywhereConfig {
    /// The certificate (PEM), then, if there are any, those between it and the trust anchor. Read at each exchange.
    pub certificate_file: PathBuf,
    /// Its key (PEM): RSA, or ECDSA on P-256. Read at each exchange.
    pub key_file: PathBuf,
    /// `arn:aws:rolesanywhere:REGION:ACCOUNT:trust-anchor/ID`; its region is the one that is asked.
    pub trust_anchor_arn: String,
    /// `arn:aws:rolesanywhere:REGION:ACCOUNT:profile/ID`.
    pub profile_arn: String,
    /// The role.
    pub role_arn: String,
    /// 900 to 43,200; `None`: 3,600.
    pub duration_seconds: Option<u32>,
    /// `https://host[:port]`; `None`: AWS's of the region.
    pub endpoint: Option<String>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// Exchanges a certificate for a session.
pub(crate) struct RolesAnywhere {
    config: RolesAnywhereConfig,
    client: Client,
    scheme: &'static str,
    host: String,
    region: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    credential_set: Vec<CredentialSet>,
}

#[derive(Deserialize)]
struct CredentialSet {
    credentials: Credentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    access_key_id: Option<String>,
    secret_access_key: Option<Secret>,
    session_token: Option<Secret>,
    expiration: String,
}

#[derive(Deserialize)]
struct Problem {
    message: Option<String>,
}

impl RolesAnywhere {
    pub(crate) fn new(config: RolesAnywhereConfig) -> Result<Self, CredentialsError> {
        let region = region_of(&config.trust_anchor_arn).ok_or(CredentialsError::TrustAnchor)?;
        if region_of(&config.profile_arn) != Some(region) {
            return Err(CredentialsError::TrustAnchor);
        }
        Scope::new(UnixSeconds(0), region, "rolesanywhere").map_err(|_| EndpointError::Region)?;
        let usual = format!("https://rolesanywhere.{region}.amazonaws.com");
        let endpoint = Endpoint::parse(config.endpoint.as_deref().unwrap_or(&usual))
            .map_err(CredentialsError::Endpoint)?;
        let resolved = endpoint.resolved("rolesanywhere", region);
        Ok(Self {
            client: Client::new(endpoint.is_https(), config.ca_file.as_deref())?,
            scheme: resolved.scheme,
            host: resolved.host,
            region: region.to_owned(),
            config,
        })
    }

    fn request(&self, now: UnixSeconds) -> Result<Request<Full<Bytes>>, FetchError> {
        let unreadable = |path: &Path| FetchError::TokenFile(path.to_owned());
        let config = &self.config;
        let chain = CertificateDer::pem_file_iter(&config.certificate_file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|_| unreadable(&config.certificate_file))?;
        let key = PrivateKeyDer::from_pem_file(&config.key_file).map_err(|_| unreadable(&config.key_file))?;
        let identity = Identity::new(&chain, &key)?;
        let mut query: Vec<String> = [
            ("profileArn", &config.profile_arn),
            ("roleArn", &config.role_arn),
            ("trustAnchorArn", &config.trust_anchor_arn),
        ]
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encode(value)))
        .collect();
        query.sort();
        let body = format!(
            "{{\"durationSeconds\":{}}}",
            config.duration_seconds.unwrap_or(3_600)
        );
        let draft = Draft {
            host: &self.host,
            query: &query.join("&"),
            body: &body,
            region: &self.region,
        };
        let headers = draft.sign(&identity, now)?;
        let mut request = Request::post(format!(
            "{}://{}/sessions?{}",
            self.scheme, self.host, draft.query
        ));
        for (name, value) in headers {
            let value = HeaderValue::from_str(&value).map_err(|_| NOT_SIGNABLE)?;
            request = request.header(name, value);
        }
        request
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| NOT_SIGNABLE)
    }
}

const NOT_SIGNABLE: FetchError = FetchError::Answer("the request cannot be made");

impl Fetch for RolesAnywhere {
    fn what(&self) -> String {
        format!("{} at {}", self.config.role_arn, self.host)
    }

    async fn fetch(&self, now: UnixSeconds) -> Result<Fetched, FetchError> {
        let answer = self.client.send(self.request(now)?).await?;
        if answer.status != StatusCode::OK && answer.status != StatusCode::CREATED {
            let problem: Option<Problem> = serde_json::from_str(answer.text.expose()).ok();
            let message = problem.and_then(|problem| problem.message).unwrap_or_default();
            return Err(FetchError::Refused {
                status: answer.status.as_u16(),
                code: answer.status.canonical_reason().unwrap_or_default().to_owned(),
                message: message
                    .chars()
                    .filter(|letter| !letter.is_control())
                    .take(300)
                    .collect(),
            });
        }
        let other = FetchError::Answer("the answer is not one of Roles Anywhere");
        let answered: Answered = serde_json::from_str(answer.text.expose()).map_err(|_| other.clone())?;
        let found = answered
            .credential_set
            .into_iter()
            .next()
            .ok_or(other)?
            .credentials;
        credentials(
            found.access_key_id,
            found.secret_access_key,
            found.session_token,
            Some(expiry(&found.expiration)?),
        )
    }
}

/// Field 4 of an ARN of Roles Anywhere.
fn region_of(arn: &str) -> Option<&str> {
    let mut fields = arn.split(':');
    let is_ours = fields.next() == Some("arn") && fields.nth(1) == Some("rolesanywhere");
    fields.next().filter(|region| is_ours && !region.is_empty())
}

/// What proves who asks.
struct Identity {
    leaf: String,
    chain: Vec<String>,
    serial: String,
    algorithm: &'static str,
    signer: Box<dyn rustls::sign::Signer>,
}

impl Identity {
    fn new(chain: &[CertificateDer<'_>], key: &PrivateKeyDer<'_>) -> Result<Self, FetchError> {
        let bad = |why| FetchError::Answer(why);
        let leaf = chain.first().ok_or(bad("the certificate's file holds none"))?;
        let parsed = webpki::EndEntityCert::try_from(leaf)
            .map_err(|_| bad("the certificate is not one of version 3"))?;
        let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(key)
            .map_err(|_| bad("the certificate's key is not one that can sign"))?;
        let (algorithm, scheme) = match key.algorithm() {
            SignatureAlgorithm::RSA => ("AWS4-X509-RSA-SHA256", SignatureScheme::RSA_PKCS1_SHA256),
            _ => ("AWS4-X509-ECDSA-SHA256", SignatureScheme::ECDSA_NISTP256_SHA256),
        };
        let signer = key
            .choose_scheme(&[scheme])
            .ok_or(bad("the certificate's key is neither RSA nor ECDSA on P-256"))?;
        Ok(Self {
            leaf: BASE64.encode(leaf),
            chain: chain
                .iter()
                .skip(1)
                .take(CHAIN_MAX)
                .map(|one| BASE64.encode(one))
                .collect(),
            serial: decimal(parsed.serial()),
            algorithm,
            signer,
        })
    }
}

/// A request of the one shape there is, before it is signed.
struct Draft<'a> {
    host: &'a str,
    /// In canonical form.
    query: &'a str,
    body: &'a str,
    region: &'a str,
}

impl Draft<'_> {
    /// Every header it needs. The key signs the string itself; there is no derived key.
    fn sign(&self, identity: &Identity, now: UnixSeconds) -> Result<Vec<(&'static str, String)>, FetchError> {
        let scope = Scope::new(now, self.region, "rolesanywhere").map_err(|_| NOT_SIGNABLE)?;
        let date: String = now
            .iso8601()
            .chars()
            .filter(|letter| !matches!(letter, '-' | ':'))
            .collect();
        let mut headers = vec![
            ("content-type", JSON.to_owned()),
            ("host", self.host.to_owned()),
            ("x-amz-date", date.clone()),
            ("x-amz-x509", identity.leaf.clone()),
        ];
        if !identity.chain.is_empty() {
            headers.push(("x-amz-x509-chain", identity.chain.join(",")));
        }
        let lines: String = headers
            .iter()
            .map(|(name, value)| format!("{name}:{value}\n"))
            .collect();
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let canonical = format!(
            "POST\n/sessions\n{}\n{lines}\n{names}\n{}",
            self.query,
            hash(self.body.as_bytes())
        );
        let text = format!(
            "{}\n{date}\n{scope}\n{}",
            identity.algorithm,
            hash(canonical.as_bytes())
        );
        let signature = identity.signer.sign(text.as_bytes()).map_err(|_| NOT_SIGNABLE)?;
        let authorization = format!(
            "{} Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            identity.algorithm,
            identity.serial,
            lower_hex(&signature)
        );
        headers.push(("authorization", authorization));
        Ok(headers)
    }
}

fn hash(bytes: &[u8]) -> String {
    lower_hex(&Sha256::digest(bytes))
}

fn lower_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A number of any length, most significant byte first, in decimal.
fn decimal(bytes: &[u8]) -> String {
    // Digits in groups of nine, the least significant first.
    const GROUP: u64 = 1_000_000_000;
    let mut groups: Vec<u64> = vec![0];
    for byte in bytes {
        let mut carry = u64::from(*byte);
        for group in &mut groups {
            let value = *group * 256 + carry;
            *group = value % GROUP;
            carry = value / GROUP;
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    let mut text = groups.pop().unwrap_or_default().to_string();
    for group in groups.iter().rev() {
        text.push_str(&format!("{group:09}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_written_in_decimal() {
        for (bytes, text) in [
            (&[][..], "0"),
            (&[0], "0"),
            (&[0, 255], "255"),
            (&[1, 0, 0, 0, 0], "4294967296"),
            (&[59, 154, 202, 0], "1000000000"),
            (&[0xff; 20], "1461501637330902918203684832716283019655932542975"),
        ] {
            assert_eq!(decimal(bytes), text);
        }
    }

    #[test]
    fn the_region_is_the_trust_anchor_s_and_the_profile_s() {
        let config = |anchor: &str, profile: &str| RolesAnywhereConfig {
            certificate_file: "c".into(),
            key_file: "k".into(),
            trust_anchor_arn: anchor.to_owned(),
            profile_arn: profile.to_owned(),
            role_arn: "arn:aws:iam::123456789012:role/app".to_owned(),
            duration_seconds: None,
            endpoint: Some("http://127.0.0.1:1".to_owned()),
            ca_file: None,
        };
        let anchor = "arn:aws:rolesanywhere:eu-central-1:123456789012:trust-anchor/t";
        let profile = "arn:aws:rolesanywhere:eu-central-1:123456789012:profile/p";
        assert!(RolesAnywhere::new(config(anchor, profile)).is_ok());
        for (anchor, profile) in [
            (anchor, "arn:aws:rolesanywhere:us-east-1:123456789012:profile/p"),
            ("arn:aws:iam::123456789012:role/x", profile),
            ("", ""),
        ] {
            assert!(RolesAnywhere::new(config(anchor, profile)).is_err());
        }
    }
}
