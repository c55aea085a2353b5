//! A machine becomes an instance: key, certificate, and where they lie.

use crate::http_client::{AskError, Asker};
use crate::identity::{InstanceIdentity, Trusted};
use crate::protocol::{EnrolAnswer, EnrolRequest};
use crate::tls::enrolling_config;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The key of an enrolment under way.
const NEXT_KEY: &str = "node.key.next";
const ENROL_TIMEOUT: Duration = Duration::from_secs(20);

/// A machine could not enrol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolmentError {
    /// The text is not `HPE1-SECRET-FINGERPRINT`.
    #[error("this is not an enrolment secret: HPE1-…-… is")]
    Secret,
    /// The server says no.
    #[error("{0}")]
    Refused(String),
    /// No server answered, or what answered is not of the fleet.
    #[error("no server of the fleet answers: {0}")]
    Unavailable(String),
    /// The state folder.
    #[error("{0}")]
    Files(String),
    /// No key could be made.
    #[error("no key could be made: {0}")]
    Key(String),
}

/// What an operator hands to a machine: a secret that is good once, and whom it may be told to.
#[derive(Debug, Clone)]
pub struct EnrolmentSecret {
    secret: Secret,
    fingerprint: String,
}

impl EnrolmentSecret {
    /// Reads `HPE1-SECRET-FINGERPRINT`, both 64 digits in hex.
    ///
    /// # Errors
    /// [`EnrolmentError::Secret`].
    pub fn parse(text: &str) -> Result<Self, EnrolmentError> {
        let mut parts = text.trim().split('-');
        let (Some("HPE1"), Some(secret), Some(fingerprint), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(EnrolmentError::Secret);
        };
        let is_hex = |text: &str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hex(secret) || !is_hex(fingerprint) {
            return Err(EnrolmentError::Secret);
        }
        Ok(Self {
            secret: Secret::new(secret.to_owned()),
            fingerprint: fingerprint.to_ascii_lowercase(),
        })
    }
}

/// What a machine keeps of itself, besides its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) instance: String,
    /// DER in base 64.
    pub(crate) certificate: String,
    /// DER in base 64.
    pub(crate) authorities: Vec<String>,
    pub(crate) not_after: UnixSeconds,
    pub(crate) servers: Vec<String>,
}

impl From<EnrolAnswer> for Node {
    fn from(answer: EnrolAnswer) -> Self {
        Self {
            instance: answer.instance,
            certificate: answer.certificate,
            authorities: answer.authorities,
            not_after: answer.not_after,
            servers: answer.servers,
        }
    }
}

/// The folder of a machine's identity: `node.key` (PKCS #8, PEM), `node.json`, and both as PEM for other programs
/// (`node.crt`, `ca.crt`).
#[derive(Debug, Clone)]
pub struct NodeFiles {
    folder: PathBuf,
}

impl NodeFiles {
    /// In that folder, which need not exist yet.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Where the machine's certificate is, PEM.
    #[must_use]
    pub fn certificate_file(&self) -> PathBuf {
        self.folder.join("node.crt")
    }

