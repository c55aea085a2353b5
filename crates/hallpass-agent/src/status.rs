use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the agent is doing, for health pages and `hallpass agent status`. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentStatus {
    /// The machine it serves for, once the source has been asked.
    pub instance_id: Option<String>,
    /// The roles of the profile.
    pub roles: Vec<String>,
    /// The leases held.
    pub leases: Vec<LeaseStatus>,
    /// How many rules are in force.
    pub rules: usize,
    /// Why the newest rules file is not in force.
    pub rules_error: Option<String>,
    /// Where the roles are files, if they are.
    #[serde(default)]
    pub files: Option<FilesStatus>,
    /// Whether callers are proven by the kernel's record of who connected; else by walks over all processes.
    #[serde(default)]
    pub connect_record: bool,
    /// Why the source was last not able to answer; absent once it answers again.
    pub last_error: Option<String>,
}

/// Where the roles are files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesStatus {
    /// The mount point.
    pub path: PathBuf,
    /// `fuse`, or `tmpfs` where there is none.
    pub file_system: String,
    /// Why they are not all there.
    pub problem: Option<String>,
}

/// One lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// The role.
    pub role: String,
    /// The key; not secret.
    pub access_key_id: String,
    /// When it was fetched.
    pub issued_at: UnixSeconds,
    /// When it ends.
    pub expires_at: UnixSeconds,
    /// Uids it was handed to, each with the first time.
    pub issued_to: Vec<(u32, UnixSeconds)>,
    /// Why its last renewal failed.
    pub last_error: Option<String>,
}
