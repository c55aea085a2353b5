//! The addresses by which the gateway sees processes of this machine.

use hallpass_session::Network;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::process::Command;

/// This machine's private address, and all addresses that sessions of it may be used from: 127.0.0.1 and ::1 (not all
/// of 127/8, whose other addresses tests use as other machines), the API's own, and those of the interfaces.
pub(crate) fn own_addresses(api: IpAddr) -> (IpAddr, Vec<Network>) {
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    if !api.is_unspecified() {
        addresses.push(api);
    }
    addresses.extend(interface_addresses());
    let mut networks: Vec<Network> = vec![];
    for address in &addresses {
        let network = Network::from(*address);
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    let outward = addresses
        .iter()
        .copied()
        .find(|address| address.is_ipv4() && !address.is_loopback());
    (outward.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)), networks)
}

/// The addresses of all interfaces. Without the `ip` program only the one the default route uses is known, and that
/// only if there is a route.
fn interface_addresses() -> Vec<IpAddr> {
    let listed = Command::new("ip")
        .args(["-j", "addr", "show", "scope", "global"])
        .output();
    if let Ok(output) = listed
        && output.status.success()
        && let Ok(links) = serde_json::from_slice::<Vec<serde_json::Value>>(&output.stdout)
    {
        let addresses = links
            .iter()
            .flat_map(|link| link["addr_info"].as_array().cloned().unwrap_or_default());
        // The metadata service's own address is nobody's.
        let link_local = |address: &IpAddr| matches!(address, IpAddr::V4(v4) if v4.is_link_local());
        return addresses
            .filter_map(|info| info["local"].as_str()?.parse().ok())
            .filter(|address| !link_local(address))
            .collect();
    }
    // Connecting a datagram socket sends nothing; it only chooses the source address.
    let chosen = UdpSocket::bind("0.0.0.0:0")
        .and_then(|socket| socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr()));
    chosen.map(|address| address.ip()).into_iter().collect()
}
