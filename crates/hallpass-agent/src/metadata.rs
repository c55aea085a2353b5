use crate::agent::{Entitlement, facts};
use crate::callers::TcpEnds;
use crate::connection::{Incoming, serve_tcp};
use crate::container;
use crate::lease::IMDS_LEFT_SECONDS_MIN;
use crate::machine::Snapshot;
use crate::{Agent, AgentEvent, AuditDoor, EventOutcome, Issued, SessionRequest, Shutdown, SockDiag};
use hallpass_caller::{Caller, TcpOwner};
use hallpass_imds::{
    CallerView, CredentialView, Door, ImdsRequest, ImdsResponse, Need, Reply, Service, credentials_answer,
    html, need,
};
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;

impl Agent {
    /// Serves the metadata and container protocols on `listener` until `shutdown`. Callers are looked for in this
    /// thread's network namespace.
    ///
    /// # Errors
    /// If the kernel cannot be asked about sockets. A failing connection ends only itself.
    pub async fn serve_metadata(
        self: &Arc<Self>,
        listener: TcpListener,
        shutdown: Shutdown,
    ) -> io::Result<()> {
        self.serve_metadata_in(listener, Arc::new(SockDiag::open()?), shutdown)
            .await
    }

    /// The same for a listener in another network namespace, with a [`SockDiag`] opened there.
    ///
    /// # Errors
    /// None today.
    pub async fn serve_metadata_in(
        self: &Arc<Self>,
        listener: TcpListener,
        diag: Arc<SockDiag>,
        shutdown: Shutdown,
    ) -> io::Result<()> {
        self.keep_fresh();
        serve_tcp(Arc::clone(self), listener, diag, shutdown).await;
        Ok(())
    }
}

/// Answers one request. All of it is decided anew: the caller, the rules, the machine.
pub(crate) async fn respond(agent: &Arc<Agent>, ends: &TcpEnds, incoming: &Incoming) -> ImdsResponse {
    // Without even a uid there is nothing to bind a token to: another host, another namespace, or gone.
    let owner = match ends.owner() {
        Ok(owner) => owner,
        Err(error) => {
            if asked_role(incoming).is_some() {
                let role = asked_role(incoming).flatten();
                record_refusal(
                    agent,
                    ends,
                    incoming,
                    AuditDoor::MetadataV2,
                    None,
                    role,
                    error.to_string(),
                )
                .await;
            }
            return ImdsResponse::text(403, "");
        }
    };
    if container::is_container(ends, incoming) {
        return container::respond(agent, ends, incoming).await;
    }
    let machine = match agent.machine().await {
        Ok(machine) => machine,
        // The list has to be an empty 404 even now; see `hallpass_imds::respond`.
        Err(error) if need(&incoming.path) == Need::Proof => {
            let role = asked_role(incoming).flatten();
            record_refusal(
                agent,
                ends,
                incoming,
                AuditDoor::MetadataV2,
                None,
                role,
                error.to_string(),
            )
            .await;
            return ImdsResponse::text(404, "");
        }
        Err(_) => return html(503),
    };
    answer(agent, ends, incoming, &machine, &owner).await
}

async fn answer(
    agent: &Arc<Agent>,
    ends: &TcpEnds,
    incoming: &Incoming,
    machine: &Arc<Snapshot>,
    owner: &TcpOwner,
) -> ImdsResponse {
    let (caller, entitled) = match need(&incoming.path) {
        Need::Uid => (None, Arc::default()),
        Need::Proof => entitle(agent, ends, machine).await,
    };
    // The proof is about another socket than the token check if the uid changed in between; then nothing holds.
    let entitled = match &caller {
        Some(caller) if caller.uid != owner.uid => Arc::new(Entitlement {
            reason: "the caller changed during the request".to_owned(),
            ..Entitlement::default()
        }),
        _ => entitled,
    };
    let mut nonce = [0; 12];
    // Only a token takes one, and only PUT makes a token.
    if incoming.method == http::Method::PUT {
        agent.config.entropy.fill(&mut nonce);
    }
    let service = Service {
        tree: &machine.tree,
        tokens: &agent.tokens,
        hosts: &agent.hosts,
        v1_allowed: agent.config.v1_allowed.unwrap_or(machine.machine.v1_allowed),
        endpoint_enabled: machine.machine.endpoint_enabled,
    };
    let binding = ends.binding(owner);
    let view = CallerView {
        id: &binding,
        roles: &entitled.roles,
    };
    let request = ImdsRequest {
        method: &incoming.method,
        path: &incoming.path,
        headers: &incoming.headers,
    };
    match hallpass_imds::respond(&service, &view, agent.now(), nonce, &request) {
        Reply::Answer {
            response,
            denied_role,
        } => {
            let refused = match denied_role {
                Some(role) => Some((Some(role).filter(|role| !role.is_empty()), denial(&entitled))),
                None if response.status >= 400 => asked_role(incoming).map(|role| {
                    (
                        role,
                        format!("answered {}: token, Host or headers", response.status),
                    )
                }),
                None => None,
            };
            if let Some((role, reason)) = refused {
                record_refusal(agent, ends, incoming, AuditDoor::MetadataV2, caller, role, reason).await;
            }
            response
        }
        Reply::RoleList { role, response, door } => match servable(agent, &entitled.session(&role)).await {
            Ok(()) => response,
            Err(reason) => {
                let door = audit_door(door);
                record_refusal(agent, ends, incoming, door, caller, Some(role), reason).await;
                ImdsResponse::text(404, "")
            }
        },
        Reply::Credentials {
            role,
            token_ttl,
            door,
        } => {
            let asked = Asked {
                token_ttl,
                door,
                caller,
                session: entitled.session(&role),
                rule: entitled.rule.clone(),
                role,
            };
            credentials(agent, ends, incoming, asked).await
        }
    }
}

