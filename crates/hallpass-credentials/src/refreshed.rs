//! Credentials that expire, fetched anew before they do.

use crate::connector::jittered;
use crate::{FetchError, NoCredentials};
use hallpass_sigv4::SigningCredentials;
use hallpass_types::UnixSeconds;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What one fetch may take, every step of it together.
const DEADLINE: Duration = Duration::from_secs(10);
/// With less than this left, or less than a quarter of their life, credentials are fetched anew. A metadata service
/// has new ones five minutes before the old expire.
const AHEAD_SECONDS: i64 = 300;
/// How old credentials without an expiry become.
const UNDATED_SECONDS: i64 = 300;
/// Less is a clock being corrected, as clocks are.
const SET_BACK_SECONDS_MIN: i64 = 60;
/// The pause after a failure; it doubles with each.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The pause after a success whose credentials are due at once: a metadata service gives the same ones again until
/// it has new ones.
const REST_SECONDS_MAX: i64 = 30;

/// What was fetched.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// To sign with.
    pub credentials: SigningCredentials,
    /// The first instant at which they are no longer valid; `None` when the source did not say.
    pub expires_at: Option<UnixSeconds>,
}

/// One way to get credentials over a network.
pub trait Fetch: Send + Sync + 'static {
    /// What is asked, for the log.
    fn what(&self) -> String;

    /// Asks once. A deadline is set from outside.
    fn fetch(&self, now: UnixSeconds) -> impl Future<Output = Result<Fetched, FetchError>> + Send;
}

/// Keeps the last good credentials of one [`Fetch`] and renews them ahead of their expiry.
///
/// However many ask, one fetch is under way at most, in a task of its own: an asker that goes away does not end it.
/// Askers wait for it only when nothing valid is at hand. After a failure the next fetch waits, longer each time;
/// the last good credentials serve until they expire, and never a moment longer.
pub struct Refreshed<F>(Arc<Shared<F>>);

struct Shared<F> {
    fetch: F,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    good: Option<Good>,
    /// Its sender lives as long as the fetch.
    under_way: Option<watch::Receiver<()>>,
    failures: u32,
    /// The last one, until a fetch succeeds.
    failed: Option<FetchError>,
    rest_until: Option<Instant>,
}

struct Good {
    fetched: Fetched,
    fetched_at: UnixSeconds,
    /// The same, by what nobody can set.
    then: Instant,
}

impl Good {
    /// By how much the clock was set back since they were fetched. What ends by a clock that was set back ends too late.
    fn set_back(&self, now: UnixSeconds) -> i64 {
        let back = later(self.fetched_at, self.then).since(now);
        if back > SET_BACK_SECONDS_MIN { back } else { 0 }
    }

    /// What was fetched, with its end as the clock of now will show it.
    fn shown(&self, now: UnixSeconds) -> Fetched {
        let mut fetched = self.fetched.clone();
        let back = self.set_back(now);
        fetched.expires_at = fetched.expires_at.map(|expiry| expiry.plus(-back));
        fetched
    }

    fn is_valid(&self, now: UnixSeconds) -> bool {
        let now = now.plus(self.set_back(now));
        self.fetched.expires_at.is_none_or(|expiry| now < expiry)
    }

    fn is_due(&self, now: UnixSeconds) -> bool {
        let now = now.plus(self.set_back(now));
        match self.fetched.expires_at {
            Some(expiry) => {
                let life = expiry.since(self.fetched_at);
                expiry.since(now) < AHEAD_SECONDS.max(life / 4)
            }
            None => now.since(self.fetched_at) >= UNDATED_SECONDS,
        }
    }

    /// A quarter of what is left, so that credentials of a short life are renewed within it.
    fn rest(&self) -> Duration {
        let left = self
            .fetched
            .expires_at
            .map(|expiry| expiry.since(self.fetched_at));
        let seconds = left.map_or(REST_SECONDS_MAX, |left| (left / 4).clamp(0, REST_SECONDS_MAX));
        Duration::from_secs(seconds.unsigned_abs())
    }
}

impl State {
    fn valid(&self, now: UnixSeconds) -> Option<Fetched> {
        let good = self.good.as_ref().filter(|good| good.is_valid(now))?;
        Some(good.shown(now))
    }

