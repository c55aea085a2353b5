//! When each access key, user and role was last used, and for what.
//!
//! Noting a use writes nothing: uses gather in memory and a flush now and then writes what is new enough. What is told
//! is the later of the two. A crash forgets what was not flushed; AWS's answers are some minutes behind as well.

use crate::authority::Authority;
use crate::call::Ctx;
use crate::entity::{LastUse, Use};
use crate::state::{State, key, put};
use hallpass_access::{Caller, CallerKind};
use hallpass_store::Op;
use hallpass_types::{AccessKeyKind, AccountId, UnixSeconds};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

/// Keys and principals remembered; a tenth of them, the longest unused, are dropped when there are more.
const TRACKED_MAX: usize = 100_000;
/// Services remembered of each.
const SERVICES_MAX: usize = 200;
/// A use of the same service is written again after this long.
const WRITE_AFTER_SECONDS: i64 = 3_600;
/// Entities in one transaction of a flush: etcd takes 128 operations.
const BATCH: usize = 100;

#[derive(Debug)]
struct Seen {
    service: Box<str>,
    region: Box<str>,
    at: UnixSeconds,
    /// The use that the store has.
    written: Option<UnixSeconds>,
}

#[derive(Debug)]
struct Tracked {
    account: AccountId,
    services: Vec<Seen>,
}

impl Tracked {
    fn newest(&self) -> i64 {
        self.services
            .iter()
            .map(|seen| seen.at.0)
            .max()
            .unwrap_or(i64::MIN)
    }

    fn note(&mut self, service: &str, region: &str, now: UnixSeconds) {
        if let Some(seen) = self.services.iter_mut().find(|seen| *seen.service == *service) {
            seen.at = seen.at.max(now);
            if *seen.region != *region {
                seen.region = region.into();
            }
            return;
        }
        if self.services.len() >= SERVICES_MAX {
            let oldest = self.services.iter().enumerate().min_by_key(|(_, seen)| seen.at);
            if let Some((place, _)) = oldest {
                self.services.swap_remove(place);
            }
        }
        self.services.push(Seen {
            service: service.into(),
            region: region.into(),
            at: now,
            written: None,
        });
    }
}

/// Uses of late, by access key id or by a principal's unique id.
#[derive(Debug, Default)]
pub(crate) struct LastUsed(Mutex<HashMap<Box<str>, Tracked>>);

impl LastUsed {
    fn note(&self, account: AccountId, id: &str, service: &str, region: &str, now: UnixSeconds) {
        let mut tracked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = tracked.get_mut(id) {
            known.note(service, region, now);
            return;
        }
        if tracked.len() >= TRACKED_MAX {
            let mut ages: Vec<i64> = tracked.values().map(Tracked::newest).collect();
            let (_, limit, _) = ages.select_nth_unstable(TRACKED_MAX / 10);
            let limit = *limit;
            tracked.retain(|_, known| known.newest() > limit);
        }
        let mut fresh = Tracked {
            account,
            services: vec![],
        };
        fresh.note(service, region, now);
        tracked.insert(id.into(), fresh);
    }

    /// Adds what is in memory to what the store has.
    fn merge_into(&self, id: &str, stored: &mut LastUse) {
        let tracked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for seen in tracked.get(id).map_or(&[][..], |known| &known.services) {
            let is_newer = stored
                .services
                .get(&*seen.service)
                .is_none_or(|known| known.at <= seen.at);
            if is_newer {
                let used = Use {
                    at: seen.at,
                    region: seen.region.to_string(),
                };
                stored.services.insert(seen.service.to_string(), used);
            }
        }
    }

    /// Ids with a use that ought to be written now.
    fn due(&self) -> Vec<(Box<str>, AccountId)> {
        let tracked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = |seen: &Seen| {
            seen.written
                .is_none_or(|written| seen.at.since(written) >= WRITE_AFTER_SECONDS)
        };
        let due = tracked
            .iter()
            .filter(|(_, known)| known.services.iter().any(is_due));
        due.map(|(id, known)| (id.clone(), known.account)).collect()
    }

    fn forget(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }

    fn note_written(&self, id: &str, written: &LastUse) {
        let mut tracked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for seen in tracked
            .get_mut(id)
            .map_or(&mut [][..], |known| &mut known.services)
        {
            seen.written = written.services.get(&*seen.service).map(|used| used.at);
        }
    }
}

impl LastUse {
    /// The latest use, with its service.
    pub(crate) fn latest(&self) -> Option<(&str, &Use)> {
        let latest = self.services.iter().max_by_key(|(_, used)| used.at);
        latest.map(|(service, used)| (service.as_str(), used))
    }
}

/// Where the last uses of an access key or principal are kept.
pub(crate) fn last_key(account: AccountId, id: &str) -> String {
    key(account, "last", id)
}

impl Ctx<'_> {
    /// The last uses of an access key or principal of this account, by its id.
    pub(crate) fn last_use(&self, id: &str) -> LastUse {
        let stored = self.account.last.get(&id.to_ascii_lowercase());
        let mut found = stored.map(|stored| LastUse::clone(stored)).unwrap_or_default();
        self.env.last_used.merge_into(id, &mut found);
        found
    }

    /// The write that forgets the last uses of something that goes, if any are kept.
    pub(crate) fn forget_last_use(&self, id: &str) -> Option<Op> {
        let is_kept = self.account.last.contains_key(&id.to_ascii_lowercase());
        is_kept.then(|| Op::Delete(last_key(self.account.id(), id)))
    }
}

