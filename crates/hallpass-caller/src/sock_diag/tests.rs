use super::*;
use std::net::{TcpListener, TcpStream};

fn connected(
    listen: &str,
    connect: impl Fn(u16) -> String,
) -> (TcpStream, TcpStream, SocketAddr, SocketAddr) {
    let listener = TcpListener::bind(listen).unwrap();
    let client = TcpStream::connect(connect(listener.local_addr().unwrap().port())).unwrap();
    let (accepted, peer) = listener.accept().unwrap();
    let local = accepted.local_addr().unwrap();
    (client, accepted, peer, local)
}

#[test]
fn a_local_client_is_found_with_its_uid_and_inode() {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;
    let (client, _accepted, peer, local) = connected("127.0.0.1:0", |port| format!("127.0.0.1:{port}"));
    let owner = SockDiag::open().unwrap().tcp_owner(peer, local).unwrap();
    let inode = std::fs::metadata(format!("/proc/self/fd/{}", client.as_raw_fd()))
        .unwrap()
        .ino();
    assert_eq!(u64::from(owner.inode), inode);
    assert_eq!(owner.uid, rustix::process::geteuid().as_raw());
}

#[test]
fn an_ipv6_socket_that_speaks_ipv4_is_found() {
    let (client, _accepted, peer, local) =
        connected("127.0.0.1:0", |port| format!("[::ffff:127.0.0.1]:{port}"));
    assert!(client.local_addr().unwrap().is_ipv6());
    assert!(peer.is_ipv4());
    SockDiag::open().unwrap().tcp_owner(peer, local).unwrap();
}

#[test]
fn an_ipv6_listener_sees_a_mapped_peer() {
    let (_client, _accepted, peer, local) = connected("[::]:0", |port| format!("127.0.0.1:{port}"));
    assert!(peer.is_ipv6());
    SockDiag::open().unwrap().tcp_owner(peer, local).unwrap();
}

#[test]
fn an_ipv6_client_is_found() {
    let (_client, _accepted, peer, local) = connected("[::1]:0", |port| format!("[::1]:{port}"));
    SockDiag::open().unwrap().tcp_owner(peer, local).unwrap();
}

#[test]
fn a_closed_client_is_refused_although_the_kernel_would_say_root() {
    let (client, _accepted, peer, local) = connected("127.0.0.1:0", |port| format!("127.0.0.1:{port}"));
    drop(client);
    let error = SockDiag::open().unwrap().tcp_owner(peer, local).unwrap_err();
    assert!(matches!(error, CallerError::Orphan), "{error}");
}

#[test]
fn a_client_that_never_was_is_refused() {
    let (_client, _accepted, peer, mut local) = connected("127.0.0.1:0", |port| format!("127.0.0.1:{port}"));
    local.set_port(1);
    let error = SockDiag::open().unwrap().tcp_owner(peer, local).unwrap_err();
    assert!(matches!(error, CallerError::NoSuchSocket), "{error}");
}

#[test]
fn a_listener_on_the_callers_address_is_not_the_caller() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    let error = SockDiag::open()
        .unwrap()
        .tcp_owner(here, "127.0.0.1:9".parse().unwrap())
        .unwrap_err();
    assert!(matches!(error, CallerError::OtherSocket), "{error}");
}

#[test]
fn mixed_families_are_refused() {
    let error = SockDiag::open()
        .unwrap()
        .tcp_owner("127.0.0.1:5".parse().unwrap(), "[::1]:6".parse().unwrap());
    assert!(matches!(error, Err(CallerError::NotLocal)));
}

#[test]
fn a_truncated_or_foreign_answer_is_malformed_not_a_panic() {
    for length in 0..80 {
        let mut answer = vec![0_u8; length];
        if length >= 4 {
            answer[..4].copy_from_slice(&(length as u32).to_ne_bytes());
        }
        assert!(read_answer(&answer, AF_INET, &[0; 36]).is_err());
    }
}
