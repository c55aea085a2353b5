//! What ties the agent to an authority and an audit log in the same process.

use hallpass_agent::{
    AgentEvent, AuditDoor, AuditSink, BoxFuture, CredentialSource, DrawnAhead, EventOutcome, Issued, Machine,
    SessionRequest, SourceError, rule_tags,
};
use hallpass_audit::{AuditLog, Durability, EventKind, Identity, Record};
use hallpass_authority::{Authority, InstanceSessionError, InstanceSessionRequest};
use hallpass_fleet::{NewEnrolment, NewSession, SessionLog};
use hallpass_session::Tag;
use hallpass_types::{Clock, Entropy, UnixSeconds};
use serde_json::{Map, Value, json};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sessions of one instance, from the authority in this process.
pub struct InstanceSource {
    authority: Arc<Authority>,
    clock: Arc<dyn Clock>,
    instance: String,
}

impl InstanceSource {
    /// For the instance of that id.
    #[must_use]
    pub fn new(authority: Arc<Authority>, clock: Arc<dyn Clock>, instance: &str) -> Self {
        Self {
            authority,
            clock,
            instance: instance.to_owned(),
        }
    }

    fn view(&self) -> Result<Machine, SourceError> {
        let instance = self
            .authority
            .instance(&self.instance)
            .filter(|instance| instance.state == hallpass_authority::InstanceState::Running)
            .ok_or_else(|| SourceError::Refused(format!("instance {} is not running", self.instance)))?;
        let profile = self.authority.instance_profile(&instance);
        let tags = instance
            .tags
            .iter()
            .map(|tag| (tag.key.clone(), tag.value.clone()))
            .collect();
        let user_data = instance.user_data.as_deref().and_then(decode_user_data);
        let (profile_arn, profile_id, roles) = match profile {
            Some((arn, id, roles)) => (Some(arn), Some(id), roles),
            None => (None, None, vec![]),
        };
        let id_of = |role: &String| Some((role.clone(), self.authority.role_generation(&instance, role)?));
        Ok(Machine {
            role_ids: roles.iter().filter_map(id_of).collect(),
            revoked: self.authority.revoked_sessions(instance.account),
            rules: rule_tags(
                instance
                    .tags
                    .iter()
                    .map(|tag| (tag.key.as_str(), tag.value.as_str())),
            ),
            image_id: instance.image_id.clone(),
            instance_type: instance.instance_type.clone(),
            reservation_id: Some(instance.reservation_id.clone()),
            profile_arn,
            profile_id,
            roles,
            user_data,
            tags: instance.metadata_options.instance_tags.then_some(tags),
            v1_allowed: !instance.metadata_options.http_tokens_required,
            endpoint_enabled: instance.metadata_options.http_endpoint_enabled,
            ..Machine::new(
                &instance.id,
                instance.account.as_str(),
                self.authority.region(),
                &instance.private_ip,
                instance.launched,
            )
        })
    }
}

fn wanted(session: &SessionRequest) -> InstanceSessionRequest {
    let tags = session.tags.iter().cloned();
    InstanceSessionRequest {
        role: session.role.clone(),
        session_name: session.session_name.clone(),
        source_identity: session.source_identity.clone(),
        tags: tags.map(|(key, value)| Tag { key, value }).collect(),
        policy: session.policy.clone(),
        duration_seconds: session.duration_seconds,
    }
}

/// User data travels in base 64 (EC2 API reference, RunInstances).
fn decode_user_data(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

impl CredentialSource for InstanceSource {
    fn machine(&self) -> BoxFuture<'_, Result<Machine, SourceError>> {
        Box::pin(std::future::ready(self.view()))
    }

    fn revision(&self) -> Option<u64> {
        Some(self.authority.revision())
    }

    fn issue<'a>(&'a self, session: &'a SessionRequest) -> BoxFuture<'a, Result<Issued, SourceError>> {
        let minted = self
            .authority
            .mint_instance_session(&self.instance, &wanted(session), self.clock.now());
        let role = session.role.clone();
        let issued = minted
            .map(|session| Issued {
                access_key_id: session.claims.access_key_id.to_string(),
                secret: session.claims.secret.clone(),
                token: session.token.clone(),
                issued_at: session.claims.issued_at,
                expires_at: session.claims.expires_at,
                account: session.claims.account.to_string(),
                role_arn: self
                    .authority
                    .role_arn(session.claims.account, &role)
                    .unwrap_or_default(),
            })
            .map_err(|error| match error {
                InstanceSessionError::Mint(_) => SourceError::Unavailable(error.to_string()),
                _ => SourceError::Refused(error.to_string()),
            });
        Box::pin(std::future::ready(issued))
    }
}

/// The agent's decisions, as CloudTrail records in the server's log.
pub struct AgentAudit {
    log: Arc<AuditLog>,
    names: DrawnAhead,
    account: String,
    region: String,
    instance: String,
    made: Mutex<Vec<Made>>,
}

