use crate::CallerError;
use rustix::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use rustix::io::Errno;

/// More groups than this is more than the kernel allows one process (`NGROUPS_MAX`).
const GROUPS_MAX: usize = 65_536;

/// Who connected a unix socket: recorded by the kernel at `connect(2)`, unforgeable, and unchanged by a later exec.
#[derive(Debug)]
pub struct UnixOwner {
    /// Effective user id at connect.
    pub uid: u32,
    /// Effective group id at connect.
    pub gid: u32,
    /// The process that connected. Its number may be someone else's by now: trust it only through `pidfd`.
    pub pid: u32,
    /// Supplementary groups at connect.
    pub groups: Vec<u32>,
    /// A handle on the very process that connected (`SO_PEERPIDFD`, Linux 6.5 and later).
    pub pidfd: Option<OwnedFd>,
}

/// Asks who connected the other end of the unix stream socket `socket`.
///
/// # Errors
/// [`CallerError::Io`] if it is not a connected unix socket.
pub fn unix_owner<Fd: AsFd>(socket: Fd) -> Result<UnixOwner, CallerError> {
    let socket = socket.as_fd();
    let credentials = rustix::net::sockopt::socket_peercred(socket)?;
    let pid = u32::try_from(credentials.pid.as_raw_nonzero().get()).map_err(|_| CallerError::Malformed)?;
    let groups = peer_groups(socket.as_raw_fd())?;
    Ok(UnixOwner {
        uid: credentials.uid.as_raw(),
        gid: credentials.gid.as_raw(),
        pid,
        groups,
        pidfd: peer_pidfd(socket.as_raw_fd()),
    })
}

/// `SO_PEERGROUPS`: the kernel says how long the list is (`ERANGE`) and is asked again.
fn peer_groups(socket: i32) -> Result<Vec<u32>, CallerError> {
    let mut groups = vec![0_u32; 64];
    loop {
        match get_option(socket, libc::SO_PEERGROUPS, &mut groups) {
            Ok(bytes) => {
                groups.truncate(bytes / size_of::<u32>());
                return Ok(groups);
            }
            Err(Errno::RANGE) if groups.len() < GROUPS_MAX => groups.resize(groups.len() * 4, 0),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn peer_pidfd(socket: i32) -> Option<OwnedFd> {
    let mut descriptor = [u32::MAX];
    get_option(socket, libc::SO_PEERPIDFD, &mut descriptor).ok()?;
    let raw = i32::try_from(descriptor[0]).ok()?;
    #[expect(
        unsafe_code,
        reason = "the kernel has just installed this descriptor for us; nobody else owns it"
    )]
    Some(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// One `getsockopt(2)` at `SOL_SOCKET` into `values`; the bytes written.
fn get_option(socket: i32, option: i32, values: &mut [u32]) -> Result<usize, Errno> {
    let mut length = libc::socklen_t::try_from(size_of_val(values)).map_err(|_| Errno::INVAL)?;
    #[expect(
        unsafe_code,
        reason = "rustix has neither option; pointer and length describe the one live slice"
    )]
    let status = unsafe {
        libc::getsockopt(
            socket,
            libc::SOL_SOCKET,
            option,
            values.as_mut_ptr().cast(),
            &mut length,
        )
    };
    if status == 0 {
        Ok(length as usize)
    } else {
        let error = std::io::Error::last_os_error();
        Err(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_socket_pair_is_this_very_process() {
        let (one, _two) = UnixStream::pair().unwrap();
        let owner = unix_owner(&one).unwrap();
        assert_eq!(owner.pid, std::process::id());
        assert_eq!(owner.uid, rustix::process::geteuid().as_raw());
        assert_eq!(owner.gid, rustix::process::getegid().as_raw());
    }

    #[test]
    fn a_tcp_socket_has_no_such_owner() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(unix_owner(&client).is_err());
    }
}
