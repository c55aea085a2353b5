//! Between machines: how agents enrol with servers and get their sessions from them, and how servers confirm changes to
//! each other. Everything goes over TLS 1.3 in which both sides show certificates of the fleet's own authority; only a
//! machine that enrols has none yet, and knows the authority by the fingerprint in its secret, or that it is told.
//!
//! [`Control`] is the server's side, [`FleetSource`] the agent's; [`protocol`] is what they say to each other.

mod control;
mod enrol;
mod http_client;
mod identity;
mod peers;
pub mod protocol;
mod source;
mod tls;

pub use control::{Control, ControlConfig, NewEnrolment, NewSession, SessionLog, SourceOf};
pub use enrol::{EnrolmentError, EnrolmentSecret, NodeFiles, certificate_pem, enrol, enrol_ec2};
pub use identity::{IdentityError, InstanceIdentity, Trusted};
pub use peers::{Peers, ServerEntry};
pub use source::{FleetSource, FleetSourceConfig};
pub use tls::ControlTls;
