//! The audit log of a running system: how it is opened, what goes on beside it, how it ends.

use crate::error::CliError;
use hallpass_agent::{Shutdown, ShutdownTrigger};
use hallpass_audit::{AuditLog, Keeper, KeeperParts, ShippingParts};
use hallpass_gateway::{AuditConfig, Gateway, WhenFull};
use hallpass_serve::AuditBucket;
use hallpass_types::{Clock, Entropy};
use std::path::Path;
use std::sync::Arc;

/// Opens the log in `folder` as the configuration says.
pub(crate) fn open_log(folder: &Path, config: &AuditConfig) -> Result<Arc<AuditLog>, CliError> {
    let log = AuditLog::open(folder).map_err(|error| CliError::failed(error.to_string()))?;
    Ok(Arc::new(log.when_full(match config.when_full {
        WhenFull::Refuse => hallpass_audit::WhenFull::Refuse,
        WhenFull::Count => hallpass_audit::WhenFull::Count,
    })))
}

/// Checkpoints and delivery, until [`Auditing::stop`].
pub(crate) struct Auditing {
    stop: ShutdownTrigger,
    task: tokio::task::JoinHandle<()>,
}

impl Auditing {
    /// For a system with a gateway, whose configuration says whether and where records are delivered.
    pub(crate) fn of_gateway(
        log: &Arc<AuditLog>,
        gateway: &Gateway,
        clock: &Arc<dyn Clock>,
        entropy: &Arc<dyn Entropy>,
    ) -> Result<Self, CliError> {
        let config = &gateway.config.audit;
        let shipping = config.bucket.as_ref().map(|bucket| ShippingParts {
            bucket: Arc::new(AuditBucket::new(
                gateway,
                bucket,
                Arc::clone(clock),
                Arc::clone(entropy),
            )),
            bucket_name: bucket.clone(),
            prefix: config.prefix.clone(),
            trail: config.trail.clone(),
            every_seconds: i64::from(config.deliver_minutes) * 60,
            every_records: config.deliver_records,
            digest_seconds: i64::from(config.digest_minutes) * 60,
        });
        Self::start(KeeperParts {
            log: Arc::clone(log),
            clock: Arc::clone(clock),
            account: gateway.account.to_string(),
            region: gateway.region.clone(),
            shipping,
        })
    }

    /// For an agent by itself: its records stay where they are.
    pub(crate) fn of_agent(
        log: &Arc<AuditLog>,
        clock: &Arc<dyn Clock>,
        account: &str,
        region: &str,
    ) -> Result<Self, CliError> {
        Self::start(KeeperParts {
            log: Arc::clone(log),
            clock: Arc::clone(clock),
            account: account.to_owned(),
            region: region.to_owned(),
            shipping: None,
        })
    }

    fn start(parts: KeeperParts) -> Result<Self, CliError> {
        let keeper = Keeper::open(parts).map_err(|error| {
            CliError::failed(error.to_string()).hint(
                "bring the file back from a backup, or keep it elsewhere and remove it here: \
                       `hallpass audit verify` will tell that it is missing",
            )
        })?;
        let (stop, mut stopped) = Shutdown::new();
        let task = tokio::spawn(keeper.run(async move { stopped.wait().await }));
        Ok(Self { stop, task })
    }

    /// Signs for what is left and delivers it. To be called when nobody writes records any more.
    pub(crate) async fn stop(self) {
        self.stop.trigger();
        // A task that panicked has nothing left to do.
        let _ = self.task.await;
    }
}
