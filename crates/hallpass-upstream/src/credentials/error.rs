use crate::target::EndpointError;
use std::path::PathBuf;

/// A source of credentials cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// Not an address of a metadata service.
    #[error("metadata is an http or https URL of a host, without query or user")]
    Metadata,
    /// Not an address that container credentials may be fetched from.
    #[error(
        "container is an https URL, or an http URL of this machine, 169.254.170.2, 169.254.170.23 or [fd00:ec2::23]"
    )]
    Container,
    /// A variable is missing or no credential.
    #[error("the environment's {0} is missing or not one")]
    Environment(&'static str),
    /// A token's file cannot be read.
    #[error("`{}` cannot be read", .0.display())]
    TokenFile(PathBuf),
    /// The token service's address, or the certificates to trust.
    #[error("the token service: {0}")]
    Endpoint(#[from] EndpointError),
}

/// A fetch failed. For the log: the text holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("answered {0}")]
    Status(u16),
    #[error("refused with {status} {code}: {message:?}")]
    Refused {
        status: u16,
        code: String,
        message: String,
    },
    #[error("{0}")]
    Answer(&'static str),
    #[error("`{}` cannot be read", .0.display())]
    TokenFile(PathBuf),
    #[error("did not answer within the deadline")]
    Deadline,
    #[error("there are no credentials to ask with")]
    NothingToSignWith,
}
