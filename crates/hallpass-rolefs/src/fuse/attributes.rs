//! What `stat` and the extended attributes show.

use super::inodes;
use crate::{FileKind, RoleDirectory};
use fuser::{Errno, FileAttr, FileType, INodeNo, ReplyXattr};
use std::time::{Duration, SystemTime};

pub(super) fn of_root(started: SystemTime) -> FileAttr {
    attributes(INodeNo::ROOT, FileType::Directory, 0o755, 0, 0, 0, started)
}

/// Of a role's directory (no kind) or file. `started` is the time where there are no credentials to tell one.
pub(super) fn of_node(
    id: u64,
    directory: &RoleDirectory,
    kind: Option<FileKind>,
    started: SystemTime,
) -> FileAttr {
    let access = directory.access();
    let issued = directory
        .credentials()
        .and_then(|known| u64::try_from(known.issued_at.0).ok());
    let time = issued
        .and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
        .unwrap_or(started);
    let (file_type, mode, size) = match kind {
        None => (FileType::Directory, access.directory_mode(), 0),
        Some(kind) => (FileType::RegularFile, access.file_mode(), directory.size(kind)),
    };
    let number = inodes::number(id, kind);
    attributes(
        number,
        file_type,
        mode,
        access.owner(),
        access.group(),
        size,
        time,
    )
}

/// As getxattr(2) has it: size 0 asks for the length.
pub(super) fn attribute(value: &[u8], size: u32, reply: ReplyXattr) {
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    match size {
        0 => reply.size(length),
        size if size < length => reply.error(Errno::ERANGE),
        _ => reply.data(value),
    }
}

fn attributes(
    number: INodeNo,
    kind: FileType,
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    time: SystemTime,
) -> FileAttr {
    FileAttr {
        ino: number,
        size,
        blocks: size.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind,
        perm: u16::try_from(mode & 0o7777).unwrap_or(0),
        nlink: if kind == FileType::Directory { 2 } else { 1 },
        uid,
        gid,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    }
}
