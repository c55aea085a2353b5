use crate::{CredentialSource, Issued, LeaseStatus, SessionRequest, SourceError};
use hallpass_types::{Clock, Entropy, UnixSeconds};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// What must be left on anything the metadata protocol hands out: with less, botocore makes up a later expiry and
/// goes on with dead credentials.
pub(crate) const IMDS_LEFT_SECONDS_MIN: i64 = 25 * 60;
/// With less than this left a lease is due, if its whole life is not much longer anyway.
const DUE_LEFT_SECONDS: i64 = 30 * 60;
/// How long a failure is believed before the source is asked again: at first, and at most.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// Less is a clock being corrected, as clocks are.
const SET_BACK_SECONDS_MIN: i64 = 60;
/// A lease nobody asked for this long is not renewed ahead any more.
const IDLE_SECONDS: i64 = 2 * 60 * 60;
/// Leases kept at most. Templates can make one for each process: beyond this the one longest unasked for goes.
const LEASES_MAX: usize = 4096;
/// Uids remembered per lease, for the status page.
const UIDS_MAX: usize = 256;

/// Why no credentials can be handed out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LeaseError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("sessions of this role have {left} s left when fresh; the metadata protocol needs {least}")]
    TooShort { left: i64, least: i64 },
    #[error("the authority gave credentials that have expired already; check both clocks")]
    Expired,
}

/// One lease per session wanted, in memory only.
pub(crate) struct Leases {
    source: Arc<dyn CredentialSource>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    slots: Mutex<HashMap<SessionRequest, Arc<Slot>>>,
}

#[derive(Debug, Default)]
struct Slot {
    fetching: tokio::sync::Mutex<()>,
    state: Mutex<SlotState>,
}

#[derive(Debug, Default)]
struct SlotState {
    lease: Option<Arc<Lease>>,
    failed: Option<Failure>,
    used_at: Option<UnixSeconds>,
    issued_to: BTreeMap<u32, UnixSeconds>,
}

impl SlotState {
    fn holds(&self, access_key_id: &str) -> bool {
        let lease = self.lease.as_ref();
        lease.is_some_and(|lease| lease.issued.access_key_id == access_key_id)
    }
}

#[derive(Debug)]
struct Failure {
    error: SourceError,
    times: u32,
    until: Instant,
}

#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) issued: Issued,
    /// From here on it is renewed, while the old one is served on.
    due_at: UnixSeconds,
    /// When it was fetched, by the clock and by what nobody can set.
    fetched_at: (UnixSeconds, Instant),
}

impl Lease {
    /// By how much the clock was set back since it was fetched. What ends by a clock that was set back ends too late.
    fn set_back(&self, now: UnixSeconds) -> i64 {
        let (clock, instant) = self.fetched_at;
        let passed = i64::try_from(instant.elapsed().as_secs()).unwrap_or(i64::MAX);
        let back = clock.plus(passed).since(now);
        if back > SET_BACK_SECONDS_MIN { back } else { 0 }
    }

    fn left(&self, now: UnixSeconds) -> i64 {
        self.issued.expires_at.since(now) - self.set_back(now)
    }

    fn is_due(&self, now: UnixSeconds) -> bool {
        now.plus(self.set_back(now)) >= self.due_at
    }

    /// The same with its end as the clock of now will show it, for those who go by that clock.
    fn shown(self: Arc<Self>, now: UnixSeconds) -> Arc<Self> {
        let back = self.set_back(now);
        if back == 0 {
            return self;
        }
        let mut issued = self.issued.clone();
        issued.expires_at = issued.expires_at.plus(-back);
        Arc::new(Self { issued, ..*self })
    }
}

