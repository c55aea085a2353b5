//! Roles as directories of files: `ROLE/credentials`, `ROLE/credentials.json`, `ROLE/env`.
//!
//! [`mount`] shows what a [`RoleFiles`] knows, to each user what is theirs: by FUSE, where every open is asked about and
//! every read is judged again; or, where there is no FUSE, as plain files on a tmpfs of its own that [`Mounted::sync`]
//! keeps up to date. Who may read a file is an [`Access`]: owner, group, mode and POSIX ACL. A role that a user may not
//! read is not shown to them, not even by its name.
//!
//! Nothing here knows rules, leases or audit. The FUSE loop never waits, but for one of its threads that may be held up by
//! an open: lists and attributes come from memory, an open is answered by whoever holds its [`OpenReply`].

mod access;
mod credentials;
mod files;
mod fuse;
mod place;
mod tmpfs;

pub use access::{Access, AclEntry, AclSubject, ModeError};
pub use credentials::{FileKind, RoleCredentials, Unprintable};
pub use files::{OpenError, OpenReply, OpenRequest, Reader, RoleDirectory, RoleFiles};
pub use place::{FileSystem, MountError, Mounted, mount};
