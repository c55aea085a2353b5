//! How the log does, for metrics, health pages and `hallpass status`.

use hallpass_types::UnixSeconds;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counts of one process, told by whoever does the work.
#[derive(Debug, Default)]
pub struct Health {
    is_failing: AtomicBool,
    records: AtomicU64,
    lost: AtomicU64,
    signed: AtomicU64,
    delivered: AtomicU64,
    delivery_failures: AtomicU64,
    delivered_at: AtomicI64,
    digest_at: AtomicI64,
    delivery_error: Mutex<Option<String>>,
}

impl Health {
    /// Whether the last record could not be written.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// The number of the newest record; 0 until one is written.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.load(Ordering::Relaxed)
    }

    /// Records lost since the start.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// The number of the newest record under a signed checkpoint.
    #[must_use]
    pub fn signed(&self) -> u64 {
        self.signed.load(Ordering::Relaxed)
    }

    /// The number of the newest record in the bucket.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Failures to deliver, in a row.
    #[must_use]
    pub fn delivery_failures(&self) -> u64 {
        self.delivery_failures.load(Ordering::Relaxed)
    }

    /// Why the last delivery failed, until one succeeds.
    #[must_use]
    pub fn delivery_error(&self) -> Option<String> {
        self.delivery_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// When records, and when a digest, last reached the bucket.
    #[must_use]
    pub fn delivered_at(&self) -> (Option<UnixSeconds>, Option<UnixSeconds>) {
        let time = |cell: &AtomicI64| Some(cell.load(Ordering::Relaxed)).filter(|time| *time != 0);
        (
            time(&self.delivered_at).map(UnixSeconds),
            time(&self.digest_at).map(UnixSeconds),
        )
    }

    pub(crate) fn set_failing(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Ordering::Relaxed);
    }

    pub(crate) fn set_records(&self, n: u64) {
        self.records.store(n, Ordering::Relaxed);
    }

    pub(crate) fn add_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn set_signed(&self, n: u64) {
        self.signed.store(n, Ordering::Relaxed);
    }

    pub(crate) fn set_delivered(&self, n: u64) {
        self.delivered.store(n, Ordering::Relaxed);
    }

    pub(crate) fn note_delivery(&self, now: UnixSeconds, is_digest: bool) {
        let cell = if is_digest {
            &self.digest_at
        } else {
            &self.delivered_at
        };
        cell.store(now.0, Ordering::Relaxed);
    }

    pub(crate) fn note_attempt(&self, error: Option<String>) {
        match &error {
            None => self.delivery_failures.store(0, Ordering::Relaxed),
            Some(_) => {
                self.delivery_failures.fetch_add(1, Ordering::Relaxed);
            }
        }
        *self.delivery_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}
