//! What is kept of an account as a whole.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct AccountSettings {
    #[serde(default)]
    pub(crate) alias: Option<String>,
    #[serde(default)]
    pub(crate) password_policy: Option<PasswordPolicy>,
    /// `v1Token` or `v2Token`, as `SetSecurityTokenServicePreferences` set it; only told back.
    #[serde(default)]
    pub(crate) global_token_version: Option<String>,
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