    /// Whether the next fetch has to wait. Not after a success whose credentials are over already: they end within the
    /// pause only when the clock was set on.
    fn rests(&self, now: UnixSeconds, started: Instant) -> bool {
        let is_over = self.failures == 0 && self.good.as_ref().is_some_and(|good| !good.is_valid(now));
        !is_over && self.rest_until.is_some_and(|until| started < until)
    }
}

impl<F> Clone for Refreshed<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<F: Fetch> Refreshed<F> {
    /// Nothing is fetched yet.
    #[must_use]
    pub fn new(fetch: F) -> Self {
        Self(Arc::new(Shared {
            fetch,
            state: Mutex::new(State::default()),
        }))
    }

    /// Begins the first fetch, without waiting for it. Call it within a runtime.
    pub fn prefetch(&self, now: UnixSeconds) {
        self.begin(&mut self.0.state(), now);
    }

    /// What is valid at `now`.
    ///
    /// # Errors
    /// [`NoCredentials`], with the last failure.
    pub async fn current(&self, now: UnixSeconds) -> Result<Fetched, NoCredentials> {
        let mut end = {
            let mut state = self.0.state();
            if let Some(fetched) = state.valid(now) {
                if state.good.as_ref().is_some_and(|good| good.is_due(now)) {
                    self.begin(&mut state, now);
                }
                return Ok(fetched);
            }
            match self.begin(&mut state, now) {
                Some(end) => end,
                None => return Err(self.0.none(&state)),
            }
        };
        // Nothing is ever sent; the error is the end of the fetch.
        let _ = end.changed().await;
        let state = self.0.state();
        state.valid(now).ok_or_else(|| self.0.none(&state))
    }

    /// The end of the fetch under way, begun now if there is none; `None` during the pause after a failure.
    fn begin(&self, state: &mut State, now: UnixSeconds) -> Option<watch::Receiver<()>> {
        let under_way = state.under_way.as_ref();
        if let Some(end) = under_way.filter(|end| end.has_changed().is_ok()) {
            return Some(end.clone());
        }
        let started = Instant::now();
        if state.rests(now, started) {
            return None;
        }
        let (alive, end) = watch::channel(());
        state.under_way = Some(end.clone());
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let outcome = tokio::time::timeout(DEADLINE, shared.fetch.fetch(now)).await;
            shared.note(outcome.unwrap_or(Err(FetchError::Deadline)), later(now, started));
            drop(alive);
        });
        Some(end)
    }
}

impl<F: Fetch> Shared<F> {
    fn note(&self, outcome: Result<Fetched, FetchError>, now: UnixSeconds) {
        let good = outcome.map(|fetched| Good {
            fetched,
            fetched_at: now,
            then: Instant::now(),
        });
        let good = good.and_then(|good| {
            let is_valid = good.is_valid(now);
            is_valid
                .then_some(good)
                .ok_or(FetchError::Answer("gave expired credentials"))
        });
        let mut state = self.state();
        match good {
            Ok(good) => {
                if state.failures > 0 {
                    tracing::info!(source = %self.fetch.what(), "credentials are there again");
                }
                state.failures = 0;
                state.failed = None;
                state.rest_until = Some(Instant::now() + good.rest());
                state.good = Some(good);
            }
            Err(error) => {
                tracing::warn!(source = %self.fetch.what(), %error, "no new credentials");
                let pause = PAUSE_FIRST
                    .saturating_mul(1 << state.failures.min(10))
                    .min(PAUSE_MAX);
                state.failures = state.failures.saturating_add(1);
                state.failed = Some(error);
                state.rest_until = Some(Instant::now() + jittered(pause));
                // What has expired need not stay in memory.
                state.good.take_if(|good| !good.is_valid(now));
            }
        }
    }
}

impl<F: Fetch> Shared<F> {
    fn none(&self, state: &State) -> NoCredentials {
        let failed = state.failed.as_ref();
        NoCredentials {
            what: self.fetch.what(),
            reason: failed.map_or_else(|| "gave nothing".to_owned(), ToString::to_string),
        }
    }
}

impl<F> Shared<F> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the clock that showed `now` at `then` shows now.
fn later(now: UnixSeconds, then: Instant) -> UnixSeconds {
    now.plus(i64::try_from(then.elapsed().as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
