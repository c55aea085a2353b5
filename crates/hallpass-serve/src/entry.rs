//! What becomes known of a request on its way, and the one CloudTrail record made of it at the end.

mod identity;

use crate::limits::Running;
use hallpass_access::{Caller, SamlIdentity};
use hallpass_audit::{EventKind, Identity, Record};
use hallpass_gateway::Facts;
use hallpass_gateway::{Connection, Refusal};
use hallpass_types::UnixSeconds;
use hallpass_upstream::Body;
use hallpass_wire::QueryParams;
use http_body::Body as _;
use identity::identity_of;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Entry {
    pub(crate) time: UnixSeconds,
    pub(crate) request_id: String,
    pub(crate) event_id: String,
    pub(crate) source: String,
    pub(crate) name: String,
    pub(crate) kind: EventKind,
    pub(crate) read_only: bool,
    pub(crate) identity: Identity,
    pub(crate) account: String,
    pub(crate) parameters: Value,
    pub(crate) made: Value,
    pub(crate) resources: Vec<String>,
    pub(crate) bytes: Option<(u64, Option<u64>)>,
    pub(crate) detail: Map<String, Value>,
    pub(crate) user_agent: Option<String>,
    pub(crate) connection: Connection,
    /// Who signed, once that is proved.
    pub(crate) caller: Option<Arc<Caller>>,
    /// What the request's caller may do at once; let go with the answer.
    pub(crate) running: Running,
}

impl Entry {
    pub(crate) fn new(
        time: UnixSeconds,
        request_id: String,
        event_id: String,
        connection: Connection,
        user_agent: Option<String>,
    ) -> Self {
        Self {
            time,
            request_id,
            event_id,
            source: "hallpass".to_owned(),
            name: "UnknownRequest".to_owned(),
            kind: EventKind::Management,
            read_only: true,
            identity: Identity {
                kind: "Unknown".to_owned(),
                ..Identity::default()
            },
            account: String::new(),
            parameters: Value::Null,
            made: Value::Null,
            resources: vec![],
            bytes: None,
            detail: Map::new(),
            user_agent,
            connection,
            caller: None,
            running: Running::default(),
        }
    }

    /// The service, once its caller is known; strangers do not choose what is counted.
    pub(crate) fn metric_name(&self) -> &str {
        if self.account.is_empty() {
            "unknown"
        } else {
            &self.source
        }
    }

    /// Who signed, and for which service (`s3`); `None` for strangers.
    pub(crate) fn used(&self) -> Option<(&Caller, &str)> {
        let service = self.source.strip_suffix(".amazonaws.com").unwrap_or(&self.source);
        self.caller.as_deref().map(|caller| (caller, service))
    }

    /// Bytes either way. What an answer announces is what it will have.
    pub(crate) fn note_transfer(&mut self, received: u64, response: &http::Response<Body>) {
        self.bytes = Some((received, response.body().size_hint().exact()));
    }

    /// How long it took to the answer's head, and how much of that was the upstream's.
    pub(crate) fn note_timings(&mut self, total: Duration) {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.note("durationMicros", micros(total));
    }

    /// A request without signature, to a service that may take it.
    pub(crate) fn note_presented_by_nobody(&mut self, caller: &Caller) {
        self.source = "s3.amazonaws.com".to_owned();
        self.account = caller.account.to_string();
        self.identity = Identity {
            kind: "AWSAccount".to_owned(),
            account_id: Some("ANONYMOUS_PRINCIPAL".to_owned()),
            ..Identity::default()
        };
    }

    /// The key a request presents, known before anything is proved.
    pub(crate) fn note_presented(&mut self, access_key_id: &str, service: &str) {
        self.identity.access_key_id = Some(access_key_id.to_owned());
        self.source = format!("{service}.amazonaws.com");
    }

    pub(crate) fn note_caller(&mut self, caller: &Arc<Caller>) {
        self.caller = Some(Arc::clone(caller));
        self.account = caller.account.to_string();
        self.identity = identity_of(caller);
    }

    /// The action of a query request, and its parameters.
    pub(crate) fn note_action(&mut self, params: &QueryParams) {
        if let Some(action) = params.get("Action") {
            self.name = action.to_owned();
        }
        self.parameters = parameters_of(params.iter());
    }