/// How many records are kept to be used again: of so many callers that ask in turn.
const MADE_MAX: usize = 8;

/// A record, and the event it was made of. Of the next event that is like it only [`Made::renew`] is different.
struct Made {
    event: AgentEvent,
    record: Record,
}

impl Made {
    /// Whether all is the same that a record holds, but for when, by which request and from which address.
    fn is_like(&self, event: &AgentEvent) -> bool {
        // All of them by name: what is added to an event must be thought of here.
        let AgentEvent {
            time: _,
            request_id: _,
            outcome,
            caller,
            door,
            peer: _,
            rule,
            user_agent,
        } = event;
        let made = &self.event;
        (
            &made.outcome,
            &made.caller,
            &made.door,
            &made.rule,
            &made.user_agent,
        ) == (outcome, caller, door, rule, user_agent)
    }

    fn renew(&mut self, event: AgentEvent, event_id: String) {
        self.record.time = event.time;
        self.record.request_id = event.request_id;
        self.record.event_id = event_id;
        if self.event.peer != event.peer {
            self.record.source_ip = source_ip(&event.peer);
            self.event.peer = event.peer;
        }
    }
}

/// CloudTrail has addresses without ports.
fn source_ip(peer: &str) -> String {
    match peer.parse::<std::net::SocketAddr>() {
        Ok(peer) => peer.ip().to_canonical().to_string(),
        Err(_) => peer.to_owned(),
    }
}

impl AgentAudit {
    /// For the agent of one instance.
    #[must_use]
    pub fn new(
        log: Arc<AuditLog>,
        entropy: Arc<dyn Entropy>,
        account: &str,
        region: &str,
        instance: &str,
    ) -> Self {
        Self {
            log,
            names: DrawnAhead::new(entropy),
            account: account.to_owned(),
            region: region.to_owned(),
            instance: instance.to_owned(),
            made: Mutex::default(),
        }
    }

    /// The record of an event: of one that is like it where there is one, since most of the work is in making it.
    fn made(&self, event: AgentEvent) -> Made {
        let event_id = hallpass_session::random_hex(&self.names, 32);
        let like = {
            let mut made = self.lock();
            let place = made.iter().position(|made| made.is_like(&event));
            place.map(|place| made.remove(place))
        };
        match like {
            Some(mut made) => {
                made.renew(event, event_id);
                made
            }
            None => Made {
                record: self.to_record(event.clone(), event_id),
                event,
            },
        }
    }

    /// Keeps a record to be used again, in place of the one longest unused.
    fn keep(&self, record: Made) {
        let mut made = self.lock();
        if made.len() >= MADE_MAX {
            made.remove(0);
        }
        made.push(record);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Made>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn to_record(&self, event: AgentEvent, event_id: String) -> Record {
        let mut detail = Map::new();
        let text = |text: Option<String>| text.map_or(Value::Null, Value::String);
        detail.insert("instance".to_owned(), Value::String(self.instance.clone()));
        detail.insert("rule".to_owned(), text(event.rule));
        let door = match event.door {
            AuditDoor::MetadataV1 => "metadata, version 1",
            AuditDoor::MetadataV2 => "metadata, version 2",
            AuditDoor::Container => "container endpoint",
            AuditDoor::Socket => "agent socket",
            AuditDoor::File => "file",
            AuditDoor::Unit => "systemd credential",
        };
        detail.insert("door".to_owned(), Value::String(door.to_owned()));
        if let Some(caller) = event.caller {
            detail.insert("uid".to_owned(), caller.uid.into());
            detail.insert("user".to_owned(), text(caller.user));
            detail.insert("pid".to_owned(), caller.pid.into());
            // A path may hold any bytes; a record is text.
            let exe = caller.exe.map(|exe| exe.to_string_lossy().into_owned());
            detail.insert("exe".to_owned(), text(exe));
        }
        let (role, refused, made) = match event.outcome {
            EventOutcome::Issued {
                role,
                access_key_id,
                expires_at,
                again: _,
            } => {
                let made = json!({ "accessKeyId": access_key_id, "expiration": expires_at.iso8601() });
                (Some(role), None, made)
            }
            EventOutcome::Refused { role, reason } => (role, Some(reason), Value::Null),
        };
        detail.insert(
            "decision".to_owned(),
            json!(if refused.is_some() { "refused" } else { "issued" }),
        );
        if let Some(reason) = &refused {
            detail.insert("reason".to_owned(), json!(reason));
        }
        Record {
            time: event.time,
            kind: EventKind::Service,
            source: "ec2.amazonaws.com".to_owned(),
            name: "IssueCredentials".to_owned(),
            region: self.region.clone(),
            source_ip: source_ip(&event.peer),
            user_agent: event.user_agent,
            identity: Identity {
                kind: "AWSService".to_owned(),
                invoked_by: Some("ec2.amazonaws.com".to_owned()),
                ..Identity::default()
            },
            error_code: refused.as_ref().map(|_| "NotAuthorized".to_owned()),
            error_message: refused,
            request_parameters: json!({ "role": role }),
            response_elements: made,
            resources: role
                .map(|role| format!("arn:aws:iam::{}:role/{role}", self.account))
                .into_iter()
                .collect(),
            read_only: false,
            request_id: event.request_id,
            event_id,
            account: self.account.clone(),
            bytes: None,
            detail,
        }
    }
}

impl AuditSink for AgentAudit {
    fn record(&self, event: AgentEvent) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            // A credential on its way to a user is on the disk first. That the same one is read again by the same user, or
            // that one is refused, need only survive the process.
            let is_issue = matches!(event.outcome, EventOutcome::Issued { again: false, .. });
            let durability = if is_issue {
                Durability::Synced
            } else {
                Durability::Written
            };
            let made = self.made(event);
            let appended = self.log.append(&made.record, durability).await;
            self.keep(made);
            appended.map(|_| ()).map_err(|error| error.to_string())
        })
    }

    fn check(&self, now: UnixSeconds) -> Result<(), String> {
        self.log.check(now).map_err(|error| error.to_string())
    }

    fn lost(&self) -> u64 {
        self.log.health().lost()
    }
}