/// Whether a role that is listed can be served in the next request: if not, some SDKs abort their process.
async fn servable(agent: &Arc<Agent>, session: &SessionRequest) -> Result<(), String> {
    agent.config.audit.check(agent.now())?;
    match agent.leases.get(session, IMDS_LEFT_SECONDS_MIN).await {
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// A credential question that rules and profile allow.
struct Asked {
    role: String,
    session: SessionRequest,
    token_ttl: Option<i64>,
    door: Door,
    caller: Option<Arc<Caller>>,
    rule: Option<String>,
}

async fn credentials(agent: &Arc<Agent>, ends: &TcpEnds, incoming: &Incoming, asked: Asked) -> ImdsResponse {
    let door = audit_door(asked.door);
    let lease = match agent.leases.get(&asked.session, IMDS_LEFT_SECONDS_MIN).await {
        Ok(lease) => lease,
        Err(error) => {
            let (caller, role) = (asked.caller, Some(asked.role));
            record_refusal(agent, ends, incoming, door, caller, role, error.to_string()).await;
            return ImdsResponse::text(503, "");
        }
    };
    let again = (asked.caller.as_ref()).is_some_and(|caller| {
        agent
            .leases
            .was_handed_to(&asked.session, &lease.issued.access_key_id, caller.uid)
    });
    let recorded = agent
        .record(AgentEvent {
            time: agent.now(),
            request_id: incoming.request_id.clone(),
            outcome: EventOutcome::Issued {
                role: asked.role.clone(),
                access_key_id: lease.issued.access_key_id.clone(),
                expires_at: lease.issued.expires_at,
                again,
            },
            caller: asked.caller.as_deref().map(facts),
            door,
            peer: ends.peer(),
            rule: asked.rule,
            user_agent: incoming.user_agent(),
        })
        .await;
    if !recorded {
        return ImdsResponse::text(503, "");
    }
    if let Some(caller) = asked.caller.as_ref().filter(|_| !again) {
        agent
            .leases
            .handed_to(&asked.session, &lease.issued.access_key_id, caller.uid);
    }
    credentials_answer(&view(&lease.issued), asked.token_ttl)
}

/// Who the caller is and what it may have. Whoever cannot be proven has no role, and the reason says why.
async fn entitle(
    agent: &Arc<Agent>,
    ends: &TcpEnds,
    machine: &Arc<Snapshot>,
) -> (Option<Arc<Caller>>, Arc<Entitlement>) {
    let caller = if agent.config.holder_check {
        agent.callers.proven(ends).await
    } else {
        agent.callers.by_creator(ends)
    };
    match caller {
        Ok(who) => {
            let entitled = agent.entitlement_at(ends, &who, machine).await;
            (Some(Arc::clone(&who.caller)), entitled)
        }
        Err(error) => (
            None,
            Arc::new(Entitlement {
                reason: error.to_string(),
                ..Entitlement::default()
            }),
        ),
    }
}

fn denial(entitled: &Entitlement) -> String {
    if entitled.roles.is_empty() {
        entitled.reason.clone()
    } else {
        format!("the caller may have {} only", entitled.roles.join(", "))
    }
}

/// `Some` if it asks for credentials; the role inside, if it names one.
fn asked_role(incoming: &Incoming) -> Option<Option<String>> {
    let path = incoming.path.as_ref().ok()?;
    match path.segments.as_slice() {
        [_, meta, iam, list] if meta == "meta-data" && iam == "iam" && list == "security-credentials" => {
            Some(None)
        }
        [_, meta, iam, list, role]
            if meta == "meta-data" && iam == "iam" && list == "security-credentials" =>
        {
            Some(Some(role.clone()))
        }
        _ => None,
    }
}

fn audit_door(door: Door) -> AuditDoor {
    match door {
        Door::V1 => AuditDoor::MetadataV1,
        Door::V2 => AuditDoor::MetadataV2,
    }
}

pub(crate) fn view(issued: &Issued) -> CredentialView<'_> {
    CredentialView {
        access_key_id: &issued.access_key_id,
        secret_access_key: issued.secret.expose(),
        token: issued.token.expose(),
        issued_at: issued.issued_at,
        expires_at: issued.expires_at,
        account: &issued.account,
        role_arn: &issued.role_arn,
    }
}

/// Keeps a refusal. It stays a refusal if it cannot be kept.
pub(crate) async fn record_refusal(
    agent: &Arc<Agent>,
    ends: &TcpEnds,
    incoming: &Incoming,
    door: AuditDoor,
    caller: Option<Arc<Caller>>,
    role: Option<String>,
    reason: String,
) {
    let event = AgentEvent {
        time: agent.now(),
        request_id: incoming.request_id.clone(),
        outcome: EventOutcome::Refused { role, reason },
        caller: caller.as_deref().map(facts),
        door,
        peer: ends.peer(),
        rule: None,
        user_agent: incoming.user_agent(),
    };
    agent.record(event).await;
}
