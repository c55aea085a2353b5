//! The audit log: one CloudTrail record for each API call, credential issued and refusal, on disk before the answer
//! goes out, and so that nobody can change it afterwards without its showing.
//!
//! [`AuditLog::append`] gives back a [`Recorded`]; whoever answers demands one, so an answer without a record does
//! not compile (DESIGN §11, "never answer before the decision is recorded"). Each line names the hash of the one before.

mod backwards;
mod chain;
mod checkpoint;
mod digest;
mod files;
mod forwards;
mod health;
mod keeper;
mod keys;
mod layout;
mod log;
mod reader;
mod record;
mod shipping;
mod verify;

pub use chain::{Hash, Head, Link};
pub use checkpoint::CheckpointError;
pub use health::Health;
pub use keeper::{Keeper, KeeperParts};
pub use keys::{KeyError, PublicKey, public_keys};
pub use layout::{Packed, Packer};
pub use log::{AuditError, AuditLog, Durability, Mark, Recorded, WhenFull};
pub use reader::{FoundRecord, Place, ReadError, find, latest, newest_first, oldest_first};
pub use record::{EventKind, Identity, Record, SessionContext};
pub use shipping::{Bucket, Delivered, Object, Put, ShippingParts, ShippingState};
pub use verify::{CannotVerify, Finding, Report, verify};
