//! Following a store that others write to: views in memory, kept up by a watch, and the knowledge of how far they are.

use crate::{Batch, Listing, Store, StoreError, Watch};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often the store is asked for its newest revision.
const HEAD_EVERY: Duration = Duration::from_secs(1);
/// A watch that has not told of a transaction this long after the store acknowledged it is given up: its member may be
/// cut off from the others.
const LAG_MAX: Duration = Duration::from_secs(3);
/// Between two attempts while the store does not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Something in memory that shows part of the store.
pub trait View: Send + Sync {
    /// Takes over the whole store's content in place of what it showed.
    ///
    /// # Errors
    /// What cannot be understood; the view then stays as it was.
    fn reset(&self, listing: &Listing) -> Result<(), String>;
    /// Takes over one transaction. It may have seen it before.
    fn apply(&self, batch: &Batch);
}

/// How far the views of a process are: shared between who follows and who asks.
#[derive(Debug)]
pub struct Progress {
    applied: watch::Sender<u64>,
    fresh: watch::Sender<Instant>,
}

impl Progress {
    /// Views that show `revision`, and are known to miss nothing now.
    #[must_use]
    pub fn at(revision: u64) -> Self {
        Self {
            applied: watch::Sender::new(revision),
            fresh: watch::Sender::new(Instant::now()),
        }
    }

    /// The revision every view shows.
    #[must_use]
    pub fn applied(&self) -> u64 {
        *self.applied.borrow()
    }

    /// Since when something may be missing: zero in a process that hears from its store.
    #[must_use]
    pub fn stale_for(&self) -> Duration {
        self.fresh.borrow().elapsed()
    }

    /// Waits until every view shows `revision`; `false` if they do not `within` that time.
    pub async fn reached(&self, revision: u64, within: Duration) -> bool {
        let mut applied = self.applied.subscribe();
        let reached = applied.wait_for(|applied| *applied >= revision);
        matches!(tokio::time::timeout(within, reached).await, Ok(Ok(_)))
    }
}

/// Keeps `views` up with `store` for as long as the future is polled. `progress` starts with the oldest revision that a
/// view shows.
pub async fn follow(store: Arc<dyn Store>, views: Vec<Arc<dyn View>>, progress: Arc<Progress>) {
    loop {
        let watch = match store.watch("", progress.applied()).await {
            Ok(watch) => watch,
            Err(StoreError::Compacted(_)) => {
                match relist(&*store, &views, &progress).await {
                    Ok(()) => continue,
                    Err(error) => tracing::error!(%error, "the state cannot be read from the store"),
                }
                tokio::time::sleep(RETRY_PAUSE).await;
                continue;
            }
            Err(error) => {
                tracing::warn!(%error, "the store cannot be watched");
                tokio::time::sleep(RETRY_PAUSE).await;
                continue;
            }
        };
        keep_up(&*store, watch, &views, &progress).await;
        // The watch may have ended because it could not go on from where it was.
        if let Err(error) = relist(&*store, &views, &progress).await {
            tracing::warn!(%error, "the state cannot be read from the store");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

async fn relist(store: &dyn Store, views: &[Arc<dyn View>], progress: &Progress) -> Result<(), String> {
    let asked = Instant::now();
    let listing = store.list("").await.map_err(|error| error.to_string())?;
    for view in views {
        view.reset(&listing)?;
    }
    progress.applied.send_replace(listing.revision);
    progress.fresh.send_replace(asked);
    Ok(())
}

/// Applies what the watch tells until it ends or is found to lag.
async fn keep_up(store: &dyn Store, mut watch: Watch, views: &[Arc<dyn View>], progress: &Progress) {
    let mut ticks = tokio::time::interval(HEAD_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut asking: Option<(Instant, crate::StoreFuture<'_, u64>)> = None;
    // The newest revision there was at some moment, not reached yet.
    let mut behind: Option<(Instant, u64)> = None;
    loop {
        tokio::select! {
            batch = watch.next() => {
                let Some(batch) = batch else { return };
                for view in views {
                    view.apply(&batch);
                }
                progress.applied.send_if_modified(|applied| {
                    let is_newer = batch.revision > *applied;
                    *applied = batch.revision.max(*applied);
                    is_newer
                });
            }
            head = async { match &mut asking { Some((_, head)) => head.await, None => std::future::pending().await } } => {
                let asked = asking.take().map_or_else(Instant::now, |(asked, _)| asked);
                match head {
                    Ok(head) => behind = behind.or(Some((asked, head))),
                    Err(error) => tracing::warn!(%error, "the store does not say how far it is"),
                }
            }
            _ = ticks.tick() => {
                if asking.is_none() {
                    asking = Some((Instant::now(), store.head()));
                }
            }
        }
        if let Some((asked, head)) = behind {
            if progress.applied() >= head {
                progress.fresh.send_replace(asked);
                behind = None;
            } else if asked.elapsed() > LAG_MAX {
                tracing::warn!("the watch lags behind the store: watching anew");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryStore, Op, Txn};
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Mirror(Mutex<BTreeMap<String, Vec<u8>>>);

    impl View for Mirror {
        fn reset(&self, listing: &Listing) -> Result<(), String> {
            let entries = listing.entries.iter();
            *self.0.lock().unwrap() = entries.map(|e| (e.key.clone(), e.value.clone())).collect();
            Ok(())
        }

        fn apply(&self, batch: &Batch) {
            let mut shown = self.0.lock().unwrap();
            for event in &batch.events {
                match &event.value {
                    Some(value) => shown.insert(event.key.clone(), value.clone()),
                    None => shown.remove(&event.key),
                };
            }
        }
    }

    #[tokio::test]
    async fn a_view_follows_from_where_it_was_and_says_how_far_it_is() {
        let store = Arc::new(MemoryStore::default());
        store.commit(Txn::put("before", "1")).await.unwrap();
        let (mirror, progress) = (Arc::new(Mirror::default()), Arc::new(Progress::at(0)));
        let following = tokio::spawn(follow(
            Arc::clone(&store) as Arc<dyn Store>,
            vec![Arc::clone(&mirror) as Arc<dyn View>],
            Arc::clone(&progress),
        ));
        let mut last = 0;
        for number in 0..100 {
            last = store.commit(Txn::put(format!("k{number}"), "v")).await.unwrap();
        }
        let removal = Txn {
            compares: vec![],
            ops: vec![Op::Delete("k0".into())],
        };
        last = last.max(store.commit(removal).await.unwrap());
        assert!(progress.reached(last, Duration::from_secs(60)).await);
        assert_eq!(mirror.0.lock().unwrap().len(), 100);
        assert!(!progress.reached(last + 1, Duration::ZERO).await);
        following.abort();
    }
}
