//! Sessions: what a session token says, how it is sealed and opened, and where it may be used from.
//!
//! The authority signs the claims (Ed25519) and encrypts them under an epoch key that the gateways share
//! (AES-256-GCM). A gateway therefore opens a token without asking anyone, and a stolen gateway, which holds
//! epoch keys but not the signing key, cannot mint one (DESIGN §7, §17.3).
//!
//! Pure: randomness and the present instant are arguments.

mod binding;
mod claims;
mod ids;
mod keys;
mod token;

pub use binding::{Binding, BindingMode, BindingRefused, Network, NetworkError};
pub use claims::{InstanceRef, SamlRef, SessionClaims, SessionPrincipal, Tag, WebIdentityRef};
pub use ids::{
    IdKind, instance_id, random_base32, random_hex, random_uuid, secret_access_key, session_access_key,
    unique_id, user_access_key,
};
pub use keys::{EpochKey, EpochKeys, KeyError, MintKey, VerifyKey};
pub use token::{OpenError, OpenedSession, SESSION_TOKEN_BYTES_MAX, SealError, open, seal};
