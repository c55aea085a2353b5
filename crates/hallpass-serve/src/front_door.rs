//! The front door: authenticate → authorize → dispatch → record. Every API request comes through
//! [`FrontDoor::answer`], and every answer leaves through it with its record written.

mod anywhere;
mod bearer;
mod json_call;
mod keys;
mod organizations;
mod own_page;
mod paths;
mod reading;
mod trail;

pub use keys::{Freshness, Keys, Policies};

use crate::body::{Counted, Held, Pace, share};
use crate::entry::Entry;
use crate::hops;
use crate::identity_keys::Fetched;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::render::{self, Dialect};
use hallpass_access::Caller;
use hallpass_agent::DrawnAhead;
use hallpass_audit::{AuditLog, Durability, EventKind, Recorded};
use hallpass_authority::{Authority, Service};
use hallpass_gateway::{
    Authenticated, Authenticator, Claim, Connection, Facts, Gateway, Refusal, RequestHead, Requester,
    post_form, s3,
    s3::{Input, cors},
};
use hallpass_sigv4::{ParseError, Payload};
use hallpass_types::{Clock, Entropy, UnixSeconds};
use hallpass_upstream::Body;
use hyper::body::Incoming;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// A request as it came.
struct Arrived {
    head: RequestHead,
    body: Body,
    connection: Connection,
    now: UnixSeconds,
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
    /// In a fleet: until when what is known may be believed.
    pub freshness: Option<Freshness>,
}

/// Bytes of query bodies held at once, whoever sent them. Ordinary calls take a few thousand each.
const QUERY_ROOM_BYTES: usize = 32 * 1_024 * 1_024;
/// Bytes of unsigned query bodies held at once: whoever fills this room leaves the others theirs.
const UNSIGNED_ROOM_BYTES: usize = 16 * 1_024 * 1_024;
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
    names: DrawnAhead,
    limits: Limits,
    silence_max: Duration,
    metrics: Arc<Metrics>,
    /// Room for query bodies, in bytes: they are held before anyone is known to have signed them.
    query_room: Semaphore,
    unsigned_room: Semaphore,
    api_room: Semaphore,
    lookup_room: Semaphore,
}

