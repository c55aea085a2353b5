//! An organization: its accounts, units and service control policies.

use hallpass_types::{AccountId, UnixSeconds};
use serde::{Deserialize, Serialize};

/// There is one at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Organization {
    /// `o-…`
    pub(crate) id: String,
    /// `r-…`, the top of the tree.
    pub(crate) root: String,
    /// Not limited by service control policies.
    pub(crate) management: AccountId,
    pub(crate) created: UnixSeconds,
}

/// An organizational unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unit {
    /// `ou-…`
    pub(crate) id: String,
    pub(crate) name: String,
    /// The root or another unit.
    pub(crate) parent: String,
}

/// A service control policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ControlPolicy {
    /// `p-…`
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) content: String,
    /// Root, units and accounts it is attached to.
    pub(crate) targets: Vec<String>,
}

/// An account's place in the organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Membership {
    pub(crate) account: AccountId,
    pub(crate) name: String,
    pub(crate) email: String,
    /// The root or a unit.
    pub(crate) parent: String,
    pub(crate) joined: UnixSeconds,
    /// `car-…`, by which its creation was asked for; empty for the management account.
    #[serde(default)]
    pub(crate) request: String,
}
