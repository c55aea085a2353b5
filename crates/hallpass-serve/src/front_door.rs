//! The front door: authenticate → authorize → dispatch → record. Every API request comes through
//! [`FrontDoor::answer`], and every answer leaves through it with its record written.

use crate::api::{self, ApiEnv};
use crate::body::{Counted, Held, share};
use crate::entry::Entry;
use crate::hops;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::render::{self, Dialect};
use crate::version_2;
use hallpass_access::{AuthenticationError, Caller, CallerKind, Candidate, PolicyBundle};
use hallpass_audit::{AuditLog, Durability, EventKind, Recorded};
use hallpass_authority::{Authority, Service};
use hallpass_gateway::{
    Authenticator, Blame, Claim, Connection, KeyLookup, PolicyLookup, Refusal, RequestHead, Requester,
    api as gateway_api, s3,
};
use hallpass_gateway::{Facts, Gateway, post_form, s3::Input};
use hallpass_session::OpenedSession;
use hallpass_sigv4::{ParseError, Payload};
use hallpass_types::{AccessKeyId, AccessKeyKind, Clock, Entropy, UnixSeconds};
use hallpass_upstream::Body;
use hallpass_wire::Protocol;
use hyper::body::Incoming;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Opened session tokens kept. A token is opened once (a signature check), then found here.
const OPENED_TOKENS_MAX: usize = 16_384;

/// [`KeyLookup`] over the authority, with a cache of opened tokens. Expiry and revocation are judged on each request.
pub struct Keys {
    authority: Arc<Authority>,
    opened: Cache<String, Arc<OpenedSession>>,
}

impl Keys {
    /// Over `authority`.
    #[must_use]
    pub fn new(authority: Arc<Authority>) -> Self {
        Self {
            authority,
            opened: Cache::new(OPENED_TOKENS_MAX),
        }
    }
}

impl KeyLookup for Keys {
    fn candidate(
        &self,
        id: &AccessKeyId,
        token: Option<&str>,
        now: UnixSeconds,
    ) -> Result<Candidate, AuthenticationError> {
        let Some(token) = token.filter(|_| id.kind() == Some(AccessKeyKind::Session)) else {
            return self.authority.candidate(id, token, now);
        };
        let opened = match self.opened.get(token) {
            Some(opened) => opened,
            None => {
                let opened = Arc::new(self.authority.open_token(token)?);
                self.opened.insert(token.to_owned(), Arc::clone(&opened));
                opened
            }
        };
        self.authority.candidate_of_session(&opened, id, now)
    }
}

/// [`PolicyLookup`] over the authority.
pub struct Policies(pub Arc<Authority>);

impl PolicyLookup for Policies {
    fn policies_for(&self, caller: &Caller) -> (PolicyBundle, Vec<(String, String)>) {
        self.0.policies_for(caller)
    }
}

/// What a front door is made of.
pub struct FrontDoorParts {
    /// Identities and sessions.
    pub authority: Arc<Authority>,
    /// The path of requests to what lies behind.
    pub gateway: Gateway,
    /// Where every request is recorded.
    pub audit: Arc<AuditLog>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness for request ids.
    pub entropy: Arc<dyn Entropy>,
}

/// Bytes of query bodies held at once, whoever sent them. Ordinary calls take a few thousand each.
const QUERY_ROOM_BYTES: usize = 32 * 1_024 * 1_024;
/// Bytes held at once of bodies for other services.
const API_ROOM_BYTES: usize = 128 * 1_024 * 1_024;

/// Said when the audit log takes no records, a full disk most likely.
const NOT_DONE: &str = "Nothing can be recorded just now, and what cannot be recorded is not done.";
const PERHAPS_DONE: &str = "What became of the request could not be recorded; it may have been carried out.";

/// Answers every API request.
pub struct FrontDoor {
    parts: FrontDoorParts,
    authenticator: Authenticator,
    region: String,
    limits: Limits,
    silence_max: Duration,
    metrics: Arc<Metrics>,
    /// Room for query bodies, in bytes: they are held before anyone is known to have signed them.
    query_room: Semaphore,
    api_room: Semaphore,
}

