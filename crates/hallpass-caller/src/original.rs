use rustix::fd::AsFd;
use rustix::net::sockopt;
use std::net::SocketAddr;

/// Where the peer of an accepted connection connected to, if the packet filter redirected it here: `None` when it
/// connected to `local`, and where the kernel tracks no connections (`SO_ORIGINAL_DST`, linux/netfilter_ipv4.h).
///
/// The peer's own socket has this address as its other end, so this is what the kernel must be asked about.
#[must_use]
pub fn original_destination<Fd: AsFd>(socket: Fd, local: SocketAddr) -> Option<SocketAddr> {
    let is_v4 = local.ip().to_canonical().is_ipv4();
    let original: SocketAddr = if is_v4 {
        sockopt::ip_original_dst(socket).ok()?.into()
    } else {
        sockopt::ipv6_original_dst(socket).ok()?.into()
    };
    let same = original.ip() == local.ip().to_canonical() && original.port() == local.port();
    (!same).then_some(original)
}
