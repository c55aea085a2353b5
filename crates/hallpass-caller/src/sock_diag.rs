use crate::CallerError;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, sockopt};
use std::fs::File;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// `SOCK_DIAG_BY_FAMILY` (linux/sock_diag.h).
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `INET_DIAG_CGROUP_ID` (linux/inet_diag.h): the control group the socket was made in.
const INET_DIAG_CGROUP_ID: u16 = 21;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const TCP_ESTABLISHED: u8 = 1;
const IPPROTO_TCP: u8 = 6;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// `struct nlmsghdr`, `struct inet_diag_sockid`, `struct inet_diag_req_v2`, `struct inet_diag_msg`.
const HEADER_BYTES: usize = 16;
const SOCKET_ID_BYTES: usize = 48;
const REQUEST_BYTES: usize = HEADER_BYTES + 8 + SOCKET_ID_BYTES;
const MESSAGE_BYTES: usize = 4 + SOCKET_ID_BYTES + 20;

/// The kernel's answer about the socket at the other end of a TCP connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TcpOwner {
    /// The uid that *created* the socket. Suspect when 0: see the crate's documentation.
    pub uid: u32,
    /// The socket's inode, never 0.
    pub inode: u32,
    /// The socket's cookie: never given to another socket while the machine is up.
    pub cookie: u64,
    /// The control group the socket was made in, where the kernel keeps that.
    pub cgroup_id: Option<u64>,
}

/// An open `NETLINK_SOCK_DIAG` socket. It answers for the network namespace it was opened in, from any thread.
#[derive(Debug)]
pub struct SockDiag {
    netlink: Mutex<(OwnedFd, u32)>,
    namespace: u64,
}

impl SockDiag {
    /// Opens one for this thread's network namespace.
    ///
    /// # Errors
    /// Whatever `socket(2)` says; a kernel built without `INET_DIAG` answers only when asked.
    pub fn open() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?;
        // The kernel answers inside sendto(2); the limit only keeps a kernel bug from becoming a hang.
        sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(Duration::from_secs(1)))?;
        rustix::net::connect(&socket, &SocketAddrNetlink::new(0, 0))?;
        Ok(Self {
            netlink: Mutex::new((socket, 0)),
            namespace: namespace_id()?,
        })
    }

    /// Opens one that answers for the network namespace `namespace` (an open `/run/netns/NAME` or `/proc/PID/ns/net`).
    ///
    /// # Errors
    /// Whatever `setns(2)` or `socket(2)` says; entering a namespace needs `CAP_SYS_ADMIN`.
    pub fn open_in(namespace: &File) -> io::Result<Self> {
        in_namespace(namespace, Self::open)
    }

    /// The number of the network namespace this one answers for.
    #[must_use]
    pub fn namespace(&self) -> u64 {
        self.namespace
    }

    /// Who made the socket at the other end of a connection: `client` is the peer as accepted, `server` the local
    /// address of the accepted socket.
    ///
    /// One exact lookup of the 4-tuple, whatever the number of sockets. A client that speaks IPv4 through an IPv6
    /// socket is found like any other.
    /// # Errors
    /// [`CallerError`]; in particular `NoSuchSocket` for a peer outside this network namespace and `Orphan` for a
    /// socket its owner has closed.
    pub fn tcp_owner(&self, client: SocketAddr, server: SocketAddr) -> Result<TcpOwner, CallerError> {
        let client = SocketAddr::new(client.ip().to_canonical(), client.port());
        let server = SocketAddr::new(server.ip().to_canonical(), server.port());
        match (client.ip(), server.ip()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => {
                let plain = self.ask(
                    AF_INET,
                    &pad(&one.octets()),
                    client.port(),
                    &pad(&other.octets()),
                    server.port(),
                );
                if !matches!(plain, Err(CallerError::NoSuchSocket)) {
                    return plain;
                }
                let (one, other) = (one.to_ipv6_mapped().octets(), other.to_ipv6_mapped().octets());
                self.ask(AF_INET6, &one, client.port(), &other, server.port())
            }
            (IpAddr::V6(one), IpAddr::V6(other)) => self.ask(
                AF_INET6,
                &one.octets(),
                client.port(),
                &other.octets(),
                server.port(),
            ),
            _ => Err(CallerError::NotLocal),
        }
    }

    fn ask(
        &self,
        family: u8,
        client: &[u8; 16],
        client_port: u16,
        server: &[u8; 16],
        server_port: u16,
    ) -> Result<TcpOwner, CallerError> {
        let mut tuple = [0_u8; 36];
        tuple[0..2].copy_from_slice(&client_port.to_be_bytes());
        tuple[2..4].copy_from_slice(&server_port.to_be_bytes());
        tuple[4..20].copy_from_slice(client);
        tuple[20..36].copy_from_slice(server);

        let mut guard = self.netlink.lock().unwrap_or_else(PoisonError::into_inner);
        guard.1 = guard.1.wrapping_add(1);
        let sequence = guard.1;
        rustix::net::send(&guard.0, &request(family, sequence, &tuple), SendFlags::empty())?;
        let mut buffer = [0_u8; 4096];
        loop {
            let (length, _) = match rustix::net::recv(&guard.0, &mut buffer[..], RecvFlags::empty()) {
                Err(Errno::INTR) => continue,
                other => other?,
            };
            let answer = buffer.get(..length).ok_or(CallerError::Malformed)?;
            // An answer to an earlier question, left by one that timed out, is not an answer to this one.
            if u32_at(answer, 8)? == sequence {
                return read_answer(answer, family, &tuple);
            }
        }
    }
}

