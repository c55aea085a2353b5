//! The other servers of the fleet: who they are is in the store, how far they are they say themselves.

use crate::http_client::Asker;
use crate::protocol::{AppliedAnswer, AppliedRequest};
use crate::tls::client_config;
use hallpass_authority::{Confirmation, Fleet, ServerIdentity};
use hallpass_store::{Batch, Listing, Op, Progress, Store, StoreError, Txn, View};
use hallpass_types::Clock;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Before a server's entry; the rest is its name.
const PREFIX: &str = "v1/system/server/";
/// A peer that shows nothing for this long has lost the store, or us.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// A server, as the others know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerEntry {
    /// Its control listener, `https://host:port`.
    pub control: String,
}

/// All servers on one store.
pub struct Peers {
    own: String,
    store: Arc<dyn Store>,
    progress: Arc<Progress>,
    clock: Arc<dyn Clock>,
    staleness_max: Duration,
    confirms_all: bool,
    known: RwLock<BTreeMap<String, ServerEntry>>,
    asker: RwLock<Option<Asker>>,
    /// What this server wrote of itself, while it is to be there; and that somebody has taken it out.
    registered: RwLock<Option<ServerEntry>>,
    taken_out: tokio::sync::Notify,
}

impl Peers {
    /// As the server `own`. A server that does not hear from the store for `staleness_max` refuses every session.
    #[must_use]
    pub fn new(
        own: &str,
        store: Arc<dyn Store>,
        progress: Arc<Progress>,
        clock: Arc<dyn Clock>,
        staleness_max: Duration,
        confirms_all: bool,
    ) -> Self {
        Self {
            own: own.to_owned(),
            store,
            progress,
            clock,
            staleness_max,
            confirms_all,
            known: RwLock::default(),
            asker: RwLock::default(),
            registered: RwLock::default(),
            taken_out: tokio::sync::Notify::new(),
        }
    }

    /// Asks peers with this certificate from now on.
    ///
    /// # Errors
    /// What rustls says of it.
    pub fn identify(&self, identity: &ServerIdentity) -> Result<(), rustls::Error> {
        let tls = client_config(
            identity.certificate.clone(),
            identity.key.clone(),
            &identity.authorities,
        )?;
        *self.asker.write().unwrap_or_else(PoisonError::into_inner) = Some(Asker::new(tls));
        Ok(())
    }

    /// Tells the others where this server is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn register(&self, control: &str) -> Result<(), StoreError> {
        let entry = ServerEntry {
            control: control.to_owned(),
        };
        let value = serde_json::to_vec(&entry).map_err(|error| StoreError::Io(error.to_string()))?;
        self.store
            .commit(Txn::put(format!("{PREFIX}{}", self.own), value))
            .await?;
        // Before the watch tells of it.
        self.write().insert(self.own.clone(), entry.clone());
        *self.registered.write().unwrap_or_else(PoisonError::into_inner) = Some(entry);
        Ok(())
    }

    /// Registers this server again whenever somebody takes it out while it lives: whoever is asked for its word has to be
    /// known. Never returns.
    pub async fn stay(&self) {
        loop {
            self.taken_out.notified().await;
            let own = self
                .registered
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let Some(own) = own else { continue };
            tracing::warn!("this server was taken out of the fleet, and lives");
            if let Err(error) = self.register(&own.control).await {
                tracing::error!(%error, "this server cannot be registered again");
                tokio::time::sleep(CONFIRM_TIMEOUT).await;
                self.taken_out.notify_one();
            }
        }
    }

    /// Takes this server out: it will answer nobody any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn leave(&self) -> Result<(), StoreError> {
        *self.registered.write().unwrap_or_else(PoisonError::into_inner) = None;
        let ops = vec![Op::Delete(format!("{PREFIX}{}", self.own))];
        self.store
            .commit(Txn {
                compares: vec![],
                ops,
            })
            .await
            .map(|_| ())
    }

    /// Where the control listeners of all servers are, the own one first.
    #[must_use]
    pub fn servers(&self) -> Vec<String> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let own = known.get(&self.own).into_iter();
        let others = known.iter().filter(|(name, _)| **name != self.own);
        own.chain(others.map(|(_, entry)| entry))
            .map(|entry| entry.control.clone())
            .collect()
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, ServerEntry>> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, name: String, server: ServerEntry, revision: u64) -> Confirmation {
        let started = Instant::now();
        let asker = self.asker.read().unwrap_or_else(PoisonError::into_inner).clone();
        let answered = match asker {
            Some(asker) => asker
                .ask::<AppliedAnswer>(
                    &server.control,
                    "/v1/applied",
                    &AppliedRequest { revision },
                    CONFIRM_TIMEOUT,
                )
                .await
                .is_ok_and(|answer| answer.applied >= revision),
            None => false,
        };
        Confirmation {
            server: name,
            after: answered.then(|| started.elapsed()),
            refuses_from: (!answered).then(|| {
                let seconds = i64::try_from(self.staleness_max.as_secs()).unwrap_or(i64::MAX);
                self.clock.now().plus(seconds)
            }),
        }
    }
}

