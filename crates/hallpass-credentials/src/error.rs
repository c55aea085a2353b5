use crate::EndpointError;
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
    /// Not a command line: empty, or with a quote that is not closed.
    #[error("process is a command line: a program and its arguments")]
    Process,
    /// Not the ARNs of Roles Anywhere, or not of one region.
    #[error("trust anchor and profile are ARNs of Roles Anywhere, of one region")]
    TrustAnchor,
    /// A token's file cannot be read.
    #[error("`{}` cannot be read", .0.display())]
    TokenFile(PathBuf),
    /// The token service's address, or the certificates to trust.
    #[error("the token service: {0}")]
    Endpoint(#[from] EndpointError),
}

/// A fetch failed. For the log: the text holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// Nobody is there.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It answered with an error that says nothing more.
    #[error("answered {0}")]
    Status(u16),
    /// It answered with an error of AWS's shape.
    #[error("refused with {status} {code}: {message:?}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Such as `AccessDenied`.
        code: String,
        /// Its first line.
        message: String,
    },
    /// The answer is not what the protocol says.
    #[error("{0}")]
    Answer(&'static str),
    /// What would have to be shown cannot be read.
    #[error("`{}` cannot be read", .0.display())]
    TokenFile(PathBuf),
    /// A program gave none.
    #[error("the program {0}")]
    Program(String),
    /// It took too long.
    #[error("did not answer within the deadline")]
    Deadline,
    /// What signs the question is itself not to be had.
    #[error("there are no credentials to ask with: {0}")]
    NothingToSignWith(String),
}

/// Nothing valid is at hand, and why, for the log: the text holds nothing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {reason}")]
pub struct NoCredentials {
    /// What was asked.
    pub what: String,
    /// What it said, or the pause there is after that.
    pub reason: String,
}