impl Authority {
    /// Notes that `caller` signed a request for `service` (`s3`) in `region`. Cheap: writes nothing.
    pub fn note_use(&self, caller: &Caller, service: &str, region: &str, now: UnixSeconds) {
        let note = |id: &str| self.env.last_used.note(caller.account, id, service, region, now);
        if let Some(id) = &caller.access_key_id
            && id.kind() == Some(AccessKeyKind::LongTerm)
        {
            note(id.as_str());
        }
        match caller.kind {
            CallerKind::User { .. } | CallerKind::Role { .. } => note(&caller.principal.unique_id),
            CallerKind::Root
            | CallerKind::FederatedUser { .. }
            | CallerKind::WebIdentity(_)
            | CallerKind::Saml(_)
            | CallerKind::Service
            | CallerKind::Anonymous => {}
        }
    }

    /// Writes what was used since it was last written: each key and principal at most once an hour, sooner for a service
    /// that is new to it. Meant to be called every minute or so, and once at the end. Failures are for the log: what
    /// could not be written is tried again the next time.
    pub async fn flush_last_used(&self) {
        let due = self.env.last_used.due();
        if due.is_empty() {
            return;
        }
        let mut writes: Vec<(Box<str>, LastUse, Op)> = vec![];
        {
            let state = self.read();
            let known = Known::new(&state);
            for (id, account) in due {
                if !known.0.contains(&*id) {
                    self.env.last_used.forget(&id);
                    continue;
                }
                let stored = state
                    .account(account)
                    .and_then(|it| it.last.get(&id.to_ascii_lowercase()));
                let mut merged = stored.map(|stored| LastUse::clone(stored)).unwrap_or_default();
                self.env.last_used.merge_into(&id, &mut merged);
                while merged.services.len() > SERVICES_MAX {
                    let oldest = merged.services.iter().min_by_key(|(_, used)| used.at);
                    let Some(oldest) = oldest.map(|(service, _)| service.clone()) else {
                        break;
                    };
                    merged.services.remove(&oldest);
                }
                let op = put(last_key(account, &id), &merged);
                writes.push((id, merged, op));
            }
        }
        for batch in writes.chunks(BATCH) {
            let ops = batch.iter().map(|(_, _, op)| op.clone()).collect();
            match self.commit(ops).await {
                Ok(()) => {
                    for (id, merged, _) in batch {
                        self.env.last_used.note_written(id, merged);
                    }
                }
                Err(error) => tracing::warn!(%error, "last uses were not written"),
            }
        }
    }
}

/// Ids of everything that can be used. What was deleted since is not written again.
struct Known(HashSet<String>);

impl Known {
    fn new(state: &State) -> Self {
        let keys = state.keys.keys().map(|id| id.as_str().to_owned());
        let accounts = || state.accounts.values();
        let users = accounts().flat_map(|account| account.users.values());
        let roles = accounts().flat_map(|account| account.roles.values());
        let users = users.map(|user| user.user.id.clone());
        let roles = roles.map(|role| role.role.id.clone());
        Self(keys.chain(users).chain(roles).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> AccountId {
        "123456789012".parse().unwrap()
    }

    #[test]
    fn a_use_is_due_when_it_is_new_or_an_hour_later() {
        let (uses, start) = (LastUsed::default(), UnixSeconds(1_000_000));
        let due = || uses.due().len();
        uses.note(account(), "AKIA", "s3", "r", start);
        assert_eq!(due(), 1);
        let mut written = LastUse::default();
        uses.merge_into("AKIA", &mut written);
        uses.note_written("AKIA", &written);
        assert_eq!(due(), 0);
        uses.note(account(), "AKIA", "s3", "r", start.plus(3_599));
        assert_eq!(due(), 0);
        uses.note(account(), "AKIA", "s3", "r", start.plus(3_600));
        assert_eq!(due(), 1);
        uses.merge_into("AKIA", &mut written);
        uses.note_written("AKIA", &written);
        uses.note(account(), "AKIA", "iam", "r", start.plus(3_601));
        assert_eq!(due(), 1, "another service");
    }

    #[test]
    fn memory_is_bounded_and_the_longest_unused_go_first() {
        let uses = LastUsed::default();
        for number in 0..=TRACKED_MAX {
            let at = UnixSeconds(i64::try_from(number).unwrap());
            uses.note(account(), &format!("id{number}"), "s3", "r", at);
        }
        let tracked = uses.0.lock().unwrap();
        assert!(tracked.len() <= TRACKED_MAX && tracked.len() > TRACKED_MAX / 2);
        assert!(!tracked.contains_key("id0") && tracked.contains_key(&*format!("id{TRACKED_MAX}")));
        drop(tracked);
        for number in 0..=SERVICES_MAX {
            let at = UnixSeconds(i64::try_from(number).unwrap());
            uses.note(account(), "many", &format!("s{number}"), "r", at);
        }
        let mut found = LastUse::default();
        uses.merge_into("many", &mut found);
        assert_eq!(found.services.len(), SERVICES_MAX);
        assert!(!found.services.contains_key("s0"));
    }
}