    /// What the parameters of a call with an assertion do not say by themselves, as CloudTrail has it.
    pub(crate) fn note_assertion(&mut self, identity: &SamlIdentity) {
        let Value::Object(parameters) = &mut self.parameters else {
            return;
        };
        parameters.insert("sAMLAssertionID".to_owned(), json!(identity.assertion_id));
        parameters.insert("roleSessionName".to_owned(), json!(identity.session_name));
        if !identity.tags.is_empty() {
            let tags = identity.tags.iter();
            let tags: Map<String, Value> = tags.map(|tag| (tag.key.clone(), json!(tag.value))).collect();
            parameters.insert("principalTags".to_owned(), Value::Object(tags));
            parameters.insert(
                "transitiveTagKeys".to_owned(),
                json!(identity.transitive_tag_keys),
            );
        }
    }

    /// What is known of an S3 request, as far as it got.
    pub(crate) fn note_s3(&mut self, mut facts: Facts) {
        let key = facts.key.take().map_or(Value::Null, Value::String);
        let bucket = facts.bucket.take().map_or(Value::Null, Value::String);
        let parameters = [("bucketName".to_owned(), bucket), ("key".to_owned(), key)];
        self.note_api(facts);
        self.parameters = Value::Object(parameters.into_iter().collect());
    }

    /// What is known of a call to another service, as far as it got.
    pub(crate) fn note_api(&mut self, facts: Facts) {
        if let Some(operation) = facts.operation {
            self.name = operation.to_owned();
        }
        self.kind = if facts.is_data {
            EventKind::Data
        } else {
            EventKind::Management
        };
        self.read_only = !facts.is_write;
        self.resources = facts.resources;
        if !facts.allowed_by.is_empty() {
            self.note("allowedBy", facts.allowed_by);
            self.note_authorized(facts.authorized.into_iter());
        }
        if let Some(upstream) = facts.upstream {
            self.note("upstream", upstream);
        }
        if let Some(took) = facts.upstream_took {
            self.note(
                "upstreamMicros",
                u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            );
        }
    }

    /// The actions that policies allowed, each with its resource: what a least policy is made of.
    pub(crate) fn note_authorized(&mut self, actions: impl Iterator<Item = (String, String)>) {
        let pair = |(action, resource)| {
            let pair = [
                ("action".to_owned(), Value::String(action)),
                ("resource".to_owned(), Value::String(resource)),
            ];
            Value::Object(pair.into_iter().collect())
        };
        self.note("authorized", actions.map(pair).collect::<Vec<_>>());
    }

    pub(crate) fn note(&mut self, name: &str, value: impl Into<Value>) {
        self.detail.insert(name.to_owned(), value.into());
    }

    pub(crate) fn into_record(
        mut self,
        region: &str,
        status: u16,
        refusal: Option<&Refusal>,
        code: Option<&str>,
    ) -> Record {
        self.note("status", status);
        self.note("decision", if refusal.is_some() { "refused" } else { "served" });
        if let Some(refusal) = refusal.filter(|refusal| !refusal.detail.is_empty()) {
            self.note("reason", refusal.detail.clone());
        }
        Record {
            time: self.time,
            kind: self.kind,
            source: self.source,
            name: self.name,
            region: region.to_owned(),
            source_ip: self.connection.peer.ip().to_canonical().to_string(),
            user_agent: self.user_agent,
            identity: self.identity,
            error_code: code.map(str::to_owned),
            error_message: refusal.map(|refusal| refusal.message.clone()),
            request_parameters: self.parameters,
            response_elements: self.made,
            resources: self.resources,
            read_only: self.read_only,
            request_id: self.request_id,
            event_id: self.event_id,
            account: self.account,
            bytes: self.bytes,
            detail: self.detail,
        }
    }
}

/// An action's parameters as CloudTrail keeps them: names in lower camel case, no secret, nothing bulky.
fn parameters_of<'a>(params: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    const NOT_RECORDED: &[&str] = &[
        "Action",
        "Version",
        "SecretAccessKey",
        "Password",
        "NewPassword",
        "OldPassword",
        "TokenCode",
        "AuthenticationCode1",
        "AuthenticationCode2",
        "PrivateKey",
        "AddPrivateKey",
        "UserData",
        "WebIdentityToken",
        "SAMLAssertion",
    ];
    const VALUE_CHARS_MAX: usize = 8_192;
    let kept = params.filter(|(name, _)| !NOT_RECORDED.contains(name) && !name.starts_with("X-Amz-"));
    let map: Map<String, Value> = kept
        .map(|(name, value)| {
            let mut letters = name.chars();
            let first = letters
                .next()
                .map(|letter| letter.to_lowercase().to_string())
                .unwrap_or_default();
            let value: String = value.chars().take(VALUE_CHARS_MAX).collect();
            (format!("{first}{}", letters.as_str()), Value::String(value))
        })
        .collect();
    Value::Object(map)
}
