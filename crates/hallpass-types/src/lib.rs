//! The vocabulary every other crate speaks: account ids, ARNs, access key ids, instants, randomness.
//!
//! Each type is parsed once at the edge and prints exactly what was parsed. No I/O, no clock, no randomness:
//! where those are needed, a caller passes [`Clock`] and [`Entropy`].

mod access_key;
mod account;
mod arn;
mod time;

pub use access_key::{AccessKeyId, AccessKeyIdError, AccessKeyKind};
pub use account::{AccountId, AccountIdError};
pub use arn::{Arn, ArnError};
pub use time::{TimeError, UnixSeconds};

/// Where the time comes from. The server passes the system clock, tests a fixed one.
pub trait Clock: Send + Sync {
    /// The present instant, in whole seconds since 1970-01-01T00:00:00Z.
    fn now(&self) -> UnixSeconds;
}

/// Where random bytes come from. The server passes the operating system's, tests a seeded generator.
pub trait Entropy: Send + Sync {
    /// Fills `buffer` with bytes an attacker cannot predict.
    fn fill(&self, buffer: &mut [u8]);
}
