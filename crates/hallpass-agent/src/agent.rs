use crate::callers::{Callers, Identified, TcpEnds};
use crate::container::ContainerTokens;
use crate::health::Counters;
use crate::lease::Leases;
use crate::machine::{MachineCache, Snapshot};
use crate::tag_rules::WithTags;
use crate::{
    AgentEvent, AgentStatus, AuditSink, CallerFacts, CredentialSource, Decision, DrawnAhead, EventOutcome,
    FilesStatus, Machine, Rules, RulesFile, SessionRequest, SessionShape, SourceError,
};
use hallpass_caller::{Caller, ConnectRecord};
use hallpass_imds::{HostPolicy, TokenKey};
use hallpass_secret::Secret;
use hallpass_types::{Clock, Entropy, UnixSeconds};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use zeroize::Zeroizing;

/// Where the rules come from.
#[derive(Debug, Clone)]
pub enum RulesSource {
    /// These, for good.
    Fixed(Arc<Rules>),
    /// A file, looked at again as it changes.
    File(Arc<RulesFile>),
}

impl RulesSource {
    fn current(&self) -> Arc<Rules> {
        match self {
            Self::Fixed(rules) => Arc::clone(rules),
            Self::File(file) => file.current(),
        }
    }
}

/// What an agent is made of.
#[derive(Clone)]
pub struct AgentConfig {
    /// Who may have what.
    pub rules: RulesSource,
    /// Where credentials come from.
    pub source: Arc<dyn CredentialSource>,
    /// Where events are kept.
    pub audit: Arc<dyn AuditSink>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness, for token keys, nonces and jitter.
    pub entropy: Arc<dyn Entropy>,
    /// Addresses besides loopback and the well-known ones that a `Host` header may name.
    pub bound: Vec<IpAddr>,
    /// Overrides the machine's own setting for requests without a token.
    pub v1_allowed: Option<bool>,
    /// Whether every holder of a caller's socket is looked for before it gets credentials. Only a door for the
    /// process's own, unprivileged uid may go without: whoever holds such a socket got it from that uid.
    pub holder_check: bool,
    /// Whether rules that come with the machine ([`Machine::rules`]) are in force, behind those of `rules`. Whoever may
    /// tag the instance then decides who on the machine gets which of its roles.
    pub machine_rules: bool,
    /// The kernel's record of who connected; without it each new connection costs a walk over all processes.
    pub connect_record: Option<Arc<ConnectRecord>>,
    /// What session tokens and container tokens are made with; absent: made at the start, so that none outlives it. One
    /// that lives as long as the boot lets an agent be restarted unnoticed.
    pub key: Option<Zeroizing<[u8; 32]>>,
}

impl AgentConfig {
    /// The usual settings.
    #[must_use]
    pub fn new(
        rules: RulesSource,
        source: Arc<dyn CredentialSource>,
        audit: Arc<dyn AuditSink>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            rules,
            source,
            audit,
            clock,
            entropy,
            bound: Vec::new(),
            v1_allowed: None,
            holder_check: true,
            machine_rules: false,
            connect_record: None,
            key: None,
        }
    }
}

/// The agent. Shared by every door; all of its state is in memory.
pub struct Agent {
    pub(crate) config: AgentConfig,
    names: DrawnAhead,
    pub(crate) tokens: TokenKey,
    pub(crate) hosts: HostPolicy,
    pub(crate) machines: MachineCache,
    pub(crate) leases: Arc<Leases>,
    pub(crate) callers: Callers,
    tag_rules: WithTags,
    pub(crate) containers: ContainerTokens,
    pub(crate) counters: Counters,
    pub(crate) files: Mutex<Option<FilesStatus>>,
    refreshing: AtomicBool,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent").finish_non_exhaustive()
    }
}

impl Entitlement {
    /// The session of `role` that this caller gets.
    pub(crate) fn session(&self, role: &str) -> SessionRequest {
        self.shape.request(role, &self.instance)
    }
}

/// What a caller may have right now, and why.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entitlement {
    pub(crate) roles: Vec<String>,
    pub(crate) rule: Option<String>,
    pub(crate) shape: SessionShape,
    /// Whose sessions they are.
    pub(crate) instance: String,
    /// Why `roles` is empty.
    pub(crate) reason: String,
}

impl Agent {
    /// An agent that serves nothing yet.
    ///
    /// # Errors
    /// If the cryptographic library refuses a key, which it never should.
    pub fn new(config: AgentConfig) -> io::Result<Arc<Self>> {
        let key = config.key.clone().unwrap_or_else(|| {
            let mut key = Zeroizing::new([0_u8; 32]);
            config.entropy.fill(key.as_mut_slice());
            key
        });
        let tokens = TokenKey::new(&key).map_err(io::Error::other)?;
        let leases = Leases::new(
            Arc::clone(&config.source),
            Arc::clone(&config.clock),
            Arc::clone(&config.entropy),
        );
        Ok(Arc::new(Self {
            names: DrawnAhead::new(Arc::clone(&config.entropy)),
            tokens,
            hosts: HostPolicy {
                bound: config.bound.clone(),
            },
            machines: MachineCache::default(),
            leases: Arc::new(leases),
            callers: Callers::new(config.connect_record.clone()),
            tag_rules: WithTags::default(),
            containers: ContainerTokens::new(&key),
            counters: Counters::default(),
            files: Mutex::default(),
            refreshing: AtomicBool::new(false),
            config,
        }))
    }

