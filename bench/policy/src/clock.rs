//! Taking time on a machine that others use too: many short rounds, of which the median and the best are kept.

use std::time::{Duration, Instant};

/// A round should last about this long: far longer than reading the clock, far shorter than a scheduler's slice.
const ROUND: Duration = Duration::from_micros(500);
/// Rounds go on for at least this long.
const TOTAL: Duration = Duration::from_millis(60);
const ROUNDS_MIN: usize = 11;

/// Nanoseconds a call.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub median: f64,
    pub best: f64,
}

/// Measures one call.
pub fn time(mut call: impl FnMut()) -> Timing {
    let began = Instant::now();
    call();
    let once = began.elapsed().max(Duration::from_nanos(20));
    let mut round = |calls: u32| {
        let began = Instant::now();
        (0..calls).for_each(|_| call());
        began.elapsed()
    };
    // The first call is cold; a short round says better how many make a long one.
    let guess = (ROUND.as_nanos() / 8 / once.as_nanos()).clamp(1, 1_000_000) as u32;
    let each = round(guess).as_nanos() as f64 / f64::from(guess);
    let calls = (ROUND.as_nanos() as f64 / each).clamp(1.0, 1e6) as u32;
    let mut rounds = Vec::new();
    let began = Instant::now();
    while rounds.len() < ROUNDS_MIN || began.elapsed() < TOTAL {
        rounds.push(round(calls).as_nanos() as f64 / f64::from(calls));
    }
    rounds.sort_by(f64::total_cmp);
    Timing {
        median: rounds[rounds.len() / 2],
        best: rounds[0],
    }
}
