use rustix::fs::{AtFlags, FileType, Mode, OFlags, fsync, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Folders are walked one name at a time, each relative to the one before, and no link is ever followed: whatever
/// stands below a bucket, a key cannot lead out of it.
const FOLDER: OFlags = OFlags::DIRECTORY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::RDONLY);

pub(crate) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        path,
        OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY,
        Mode::empty(),
    )?)
}

pub(crate) fn open(parent: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    Ok(openat(parent, name, FOLDER, Mode::empty())?)
}

/// Opens a folder, making it when absent; the new name is on disk when this returns.
pub(crate) fn open_or_make(parent: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
        Ok(()) => fsync(&parent)?,
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    open(parent, name)
}

/// The folder of a path of folders below `start`.
pub(crate) fn descend(start: impl AsFd, folders: &[&str], make: bool) -> io::Result<OwnedFd> {
    let mut here = start.as_fd().try_clone_to_owned()?;
    for name in folders {
        here = if make {
            open_or_make(&here, name)?
        } else {
            open(&here, name)?
        };
    }
    Ok(here)
}

/// Opens a regular file to read; `None` when there is none of that name, whatever else may have it.
pub(crate) fn open_file(folder: impl AsFd, name: &str) -> io::Result<Option<File>> {
    match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => {}
        Ok(_) => return Ok(None),
        Err(error) => return absent(error.into()),
    }
    // NONBLOCK: should the file have become a pipe meanwhile, opening it must not wait.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match openat(folder, name, flags, Mode::empty()) {
        Ok(file) => {
            let file = File::from(file);
            Ok(Some(file).filter(|file| file.metadata().is_ok_and(|meta| meta.is_file())))
        }
        Err(error) => absent(error.into()),
    }
}

/// Turns the errors that mean "there is no such object" into nothing.
pub(crate) fn absent<T>(error: io::Error) -> io::Result<Option<T>> {
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(None),
        _ => Err(error),
    }
}

/// Whether a file could not be put in place because a file stands where a folder is needed, or the reverse.
pub(crate) fn is_conflict(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::NOTDIR | Errno::ISDIR | Errno::LOOP | Errno::NOTEMPTY | Errno::EXIST | Errno::NAMETOOLONG
        )
    )
}

/// Renames a file into a folder and makes the new name last.
pub(crate) fn rename_into(from: impl AsFd, old: &str, to: impl AsFd, new: &str) -> io::Result<()> {
    renameat(from, old, &to, new)?;
    fsync(to)?;
    Ok(())
}

/// Removes a file; whether there was one.
pub(crate) fn remove_file(folder: impl AsFd, name: &str) -> io::Result<bool> {
    match unlinkat(&folder, name, AtFlags::empty()) {
        Ok(()) => {
            fsync(folder)?;
            Ok(true)
        }
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Removes an empty folder; `false` when it is not empty, not a folder or not there.
pub(crate) fn remove_folder(parent: impl AsFd, name: &str) -> bool {
    unlinkat(parent, name, AtFlags::REMOVEDIR).is_ok()
}

/// The folder's entries: name, and whether it is a folder. Links, pipes and names that are not UTF-8 are left out.
pub(crate) fn entries(folder: impl AsFd) -> io::Result<Vec<(String, bool)>> {
    let mut found = vec![];
    for entry in rustix::fs::Dir::read_from(&folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if matches!(name, "." | "..") {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => match statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(_) => continue,
            },
            kind => kind,
        };
        match kind {
            FileType::Directory => found.push((name.to_owned(), true)),
            FileType::RegularFile => found.push((name.to_owned(), false)),
            _ => {}
        }
    }
    Ok(found)
}
