//! The I/O shell of the server: listeners and limits, the front door, rendering, recording, and the ties between
//! authority, gateway, agent and audit log. Decides nothing itself.

mod adapters;
mod api;
mod body;
mod cloudtrail;
mod delivery;
mod denial;
mod entry;
mod front_door;
mod hops;
mod identity_keys;
mod limits;
mod linger;
mod listener;
mod local_door;
mod metrics;
mod proxy_protocol;
mod render;
mod tls;
mod version_2;

pub use adapters::{AgentAudit, InstanceSource, MintAudit};
pub use delivery::AuditBucket;
pub use front_door::{Freshness, FrontDoor, FrontDoorParts, Keys, Policies};
pub use listener::{Listening, serve};
pub use local_door::{LocalDoor, LocalDoorConfig};
pub use tls::{TlsError, acceptor};
