//! Calls of services that speak JSON and are ours: understood by AWS's models, authorized, their parameters read.

use super::reading::{api_dialect, guessed_dialect};
use super::{Arrived, FrontDoor, anywhere};
use crate::api;
use crate::entry::Entry;
use crate::render::Dialect;
use hallpass_access::Permit;
use hallpass_apiroute::ApiRequest;
use hallpass_gateway::{Claim, Facts, Refusal, api as gateway_api};
use hallpass_sigv4::Payload;
use http::Method;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::time::Instant;

/// Most of their requests are small.
const BODY_BYTES_MAX: usize = 64 * 1_024;
/// Longer texts (certificates, revocation lists) are not recorded whole.
const RECORDED_CHARS_MAX: usize = 8_192;

fn bytes_max(service: &str) -> usize {
    match service {
        anywhere::SERVICE => anywhere::CONTROL_BYTES_MAX,
        _ => BODY_BYTES_MAX,
    }
}

/// The members of a REST request are in its path and query too. What the body says may not stand for them: it is by the
/// path that the call was authorized.
fn with_members(mut input: Value, request: &ApiRequest, method: &Method) -> Value {
    if let Value::Object(members) = &mut input {
        if method == Method::GET {
            let query = request.query();
            members.extend(query.map(|(name, value)| (name.to_owned(), Value::from(value))));
        }
        let labels = request.labels();
        members.extend(labels.map(|(name, value)| (name.to_owned(), Value::from(value))));
    }
    input
}

fn recorded(input: &Value) -> Value {
    match input {
        Value::String(text) => text.chars().take(RECORDED_CHARS_MAX).collect::<String>().into(),
        Value::Array(items) => items.iter().map(recorded).collect(),
        // As deep as the parser lets it be.
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| (name.clone(), recorded(value)));
            Value::Object(members.collect())
        }
        other => other.clone(),
    }
}

/// A call that is allowed.
pub(super) struct JsonCall {
    pub(super) permit: Permit,
    pub(super) operation: &'static str,
    pub(super) input: Value,
}

impl FrontDoor {
    pub(super) async fn json_call(
        &self,
        service: &str,
        claim: Claim,
        arrived: Arrived,
        entry: &mut Entry,
        dialect: &mut Dialect,
    ) -> Result<JsonCall, Refusal> {
        let Arrived {
            head,
            body,
            connection,
            now,
            ..
        } = arrived;
        *dialect = guessed_dialect(&head);
        let mut request = gateway_api::understand(service, &head)?;
        *dialect = api_dialect(&head, request.protocol());
        self.authenticator.refuse_strangers(&claim, now)?;
        let bytes_max = bytes_max(service);
        let _room = api::room_for(&self.api_room, &head, bytes_max).await?;
        let body = api::read_body(body, bytes_max).await?;
        let payload = Payload::Body(Sha256::digest(&body).into());
        let signed = self.authenticator.verify(&head, claim, payload, now)?;
        entry.note_caller(signed.caller());
        let authenticated = signed.bind(connection)?;
        entry.note("withinBinding", authenticated.is_within_binding());
        entry.running = self.limits.begin(authenticated.caller(), Instant::now())?;
        let mut facts = Facts::default();
        let gateway = &self.parts.gateway;
        let permit = gateway_api::permit(
            gateway,
            &authenticated,
            &mut request,
            &body,
            &head,
            connection,
            now,
            &mut facts,
        );
        entry.note_api(facts);
        let permit = permit?;
        let malformed = || {
            Refusal::caller(
                "SerializationException",
                400,
                "The request body is not a JSON object.",
            )
        };
        let input: Value = match body.trim_ascii() {
            b"" => Value::Object(serde_json::Map::new()),
            body => serde_json::from_slice(body).map_err(|_| malformed())?,
        };
        if !input.is_object() {
            return Err(malformed());
        }
        let input = with_members(input, &request, &head.method);
        entry.parameters = recorded(&input);
        Ok(JsonCall {
            permit,
            operation: request.operation().unwrap_or_default(),
            input,
        })
    }
}
