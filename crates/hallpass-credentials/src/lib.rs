//! Where real AWS credentials come from.
//!
//! A [`Source`] gives one set: a file's, the environment's, a metadata service's, a container endpoint's, a program's,
//! a certificate's. [`Sts`]
//! exchanges them, or a web identity, for sessions of a role. What is fetched is kept by [`Refreshed`]: one fetch at a
//! time however many ask, ahead of the expiry, the last good served to its end, never anything empty.

mod client;
mod connector;
mod container;
mod document;
mod endpoint;
mod environment;
mod error;
mod metadata;
mod process;
mod profile;
mod refreshed;
mod roles_anywhere;
mod source;
mod sts;

pub use client::read_token;
pub use connector::{connector, connector_from, http2_connector, jittered};
pub use endpoint::{Endpoint, EndpointError, Resolved};
pub use error::{CredentialsError, FetchError, NoCredentials};
pub use metadata::{MetadataService, MetadataSession};
pub use profile::ProfileFile;
pub use refreshed::{Fetch, Fetched, Refreshed};
pub use roles_anywhere::RolesAnywhereConfig;
pub use source::{Source, check_token_file};
pub use sts::{Assumed, Sts};
