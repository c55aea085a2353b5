use crate::{Event, StoreError};
use std::collections::VecDeque;
use std::sync::Mutex;
use tokio::sync::mpsc;

/// Events remembered for watchers that start late or reconnect.
const HISTORY_EVENTS_MAX: usize = 4_096;
/// Events a slow watcher may lag behind before it is cut off and must list again.
const BACKLOG_BATCHES_MAX: usize = 1_024;

/// A stream of changes under one prefix.
pub struct Watch {
    receiver: mpsc::Receiver<Vec<Event>>,
}

impl Watch {
    /// The events of the next transaction; `None` when the store is closed or this watcher lagged too far behind
    /// (list again, then watch).
    pub async fn next(&mut self) -> Option<Vec<Event>> {
        self.receiver.recv().await
    }
}

struct Watcher {
    prefix: String,
    sender: mpsc::Sender<Vec<Event>>,
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

    pub(crate) fn publish(&self, events: &[Event]) {
        let Ok(mut state) = self.state.lock() else { return };
        state.history.extend(events.iter().cloned());
        while state.history.len() > HISTORY_EVENTS_MAX {
            if let Some(forgotten) = state.history.pop_front() {
                state.compacted_revision = forgotten.revision;
            }
        }
        state.watchers.retain(|watcher| {
            let wanted = matching(events.iter(), &watcher.prefix);
            wanted.is_empty() || watcher.sender.try_send(wanted).is_ok()
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
        let (sender, receiver) = mpsc::channel(BACKLOG_BATCHES_MAX);
        let missed = matching(
            state.history.iter().filter(|event| event.revision > revision),
            prefix,
        );
        if !missed.is_empty() {
            // A fresh channel has room.
            let _ = sender.try_send(missed);
        }
        state.watchers.push(Watcher {
            prefix: prefix.to_owned(),
            sender,
        });
        Ok(Watch { receiver })
    }
}

fn matching<'a>(events: impl Iterator<Item = &'a Event>, prefix: &str) -> Vec<Event> {
    events
        .filter(|event| event.key.starts_with(prefix))
        .cloned()
        .collect()
}
