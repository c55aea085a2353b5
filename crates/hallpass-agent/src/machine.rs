use crate::lease::Leases;
use crate::{CredentialSource, Machine, SourceError};
use hallpass_imds::{InstanceView, Tree};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How old the view of the machine may be where the source cannot tell whether it changed: so long does a role taken
/// away stay visible.
const MACHINE_TRUSTED: Duration = Duration::from_secs(1);
/// How long a request waits for a newer view when an older one is at hand. SDKs give up after a second.
const WAIT_FOR_NEWER: Duration = Duration::from_millis(600);

/// The machine at one moment, laid out as the metadata tree.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) machine: Machine,
    pub(crate) tree: Tree,
}

/// Keeps the newest view of the machine; asks for another at most once a second, once however many wait.
#[derive(Debug, Default)]
pub(crate) struct MachineCache {
    state: Arc<Mutex<State>>,
    asking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Default)]
struct State {
    snapshot: Option<Arc<Snapshot>>,
    asked: Option<Instant>,
    /// The source's revision when it was asked.
    revision: Option<u64>,
    error: Option<SourceError>,
}

impl State {
    /// The answer, if the last question is recent enough. Unavailability does not invalidate what is known.
    fn recent(&self, revision: Option<u64>) -> Option<Result<Arc<Snapshot>, SourceError>> {
        let recent = match revision {
            Some(_) => self.revision == revision,
            None => self.asked.is_some_and(|asked| asked.elapsed() < MACHINE_TRUSTED),
        };
        recent.then(|| self.known()).flatten()
    }

    fn known(&self) -> Option<Result<Arc<Snapshot>, SourceError>> {
        match (&self.snapshot, &self.error) {
            (Some(snapshot), _) => Some(Ok(Arc::clone(snapshot))),
            (None, Some(error)) => Some(Err(error.clone())),
            (None, None) => None,
        }
    }
}

impl MachineCache {
    pub(crate) async fn current(
        &self,
        source: &Arc<dyn CredentialSource>,
        leases: &Arc<Leases>,
    ) -> Result<Arc<Snapshot>, SourceError> {
        if let Some(answer) = lock(&self.state).recent(source.revision()) {
            return answer;
        }
        // A task of its own: a caller who hangs up does not take the question with them.
        let ask = tokio::spawn(ask(
            Arc::clone(&self.state),
            Arc::clone(&self.asking),
            Arc::clone(source),
            Arc::clone(leases),
        ));
        let older = lock(&self.state).known();
        match older {
            Some(Ok(older)) => {
                let newer = tokio::time::timeout(WAIT_FOR_NEWER, ask).await;
                if newer.is_err() {
                    return Ok(older);
                }
            }
            _ => {
                let _ = ask.await;
            }
        }
        let known = lock(&self.state).known();
        known.unwrap_or_else(|| Err(SourceError::Unavailable("the question was abandoned".to_owned())))
    }

    pub(crate) fn last(&self) -> Option<Arc<Snapshot>> {
        lock(&self.state).snapshot.clone()
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        lock(&self.state).error.as_ref().map(ToString::to_string)
    }
}

async fn ask(
    state: Arc<Mutex<State>>,
    asking: Arc<tokio::sync::Mutex<()>>,
    source: Arc<dyn CredentialSource>,
    leases: Arc<Leases>,
) {
    let _one = asking.lock().await;
    // Before the question: a change while it is answered makes the answer outdated at once.
    let revision = source.revision();
    if lock(&state).recent(revision).is_some() {
        return;
    }
    let answer = source.machine().await;
    let mut state = lock(&state);
    state.revision = revision;
    state.asked = Some(Instant::now());
    match answer {
        Ok(machine) => {
            leases.keep_only(&unchanged(&machine, state.snapshot.as_deref()), &machine.revoked);
            let same = state
                .snapshot
                .as_ref()
                .is_some_and(|known| known.machine == machine);
            if !same {
                let tree = Tree::new(view(&machine));
                state.snapshot = Some(Arc::new(Snapshot { machine, tree }));
            }
            state.error = None;
        }
        Err(error) => {
            if matches!(error, SourceError::Refused(_)) {
                leases.keep_only(&[], &[]);
                state.snapshot = None;
            }
            if state.error.as_ref() != Some(&error) {
                tracing::warn!(%error, "cannot get a new view of the machine");
            }
            state.error = Some(error);
        }
    }
}

/// The roles whose leases are still worth something: given still, and neither made anew nor revoked meanwhile.
fn unchanged(machine: &Machine, known: Option<&Snapshot>) -> Vec<String> {
    let before = |role: &String| known.and_then(|known| known.machine.role_ids.get(role));
    let is_same = |role: &&String| before(role).is_none_or(|id| machine.role_ids.get(*role) == Some(id));
    machine.roles.iter().filter(is_same).cloned().collect()
}

fn view(machine: &Machine) -> InstanceView {
    let profile = machine.profile_arn.clone().zip(machine.profile_id.clone());
    InstanceView {
        instance_id: machine.instance_id.clone(),
        account: machine.account.clone(),
        region: machine.region.clone(),
        availability_zone: machine.availability_zone.clone(),
        private_ip: machine.private_ip.clone(),
        image_id: machine.image_id.clone(),
        instance_type: machine.instance_type.clone(),
        architecture: machine.architecture.clone(),
        hostname: machine.hostname.clone(),
        mac: machine.mac.clone(),
        subnet_id: machine.subnet_id.clone(),
        vpc_id: machine.vpc_id.clone(),
        reservation_id: machine.reservation_id.clone(),
        security_groups: machine.security_groups.clone(),
        profile,
        launched: machine.launched,
        tags: machine.tags.clone(),
        user_data: machine.user_data.clone(),
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
