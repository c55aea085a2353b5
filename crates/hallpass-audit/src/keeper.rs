//! What goes on beside the log: checkpoints and delivery.

use crate::AuditLog;
use crate::checkpoint::{CheckpointError, Checkpoints};
use crate::keys::SigningKeys;
use crate::shipping::{Shipper, ShippingParts};
use hallpass_types::Clock;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often it is looked whether something is due.
const TICK: Duration = Duration::from_secs(1);
/// Failed deliveries are tried again after 1, 2, 4, … seconds, and never later than after this many.
const BACKOFF_SECONDS_MAX: i64 = 300;
/// How long the last delivery may take when the system stops.
const LAST_DELIVERY_MAX: Duration = Duration::from_secs(10);

/// What a keeper is made of.
pub struct KeeperParts {
    /// The log.
    pub log: Arc<AuditLog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The account that checkpoints are of, and whose the records are that no account was known for.
    pub account: String,
    /// The region.
    pub region: String,
    /// Delivery, where it is wanted.
    pub shipping: Option<ShippingParts>,
}

/// Signs checkpoints at the start, every hour, when a day begins and at the end, and delivers.
pub struct Keeper {
    log: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    checkpoints: Arc<Mutex<Checkpoints>>,
    keys: Arc<Mutex<SigningKeys>>,
    shipper: Option<Shipper>,
}

impl Keeper {
    /// Takes up where the last one stopped.
    ///
    /// # Errors
    /// [`CheckpointError`]: what is there cannot be read. It is better not to start than to begin a second chain of
    /// signatures.
    pub fn open(parts: KeeperParts) -> Result<Self, CheckpointError> {
        let KeeperParts {
            log,
            clock,
            account,
            region,
            shipping,
        } = parts;
        let checkpoints = Checkpoints::open(log.folder(), &account)?;
        log.health().set_signed(checkpoints.signed());
        let keys = Arc::new(Mutex::new(SigningKeys::new(log.folder())));
        let open = |parts| Shipper::open(parts, &log, &account, &region, Arc::clone(&keys));
        let shipper = shipping.map(open).transpose();
        let shipper = shipper.map_err(|error| CheckpointError::File {
            path: log.folder().display().to_string(),
            why: error.to_string(),
        })?;
        Ok(Self {
            checkpoints: Arc::new(Mutex::new(checkpoints)),
            log,
            clock,
            keys,
            shipper,
        })
    }

    /// Works until `stopped`; what is left then is signed for and delivered before it returns.
    pub async fn run(mut self, stopped: impl Future<Output = ()> + Send) {
        tokio::pin!(stopped);
        // What a crash left unsigned.
        self.sign().await;
        let mut retry_at = i64::MIN;
        loop {
            tokio::select! {
                () = &mut stopped => break,
                () = tokio::time::sleep(TICK) => {}
            }
            if self.is_checkpoint_due() {
                self.sign().await;
            }
            let now = self.clock.now();
            let newest = self.log.health().records();
            if now.0 >= retry_at
                && let Some(shipper) = &mut self.shipper
                && shipper.is_due(newest, now)
                && let Err(error) = shipper.deliver(&self.log, now, false).await
            {
                let failures = self.log.health().delivery_failures().clamp(1, 16);
                let wait = (1_i64 << (failures - 1)).min(BACKOFF_SECONDS_MAX);
                retry_at = now.0.saturating_add(wait);
                tracing::warn!(
                    error,
                    failures,
                    "records wait: the audit log's bucket does not take them"
                );
            }
        }
        self.sign().await;
        let now = self.clock.now();
        if let Some(shipper) = &mut self.shipper {
            let delivery = shipper.deliver(&self.log, now, true);
            match tokio::time::timeout(LAST_DELIVERY_MAX, delivery).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(error, "records wait for the next start"),
                Err(_) => tracing::warn!("records wait for the next start: the bucket does not answer"),
            }
        }
    }

    fn is_checkpoint_due(&self) -> bool {
        let checkpoints = self.checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
        // Mostly nothing is new, and nothing is locked or read.
        if self.log.health().records() == checkpoints.signed() {
            return false;
        }
        let mark = self.log.mark();
        mark.is_ok_and(|mark| checkpoints.is_due(&mark, self.clock.now()))
    }

    async fn sign(&self) {
        let (log, now) = (Arc::clone(&self.log), self.clock.now());
        let (checkpoints, keys) = (Arc::clone(&self.checkpoints), Arc::clone(&self.keys));
        // Waits for the disk, and perhaps for a key to be made.
        let signing = tokio::task::spawn_blocking(move || {
            let mut checkpoints = checkpoints.lock().unwrap_or_else(PoisonError::into_inner);
            let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
            checkpoints.sign(&log, &mut keys, now)
        });
        match signing.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the audit log could not be signed"),
            Err(error) => tracing::error!(%error, "the audit log could not be signed"),
        }
    }
}
