//! The gateway: authenticate, check the binding, authorize, forward. [`s3::handle`] is the function to read;
//! [`api::handle`] is the same for every other service.
//!
//! Knows neither the authority nor sockets: who a key belongs to and which policies bear on a caller come through
//! [`KeyLookup`] and [`PolicyLookup`], which the server supplies.

pub mod api;
mod authenticate;
mod config;
mod context;
mod facts;
mod gateway;
pub mod post_form;
mod refusal;
pub mod s3;

pub use authenticate::{
    Authenticated, Authenticator, Claim, Connection, KeyLookup, PolicyLookup, RequestHead, Requester, Shown,
    Signed,
};
pub use config::{
    AssumeRoleConfig, AuditConfig, ConfigError, GatewayConfig, LimitsConfig, ListenerConfig, NetworkConfig,
    RateConfig, SignaturesConfig, UpstreamConfig, UpstreamCredentialsConfig, WhenFull, glob_matches,
};
pub use context::request_context;
pub use facts::Facts;
pub use gateway::Gateway;
pub use refusal::{Blame, Refusal};
