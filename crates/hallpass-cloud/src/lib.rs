//! An agent's sessions from AWS as it is, without an authority of ours.
//!
//! [`CloudSource`] is an agent's [`CredentialSource`](hallpass_agent::CredentialSource): its machine is what EC2's
//! metadata service or the configuration says, its roles are those of the configuration, and each session is one that
//! STS gives, shaped as the rule wants it: name, source identity, tags, policy, duration.

mod config;
mod machine;
mod source;

pub use config::{CloudConfig, CloudConfigError, MachineConfig, RoleConfig, SourceConfig};
pub use source::CloudSource;
