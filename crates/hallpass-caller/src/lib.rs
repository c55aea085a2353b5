//! Who is at the other end of a local connection.
//!
//! The kernel is asked, exactly: a TCP peer by its 4-tuple through `NETLINK_SOCK_DIAG` (one socket, never a dump), a
//! unix peer through its socket options. Nothing here decides what a caller may have; it only says who it is, and
//! refuses to guess: an orphaned socket, a socket nobody holds, one whose holders disagree with its creator, or a peer
//! of an unknown network namespace is an error, never an answer.
//!
//! **What a TCP uid means.** The kernel reports the uid that *created* the socket. A root program that made a socket
//! and then became someone else, or handed it over, is still reported as uid 0. [`holders_of`] therefore finds every
//! process that holds the socket now, and [`prove`] accepts only if each of them has the creator's uid in all of its
//! real, effective and saved ids. Credentials need that proof; other metadata is content with [`SockDiag::tcp_owner`].
//! Where the kernel wrote down who made and connected the socket ([`ConnectRecord`]), [`Peer`] needs no such search.
//!
//! **Facts about a process** ([`ProcessFacts`]: program, control group and unit, container, ancestors) are read only when
//! a rule asks, through its `/proc` directory opened once, and are unknown rather than guessed.
//!
//! **Out of reach**, by nature: code injected into a process of the same uid, a relay that forwards other people's
//! requests as itself, and root.

mod ancestors;
mod caller;
mod cgroup;
mod connect_record;
mod error;
mod exe;
mod facts;
mod holders;
mod namespaces;
mod original;
mod peer;
mod pods;
mod process_dir;
mod proof;
mod runtime;
mod sock_diag;
mod unix;
mod unknown;
mod users;

pub use ancestors::{Ancestor, ancestors};
pub use caller::Caller;
pub use cgroup::{Cgroup, ContainerRef, Runtime};
pub use connect_record::{ConnectRecord, ConnectRecordError};
pub use error::CallerError;
pub use exe::{ExeHashes, exe_path};
pub use facts::{Fact, FactSources, ProcessFacts, SaidFacts};
pub use holders::{Holder, Scan, holders_of, process, program};
pub use namespaces::Namespaces;
pub use original::original_destination;
pub use peer::Peer;
pub use pods::{Pod, pod_of};
pub use process_dir::ProcessDir;
pub use proof::{Proof, prove};
pub use runtime::{ContainerInfo, Runtimes};
pub use sock_diag::{SockDiag, TcpOwner, namespace_id};
pub use unix::{UnixOwner, unix_owner};
pub use unknown::Unknown;
pub use users::{UserDatabase, group_id, user_id, user_name};
