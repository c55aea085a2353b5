//! The audit log: one CloudTrail record for each API call, credential issued and refusal, on disk before the answer
//! goes out.
//!
//! [`AuditLog::append`] gives back a [`Recorded`]; whoever answers demands one, so an answer without a record does
//! not compile (DESIGN §11, "never answer before the decision is recorded").

mod log;
mod reader;
mod record;

pub use log::{AuditError, AuditLog, Durability, Recorded};
pub use reader::{ReadError, find, latest};
pub use record::{EventKind, Identity, Record, SessionContext};
