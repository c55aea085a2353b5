use crate::{ProcessDir, Unknown};
use rustix::fd::{AsFd, AsRawFd};
use rustix::fs::{Mode, OFlags, Stat};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::sync::{Mutex, PoisonError};

/// A larger program is not hashed: its hash is unknown.
const HASHED_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Hashes remembered at most; beyond it the cache starts anew.
const HASHES_MAX: usize = 1024;

/// The path of what a process runs, as a path of *this* process's file tree.
///
/// What the kernel calls the program is believed only if the file at that path here is the very file that runs. So a
/// deleted or replaced program, one that lives in memory only, one of another mount namespace that has the same path,
/// and one that something was mounted over are all unknown.
///
/// # Errors
/// [`Unknown`] says which; also for a program on a user's file system (FUSE), which may show anyone anything.
pub fn exe_path(process: &ProcessDir) -> Result<String, Unknown> {
    let path = process
        .link("exe")
        .map_err(|error| Unknown::new(format!("its program cannot be read: {error}")))?;
    if path.ends_with(" (deleted)") || !path.starts_with('/') {
        return Err(Unknown::new(format!(
            "its program is not a file any more: {path}"
        )));
    }
    let running = stat_of(&open(process, OFlags::PATH)?)?;
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let here = rustix::fs::open(&path, flags, Mode::empty()).map_err(Unknown::from)?;
    let here = stat_of(&here)?;
    if (here.st_dev, here.st_ino) != (running.st_dev, running.st_ino) {
        return Err(Unknown::new(format!("its program {path} is another file here")));
    }
    process.still_there()?;
    // Between the two looks it may have become another program.
    if process.link("exe").ok().as_ref() != Some(&path) {
        return Err(Unknown::new("its program changed"));
    }
    Ok(path)
}

/// SHA-256 of programs, remembered by file.
#[derive(Debug, Default)]
pub struct ExeHashes(Mutex<HashMap<FileStamp, String>>);

/// Device, inode, size, and the two times that change with the content.
type FileStamp = (u64, u64, i64, (i64, i64), (i64, i64));

impl ExeHashes {
    /// The hash of what `process` runs, 64 lower-case hexadecimal digits. At most 512 MiB are hashed; that takes
    /// seconds: call it where blocking is allowed.
    ///
    /// # Errors
    /// [`Unknown`] for a larger program, one that changes meanwhile, and one on a user's file system.
    pub fn of(&self, process: &ProcessDir) -> Result<String, Unknown> {
        let file = open(process, OFlags::RDONLY)?;
        let before = stamp(&stat_of(&file)?);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = known.get(&before).cloned();
        drop(known);
        let hash = match hash {
            Some(hash) => hash,
            None => {
                let hash = digest_of(File::from(file.try_clone().map_err(Unknown::from)?))?;
                if stamp(&stat_of(&file)?) != before {
                    return Err(Unknown::new("its program changes"));
                }
                let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= HASHES_MAX {
                    known.clear();
                }
                known.insert(before, hash.clone());
                hash
            }
        };
        process.still_there()?;
        // The file opened is still what it runs.
        if stamp(&stat_of(&open(process, OFlags::PATH)?)?) != before {
            return Err(Unknown::new("its program changed"));
        }
        Ok(hash)
    }
}

/// Opens the program itself, through the kernel's link: no path is walked.
fn open(process: &ProcessDir, flags: OFlags) -> Result<rustix::fd::OwnedFd, Unknown> {
    // WHY: a user's file system answers, or does not, as its owner likes. It is recognised before it is asked anything.
    let handle = process.at("exe", OFlags::PATH).map_err(Unknown::from)?;
    if file_system(process, handle.as_raw_fd())?.starts_with("fuse") {
        return Err(Unknown::new("its program is on a user's file system"));
    }
    if flags == OFlags::PATH {
        return Ok(handle);
    }
    process.at("exe", flags).map_err(Unknown::from)
}

/// The type of the file system an open file is on, by the mount it was found through, in the process's namespace or
/// in this one.
fn file_system(process: &ProcessDir, descriptor: i32) -> Result<String, Unknown> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}")).map_err(Unknown::from)?;
    let mount = info
        .lines()
        .find_map(|line| line.strip_prefix("mnt_id:"))
        .map(|id| format!("{} ", id.trim()))
        .ok_or_else(|| Unknown::new("the mount of its program cannot be told"))?;
    let kind_in = |table: &str| {
        let line = table.lines().find(|line| line.starts_with(&mount))?;
        // The optional fields end with a hyphen; the type comes after it (proc_pid_mountinfo(5)).
        Some(line.split_once(" - ")?.1.split(' ').next()?.to_owned())
    };
    let theirs = process.read("mountinfo").map_err(Unknown::from)?;
    if let Some(kind) = kind_in(&theirs) {
        return Ok(kind);
    }
    let ours = fs::read_to_string("/proc/self/mountinfo").map_err(Unknown::from)?;
    kind_in(&ours).ok_or_else(|| Unknown::new("the mount of its program is out of sight"))
}

fn digest_of(mut file: File) -> Result<String, Unknown> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0_u64;
    loop {
        let length = file.read(&mut buffer).map_err(Unknown::from)?;
        if length == 0 {
            return Ok(hex::encode(hasher.finalize()));
        }
        total += length as u64;
        if total > HASHED_BYTES_MAX {
            return Err(Unknown::new("its program is larger than 512 MiB"));
        }
        hasher.update(buffer.get(..length).unwrap_or_default());
    }
}

fn stat_of(file: &impl AsFd) -> Result<Stat, Unknown> {
    rustix::fs::fstat(file).map_err(Unknown::from)
}

fn stamp(stat: &Stat) -> FileStamp {
    let time = |seconds, nanoseconds: u64| (seconds, i64::try_from(nanoseconds).unwrap_or_default());
    (
        stat.st_dev,
        stat.st_ino,
        stat.st_size,
        time(stat.st_mtime, stat.st_mtime_nsec),
        time(stat.st_ctime, stat.st_ctime_nsec),
    )
}

#[cfg(test)]
mod tests;