impl FrontDoor {
    /// For the authority's region.
    #[must_use]
    pub fn new(parts: FrontDoorParts) -> Self {
        let region = parts.authority.region().to_owned();
        parts.authority.asks_keys_of(Arc::new(Fetched::new()));
        let keys = Arc::new(Keys::new(Arc::clone(&parts.authority), parts.freshness.clone()));
        Self {
            authenticator: Authenticator::new(keys, &region)
                .following(parts.gateway.config.services_that_follow()),
            limits: Limits::new(parts.gateway.config.limits.clone()),
            silence_max: Duration::from_secs(
                parts.gateway.config.listener.body_timeout_seconds.max(1).into(),
            ),
            metrics: Arc::default(),
            names: DrawnAhead::new(Arc::clone(&parts.entropy)),
            query_room: Semaphore::new(QUERY_ROOM_BYTES),
            unsigned_room: Semaphore::new(UNSIGNED_ROOM_BYTES),
            api_room: Semaphore::new(API_ROOM_BYTES),
            lookup_room: Semaphore::new(trail::LOOKUPS_MAX),
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
        reading::name_host(&mut parts);
        let version = parts.version;
        let head = RequestHead::new(parts);
        let connection = hops::judged(connection, &head, &self.parts.gateway.config.listener);
        if let Some(answer) = self.own_page(&head.path, connection) {
            return answer;
        }
        let sharing = cors::Sharing::of(&head, &self.parts.gateway);
        let under_way = self.metrics.begin();
        let request_id = self.request_id();
        let user_agent = head.header("user-agent").map(str::to_owned);
        let mut entry = Entry::new(now, request_id.clone(), self.event_id(), connection, user_agent);
        let mut dialect = Dialect::S3 {
            is_head: head.method == http::Method::HEAD,
        };
        let expects_continue = head
            .header("expect")
            .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
        let is_stream = reading::is_stream_of_events(&head);
        let pace = if is_stream { Pace::Live } else { Pace::Prompt };
        // HTTP/2 can refuse one stream; what is still said on it would have no end.
        let is_endless = is_stream && version == http::Version::HTTP_2;
        let (body, remainder) = share(incoming, self.silence_max, pace);

        // A full disk is found out before anything is done that could then not be recorded.
        let result = match self.parts.audit.check(now) {
            Ok(()) => {
                let arrived = Arrived {
                    head,
                    body,
                    connection,
                    now,
                };
                self.process(arrived, &mut entry, &mut dialect).await
            }
            Err(error) => {
                if reading::is_form(&head) {
                    dialect = reading::query_dialect(Service::Sts);
                }
                Err(Refusal::server(NOT_DONE, error.to_string()))
            }
        };

        if let Some((caller, service)) = entry.used() {
            // IAM is one service for all regions.
            let region = if service == "iam" {
                "us-east-1"
            } else {
                &self.region
            };
            self.parts.authority.note_use(caller, service, region, now);
        }
        let (response, refusal) = match result {
            Ok(response) => (response, None),
            Err(refusal) => {
                // A client that waits for "100 Continue" has sent nothing and is told at once.
                if !expects_continue && !is_endless {
                    remainder.clone().drain().await;
                }
                (render::refusal(dialect, &refusal, &request_id), Some(refusal))
            }
        };
        // Of a stream the answer begins, and with it the record is written, while the bytes are still to come.
        if refusal.is_some() || !is_stream {
            entry.note_transfer(remainder.received(), &response);
        }
        let running = std::mem::take(&mut entry.running);
        let held = Held::new(under_way, running, remainder);
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
        let mut response = match self.parts.audit.append(&record, durability).await {
            Ok(recorded) => release(response, &request_id, recorded),
            Err(error) => {
                tracing::error!(%error, request_id, "the audit log refuses records; so does the front door refuse requests");
                let message = if refusal.is_some() { NOT_DONE } else { PERHAPS_DONE };
                let refusal = Refusal::server(message, "");
                render::finish(render::refusal(dialect, &refusal, &request_id), &request_id)
            }
        };
        if let (Dialect::S3 { .. }, Some(sharing)) = (dialect, sharing) {
            sharing.add(&mut response);
        }
        response
    }

    async fn process(
        &self,
        arrived: Arrived,
        entry: &mut Entry,
        dialect: &mut Dialect,
    ) -> Result<http::Response<Body>, Refusal> {
        let head = &arrived.head;
        reading::refuse_ambiguity(head)?;
        if cors::is_preflight(head) {
            return self.serve_preflight(&arrived, entry);
        }
        if anywhere::is_by_certificate(head) && self.serves_roles_anywhere() {
            return Box::pin(self.serve_certificate(arrived, entry, dialect)).await;
        }
        let claim = match Claim::find(head) {
            Ok(Some(claim)) => claim,
            Ok(None) if reading::is_form(head) => {
                return Box::pin(self.serve_unsigned(arrived, entry, dialect)).await;
            }
            Ok(None) if post_form::is_upload(head) => {
                return Box::pin(self.serve_form(arrived, entry)).await;
            }
            Ok(None) => {
                let caller = Arc::new(Caller::anonymous(self.parts.gateway.account));
                entry.note_presented_by_nobody(&caller);
                return self.serve_s3(Requester::Anonymous(caller), arrived, entry).await;
            }
            Err(ParseError::SignatureV2) if self.takes_version_2() => {
                return Box::pin(self.serve_version_2(arrived, entry)).await;
            }
            Err(error) => {
                if reading::is_form(head) {
                    *dialect = reading::query_dialect(Service::Sts);
                }
                return Err(error.into());
            }
        };
        let service = claim.service().to_owned();
        entry.note_presented(claim.access_key_id().as_str(), &service);
        if service == "s3" {
            let authenticated = self.authenticate(claim, &arrived, entry);
            let authenticated = self.named(authenticated, &arrived.head, entry)?;
            let requester = Requester::Signed(Box::new(authenticated));
            return self.serve_s3(requester, arrived, entry).await;
        }
        if service == trail::SERVICE && !self.parts.gateway.config.names_service(trail::SERVICE) {
            return Box::pin(self.serve_trail(claim, arrived, entry, dialect)).await;
        }
        if service == organizations::SERVICE
            && !self.parts.gateway.config.names_service(organizations::SERVICE)
        {
            return Box::pin(self.serve_organizations(claim, arrived, entry, dialect)).await;
        }
        if service == anywhere::SERVICE && self.serves_roles_anywhere() {
            return Box::pin(self.serve_roles_anywhere(claim, arrived, entry, dialect)).await;
        }
        let own = Service::from_scope(&service)
            .filter(|own| *own != Service::Ec2 || !self.parts.gateway.config.names_service("ec2"));
        let Some(api) = own else {
            return Box::pin(self.serve_other(&service, claim, arrived, entry, dialect)).await;
        };
        *dialect = reading::query_dialect(api);
        // The rarer ways are in boxes of their own: every request pays for the size of this one.
        let document = Box::pin(self.serve_api(api, claim, arrived, entry)).await?;
        Ok(render::text(200, "text/xml", document))
    }

    fn authenticate(
        &self,
        claim: Claim,
        arrived: &Arrived,
        entry: &mut Entry,
    ) -> Result<Authenticated, Refusal> {
        let signed = self
            .authenticator
            .verify(&arrived.head, claim, Payload::Declared, arrived.now)?;
        entry.note_caller(signed.caller());
        let authenticated = signed.bind(arrived.connection)?;
        entry.note("withinBinding", authenticated.is_within_binding());
        Ok(authenticated)
    }

    /// An S3 request that is refused before it is looked at closely is still recorded under its name.
    fn named<T>(
        &self,
        result: Result<T, Refusal>,
        head: &RequestHead,
        entry: &mut Entry,
    ) -> Result<T, Refusal> {
        result.inspect_err(|_| entry.note_s3(s3::name_of(head, &self.parts.gateway)))
    }

    async fn serve_s3(
        &self,
        requester: Requester,
        arrived: Arrived,
        entry: &mut Entry,
    ) -> Result<http::Response<Body>, Refusal> {
        let running = self.limits.begin(requester.caller(), Instant::now());
        entry.running = self.named(running, &arrived.head, entry)?;
        let Arrived {
            head,
            body,
            connection,
            now,
        } = arrived;
        let request_id = entry.request_id.clone();
        let input = Input {
            requester,
            head,
            body,
            connection,
            now,
            request_id,
        };
        let mut facts = Facts::default();
        let answer = s3::handle(&self.parts.gateway, input, &mut facts).await;
        entry.note_s3(facts);
        answer
    }

    fn takes_version_2(&self) -> bool {
        self.parts.gateway.config.signatures.version_2_presigned
    }

    fn request_id(&self) -> String {
        hallpass_session::random_hex(&self.names, 16).to_ascii_uppercase()
    }

    /// As a UUID is written.
    fn event_id(&self) -> String {
        hallpass_session::random_uuid(&self.names)
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
