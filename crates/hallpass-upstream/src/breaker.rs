//! Whether an upstream is worth asking, and how often a failed request may be tried again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Failures in a row after which an upstream is not asked for a while.
const FAILURES_MAX: u32 = 5;
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// Tries saved up at most, in tenths.
const BUDGET_MAX: u32 = 100;
/// What a second try costs, in tenths; every request pays in one tenth.
const TRY_COST: u32 = 10;

/// How an upstream does, as far as requests have shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// False while it is not asked.
    pub is_up: bool,
    /// Failures to reach it in a row.
    pub failures: u32,
}

/// Stops asking an upstream that cannot be reached, then lets one request try.
pub(crate) struct Breaker(Mutex<State>);

#[derive(Default)]
struct State {
    failures: u32,
    /// Until when nobody asks.
    closed_until: Option<Instant>,
    budget: u32,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            budget: BUDGET_MAX,
            ..State::default()
        }))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request may be sent at `now`. After a pause one may; the next only when that has shown something.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut state = self.state();
        match state.closed_until {
            Some(until) if now < until => false,
            Some(_) => {
                state.closed_until = Some(now + pause(state.failures));
                true
            }
            None => true,
        }
    }

    /// The upstream answered, whatever it said.
    pub(crate) fn succeeded(&self) {
        let mut state = self.state();
        state.failures = 0;
        state.closed_until = None;
        state.budget = (state.budget + 1).min(BUDGET_MAX);
    }

    /// It could not be reached, or broke off.
    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES_MAX {
            state.closed_until = Some(now + pause(state.failures));
        }
    }

    /// Whether a request may be tried again: a tenth of all requests, and ten at once.
    pub(crate) fn spend_try(&self) -> bool {
        let mut state = self.state();
        match state.budget.checked_sub(TRY_COST) {
            Some(left) => {
                state.budget = left;
                true
            }
            None => false,
        }
    }

    pub(crate) fn health(&self) -> Health {
        let state = self.state();
        Health {
            is_up: state.closed_until.is_none(),
            failures: state.failures,
        }
    }
}

fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(FAILURES_MAX).min(10);
    PAUSE_FIRST.saturating_mul(1 << doublings).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_failures_in_a_row_one_request_at_a_time_tries() {
        let (breaker, start) = (Breaker::new(), Instant::now());
        for _ in 0..FAILURES_MAX {
            assert!(breaker.admits(start));
            breaker.failed(start);
        }
        assert!(!breaker.health().is_up && !breaker.admits(start));
        let later = start + PAUSE_FIRST;
        assert!(breaker.admits(later));
        assert!(
            !breaker.admits(later),
            "the second must wait for what the first finds"
        );
        breaker.failed(later);
        assert!(!breaker.admits(later + PAUSE_FIRST), "the pause grows");
        assert!(breaker.admits(later + PAUSE_FIRST * 2));
        breaker.succeeded();
        assert!(breaker.health().is_up && breaker.admits(later));
    }

    #[test]
    fn tries_are_a_tenth_of_what_succeeds() {
        let breaker = Breaker::new();
        assert_eq!((0..20).filter(|_| breaker.spend_try()).count(), 10);
        (0..25).for_each(|_| breaker.succeeded());
        assert_eq!((0..20).filter(|_| breaker.spend_try()).count(), 2);
    }
}
