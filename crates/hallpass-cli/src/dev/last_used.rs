//! Writes the authority's last uses now and then, and once more at the end.

use hallpass_agent::Shutdown;
use hallpass_authority::Authority;
use std::sync::Arc;
use std::time::Duration;

/// What a crash may forget. Reports that show last uses are asked for by the day, not by the minute.
const FLUSH_EVERY: Duration = Duration::from_secs(60);

pub(crate) fn keep(authority: &Arc<Authority>, stopped: &Shutdown) -> tokio::task::JoinHandle<()> {
    let (authority, mut stopped) = (Arc::clone(authority), stopped.clone());
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(FLUSH_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => authority.flush_last_used().await,
                () = stopped.wait() => break,
            }
        }
        authority.flush_last_used().await;
    })
}
