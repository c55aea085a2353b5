//! Who may read a role's files, as UNIX says it.

mod acl;

/// Who may read: owner, group, mode and access control list.
///
/// Only reading is ever given. A directory is open (`r-x`) to exactly those who may read the files in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    owner: u32,
    group: u32,
    mode: u32,
    /// Sorted, one entry for each subject: the kernel refuses any other order.
    acl: Vec<AclEntry>,
}

/// One entry of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AclEntry {
    /// Whom it is about.
    pub subject: AclSubject,
    /// Whether it lets them read. An entry that does not takes a user the rights of its groups.
    pub read: bool,
}

/// Whom an entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AclSubject {
    /// A user, by number.
    User(u32),
    /// A group, by number.
    Group(u32),
}

/// The mode is not one of these files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// Other bits than the three for reading.
    #[error("only reading can be given: 0400, 0440, 0040 and, with world_readable, 0444")]
    NotReading,
    /// Everyone could read it.
    #[error("everyone on the machine could read it: say world_readable = true as well, if that is meant")]
    WorldReadable,
}

const READ: u32 = 0o4;

impl Access {
    /// Access by `mode` alone, of which only `0444` may be set.
    ///
    /// # Errors
    /// [`ModeError`]: writing and executing are never given, reading to everyone only if `world_readable`.
    pub fn new(owner: u32, group: u32, mode: u32, world_readable: bool) -> Result<Self, ModeError> {
        if mode & !0o444 != 0 {
            return Err(ModeError::NotReading);
        }
        if mode & READ != 0 && !world_readable {
            return Err(ModeError::WorldReadable);
        }
        Ok(Self {
            owner,
            group,
            mode,
            acl: Vec::new(),
        })
    }

    /// The same with an access control list. Of two entries about the same subject the first counts.
    #[must_use]
    pub fn with_acl(mut self, mut entries: Vec<AclEntry>) -> Self {
        entries.sort_by_key(|entry| entry.subject);
        entries.dedup_by_key(|entry| entry.subject);
        self.acl = entries;
        self
    }

    /// The uid that owns the files.
    #[must_use]
    pub fn owner(&self) -> u32 {
        self.owner
    }

    /// The gid of the files.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.group
    }

    /// Whether a process of `uid` with those groups may read: root always, then as acl(5) has it. The first of owner,
    /// named user, groups that applies decides, whether it allows or not.
    #[must_use]
    pub fn allows(&self, uid: u32, gids: &[u32]) -> bool {
        if uid == 0 {
            return true;
        }
        if uid == self.owner {
            return self.mode >> 6 & READ != 0;
        }
        if let Some(entry) = self
            .acl
            .iter()
            .find(|entry| entry.subject == AclSubject::User(uid))
        {
            return entry.read;
        }
        let in_group = gids.contains(&self.group);
        let named = self.acl.iter().filter(|entry| match entry.subject {
            AclSubject::Group(gid) => gids.contains(&gid),
            AclSubject::User(_) => false,
        });
        let mut named = named.peekable();
        if in_group || named.peek().is_some() {
            return (in_group && self.mode >> 3 & READ != 0) || named.any(|entry| entry.read);
        }
        self.mode & READ != 0
    }

    /// The mode that `stat` shows. With a list, the group's bits are its mask, as everywhere in UNIX.
    #[must_use]
    pub fn file_mode(&self) -> u32 {
        let mask = if self.acl.iter().any(|entry| entry.read) {
            0o040
        } else {
            0
        };
        self.mode | mask
    }

    /// The mode of the directory: `r-x` for whoever may read.
    #[must_use]
    pub fn directory_mode(&self) -> u32 {
        let read = self.file_mode();
        read | read >> 2
    }

    /// The list of a file (or of its directory) as `system.posix_acl_access` holds it; absent without entries.
    #[must_use]
    pub fn acl_attribute(&self, directory: bool) -> Option<Vec<u8>> {
        (!self.acl.is_empty()).then(|| acl::encode(self.mode, &self.acl, directory))
    }
}

#[cfg(test)]
mod tests;
