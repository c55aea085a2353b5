use crate::body::{Body, BodyFailure};
use crate::credentials::UpstreamCredentials;
use crate::error::UpstreamError;
use crate::forward::{ForwardParts, ForwardRequest, Served, Upstream};
use crate::headers;
use crate::progress::{Progress, Watched};
use crate::reframe::Outgoing;
use crate::target::{Endpoint, EndpointError, Target};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hallpass_secret::Secret;
use hallpass_sigv4::{PayloadMode, RequestView, Scope, SigningCredentials, SigningKey, sign_with_key};
use hallpass_types::UnixSeconds;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use md5::{Digest, Md5};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A host that does not answer a connection in this time is treated as gone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long nothing may happen, neither a piece of the body out nor the head of the answer in. S3 itself lets a
/// CompleteMultipartUpload take minutes, but keeps the connection alive with its head.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Below the idle timeouts of common servers, so that a pooled connection is rarely one they just closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// What an [`HttpUpstream`] is made of.
pub struct HttpUpstreamConfig {
    /// The name operators gave it.
    pub name: String,
    /// `http://host[:port]` or `https://host[:port]`.
    pub endpoint: String,
    /// The region its signatures are for.
    pub region: String,
    /// Whether the bucket stands in the path rather than in front of the host.
    pub path_style: bool,
    /// What to sign with.
    pub credentials: Arc<dyn UpstreamCredentials>,
    /// Buckets that have another name there. A bucket not in the map keeps its name.
    pub bucket_map: HashMap<String, String>,
}

impl fmt::Debug for HttpUpstreamConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpstreamConfig")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Any S3-compatible endpoint. The request is rebuilt from an allow-list, signed anew, and streamed both ways.
///
/// A body whose proof fails aborts the connection before its end, so the object never comes to be. Nothing is sent
/// twice once its body has started; redirects are never followed.
pub struct HttpUpstream {
    name: String,
    endpoint: Endpoint,
    region: String,
    credentials: Arc<dyn UpstreamCredentials>,
    bucket_map: HashMap<String, String>,
    client: Client<HttpsConnector<HttpConnector>, Outgoing>,
    key: Mutex<Option<CachedKey>>,
}

/// The last signing key derived: one per upstream and day is all there is until its credentials rotate.
struct CachedKey {
    access_key_id: String,
    secret: Secret,
    scope: Scope,
    key: SigningKey,
}

impl fmt::Debug for HttpUpstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpUpstream")
            .field("name", &self.name)
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

