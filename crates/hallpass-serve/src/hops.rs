//! Who really asks, when a proxy stands between: believed only of proxies the operator names.

use hallpass_gateway::{Connection, ListenerConfig, RequestHead};
use hallpass_session::Network;
use std::net::{IpAddr, SocketAddr};

/// The connection as policy and binding are to see it: with the address of the client behind trusted hops.
///
/// `X-Forwarded-For` is read from the right: each hop appends whom it heard from, so the first address that is no
/// trusted hop is the client, and whatever stands left of it is what that client said. From anyone else the header
/// means nothing.
pub(crate) fn judged(connection: Connection, head: &RequestHead, config: &ListenerConfig) -> Connection {
    if !is_in(&config.trusted_hops, connection.peer.ip()) {
        return connection;
    }
    let values = head.headers.get_all("x-forwarded-for").iter();
    let listed: Vec<&str> = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let mut client = connection.peer;
    for text in listed.iter().rev() {
        // What no hop of ours would write ends the search: the last known address stands.
        let Some(address) = address(text) else { break };
        client = SocketAddr::new(address.to_canonical(), 0);
        if !is_in(&config.trusted_hops, address) {
            break;
        }
    }
    let is_tls = match head.headers.get_all("x-forwarded-proto").iter().next_back() {
        Some(protocol) => protocol.as_bytes().eq_ignore_ascii_case(b"https"),
        None => connection.is_tls,
    };
    Connection {
        peer: client,
        is_tls,
        ..connection
    }
}

pub(crate) fn is_in(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// An address, perhaps with a port, as proxies write it.
fn address(text: &str) -> Option<IpAddr> {
    let socket = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(socket).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> String {
        let config = ListenerConfig {
            trusted_hops: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            ..ListenerConfig::default()
        };
        let mut request = http::Request::get("/");
        for value in forwarded {
            request = request.header("x-forwarded-for", *value);
        }
        let head = RequestHead::new(request.body(()).unwrap().into_parts().0);
        let connection = Connection {
            peer: SocketAddr::new(peer.parse().unwrap(), 1),
            local: "127.0.0.1:1".parse().unwrap(),
            is_tls: false,
            certificate: None,
        };
        judged(connection, &head, &config).peer.ip().to_string()
    }

    #[test]
    fn only_trusted_hops_are_believed_and_only_up_to_the_first_stranger() {
        assert_eq!(client("192.0.2.1", &["198.51.100.9"]), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.9"]), "198.51.100.9");
        assert_eq!(
            client("10.0.0.1", &["127.0.0.1, 198.51.100.9, 10.0.0.2"]),
            "198.51.100.9"
        );
        assert_eq!(client("10.0.0.1", &["127.0.0.1", "198.51.100.9"]), "198.51.100.9");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["unknown"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["127.0.0.1, junk, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("2001:db8::1", &["[2001:db9::1]:443"]), "2001:db9::1");
    }
}
