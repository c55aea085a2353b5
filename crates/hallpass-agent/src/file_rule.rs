use hallpass_caller::UserDatabase;
use hallpass_rolefs::{Access, AclEntry, AclSubject};

/// Who may read the files of one role: a `[[file]]` of the rules.
///
/// ```toml
/// [[file]]
/// role = "web"
/// owner = "www-data"              # a name or a number; root if absent
/// group = "adm"                   # likewise
/// mode = "0440"                   # only reading can be given; 0400 if absent
/// acl = ["user:bob:r", "group:ops:r"]
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileRule {
    pub(crate) role: String,
    pub(crate) owner: Id,
    pub(crate) group: Id,
    pub(crate) mode: u32,
    pub(crate) world_readable: bool,
    pub(crate) acl: Vec<FileAcl>,
}

/// A user or group as the rules write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Id {
    Number(u32),
    Name(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileAcl {
    pub(crate) is_group: bool,
    pub(crate) id: Id,
    pub(crate) read: bool,
}

impl FileRule {
    /// The rule in numbers.
    ///
    /// # Errors
    /// The name that this machine does not know: who may read cannot be said then, so nobody may.
    pub(crate) fn access(&self, users: &UserDatabase) -> Result<Access, String> {
        let user = |id: &Id| match id {
            Id::Number(number) => Ok(*number),
            Id::Name(name) => users
                .user_id(name)
                .ok_or_else(|| format!("there is no user {name}")),
        };
        let group = |id: &Id| match id {
            Id::Number(number) => Ok(*number),
            Id::Name(name) => users
                .group_id(name)
                .ok_or_else(|| format!("there is no group {name}")),
        };
        let mut entries = Vec::new();
        for entry in &self.acl {
            let subject = if entry.is_group {
                AclSubject::Group(group(&entry.id)?)
            } else {
                AclSubject::User(user(&entry.id)?)
            };
            entries.push(AclEntry {
                subject,
                read: entry.read,
            });
        }
        let access = Access::new(
            user(&self.owner)?,
            group(&self.group)?,
            self.mode,
            self.world_readable,
        );
        Ok(access.map_err(|error| error.to_string())?.with_acl(entries))
    }
}
