//! The agent's unix socket: HTTP/1.1 with JSON answers, for the command line and for local tools.
//!
//! | request | answer |
//! |---|---|
//! | `GET /v1/roles` | `{"roles":[…]}`: what the peer may have now, the first being its default |
//! | `GET /v1/credentials/ROLE` | the credentials, see [`crate::client`] |
//! | `POST /v1/container-token/ROLE` | `{"token":"…"}` for the container endpoint, valid for the peer's uid |
//! | `POST /v1/container-token/ROLE/UID` | one for another uid, before there is a process: for root and the agent's user |
//! | `GET /v1/machine` | the machine, as the metadata service shows it to everyone |
//! | `GET /v1/status` | [`AgentStatus`]; of leases only those the peer may have, unless it is root or the agent's user |
//! | `GET /v1/explain[?pid=N]` | [`crate::Explanation`] for the peer, or for a process of the peer's own user (root: any) |
//! | `GET /v1/explain?connection=LOCAL-PEER` | the same for the process at `LOCAL` of a TCP connection to `PEER`, addresses with ports |
//!
//! The peer is who the kernel says connected (`SO_PEERCRED`, `SO_PEERGROUPS`). A refusal is
//! `{"error":"…","request_id":"…"}` with 403, 404 or 503.

mod explain;

use crate::agent::{Entitlement, facts};
use crate::callers::Identified;
use crate::connection::{Incoming, serve_unix};
use crate::lease::IMDS_LEFT_SECONDS_MIN;
use crate::{Agent, AgentEvent, AgentStatus, AuditDoor, EventOutcome, Shutdown};
use hallpass_caller::{Caller, UnixOwner};
use hallpass_imds::ImdsResponse;
use serde::Serialize;
use serde_json::json;
use std::io;
use std::sync::Arc;
use tokio::net::UnixListener;

impl Agent {
    /// Serves the socket protocol on `listener` until `shutdown`. Everyone may connect; each gets its own.
    ///
    /// # Errors
    /// None today. A failing connection ends only itself.
    pub async fn serve_socket(
        self: &Arc<Self>,
        listener: UnixListener,
        shutdown: Shutdown,
    ) -> io::Result<()> {
        self.keep_fresh();
        serve_unix(Arc::clone(self), listener, shutdown).await;
        Ok(())
    }
}

pub(crate) async fn respond(agent: &Arc<Agent>, owner: &UnixOwner, incoming: &Incoming) -> ImdsResponse {
    let Ok(path) = &incoming.path else {
        return error(400, "the path is not valid", incoming);
    };
    let who = agent.callers.of_unix(owner);
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    match (incoming.method.as_str(), segments.as_slice()) {
        ("GET", ["v1", "status"]) => status(agent, &who).await,
        ("GET", ["v1", "explain"]) => explain::respond(agent, &who, incoming).await,
        ("GET", ["v1", "machine"]) => match agent.machine().await {
            Ok(machine) => answer(&machine.machine),
            Err(source) => error(503, &source.to_string(), incoming),
        },
        ("GET", ["v1", "roles"]) => match agent.machine().await {
            Ok(machine) => answer(&json!({ "roles": agent.entitlement(&who, &machine.machine).await.roles })),
            Err(source) => error(503, &source.to_string(), incoming),
        },
        ("GET", ["v1", "credentials", role]) => credentials(agent, &who, role, incoming).await,
        ("POST", ["v1", "container-token", role]) => container_token(agent, &who, role, incoming).await,
        ("POST", ["v1", "container-token", role, uid]) => token_for(agent, &who, role, uid, incoming),
        _ => error(404, "there is nothing at this path", incoming),
    }
}

