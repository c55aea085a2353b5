//! The door for systemd: `LoadCredential=ID:/run/hallpass/credential.sock` in a unit.
//!
//! systemd connects before the unit starts, from an abstract address that names unit and credential, and reads to the
//! end. That it is systemd is the kernel's word (root); which unit it asks for is systemd's.
//!
//! Source: systemd.exec(5), `LoadCredential=`.

use crate::agent::facts;
use crate::callers::Identified;
use crate::files::shown;
use crate::{Agent, AgentEvent, AuditDoor, Decision, EventOutcome, Evidence, Shutdown};
use hallpass_caller::{ProcessFacts, SaidFacts, unix_owner};
use hallpass_rolefs::FileKind;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// A boot starts many units at once; more than this are closed, and systemd says so.
const CONNECTIONS_MAX: usize = 256;
/// For all of one answer. systemd waits.
const TIMEOUT: Duration = Duration::from_secs(20);
/// systemd's own limit for a unit's name, and more than a role's name takes.
const NAME_BYTES_MAX: usize = 256;

/// What a unit asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    unit: String,
    role: String,
    kind: FileKind,
}

impl Asked {
    /// Reads `RANDOM/unit/UNIT/ID`. The credential's id is a role's name, with `.json` or `.env` for these forms; without,
    /// it is a credentials file.
    fn read(address: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(address).ok()?;
        let mut parts = text.splitn(4, '/');
        let (random, word, unit, id) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let plain = |text: &str| {
            (1..=NAME_BYTES_MAX).contains(&text.len())
                && !text.contains('/')
                && !text.chars().any(char::is_control)
        };
        if random.is_empty() || word != "unit" || !plain(unit) || !plain(id) {
            return None;
        }
        let (role, kind) = if let Some(role) = id.strip_suffix(".json") {
            (role, FileKind::Json)
        } else if let Some(role) = id.strip_suffix(".env") {
            (role, FileKind::Env)
        } else {
            (id, FileKind::Ini)
        };
        Some(Self {
            unit: unit.to_owned(),
            role: role.to_owned(),
            kind,
        })
    }
}

impl Agent {
    /// Serves credentials to systemd on `listener` until `shutdown`. Rules see a caller that is root's and whose `unit` is
    /// the one that starts; nothing else is known of it. Whoever is refused reads nothing.
    ///
    /// # Errors
    /// None today.
    pub async fn serve_units(
        self: &Arc<Self>,
        listener: UnixListener,
        mut shutdown: Shutdown,
    ) -> io::Result<()> {
        self.keep_fresh();
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.wait() => return Ok(()),
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                continue;
            };
            let address = stream.peer_addr().ok();
            let asked = address.and_then(|address| Asked::read(address.as_abstract_name()?));
            let agent = Arc::clone(self);
            tokio::spawn(async move {
                let _held = permit;
                let _ = tokio::time::timeout(TIMEOUT, agent.answer_unit(stream, asked)).await;
            });
        }
    }

    async fn answer_unit(self: &Arc<Self>, mut stream: UnixStream, asked: Option<Asked>) -> io::Result<()> {
        let Ok(owner) = unix_owner(&stream) else {
            return Ok(());
        };
        let who = self.callers.of_unix(&owner);
        let content = match &asked {
            _ if owner.uid != 0 => {
                Err("only systemd may ask for a unit's credential, and it is root".to_owned())
            }
            None => Err("it comes from no address of systemd's (LoadCredential=)".to_owned()),
            Some(asked) => self.for_unit(&who, asked).await,
        };
        match content {
            Ok(content) => stream.write_all(&content).await?,
            Err(reason) => {
                let role = asked.map(|asked| asked.role);
                self.record(self.unit_event(&who, None, EventOutcome::Refused { role, reason }))
                    .await;
            }
        }
        stream.shutdown().await
    }

    async fn for_unit(
        self: &Arc<Self>,
        who: &Identified,
        asked: &Asked,
    ) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
        let machine = self.machine().await.map_err(|error| error.to_string())?;
        let decision: Decision = self.rules().decide(&who.caller, &evidence(&asked.unit));
        let entitled = Self::entitled(decision, &machine.machine);
        if !entitled.roles.contains(&asked.role) {
            return Err(format!("{}: {}", asked.unit, entitled.reason));
        }
        let session = entitled.session(&asked.role);
        let lease = self
            .leases
            .get(&session, 0)
            .await
            .map_err(|error| error.to_string())?;
        let key = &lease.issued.access_key_id;
        let outcome = EventOutcome::Issued {
            role: asked.role.clone(),
            access_key_id: key.clone(),
            expires_at: lease.issued.expires_at,
            // Each unit that gets it is to be on the disk.
            again: false,
        };
        if !self.record(self.unit_event(who, entitled.rule, outcome)).await {
            return Err("it could not be recorded".to_owned());
        }
        self.leases.handed_to(&session, key, who.caller.uid);
        shown(&lease.issued)
            .render(asked.kind)
            .map_err(|error| error.to_string())
    }

    fn unit_event(&self, who: &Identified, rule: Option<String>, outcome: EventOutcome) -> AgentEvent {
        AgentEvent {
            time: self.now(),
            request_id: self.request_id(),
            outcome,
            caller: Some(facts(&who.caller)),
            door: AuditDoor::Unit,
            peer: "unix".to_owned(),
            rule,
            user_agent: None,
        }
    }
}

