use super::{HttpUpstream, Plan, header_value};
use crate::body::{Body, VerifiedBody};
use crate::error::UpstreamError;
use crate::events::VerifiedEvents;
use crate::forward::{ApiBody, ApiForward};
use crate::headers;
use crate::progress::{Progress, Watched};
use crate::reframe::Outgoing;
use hallpass_sigv4::{EventSigner, PayloadMode};
use http::{HeaderValue, Response};
use sha2::{Digest, Sha256};
use std::sync::Arc;

impl HttpUpstream {
    pub(super) async fn forward_api(&self, request: ApiForward) -> Result<Response<Body>, UpstreamError> {
        let region = self.region.clone().unwrap_or_else(|| request.region.clone());
        let endpoint = self.endpoint.at.resolved(&request.endpoint_prefix, &region);
        // The path as received: what was routed from it refused all that two readers could read in two ways.
        let path = request.head.uri.path().to_owned();
        let query = without_authentication(request.head.uri.query().unwrap_or_default());
        let separator = if query.is_empty() { "" } else { "?" };
        let mut headers = headers::for_api(&request.head.headers)?;
        headers.push((http::header::HOST, header_value(&endpoint.host)?));
        let payload = match &request.body {
            ApiBody::Whole(body) => {
                if !body.is_empty() || matches!(request.head.method.as_str(), "POST" | "PUT" | "PATCH") {
                    headers.push((http::header::CONTENT_LENGTH, HeaderValue::from(body.len())));
                }
                PayloadMode::Sha256(Sha256::digest(body).into())
            }
            ApiBody::Events(_) => PayloadMode::StreamingEvents,
        };
        let plan = Plan {
            method: request.head.method.clone(),
            uri: format!("{}://{}{path}{separator}{query}", endpoint.scheme, endpoint.host),
            path,
            query,
            headers,
            payload,
            service: request.service.clone(),
            region,
            caller: Arc::clone(request.permit.caller()),
            now: request.now,
        };
        let whole = match request.body {
            ApiBody::Whole(whole) => whole,
            ApiBody::Events(events) => return self.forward_events(&plan, events).await,
        };
        let body = |progress| {
            let watched = Watched::new(VerifiedBody::from_bytes(whole.clone()), progress);
            Outgoing::plain(watched)
        };
        if request.is_repeatable {
            let again = || self.signed(&plan, body(Arc::default()));
            return self.exchange.repeatable(again, plan.now).await;
        }
        let progress = Arc::new(Progress::default());
        let outgoing = self.signed(&plan, body(Arc::clone(&progress))).await?;
        self.exchange.once(outgoing, &progress, plan.now).await
    }

    /// Each event is sent on as it is proven, signed anew.
    async fn forward_events(
        &self,
        plan: &Plan,
        events: Box<VerifiedEvents>,
    ) -> Result<Response<Body>, UpstreamError> {
        let progress = Arc::new(Progress::default());
        let (clock, offset) = (events.clock(), self.exchange.clock_offset());
        let watched = Watched::events(events, Arc::clone(&progress));
        let make = |signer: Option<EventSigner>| {
            let signer =
                signer.ok_or_else(|| UpstreamError::not_implemented("events signed with version 4a"))?;
            Ok(Outgoing::events(watched, signer, clock, offset))
        };
        let outgoing = self.signed_with(plan, make).await?;
        self.exchange.stream(outgoing, &progress, plan.now).await
    }
}

/// The query without the client's signature.
fn without_authentication(query: &str) -> String {
    let pieces = query.split('&').filter(|piece| {
        let name = piece.split('=').next().unwrap_or_default();
        let name = hallpass_wire::percent_decode(name).unwrap_or_default();
        !piece.is_empty() && !name.to_ascii_lowercase().starts_with("x-amz-")
    });
    pieces.collect::<Vec<_>>().join("&")
}
