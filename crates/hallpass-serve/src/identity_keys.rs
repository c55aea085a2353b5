//! Fetches the keys of identity providers, over HTTPS: discovery document first, then the key set it names ("OpenID
//! Connect Discovery 1.0", section 4).

use bytes::Bytes;
use hallpass_authority::{IdentityKeys, IdentityKeysError};
use hallpass_credentials::connector;
use http::{Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Both documents together take no longer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A hundred keys with their certificates are far below it.
const ANSWER_BYTES_MAX: usize = 256 * 1_024;
/// Providers asked at once; strangers' tokens make us ask.
const ASKED_AT_ONCE: usize = 16;

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// Asks over the network. Redirects are not followed, and no proxy is used. The certificates trusted are the system's, or
/// those of `SSL_CERT_FILE`.
pub(crate) struct Fetched {
    room: Semaphore,
}

impl Fetched {
    pub(crate) fn new() -> Self {
        Self {
            room: Semaphore::new(ASKED_AT_ONCE),
        }
    }
}

impl IdentityKeys for Fetched {
    fn fetch<'a>(
        &'a self,
        issuer: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, IdentityKeysError>> + Send + 'a>> {
        Box::pin(async move {
            let asking = async {
                let _room = self.room.acquire().await;
                key_set(issuer).await
            };
            tokio::time::timeout(TIMEOUT, asking)
                .await
                .unwrap_or_else(|_| Err("it did not answer in time".to_owned()))
                .map_err(IdentityKeysError)
        })
    }
}

async fn key_set(issuer: &str) -> Result<String, String> {
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    let is_plain = base.starts_with("http://");
    let document = get(&format!("{base}/.well-known/openid-configuration"), is_plain).await?;
    let document: Discovery =
        serde_json::from_str(&document).map_err(|error| format!("the discovery document: {error}"))?;
    if document.issuer.strip_suffix('/').unwrap_or(&document.issuer) != base {
        return Err("the discovery document is another issuer's".to_owned());
    }
    get(&document.jwks_uri, is_plain).await
}

/// A page; without TLS only from this machine's loopback, and only for an issuer that is there too.
async fn get(url: &str, may_be_plain: bool) -> Result<String, String> {
    let uri: Uri = url
        .parse()
        .map_err(|_| "the address of its keys cannot be read".to_owned())?;
    let is_https = match uri.scheme_str() {
        Some("https") => true,
        Some("http") if may_be_plain && is_loopback(&uri) => false,
        _ => return Err("its keys are not to be had over HTTPS".to_owned()),
    };
    // The system's certificates are files.
    let connector = tokio::task::spawn_blocking(move || connector(is_https, None))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    let client = Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(0)
        .build::<_, Empty<Bytes>>(connector);
    let request = Request::get(uri)
        .header("accept", "application/json")
        .header("user-agent", "hallpass")
        .body(Empty::new())
        .map_err(|error| error.to_string())?;
    let answer = client.request(request).await.map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        return Err(format!("it answers with status {}", answer.status().as_u16()));
    }
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|_| "its answer broke off or is too long".to_owned())?;
    String::from_utf8(body.to_bytes().into()).map_err(|_| "its answer is not text".to_owned())
}

fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default();
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_fetched_without_tls_from_elsewhere() {
        for (url, may_be_plain) in [
            ("http://example.org/keys", true),
            ("http://127.0.0.1:9/keys", false),
            ("http://127.0.0.1.example.org/keys", true),
            ("file://localhost/etc/passwd", true),
            ("/keys", true),
        ] {
            let error = get(url, may_be_plain).await.unwrap_err();
            assert_eq!(error, "its keys are not to be had over HTTPS", "{url}");
        }
    }
}
