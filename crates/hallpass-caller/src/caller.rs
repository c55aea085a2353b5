use std::path::PathBuf;

/// The facts about one caller that rules are decided on and that audit keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The user id every holder of the connection agrees on.
    pub uid: u32,
    /// The name the user database has for `uid`.
    pub user: Option<String>,
    /// Group ids, primary first: those that *every* holder has.
    pub gids: Vec<u32>,
    /// The names the group database has for `gids`.
    pub groups: Vec<String>,
    /// The inode of the caller's socket; 0 for a unix peer, which is known by its process.
    pub inode: u64,
    /// The control group the socket was made in.
    pub cgroup_id: Option<u64>,
    /// The one process that holds the connection, when there is exactly one.
    pub pid: Option<u32>,
    /// What that process runs. Weak evidence: for people to read, not to decide on alone.
    pub exe: Option<PathBuf>,
}
