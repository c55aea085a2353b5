//! The PROXY protocol, versions 1 and 2: who is behind a proxy that the operator trusts.
//!
//! # Source
//! haproxy, "The PROXY protocol", versions 1 and 2.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::{AsyncRead, AsyncReadExt as _};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The longest line of version 1, its end included.
const LINE_BYTES_MAX: usize = 107;
/// What version 2 may add to the addresses; ours are read and forgotten.
const HEADER_BYTES_MAX: usize = 4 * 1_024;

/// Reads the header from the start of a connection, and not one byte more.
///
/// Returns the client's address; `None` when the proxy speaks for itself (`LOCAL`, `UNKNOWN`), as its health checks do.
///
/// # Errors
/// Whatever the stream says, and `InvalidData` for anything that is not a header: the connection must then end, since
/// a proxy that was promised and does not speak leaves the client's address to whoever connects.
pub(crate) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    if &start == SIGNATURE {
        return version_2(stream).await;
    }
    if start.starts_with(b"PROXY ") {
        return version_1(stream, &start).await;
    }
    Err(invalid("no PROXY protocol header"))
}

async fn version_1<S: AsyncRead + Unpin>(stream: &mut S, start: &[u8]) -> io::Result<Option<SocketAddr>> {
    let mut line = start.to_vec();
    while !line.ends_with(b"\r\n") {
        if line.len() >= LINE_BYTES_MAX || line.ends_with(b"\n") {
            return Err(invalid("the PROXY line does not end"));
        }
        line.push(stream.read_u8().await?);
    }
    parse_line(&line).ok_or_else(|| invalid("the PROXY line is malformed"))
}

/// `PROXY TCP4 SOURCE DESTINATION PORT PORT\r\n`. The outer `None`: malformed; the inner: nobody named.
fn parse_line(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let mut words = line.strip_prefix("PROXY ")?.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let (source, destination): (IpAddr, IpAddr) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let port = |text: &str| {
        let is_plain =
            text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        text.parse::<u16>().ok().filter(|_| is_plain)
    };
    let source_port = port(words.next()?)?;
    port(words.next()?)?;
    let fits = match family {
        "TCP4" => source.is_ipv4() && destination.is_ipv4(),
        "TCP6" => source.is_ipv6() && destination.is_ipv6(),
        _ => false,
    };
    (fits && words.next().is_none()).then_some(Some(SocketAddr::new(source, source_port)))
}

async fn version_2<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<SocketAddr>> {
    let mut fixed = [0; 4];
    stream.read_exact(&mut fixed).await?;
    let [version_and_command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > HEADER_BYTES_MAX {
        return Err(invalid("the PROXY header is too long"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match version_and_command {
        // LOCAL: whatever addresses follow are to be ignored.
        0x20 => Ok(None),
        0x21 => addresses(family, &rest).ok_or_else(|| invalid("the PROXY header names no TCP client")),
        _ => Err(invalid("the PROXY header has an unknown version or command")),
    }
}

/// The source among the addresses of TCP over IPv4 or IPv6. `AF_UNSPEC` names nobody.
fn addresses(family: u8, rest: &[u8]) -> Option<Option<SocketAddr>> {
    let port = |at: usize| {
        let bytes: [u8; 2] = rest.get(at..at + 2)?.try_into().ok()?;
        Some(u16::from_be_bytes(bytes))
    };
    match family {
        0x00 => Some(None),
        0x11 => {
            let source: [u8; 4] = rest.get(..4)?.try_into().ok()?;
            rest.get(..12)?;
            Some(Some(SocketAddr::new(Ipv4Addr::from(source).into(), port(8)?)))
        }
        0x21 => {
            let source: [u8; 16] = rest.get(..16)?.try_into().ok()?;
            rest.get(..36)?;
            Some(Some(SocketAddr::new(Ipv6Addr::from(source).into(), port(32)?)))
        }
        _ => None,
    }
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(bytes: &[u8]) -> io::Result<(Option<SocketAddr>, Vec<u8>)> {
        let mut stream = bytes;
        let found = read(&mut stream).await?;
        Ok((found, stream.to_vec()))
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE.as_slice(), &[command, family], &length, rest].concat()
    }

    #[tokio::test]
    async fn the_client_is_named_and_what_follows_is_left_alone() {
        let (found, rest) = all(b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 443\r\nGET / HTTP/1.1\r\n")
            .await
            .unwrap();
        assert_eq!(found, Some("192.0.2.7:4321".parse().unwrap()));
        assert_eq!(rest, b"GET / HTTP/1.1\r\n");
        let (found, _) = all(b"PROXY TCP6 2001:db8::7 2001:db8::1 4321 443\r\n")
            .await
            .unwrap();
        assert_eq!(found, Some("[2001:db8::7]:4321".parse().unwrap()));
        let mut four = vec![192, 0, 2, 7, 192, 0, 2, 1, 0x10, 0xe1, 1, 0xbb];
        four.extend_from_slice(b"\x04\0\x01x");
        let (found, rest) = all(&[v2(0x21, 0x11, &four), b"rest".to_vec()].concat())
            .await
            .unwrap();
        assert_eq!(
            (found, rest.as_slice()),
            (Some("192.0.2.7:4321".parse().unwrap()), b"rest".as_slice())
        );
    }

    #[tokio::test]
    async fn a_proxy_may_speak_for_itself() {
        assert_eq!(all(b"PROXY UNKNOWN\r\n").await.unwrap().0, None);
        assert_eq!(all(&v2(0x20, 0x11, &[0; 12])).await.unwrap().0, None);
        assert_eq!(all(&v2(0x21, 0x00, &[])).await.unwrap().0, None);
    }

    #[tokio::test]
    async fn anything_else_ends_the_connection() {
        for bad in [
            b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".as_slice(),
            b"PROXY TCP4 192.0.2.7 192.0.2.1 4321\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 04321 443\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 443 x\r\n",
            b"PROXY TCP4 2001:db8::7 2001:db8::1 4321 443\r\n",
            b"PROXY TCP4 192.0.2.7 192.0.2.1 4321 443\n",
            b"PROXY UDP4 192.0.2.7 192.0.2.1 4321 443\r\n",
            b"PROXY TCP4",
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x21, &[0; 35]),
            &v2(0x21, 0x12, &[0; 12]),
            &v2(0x31, 0x11, &[0; 12]),
            &[SIGNATURE.as_slice(), &[0x21, 0x11, 0xff, 0xff]].concat(),
            &[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(),
        ] {
            assert!(all(bad).await.is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