impl FrontDoor {
    /// For the authority's region.
    #[must_use]
    pub fn new(parts: FrontDoorParts) -> Self {
        let region = parts.authority.region().to_owned();
        let keys = Arc::new(Keys::new(Arc::clone(&parts.authority)));
        Self {
            authenticator: Authenticator::new(keys, &region)
                .following(parts.gateway.config.services_that_follow()),
            limits: Limits::new(parts.gateway.config.limits.clone()),
            silence_max: Duration::from_secs(
                parts.gateway.config.listener.body_timeout_seconds.max(1).into(),
            ),
            metrics: Arc::default(),
            query_room: Semaphore::new(QUERY_ROOM_BYTES),
            api_room: Semaphore::new(API_ROOM_BYTES),
            region,
            parts,
        }
    }

    /// Answers one request. The record of it is in the log before this returns.
    pub async fn answer(
        &self,
        request: http::Request<Incoming>,
        connection: Connection,
    ) -> http::Response<Body> {
        let (now, started) = (self.parts.clock.now(), Instant::now());
        let (mut parts, incoming) = request.into_parts();
        name_host(&mut parts);
        let head = RequestHead::new(&parts);
        let connection = hops::judged(connection, &head, &self.parts.gateway.config.listener);
        if let Some(answer) = self.own_page(&head.path, connection) {
            return answer;
        }
        let request_id = self.request_id();
        let user_agent = head.header("user-agent").map(str::to_owned);
        let mut entry = Entry::new(now, request_id.clone(), self.event_id(), connection, user_agent);
        let mut dialect = Dialect::S3 {
            is_head: head.method == http::Method::HEAD,
        };
        let expects_continue = head
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
        let (body, remainder) = share(incoming, self.silence_max);

        // A full disk is found out before anything is done that could then not be recorded.
        let result = match self.parts.audit.check(now) {
            Ok(()) => {
                self.process(parts, head, body, connection, now, &mut entry, &mut dialect)
                    .await
            }
            Err(error) => {
                if is_form(&head) {
                    dialect = query_dialect(Service::Sts);
                }
                Err(Refusal::server(NOT_DONE, error.to_string()))
            }
        };

        let (response, refusal) = match result {
            Ok(response) => (response, None),
            Err(refusal) => {
                // A client that waits for "100 Continue" has sent nothing and is told at once.
                if !expects_continue {
                    remainder.clone().drain().await;
                }
                (render::refusal(dialect, &refusal, &request_id), Some(refusal))
            }
        };
        entry.note_transfer(remainder.received(), &response);
        let running = std::mem::take(&mut entry.running);
        let held = Held::new(&self.metrics, running, remainder);
        let took = started.elapsed();
        entry.note_timings(took);
        let decision = if refusal.is_some() { "refused" } else { "served" };
        self.metrics
            .count(entry.metric_name(), decision, response.status().as_u16(), took);
        let response = response.map(|body| Counted::wrap(body, held));
        let durability = match entry.kind {
            EventKind::Data => Durability::Written,
            _ if entry.read_only || refusal.is_some() => Durability::Written,
            _ => Durability::Synced,
        };
        let code = match &refusal {
            Some(refusal) => Some(render::code_of(dialect, refusal).0.to_owned()),
            None => failed_status(&response),
        };
        let record = entry.into_record(
            &self.region,
            response.status().as_u16(),
            refusal.as_ref(),
            code.as_deref(),
        );
        match self.parts.audit.append(&record, durability).await {
            Ok(recorded) => release(response, &request_id, recorded),
            Err(error) => {
                tracing::error!(%error, request_id, "the audit log refuses records; so does the front door refuse requests");
                let message = if refusal.is_some() { NOT_DONE } else { PERHAPS_DONE };
                let refusal = Refusal::server(message, "");
                render::finish(render::refusal(dialect, &refusal, &request_id), &request_id)
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the request's parts and the two things filled on the way"
    )]
    async fn process(
        &self,
        parts: http::request::Parts,
        head: RequestHead,
        body: Body,
        connection: Connection,
        now: UnixSeconds,
        entry: &mut Entry,
        dialect: &mut Dialect,
    ) -> Result<http::Response<Body>, Refusal> {
        refuse_ambiguity(&head)?;
        let claim = match Claim::find(&head) {
            Ok(Some(claim)) => claim,
            Ok(None) if is_form(&head) => {
                *dialect = query_dialect(Service::Sts);
                return Err(unsigned(true));
            }
            Ok(None) if post_form::is_upload(&head) => {
                return self.serve_form(head, body, connection, now, entry).await;
            }
            Ok(None) => {
                let caller = Arc::new(Caller::anonymous(self.parts.gateway.account));
                entry.note_s3(&s3::name_of(&head, &self.parts.gateway));
                entry.note_presented_by_nobody(&caller);
                let requester = Requester::Anonymous(caller);
                return self
                    .serve_s3(requester, parts, head, body, connection, now, entry)
                    .await;
            }
            Err(ParseError::SignatureV2) if self.takes_version_2() => {
                return self
                    .serve_version_2(parts, head, body, connection, now, entry)
                    .await;
            }
            Err(error) => {
                if is_form(&head) {
                    *dialect = query_dialect(Service::Sts);
                }
                return Err(error.into());
            }
        };
        let service = claim.service().to_owned();
        entry.note_presented(claim.access_key_id().as_str(), &service);
        if service == "s3" {
            entry.note_s3(&s3::name_of(&head, &self.parts.gateway));
            let signed = self.authenticator.verify(&head, claim, Payload::Declared, now)?;
            entry.note_caller(signed.caller());
            let authenticated = signed.bind(connection)?;
            entry.note("withinBinding", authenticated.is_within_binding());
            let requester = Requester::Signed(Box::new(authenticated));
            return self
                .serve_s3(requester, parts, head, body, connection, now, entry)
                .await;
        }
        let own = Service::from_scope(&service)
            .filter(|own| *own != Service::Ec2 || !self.parts.gateway.config.names_service("ec2"));
        let Some(api) = own else {
            return self
                .serve_other(
                    &service, claim, parts, head, body, connection, now, entry, dialect,
                )
                .await;
        };
        *dialect = query_dialect(api);
        let document = self
            .serve_api(api, claim, head, body, connection, now, entry)
            .await?;
        Ok(render::text(200, "text/xml", document))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the request's parts and what is filled on the way"
    )]
    async fn serve_s3(
        &self,
        requester: Requester,
        parts: http::request::Parts,
        head: RequestHead,
        body: Body,
        connection: Connection,
        now: UnixSeconds,
        entry: &mut Entry,
    ) -> Result<http::Response<Body>, Refusal> {
        entry.running = self.limits.begin(requester.caller(), Instant::now())?;
        let request_id = entry.request_id.clone();
        let input = Input {
            requester,
            head,
            parts,
            body,
            connection,
            now,
            request_id,
        };
        let mut facts = Facts::default();
        let answer = s3::handle(&self.parts.gateway, input, &mut facts).await;
        entry.note_s3(&facts);
        answer
    }

