use std::fs;

/// The local user database: `/etc/passwd` and `/etc/group`, read once.
///
/// Only these two files are read. Users that exist solely in a directory service (LDAP, SSSD, systemd-homed) have no
/// name here; rules name them by number.
#[derive(Debug, Clone, Default)]
pub struct UserDatabase {
    users: Vec<(String, u32, u32)>,
    groups: Vec<(String, u32, Vec<String>)>,
}

impl UserDatabase {
    /// Reads this machine's files. A missing file is an empty one.
    #[must_use]
    pub fn system() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read("/etc/passwd"), &read("/etc/group"))
    }

    /// Reads the two texts. A line that is not in the form of passwd(5) or group(5) is skipped, as the C library does.
    #[must_use]
    pub fn parse(passwd: &str, group: &str) -> Self {
        let users = passwd.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| plain_name(name))?;
            let uid = number(fields.nth(1)?)?;
            let gid = number(fields.next()?)?;
            Some((name.to_owned(), uid, gid))
        });
        let groups = group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| plain_name(name))?;
            let gid = number(fields.nth(1)?)?;
            let members = fields.next().unwrap_or_default();
            let members = members.split(',').filter(|member| !member.is_empty());
            Some((name.to_owned(), gid, members.map(str::to_owned).collect()))
        });
        Self {
            users: users.collect(),
            groups: groups.collect(),
        }
    }

    /// The uid of the user called `name`.
    #[must_use]
    pub fn user_id(&self, name: &str) -> Option<u32> {
        self.users.iter().find(|user| user.0 == name).map(|user| user.1)
    }

    /// The gid of the group called `name`.
    #[must_use]
    pub fn group_id(&self, name: &str) -> Option<u32> {
        self.groups
            .iter()
            .find(|group| group.0 == name)
            .map(|group| group.1)
    }

    /// The first name of `uid`. A uid of a subordinate range has none, whatever it is called inside its container.
    #[must_use]
    pub fn user_name(&self, uid: u32) -> Option<&str> {
        self.users
            .iter()
            .find(|user| user.1 == uid)
            .map(|user| user.0.as_str())
    }

    /// The first name of `gid`.
    #[must_use]
    pub fn group_name(&self, gid: u32) -> Option<&str> {
        self.groups
            .iter()
            .find(|group| group.1 == gid)
            .map(|group| group.0.as_str())
    }

    /// The groups a fresh login of `uid` would have, primary first. What a *running* process has is the kernel's to
    /// say: this is for explanations about processes that do not exist yet.
    #[must_use]
    pub fn login_groups(&self, uid: u32) -> Vec<u32> {
        let Some((name, _, primary)) = self.users.iter().find(|user| user.1 == uid) else {
            return Vec::new();
        };
        let member = |group: &&(String, u32, Vec<String>)| group.2.contains(name) && group.1 != *primary;
        let others = self.groups.iter().filter(member).map(|group| group.1);
        std::iter::once(*primary).chain(others).collect()
    }
}

/// `+`/`-` lines are NIS directives, not users.
fn plain_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with(['+', '-', '#'])
}

fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// The uid of the user called `name` on this machine.
#[must_use]
pub fn user_id(name: &str) -> Option<u32> {
    UserDatabase::system().user_id(name)
}

/// The gid of the group called `name` on this machine.
#[must_use]
pub fn group_id(name: &str) -> Option<u32> {
    UserDatabase::system().group_id(name)
}

/// The name of `uid` on this machine.
#[must_use]
pub fn user_name(uid: u32) -> Option<String> {
    UserDatabase::system().user_name(uid).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_found_and_broken_lines_are_skipped() {
        let users = UserDatabase::parse(
            "root:x:0:0::/root:/bin/sh\n+nis::1:1::\nweb:x:33:33::/:/bin/false\nbad:x:minus:1\n\nshort",
            "root:x:0:\nadm:x:4:web,root\nweb:x:33:web\n",
        );
        assert_eq!(users.user_id("web"), Some(33));
        assert_eq!(users.user_id("bad"), None);
        assert_eq!(users.user_name(1), None);
        assert_eq!(users.group_id("adm"), Some(4));
        assert_eq!(users.login_groups(33), [33, 4]);
        assert_eq!(users.login_groups(100_000), [0_u32; 0]);
    }
}
