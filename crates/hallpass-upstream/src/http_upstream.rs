mod api;
mod s3;

use crate::breaker::Health;
use crate::credentials::UpstreamCredentials;
use crate::error::UpstreamError;
use crate::exchange::Exchange;
use crate::forward::{ApiForward, ForwardRequest, Served, Upstream};
use crate::reframe::Outgoing;
use crate::signer::{Signer, ToSign};
use crate::target::Endpoint;
use hallpass_access::Caller;
use hallpass_credentials::{EndpointError, connector, http2_connector};
use hallpass_sigv4::{EventSigner, PayloadMode, RegionSet, Scope};
use hallpass_types::{AccountId, UnixSeconds};
use http::{HeaderName, HeaderValue, Method, Request};
use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// The region of stores that know none.
const STORES_REGION: &str = "us-east-1";

/// What an [`HttpUpstream`] is made of.
pub struct HttpUpstreamConfig {
    /// The name operators gave it.
    pub name: String,
    /// `http://host[:port]` or `https://host[:port]`; `{service}` and `{region}` stand for the request's.
    pub endpoint: String,
    /// The region its signatures are for. `None`: the one the client signed for, but for S3 at an endpoint without
    /// `{region}`, where it is `us-east-1`: what stores that know no regions expect.
    pub region: Option<String>,
    /// Signs with version 4a, good in these regions.
    pub region_set: Option<RegionSet>,
    /// Whether the bucket stands in the path rather than in front of the host.
    pub path_style: bool,
    /// What to sign with.
    pub credentials: Arc<dyn UpstreamCredentials>,
    /// Buckets that have another name there. A bucket not in the map keeps its name.
    pub bucket_map: HashMap<String, String>,
    /// The account whose number stands in ARNs there, if it is another than ours.
    pub account: Option<AccountId>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether checksums that follow a body are sent on.
    pub trailing_checksums: bool,
}

impl HttpUpstreamConfig {
    /// An upstream with the ordinary settings: path style, the system's certificates, trailing checksums.
    #[must_use]
    pub fn new(name: &str, endpoint: &str, credentials: Arc<dyn UpstreamCredentials>) -> Self {
        Self {
            name: name.to_owned(),
            endpoint: endpoint.to_owned(),
            region: None,
            region_set: None,
            path_style: true,
            credentials,
            bucket_map: HashMap::new(),
            account: None,
            ca_file: None,
            trailing_checksums: true,
        }
    }
}

impl fmt::Debug for HttpUpstreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpstreamConfig")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Any AWS-compatible endpoint. The request is rebuilt from an allow-list, signed anew, and streamed both ways.
///
/// A body whose proof fails aborts the connection before its end, so the object never comes to be. Only requests that
/// change nothing are sent twice, within a budget; redirects are never followed.
pub struct HttpUpstream {
    name: String,
    endpoint: Endpoint,
    region: Option<String>,
    bucket_map: HashMap<String, String>,
    account: Option<AccountId>,
    trailing_checksums: bool,
    signer: Signer,
    exchange: Exchange,
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpstream")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// A request as it will be, but for its signature and body: what is needed to make it again.
struct Plan {
    method: Method,
    uri: String,
    path: String,
    query: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    payload: PayloadMode,
    service: String,
    region: String,
    caller: Arc<Caller>,
    now: UnixSeconds,
}

impl HttpUpstream {
    /// Prepares an upstream; nothing is connected yet.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn new(config: HttpUpstreamConfig) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::parse(&config.endpoint, config.path_style)?;
        let region = config.region;
        let tried = region.as_deref().unwrap_or(STORES_REGION);
        Scope::new(UnixSeconds(0), tried, "s3").map_err(|_| EndpointError::Region)?;
        let connector = connector(endpoint.at.is_https(), config.ca_file.as_deref())?;
        let streams = http2_connector(endpoint.at.is_https(), config.ca_file.as_deref())?;
        Ok(Self {
            exchange: Exchange::new(&config.name, connector, streams),
            name: config.name,
            endpoint,
            region,
            bucket_map: config.bucket_map,
            account: config.account,
            trailing_checksums: config.trailing_checksums,
            signer: Signer::new(config.credentials, config.region_set),
        })
    }

    /// The request to send now: signed with the credentials and by the clock of this moment.
    async fn signed(&self, plan: &Plan, body: Outgoing) -> Result<Request<Outgoing>, UpstreamError> {
        self.signed_with(plan, |_| Ok(body)).await
    }

    /// The same, when the body is a stream of events: `make` gets what signs them.
    async fn signed_with(
        &self,
        plan: &Plan,
        make: impl FnOnce(Option<EventSigner>) -> Result<Outgoing, UpstreamError>,
    ) -> Result<Request<Outgoing>, UpstreamError> {
        let mut headers = plan.headers.clone();
        let now = self.exchange.their_time(plan.now);
        let what = ToSign {
            method: plan.method.as_str(),
            path: &plan.path,
            query: &plan.query,
            payload: plan.payload,
            service: &plan.service,
            region: &plan.region,
            caller: &plan.caller,
        };
        let events = self.signer.sign(&what, now, &mut headers).await?;
        let mut request = Request::builder().method(plan.method.clone()).uri(&plan.uri);
        if let Some(all) = request.headers_mut() {
            for (name, value) in headers {
                all.append(name, value);
            }
        }
        request.body(make(events)?).map_err(|_| UpstreamError::internal())
    }
}

fn header_value(text: &str) -> Result<HeaderValue, UpstreamError> {
    HeaderValue::from_str(text)
        .map_err(|_| UpstreamError::new("InvalidArgument", 400, "A header is not valid."))
}

impl Upstream for HttpUpstream {
    fn serve(&self, request: ForwardRequest) -> Served<'_> {
        Box::pin(self.forward(request))
    }

    fn serve_api(&self, request: ApiForward) -> Served<'_> {
        Box::pin(self.forward_api(request))
    }

    fn account(&self) -> Option<AccountId> {
        self.account
    }

    fn region(&self) -> Option<&str> {
        self.region.as_deref()
    }

    fn follows_region(&self) -> bool {
        self.region.is_none() && self.endpoint.at.has_region()
    }

    fn health(&self) -> Health {
        self.exchange.health()
    }

    fn name(&self) -> &str {
        &self.name
    }
}
