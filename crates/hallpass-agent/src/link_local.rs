//! The well-known metadata addresses, on the loopback interface of this machine.
//!
//! Adding an address to `lo` is not enough: a neighbour on the network with a route to it would be answered. The
//! listener is therefore bound to the *device* `lo`; packets that arrive by any other never reach it.

pub use hallpass_imds::{ECS_V4, POD_IDENTITY_V4, POD_IDENTITY_V6};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::{Command, Output, Stdio};
use tokio::net::{TcpListener, TcpSocket};

/// 169.254.169.254, the metadata service's IPv4 address.
pub const METADATA_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
/// fd00:ec2::254, its IPv6 address.
pub const METADATA_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x254));

/// Whether an address of this kind can be had at all: IPv6 is off on many a machine, and that is no mistake.
#[must_use]
pub fn can_have(address: IpAddr) -> bool {
    let listed = || std::fs::read_to_string("/proc/self/net/if_inet6");
    // Even `lo` has one where it is on.
    address.is_ipv4() || listed().is_ok_and(|text| !text.trim().is_empty())
}

/// An address that is on `lo` while this lives. Dropping removes it, if it was added by this.
#[derive(Debug)]
pub struct LoopbackAddress {
    address: IpAddr,
    added: bool,
}

impl LoopbackAddress {
    /// Adds `address` to `lo`, unless it is there already. Needs `CAP_NET_ADMIN` and `ip` (iproute2).
    ///
    /// # Errors
    /// What `ip` says.
    pub fn add(address: IpAddr) -> io::Result<Self> {
        let output = ip("add", address)?;
        if output.status.success() {
            return Ok(Self { address, added: true });
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        // Someone added it before: another agent, or one that was killed. It stays theirs to remove.
        if said.contains("File exists") || said.contains("already assigned") {
            return Ok(Self {
                address,
                added: false,
            });
        }
        Err(io::Error::other(format!("ip addr add {address} dev lo: {said}")))
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Whether it was added by this, and will be removed by it.
    #[must_use]
    pub fn added(&self) -> bool {
        self.added
    }
}

impl Drop for LoopbackAddress {
    fn drop(&mut self) {
        if self.added
            && let Err(error) = ip("del", self.address)
        {
            tracing::warn!(address = %self.address, %error, "cannot take the address off the loopback interface");
        }
    }
}

fn ip(verb: &str, address: IpAddr) -> io::Result<Output> {
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    let mut command = Command::new("ip");
    command.args(["addr", verb, &format!("{address}/{prefix}"), "dev", "lo"]);
    if address.is_ipv6() && verb == "add" {
        // No neighbour can have it, so waiting for duplicates would only delay the bind.
        command.arg("nodad");
    }
    command.env("LC_ALL", "C").stdin(Stdio::null()).output()
}

/// Listens on `address`, for packets of the loopback device only. Needs `CAP_NET_RAW`, and `CAP_NET_BIND_SERVICE` for
/// port 80.
///
/// # Errors
/// What the kernel says; `AddrInUse` if another metadata proxy is there.
pub fn listen_on_loopback(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind_device(Some(b"lo"))?;
    socket.bind(address)?;
    socket.listen(1024)
}
