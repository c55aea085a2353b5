//! What the gateway forwards to.
//!
//! An [`Upstream`] serves [`ForwardRequest`]s, which only exist with a [`Permit`](hallpass_access::Permit); their
//! [`VerifiedBody`] never completes unless it was proven. [`HttpUpstream`] is any S3-compatible endpoint: the request
//! is rebuilt from an allow-list, signed anew and streamed. Other services' requests are [`ApiForward`]s; a stream of events among
//! them passes as [`VerifiedEvents`], over HTTP/2.

mod body;
mod breaker;
mod credentials;
mod error;
mod events;
mod exchange;
mod forward;
mod headers;
mod http_upstream;
mod progress;
mod reframe;
mod signer;
mod target;

pub use body::{Body, BodyFailure, VerifiedBody, full};
pub use breaker::Health;
pub use credentials::{
    AssumedRole, AssumedRoleConfig, CurrentCredentials, Proof, StaticCredentials, UpstreamCredentials,
};
pub use error::UpstreamError;
pub use events::VerifiedEvents;
pub use forward::{ApiBody, ApiForward, ForwardParts, ForwardRequest, Served, Upstream};
pub use http_upstream::{HttpUpstream, HttpUpstreamConfig};
pub use target::encode_key;
