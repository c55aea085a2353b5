//! What IAM Roles Anywhere keeps: trust anchors, profiles, revocation lists.

use hallpass_session::Tag;
use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};

/// What all three have.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    /// A UUID.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) is_enabled: bool,
    pub(crate) created: UnixSeconds,
    pub(crate) updated: UnixSeconds,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
}

/// Certificate authorities whose certificates are believed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TrustAnchor {
    pub(crate) head: Head,
    /// PEM, as it was given.
    pub(crate) certificates: String,
}

/// Roles that certificates may be exchanged for, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AnywhereProfile {
    pub(crate) head: Head,
    /// ARNs.
    pub(crate) roles: Vec<String>,
    pub(crate) session_policy: Option<String>,
    pub(crate) managed_policies: Vec<String>,
    pub(crate) duration_seconds: i64,
    pub(crate) requires_instance_properties: bool,
    pub(crate) accepts_session_name: bool,
    /// The ARN of whoever made it.
    pub(crate) created_by: String,
}

/// A certificate revocation list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Crl {
    pub(crate) head: Head,
    /// The ARN of the trust anchor it is for.
    pub(crate) trust_anchor: String,
    /// Base 64 of what was imported, PEM or DER.
    pub(crate) data: String,
}
