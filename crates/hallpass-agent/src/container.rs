use crate::agent::facts;
use crate::callers::TcpEnds;
use crate::connection::Incoming;
use crate::metadata::{record_refusal, view};
use crate::{Agent, AgentEvent, AuditDoor, EventOutcome};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass_imds::{ContainerError, ContainerProtocol, ImdsResponse, check_headers, container_answer, html};
use hallpass_secret::Secret;
use std::sync::Arc;

/// Container tokens, each for one role and one uid. They are derived from the agent's key, so that none has to be kept, and
/// an agent with the same key takes them after a restart.
pub(crate) struct ContainerTokens(hmac::Key);

impl ContainerTokens {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let derived = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, key),
            b"hallpass container tokens",
        );
        Self(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    pub(crate) fn token(&self, role: &str, uid: u32) -> Secret {
        let named = URL_SAFE_NO_PAD.encode(format!("{uid}/{role}"));
        let proof = hmac::sign(&self.0, named.as_bytes());
        Secret::new(format!("{named}.{}", hex::encode(proof)))
    }

    /// The role and uid `sent` was given for.
    fn find(&self, sent: &[u8]) -> Option<(String, u32)> {
        let (named, proof) = std::str::from_utf8(sent).ok()?.split_once('.')?;
        let proof = hex::decode(proof).ok()?;
        hmac::verify(&self.0, named.as_bytes(), &proof).ok()?;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(named).ok()?).ok()?;
        let (uid, role) = text.split_once('/')?;
        Some((role.to_owned(), uid.parse().ok()?))
    }
}

/// Whether a request is for the container endpoint rather than the metadata service.
pub(crate) fn is_container(ends: &TcpEnds, incoming: &Incoming) -> bool {
    if ContainerProtocol::at(ends.asked()).is_some() {
        return true;
    }
    let Ok(path) = &incoming.path else {
        return false;
    };
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        segments if ContainerProtocol::Ecs.serves(segments) => true,
        ["latest", ..] => false,
        _ => incoming.headers.contains_key(http::header::AUTHORIZATION),
    }
}

/// Answers one request to the container endpoint: a token, held by the uid it was made for, with rules that still agree.
pub(crate) async fn respond(agent: &Arc<Agent>, ends: &TcpEnds, incoming: &Incoming) -> ImdsResponse {
    let Ok(path) = &incoming.path else {
        return html(400);
    };
    if let Err(refusal) = check_headers(&agent.hosts, path.authority.as_deref(), &incoming.headers) {
        return refusal;
    }
    let own = ContainerProtocol::at(ends.asked());
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    if own.is_some_and(|protocol| !protocol.serves(&segments)) {
        return ImdsResponse::text(404, "");
    }
    if incoming.method != http::Method::GET && incoming.method != http::Method::HEAD {
        return ImdsResponse::text(405, "").with("Allow", "GET, HEAD");
    }
    match credentials(agent, ends, incoming, &path.segments).await {
        Ok(response) => response,
        Err(Refusal {
            error,
            told,
            reason,
            role,
            caller,
        }) => {
            record_refusal(agent, ends, incoming, AuditDoor::Container, caller, role, reason).await;
            let told = format!("{told} (request {})", incoming.request_id);
            own.unwrap_or(ContainerProtocol::Ecs).refusal(error, &told)
        }
    }
}

struct Refusal {
    error: ContainerError,
    told: &'static str,
    reason: String,
    role: Option<String>,
    caller: Option<Arc<hallpass_caller::Caller>>,
}

fn refuse(error: ContainerError, told: &'static str, reason: impl Into<String>) -> Refusal {
    Refusal {
        error,
        told,
        reason: reason.into(),
        role: None,
        caller: None,
    }
}

async fn credentials(
    agent: &Arc<Agent>,
    ends: &TcpEnds,
    incoming: &Incoming,
    segments: &[String],
) -> Result<ImdsResponse, Refusal> {
    let unknown = "this machine cannot tell which process asks";
    let caller = if agent.config.holder_check {
        agent.callers.proven(ends).await
    } else {
        agent.callers.by_creator(ends)
    };
    let who = caller.map_err(|error| refuse(ContainerError::NotAllowed, unknown, error.to_string()))?;
    let caller = &who.caller;
    let with_caller = |mut refusal: Refusal| {
        refusal.caller = Some(Arc::clone(caller));
        refusal
    };
    // The ECS form carries the secret as the path's last part; a header, once sent, is what counts.
    let mut headers = incoming.headers.get_all(http::header::AUTHORIZATION).iter();
    let sent = match (headers.next(), headers.next(), segments) {
        (Some(header), None, _) => header.as_bytes(),
        (None, _, [version, _, id]) if version == "v2" => id.as_bytes(),
        _ => &[],
    };
    if sent.is_empty() {
        let told = "no Authorization token was sent: is the token file empty?";
        return Err(with_caller(refuse(
            ContainerError::NoToken,
            told,
            "no token was sent",
        )));
    }
    let told = "the Authorization token is not valid for this process";
    let Some((role, uid)) = agent.containers.find(sent) else {
        return Err(with_caller(refuse(
            ContainerError::InvalidToken,
            told,
            "the token is unknown",
        )));
    };
    let with_role = |mut refusal: Refusal| {
        refusal.role = Some(role.clone());
        with_caller(refusal)
    };
    if uid != caller.uid {
        let reason = format!("the token was made for uid {uid}");
        return Err(with_role(refuse(ContainerError::InvalidToken, told, reason)));
    }
    let away = "credentials cannot be had just now";
    let machine = agent.machine().await;
    let machine =
        machine.map_err(|error| with_role(refuse(ContainerError::Unavailable, away, error.to_string())))?;
    let entitled = agent.entitlement_at(ends, &who, &machine).await;
    if !entitled.roles.contains(&role) {
        let told = "no rule of this machine gives this role to this process";
        return Err(with_role(refuse(
            ContainerError::NotAllowed,
            told,
            entitled.reason.clone(),
        )));
    }
    let session = entitled.session(&role);
    let lease = agent.leases.get(&session, 0).await;
    let lease =
        lease.map_err(|error| with_role(refuse(ContainerError::Unavailable, away, error.to_string())))?;
    let recorded = agent
        .record(AgentEvent {
            time: agent.now(),
            request_id: incoming.request_id.clone(),
            outcome: EventOutcome::Issued {
                role: role.clone(),
                access_key_id: lease.issued.access_key_id.clone(),
                expires_at: lease.issued.expires_at,
                again: agent
                    .leases
                    .was_handed_to(&session, &lease.issued.access_key_id, caller.uid),
            },
            caller: Some(facts(caller)),
            door: AuditDoor::Container,
            peer: ends.peer(),
            rule: entitled.rule.clone(),
            user_agent: incoming.user_agent(),
        })
        .await;
    if !recorded {
        let told = "credentials cannot be recorded just now, so none is handed out";
        return Err(with_role(refuse(ContainerError::Unavailable, told, told)));
    }
    agent
        .leases
        .handed_to(&session, &lease.issued.access_key_id, caller.uid);
    Ok(container_answer(&view(&lease.issued)))
}
