use crate::{Access, FileKind, RoleCredentials};
use std::sync::Arc;

/// What the mount asks. Implemented by whoever knows rules and leases.
pub trait RoleFiles: Send + Sync + 'static {
    /// The roles there are now, each with who may read it. Comes from memory: it must not wait for anything.
    fn directories(&self) -> Arc<Vec<RoleDirectory>>;

    /// Someone who, by [`RoleFiles::directories`], may read opens a file. The answer may come later, from any thread,
    /// once the open is on record: of the calls that run at the same time at most one may wait, for a disk for instance.
    /// An [`OpenReply`] that is dropped fails the open.
    fn open(&self, request: OpenRequest, reply: OpenReply);

    /// Someone who may not read named the role, or read from a descriptor that another user opened. They are refused
    /// already; this is for the record. Must return at once.
    fn refused(&self, request: OpenRequest, reason: &'static str);
}

/// A role as a directory.
#[derive(Debug, Clone)]
pub struct RoleDirectory {
    role: String,
    access: Access,
    credentials: Option<Arc<RoleCredentials>>,
    sizes: [u64; FileKind::ALL.len()],
}

impl RoleDirectory {
    /// `credentials` are those that an open would give now, if there are any: files show their size and time.
    #[must_use]
    pub fn new(role: &str, access: Access, credentials: Option<Arc<RoleCredentials>>) -> Self {
        let size = |kind| {
            let text = credentials.as_ref().and_then(|known| known.render(kind).ok());
            text.map_or(0, |text| text.len() as u64)
        };
        Self {
            role: role.to_owned(),
            sizes: FileKind::ALL.map(size),
            access,
            credentials,
        }
    }

    /// The role's name, and the directory's.
    #[must_use]
    pub fn role(&self) -> &str {
        &self.role
    }

    /// Who may read.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// What an open would give now.
    #[must_use]
    pub fn credentials(&self) -> Option<&Arc<RoleCredentials>> {
        self.credentials.as_ref()
    }

    pub(crate) fn size(&self, kind: FileKind) -> u64 {
        self.sizes[kind as usize]
    }
}

/// A process that asks, as the kernel reports it with the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// Its file system uid.
    pub uid: u32,
    /// Its file system gid, then the supplementary groups where they had to be known.
    pub gids: Vec<u32>,
    /// The thread, by its number in this process's pid namespace; 0 if it has none there.
    pub pid: u32,
}

/// Who opens what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRequest {
    /// The role.
    pub role: String,
    /// The file; absent if only the directory was named.
    pub kind: Option<FileKind>,
    /// Who.
    pub reader: Reader,
}

/// Why an open fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// `EACCES`: they may not.
    Refused,
    /// `EAGAIN`: the credentials are still being fetched. Asking again helps.
    NotReady,
    /// `ENODATA`: there are none, and it is not known when there will be. Not `EAGAIN`, so that nobody spins.
    NoCredentials,
    /// `EIO`: the open could not be recorded.
    NotRecorded,
}

/// The answer to an open, to be given once.
pub struct OpenReply(Box<dyn FnOnce(Result<Arc<RoleCredentials>, OpenError>) + Send>);

impl OpenReply {
    /// An answer that goes to `answer`.
    #[must_use]
    pub fn new(answer: impl FnOnce(Result<Arc<RoleCredentials>, OpenError>) + Send + 'static) -> Self {
        Self(Box::new(answer))
    }

    /// Opens the file, whose content stays what it is now for as long as it is open, or fails the open.
    pub fn give(self, decision: Result<Arc<RoleCredentials>, OpenError>) {
        (self.0)(decision);
    }
}

impl std::fmt::Debug for OpenReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OpenReply")
    }
}
