use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An address range in CIDR notation; a bare address is a range of one.
///
/// IPv4-mapped IPv6 addresses count as IPv4, so a dual-stack listener and an IPv4 one judge alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

/// The text is not `ADDRESS` or `ADDRESS/BITS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or address range in CIDR notation")]
pub struct NetworkError;

impl Network {
    /// Whether `address` lies in this range. The two families never match each other.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let (left, right, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let ignored_bits = width - u32::from(self.prefix_bits);
        left.checked_shr(ignored_bits).unwrap_or(0) == right.checked_shr(ignored_bits).unwrap_or(0)
    }
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self {
            address,
            prefix_bits: if address.is_ipv4() { 32 } else { 128 },
        }
    }
}

impl FromStr for Network {
    type Err = NetworkError;
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            None => width,
            Some(bits) if bits.bytes().all(|b| b.is_ascii_digit()) => {
                bits.parse().map_err(|_| NetworkError)?
            }
            Some(_) => return Err(NetworkError),
        };
        if prefix_bits > width {
            Err(NetworkError)
        } else {
            Ok(Self { address, prefix_bits })
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// What the gateway does with a session used from outside its binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BindingMode {
    /// Refuse. The default for every session issued to an instance.
    #[default]
    Enforce,
    /// Let it pass and say so in the audit record.
    Report,
    /// Do not look.
    Off,
}

/// Where a session may be used from. A session chained from a bound one inherits the binding.
///
/// Absent (`None` in the claims) means unbound: a person's own `AssumeRole`, say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// What happens outside.
    pub mode: BindingMode,
    /// The instance's addresses, as seen by the gateway.
    pub networks: Vec<Network>,
    /// SHA-256 of certificates (DER), in lower-case hex, or of their public keys, after `key:`. With any, a request must
    /// come over TLS with one of them, from whatever address: behind NAT an address says little.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
}

/// The session was used from an address outside its binding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this session is bound to {allowed} and was used from {from}")]
pub struct BindingRefused {
    /// The address the request came from.
    pub from: IpAddr,
    /// The ranges it may come from, or the certificates it must come with, as text.
    pub allowed: String,
}

impl Binding {
    /// Whether a request from `from`, over TLS with the certificate of these names, satisfies the binding; `Ok(false)`
    /// when it does not but only a report is asked.
    ///
    /// # Errors
    /// [`BindingRefused`] when the mode is [`BindingMode::Enforce`] and the request comes otherwise.
    pub fn check(&self, from: IpAddr, shown: &[String]) -> Result<bool, BindingRefused> {
        let inside = if self.certificates.is_empty() {
            self.networks.iter().any(|network| network.contains(from))
        } else {
            self.certificates.iter().any(|bound| shown.contains(bound))
        };
        match self.mode {
            BindingMode::Off => Ok(true),
            _ if inside => Ok(true),
            BindingMode::Report => Ok(false),
            BindingMode::Enforce => {
                let allowed = if self.certificates.is_empty() {
                    let networks = self.networks.iter().map(Network::to_string);
                    networks.collect::<Vec<_>>().join(", ")
                } else {
                    "a certificate".to_owned()
                };
                Err(BindingRefused { from, allowed })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(network: &str, address: &str, expect: bool) {
        let network: Network = network.parse().unwrap();
        assert_eq!(
            network.contains(address.parse().unwrap()),
            expect,
            "{network} {address}"
        );
    }

    #[test]
    fn ranges_hold_their_edges_and_nothing_beyond() {
        check("10.77.0.0/24", "10.77.0.0", true);
        check("10.77.0.0/24", "10.77.0.255", true);
        check("10.77.0.0/24", "10.77.1.0", false);
        check("10.77.0.1", "10.77.0.1", true);
        check("10.77.0.1", "10.77.0.2", false);
        check("0.0.0.0/0", "203.0.113.9", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "2001:db8::1", true);
        check("fd00::/8", "fd00:ec2::254", true);
    }

    #[test]
    fn a_mapped_address_is_judged_as_the_ipv4_address_it_is() {
        check("127.0.0.0/8", "::ffff:127.0.0.1", true);
        check("10.0.0.0/8", "::ffff:127.0.0.1", false);
    }

    #[test]
    fn odd_texts_are_not_networks() {
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/",
        ] {
            assert_eq!(bad.parse::<Network>(), Err(NetworkError), "{bad}");
        }
    }

    #[test]
    fn enforcing_refuses_reporting_tells_and_off_is_silent() {
        let from = "10.0.0.9".parse().unwrap();
        let mut binding = Binding {
            mode: BindingMode::Enforce,
            networks: vec!["10.0.0.1".parse().unwrap()],
            certificates: vec![],
        };
        assert!(
            binding
                .check(from, &[])
                .unwrap_err()
                .to_string()
                .contains("10.0.0.1/32")
        );
        binding.mode = BindingMode::Report;
        assert_eq!(binding.check(from, &[]), Ok(false));
        binding.mode = BindingMode::Off;
        assert_eq!(binding.check(from, &[]), Ok(true));
    }

    #[test]
    fn a_certificate_counts_instead_of_the_address() {
        let (inside, elsewhere) = ("10.0.0.1".parse().unwrap(), "10.0.0.9".parse().unwrap());
        let binding = Binding {
            mode: BindingMode::Enforce,
            networks: vec!["10.0.0.1".parse().unwrap()],
            certificates: vec!["aa".to_owned()],
        };
        assert_eq!(binding.check(elsewhere, &["aa".to_owned()]), Ok(true));
        assert!(binding.check(inside, &[]).is_err());
        assert!(binding.check(inside, &["bb".to_owned()]).is_err());
    }
}