/// The number of this thread's network namespace.
///
/// # Errors
/// If `/proc` is not mounted.
pub fn namespace_id() -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata("/proc/thread-self/ns/net")?.ino())
}

/// Runs `work` on a thread that has entered `namespace`; the thread ends with it, so no other work is moved.
fn in_namespace<T: Send>(namespace: &File, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    use rustix::fd::AsFd;
    use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
    let joined = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                work()
            })
            .join()
    });
    joined.unwrap_or_else(|_| Err(io::Error::other("the thread in the namespace failed")))
}

fn pad(octets: &[u8; 4]) -> [u8; 16] {
    let mut padded = [0; 16];
    padded[..4].copy_from_slice(octets);
    padded
}

fn request(family: u8, sequence: u32, tuple: &[u8; 36]) -> [u8; REQUEST_BYTES] {
    let mut message = [0_u8; REQUEST_BYTES];
    message[0..4].copy_from_slice(&(REQUEST_BYTES as u32).to_ne_bytes());
    message[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    message[6..8].copy_from_slice(&NLM_F_REQUEST.to_ne_bytes());
    message[8..12].copy_from_slice(&sequence.to_ne_bytes());
    message[16] = family;
    message[17] = IPPROTO_TCP;
    message[20..24].copy_from_slice(&u32::MAX.to_ne_bytes());
    message[24..60].copy_from_slice(tuple);
    // Any interface, and INET_DIAG_NOCOOKIE: we do not know the cookie yet.
    message[64..72].copy_from_slice(&[0xff; 8]);
    message
}

fn read_answer(answer: &[u8], asked_family: u8, tuple: &[u8; 36]) -> Result<TcpOwner, CallerError> {
    let length = usize::try_from(u32_at(answer, 0)?).map_err(|_| CallerError::Malformed)?;
    let answer = answer.get(..length).ok_or(CallerError::Malformed)?;
    let kind = u16_at(answer, 4)?;
    if kind == NLMSG_ERROR {
        let errno = i32::from_ne_bytes(bytes_at(answer, HEADER_BYTES)?);
        return Err(match errno.checked_neg() {
            Some(libc::ENOENT) => CallerError::NoSuchSocket,
            Some(errno) if errno > 0 => CallerError::Io(io::Error::from_raw_os_error(errno)),
            _ => CallerError::Malformed,
        });
    }
    if kind != SOCK_DIAG_BY_FAMILY {
        return Err(CallerError::Malformed);
    }
    let message = answer.get(HEADER_BYTES..).ok_or(CallerError::Malformed)?;
    let [family, state, _, _] = bytes_at(message, 0)?;
    let found: [u8; 36] = bytes_at(message, 4)?;
    let uid = u32_at(message, 64)?;
    let inode = u32_at(message, 68)?;
    // A closed socket has no inode any more, and the kernel then says uid 0.
    if inode == 0 {
        return Err(CallerError::Orphan);
    }
    // WHY: when no connection matches, the kernel goes on to look for a listener on the caller's address. Someone
    // else may listen there; their uid must never be taken for the caller's.
    if state != TCP_ESTABLISHED || !same_tuple((family, &found), (asked_family, tuple)) {
        return Err(CallerError::OtherSocket);
    }
    let cookie = u64::from(u32_at(message, 44)?) | u64::from(u32_at(message, 48)?) << 32;
    Ok(TcpOwner {
        uid,
        inode,
        cookie,
        cgroup_id: cgroup_id(message.get(MESSAGE_BYTES..).unwrap_or_default()),
    })
}

/// The kernel may report a mapped IPv6 socket in either form, whichever form was asked for.
fn same_tuple(found: (u8, &[u8; 36]), asked: (u8, &[u8; 36])) -> bool {
    let address = |(family, tuple): (u8, &[u8; 36]), at: usize| -> Option<IpAddr> {
        if family == AF_INET6 {
            bytes_at::<16>(tuple, at)
                .ok()
                .map(|octets| IpAddr::from(octets).to_canonical())
        } else {
            bytes_at::<4>(tuple, at).ok().map(IpAddr::from)
        }
    };
    found.1[..4] == asked.1[..4]
        && address(found, 4) == address(asked, 4)
        && address(found, 20) == address(asked, 20)
}

fn cgroup_id(mut attributes: &[u8]) -> Option<u64> {
    while attributes.len() >= 4 {
        let length = usize::from(u16_at(attributes, 0).ok()?);
        let kind = u16_at(attributes, 2).ok()?;
        if length < 4 {
            return None;
        }
        if kind == INET_DIAG_CGROUP_ID {
            return attributes
                .get(..length)
                .and_then(|whole| bytes_at(whole, 4).ok())
                .map(u64::from_ne_bytes);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
    None
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], CallerError> {
    bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk().copied())
        .ok_or(CallerError::Malformed)
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32, CallerError> {
    bytes_at(bytes, at).map(u32::from_ne_bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16, CallerError> {
    bytes_at(bytes, at).map(u16::from_ne_bytes)
}

#[cfg(test)]
mod tests;
