//! Where the files are: finding the mount point in order, mounting, unmounting.

mod mountinfo;
mod point;

use crate::fuse::RoleFileSystem;
use crate::tmpfs::Tmpfs;
use crate::{RoleDirectory, RoleFiles};
use fuser::{Config, Session, SessionACL};
use mountinfo::MountEntry;
use point::Point;
use rustix::mount::{MountFlags, UnmountFlags, unmount};
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

const DEVICE: &str = "/dev/fuse";
/// Documentation/admin-guide/devices.txt
const DEVICE_NUMBER: (u32, u32) = (10, 229);
/// As `mount` shows it, and how a leftover is told from other people's file systems.
const FUSE_TYPE: &str = "fuse.hallpass";
const SOURCE: &str = "hallpass";
/// How long the end of the FUSE loop is waited for. With files still open it ends with the process.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Threads of the FUSE loop. One may be held up by the record of an open; the other goes on.
const THREADS: usize = 2;

/// How the files are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileSystem {
    /// FUSE: every open is asked about.
    Fuse,
    /// Plain files on a tmpfs: the kernel alone judges each open, and none is on record.
    Tmpfs,
}

/// The files cannot be mounted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// The mount point is not fit.
    #[error("{path} cannot be a mount point: {reason}")]
    Point {
        /// The mount point.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process serves there.
    #[error("another hallpass serves files at {path}")]
    Busy {
        /// The mount point.
        path: PathBuf,
    },
    /// The kernel did not mount.
    #[error("cannot mount at {path}: {reason}")]
    Mount {
        /// The mount point.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

/// A mounted file system. Dropping it unmounts.
#[derive(Debug)]
pub struct Mounted {
    path: PathBuf,
    file_system: FileSystem,
    /// The mount itself, by the number of its device: whatever else was mounted over it is not ours to unmount.
    device: String,
    tmpfs: Option<Mutex<Tmpfs>>,
    /// Hangs up when the FUSE loop ended.
    ended: Option<Mutex<mpsc::Receiver<()>>>,
}

/// Mounts `files` at `path`: by FUSE, or on a tmpfs if this machine has no FUSE. Needs `CAP_SYS_ADMIN`.
///
/// A mount that a killed process left there is taken away first. May wait two seconds to find out whether it is one.
///
/// # Errors
/// [`MountError`]. `path` must be an empty directory of root, not a symlink, that nobody else could replace. A mount
/// that is not as it was asked for (`default_permissions`, `allow_other`, `nosuid`, `nodev`, `noexec`) is taken down.
pub fn mount(path: &Path, files: Arc<dyn RoleFiles>) -> Result<Mounted, MountError> {
    let path = point::resolve(path)?;
    point::clear_leftovers(&path)?;
    let point = Point::open(&path)?;
    match open_device() {
        Ok(device) => match mount_fuse(&point, device, files) {
            Err(Fuse::Absent(reason)) => fall_back(&point, &reason),
            Err(Fuse::Failed(error)) => Err(error),
            Ok(mounted) => Ok(mounted),
        },
        Err(error) => fall_back(&point, &error.to_string()),
    }
}

/// The kernel's FUSE device, and nothing that lies in its place.
fn open_device() -> io::Result<OwnedFd> {
    let device = File::options().read(true).write(true).open(DEVICE)?;
    let meta = device.metadata()?;
    if meta.file_type().is_char_device()
        && meta.rdev() == rustix::fs::makedev(DEVICE_NUMBER.0, DEVICE_NUMBER.1)
    {
        Ok(device.into())
    } else {
        Err(io::Error::other(format!("{DEVICE} is not the FUSE device")))
    }
}

enum Fuse {
    /// There is none to be had here.
    Absent(String),
    Failed(MountError),
}

fn mount_fuse(point: &Point, device: OwnedFd, files: Arc<dyn RoleFiles>) -> Result<Mounted, Fuse> {
    let options = format!(
        "fd={},rootmode=40755,user_id=0,group_id=0,default_permissions,allow_other",
        device.as_raw_fd()
    );
    point
        .mount(FUSE_TYPE, flags() | MountFlags::RDONLY, &options)
        .map_err(
            |error| match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
                Some(rustix::io::Errno::PERM | rustix::io::Errno::NODEV | rustix::io::Errno::ACCESS) => {
                    Fuse::Absent(error.to_string())
                }
                _ => Fuse::Failed(point.failed(&error)),
            },
        )?;
    let fail = |error: MountError| {
        detach(&point.path);
        Fuse::Failed(error)
    };
    let entry = as_asked(point, FUSE_TYPE, &["ro"], &["default_permissions", "allow_other"]).map_err(fail)?;
    let mut config = Config::default();
    config.acl = SessionACL::All;
    config.n_threads = Some(THREADS);
    let session = match Session::from_fd(RoleFileSystem::new(files), device, SessionACL::All, config) {
        Ok(session) => session,
        Err(error) => {
            detach(&point.path);
            return Err(Fuse::Absent(error.to_string()));
        }
    };
    let (running, ended) = mpsc::channel::<()>();
    let path = point.path.clone();
    let thread = std::thread::Builder::new().name("hallpass-files".to_owned());
    let started = thread.spawn(move || {
        let end = session.run();
        match end {
            Ok(()) => tracing::info!(path = %path.display(), "the files are unmounted"),
            Err(error) => {
                tracing::error!(%error, path = %path.display(), "the files are not served any more")
            }
        }
        drop(running);
    });
    if let Err(error) = started {
        return Err(fail(point.failed(&error)));
    }
    Ok(Mounted {
        path: point.path.clone(),
        file_system: FileSystem::Fuse,
        device: entry.device,
        tmpfs: None,
        ended: Some(Mutex::new(ended)),
    })
}

fn fall_back(point: &Point, reason: &str) -> Result<Mounted, MountError> {
    tracing::warn!(
        reason,
        "no FUSE here: plain files on a tmpfs instead, whose opens are not recorded"
    );
    // Names do not show to those who cannot list; what may be read is each file's own.
    let options = "mode=0711,size=16m,huge=never";
    // `noswap` (Linux 6.4) keeps the secrets off the swap device. Older kernels refuse the word.
    let mounted = point
        .mount("tmpfs", flags(), &format!("{options},noswap"))
        .or_else(|_| point.mount("tmpfs", flags(), options))
        .or_else(|_| point.mount("tmpfs", flags(), "mode=0711,size=16m"));
    mounted.map_err(|error| point.failed(&error))?;
    let entry = as_asked(point, "tmpfs", &[], &[]);
    let tmpfs = entry.and_then(|entry| {
        let tmpfs = Tmpfs::open(&point.path).map_err(|error| point.failed(&error))?;
        Ok((entry, tmpfs))
    });
    match tmpfs {
        Ok((entry, tmpfs)) => Ok(Mounted {
            path: point.path.clone(),
            file_system: FileSystem::Tmpfs,
            device: entry.device,
            tmpfs: Some(Mutex::new(tmpfs)),
            ended: None,
        }),
        Err(error) => {
            detach(&point.path);
            Err(error)
        }
    }
}

fn flags() -> MountFlags {
    MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::NOATIME
}

/// The mount as the kernel says that it is; without these options every user could read every file.
fn as_asked(
    point: &Point,
    kind: &str,
    mount_options: &[&str],
    super_options: &[&str],
) -> Result<MountEntry, MountError> {
    let refused = |reason: String| MountError::Mount {
        path: point.path.clone(),
        reason,
    };
    let entry = mountinfo::top_at(&point.path)
        .filter(|entry| entry.kind == kind && entry.source == SOURCE)
        .ok_or_else(|| refused("it is not in /proc/self/mountinfo".to_owned()))?;
    let missing = ["nosuid", "nodev", "noexec"]
        .iter()
        .chain(mount_options)
        .find(|option| !entry.mount_options.iter().any(|has| has == *option))
        .or_else(|| {
            super_options
                .iter()
                .find(|option| !entry.super_options.iter().any(|has| has == *option))
        });
    match missing {
        Some(option) => Err(refused(format!("the kernel did not take the option {option}"))),
        None => Ok(entry),
    }
}

/// Takes the topmost mount off `path`, even if it is in use.
fn detach(path: &Path) {
    if let Err(error) = unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        tracing::warn!(%error, path = %path.display(), "cannot unmount");
    }
}

