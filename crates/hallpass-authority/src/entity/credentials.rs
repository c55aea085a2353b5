//! What users prove themselves with besides access keys, and what is kept for services.

use hallpass_session::Tag;
use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};

/// Of one user; goes with it when it is renamed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct UserCredentials {
    #[serde(default)]
    pub(crate) login: Option<LoginProfile>,
    #[serde(default)]
    pub(crate) signing_certificates: Vec<SigningCertificate>,
    #[serde(default)]
    pub(crate) ssh_keys: Vec<SshPublicKey>,
    #[serde(default)]
    pub(crate) services: Vec<ServiceCredential>,
}

impl UserCredentials {
    pub(crate) fn is_empty(&self) -> bool {
        self.login.is_none()
            && self.signing_certificates.is_empty()
            && self.ssh_keys.is_empty()
            && self.services.is_empty()
    }
}

/// A password, as nothing but salted hashes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LoginProfile {
    pub(crate) created: UnixSeconds,
    pub(crate) changed: UnixSeconds,
    pub(crate) hash: String,
    /// Hashes of earlier passwords, the newest first; as many as a password policy may ask for.
    #[serde(default)]
    pub(crate) earlier: Vec<String>,
    pub(crate) reset_required: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SigningCertificate {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) is_active: bool,
    pub(crate) uploaded: UnixSeconds,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SshPublicKey {
    pub(crate) id: String,
    /// `ssh-rsa BASE64`, whichever form it came in.
    pub(crate) body: String,
    pub(crate) fingerprint: String,
    pub(crate) is_active: bool,
    pub(crate) uploaded: UnixSeconds,
}

/// A user name and password, or a bearer token, for one service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServiceCredential {
    pub(crate) id: String,
    /// `codecommit.amazonaws.com`
    pub(crate) service: String,
    pub(crate) user_name: String,
    /// SHA-256 in hexadecimal: the secret is told once, when it is made.
    pub(crate) hash: String,
    pub(crate) is_active: bool,
    pub(crate) created: UnixSeconds,
    #[serde(default)]
    pub(crate) expires: Option<UnixSeconds>,
}

/// A virtual MFA device: a seed, and the user who has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct MfaDevice {
    /// With its path, as in its ARN: `/path/name`.
    pub(crate) name: String,
    pub(crate) created: UnixSeconds,
    /// In base 32, sealed.
    pub(crate) sealed_seed: String,
    /// The id of the user who has it, or `root`.
    #[serde(default)]
    pub(crate) owner: Option<String>,
    #[serde(default)]
    pub(crate) enabled: Option<UnixSeconds>,
    /// The step of the last code taken: no code is taken twice, nor one before it.
    #[serde(default)]
    pub(crate) last_step: i64,
    /// Steps that the device's clock is ahead of ours, as it was when it was last in step.
    #[serde(default)]
    pub(crate) drift_steps: i64,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServerCertificate {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) id: String,
    pub(crate) body: String,
    #[serde(default)]
    pub(crate) chain: Option<String>,
    /// Sealed under the root key; nothing tells it.
    pub(crate) sealed_private_key: String,
    pub(crate) uploaded: UnixSeconds,
    pub(crate) expires: UnixSeconds,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
}
