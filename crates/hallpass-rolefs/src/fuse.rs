//! The FUSE file system. Its loop answers from memory; only opens are answered by others, at once or later.

mod attributes;
mod handles;
mod inodes;
mod reader;

use crate::{FileKind, OpenError, OpenReply, OpenRequest, RoleDirectory, RoleFiles};
use attributes::{attribute, of_node, of_root};
use fuser::{
    Errno, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig,
    LockOwner, OpenAccMode, OpenFlags, ReplyAttr, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry,
    ReplyOpen, ReplyXattr, Request,
};
use handles::{Handle, Handles};
use inodes::{Inodes, Node};
use reader::reader;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Names are never believed by the kernel: what one user may see by a name, another may not.
const ENTRY_TTL: Duration = Duration::ZERO;
/// Attributes come anew with each look-up of a name, and those are never kept. This saves asking twice on one way.
const ATTRIBUTE_TTL: Duration = Duration::from_secs(1);
const ACL_NAME: &[u8] = b"system.posix_acl_access";

pub(crate) struct RoleFileSystem {
    files: Arc<dyn RoleFiles>,
    inodes: Inodes,
    handles: Arc<Handles>,
    started: SystemTime,
}

impl RoleFileSystem {
    pub(crate) fn new(files: Arc<dyn RoleFiles>) -> Self {
        Self {
            files,
            inodes: Inodes::default(),
            handles: Arc::default(),
            started: SystemTime::now(),
        }
    }

    /// The role of a directory or file, if it is there still.
    fn directory(&self, role: &str) -> Option<RoleDirectory> {
        let all = self.files.directories();
        all.iter().find(|directory| directory.role() == role).cloned()
    }

    fn found(&self, number: INodeNo) -> Result<(u64, RoleDirectory, Option<FileKind>), Errno> {
        match self.inodes.node(number) {
            Some(Node { id, role, kind }) => match self.directory(&role) {
                Some(directory) => Ok((id, directory, kind)),
                None => Err(Errno::ENOENT),
            },
            None => Err(Errno::ENOENT),
        }
    }

    fn refuse(&self, request: &Request, role: &str, kind: Option<FileKind>, reason: &'static str) {
        let request = OpenRequest {
            role: role.to_owned(),
            kind,
            reader: reader(request, None),
        };
        self.files.refused(request, reason);
    }
}

