//! The mount point: whose it is, what lies there, what was left there.

use super::{FUSE_TYPE, MountError, SOURCE, c_string, detach, mountinfo};
use rustix::fs::{FileType, Mode, OFlags, RawDir, fstat, open};
use rustix::mount::MountFlags;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// A live server answers within this.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Mounts taken off one over the other before giving up.
const LEFTOVERS_MAX: usize = 16;

/// An empty directory of root, held open: what is mounted is mounted on this one.
pub(super) struct Point {
    pub(super) path: PathBuf,
    directory: OwnedFd,
}

fn unfit(path: &Path, reason: impl Into<String>) -> MountError {
    MountError::Point {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

/// The path without symlinks but in its last part, which must not be one. Only the parents are looked at: at the path
/// itself may be a dead mount.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, MountError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(unfit(path, "it has no name"));
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let parent = parent
        .canonicalize()
        .map_err(|error| unfit(path, error.to_string()))?;
    for ancestor in parent.ancestors() {
        let meta = fs::metadata(ancestor).map_err(|error| unfit(path, error.to_string()))?;
        // Sticky as /tmp is: only the owner of what is in there can rename it.
        let replaceable = meta.mode() & 0o022 != 0 && meta.mode() & 0o1000 == 0;
        if meta.uid() != 0 || replaceable {
            let reason = format!("others than root can replace what is in {}", ancestor.display());
            return Err(unfit(path, reason));
        }
    }
    Ok(parent.join(name))
}

/// Takes away what killed processes of ours left mounted at `path`, and nothing else.
pub(super) fn clear_leftovers(path: &Path) -> Result<(), MountError> {
    for _ in 0..LEFTOVERS_MAX {
        let Some(top) = mountinfo::top_at(path) else {
            return Ok(());
        };
        let ours = top.source == SOURCE && (top.kind == FUSE_TYPE || top.kind == "tmpfs");
        if !ours {
            let reason = format!("a {} file system is mounted there", top.kind);
            return Err(unfit(path, reason));
        }
        if is_served(path, &top.kind) {
            return Err(MountError::Busy {
                path: path.to_owned(),
            });
        }
        detach(path);
    }
    match mountinfo::top_at(path) {
        None => Ok(()),
        Some(_) => Err(unfit(path, "what is mounted there cannot be unmounted")),
    }
}

/// Whether a process stands behind the mount. One that hangs counts: it may come back.
fn is_served(path: &Path, kind: &str) -> bool {
    let (path, kind) = (path.to_owned(), kind.to_owned());
    let (tell, told) = mpsc::channel();
    // A thread of its own: a hanging server would hold this one for ever.
    let asking = std::thread::Builder::new()
        .name("hallpass-stat".to_owned())
        .spawn(move || {
            let served = if kind == FUSE_TYPE {
                let not_connected = rustix::io::Errno::NOTCONN.raw_os_error();
                match fs::metadata(&path) {
                    Ok(_) => true,
                    Err(error) => error.raw_os_error() != Some(not_connected),
                }
            } else {
                crate::tmpfs::is_held(&path)
            };
            let _ = tell.send(served);
        });
    asking.is_err() || told.recv_timeout(ANSWER_TIMEOUT).unwrap_or(true)
}

impl Point {
    pub(super) fn open(path: &Path) -> Result<Self, MountError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDONLY;
        let directory = open(path, flags, Mode::empty()).map_err(|error| match error {
            rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP => {
                unfit(path, "it is not a directory (a symlink is none)")
            }
            error => unfit(path, error.to_string()),
        })?;
        let stat = fstat(&directory).map_err(|error| unfit(path, error.to_string()))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory || stat.st_uid != 0 {
            return Err(unfit(path, "it does not belong to root"));
        }
        if stat.st_mode & 0o022 != 0 {
            return Err(unfit(path, "others than root can write in it"));
        }
        let mut room = [MaybeUninit::uninit(); 4096];
        let mut entries = RawDir::new(&directory, &mut room);
        while let Some(entry) = entries.next() {
            let entry = entry.map_err(|error| unfit(path, error.to_string()))?;
            if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                return Err(unfit(path, "it is not empty"));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            directory,
        })
    }

    pub(super) fn mount(&self, kind: &str, flags: MountFlags, options: &str) -> io::Result<()> {
        let options = c_string(options)?;
        // By the descriptor: the path may lead elsewhere by now.
        let target = format!("/proc/self/fd/{}", self.directory.as_raw_fd());
        Ok(rustix::mount::mount(SOURCE, target, kind, flags, &*options)?)
    }

    pub(super) fn failed(&self, error: &io::Error) -> MountError {
        MountError::Mount {
            path: self.path.clone(),
            reason: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn reason(path: &Path) -> String {
        match resolve(path).and_then(|path| Point::open(&path)) {
            Ok(_) => "fit".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn only_an_empty_directory_of_roots_own_is_fit() {
        let folder = tempfile::tempdir().unwrap();
        let point = folder.path().join("roles");
        assert!(reason(&point).contains("No such file"), "{}", reason(&point));
        fs::create_dir(&point).unwrap();
        // The rest is about root's directories; what another user's tests make belongs to them.
        if fs::metadata(&point).unwrap().uid() != 0 {
            assert!(reason(&point).contains("root"), "{}", reason(&point));
            return;
        }
        fs::set_permissions(&point, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(reason(&point), "fit");
        let link = folder.path().join("link");
        symlink(&point, &link).unwrap();
        assert!(reason(&link).contains("symlink"), "{}", reason(&link));
        fs::set_permissions(&point, fs::Permissions::from_mode(0o775)).unwrap();
        assert!(reason(&point).contains("can write"), "{}", reason(&point));
        fs::set_permissions(&point, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(point.join(".hidden"), "").unwrap();
        assert!(reason(&point).contains("not empty"), "{}", reason(&point));
        fs::remove_file(point.join(".hidden")).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(reason(&point).contains("replace"), "{}", reason(&point));
    }
}
