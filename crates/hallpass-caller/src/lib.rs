//! Who is at the other end of a local connection.
//!
//! The kernel is asked, exactly: a TCP peer by its 4-tuple through `NETLINK_SOCK_DIAG` (one socket, never a dump), a
//! unix peer through its socket options. Nothing here decides what a caller may have; it only says who it is, and
//! refuses to guess: an orphaned socket, a socket nobody holds, one whose holders disagree with its creator, or a peer
//! of another network namespace is an error, never an answer.
//!
//! **What a TCP uid means.** The kernel reports the uid that *created* the socket. A root program that made a socket
//! and then became someone else, or handed it over, is still reported as uid 0. [`holders_of`] therefore finds every
//! process that holds the socket now, and [`prove`] accepts only if each of them has the creator's uid in all of its
//! real, effective and saved ids. Credentials need that proof; other metadata is content with [`SockDiag::tcp_owner`].
//!
//! **Out of reach**, by nature: code injected into a process of the same uid, a relay that forwards other people's
//! requests as itself, and root.

mod caller;
mod error;
mod holders;
mod proof;
mod sock_diag;
mod unix;
mod users;

pub use caller::Caller;
pub use error::CallerError;
pub use holders::{Holder, Scan, holders_of, process};
pub use proof::{Proof, ProofCache, prove};
pub use sock_diag::{SockDiag, TcpOwner, namespace_id};
pub use unix::{UnixOwner, unix_owner};
pub use users::{UserDatabase, group_id, user_id, user_name};
