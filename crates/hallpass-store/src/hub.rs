use crate::{Event, StoreError};
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::mpsc;

/// Events remembered for watchers that start late or reconnect.
const HISTORY_EVENTS_MAX: usize = 4_096;
/// Transactions a slow watcher may lag behind before it is cut off and must list again.
const BACKLOG_BATCHES_MAX: usize = 1_024;

/// One transaction, as a watcher is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The transaction's revision: nothing at or before it is still to come.
    pub revision: u64,
    /// Its changes under the watched prefix; may be none.
    pub events: Vec<Event>,
}

/// A stream of changes under one prefix.
pub struct Watch {
    receiver: mpsc::Receiver<Batch>,
}

impl Watch {
    /// A watch and where a store puts what it tells; with room for as many batches as a slow watcher may lag behind.
    #[must_use]
    pub fn channel() -> (mpsc::Sender<Batch>, Self) {
        let (sender, receiver) = mpsc::channel(BACKLOG_BATCHES_MAX);
        (sender, Self { receiver })
    }

    /// The next transaction; `None` when the store is closed, the revisions are forgotten, or this watcher lagged too
    /// far behind (list again, then watch).
    pub async fn next(&mut self) -> Option<Batch> {
        self.receiver.recv().await
    }
}

struct Watcher {
    prefix: String,
    sender: mpsc::Sender<Batch>,
}

#[derive(Default)]
struct State {
    history: VecDeque<Event>,
    /// Everything up to here may have been forgotten.
    compacted_revision: u64,
    watchers: Vec<Watcher>,
}

/// Hands each committed transaction to the watchers; shared by the stores of one process.
#[derive(Default)]
pub(crate) struct Hub {
    state: Mutex<State>,
}

impl Hub {
    pub(crate) fn starting_at(revision: u64) -> Self {
        Self {
            state: Mutex::new(State {
                compacted_revision: revision,
                ..State::default()
            }),
        }
    }

    pub(crate) fn publish(&self, revision: u64, events: &[Event]) {
        let Ok(mut state) = self.state.lock() else { return };
        state.history.extend(events.iter().cloned());
        while state.history.len() > HISTORY_EVENTS_MAX {
            if let Some(forgotten) = state.history.pop_front() {
                state.compacted_revision = forgotten.revision;
            }
        }
        state.watchers.retain(|watcher| {
            let events = matching(events.iter(), &watcher.prefix);
            watcher.sender.try_send(Batch { revision, events }).is_ok()
        });
    }

    pub(crate) fn watch(&self, prefix: &str, revision: u64) -> Result<Watch, StoreError> {
        let mut state = self
            .state
            .lock()
            .map_err(|_| StoreError::Io("watch hub poisoned".to_owned()))?;
        if revision < state.compacted_revision {
            return Err(StoreError::Compacted(revision));
        }
        let (sender, watch) = Watch::channel();
        let missed = state.history.iter().filter(|event| event.revision > revision);
        for batch in batches(matching(missed, prefix)) {
            if sender.try_send(batch).is_err() {
                return Err(StoreError::Compacted(revision));
            }
        }
        state.watchers.push(Watcher {
            prefix: prefix.to_owned(),
            sender,
        });
        Ok(watch)
    }
}

/// Events in order, each transaction's together.
fn batches(events: Vec<Event>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = vec![];
    for event in events {
        match batches.last_mut() {
            Some(last) if last.revision == event.revision => last.events.push(event),
            _ => batches.push(Batch {
                revision: event.revision,
                events: vec![event],
            }),
        }
    }
    batches
}

fn matching<'a>(events: impl Iterator<Item = &'a Event>, prefix: &str) -> Vec<Event> {
    events
        .filter(|event| event.key.starts_with(prefix))
        .cloned()
        .collect()
}
