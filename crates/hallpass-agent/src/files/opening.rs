use super::listing::shown;
use crate::agent::facts;
use crate::lease::LeaseError;
use crate::{Agent, AgentEvent, AuditDoor, EventOutcome, SessionRequest, SourceError};
use hallpass_caller::Caller;
use hallpass_rolefs::{OpenError, OpenRequest, RoleCredentials, RoleDirectory};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// How long an open may wait for credentials and for its record: a program that opens a file expects no more.
const OPEN_TIMEOUT: Duration = Duration::from_secs(2);
/// Opens being decided at the same time.
const OPENING_MAX: usize = 4096;
/// The same user's refusals at the same role are recorded once in this time: naming a path costs nothing, so nobody
/// can fill the disk with it.
const REFUSALS_EVERY: Duration = Duration::from_secs(10);
/// Refusals remembered. With more users and roles than that, some are not recorded.
const REFUSALS_MAX: usize = 4096;

/// Decides and records opens.
pub(super) struct Opening {
    agent: Arc<Agent>,
    places: Arc<Semaphore>,
    refusals: Mutex<HashMap<(u32, String), Instant>>,
    /// What was recorded for files on a tmpfs: role → owner and key.
    written: Mutex<HashMap<String, (u32, String)>>,
}

impl Opening {
    pub(super) fn new(agent: Arc<Agent>) -> Self {
        Self {
            agent,
            places: Arc::new(Semaphore::new(OPENING_MAX)),
            refusals: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// Room for one more open.
    pub(super) fn begin(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Decides on rules and profile as they are now, and records the decision.
    pub(super) async fn decide(&self, request: OpenRequest) -> Result<Arc<RoleCredentials>, OpenError> {
        let deadline = Instant::now() + OPEN_TIMEOUT;
        let agent = &self.agent;
        if let Err(reason) = timeout_at(deadline, self.may(&request))
            .await
            .map_err(|_| OpenError::NotReady)?
        {
            self.refuse(&request, reason).await;
            return Err(OpenError::Refused);
        }
        let session = SessionRequest::of_role(&request.role);
        let lease = match timeout_at(deadline, agent.leases.get(&session, 0)).await {
            Err(_) => return Err(OpenError::NotReady),
            Ok(Ok(lease)) => lease,
            Ok(Err(error)) => {
                let answer = match &error {
                    LeaseError::Source(SourceError::Refused(_)) => OpenError::Refused,
                    _ => OpenError::NoCredentials,
                };
                self.refuse(&request, error.to_string()).await;
                return Err(answer);
            }
        };
        let caller = self.caller(&request);
        let uid = caller.uid;
        let outcome = EventOutcome::Issued {
            role: request.role.clone(),
            access_key_id: lease.issued.access_key_id.clone(),
            expires_at: lease.issued.expires_at,
            again: agent
                .leases
                .was_handed_to(&session, &lease.issued.access_key_id, uid),
        };
        let recording = agent.record(self.event(Some(&caller), &request.role, outcome));
        if !timeout_at(deadline, recording).await.unwrap_or(false) {
            return Err(OpenError::NotRecorded);
        }
        agent.leases.handed_to(&session, &lease.issued.access_key_id, uid);
        Ok(Arc::new(shown(&lease.issued)))
    }

    /// Whether the reader may, or why not.
    async fn may(&self, request: &OpenRequest) -> Result<(), String> {
        let rules = self.agent.rules();
        let rule = rules.files.iter().find(|rule| rule.role == request.role);
        let Some(rule) = rule else {
            return Err("no [[file]] of the rules is for this role any more".to_owned());
        };
        let access = rule.access(&self.agent.callers.database())?;
        let reader = &request.reader;
        if !access.allows(reader.uid, &reader.gids) {
            return Err("the file is not theirs to read any more".to_owned());
        }
        let machine = self.agent.machine().await.map_err(|error| error.to_string())?;
        if machine.machine.roles.contains(&request.role) {
            Ok(())
        } else {
            Err("the instance profile does not have the role any more".to_owned())
        }
    }

    /// Whether this refusal is to be recorded.
    pub(super) fn is_news(&self, request: &OpenRequest) -> bool {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let key = (request.reader.uid, request.role.clone());
        if refusals
            .get(&key)
            .is_some_and(|last| now.duration_since(*last) < REFUSALS_EVERY)
        {
            return false;
        }
        if refusals.len() >= REFUSALS_MAX {
            refusals.retain(|_, last| now.duration_since(*last) < REFUSALS_EVERY);
        }
        if refusals.len() >= REFUSALS_MAX {
            return false;
        }
        refusals.insert(key, now);
        true
    }

    /// Records a refusal.
    pub(super) async fn refuse(&self, request: &OpenRequest, reason: String) {
        let outcome = EventOutcome::Refused {
            role: Some(request.role.clone()),
            reason,
        };
        let caller = self.caller(request);
        // Refused all the same if it cannot be recorded; that is in the log.
        let _ = self
            .agent
            .record(self.event(Some(&caller), &request.role, outcome))
            .await;
    }

    /// Whether the files of a role are on record as they are to be now.
    pub(super) fn is_written(&self, directory: &RoleDirectory) -> bool {
        let written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        match directory.credentials() {
            None => true,
            Some(credentials) => written.get(directory.role()).is_some_and(|(owner, key)| {
                *owner == directory.access().owner() && *key == credentials.access_key_id
            }),
        }
    }

    /// Records that the files of a role are about to be written, for their owner. On a tmpfs that is all that is known.
    pub(super) async fn record_write(&self, directory: &RoleDirectory) -> bool {
        let Some(credentials) = directory.credentials() else {
            return true;
        };
        let owner = directory.access().owner();
        let caller = self.agent.callers.of_uid(owner);
        let outcome = EventOutcome::Issued {
            role: directory.role().to_owned(),
            access_key_id: credentials.access_key_id.clone(),
            expires_at: credentials.expires_at,
            again: false,
        };
        let event = self.event(Some(&caller), directory.role(), outcome);
        if !self.agent.record(event).await {
            return false;
        }
        self.agent.leases.handed_to(
            &SessionRequest::of_role(directory.role()),
            &credentials.access_key_id,
            owner,
        );
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(
            directory.role().to_owned(),
            (owner, credentials.access_key_id.clone()),
        );
        true
    }

    fn caller(&self, request: &OpenRequest) -> Caller {
        let reader = &request.reader;
        self.agent.callers.of_reader(reader.uid, &reader.gids, reader.pid)
    }

    fn event(&self, caller: Option<&Caller>, role: &str, outcome: EventOutcome) -> AgentEvent {
        AgentEvent {
            time: self.agent.now(),
            request_id: self.agent.request_id(),
            outcome,
            caller: caller.map(facts),
            door: AuditDoor::File,
            peer: "file".to_owned(),
            rule: Some(format!("[[file]] {role}")),
            user_agent: None,
        }
    }
}