impl HttpUpstream {
    /// Prepares an upstream; nothing is connected yet.
    ///
    /// # Errors
    /// [`EndpointError`].
    pub fn new(config: HttpUpstreamConfig) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::parse(&config.endpoint, config.path_style)?;
        Scope::new(UnixSeconds(0), &config.region, "s3").map_err(|_| EndpointError::Region)?;
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector = if endpoint.https {
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            hyper_rustls::HttpsConnectorBuilder::new()
                .with_provider_and_native_roots(provider)
                .map_err(|error| EndpointError::Roots(error.to_string()))?
                .https_only()
                .enable_http1()
                .wrap_connector(http)
        } else {
            // Roots are not read where none are needed: small images have none.
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|error| EndpointError::Roots(error.to_string()))?
                .with_root_certificates(rustls::RootCertStore::empty())
                .with_no_client_auth();
            hyper_rustls::HttpsConnectorBuilder::new()
                .with_tls_config(tls)
                .https_or_http()
                .enable_http1()
                .wrap_connector(http)
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_timer(TokioTimer::new())
            .set_host(false)
            .build(connector);
        Ok(Self {
            name: config.name,
            endpoint,
            region: config.region,
            credentials: config.credentials,
            bucket_map: config.bucket_map,
            client,
            key: Mutex::new(None),
        })
    }

    fn bucket_there<'a>(&'a self, bucket: &'a str) -> &'a str {
        self.bucket_map.get(bucket).map_or(bucket, String::as_str)
    }

    async fn forward(&self, request: ForwardRequest) -> Result<Response<Body>, UpstreamError> {
        let mut parts = request.into_parts();
        let empty_trailers = parts.body.prove_empty().await?;
        let target = self.endpoint.target(
            &parts.s3,
            parts.s3.bucket.as_deref().map(|name| self.bucket_there(name)),
        );
        let mut headers = headers::for_upstream(&parts.head.headers, &parts.s3.query_headers)?;
        if let Some(trailers) = empty_trailers {
            // Of an empty body the checksum is known before the head goes out.
            headers.extend(trailers.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        let framing = self.describe_body(&parts, &mut headers)?;
        if let Some(source) = &parts.s3.copy_source {
            let mut source = source.clone();
            source.bucket = self.bucket_there(&source.bucket).to_owned();
            headers.push((
                HeaderName::from_static("x-amz-copy-source"),
                header_value(&source.header_value())?,
            ));
        }
        headers.push((http::header::HOST, header_value(&target.host)?));
        self.sign(&parts, &target, framing, &mut headers)?;

        let method = parts.head.method.clone();
        let mut outgoing = Request::builder().method(method).uri(&target.uri);
        if let Some(all) = outgoing.headers_mut() {
            for (name, value) in headers {
                all.append(name, value);
            }
        }
        let (watched, progress) = Watched::new(parts.body);
        let body = match framing {
            PayloadMode::StreamingUnsignedTrailer => Outgoing::chunked(watched),
            _ => Outgoing::plain(watched),
        };
        let outgoing = outgoing.body(body).map_err(|_| UpstreamError::internal())?;
        self.exchange(outgoing, &progress).await
    }

    /// Adds the headers that describe the body, and says how it is bound to the signature.
    fn describe_body(
        &self,
        parts: &ForwardParts,
        headers: &mut Vec<(HeaderName, HeaderValue)>,
    ) -> Result<PayloadMode, UpstreamError> {
        let length = parts.body.length();
        let has_trailer = parts.head.headers.contains_key("x-amz-trailer");
        if length > 0 && has_trailer {
            let trailer = parts.header("x-amz-trailer").unwrap_or_default();
            headers.push((HeaderName::from_static("x-amz-trailer"), header_value(&trailer)?));
            let decoded = HeaderName::from_static("x-amz-decoded-content-length");
            headers.push((decoded, HeaderValue::from(length)));
            let position = headers
                .iter()
                .position(|(name, _)| *name == http::header::CONTENT_ENCODING);
            let others = position.map(|position| headers.swap_remove(position).1);
            let others = others.as_ref().and_then(|value| value.to_str().ok());
            let coding = others.map_or_else(
                || "aws-chunked".to_owned(),
                |others| format!("aws-chunked,{others}"),
            );
            headers.push((http::header::CONTENT_ENCODING, header_value(&coding)?));
            return Ok(PayloadMode::StreamingUnsignedTrailer);
        }
        let method = &parts.head.method;
        if length > 0 || method == http::Method::PUT || method == http::Method::POST {
            headers.push((http::header::CONTENT_LENGTH, HeaderValue::from(length)));
        }
        if length == 0 {
            return Ok(PayloadMode::EMPTY);
        }
        let declared = |name: &str| headers.iter().any(|(other, _)| other.as_str().starts_with(name));
        if let Some(bytes) = parts.body.proven_bytes()
            && parts.s3.buffers_body()
            && !declared("content-md5")
            && !declared("x-amz-checksum-")
        {
            // Several of these operations demand a checksum, and the client's may have been a trailer.
            let md5 = STANDARD.encode(Md5::digest(&bytes));
            headers.push((HeaderName::from_static("content-md5"), header_value(&md5)?));
        }
        let known = parts
            .head
            .headers
            .get("x-amz-content-sha256")
            .and_then(|value| value.to_str().ok());
        match known.and_then(|value| PayloadMode::parse(value.trim()).ok()) {
            // Over TLS the upstream need not hash what cannot have changed on the way.
            Some(PayloadMode::Sha256(hash)) if !self.endpoint.https => Ok(PayloadMode::Sha256(hash)),
            _ => Ok(PayloadMode::Unsigned),
        }
    }

    fn sign(
        &self,
        parts: &ForwardParts,
        target: &Target,
        payload: PayloadMode,
        headers: &mut Vec<(HeaderName, HeaderValue)>,
    ) -> Result<(), UpstreamError> {
        let credentials = self.credentials.current(parts.now)?;
        let scope = Scope::new(parts.now, &self.region, "s3").map_err(|_| UpstreamError::internal())?;
        let key = self.signing_key(&credentials, &scope);
        let view: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let view = RequestView {
            method: parts.head.method.as_str(),
            path: &target.path,
            query: Some(&target.query),
            headers: &view,
        };
        let token = credentials.session_token.as_ref();
        let signed = sign_with_key(
            &view,
            &credentials.access_key_id,
            token,
            &key,
            &scope,
            parts.now,
            payload,
        )
        .map_err(|error| {
            tracing::warn!(%error, "request cannot be signed for the upstream");
            UpstreamError::new("InvalidRequest", 400, "The request cannot be forwarded.")
        })?;
        for (name, value) in &signed.headers {
            let mut value = header_value(value)?;
            value.set_sensitive(matches!(*name, "authorization" | "x-amz-security-token"));
            headers.push((HeaderName::from_static(name), value));
        }
        Ok(())
    }

    fn signing_key(&self, credentials: &SigningCredentials, scope: &Scope) -> SigningKey {
        let mut cached = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = &*cached
            && cached.access_key_id == credentials.access_key_id.as_str()
            && cached.scope == *scope
            && cached.secret == credentials.secret
        {
            return cached.key.clone();
        }
        let key = SigningKey::derive(&credentials.secret, scope);
        *cached = Some(CachedKey {
            access_key_id: credentials.access_key_id.as_str().to_owned(),
            secret: credentials.secret.clone(),
            scope: scope.clone(),
            key: key.clone(),
        });
        key
    }

    async fn exchange(
        &self,
        outgoing: Request<Outgoing>,
        progress: &Progress,
    ) -> Result<Response<Body>, UpstreamError> {
        let mut answer = std::pin::pin!(self.client.request(outgoing));
        let response = loop {
            let before = progress.frames();
            match tokio::time::timeout(STALL_TIMEOUT, &mut answer).await {
                Ok(response) => break response,
                Err(_) if progress.frames() > before => {}
                Err(_) => {
                    tracing::warn!(upstream = %self.name, "upstream stalled");
                    return Err(UpstreamError::new(
                        "ServiceUnavailable",
                        503,
                        "The upstream did not answer in time.",
                    ));
                }
            }
        };
        // A body that failed explains everything that came after.
        if let Some(failure) = progress.failure() {
            return Err(failure.into());
        }
        let response = response.map_err(|error| {
            tracing::warn!(upstream = %self.name, %error, cause = ?std::error::Error::source(&error), "upstream failed");
            UpstreamError::new("ServiceUnavailable", 503, "The upstream could not be reached.")
        })?;
        let status = response.status();
        if status.is_redirection() && status != http::StatusCode::NOT_MODIFIED {
            tracing::warn!(upstream = %self.name, %status, "upstream redirects: its region or endpoint is set wrong");
            return Err(UpstreamError::new(
                "BadGateway",
                502,
                "The upstream serves this bucket elsewhere.",
            ));
        }
        let (mut head, body) = response.into_parts();
        headers::filter_response(&mut head.headers);
        let body =
            body.map_err(|_| BodyFailure::new("InternalError", 502, "The upstream broke off its answer."));
        Ok(Response::from_parts(head, body.boxed_unsync()))
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

    fn name(&self) -> &str {
        &self.name
    }
}
