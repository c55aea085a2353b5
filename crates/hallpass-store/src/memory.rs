use crate::hub::Hub;
use crate::{Compare, Event, KeyValue, Listing, Op, Store, StoreError, StoreFuture, Txn, Watch};
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::Mutex;

#[derive(Default)]
struct State {
    revision: u64,
    entries: BTreeMap<String, (u64, Vec<u8>)>,
    /// How many more commits succeed; `None` means all.
    commits_left: Option<u64>,
}

/// A store that forgets, and fails when told to. For tests.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    hub: Hub,
}

impl MemoryStore {
    /// Lets `commits` more commits succeed; every later one fails and changes nothing.
    pub fn fail_after(&self, commits: u64) {
        if let Ok(mut state) = self.state.lock() {
            state.commits_left = Some(commits);
        }
    }

    /// Stops failing.
    pub fn heal(&self) {
        if let Ok(mut state) = self.state.lock() {
            state.commits_left = None;
        }
    }

    fn apply(&self, txn: Txn) -> Result<u64, StoreError> {
        txn.check_limits()?;
        let mut state = self
            .state
            .lock()
            .map_err(|_| StoreError::Io("poisoned".to_owned()))?;
        match &mut state.commits_left {
            Some(0) => return Err(StoreError::Io("failed on demand".to_owned())),
            Some(left) => *left -= 1,
            None => {}
        }
        let holds = txn.compares.iter().all(|compare| match compare {
            Compare::Absent(key) => !state.entries.contains_key(key),
            Compare::ModRevision(key, revision) => {
                state.entries.get(key).is_some_and(|(found, _)| found == revision)
            }
        });
        if !holds {
            return Err(StoreError::Conflict);
        }
        state.revision += 1;
        let revision = state.revision;
        let mut events = Vec::with_capacity(txn.ops.len());
        for op in txn.ops {
            match op {
                Op::Put(key, value) => {
                    events.push(Event {
                        key: key.clone(),
                        value: Some(value.clone()),
                        revision,
                    });
                    state.entries.insert(key, (revision, value));
                }
                Op::Delete(key) => {
                    if state.entries.remove(&key).is_some() {
                        events.push(Event {
                            key,
                            value: None,
                            revision,
                        });
                    }
                }
            }
        }
        self.hub.publish(revision, &events);
        Ok(revision)
    }

    fn read<T>(&self, read: impl FnOnce(&State) -> T) -> Result<T, StoreError> {
        self.state
            .lock()
            .map(|state| read(&state))
            .map_err(|_| StoreError::Io("poisoned".to_owned()))
    }
}

impl Store for MemoryStore {
    fn list(&self, prefix: &str) -> StoreFuture<'_, Listing> {
        let listing = self.read(|state| Listing {
            revision: state.revision,
            entries: state
                .entries
                .range(prefix.to_owned()..)
                .take_while(|(key, _)| key.starts_with(prefix))
                .map(|(key, (mod_revision, value))| KeyValue {
                    key: key.clone(),
                    value: value.clone(),
                    mod_revision: *mod_revision,
                })
                .collect(),
        });
        Box::pin(ready(listing))
    }

    fn get(&self, key: &str) -> StoreFuture<'_, Option<KeyValue>> {
        let found = self.read(|state| {
            state.entries.get(key).map(|(mod_revision, value)| KeyValue {
                key: key.to_owned(),
                value: value.clone(),
                mod_revision: *mod_revision,
            })
        });
        Box::pin(ready(found))
    }

    fn commit(&self, txn: Txn) -> StoreFuture<'_, u64> {
        Box::pin(ready(self.apply(txn)))
    }

    fn watch(&self, prefix: &str, revision: u64) -> StoreFuture<'_, Watch> {
        Box::pin(ready(self.hub.watch(prefix, revision)))
    }

    fn head(&self) -> StoreFuture<'_, u64> {
        Box::pin(ready(self.read(|state| state.revision)))
    }
}