impl Filesystem for RoleFileSystem {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Without it the kernel would take the mask of a list for the rights of the group.
        config
            .add_capabilities(InitFlags::FUSE_POSIX_ACL)
            .map_err(|_| io::Error::from_raw_os_error(Errno::EOPNOTSUPP.code()))
    }

    fn lookup(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let Some(name) = name.to_str() else {
            return reply.error(Errno::ENOENT);
        };
        let answer = if parent == INodeNo::ROOT {
            let Some(directory) = self.directory(name) else {
                return reply.error(Errno::ENOENT);
            };
            let reader = reader(request, Some(directory.access()));
            if !directory.access().allows(reader.uid, &reader.gids) {
                self.refuse(request, name, None, "the file is not theirs to read");
                return reply.error(Errno::ENOENT);
            }
            of_node(self.inodes.id(name), &directory, None, self.started)
        } else {
            let kind = FileKind::ALL.into_iter().find(|kind| kind.name() == name);
            match (self.found(parent), kind) {
                (Ok((id, directory, None)), Some(kind)) => of_node(id, &directory, Some(kind), self.started),
                _ => return reply.error(Errno::ENOENT),
            }
        };
        reply.entry_with_ttls(&ATTRIBUTE_TTL, &ENTRY_TTL, &answer, Generation(0));
    }

    fn getattr(&self, _request: &Request, number: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        if number == INodeNo::ROOT {
            // Never changes.
            return reply.attr(&Duration::from_secs(3600), &of_root(self.started));
        }
        match self.found(number) {
            Ok((id, directory, kind)) => {
                reply.attr(&ATTRIBUTE_TTL, &of_node(id, &directory, kind, self.started));
            }
            Err(error) => reply.error(error),
        }
    }

    fn readdir(
        &self,
        request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let mut entries = vec![
            (1, number, FileType::Directory, ".".to_owned()),
            (2, INodeNo::ROOT, FileType::Directory, "..".to_owned()),
        ];
        if number == INodeNo::ROOT {
            let mut roles: Vec<_> = self
                .files
                .directories()
                .iter()
                .filter(|directory| {
                    let reader = reader(request, Some(directory.access()));
                    directory.access().allows(reader.uid, &reader.gids)
                })
                .map(|directory| (self.inodes.id(directory.role()), directory.role().to_owned()))
                .collect();
            // By number: a listing in several parts goes on where it was, whatever came or went meanwhile.
            roles.sort_unstable();
            entries.extend(
                roles
                    .into_iter()
                    .map(|(id, role)| (id + 2, inodes::number(id, None), FileType::Directory, role)),
            );
        } else {
            let Ok((id, _, None)) = self.found(number) else {
                return reply.error(Errno::ENOENT);
            };
            for (place, kind) in (3..).zip(FileKind::ALL) {
                let number = inodes::number(id, Some(kind));
                entries.push((place, number, FileType::RegularFile, kind.name().to_owned()));
            }
        }
        for (place, number, file_type, name) in entries {
            if place > offset && reply.add(number, place, file_type, &name) {
                break;
            }
        }
        reply.ok();
    }

    fn open(&self, request: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        if flags.acc_mode() != OpenAccMode::O_RDONLY {
            return reply.error(Errno::EROFS);
        }
        let (directory, kind) = match self.found(number) {
            Ok((_, directory, Some(kind))) => (directory, kind),
            Ok(_) => return reply.error(Errno::EISDIR),
            Err(error) => return reply.error(error),
        };
        let reader = reader(request, Some(directory.access()));
        let request = OpenRequest {
            role: directory.role().to_owned(),
            kind: Some(kind),
            reader: reader.clone(),
        };
        // The kernel let them through already. It may know a capability of theirs that is not theirs here.
        if !directory.access().allows(reader.uid, &reader.gids) {
            self.files.refused(request, "the file is not theirs to read");
            return reply.error(Errno::EACCES);
        }
        let Some(place) = self.handles.reserve() else {
            return reply.error(Errno::ENFILE);
        };
        let role = request.role.clone();
        let answer = move |answer: Result<Arc<crate::RoleCredentials>, OpenError>| {
            let content = match answer.map(|credentials| credentials.render(kind)) {
                Ok(Ok(content)) => content,
                Ok(Err(_)) => return reply.error(Errno::EIO),
                Err(error) => return reply.error(number_of(error)),
            };
            let handle = place.fill(Handle {
                role,
                kind,
                reader,
                content,
            });
            // Never through the page cache: what one reads must not be there for the next.
            let flags = FopenFlags::FOPEN_DIRECT_IO | FopenFlags::FOPEN_NOFLUSH;
            reply.opened(FileHandle(handle), flags);
        };
        self.files.open(request, OpenReply::new(answer));
    }

    fn read(
        &self,
        request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(handle) = self.handles.get(handle.0) else {
            return reply.error(Errno::EBADF);
        };
        let mut gids = vec![request.gid()];
        // The groups of another user's process are not asked for: what it cannot open as itself, it cannot read.
        if request.uid() == handle.reader.uid {
            gids.extend_from_slice(&handle.reader.gids);
        }
        let may = self
            .directory(&handle.role)
            .is_some_and(|directory| directory.access().allows(request.uid(), &gids));
        if !may {
            let reason = if request.uid() == handle.reader.uid {
                "the file is not theirs to read any more"
            } else {
                "they read from a descriptor that another user opened"
            };
            self.refuse(request, &handle.role, Some(handle.kind), reason);
            return reply.error(Errno::EACCES);
        }
        let length = handle.content.len();
        let start = usize::try_from(offset).unwrap_or(length).min(length);
        let end = start
            .saturating_add(usize::try_from(size).unwrap_or(length))
            .min(length);
        reply.data(&handle.content[start..end]);
    }

    fn release(
        &self,
        _request: &Request,
        _number: INodeNo,
        handle: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.handles.release(handle.0);
        reply.ok();
    }

    fn getxattr(&self, _request: &Request, number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        let list = match self.found(number) {
            Ok((_, directory, kind)) if name.as_bytes() == ACL_NAME => {
                directory.access().acl_attribute(kind.is_none())
            }
            _ => None,
        };
        match list {
            Some(list) => attribute(&list, size, reply),
            None => reply.error(Errno::ENODATA),
        }
    }

    fn listxattr(&self, _request: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        let has_list = self
            .found(number)
            .is_ok_and(|(_, directory, _)| directory.access().acl_attribute(false).is_some());
        let names = if has_list {
            [ACL_NAME, b"\0"].concat()
        } else {
            vec![]
        };
        attribute(&names, size, reply);
    }
}

fn number_of(error: OpenError) -> Errno {
    match error {
        OpenError::Refused => Errno::EACCES,
        OpenError::NotReady => Errno::EAGAIN,
        OpenError::NoCredentials => Errno::ENODATA,
        OpenError::NotRecorded => Errno::EIO,
    }
}
