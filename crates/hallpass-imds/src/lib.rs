//! The rules of the EC2 metadata service and of the ECS credential endpoint: a request in, a reply out.
//!
//! Pure: no sockets, no clock, no randomness. The shell says who asks and what time it is, and draws the nonces.
//! [`respond`] answers everything itself but credentials: for those it returns [`Reply::Credentials`], the shell fetches
//! the lease, records the event, and calls [`credentials_answer`].
//!
//! What SDKs really do with odd answers decides the details: a caller without a role gets an **empty** 404 at the role
//! list, the list holds exactly one name and no newline, dates end in `Z`, the token's reply always carries its TTL.
//!
//! Not served, on purpose: `identity-credentials` (internal), `managed-ssh-keys` and `public-keys` (a fake service must
//! not be able to plant login keys), `pkcs7`, `rsa2048` and `signature` (only AWS can sign those).

mod container;
mod credentials;
mod guard;
mod path;
mod reply;
mod respond;
mod token;
mod tree;

pub use container::{
    ContainerError, ContainerProtocol, ECS_V4, POD_IDENTITY_V4, POD_IDENTITY_V6, container_answer,
};
pub use credentials::{CredentialView, credentials_answer, info_document};
pub use guard::{HostPolicy, check_headers};
pub use path::{Normal, PathError, normalize};
pub use reply::{ImdsResponse, html};
pub use respond::{CallerView, Door, ImdsRequest, Need, Reply, Service, need, respond};
pub use token::{TOKEN_TTL_SECONDS_MAX, TokenError, TokenKey};
pub use tree::{InstanceView, Tree};
