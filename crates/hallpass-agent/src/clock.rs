use hallpass_types::{Clock, Entropy, UnixSeconds};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// What is drawn ahead at a time.
const AHEAD_BYTES: usize = 512;

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixSeconds {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixSeconds(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
    }
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        if aws_lc_rs::rand::fill(buffer).is_err() {
            // WHY: going on with bytes someone could predict would hand out forgeable tokens.
            tracing::error!("the operating system gives no randomness");
            std::process::abort();
        }
    }
}

/// Randomness for names, drawn some hundred bytes ahead: one draw takes about a microsecond however little is asked for,
/// and every request and every record has a name.
///
/// For what must be unique only, never for keys and nonces: the bytes lie in memory before they are used, and a machine
/// that is copied while it runs gives the next few twice.
pub struct DrawnAhead {
    source: Arc<dyn Entropy>,
    ahead: Mutex<Ahead>,
}

struct Ahead {
    bytes: [u8; AHEAD_BYTES],
    used: usize,
}

impl std::fmt::Debug for DrawnAhead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DrawnAhead").finish_non_exhaustive()
    }
}

impl DrawnAhead {
    /// From this source.
    #[must_use]
    pub fn new(source: Arc<dyn Entropy>) -> Self {
        let ahead = Ahead {
            bytes: [0; AHEAD_BYTES],
            used: AHEAD_BYTES,
        };
        Self {
            source,
            ahead: Mutex::new(ahead),
        }
    }
}

impl Entropy for DrawnAhead {
    fn fill(&self, buffer: &mut [u8]) {
        if buffer.len() > AHEAD_BYTES {
            return self.source.fill(buffer);
        }
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        if ahead.used.saturating_add(buffer.len()) > AHEAD_BYTES {
            self.source.fill(&mut ahead.bytes);
            ahead.used = 0;
        }
        let from = ahead.used;
        ahead.used += buffer.len();
        buffer.copy_from_slice(&ahead.bytes[from..ahead.used]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU8, Ordering};

    /// Each draw is of one byte, the next one's number.
    #[derive(Default)]
    struct Numbered(AtomicU8);

    impl Entropy for Numbered {
        fn fill(&self, buffer: &mut [u8]) {
            buffer.fill(self.0.fetch_add(1, Ordering::SeqCst));
        }
    }

    #[test]
    fn nothing_is_given_twice() {
        let ahead = DrawnAhead::new(Arc::new(SystemEntropy));
        let mut seen = std::collections::HashSet::new();
        for _ in 0..1000 {
            let mut name = [0; 16];
            ahead.fill(&mut name);
            assert!(seen.insert(name));
        }
    }

    #[test]
    fn a_draw_is_used_up_and_what_is_longer_is_drawn_by_itself() {
        let ahead = DrawnAhead::new(Arc::new(Numbered::default()));
        let draw = |length: usize| {
            let mut bytes = vec![99; length];
            ahead.fill(&mut bytes);
            assert!(bytes.iter().all(|byte| *byte == bytes[0]));
            bytes[0]
        };
        assert_eq!((draw(200), draw(200), draw(112)), (0, 0, 0));
        assert_eq!((draw(1), draw(511)), (1, 1));
        // The rest of a draw that does not suffice is left.
        assert_eq!((draw(300), draw(300)), (2, 3));
        assert_eq!((draw(AHEAD_BYTES + 1), draw(AHEAD_BYTES)), (4, 5));
    }
}
