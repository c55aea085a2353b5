//! The files as plain ones on a tmpfs, for machines without FUSE.
//!
//! Everything belongs to root but the files, so that no user can put anything in the way of the next write. A file
//! comes into being by rename, complete and with its final owner, mode and list: before that nobody but root can open
//! it. Nothing is synced to a disk, because there is none.

use crate::{Access, FileKind, RoleDirectory};
use rustix::fs::{
    AtFlags, FlockOperation, Gid, Mode, OFlags, Uid, XattrFlags, fchmod, fchown, flock, fsetxattr, mkdirat,
    open, openat, renameat, unlinkat,
};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

/// The root of a tmpfs, locked for as long as this process serves there.
#[derive(Debug)]
pub(crate) struct Tmpfs {
    root: OwnedFd,
    written: BTreeMap<String, Written>,
}

/// What a role's files are like now.
#[derive(Debug, PartialEq, Eq)]
struct Written {
    access: Access,
    access_key_id: String,
}

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Whether a process serves on the tmpfs at `path`.
pub(crate) fn is_held(path: &Path) -> bool {
    match open(path, DIRECTORY, Mode::empty()) {
        Ok(root) => flock(&root, FlockOperation::NonBlockingLockExclusive).is_err(),
        Err(_) => false,
    }
}

impl Tmpfs {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let root = open(path, DIRECTORY, Mode::empty())?;
        flock(&root, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self {
            root,
            written: BTreeMap::new(),
        })
    }

    /// Makes the files what `directories` say. Returns the roles whose files were written.
    pub(crate) fn sync(&mut self, directories: &[RoleDirectory]) -> io::Result<Vec<String>> {
        let mut failed: io::Result<()> = Ok(());
        // What must go goes first, whatever happens afterwards.
        let kept = |role: &String| {
            directories
                .iter()
                .any(|directory| directory.role() == role && directory.credentials().is_some())
        };
        let gone: Vec<String> = self.written.keys().filter(|role| !kept(role)).cloned().collect();
        for role in gone {
            failed = failed.and(self.remove(&role));
        }
        let mut written = Vec::new();
        for directory in directories {
            let Some(credentials) = directory.credentials() else {
                continue;
            };
            let now = Written {
                access: directory.access().clone(),
                access_key_id: credentials.access_key_id.clone(),
            };
            if self.written.get(directory.role()) == Some(&now) {
                continue;
            }
            match self.write(directory) {
                Ok(()) => {
                    self.written.insert(directory.role().to_owned(), now);
                    written.push(directory.role().to_owned());
                }
                // Better none than those of before, which others may have been allowed to read.
                Err(error) => {
                    let removed = self.remove(directory.role());
                    failed = failed.and(Err::<(), _>(error)).and(removed);
                }
            }
        }
        failed.map(|()| written)
    }

    fn write(&self, directory: &RoleDirectory) -> io::Result<()> {
        let Some(credentials) = directory.credentials() else {
            return Ok(());
        };
        match mkdirat(&self.root, directory.role(), Mode::from_raw_mode(0o711)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let folder = openat(&self.root, directory.role(), DIRECTORY, Mode::empty())?;
        // Whatever mask this process was started with.
        fchmod(&folder, Mode::from_raw_mode(0o711))?;
        for kind in FileKind::ALL {
            let content = credentials.render(kind).map_err(io::Error::other)?;
            let staged = format!(".{}.new", kind.name());
            match unlinkat(&folder, &staged, AtFlags::empty()) {
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::WRONLY | OFlags::CLOEXEC;
            let mut file = File::from(openat(&folder, &staged, flags, Mode::from_raw_mode(0o600))?);
            file.write_all(&content)?;
            let access = directory.access();
            // The list before the owner: until then the file is root's alone, and setting it sets the mode's bits too.
            fchmod(&file, Mode::from_raw_mode(access.file_mode() & 0o400))?;
            fchown(
                &file,
                Some(Uid::from_raw(access.owner())),
                Some(Gid::from_raw(access.group())),
            )?;
            match access.acl_attribute(false) {
                Some(list) => fsetxattr(&file, "system.posix_acl_access", &list, XattrFlags::empty())?,
                None => fchmod(&file, Mode::from_raw_mode(access.file_mode()))?,
            }
            renameat(&folder, &staged, &folder, kind.name())?;
        }
        Ok(())
    }

    fn remove(&mut self, role: &str) -> io::Result<()> {
        self.written.remove(role);
        let folder = match openat(&self.root, role, DIRECTORY, Mode::empty()) {
            Ok(folder) => folder,
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for kind in FileKind::ALL {
            for name in [kind.name().to_owned(), format!(".{}.new", kind.name())] {
                match unlinkat(&folder, &name, AtFlags::empty()) {
                    Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(unlinkat(&self.root, role, AtFlags::REMOVEDIR)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RoleCredentials;
    use hallpass_secret::Secret;
    use hallpass_types::UnixSeconds;
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::sync::Arc;

    fn role(name: &str, key: &str, mode: u32) -> RoleDirectory {
        let own = fs::metadata("/proc/self").unwrap();
        let credentials = RoleCredentials {
            access_key_id: key.to_owned(),
            secret: Secret::new("s"),
            token: Secret::new("t"),
            issued_at: UnixSeconds(0),
            expires_at: UnixSeconds(1),
            account: "1".to_owned(),
        };
        let access = Access::new(own.uid(), own.gid(), mode, false).unwrap();
        RoleDirectory::new(name, access, Some(Arc::new(credentials)))
    }

    #[test]
    fn files_follow_what_is_to_be_shown() {
        let folder = tempfile::tempdir().unwrap();
        let mut tmpfs = Tmpfs::open(folder.path()).unwrap();
        let first = [role("web", "A1", 0o400), role("old", "A2", 0o400)];
        assert_eq!(tmpfs.sync(&first).unwrap(), ["web", "old"]);
        assert_eq!(tmpfs.sync(&first).unwrap(), [""; 0]);
        let env = folder.path().join("web/env");
        let was = fs::metadata(&env).unwrap();
        assert_eq!(was.mode() & 0o7777, 0o400);
        // Another key or another mode: the file is replaced, never changed.
        for (next, mode) in [
            (role("web", "A3", 0o400), 0o400),
            (role("web", "A3", 0o440), 0o440),
        ] {
            assert_eq!(tmpfs.sync(&[next]).unwrap(), ["web"]);
            let now = fs::metadata(&env).unwrap();
            assert_eq!(now.mode() & 0o7777, mode);
            assert_ne!(now.ino(), was.ino());
            assert!(fs::read_to_string(&env).unwrap().contains("A3"));
        }
        assert!(!folder.path().join("old").exists());
        let names: Vec<_> = fs::read_dir(folder.path().join("web")).unwrap().collect();
        assert_eq!(names.len(), FileKind::ALL.len(), "nothing staged is left");
    }

    #[test]
    fn a_role_without_credentials_has_no_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut tmpfs = Tmpfs::open(folder.path()).unwrap();
        tmpfs.sync(&[role("web", "A1", 0o400)]).unwrap();
        let access = Access::new(0, 0, 0o400, false).unwrap();
        tmpfs.sync(&[RoleDirectory::new("web", access, None)]).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_second_one_finds_it_held() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_held(folder.path()));
        let tmpfs = Tmpfs::open(folder.path()).unwrap();
        assert!(is_held(folder.path()));
        assert!(Tmpfs::open(folder.path()).is_err());
        drop(tmpfs);
        assert!(!is_held(folder.path()));
    }
}