    fn takes_version_2(&self) -> bool {
        self.parts.gateway.config.signatures.version_2_presigned
    }

    /// A URL presigned with version 2, which the operator allows.
    async fn serve_version_2(
        &self,
        mut parts: http::request::Parts,
        mut head: RequestHead,
        body: Body,
        connection: Connection,
        now: UnixSeconds,
        entry: &mut Entry,
    ) -> Result<http::Response<Body>, Refusal> {
        let fields = head.fields();
        let presented = hallpass_sigv4::parse_v2_query(&head.view(&fields))?;
        drop(fields);
        let presented = presented.ok_or(ParseError::SignatureV2)?;
        entry.note_presented(presented.access_key_id.as_str(), "s3");
        let bucket = self.parts.gateway.host_bucket(&head).map(str::to_owned);
        let signed = self
            .authenticator
            .verify_v2(&head, presented, bucket.as_deref(), now)?;
        entry.note_caller(signed.caller());
        let authenticated = signed.bind(connection)?;
        entry.note("withinBinding", authenticated.is_within_binding());
        // What the signature covered as parameters are headers to everything after it.
        version_2::settle(&mut head, &mut parts)?;
        entry.note_s3(&s3::name_of(&head, &self.parts.gateway));
        let requester = Requester::Signed(Box::new(authenticated));
        self.serve_s3(requester, parts, head, body, connection, now, entry)
            .await
    }

