//! Calls to CloudTrail, which is the audit log.

use super::reading::{api_dialect, guessed_dialect};
use super::{Arrived, FrontDoor};
use crate::api;
use crate::cloudtrail::{self, Asked};
use crate::entry::Entry;
use crate::render::{self, Dialect};
use hallpass_gateway::{Claim, Facts, Refusal, api as gateway_api};
use hallpass_sigv4::Payload;
use hallpass_upstream::Body;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Instant;

/// The service that the audit log answers for, unless an upstream is named for it.
pub(super) const SERVICE: &str = "cloudtrail";
/// Its requests are small.
const BODY_BYTES_MAX: usize = 64 * 1_024;
/// Look-ups that read the log at the same time; others wait.
pub(super) const LOOKUPS_MAX: usize = 2;

impl FrontDoor {
    pub(super) async fn serve_trail(
        &self,
        claim: Claim,
        arrived: Arrived,
        entry: &mut Entry,
        dialect: &mut Dialect,
    ) -> Result<http::Response<Body>, Refusal> {
        let Arrived {
            head,
            body,
            connection,
            now,
            ..
        } = arrived;
        *dialect = guessed_dialect(&head);
        let mut request = gateway_api::understand(SERVICE, &head)?;
        *dialect = api_dialect(&head, request.protocol());
        self.authenticator.refuse_strangers(&claim, now)?;
        let _room = api::room_for(&self.api_room, &head, BODY_BYTES_MAX).await?;
        let body = api::read_body(body, BODY_BYTES_MAX).await?;
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
        entry.note_api(&facts);
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
        entry.parameters = input.clone();
        let asked = Asked {
            log: Arc::clone(&self.parts.audit),
            config: gateway.config.audit.clone(),
            region: self.region.clone(),
            account: permit.caller().account,
            is_home: permit.caller().account == gateway.account,
            now,
        };
        let operation = request.operation().unwrap_or_default();
        let _turn = self.lookup_room.acquire().await;
        let reading = tokio::task::spawn_blocking(move || cloudtrail::answer(&asked, operation, &input));
        let answer = reading
            .await
            .map_err(|error| Refusal::server("The log cannot be read.", error.to_string()))??;
        Ok(render::text(
            200,
            "application/x-amz-json-1.1",
            answer.to_string(),
        ))
    }
}
