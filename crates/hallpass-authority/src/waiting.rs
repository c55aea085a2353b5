//! Which changes concern the machine of an instance. A hundred thousand machines wait for one; a change of somebody's policy
//! must not wake them all.

use crate::authority::Authority;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use tokio::sync::watch;

/// Instances share one of these; who is woken for another's change looks, and waits on.
const SHARES: usize = 1_024;
/// What no machine's view of itself depends on. A kind that is not here wakes everybody: it may be new.
const OF_NO_CONCERN: &[&str] = &[
    "certificate",
    "ec2",
    "enrolment",
    "group",
    "job",
    "key",
    "last",
    "mfa",
    "oidc",
    "policy",
    "report",
    "saml",
    "server",
    "settings",
    "token-key",
    "user",
    "write",
];

/// The waiting machines, by what they wait for.
pub(crate) struct Waiting {
    everyone: watch::Sender<()>,
    shares: Vec<watch::Sender<()>>,
}

impl Waiting {
    pub(crate) fn new() -> Self {
        Self {
            everyone: watch::Sender::new(()),
            shares: (0..SHARES).map(|_| watch::Sender::new(())).collect(),
        }
    }

    fn share(&self, instance: &str) -> &watch::Sender<()> {
        let mut hasher = DefaultHasher::new();
        instance.hash(&mut hasher);
        let number = usize::try_from(hasher.finish() % SHARES as u64).unwrap_or(0);
        self.shares.get(number).unwrap_or(&self.everyone)
    }

    /// Wakes who is concerned by a change of this key (`v1/ACCOUNT/KIND/NAME`), once it can be seen.
    pub(crate) fn tell(&self, key: &str) {
        let mut parts = key.splitn(4, '/').skip(2);
        match (parts.next(), parts.next()) {
            (Some("instance"), Some(id)) => {
                self.share(id).send_replace(());
            }
            (Some(kind), _) if OF_NO_CONCERN.contains(&kind) => {}
            _ => self.tell_everyone(),
        }
    }

    pub(crate) fn tell_everyone(&self) {
        self.everyone.send_replace(());
    }
}

/// Wakes whoever waits for changes that may concern one instance.
pub struct InstanceChanges {
    everyone: watch::Receiver<()>,
    own: watch::Receiver<()>,
}

impl InstanceChanges {
    /// Takes what has changed so far for seen.
    pub fn mark_unchanged(&mut self) {
        self.everyone.mark_unchanged();
        self.own.mark_unchanged();
    }

    /// Returns once something changed that may concern the instance; false when nothing will any more.
    pub async fn changed(&mut self) -> bool {
        tokio::select! {
            told = self.everyone.changed() => told.is_ok(),
            told = self.own.changed() => told.is_ok(),
        }
    }
}

impl Authority {
    /// Changes that may concern the machine of this instance: of itself, its account's profiles and roles, of what is
    /// revoked. Others wake it now and then for nothing.
    #[must_use]
    pub fn instance_changes(&self, instance: &str) -> InstanceChanges {
        InstanceChanges {
            everyone: self.waiting.everyone.subscribe(),
            own: self.waiting.share(instance).subscribe(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_woken_for_what_it_may_show_and_for_what_is_unknown() {
        let waiting = Waiting::new();
        let mut own = InstanceChanges {
            everyone: waiting.everyone.subscribe(),
            own: waiting.share("i-1").subscribe(),
        };
        let mut is_woken = |key: &str| {
            own.mark_unchanged();
            waiting.tell(key);
            own.everyone.has_changed().unwrap() || own.own.has_changed().unwrap()
        };
        for key in [
            "instance/i-1",
            "profile/web",
            "role/web",
            "revoked/ASIA1",
            "account",
            "unheard/of",
        ] {
            assert!(is_woken(&format!("v1/111122223333/{key}")), "{key}");
        }
        for key in ["user/ana", "policy/p", "group/g", "key/AKIA1", "last/x", "write"] {
            assert!(!is_woken(&format!("v1/111122223333/{key}")), "{key}");
        }
        let others = (0..50).filter(|number| is_woken(&format!("v1/111122223333/instance/i-x{number}")));
        assert!(others.count() < 5);
    }
}
