//! IAM Roles Anywhere: its control plane, signed like any call, and `CreateSession`, signed with a certificate's key.

use super::reading::api_dialect;
use super::{Arrived, FrontDoor};
use crate::api;
use crate::entry::Entry;
use crate::render::{self, Dialect};
use hallpass_authority::{CertificateKey, CertificateSessionRequest, signed_by};
use hallpass_gateway::{Claim, Refusal, RequestHead};
use hallpass_sigv4::{
    PathStyle, Payload, VerifiedX509, VerifyOptions, X509Algorithm, parse_x509, verify_x509,
};
use hallpass_types::UnixSeconds;
use hallpass_upstream::Body;
use hallpass_wire::QueryParams;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Instant;

/// The service, unless an upstream is named for it.
pub(super) const SERVICE: &str = "rolesanywhere";
/// Of the control plane: a revocation list of 300,000 bytes in base 64.
pub(super) const CONTROL_BYTES_MAX: usize = 512 * 1_024;
/// Of `CreateSession`, fifty instance properties included.
const SESSION_BYTES_MAX: usize = 64 * 1_024;

/// Whether a request is signed with a certificate's key. Such a signature is good for nothing but `CreateSession`.
pub(super) fn is_by_certificate(head: &RequestHead) -> bool {
    let mut values = head.headers.get_all("authorization").iter();
    values.any(|value| value.as_bytes().trim_ascii_start().starts_with(b"AWS4-X509-"))
}

impl FrontDoor {
    pub(super) fn serves_roles_anywhere(&self) -> bool {
        !self.parts.gateway.config.names_service(SERVICE)
    }

    pub(super) async fn serve_roles_anywhere(
        &self,
        claim: Claim,
        arrived: Arrived,
        entry: &mut Entry,
        dialect: &mut Dialect,
    ) -> Result<http::Response<Body>, Refusal> {
        let now = arrived.now;
        let asked = self.json_call(SERVICE, claim, arrived, entry, dialect).await?;
        let (status, answer) = self
            .parts
            .authority
            .roles_anywhere(&asked.permit, asked.operation, &asked.input, now)
            .await
            .map_err(api::refused)?;
        Ok(render::text(status, "application/json", answer.to_string()))
    }

    /// `CreateSession`, the one call that a certificate signs.
    pub(super) async fn serve_certificate(
        &self,
        arrived: Arrived,
        entry: &mut Entry,
        dialect: &mut Dialect,
    ) -> Result<http::Response<Body>, Refusal> {
        let Arrived { head, body, now, .. } = arrived;
        *dialect = api_dialect(&head, hallpass_apiroute::Protocol::RestJson);
        entry.source = "rolesanywhere.amazonaws.com".to_owned();
        if (head.method.as_str(), head.path.as_str()) != ("POST", "/sessions") {
            return Err(Refusal::caller(
                "UnknownOperationException",
                404,
                "A certificate signs POST /sessions only.",
            ));
        }
        entry.name = "CreateSession".to_owned();
        entry.read_only = false;
        let _room = api::room_for(&self.unsigned_room, &head, SESSION_BYTES_MAX).await?;
        let body = api::read_body(body, SESSION_BYTES_MAX).await?;
        let verified = self.signed_by_certificate(&head, &body, now)?;
        let Asked {
            trust_anchor,
            request,
        } = Asked::read(&head, &body)?;
        entry.parameters = json!({
            "trustAnchorArn": trust_anchor,
            "profileArn": request.profile,
            "roleArn": request.role,
            "durationSeconds": request.duration_seconds,
            "roleSessionName": request.session_name,
        });
        let authority = &self.parts.authority;
        let holder = authority
            .certificate_holder(
                verified.certificate(),
                verified.chain(),
                verified.serial(),
                &trust_anchor,
                now,
            )
            .map_err(api::refused)?;
        entry.note_caller(holder.caller());
        entry.note(
            "certificate",
            json!({ "subject": holder.subject(), "serialNumber": holder.serial_hex() }),
        );
        entry.running = self.limits.begin(holder.caller(), Instant::now())?;
        entry.resources = vec![request.role.clone(), trust_anchor, request.profile.clone()];
        let session = authority
            .certificate_session(&holder, &request, now)
            .map_err(api::refused)?;
        entry.made = json!({
            "assumedRole": session.arn,
            "accessKeyId": session.access_key_id,
            "expiration": session.expires_at.iso8601(),
        });
        Ok(render::text(201, "application/json", session.answer.to_string()))
    }

    fn signed_by_certificate(
        &self,
        head: &RequestHead,
        body: &[u8],
        now: UnixSeconds,
    ) -> Result<VerifiedX509, Refusal> {
        let fields = head.fields();
        let view = head.view(&fields);
        let presented = parse_x509(&view)?.ok_or_else(|| Refusal::server("The signature is gone.", ""))?;
        let kind = match presented.algorithm {
            X509Algorithm::Rsa => CertificateKey::Rsa,
            X509Algorithm::Ecdsa => CertificateKey::Ecdsa,
        };
        let certificate = presented.certificate.clone();
        let options = VerifyOptions {
            expected_region: Some(&self.region),
            expected_service: Some(SERVICE),
            ..VerifyOptions::new(now, PathStyle::Normalized)
        };
        let payload = Payload::Body(Sha256::digest(body).into());
        let verified = verify_x509(&view, presented, payload, &options, |text, signature| {
            signed_by(&certificate, kind, text, signature)
        })?;
        Ok(verified)
    }
}

/// What a request asks for. Both the query and the body may name it; where both do, they must agree.
struct Asked {
    trust_anchor: String,
    request: CertificateSessionRequest,
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::caller("ValidationException", 400, message)
}

impl Asked {
    fn read(head: &RequestHead, body: &[u8]) -> Result<Self, Refusal> {
        let query = QueryParams::parse(head.query.as_deref().unwrap_or_default())
            .map_err(|error| invalid(format!("The query cannot be read: {error}.")))?;
        let body: Value = match body.trim_ascii() {
            b"" => json!({}),
            body => serde_json::from_slice(body)
                .ok()
                .filter(Value::is_object)
                .ok_or_else(|| invalid("The request body is not a JSON object."))?,
        };
        let text = |name: &str| -> Result<Option<String>, Refusal> {
            let in_body = match &body[name] {
                Value::Null => None,
                Value::String(text) => Some(text.as_str()),
                _ => return Err(invalid(format!("{name} must be a text."))),
            };
            match (query.get(name), in_body) {
                (Some(first), Some(second)) if first != second => Err(invalid(format!(
                    "{name} is one in the query and another in the body."
                ))),
                (first, second) => Ok(first.or(second).map(str::to_owned)),
            }
        };
        let required = |name: &str| text(name)?.ok_or_else(|| invalid(format!("{name} must be given.")));
        let duration_seconds = match &body["durationSeconds"] {
            Value::Null => None,
            value => {
                let number = value.as_i64();
                Some(number.ok_or_else(|| invalid("durationSeconds must be an integer."))?)
            }
        };
        Ok(Self {
            trust_anchor: required("trustAnchorArn")?,
            request: CertificateSessionRequest {
                profile: required("profileArn")?,
                role: required("roleArn")?,
                duration_seconds,
                session_name: text("roleSessionName")?,
                has_instance_properties: body["instanceProperties"]
                    .as_object()
                    .is_some_and(|properties| !properties.is_empty()),
            },
        })
    }
}
