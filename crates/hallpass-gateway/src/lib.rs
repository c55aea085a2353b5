//! The gateway: authenticate, check the binding, authorize, forward. [`s3::handle`] is the function to read.
//!
//! Knows neither the authority nor sockets: who a key belongs to and which policies bear on a caller come through
//! [`KeyLookup`] and [`PolicyLookup`], which the server supplies.

mod authenticate;
mod config;
mod context;
mod refusal;
pub mod s3;

pub use authenticate::{
    Authenticated, Authenticator, Connection, KeyLookup, PolicyLookup, RequestHead, Requester, Signed,
};
pub use config::{
    AssumeRoleConfig, ConfigError, GatewayConfig, LimitsConfig, ListenerConfig, NetworkConfig, RateConfig,
    SignaturesConfig, UpstreamConfig, UpstreamCredentialsConfig, glob_matches,
};
pub use context::request_context;
pub use refusal::{Blame, Refusal};