/// What is known of a unit that has not started: its name.
fn evidence(unit: &str) -> Evidence {
    let said = SaidFacts {
        unit: Some(unit.to_owned()),
        ..SaidFacts::default()
    };
    Evidence {
        processes: vec![ProcessFacts::said(1, &[0], said)],
        groups: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rules;
    use hallpass_caller::Caller;

    #[test]
    fn what_is_not_known_of_a_unit_rules_nothing_out() {
        let root = Caller {
            uid: 0,
            user: Some("root".to_owned()),
            gids: vec![0],
            groups: vec!["root".to_owned()],
            inode: 0,
            cgroup_id: None,
            pid: Some(1),
            exe: None,
        };
        let matches = |rest: &str| {
            let rules = format!("[[rule]]\nunit = \"web.service\"\nroles = [\"app\"]\n{rest}\n");
            let decision = Rules::parse(&rules)
                .unwrap()
                .decide(&root, &evidence("web.service"));
            matches!(decision, Decision::Match { .. })
        };
        for known in ["", "not = { unit = \"db.service\" }", "not = { uid = 33 }"] {
            assert!(matches(known), "{known}");
        }
        for unknown in [
            "slice = \"system.slice\"",
            "container = false",
            "not = { slice = \"user.slice\" }",
            "not = { cgroup = \"/user.slice/**\" }",
            "not = { container = \"0123456789ab\" }",
            "not = { container_name = \"web\" }",
            "not = { image = \"web\" }",
            "not = { label = \"a=b\" }",
            "not = { pod = \"web\" }",
            "not = { namespace = \"web\" }",
            "not = { exe = \"/usr/bin/web\" }",
            "not = { ancestor = \"/usr/bin/web\" }",
        ] {
            assert!(!matches(unknown), "{unknown}");
        }
    }

    #[test]
    fn what_systemd_says_is_read_and_nothing_else() {
        let asked = |unit: &str, role: &str, kind| {
            Some(Asked {
                unit: unit.to_owned(),
                role: role.to_owned(),
                kind,
            })
        };
        for (address, expect) in [
            (
                "adf9d86b6eda275e/unit/web.service/app",
                asked("web.service", "app", FileKind::Ini),
            ),
            (
                "a/unit/web@x.service/app.json",
                asked("web@x.service", "app", FileKind::Json),
            ),
            (
                "a/unit/web.service/a.b.env",
                asked("web.service", "a.b", FileKind::Env),
            ),
            ("/unit/web.service/app", None),
            ("a/other/web.service/app", None),
            ("a/unit/web.service", None),
            ("a/unit/web.service/", None),
            ("a/unit//app", None),
            ("a/unit/web.service/app/x", None),
            ("a/unit/web\n.service/app", None),
            ("", None),
        ] {
            assert_eq!(Asked::read(address.as_bytes()), expect, "{address}");
        }
        assert_eq!(Asked::read(b"a/unit/\xff/app"), None);
    }
}
