//! The agent's side: its view of itself and its sessions, from whichever server answers.

use crate::enrol::{EnrolmentError, Node, NodeFiles, signing_request};
use crate::http_client::{AskError, Asker};
use crate::protocol::{
    EnrolAnswer, IssuedMessage, MachineAnswer, MachineRequest, RenewRequest, SessionMessage,
};
use crate::tls::client_config;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_agent::{BoxFuture, CredentialSource, Issued, Machine, SessionRequest, SourceError};
use hallpass_credentials::jittered;
use hallpass_types::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A server that has not answered by then is passed over.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// The server itself answers after half a minute at the latest.
const WATCH_TIMEOUT: Duration = Duration::from_secs(45);
/// Between two tries while no server answers; doubled up to the longest, and jittered.
const RETRY_FIRST: Duration = Duration::from_millis(500);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Whose agent it is.
#[derive(Debug, Clone)]
pub struct FleetSourceConfig {
    /// Where the machine's identity lies.
    pub files: NodeFiles,
    /// Servers to ask besides those the fleet tells of.
    pub servers: Vec<String>,
    /// The machine's address as it sees it itself; empty: as the server sees it.
    pub private_ip: String,
}

/// [`CredentialSource`] over the servers of a fleet.
pub struct FleetSource {
    config: FleetSourceConfig,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Grows with each view.
    revision: AtomicU64,
    asked: tokio::sync::Notify,
}

struct State {
    asker: Asker,
    node: Node,
    servers: Vec<String>,
    /// The server that answered last.
    current: usize,
    view: Option<(String, Machine)>,
    /// Why there is no view any more, when the fleet says no.
    refused: Option<String>,
}

impl FleetSource {
    /// As the machine whose identity lies in the folder.
    ///
    /// # Errors
    /// [`EnrolmentError`] when it has not enrolled, or the files are damaged.
    pub fn open(config: FleetSourceConfig, clock: Arc<dyn Clock>) -> Result<Arc<Self>, EnrolmentError> {
        let node = config.files.node()?;
        let asker = asker(&config.files, &node)?;
        let servers = merged(&node.servers, &config.servers);
        Ok(Arc::new(Self {
            config,
            clock,
            state: Mutex::new(State {
                asker,
                node,
                servers,
                current: 0,
                view: None,
                refused: None,
            }),
            revision: AtomicU64::new(1),
            asked: tokio::sync::Notify::new(),
        }))
    }

    /// The instance this machine is.
    #[must_use]
    pub fn instance(&self) -> String {
        self.state().node.instance.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the servers, each once, from the one that answered last.
    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        question: &impl Serialize,
        within: Duration,
    ) -> Result<T, AskError> {
        let (asker, servers, first) = {
            let state = self.state();
            (state.asker.clone(), state.servers.clone(), state.current)
        };
        let mut last = AskError::Unavailable("no server is known".to_owned());
        for step in 0..servers.len() {
            let number = (first + step) % servers.len();
            let Some(server) = servers.get(number) else { break };
            match asker.ask(server, path, question, within).await {
                Ok(answer) => {
                    let mut state = self.state();
                    if state.servers.get(number) == Some(server) {
                        state.current = number;
                    }
                    return Ok(answer);
                }
                Err(AskError::Refused(why)) => return Err(AskError::Refused(why)),
                Err(unavailable) => last = unavailable,
            }
        }
        Err(last)
    }

    /// Follows the fleet for as long as it is polled: the machine's view, its servers, and its certificate.
    pub async fn follow(self: Arc<Self>) {
        let watching = self.watch();
        let renewing = self.renew();
        tokio::join!(watching, renewing);
    }