impl Mounted {
    /// Where.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// By which file system.
    #[must_use]
    pub fn file_system(&self) -> FileSystem {
        self.file_system
    }

    /// Whether it is there still; anyone with the right may have unmounted it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        mountinfo::read().iter().any(|entry| self.is(entry))
    }

    /// Writes the files anew that differ from `directories`, each in one step, and removes those of other roles; the
    /// roles whose files were written are returned. On FUSE there is nothing to do. Blocks for as long as a tmpfs takes.
    ///
    /// # Errors
    /// The first that could not be written. Files of a role that cannot be written as they should be are removed.
    pub fn sync(&self, directories: &[RoleDirectory]) -> io::Result<Vec<String>> {
        match &self.tmpfs {
            Some(tmpfs) => tmpfs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .sync(directories),
            None => Ok(Vec::new()),
        }
    }

    fn is(&self, entry: &MountEntry) -> bool {
        entry.point == self.path && entry.device == self.device && entry.source == SOURCE
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The kernel refuses to unmount what is busy, and a tmpfs that stays would keep the files.
        self.tmpfs = None;
        if mountinfo::top_at(&self.path).is_some_and(|top| self.is(&top)) {
            detach(&self.path);
        }
        if let Some(ended) = &self.ended {
            let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = ended.recv_timeout(END_TIMEOUT);
        }
    }
}

fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(io::Error::other)
}
