use crate::credentials::quote;
use crate::{CredentialView, ImdsResponse};

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

/// The error in the ECS agent's shape. `reason` is what a person will read in their SDK's exception: no secrets.
#[must_use]
pub fn container_error(error: ContainerError, reason: &str) -> ImdsResponse {
    let (status, code) = match error {
        ContainerError::NoToken => (400, "NoIdInRequest"),
        ContainerError::InvalidToken => (400, "InvalidIdInRequest"),
        ContainerError::NotAllowed => (403, "AccessDenied"),
        ContainerError::Unavailable => (503, "CredentialsUninitialized"),
    };
    let body = format!(
        "{{\"code\":{},\"message\":{},\"HTTPErrorCode\":{status}}}",
        quote(code),
        quote(reason)
    );
    ImdsResponse::new(status, "application/json", body).with("Cache-Control", "no-store")
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