    /// What it is doing.
    #[must_use]
    pub fn status(&self) -> AgentStatus {
        let machine = self.machines.last();
        AgentStatus {
            instance_id: machine
                .as_ref()
                .map(|snapshot| snapshot.machine.instance_id.clone()),
            roles: machine
                .map(|snapshot| snapshot.machine.roles.clone())
                .unwrap_or_default(),
            leases: self.leases.status(),
            rules: self.rules().len(),
            rules_error: match &self.config.rules {
                RulesSource::File(file) => file.error().map(|error| error.to_string()),
                RulesSource::Fixed(_) => None,
            }
            .or_else(|| self.tag_rules.error()),
            files: self.files_status(),
            connect_record: self.callers.have_record(),
            last_error: self.machines.last_error(),
        }
    }

    /// A token that gives a process of `uid` the credentials of `role` through the container endpoint, as long as the
    /// rules do. Asking again gives the same one.
    #[must_use]
    pub fn container_token(&self, role: &str, uid: u32) -> Secret {
        self.containers.token(role, uid)
    }

    pub(crate) fn now(&self) -> UnixSeconds {
        self.config.clock.now()
    }

    pub(crate) fn rules(&self) -> Arc<Rules> {
        let own = self.config.rules.current();
        match self.machines.last().filter(|_| self.config.machine_rules) {
            Some(snapshot) => self.tag_rules.of(own, &snapshot),
            None => own,
        }
    }

    /// The machine as it was at most a second ago. Leases of roles it lost are gone before this returns.
    pub(crate) async fn machine(self: &Arc<Self>) -> Result<Arc<Snapshot>, SourceError> {
        self.machines.current(&self.config.source, &self.leases).await
    }

    /// Rule and profile together: a role needs both. Facts about the caller's processes are read only if a rule whose
    /// other conditions hold asks for them, and count only if these still are the caller's processes afterwards.
    pub(crate) async fn entitlement(&self, who: &Identified, machine: &Machine) -> Entitlement {
        let rules = self.rules();
        let decision = match rules.decide_by_kernel(&who.caller) {
            Some(decision) => decision,
            None => match self.callers.decide(rules, who).await {
                Ok(decision) => decision,
                Err(reason) => {
                    return Entitlement {
                        reason,
                        ..Entitlement::default()
                    };
                }
            },
        };
        Self::entitled(decision, machine)
    }

    /// The same for the caller behind a connection, decided again only when something it depends on is another.
    pub(crate) async fn entitlement_at(
        &self,
        ends: &TcpEnds,
        who: &Arc<Identified>,
        machine: &Arc<Snapshot>,
    ) -> Arc<Entitlement> {
        let rules = self.rules();
        let by_kernel = || {
            let decision = rules.decide_by_kernel(&who.caller)?;
            Some(Self::entitled(decision, &machine.machine))
        };
        match ends.entitlement(who, &rules, machine, by_kernel) {
            Some(entitlement) => entitlement,
            None => Arc::new(self.entitlement(who, &machine.machine).await),
        }
    }

    /// What a decision comes to on this machine.
    pub(crate) fn entitled(decision: Decision, machine: &Machine) -> Entitlement {
        let profile = &machine.roles;
        match decision {
            Decision::Match {
                roles, rule, shape, ..
            } => {
                let roles: Vec<String> = roles.into_iter().filter(|role| profile.contains(role)).collect();
                let reason = format!("the instance profile has none of the roles that `{rule}` gives");
                Entitlement {
                    roles,
                    rule: Some(rule),
                    shape,
                    instance: machine.instance_id.clone(),
                    reason,
                }
            }
            Decision::NoMatch(_) => Entitlement {
                reason: "no rule matches the caller".to_owned(),
                ..Entitlement::default()
            },
        }
    }

    /// Keeps an event; whether it was kept.
    pub(crate) async fn record(&self, event: AgentEvent) -> bool {
        let request_id = event.request_id.clone();
        let is_issue = matches!(event.outcome, EventOutcome::Issued { .. });
        let recorded = self.config.audit.record(event).await;
        self.counters.note(is_issue, recorded.is_ok());
        match recorded {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(
                    request_id,
                    error,
                    "cannot record an event, so nothing is handed out"
                );
                false
            }
        }
    }

    pub(crate) fn request_id(&self) -> String {
        let mut bytes = [0_u8; 8];
        self.names.fill(&mut bytes);
        hex::encode(bytes)
    }

    /// Starts renewing leases ahead of time; once, however many doors are served.
    pub(crate) fn keep_fresh(self: &Arc<Self>) {
        if self.refreshing.swap(true, Ordering::SeqCst) {
            return;
        }
        let agent = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(std::time::Duration::from_secs(10));
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let Some(agent) = agent.upgrade() else {
                    return;
                };
                // Asking for the machine drops the leases it lost; the rest may be renewed.
                if agent.machine().await.is_ok() {
                    agent.leases.renew_due();
                }
            }
        });
    }
}

pub(crate) fn facts(caller: &Caller) -> CallerFacts {
    CallerFacts {
        uid: caller.uid,
        user: caller.user.clone(),
        pid: caller.pid,
        exe: caller.exe.clone(),
    }
}