async fn credentials(agent: &Arc<Agent>, who: &Identified, role: &str, incoming: &Incoming) -> ImdsResponse {
    let caller = &who.caller;
    let refuse = |status: u16, told: String, reason: String| async move {
        record(
            agent,
            caller,
            incoming,
            None,
            EventOutcome::Refused {
                role: Some(role.to_owned()),
                reason,
            },
        )
        .await;
        error(status, &told, incoming)
    };
    let machine = match agent.machine().await {
        Ok(machine) => machine,
        Err(source) => return refuse(503, source.to_string(), source.to_string()).await,
    };
    let entitled = agent.entitlement(who, &machine.machine).await;
    if !entitled.roles.iter().any(|allowed| allowed == role) {
        // Whether the role exists is not the caller's to know.
        let told = "no rule gives you this role on this machine".to_owned();
        return refuse(403, told, entitled.reason).await;
    }
    let session = entitled.session(role);
    // As fresh as the metadata protocol needs it: run endpoints pass these on. Shorter sessions are served as they are.
    let lease = match agent.leases.get(&session, IMDS_LEFT_SECONDS_MIN).await {
        Ok(lease) => Ok(lease),
        Err(_) => agent.leases.get(&session, 0).await,
    };
    let lease = match lease {
        Ok(lease) => lease,
        Err(source) => return refuse(503, source.to_string(), source.to_string()).await,
    };
    let issued = &lease.issued;
    let outcome = EventOutcome::Issued {
        role: role.to_owned(),
        access_key_id: issued.access_key_id.clone(),
        expires_at: issued.expires_at,
        again: agent
            .leases
            .was_handed_to(&session, &lease.issued.access_key_id, caller.uid),
    };
    if !record(agent, caller, incoming, entitled.rule, outcome).await {
        return error(503, "the request cannot be recorded", incoming);
    }
    agent
        .leases
        .handed_to(&session, &lease.issued.access_key_id, caller.uid);
    answer(&crate::client::CredentialsJson::from(issued))
}

async fn container_token(
    agent: &Arc<Agent>,
    who: &Identified,
    role: &str,
    incoming: &Incoming,
) -> ImdsResponse {
    let caller = &who.caller;
    let machine = match agent.machine().await {
        Ok(machine) => machine,
        Err(source) => return error(503, &source.to_string(), incoming),
    };
    let entitled = agent.entitlement(who, &machine.machine).await;
    if !entitled.roles.iter().any(|allowed| allowed == role) {
        let outcome = EventOutcome::Refused {
            role: Some(role.to_owned()),
            reason: entitled.reason,
        };
        record(agent, caller, incoming, None, outcome).await;
        return error(403, "no rule gives you this role on this machine", incoming);
    }
    answer(&json!({ "token": agent.container_token(role, caller.uid).expose() }))
}

/// A token opens nothing by itself: each use is decided by the rules, for a process of that uid.
fn token_for(agent: &Agent, who: &Identified, role: &str, uid: &str, incoming: &Incoming) -> ImdsResponse {
    let Ok(uid) = uid.parse() else {
        return error(400, "the last part of the path is a uid", incoming);
    };
    if !privileged(&who.caller) && who.caller.uid != uid {
        return error(403, "only root makes tokens for others", incoming);
    }
    answer(&json!({ "token": agent.container_token(role, uid).expose() }))
}

async fn status(agent: &Arc<Agent>, who: &Identified) -> ImdsResponse {
    let caller = &who.caller;
    // Being asked counts as a look, so that the first status of an idle agent is not empty.
    let machine = agent.machine().await;
    let mut status: AgentStatus = agent.status();
    if !privileged(caller) {
        let entitled = match machine {
            Ok(machine) => agent.entitlement(who, &machine.machine).await,
            Err(_) => Entitlement::default(),
        };
        status.leases.retain(|lease| entitled.roles.contains(&lease.role));
        status
            .leases
            .iter_mut()
            .for_each(|lease| lease.issued_to.retain(|(uid, _)| *uid == caller.uid));
        status.roles = entitled.roles;
        status.rules_error = status
            .rules_error
            .map(|_| "the newest rules file is not in force".to_owned());
        if let Some(files) = &mut status.files {
            files.problem = files.problem.take().map(|_| "not all are there".to_owned());
        }
    }
    answer(&status)
}

fn privileged(caller: &Caller) -> bool {
    caller.uid == 0 || caller.uid == rustix::process::geteuid().as_raw()
}

async fn record(
    agent: &Arc<Agent>,
    caller: &Caller,
    incoming: &Incoming,
    rule: Option<String>,
    outcome: EventOutcome,
) -> bool {
    let event = AgentEvent {
        time: agent.now(),
        request_id: incoming.request_id.clone(),
        outcome,
        caller: Some(facts(caller)),
        door: AuditDoor::Socket,
        peer: "unix".to_owned(),
        rule,
        user_agent: incoming.user_agent(),
    };
    agent.record(event).await
}

fn answer(value: &impl Serialize) -> ImdsResponse {
    match serde_json::to_vec(value) {
        Ok(body) => ImdsResponse::new(200, "application/json", body).with("Cache-Control", "no-store"),
        Err(_) => ImdsResponse::new(500, "application/json", "{\"error\":\"cannot write the answer\"}"),
    }
}

fn error(status: u16, message: &str, incoming: &Incoming) -> ImdsResponse {
    let body = json!({ "error": message, "request_id": incoming.request_id }).to_string();
    ImdsResponse::new(status, "application/json", body)
}