/// Sessions minted for the agents of other machines, as CloudTrail has them: EC2 assuming the role for an instance. Which
/// process got one is in its agent's log, by the same key.
pub struct MintAudit {
    log: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    region: String,
}

impl MintAudit {
    /// In this log.
    #[must_use]
    pub fn new(log: Arc<AuditLog>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>, region: &str) -> Self {
        Self {
            log,
            clock,
            entropy,
            region: region.to_owned(),
        }
    }
}

impl MintAudit {
    /// A record of what is done for a machine at `peer`, to be filled in.
    fn blank(&self, source: &str, name: &str, peer: IpAddr) -> Record {
        Record {
            time: self.clock.now(),
            kind: EventKind::Service,
            source: source.to_owned(),
            name: name.to_owned(),
            region: self.region.clone(),
            source_ip: peer.to_string(),
            user_agent: None,
            identity: Identity {
                kind: "AWSService".to_owned(),
                invoked_by: Some("ec2.amazonaws.com".to_owned()),
                ..Identity::default()
            },
            error_code: None,
            error_message: None,
            request_parameters: serde_json::Value::Null,
            response_elements: serde_json::Value::Null,
            resources: vec![],
            read_only: false,
            request_id: hallpass_session::random_hex(&*self.entropy, 16),
            event_id: hallpass_session::random_hex(&*self.entropy, 32),
            account: String::new(),
            bytes: None,
            detail: Map::new(),
        }
    }

    async fn write(&self, record: Record) -> Result<(), String> {
        let written = self.log.append(&record, Durability::Synced).await;
        written.map(|_| ()).map_err(|error| error.to_string())
    }
}

impl SessionLog for MintAudit {
    fn record(&self, session: NewSession) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let account = session.instance.account.to_string();
            let role_arn = format!("arn:aws:iam::{account}:role/{}", session.role);
            let (made, refused) = match session.outcome {
                Ok(key) => (json!({ "credentials": { "accessKeyId": key } }), None),
                Err(why) => (serde_json::Value::Null, Some(why)),
            };
            let mut detail = Map::new();
            detail.insert("instance".to_owned(), json!(session.instance.id));
            let decision = if refused.is_some() { "refused" } else { "issued" };
            detail.insert("decision".to_owned(), json!(decision));
            if let Some(reason) = &refused {
                detail.insert("reason".to_owned(), json!(reason));
            }
            let record = Record {
                error_code: refused.as_ref().map(|_| "AccessDenied".to_owned()),
                error_message: refused,
                request_parameters: json!({ "roleArn": role_arn, "roleSessionName": session.instance.id }),
                response_elements: made,
                resources: vec![role_arn],
                account,
                detail,
                ..self.blank("sts.amazonaws.com", "AssumeRole", session.peer)
            };
            self.write(record).await
        })
    }

    fn record_enrolment(&self, enrolment: NewEnrolment) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            let instance = enrolment.instance;
            let account = instance.account.to_string();
            let arn = format!("arn:aws:ec2:{}:{account}:instance/{}", self.region, instance.id);
            let tags = instance.tags.into_iter().map(|tag| (tag.key, json!(tag.value)));
            let mut detail = Map::new();
            detail.insert("instance".to_owned(), json!(instance.id));
            detail.insert("decision".to_owned(), json!("enrolled"));
            let record = Record {
                request_parameters: json!({
                    "instanceProfile": instance.profile,
                    "tags": tags.collect::<Map<_, _>>(),
                }),
                response_elements: json!({ "instanceId": instance.id }),
                resources: vec![arn],
                account,
                detail,
                ..self.blank("hallpass.amazonaws.com", "EnrolInstance", enrolment.peer)
            };
            self.write(record).await
        })
    }
}

#[cfg(test)]
mod tests;