    /// A browser's form with a file.
    async fn serve_form(
        &self,
        head: RequestHead,
        body: Body,
        connection: Connection,
        now: UnixSeconds,
        entry: &mut Entry,
    ) -> Result<http::Response<Body>, Refusal> {
        let bucket = s3::bucket_of_form(&head, &self.parts.gateway)?;
        entry.note_presented_by_nobody(&Caller::anonymous(self.parts.gateway.account));
        let nobody = Arc::new(Caller::anonymous(self.parts.gateway.account));
        let upload = post_form::read(
            &self.authenticator,
            nobody,
            &head,
            &bucket,
            body,
            connection,
            now,
            |caller| {
                if caller.kind != CallerKind::Anonymous {
                    entry.note_presented("", "s3");
                    entry.note_caller(caller);
                }
            },
        )
        .await?;
        let answer = upload.answer_with();
        let post_form::Upload {
            requester,
            parts,
            body,
            ..
        } = upload;
        let head = RequestHead::new(&parts);
        let stored = self
            .serve_s3(requester, parts, head, body, connection, now, entry)
            .await;
        stored.map(answer)
    }

    /// A call to a service that lies behind: understood by AWS's models, authorized, signed anew.
    #[expect(
        clippy::too_many_arguments,
        reason = "the request's parts and what is filled on the way"
    )]
    async fn serve_other(
        &self,
        service: &str,
        claim: Claim,
        parts: http::request::Parts,
        head: RequestHead,
        body: Body,
        connection: Connection,
        now: UnixSeconds,
        entry: &mut Entry,
        dialect: &mut Dialect,
    ) -> Result<http::Response<Body>, Refusal> {
        *dialect = guessed_dialect(&head);
        let request = gateway_api::understand(service, &head)?;
        *dialect = api_dialect(&head, request.protocol());
        let _room = api::room_for(&self.api_room, &head, api::API_BODY_BYTES_MAX).await?;
        let body = api::read_body(body, api::API_BODY_BYTES_MAX).await?;
        let payload = Payload::Body(Sha256::digest(&body).into());
        let signed = self.authenticator.verify(&head, claim, payload, now)?;
        entry.note_caller(signed.caller());
        let authenticated = signed.bind(connection)?;
        entry.note("withinBinding", authenticated.is_within_binding());
        entry.running = self.limits.begin(authenticated.caller(), Instant::now())?;
        let input = gateway_api::Input {
            authenticated,
            request,
            head,
            parts,
            body,
            connection,
            now,
            request_id: entry.request_id.clone(),
        };
        let mut facts = Facts::default();
        let answer = gateway_api::handle(&self.parts.gateway, input, &mut facts).await;
        entry.note_api(&facts);
        answer
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the request's parts and what is filled on the way"
    )]
    async fn serve_api(
        &self,
        service: Service,
        claim: Claim,
        head: RequestHead,
        body: Body,
        connection: Connection,
        now: UnixSeconds,
        entry: &mut Entry,
    ) -> Result<String, Refusal> {
        let _room = api::room_for(&self.query_room, &head, api::QUERY_BODY_BYTES_MAX).await?;
        let body = api::read_body(body, api::QUERY_BODY_BYTES_MAX).await?;
        let payload = Payload::Body(Sha256::digest(&body).into());
        let signed = self.authenticator.verify(&head, claim, payload, now)?;
        entry.note_caller(signed.caller());
        let params = api::parameters(&head, &body)?;
        entry.note_action(&params);
        let authenticated = signed.bind(connection)?;
        entry.note("withinBinding", authenticated.is_within_binding());
        entry.running = self.limits.begin(authenticated.caller(), Instant::now())?;
        let env = ApiEnv {
            authority: &self.parts.authority,
            networks: &self.parts.gateway.config.networks,
            region: &self.region,
        };
        api::handle(
            &env,
            &authenticated,
            &head,
            connection,
            service,
            params,
            now,
            entry,
        )
        .await
    }

    /// Pages about the server itself. No bucket's name begins with `_`. The metrics are for the machine itself and for
    /// whoever the operator names.
    fn own_page(&self, path: &str, connection: Connection) -> Option<http::Response<Body>> {
        let page = path.strip_prefix("/_hallpass/")?;
        let networks = &self.parts.gateway.config.listener.metrics_from;
        let may_see =
            connection.peer.ip().to_canonical().is_loopback() || hops::is_in(networks, connection.peer.ip());
        Some(match page {
            "healthz" => render::text(200, "text/plain", "ok\n".to_owned()),
            "metrics" if may_see => {
                let upstreams = self.parts.gateway.upstreams.iter();
                let text = self
                    .metrics
                    .render(upstreams.map(|upstream| (upstream.name(), upstream.health())));
                render::text(200, "text/plain; version=0.0.4", text)
            }
            _ => render::text(404, "text/plain", "there is no such page\n".to_owned()),
        })
    }

    fn request_id(&self) -> String {
        hallpass_session::random_hex(&*self.parts.entropy, 16).to_ascii_uppercase()
    }

    fn event_id(&self) -> String {
        let hex = hallpass_session::random_hex(&*self.parts.entropy, 32);
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!(
            "{}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        )
    }
}