    /// Where its key is, PEM.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.folder.join("node.key")
    }

    /// Where the authorities of the servers' certificates are, PEM.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// The instance this machine is, if it has enrolled.
    #[must_use]
    pub fn instance(&self) -> Option<String> {
        self.node().ok().map(|node| node.instance)
    }

    fn failed(&self, path: &Path, error: &dyn std::fmt::Display) -> EnrolmentError {
        EnrolmentError::Files(format!("`{}`: {error}", path.display()))
    }

    pub(crate) fn node(&self) -> Result<Node, EnrolmentError> {
        let path = self.folder.join("node.json");
        let text = std::fs::read(&path).map_err(|error| self.failed(&path, &error))?;
        serde_json::from_slice(&text).map_err(|error| self.failed(&path, &error))
    }

    pub(crate) fn key(&self) -> Result<KeyPair, EnrolmentError> {
        let path = self.key_file();
        let text = std::fs::read_to_string(&path).map_err(|error| self.failed(&path, &error))?;
        KeyPair::from_pem(&text).map_err(|error| self.failed(&path, &error))
    }

    /// Writes a file only its owner may read, whole or not at all.
    fn write(&self, name: &str, content: &[u8]) -> Result<(), EnrolmentError> {
        let path = self.folder.join(name);
        let staged = self.folder.join(format!(".{name}.{}", std::process::id()));
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&staged)?;
            file.write_all(content)?;
            // Root enrols, the agent reads: what lies in its folder is its own.
            let (folder, own) = (std::fs::metadata(&self.folder)?, file.metadata()?);
            if (folder.uid(), folder.gid()) != (own.uid(), own.gid()) {
                fchown(&file, Some(folder.uid()), Some(folder.gid()))?;
            }
            file.sync_all()?;
            std::fs::rename(&staged, &path)
        };
        write().map_err(|error| self.failed(&path, &error))
    }

    pub(crate) fn save(&self, node: &Node) -> Result<(), EnrolmentError> {
        let authorities: String = node.authorities.iter().map(|one| pem(one)).collect();
        self.write("ca.crt", authorities.as_bytes())?;
        self.write("node.crt", pem(&node.certificate).as_bytes())?;
        let text = serde_json::to_vec_pretty(node).map_err(|error| self.failed(&self.folder, &error))?;
        self.write("node.json", &text)
    }

    fn make(&self) -> Result<KeyPair, EnrolmentError> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|error| self.failed(&self.folder, &error))?;
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
            .map_err(|error| EnrolmentError::Key(error.to_string()))?;
        // Beside the one in use: whoever is refused stays who it is.
        self.write(NEXT_KEY, key.serialize_pem().as_bytes())?;
        Ok(key)
    }

    /// The key made last is the machine's from now on.
    fn adopt(&self) -> Result<(), EnrolmentError> {
        let path = self.key_file();
        std::fs::rename(self.folder.join(NEXT_KEY), &path).map_err(|error| self.failed(&path, &error))
    }
}

/// A certificate (DER) as PEM.
#[must_use]
pub fn certificate_pem(der: &[u8]) -> String {
    pem(&STANDARD.encode(der))
}

/// A certificate in base 64 as PEM: the same, in lines of 64.
fn pem(der: &str) -> String {
    let lines: Vec<_> = der
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}

/// A signing request for `key`, DER in base 64.
pub(crate) fn signing_request(key: &KeyPair) -> Result<String, EnrolmentError> {
    let request = CertificateParams::default()
        .serialize_request(key)
        .map_err(|error| EnrolmentError::Key(error.to_string()))?;
    Ok(STANDARD.encode(request.der()))
}

/// Enrols this machine with the first server of `servers` that answers, and keeps what it is now in `files`. The key is
/// made here and never leaves.
///
/// # Errors
/// [`EnrolmentError`]; the secret is unused then, unless an answer was lost on its way.
pub async fn enrol(
    secret: &EnrolmentSecret,
    servers: &[String],
    files: &NodeFiles,
) -> Result<String, EnrolmentError> {
    let trusted = vec![secret.fingerprint.clone()];
    let question = |request| EnrolRequest {
        secret: secret.secret.clone(),
        request,
    };
    enrol_at(trusted, servers, files, "/v1/enrol", question).await
}

/// As [`enrol`], for a machine of EC2: what it shows of itself takes the place of a secret.
///
/// # Errors
/// [`EnrolmentError`].
pub async fn enrol_ec2(
    identity: &InstanceIdentity,
    trusted: &Trusted,
    servers: &[String],
    files: &NodeFiles,
) -> Result<String, EnrolmentError> {
    let question = |request| identity.question(request);
    enrol_at(trusted.fingerprints(), servers, files, "/v1/enrol-ec2", question).await
}

async fn enrol_at<Q: Serialize>(
    trusted: Vec<String>,
    servers: &[String],
    files: &NodeFiles,
    path: &str,
    question: impl FnOnce(String) -> Q,
) -> Result<String, EnrolmentError> {
    let asker =
        Asker::new(enrolling_config(trusted).map_err(|error| EnrolmentError::Key(error.to_string()))?);
    let key = files.make()?;
    let question = question(signing_request(&key)?);
    let mut last = EnrolmentError::Unavailable("none was named".to_owned());
    for server in servers {
        match asker
            .ask::<EnrolAnswer>(server, path, &question, ENROL_TIMEOUT)
            .await
        {
            Ok(mut answer) => {
                if answer.servers.is_empty() {
                    answer.servers = servers.to_vec();
                }
                let instance = answer.instance.clone();
                files.adopt()?;
                files.save(&answer.into())?;
                return Ok(instance);
            }
            Err(AskError::Refused(why)) => return Err(EnrolmentError::Refused(why)),
            Err(AskError::Unavailable(why)) => last = EnrolmentError::Unavailable(why),
        }
    }
    Err(last)
}