    async fn watch(&self) {
        let mut pause = RETRY_FIRST;
        loop {
            let known = {
                let state = self.state();
                state
                    .view
                    .as_ref()
                    .map_or_else(String::new, |(digest, _)| digest.clone())
            };
            let question = MachineRequest {
                known,
                private_ip: self.config.private_ip.clone(),
            };
            let within = if question.known.is_empty() {
                ASK_TIMEOUT
            } else {
                WATCH_TIMEOUT
            };
            match self.ask::<MachineAnswer>("/v1/machine", &question, within).await {
                Ok(answer) => {
                    pause = RETRY_FIRST;
                    self.take(answer);
                }
                Err(error) => {
                    tracing::warn!(%error, "the fleet does not tell of this machine");
                    if let AskError::Refused(why) = error {
                        let mut state = self.state();
                        state.refused = Some(why);
                        state.view = None;
                        drop(state);
                        self.revision.fetch_add(1, Ordering::Release);
                    }
                    self.asked.notify_waiters();
                    tokio::time::sleep(jittered(pause)).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        }
    }

    fn take(&self, answer: MachineAnswer) {
        let mut state = self.state();
        if let Some(machine) = answer.machine {
            state.view = Some((answer.digest, machine));
            state.refused = None;
        }
        let servers = merged(&answer.servers, &self.config.servers);
        if servers != state.servers && !answer.servers.is_empty() {
            state.servers = servers;
            state.current = 0;
            state.node.servers = answer.servers;
            let node = state.node.clone();
            // For the next start; the servers of the configuration do as well.
            if let Err(error) = self.config.files.save(&node) {
                tracing::warn!(%error, "the fleet's servers cannot be kept");
            }
        }
        drop(state);
        self.revision.fetch_add(1, Ordering::Release);
        self.asked.notify_waiters();
    }

    /// Renews at half the certificate's life, and tries on until its end and beyond: a machine that was away for days
    /// has to enrol again, and says so.
    async fn renew(&self) {
        let mut pause = RETRY_FIRST;
        loop {
            let left = self.state().node.not_after.0 - self.clock.now().0;
            // A day's certificate is renewed after twelve hours, one that is nearly over at once.
            let wait = u64::try_from(left - 43_200).unwrap_or(0);
            if wait > 0 {
                // In steps: clocks are set.
                tokio::time::sleep(jittered(Duration::from_secs(wait.min(3_600)))).await;
                continue;
            }
            match self.renew_once().await {
                Ok(()) => pause = RETRY_FIRST,
                Err(error) => {
                    tracing::warn!(%error, "the machine's certificate is not renewed");
                    tokio::time::sleep(jittered(pause)).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
            }
        }
    }

    /// Gets the next certificate now.
    ///
    /// # Errors
    /// A sentence.
    pub async fn renew_once(&self) -> Result<(), String> {
        let key = self.config.files.key().map_err(|error| error.to_string())?;
        let question = RenewRequest {
            request: signing_request(&key).map_err(|error| error.to_string())?,
        };
        let answer: EnrolAnswer = self
            .ask("/v1/renew", &question, ASK_TIMEOUT)
            .await
            .map_err(|error| error.to_string())?;
        let node = Node::from(answer);
        self.config.files.save(&node).map_err(|error| error.to_string())?;
        let fresh = asker(&self.config.files, &node).map_err(|error| error.to_string())?;
        let mut state = self.state();
        state.asker = fresh;
        state.node = node;
        Ok(())
    }

    fn view(&self) -> Option<Result<Machine, SourceError>> {
        let state = self.state();
        if let Some(why) = &state.refused {
            return Some(Err(SourceError::Refused(why.clone())));
        }
        state.view.as_ref().map(|(_, machine)| Ok(machine.clone()))
    }
}

impl CredentialSource for FleetSource {
    fn machine(&self) -> BoxFuture<'_, Result<Machine, SourceError>> {
        Box::pin(async move {
            let told = self.asked.notified();
            if let Some(view) = self.view() {
                return view;
            }
            // Just started: the first answer is on its way.
            let _ = tokio::time::timeout(ASK_TIMEOUT, told).await;
            self.view().unwrap_or_else(|| {
                Err(SourceError::Unavailable(
                    "no server of the fleet has answered yet".to_owned(),
                ))
            })
        })
    }

    fn revision(&self) -> Option<u64> {
        Some(self.revision.load(Ordering::Acquire))
    }

    fn issue<'a>(&'a self, session: &'a SessionRequest) -> BoxFuture<'a, Result<Issued, SourceError>> {
        Box::pin(async move {
            let question = SessionMessage::from(session);
            match self
                .ask::<IssuedMessage>("/v1/session", &question, ASK_TIMEOUT)
                .await
            {
                Ok(issued) => Ok(issued.into()),
                Err(AskError::Refused(why)) => Err(SourceError::Refused(why)),
                Err(AskError::Unavailable(why)) => Err(SourceError::Unavailable(why)),
            }
        })
    }
}

fn asker(files: &NodeFiles, node: &Node) -> Result<Asker, EnrolmentError> {
    let decoded = |text: &String| {
        STANDARD
            .decode(text)
            .map_err(|_| EnrolmentError::Files("node.json holds no certificate".to_owned()))
    };
    let authorities = node
        .authorities
        .iter()
        .map(decoded)
        .collect::<Result<Vec<_>, _>>()?;
    let key = files.key()?;
    let tls = client_config(decoded(&node.certificate)?, key.serialize_der(), &authorities)
        .map_err(|error| EnrolmentError::Files(error.to_string()))?;
    Ok(Asker::new(tls))
}

/// What the fleet tells, then what the configuration names.
fn merged(told: &[String], configured: &[String]) -> Vec<String> {
    let mut servers: Vec<String> = vec![];
    for server in told.iter().chain(configured) {
        if !servers.contains(server) {
            servers.push(server.clone());
        }
    }
    servers
}
