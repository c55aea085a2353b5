use crate::{Agent, Issued, SessionRequest};
use hallpass_rolefs::{RoleCredentials, RoleDirectory};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The roles that are shown, each with who may read it and what an open would give.
pub(super) struct Listing {
    agent: Arc<Agent>,
    now: Mutex<Arc<Vec<RoleDirectory>>>,
    /// Roles whose first lease is being fetched.
    fetching: Arc<Mutex<HashSet<String>>>,
}

impl Listing {
    pub(super) fn new(agent: Arc<Agent>) -> Self {
        Self {
            agent,
            now: Mutex::default(),
            fetching: Arc::default(),
        }
    }

    /// From memory.
    pub(super) fn now(&self) -> Arc<Vec<RoleDirectory>> {
        Arc::clone(&self.now.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the list anew, all of it at once. `asks` counts as use of every lease, so that they are renewed ahead.
    /// Returns why a role of the rules is not shown to those whom the rules name.
    pub(super) async fn refresh(&self, asks: bool) -> Option<String> {
        let rules = self.agent.rules();
        let profile = match self.agent.machine().await {
            Ok(machine) => machine.machine.roles.clone(),
            Err(_) => Vec::new(),
        };
        let users = self.agent.callers.database();
        let before = self.now();
        let mut problem = None;
        let mut directories = Vec::new();
        for rule in rules.files.iter().filter(|rule| profile.contains(&rule.role)) {
            let access = match rule.access(&users) {
                Ok(access) => access,
                Err(error) => {
                    problem.get_or_insert(format!("{}: {error}", rule.role));
                    continue;
                }
            };
            let lease = self.agent.leases.known(&SessionRequest::of_role(&rule.role));
            if asks || lease.is_none() {
                self.ask_for(&rule.role);
            }
            let same = before.iter().find(|known| {
                known.role() == rule.role
                    && *known.access() == access
                    && match (known.credentials(), &lease) {
                        (Some(known), Some(lease)) => is_same(known, &lease.issued),
                        (known, lease) => known.is_none() && lease.is_none(),
                    }
            });
            directories.push(same.cloned().unwrap_or_else(|| {
                let credentials = lease.map(|lease| Arc::new(shown(&lease.issued)));
                RoleDirectory::new(&rule.role, access, credentials)
            }));
        }
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(directories);
        problem
    }

    /// Starts fetching, unless that is going on.
    fn ask_for(&self, role: &str) {
        let is_new = lock(&self.fetching).insert(role.to_owned());
        if !is_new {
            return;
        }
        let (agent, fetching) = (Arc::clone(&self.agent), Arc::clone(&self.fetching));
        let role = role.to_owned();
        tokio::spawn(async move {
            // A failure is in the log and in the status already.
            let _ = agent.leases.get(&SessionRequest::of_role(&role), 0).await;
            lock(&fetching).remove(&role);
        });
    }
}

pub(crate) fn shown(issued: &Issued) -> RoleCredentials {
    RoleCredentials {
        access_key_id: issued.access_key_id.clone(),
        secret: issued.secret.clone(),
        token: issued.token.clone(),
        issued_at: issued.issued_at,
        expires_at: issued.expires_at,
        account: issued.account.clone(),
    }
}

/// Whether the files would say the same: the key, and its end, which is told anew once the clock was set.
fn is_same(known: &RoleCredentials, issued: &Issued) -> bool {
    // What is reckoned from two clocks may differ by a second at each look.
    known.access_key_id == issued.access_key_id && known.expires_at.since(issued.expires_at).abs() < 60
}

fn lock(fetching: &Mutex<HashSet<String>>) -> std::sync::MutexGuard<'_, HashSet<String>> {
    fetching.lock().unwrap_or_else(PoisonError::into_inner)
}