impl Leases {
    pub(crate) fn new(
        source: Arc<dyn CredentialSource>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            source,
            clock,
            entropy,
            slots: Mutex::default(),
        }
    }

    /// Credentials of `session` with at least `least` seconds left.
    ///
    /// One source call, however many ask. While the source is away an older lease is served to its end, even with less
    /// than `least` left: an SDK that may misjudge its expiry is better off than one with nothing.
    pub(crate) async fn get(
        self: &Arc<Self>,
        session: &SessionRequest,
        least: i64,
    ) -> Result<Arc<Lease>, LeaseError> {
        let now = self.clock.now();
        let slot = self.slot(session, now);
        let enough = {
            let state = lock(&slot.state);
            state
                .lease
                .clone()
                .filter(|lease| lease.left(now) >= least.max(1))
        };
        if let Some(lease) = enough {
            if lease.is_due(now) {
                self.renew(session, &slot);
            }
            return Ok(lease.shown(now));
        }
        // A task of its own: a caller who hangs up must not take the fetch of all the others with them.
        let fetch = tokio::spawn(Arc::clone(self).fetch(session.clone(), Arc::clone(&slot), least.max(1)));
        let fetched = match fetch.await {
            Ok(fetched) => fetched,
            Err(_) => Err(SourceError::Unavailable("the request to it failed".to_owned())),
        };
        let now = self.clock.now();
        let lease = lock(&slot.state).lease.clone();
        match (lease, fetched) {
            (Some(lease), Ok(())) if lease.left(now) >= least.max(1) => Ok(lease.shown(now)),
            (Some(lease), Ok(())) if lease.left(now) > 0 => Err(LeaseError::TooShort {
                left: lease.left(now),
                least,
            }),
            (_, Ok(())) => Err(LeaseError::Expired),
            (Some(lease), Err(_)) if lease.left(now) > 0 => Ok(lease.shown(now)),
            (_, Err(error)) => Err(error.into()),
        }
    }

    /// The slot of `session`, with room made for it.
    fn slot(&self, session: &SessionRequest, now: UnixSeconds) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        if slots.len() >= LEASES_MAX && !slots.contains_key(session) {
            let idlest = slots
                .iter()
                .min_by_key(|(_, slot)| lock(&slot.state).used_at)
                .map(|(session, _)| session.clone());
            if let Some(idlest) = idlest {
                slots.remove(&idlest);
            }
        }
        let slot = match slots.get(session) {
            Some(slot) => Arc::clone(slot),
            None => Arc::clone(slots.entry(session.clone()).or_default()),
        };
        // Said here and not by the caller: a slot without a time would be the first to go.
        lock(&slot.state).used_at = Some(now);
        slot
    }

    /// The lease of `session` as far as it is known and valid, without waiting or counting as use.
    pub(crate) fn known(&self, session: &SessionRequest) -> Option<Arc<Lease>> {
        let slot = lock(&self.slots).get(session).cloned()?;
        let lease = lock(&slot.state).lease.clone();
        let now = self.clock.now();
        lease
            .filter(|lease| lease.left(now) > 0)
            .map(|lease| lease.shown(now))
    }

    /// Starts renewing every lease that is due and still asked for.
    pub(crate) fn renew_due(self: &Arc<Self>) {
        let now = self.clock.now();
        let slots: Vec<_> = lock(&self.slots)
            .iter()
            .map(|(session, slot)| (session.clone(), Arc::clone(slot)))
            .collect();
        for (session, slot) in slots {
            let due = {
                let state = lock(&slot.state);
                let wanted = state.used_at.is_some_and(|used| now.since(used) < IDLE_SECONDS);
                wanted && state.lease.as_ref().is_some_and(|lease| lease.is_due(now))
            };
            if due {
                self.renew(&session, &slot);
            }
        }
    }

    /// Forgets the leases of every role not in `roles`, and those whose key is in `revoked`, at once.
    pub(crate) fn keep_only(&self, roles: &[String], revoked: &[String]) {
        lock(&self.slots).retain(|session, slot| {
            roles.contains(&session.role) && !revoked.iter().any(|key| lock(&slot.state).holds(key))
        });
    }

    /// Whether `uid` is known to have got the key of the lease of `session` before.
    pub(crate) fn was_handed_to(&self, session: &SessionRequest, key: &str, uid: u32) -> bool {
        let slot = lock(&self.slots).get(session).cloned();
        slot.is_some_and(|slot| {
            let state = lock(&slot.state);
            state.holds(key) && state.issued_to.contains_key(&uid)
        })
    }

    /// Notes who got that key of `session`, once it is on record.
    pub(crate) fn handed_to(&self, session: &SessionRequest, key: &str, uid: u32) {
        let Some(slot) = lock(&self.slots).get(session).cloned() else {
            return;
        };
        let now = self.clock.now();
        let mut state = lock(&slot.state);
        // Not of one that replaced it meanwhile.
        if state.holds(key) && state.issued_to.len() < UIDS_MAX {
            state.issued_to.entry(uid).or_insert(now);
        }
    }

    pub(crate) fn status(&self) -> Vec<LeaseStatus> {
        let now = self.clock.now();
        let slots = lock(&self.slots);
        let mut leases: Vec<LeaseStatus> = slots
            .iter()
            .filter_map(|(session, slot)| {
                let state = lock(&slot.state);
                let lease = state
                    .lease
                    .clone()
                    .filter(|lease| lease.left(now) > 0)?
                    .shown(now);
                Some(LeaseStatus {
                    role: session.role.clone(),
                    access_key_id: lease.issued.access_key_id.clone(),
                    issued_at: lease.issued.issued_at,
                    expires_at: lease.issued.expires_at,
                    issued_to: state
                        .issued_to
                        .iter()
                        .map(|(uid, since)| (*uid, *since))
                        .collect(),
                    last_error: state.failed.as_ref().map(|failure| failure.error.to_string()),
                })
            })
            .collect();
        leases.sort_by(|one, other| one.role.cmp(&other.role));
        leases
    }

    fn renew(self: &Arc<Self>, session: &SessionRequest, slot: &Arc<Slot>) {
        let backing_off = lock(&slot.state)
            .failed
            .as_ref()
            .is_some_and(|failure| Instant::now() < failure.until);
        if backing_off || slot.fetching.try_lock().is_err() {
            return;
        }
        tokio::spawn(Arc::clone(self).fetch(session.clone(), Arc::clone(slot), 1));
    }

    /// Fetches a lease unless, by the time it is our turn, there is one that is not due and has `least` left.
    async fn fetch(
        self: Arc<Self>,
        session: SessionRequest,
        slot: Arc<Slot>,
        least: i64,
    ) -> Result<(), SourceError> {
        let _one = slot.fetching.lock().await;
        let now = self.clock.now();
        {
            let state = lock(&slot.state);
            if state
                .lease
                .as_ref()
                .is_some_and(|lease| !lease.is_due(now) && lease.left(now) >= least)
            {
                return Ok(());
            }
            if let Some(failure) = state
                .failed
                .as_ref()
                .filter(|failure| Instant::now() < failure.until)
            {
                return Err(failure.error.clone());
            }
        }
        let answer = self.source.issue(&session).await;
        let now = self.clock.now();
        let mut state = lock(&slot.state);
        match answer {
            Ok(issued) => {
                let due_at = self.due_at(&issued, now);
                state.lease = Some(Arc::new(Lease {
                    issued,
                    due_at,
                    fetched_at: (now, Instant::now()),
                }));
                state.failed = None;
                state.issued_to.clear();
                Ok(())
            }
            Err(error) => {
                if matches!(error, SourceError::Refused(_)) {
                    state.lease = None;
                }
                let times = state
                    .failed
                    .as_ref()
                    .map_or(0, |failure| failure.times)
                    .saturating_add(1);
                tracing::warn!(role = session.role, %error, times, "cannot renew a lease");
                let until = Instant::now() + self.backoff(times);
                state.failed = Some(Failure {
                    error: error.clone(),
                    times,
                    until,
                });
                Err(error)
            }
        }
    }

    /// Half its life before the end, or 30 minutes if its life is short, and up to a tenth earlier, so that a fleet
    /// started together does not renew together.
    fn due_at(&self, issued: &Issued, now: UnixSeconds) -> UnixSeconds {
        let life = issued.expires_at.since(now).max(0);
        let left = (life / 2).max(DUE_LEFT_SECONDS.min(life / 4 * 3));
        issued
            .expires_at
            .plus(-left)
            .plus(-(life / 10 * self.random_percent() / 100))
    }

    /// Doubles up to the longest, less up to half.
    fn backoff(&self, times: u32) -> Duration {
        let whole = RETRY_FIRST
            .saturating_mul(1 << times.saturating_sub(1).min(5))
            .min(RETRY_LONGEST);
        let percent = u32::try_from(100 - self.random_percent() / 2).unwrap_or(100);
        whole * percent / 100
    }

    fn random_percent(&self) -> i64 {
        let mut byte = [0_u8];
        self.entropy.fill(&mut byte);
        i64::from(byte[0]) * 100 / 255
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
