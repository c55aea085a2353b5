//! What agents and servers say to each other: JSON over HTTP on the control listener.
//!
//! | request | who | what |
//! |---|---|---|
//! | `POST /v1/enrol` | anyone with a secret | [`EnrolRequest`] → [`EnrolAnswer`] |
//! | `POST /v1/enrol-ec2` | a machine of EC2 | [`Ec2EnrolRequest`] → [`EnrolAnswer`] |
//! | `POST /v1/renew` | an agent | [`RenewRequest`] → [`EnrolAnswer`] |
//! | `POST /v1/machine` | an agent | [`MachineRequest`] → [`MachineAnswer`], at once if the view changed, else after up to half a minute |
//! | `POST /v1/session` | an agent | [`SessionMessage`] → [`IssuedMessage`] |
//! | `POST /v1/applied` | a server | [`AppliedRequest`] → [`AppliedAnswer`] |
//!
//! Errors are [`ErrorAnswer`] with 4xx when asking again is useless, 5xx when it is not.

use hallpass_agent::{Issued, Machine, SessionRequest};
use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};

/// A machine asks to become an instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolRequest {
    /// The secret, without the authority's fingerprint.
    pub secret: Secret,
    /// A certificate signing request (PKCS #10, DER in base 64); only its key counts.
    pub request: String,
}

/// A machine of EC2 asks to become an instance, by what EC2's metadata service says of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ec2EnrolRequest {
    /// `instance-identity/rsa2048`: a PKCS #7 message in base 64, with or without line ends.
    pub message: String,
    /// `instance-identity/document`, as it is there, for a message without content.
    #[serde(default)]
    pub document: Option<String>,
    /// As in [`EnrolRequest`].
    pub request: String,
}

/// A machine asks for its next certificate.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RenewRequest {
    /// As in [`EnrolRequest`], with the key it has.
    pub request: String,
}

/// A certificate and what belongs to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EnrolAnswer {
    /// The instance the machine is.
    pub instance: String,
    /// Its certificate, DER in base 64.
    pub certificate: String,
    /// What servers' certificates are of, DER in base 64.
    pub authorities: Vec<String>,
    /// When the certificate ends.
    pub not_after: UnixSeconds,
    /// Where the fleet's servers are.
    pub servers: Vec<String>,
}

/// An agent asks for its view of itself.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct MachineRequest {
    /// The digest of the view it has; empty: none.
    #[serde(default)]
    pub known: String,
    /// The machine's address as it sees it itself.
    #[serde(default)]
    pub private_ip: String,
}

/// The machine as the authority sees it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MachineAnswer {
    /// Tells this view from others.
    pub digest: String,
    /// The view; `None`: it is the one that is known.
    pub machine: Option<Machine>,
    /// Where the fleet's servers are.
    pub servers: Vec<String>,
}

/// An agent asks for a session.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SessionMessage {
    /// The role's name.
    pub role: String,
    /// As in [`SessionRequest`].
    #[serde(default)]
    pub session_name: Option<String>,
    /// As in [`SessionRequest`].
    #[serde(default)]
    pub source_identity: Option<String>,
    /// As in [`SessionRequest`].
    #[serde(default)]
    pub tags: Vec<(String, String)>,
    /// As in [`SessionRequest`].
    #[serde(default)]
    pub policy: Option<String>,
    /// As in [`SessionRequest`].
    #[serde(default)]
    pub duration_seconds: Option<u32>,
}

impl From<&SessionRequest> for SessionMessage {
    fn from(request: &SessionRequest) -> Self {
        Self {
            role: request.role.clone(),
            session_name: request.session_name.clone(),
            source_identity: request.source_identity.clone(),
            tags: request.tags.clone(),
            policy: request.policy.clone(),
            duration_seconds: request.duration_seconds,
        }
    }
}

/// A session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IssuedMessage {
    /// As in [`Issued`], and so are the others.
    pub access_key_id: String,
    #[expect(missing_docs, reason = "see the first field")]
    pub secret: Secret,
    #[expect(missing_docs, reason = "see the first field")]
    pub token: Secret,
    #[expect(missing_docs, reason = "see the first field")]
    pub issued_at: UnixSeconds,
    #[expect(missing_docs, reason = "see the first field")]
    pub expires_at: UnixSeconds,
    #[expect(missing_docs, reason = "see the first field")]
    pub account: String,
    #[expect(missing_docs, reason = "see the first field")]
    pub role_arn: String,
}

impl From<IssuedMessage> for Issued {
    fn from(message: IssuedMessage) -> Self {
        Self {
            access_key_id: message.access_key_id,
            secret: message.secret,
            token: message.token,
            issued_at: message.issued_at,
            expires_at: message.expires_at,
            account: message.account,
            role_arn: message.role_arn,
        }
    }
}

/// A server asks another how far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppliedRequest {
    /// The revision it should show.
    pub revision: u64,
}

/// How far a server is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppliedAnswer {
    /// The revision it shows.
    pub applied: u64,
}

/// Why not.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ErrorAnswer {
    /// For the operator.
    pub error: String,
}
