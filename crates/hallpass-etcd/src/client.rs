//! HTTP to the members of the cluster, one at a time, the next when one fails.

use crate::error::{Failure, OpenEtcdError};
use crate::store::EtcdConfig;
use crate::unanswered::failure;
use crate::wire::ErrorAnswer;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// For one member to answer one request. Elections take about a second; a member that waits for a leader is given up
/// before etcd itself does (seven seconds).
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(1_500);
/// For all members together.
const DEADLINE: Duration = Duration::from_secs(10);
/// Between two rounds over all members.
const ROUND_PAUSE: Duration = Duration::from_millis(100);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_000);
const TCP_KEEPALIVE: Duration = Duration::from_secs(10);
/// Above any page asked for: 1.5 MiB is etcd's limit for a request, a page is 500 keys.
const ANSWER_BYTES_MAX: usize = 512 * 1_024 * 1_024;
/// gRPC's `OUT_OF_RANGE`, which etcd answers for compacted revisions.
const OUT_OF_RANGE: u32 = 11;

pub(crate) struct Client {
    http: HyperClient<HttpsConnector<HttpConnector>, Full<Bytes>>,
    endpoints: Vec<String>,
    /// Whether members that ask for our certificate get one.
    has_certificate: bool,
    /// Which member is asked first: the last that answered.
    current: AtomicUsize,
}

impl Client {
    pub(crate) fn new(config: &EtcdConfig) -> Result<Self, OpenEtcdError> {
        let mut endpoints = vec![];
        for endpoint in &config.endpoints {
            let bad = || OpenEtcdError::Endpoint(endpoint.clone());
            let uri: Uri = endpoint.parse().map_err(|_| bad())?;
            let is_endpoint = matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.authority().is_some()
                && matches!(uri.path(), "" | "/")
                && uri.query().is_none();
            if !is_endpoint {
                return Err(bad());
            }
            endpoints.push(endpoint.trim_end_matches('/').to_owned());
        }
        if endpoints.is_empty() {
            return Err(OpenEtcdError::Endpoint(String::new()));
        }
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(TCP_KEEPALIVE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(config)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self {
            http: HyperClient::builder(TokioExecutor::new()).build(connector),
            endpoints,
            has_certificate: config.tls.as_ref().is_some_and(|tls| tls.client.is_some()),
            current: AtomicUsize::new(0),
        })
    }

    /// How many members are known.
    pub(crate) fn members(&self) -> usize {
        self.endpoints.len()
    }

    /// The number of the member that is asked first.
    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// After member `failed` failed: the next is asked first, unless somebody moved on already.
    pub(crate) fn rotate(&self, failed: usize) {
        let next = failed.wrapping_add(1);
        let _ = self
            .current
            .compare_exchange(failed, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Asks until a member answers. Only for questions that may be asked twice.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        let deadline = Instant::now() + DEADLINE;
        let mut tried = 0;
        loop {
            match self.ask_once(path, body).await {
                Err(failure @ (Failure::Member(_) | Failure::Untrusted(_))) => {
                    tried += 1;
                    if Instant::now() >= deadline {
                        return Err(failure);
                    }
                    if tried % self.endpoints.len() == 0 {
                        tokio::time::sleep(ROUND_PAUSE).await;
                    }
                }
                other => return other,
            }
        }
    }

    /// Asks the current member once; the next is the current one if it fails.
    pub(crate) async fn ask_once<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        let member = self.current();
        let answer = self.ask_member(member, path, body).await;
        if let Err(Failure::Member(why) | Failure::Untrusted(why)) = &answer {
            tracing::debug!(member = self.endpoint(member), why, "a member of etcd failed");
            self.rotate(member);
        }
        answer
    }

    /// Asks one member once.
    pub(crate) async fn ask_member<T: DeserializeOwned>(
        &self,
        member: usize,
        path: &str,
        body: &Value,
    ) -> Result<T, Failure> {
        let asked = async {
            let answer = self.send(member, path, body).await?;
            let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| Failure::Member(format!("the answer broke off: {error}")))?;
            serde_json::from_slice(&body.to_bytes())
                .map_err(|error| Failure::Refused(format!("etcd's answer is not understood: {error}")))
        };
        let answer = timeout(ATTEMPT_TIMEOUT, asked)
            .await
            .unwrap_or_else(|_| Err(Failure::Member("no answer in time".to_owned())));
        answer.map_err(|failure| match failure {
            Failure::Member(why) => Failure::Member(format!("{}: {why}", self.endpoint(member))),
            Failure::Untrusted(why) => Failure::Untrusted(format!("{}: {why}", self.endpoint(member))),
            other => other,
        })
    }

    pub(crate) fn endpoint(&self, member: usize) -> &str {
        self.endpoints
            .get(member % self.endpoints.len())
            .map_or("", String::as_str)
    }

    /// Sends to one member; the answer's head is good then.
    pub(crate) async fn send(
        &self,
        member: usize,
        path: &str,
        body: &Value,
    ) -> Result<Response<Incoming>, Failure> {
        let request = Request::post(format!("{}{path}", self.endpoint(member)))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .map_err(|error| Failure::Refused(error.to_string()))?;
        let answer = self.http.request(request).await;
        let answer = answer.map_err(|error| failure(self.endpoint(member), self.has_certificate, &error))?;
        if answer.status() == StatusCode::OK {
            return Ok(answer);
        }
        let status = answer.status();
        let body = Limited::new(answer.into_body(), 64 * 1_024).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let error: ErrorAnswer = serde_json::from_slice(&body).unwrap_or_default();
        let text = if error.message.is_empty() {
            error.error
        } else {
            error.message
        };
        Err(match error.code {
            OUT_OF_RANGE => Failure::Compacted,
            // Cancelled, deadline exceeded, aborted, internal, unavailable: another member may know better.
            1 | 4 | 10 | 13 | 14 => Failure::Member(text),
            0 => Failure::Member(format!("it answered {status}")),
            _ => Failure::Refused(format!("etcd refuses: {text}")),
        })
    }
}

fn tls(config: &EtcdConfig) -> Result<ClientConfig, OpenEtcdError> {
    let failed = |error: &dyn std::fmt::Display| OpenEtcdError::Tls(error.to_string());
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?;
    let Some(files) = &config.tls else {
        return Ok(builder
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&files.ca_file)? {
        roots
            .add(certificate)
            .map_err(|error| OpenEtcdError::Tls(format!("`{}`: {error}", files.ca_file.display())))?;
    }
    let builder = builder.with_root_certificates(roots);
    let Some((certificate_file, key_file)) = &files.client else {
        return Ok(builder.with_no_client_auth());
    };
    let key = PrivateKeyDer::from_pem_file(key_file)
        .map_err(|error| OpenEtcdError::Tls(format!("`{}`: {error}", key_file.display())))?;
    builder
        .with_client_auth_cert(certificates(certificate_file)?, key)
        .map_err(|error| OpenEtcdError::Tls(format!("`{}`: {error}", certificate_file.display())))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, OpenEtcdError> {
    let wrong = |why: &dyn std::fmt::Display| OpenEtcdError::Tls(format!("`{}`: {why}", path.display()));
    let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match found {
        Ok(found) if found.is_empty() => Err(wrong(&"it holds no certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(wrong(&error)),
    }
}
