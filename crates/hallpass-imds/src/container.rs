use crate::credentials::quote;
use crate::{CredentialView, ImdsResponse};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// 169.254.170.2, the ECS agent's address.
pub const ECS_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2));
/// 169.254.170.23, the EKS Pod Identity agent's IPv4 address.
pub const POD_IDENTITY_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23));
/// fd00:ec2::23, its IPv6 address.
pub const POD_IDENTITY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x23));

/// Why the container endpoint refuses, in the ECS agent's own codes where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerError {
    /// No `Authorization` header, or an empty one: what a client sends whose token file is empty.
    NoToken,
    /// The token is nobody's, or another caller's.
    InvalidToken,
    /// The token is right, but the rules do not (or no longer) give its role to this caller.
    NotAllowed,
    /// Credentials cannot be had just now.
    Unavailable,
}

/// Whose protocol an address speaks. Both give credentials alike and refuse differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerProtocol {
    /// The ECS agent's: JSON with a code, `/v2/credentials/ID`. Also what an address of no fixed meaning speaks.
    Ecs,
    /// The EKS Pod Identity agent's: a sentence, `/v1/credentials` only.
    PodIdentity,
}

impl ContainerProtocol {
    /// What AWS has at `address`, if it is one where nothing else is served.
    #[must_use]
    pub fn at(address: IpAddr) -> Option<Self> {
        if address == ECS_V4 {
            Some(Self::Ecs)
        } else if address == POD_IDENTITY_V4 || address == POD_IDENTITY_V6 {
            Some(Self::PodIdentity)
        } else {
            None
        }
    }

    /// Whether credentials are at the path `segments`.
    #[must_use]
    pub fn serves(self, segments: &[&str]) -> bool {
        match self {
            Self::Ecs => matches!(segments, ["v1" | "v2", "credentials", ..]),
            Self::PodIdentity => matches!(segments, ["v1", "credentials"]),
        }
    }

    /// The refusal. `reason` is what a person will read in their SDK's exception: no secrets.
    #[must_use]
    pub fn refusal(self, error: ContainerError, reason: &str) -> ImdsResponse {
        let (status, code) = match error {
            ContainerError::NoToken => (400, "NoIdInRequest"),
            ContainerError::InvalidToken => (400, "InvalidIdInRequest"),
            ContainerError::NotAllowed => (403, "AccessDenied"),
            ContainerError::Unavailable => (503, "CredentialsUninitialized"),
        };
        let response = match self {
            Self::Ecs => {
                let body = format!(
                    "{{\"code\":{},\"message\":{},\"HTTPErrorCode\":{status}}}",
                    quote(code),
                    quote(reason)
                );
                ImdsResponse::new(status, "application/json", body)
            }
            Self::PodIdentity => ImdsResponse::text(status, reason),
        };
        response.with("Cache-Control", "no-store")
    }
}

/// The credentials as the ECS and EKS endpoints show them.
#[must_use]
pub fn container_answer(credentials: &CredentialView<'_>) -> ImdsResponse {
    let fields = [
        ("RoleArn", credentials.role_arn),
        ("AccountId", credentials.account),
        ("AccessKeyId", credentials.access_key_id),
        ("SecretAccessKey", credentials.secret_access_key),
        ("Token", credentials.token),
        ("Expiration", &credentials.expires_at.iso8601()),
    ];
    let fields: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("{}:{}", quote(key), quote(value)))
        .collect();
    let body = format!("{{{}}}", fields.join(","));
    ImdsResponse::new(200, "application/json", body).with("Cache-Control", "no-store")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_protocol_and_its_paths() {
        let at = |text: &str| ContainerProtocol::at(text.parse().unwrap());
        assert_eq!(at("169.254.170.2"), Some(ContainerProtocol::Ecs));
        assert_eq!(at("169.254.170.23"), Some(ContainerProtocol::PodIdentity));
        assert_eq!(at("fd00:ec2::23"), Some(ContainerProtocol::PodIdentity));
        for other in ["127.0.0.1", "169.254.169.254", "fd00:ec2::254", "169.254.170.22"] {
            assert_eq!(at(other), None, "{other}");
        }
        for (segments, ecs, pod) in [
            (&["v1", "credentials"][..], true, true),
            (&["v2", "credentials", "x"], true, false),
            (&["v3", "credentials"], false, false),
            (&["latest", "meta-data"], false, false),
            (&[], false, false),
        ] {
            assert_eq!(ContainerProtocol::Ecs.serves(segments), ecs, "{segments:?}");
            assert_eq!(
                ContainerProtocol::PodIdentity.serves(segments),
                pod,
                "{segments:?}"
            );
        }
    }
}