/// HTTP/2 has the host in `:authority`; clients sign it as the header it is in HTTP/1.1.
fn name_host(parts: &mut http::request::Parts) {
    if parts.headers.contains_key(http::header::HOST) {
        return;
    }
    if let Some(host) = parts.uri.authority()
        && let Ok(host) = http::HeaderValue::from_str(host.as_str())
    {
        parts.headers.insert(http::header::HOST, host);
    }
}

/// An answer leaves only with its record.
fn release(response: http::Response<Body>, request_id: &str, _recorded: Recorded) -> http::Response<Body> {
    render::finish(response, request_id)
}

fn failed_status(response: &http::Response<Body>) -> Option<String> {
    let status = response.status();
    (status.is_client_error() || status.is_server_error()).then(|| status.as_u16().to_string())
}

fn query_dialect(service: Service) -> Dialect {
    let protocol = service.protocol();
    Dialect::Query {
        protocol,
        is_ec2: matches!(protocol, Protocol::Ec2 { .. }),
    }
}

/// How errors are told while it is not known what a request means: by what it looks like.
fn guessed_dialect(head: &RequestHead) -> Dialect {
    use hallpass_apiroute::Protocol as P;
    let kind = head.header("content-type").unwrap_or_default();
    let protocol = if head.headers.contains_key("smithy-protocol") {
        P::Cbor
    } else if kind.starts_with("application/x-amz-json-1.0") {
        P::Json10
    } else if head.headers.contains_key("x-amz-target") {
        P::Json11
    } else if is_form(head) {
        P::Query
    } else {
        P::RestJson
    };
    api_dialect(head, protocol)
}

fn api_dialect(head: &RequestHead, protocol: hallpass_apiroute::Protocol) -> Dialect {
    let wants_query_codes = head.headers.contains_key("x-amzn-query-mode");
    Dialect::Api {
        protocol,
        wants_query_codes,
    }
}

fn is_form(head: &RequestHead) -> bool {
    head.method == http::Method::POST
        && head
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

fn unsigned(is_query: bool) -> Refusal {
    if is_query {
        return Refusal::caller(
            "MissingSecurityHeader",
            403,
            "Request is missing Authentication Token",
        );
    }
    Refusal {
        blame: Blame::Policy,
        ..Refusal::caller(
            "AccessDenied",
            403,
            "Access Denied: the request is not signed, and no policy lets anyone in.",
        )
    }
}

/// Headers of which a second one would leave open which of the two a check looked at.
const SINGLE_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "range",
    "expect",
];

fn refuse_ambiguity(head: &RequestHead) -> Result<(), Refusal> {
    for name in SINGLE_HEADERS {
        if head.headers.get_all(*name).iter().count() > 1 {
            return Err(Refusal::caller(
                "InvalidRequest",
                400,
                format!("The header {name} is given more than once."),
            ));
        }
    }
    if head.headers.contains_key("content-length") && head.headers.contains_key("transfer-encoding") {
        return Err(Refusal::caller(
            "InvalidRequest",
            400,
            "Content-Length and Transfer-Encoding must not be given together.",
        ));
    }
    // `x-amz-acl` and `x_amz_acl` are one header to some servers behind us.
    if let Some(name) = head.headers.keys().find(|name| name.as_str().contains('_')) {
        return Err(Refusal::caller(
            "InvalidRequest",
            400,
            format!("The header name {name} is not accepted."),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_http_2_is_the_header_that_was_signed() {
        let host_of = |request: http::request::Builder| {
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            name_host(&mut parts);
            parts
                .headers
                .get("host")
                .map(|host| host.to_str().unwrap().to_owned())
        };
        let request = || http::Request::builder();
        assert_eq!(
            host_of(request().uri("http://h:7400/k")),
            Some("h:7400".to_owned())
        );
        assert_eq!(
            host_of(request().uri("/k").header("host", "own")),
            Some("own".to_owned())
        );
        assert_eq!(host_of(request().uri("/k")), None);
    }
}
