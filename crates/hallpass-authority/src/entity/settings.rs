//! What is kept of an account as a whole.

use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct AccountSettings {
    #[serde(default)]
    pub(crate) alias: Option<String>,
    #[serde(default)]
    pub(crate) password_policy: Option<PasswordPolicy>,
    /// `v1Token` or `v2Token`, as `SetSecurityTokenServicePreferences` set it; only told back.
    #[serde(default)]
    pub(crate) global_token_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outbound: Option<OutboundFederation>,
}

/// Tokens of the account's principals for services elsewhere.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OutboundFederation {
    /// What the account's issuer is called, for ever.
    pub(crate) id: String,
    pub(crate) is_enabled: bool,
}

/// Defaults are those of the API (IAM API Reference, UpdateAccountPasswordPolicy).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PasswordPolicy {
    pub(crate) minimum_length: usize,
    pub(crate) symbols: bool,
    pub(crate) numbers: bool,
    pub(crate) uppercase: bool,
    pub(crate) lowercase: bool,
    pub(crate) users_may_change: bool,
    pub(crate) max_age_days: Option<i64>,
    pub(crate) reuse_prevention: Option<usize>,
    pub(crate) hard_expiry: bool,
}

/// When and where one service was last used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Use {
    pub(crate) at: UnixSeconds,
    pub(crate) region: String,
}

/// The last uses of one access key or principal, by service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastUse {
    pub(crate) services: BTreeMap<String, Use>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CredentialReport {
    pub(crate) generated: UnixSeconds,
    pub(crate) csv: String,
}

/// A question whose answer is asked for later, by id.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) created: UnixSeconds,
    /// The entity or policy asked about, or the role that was deleted.
    pub(crate) arn: String,
    /// `SERVICE_LEVEL` or `ACTION_LEVEL`; nothing for a deletion.
    #[serde(default)]
    pub(crate) granularity: Option<String>,
}
