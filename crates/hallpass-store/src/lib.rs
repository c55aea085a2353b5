//! Durable state behind one trait, shaped like etcd: revisioned keys, conditional transactions, watch.
//!
//! [`RedbStore`] keeps it in one file on one machine; [`MemoryStore`] keeps it nowhere and fails on demand, for tests.
//! Whatever `commit` has answered is on disk: `kill -9` or a power cut after it loses nothing.

pub mod backup;
mod follow;
mod hub;
mod memory;
mod redb_store;

pub use follow::{Progress, View, follow};
pub use hub::{Batch, Watch};
pub use memory::MemoryStore;
pub use redb_store::RedbStore;

use std::future::Future;
use std::pin::Pin;

/// A future that a store returns; boxed, so that the trait can be used as an object.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The longest key, in bytes.
pub const KEY_BYTES_MAX: usize = 1_024;
/// The largest value, in bytes (etcd's default request limit is 1.5 MiB; a transaction may hold several).
pub const VALUE_BYTES_MAX: usize = 512 * 1_024;
/// The most operations and comparisons in one transaction: etcd's default is 128, of which a store may need some itself.
pub const TXN_OPS_MAX: usize = 124;
/// All values of one transaction together, in bytes.
pub const TXN_BYTES_MAX: usize = 1_024 * 1_024;

/// One key as it stands at some revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyValue {
    /// The key.
    pub key: String,
    /// The value.
    pub value: Vec<u8>,
    /// The revision of the transaction that last wrote it.
    pub mod_revision: u64,
}

/// All keys under a prefix, as of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// The revision this listing is of; watch from here to miss nothing.
    pub revision: u64,
    /// In order of key.
    pub entries: Vec<KeyValue>,
}

/// What must hold for a transaction to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// The key does not exist.
    Absent(String),
    /// The key exists and was last written at this revision.
    ModRevision(String, u64),
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes the value.
    Put(String, Vec<u8>),
    /// Removes the key; nothing happens when it is absent.
    Delete(String),
}

/// Writes that happen all or not at all, and only if every comparison holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// All must hold.
    pub compares: Vec<Compare>,
    /// Applied in order.
    pub ops: Vec<Op>,
}

impl Txn {
    /// A transaction without condition.
    #[must_use]
    pub fn put(key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            compares: vec![],
            ops: vec![Op::Put(key.into(), value.into())],
        }
    }

    /// Whether it is within the limits of every store.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`].
    pub fn check_limits(&self) -> Result<(), StoreError> {
        let fits = self.compares.len() <= TXN_OPS_MAX
            && self.ops.len() <= TXN_OPS_MAX
            && self.ops.iter().all(|op| match op {
                Op::Put(key, value) => key.len() <= KEY_BYTES_MAX && value.len() <= VALUE_BYTES_MAX,
                Op::Delete(key) => key.len() <= KEY_BYTES_MAX,
            })
            && self.ops.iter().map(value_bytes).sum::<usize>() <= TXN_BYTES_MAX;
        if fits { Ok(()) } else { Err(StoreError::TooLarge) }
    }
}

fn value_bytes(op: &Op) -> usize {
    match op {
        Op::Put(_, value) => value.len(),
        Op::Delete(_) => 0,
    }
}

/// A change that a watcher is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The key.
    pub key: String,
    /// The new value, or `None` when it was removed.
    pub value: Option<Vec<u8>>,
    /// The revision of the transaction.
    pub revision: u64,
}

/// Why the store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A comparison did not hold; nothing was written.
    #[error("the state changed meanwhile")]
    Conflict,
    /// The revisions asked for are no longer remembered: list again, then watch.
    #[error("revision {0} is no longer remembered")]
    Compacted(u64),
    /// A key, a value or the transaction exceeds its limit.
    #[error("the transaction is too large")]
    TooLarge,
    /// Another process has the store open.
    #[error("`{0}` is in use by another process")]
    InUse(String),
    /// The file was written by a newer version of this program.
    #[error("`{path}` was written by a newer version (format {found}, this program knows {known})")]
    NewerFormat {
        /// The file.
        path: String,
        /// The format number in it.
        found: u64,
        /// The highest format number known here.
        known: u64,
    },
    /// The file is not a store, or is damaged.
    #[error("`{path}` is damaged or not a hallpass store: {why}")]
    Corrupt {
        /// The file.
        path: String,
        /// The library's reason.
        why: String,
    },
    /// The disk, the permissions, or the store is closed.
    #[error("the store failed: {0}")]
    Io(String),
}

/// Durable, revisioned, watchable keys.
///
/// Laws, kept by every implementation and tested on each:
/// - `commit` answers after the write is durable, and `list` sees it from then on;
/// - revisions grow with each applied transaction; a refused one changes nothing;
/// - a watch delivers every event after its revision, in order, or fails with [`StoreError::Compacted`], or ends;
/// - `head` is never behind what any `commit` anywhere has answered.
pub trait Store: Send + Sync {
    /// Everything under `prefix`.
    fn list(&self, prefix: &str) -> StoreFuture<'_, Listing>;
    /// One key.
    fn get(&self, key: &str) -> StoreFuture<'_, Option<KeyValue>>;
    /// Applies a transaction and returns its revision.
    fn commit(&self, txn: Txn) -> StoreFuture<'_, u64>;
    /// All events under `prefix` after `revision`.
    fn watch(&self, prefix: &str, revision: u64) -> StoreFuture<'_, Watch>;
    /// The revision of the newest transaction there is anywhere: who has seen everything up to it missed nothing that was
    /// acknowledged before the question.
    fn head(&self) -> StoreFuture<'_, u64>;
}

#[cfg(any(test, feature = "laws"))]
pub mod laws;
#[cfg(test)]
mod tests;
