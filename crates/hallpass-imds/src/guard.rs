use crate::{ImdsResponse, html};
use http::HeaderMap;
use std::net::IpAddr;

/// Which `Host` names are this service's. Any port is accepted: some clients leave it out, some never do.
#[derive(Debug, Clone, Default)]
pub struct HostPolicy {
    /// Addresses the service is bound to, beyond loopback and the well-known link-local ones.
    pub bound: Vec<IpAddr>,
}

/// The addresses AWS documents for metadata, ECS and EKS credentials.
const WELL_KNOWN: [&str; 5] = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "fd00:ec2::254",
    "fd00:ec2::23",
];

impl HostPolicy {
    /// Whether `authority` (`host`, `host:port`, `[v6]`, `[v6]:port`) names this service.
    #[must_use]
    pub fn admits(&self, authority: &str) -> bool {
        let Some(host) = host_part(authority) else {
            return false;
        };
        if host.eq_ignore_ascii_case("localhost") {
            return true;
        }
        // Only an address in its one canonical notation is read: no octal, no short forms, no names.
        let Ok(address) = host.parse::<IpAddr>() else {
            return false;
        };
        address.is_loopback()
            || self.bound.contains(&address)
            || WELL_KNOWN.iter().any(|known| known.parse() == Ok(address))
    }
}

fn host_part(authority: &str) -> Option<&str> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']')?,
        None => match authority.find(':') {
            Some(at) => authority.split_at(at),
            None => (authority, ""),
        },
    };
    let port_is_fine = match rest.strip_prefix(':') {
        Some(port) => !port.is_empty() && port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit()),
        None => rest.is_empty(),
    };
    port_is_fine.then_some(host)
}

/// Refuses what a browser, a rebinding page or a confused proxy would send.
///
/// `Host` must be there once and be ours, and so must the authority of an absolute-form target. `Origin`, `Referer`
/// and `Sec-Fetch-*` are only ever sent by browsers. `Connection: Upgrade, HTTP2-Settings` is served: real agents send
/// it.
/// # Errors
/// The 403 to send.
pub fn check_headers(
    hosts: &HostPolicy,
    authority: Option<&str>,
    headers: &HeaderMap,
) -> Result<(), ImdsResponse> {
    let mut host = headers.get_all(http::header::HOST).iter();
    let one_host = match (host.next(), host.next()) {
        (Some(host), None) => host.to_str().is_ok_and(|host| hosts.admits(host)),
        _ => false,
    };
    if !one_host || authority.is_some_and(|authority| !hosts.admits(authority)) {
        return Err(html(403));
    }
    let browser = |name: &str| name == "origin" || name == "referer" || name.starts_with("sec-fetch-");
    if headers.keys().any(|name| browser(name.as_str())) {
        return Err(html(403));
    }
    Ok(())
}

/// Whether the request passed a proxy: then the process that sent it is not the one that wanted it.
pub(crate) fn forwarded(headers: &HeaderMap) -> bool {
    const MARKS: [&str; 6] = [
        "x-forwarded-for",
        "x_forwarded_for",
        "x-forwarded-host",
        "forwarded",
        "via",
        "x-real-ip",
    ];
    headers.keys().any(|name| MARKS.contains(&name.as_str()))
}
