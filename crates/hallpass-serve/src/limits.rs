//! How much any one caller may ask for: requests, bytes and requests at once, by session and by role.

use hallpass_access::{Caller, CallerKind};
use hallpass_gateway::{LimitsConfig, RateConfig, Refusal};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Callers remembered. Beyond, those that used nothing lately are forgotten: a forgotten one starts with a full second.
const CALLERS_MAX: usize = 65_536;

/// Counts what callers use and says when it is too much.
pub(crate) struct Limits {
    config: LimitsConfig,
    used: Mutex<HashMap<String, Arc<Mutex<Used>>>>,
}

struct Used {
    since: Instant,
    /// What may still be used; negative when more was used than there was.
    requests: f64,
    bytes: f64,
    running: u32,
}

/// A request under way. Dropped when its answer is through.
#[derive(Default)]
pub(crate) struct Running(Vec<(Arc<Mutex<Used>>, RateConfig)>);

impl Limits {
    pub(crate) fn new(config: LimitsConfig) -> Self {
        Self {
            config,
            used: Mutex::default(),
        }
    }

    /// Lets a request of `caller` begin.
    ///
    /// # Errors
    /// 503 `SlowDown`, as S3 answers, when the caller has used up what it may.
    pub(crate) fn begin(&self, caller: &Caller, now: Instant) -> Result<Running, Refusal> {
        let unlimited = RateConfig::default();
        if self.config.per_session == unlimited && self.config.per_role == unlimited {
            return Ok(Running::default());
        }
        let session = caller
            .access_key_id
            .as_ref()
            .map_or_else(String::new, |key| format!("key {key}"));
        let role = match &caller.kind {
            CallerKind::Role { name } => format!("role {} {name}", caller.account),
            CallerKind::User { name } => format!("user {} {name}", caller.account),
            CallerKind::Root | CallerKind::Service => format!("account {}", caller.account),
            CallerKind::FederatedUser { user: Some(name) } => format!("user {} {name}", caller.account),
            CallerKind::FederatedUser { user: None } => format!("account {}", caller.account),
            CallerKind::WebIdentity(identity) => format!("web identity {}", identity.provider_arn),
            CallerKind::Saml(identity) => format!("saml {}", identity.provider_arn),
            CallerKind::Anonymous => "anonymous".to_owned(),
        };
        let mut running = Running::default();
        for (name, rate) in [(session, self.config.per_session), (role, self.config.per_role)] {
            if rate == unlimited {
                continue;
            }
            let used = self.entry(name, rate, now);
            lock(&used).take(rate, now)?;
            running.0.push((used, rate));
        }
        Ok(running)
    }

    fn entry(&self, name: String, rate: RateConfig, now: Instant) -> Arc<Mutex<Used>> {
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CALLERS_MAX {
            all.retain(|_, used| {
                let used = lock(used);
                used.running > 0 || now.saturating_duration_since(used.since) < Duration::from_secs(10)
            });
        }
        let entry = all.entry(name).or_insert_with(|| {
            Arc::new(Mutex::new(Used {
                since: now,
                requests: f64::from(rate.requests_per_second.unwrap_or_default()),
                bytes: rate.bytes_per_second.unwrap_or_default() as f64,
                running: 0,
            }))
        });
        Arc::clone(entry)
    }
}

fn lock(used: &Mutex<Used>) -> std::sync::MutexGuard<'_, Used> {
    used.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Used {
    fn take(&mut self, rate: RateConfig, now: Instant) -> Result<(), Refusal> {
        let seconds = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = now;
        if let Some(limit) = rate.requests_per_second {
            let limit = f64::from(limit);
            self.requests = (self.requests + seconds * limit).min(limit);
            if self.requests < 1.0 {
                return Err(slow_down("requests per second"));
            }
        }
        if let Some(limit) = rate.bytes_per_second {
            let limit = limit as f64;
            self.bytes = (self.bytes + seconds * limit).min(limit);
            // How much a request moves is known at its end, so it may overdraw; the next ones wait for it.
            if self.bytes <= 0.0 {
                return Err(slow_down("bytes per second"));
            }
        }
        if rate
            .concurrent_requests
            .is_some_and(|limit| self.running >= limit)
        {
            return Err(slow_down("requests at once"));
        }
        self.requests -= 1.0;
        self.running += 1;
        Ok(())
    }
}

impl Running {
    /// Counts bytes that passed, either way.
    pub(crate) fn moved(&self, bytes: u64) {
        for (used, rate) in &self.0 {
            if rate.bytes_per_second.is_some() {
                lock(used).bytes -= bytes as f64;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for (used, _) in &self.0 {
            let mut used = lock(used);
            used.running = used.running.saturating_sub(1);
        }
    }
}

fn slow_down(what: &str) -> Refusal {
    Refusal::caller("SlowDown", 503, "Please reduce your request rate.")
        .with_detail(format!("over the limit of {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_policy::PrincipalInfo;
    use hallpass_types::AccountId;

    fn caller(role: &str) -> Caller {
        let account: AccountId = "123456789012".parse().unwrap();
        Caller {
            account,
            kind: CallerKind::Role {
                name: role.to_owned(),
            },
            principal: PrincipalInfo::root(account),
            user_id: String::new(),
            access_key_id: None,
            session: None,
        }
    }

    fn limits(rate: RateConfig) -> Limits {
        Limits::new(LimitsConfig {
            per_role: rate,
            ..LimitsConfig::default()
        })
    }

    #[test]
    fn a_role_gets_its_requests_per_second_and_another_is_not_touched() {
        let limits = limits(RateConfig {
            requests_per_second: Some(2),
            ..RateConfig::default()
        });
        let start = Instant::now();
        assert!(limits.begin(&caller("a"), start).is_ok());
        assert!(limits.begin(&caller("a"), start).is_ok());
        let refused = limits.begin(&caller("a"), start).err().unwrap();
        assert_eq!((refused.code, refused.status), ("SlowDown", 503));
        assert!(limits.begin(&caller("b"), start).is_ok());
        assert!(
            limits
                .begin(&caller("a"), start + Duration::from_millis(500))
                .is_ok()
        );
        assert!(
            limits
                .begin(&caller("a"), start + Duration::from_millis(600))
                .is_err()
        );
    }

    #[test]
    fn an_overdraft_of_bytes_is_waited_for() {
        let limits = limits(RateConfig {
            bytes_per_second: Some(1_000),
            ..RateConfig::default()
        });
        let start = Instant::now();
        limits.begin(&caller("a"), start).ok().unwrap().moved(3_000);
        assert!(
            limits
                .begin(&caller("a"), start + Duration::from_secs(1))
                .is_err()
        );
        assert!(
            limits
                .begin(&caller("a"), start + Duration::from_millis(2_001))
                .is_ok()
        );
    }

    #[test]
    fn requests_at_once_count_until_their_answers_are_through() {
        let limits = limits(RateConfig {
            concurrent_requests: Some(1),
            ..RateConfig::default()
        });
        let start = Instant::now();
        let first = limits.begin(&caller("a"), start).ok().unwrap();
        assert!(limits.begin(&caller("a"), start).is_err());
        drop(first);
        assert!(limits.begin(&caller("a"), start).is_ok());
    }
}
