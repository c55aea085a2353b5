//! Options that several questions share.

use clap::ValueEnum;
use hallpass_policy::PolicyKind;

/// Where a policy is attached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyType {
    /// To a user, group or role
    #[default]
    Identity,
    /// To a resource
    Resource,
    /// To a role, saying who may assume it
    Trust,
    /// Passed with a request for credentials
    Session,
    /// As a permissions boundary
    Boundary,
    /// To an organization, limiting its principals
    ServiceControl,
    /// To an organization, limiting its resources
    ResourceControl,
}

impl From<PolicyType> for PolicyKind {
    fn from(kind: PolicyType) -> Self {
        match kind {
            PolicyType::Identity => Self::Identity,
            PolicyType::Resource => Self::Resource,
            PolicyType::Trust => Self::Trust,
            PolicyType::Session => Self::Session,
            PolicyType::Boundary => Self::Boundary,
            PolicyType::ServiceControl => Self::ServiceControl,
            PolicyType::ResourceControl => Self::ResourceControl,
        }
    }
}

/// How a command prints its answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}