impl View for Peers {
    fn reset(&self, listing: &Listing) -> Result<(), String> {
        let mut fresh = BTreeMap::new();
        for entry in &listing.entries {
            if let Some(name) = entry.key.strip_prefix(PREFIX) {
                let read = serde_json::from_slice(&entry.value).map_err(|error| error.to_string())?;
                fresh.insert(name.to_owned(), read);
            }
        }
        let is_there = fresh.contains_key(&self.own);
        *self.write() = fresh;
        if !is_there {
            self.taken_out.notify_one();
        }
        Ok(())
    }

    fn apply(&self, batch: &Batch) {
        for event in &batch.events {
            let Some(name) = event.key.strip_prefix(PREFIX) else {
                continue;
            };
            match event.value.as_deref().map(serde_json::from_slice) {
                Some(Ok(entry)) => self.write().insert(name.to_owned(), entry),
                Some(Err(error)) => {
                    tracing::error!(name, %error, "a server's entry cannot be read");
                    None
                }
                None => {
                    if name == self.own {
                        self.taken_out.notify_one();
                    }
                    self.write().remove(name)
                }
            };
        }
    }
}

impl Fleet for Peers {
    fn confirm(&self, revision: u64) -> Pin<Box<dyn Future<Output = Vec<Confirmation>> + Send + '_>> {
        Box::pin(async move {
            let started = Instant::now();
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
            let others = known.into_iter().filter(|(name, _)| *name != self.own);
            let mut asking: Vec<_> = others
                .map(|(name, server)| Box::pin(self.ask(name, server, revision)))
                .collect();
            let shown = self.progress.reached(revision, CONFIRM_TIMEOUT).await;
            let mut all = vec![Confirmation {
                server: self.own.clone(),
                after: shown.then(|| started.elapsed()),
                refuses_from: None,
            }];
            // All at once; each has its own time limit.
            let mut answers: Vec<Option<Confirmation>> = asking.iter().map(|_| None).collect();
            std::future::poll_fn(|context| {
                let mut waiting = false;
                for (question, answer) in asking.iter_mut().zip(&mut answers) {
                    if answer.is_none() {
                        match question.as_mut().poll(context) {
                            std::task::Poll::Ready(confirmation) => *answer = Some(confirmation),
                            std::task::Poll::Pending => waiting = true,
                        }
                    }
                }
                if waiting {
                    std::task::Poll::Pending
                } else {
                    std::task::Poll::Ready(())
                }
            })
            .await;
            all.extend(answers.into_iter().flatten());
            all
        })
    }

    fn confirms_all(&self) -> bool {
        self.confirms_all
    }
}
