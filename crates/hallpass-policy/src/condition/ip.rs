//! `IpAddress` and `NotIpAddress`: IPv4 and IPv6 networks side by side.

use super::Truth;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const V4_BITS: u32 = 32;
const V6_BITS: u32 = 128;
/// An IPv4-mapped IPv6 network is an IPv4 network behind this many fixed bits.
const MAPPED_BITS: u32 = 96;

/// An address range. Mapped addresses are unwrapped first: otherwise `::ffff:203.0.113.1` would slip past a
/// `NotIpAddress` written for IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let full = match address {
            IpAddr::V4(_) => V4_BITS,
            // The text of the guide says /32 for every bare address; on IPv6 that would admit 2^96 hosts.
            IpAddr::V6(_) => V6_BITS,
        };
        let bits = match length {
            None => full,
            Some(length) if length.bytes().all(|byte| byte.is_ascii_digit()) => length.parse().ok()?,
            Some(_) => return None,
        };
        if bits > full {
            return None;
        }
        let canonical = address.to_canonical();
        if canonical.is_ipv4() && address.is_ipv6() && bits >= MAPPED_BITS {
            return Some(Self {
                address: canonical,
                bits: bits - MAPPED_BITS,
            });
        }
        Some(Self { address, bits })
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differing = network.to_bits() ^ address.to_bits();
                differing.checked_shr(V4_BITS - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => same_head(network, address, self.bits),
            // A wide IPv6 network that happens to cover the mapped block holds IPv4 callers too.
            (IpAddr::V6(network), IpAddr::V4(address)) => {
                same_head(network, address.to_ipv6_mapped(), self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }
}

impl Network {
    fn edges(self) -> impl Iterator<Item = IpAddr> {
        let (first, after) = match self.address {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(self.bits).unwrap_or(0);
                let last = address.to_bits() | host;
                let first = IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & !host));
                (
                    first,
                    last.checked_add(1)
                        .map(|next| IpAddr::V4(Ipv4Addr::from_bits(next))),
                )
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(self.bits).unwrap_or(0);
                let last = address.to_bits() | host;
                let first = IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !host));
                (
                    first,
                    last.checked_add(1)
                        .map(|next| IpAddr::V6(Ipv6Addr::from_bits(next))),
                )
            }
        };
        std::iter::once(first).chain(after)
    }
}

fn same_head(left: Ipv6Addr, right: Ipv6Addr, bits: u32) -> bool {
    (left.to_bits() ^ right.to_bits())
        .checked_shr(V6_BITS - bits)
        .unwrap_or(0)
        == 0
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values(Vec<Network>);

impl Values {
    /// `None` when a value is neither an address nor a network.
    pub(super) fn parse(texts: &[Box<str>]) -> Option<Self> {
        texts
            .iter()
            .map(|text| Network::parse(text))
            .collect::<Option<_>>()
            .map(Self)
    }

    pub(super) fn match_any(&self, value: &str) -> Truth {
        match value.parse::<IpAddr>() {
            Ok(address) => {
                let address = address.to_canonical();
                self.0.iter().any(|network| network.contains(address)).into()
            }
            Err(_) => Truth::Unknown,
        }
    }

    /// Where addresses start or cease to belong to a network: its first address, and the first one after it.
    pub(super) fn edges(&self) -> Vec<IpAddr> {
        self.0.iter().flat_map(|network| network.edges()).collect()
    }
}
