use std::io;

/// Why nobody can say who a caller is. Each of these refuses; none is worked around.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallerError {
    /// The addresses are not of one family, so no socket can have both.
    #[error("the two ends of the connection are not of one address family")]
    NotLocal,
    /// No such socket in this network namespace: the peer is on another host or in another namespace, or already gone.
    #[error("no socket of this network namespace is at the other end")]
    NoSuchSocket,
    /// More than one network namespace has such a socket, or there are too many of them to ask.
    #[error("it cannot be told which network namespace the caller is in")]
    SeveralNamespaces,
    /// The socket is closed by its owner; the kernel then reports uid 0 for it, which means nothing.
    #[error("the caller has closed its end of the connection")]
    Orphan,
    /// The kernel found another socket than the one asked for, such as a listener on the caller's port.
    #[error("the kernel knows another socket at the caller's address")]
    OtherSocket,
    /// No process holds the socket: its descriptor is in flight between processes, or its holder is out of sight.
    #[error("no process that can be inspected holds the caller's socket")]
    NoHolder,
    /// A process with another uid than the socket's creator holds it.
    #[error("the socket was made by uid {socket_uid} but process {pid} with uid {uid} holds it")]
    MixedHolders {
        /// The uid that created the socket.
        socket_uid: u32,
        /// The process that disagrees.
        pid: u32,
        /// Its uid.
        uid: u32,
    },
    /// Another uid than the socket's creator connected it, by the connect record: made by a privileged program for someone
    /// else, or handed over before it was connected.
    #[error("the socket was made by uid {socket_uid} but process {pid} connected it as uid {uid}")]
    OtherConnector {
        /// The uid that the socket is of.
        socket_uid: u32,
        /// The process that connected it.
        pid: u32,
        /// Its real uid then.
        uid: u32,
    },
    /// Some processes could not be inspected, so a foreign holder cannot be ruled out for a privileged uid.
    #[error("{count} processes could not be inspected, so uid {uid} cannot be proven")]
    Uninspectable {
        /// How many.
        count: usize,
        /// The uid that needed proof.
        uid: u32,
    },
    /// The process ended, or its number now belongs to another process.
    #[error("process {pid} is gone")]
    ProcessGone {
        /// Its number.
        pid: u32,
    },
    /// The kernel did not answer as documented.
    #[error("the kernel's answer about the caller is malformed")]
    Malformed,
    /// A system call failed.
    #[error("cannot ask the kernel about the caller: {0}")]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for CallerError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}
