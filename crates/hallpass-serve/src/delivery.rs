//! The audit log's bucket, through the gateway's own upstreams.

use bytes::Bytes;
use hallpass_access::{ActionOn, Caller, CallerKind, Permit};
use hallpass_audit::{Bucket, Object, Put};
use hallpass_gateway::Gateway;
use hallpass_policy::PrincipalInfo;
use hallpass_s3route::{S3Head, route};
use hallpass_types::{AccountId, Clock, Entropy};
use hallpass_upstream::{ForwardRequest, Upstream, VerifiedBody, encode_key};
use http_body_util::{BodyExt as _, Limited};
use std::sync::Arc;
use std::time::Duration;

/// Who delivers, as policies and records name it.
const SERVICE: &str = "cloudtrail.amazonaws.com";
/// One object may take this long.
const PUT_TIME_MAX: Duration = Duration::from_secs(60);
/// Of an error document, this much is told.
const ERROR_BYTES_MAX: usize = 2_048;

/// A bucket of the gateway's that the system itself writes to: no policy is asked, as the operator's setting is the
/// permission, and there is no record of it, which would be one more to deliver.
pub struct AuditBucket {
    upstream: Arc<dyn Upstream>,
    is_own: bool,
    bucket: String,
    caller: Arc<Caller>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl AuditBucket {
    /// The bucket of that name, in whichever upstream the configuration says it lives.
    #[must_use]
    pub fn new(gateway: &Gateway, bucket: &str, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        let caller = Arc::new(system(gateway.account));
        let upstream = Arc::clone(gateway.upstream_of(bucket, &caller));
        Self {
            is_own: Arc::ptr_eq(&upstream, &gateway.directory),
            upstream,
            bucket: bucket.to_owned(),
            caller,
            clock,
            entropy,
        }
    }

    async fn put_object(&self, object: &Object) -> Result<(), Failure> {
        let path = format!("/{}/{}", self.bucket, encode_key(&object.key));
        let mut headers = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("content-encoding".to_owned(), "gzip".to_owned()),
            ("content-length".to_owned(), object.content.len().to_string()),
        ];
        let metadata = object.metadata.iter();
        headers.extend(metadata.map(|(name, value)| (format!("x-amz-meta-{name}"), value.clone())));
        self.send(&path, &headers, Bytes::from(object.content.clone()))
            .await
    }

    async fn send(&self, path: &str, headers: &[(String, String)], body: Bytes) -> Result<(), Failure> {
        let fields: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()))
            .collect();
        let head = S3Head {
            method: "PUT",
            path,
            query: None,
            headers: &fields,
            host_bucket: None,
        };
        let bad = |why: &dyn std::fmt::Display| Failure {
            code: "InternalError".to_owned(),
            message: why.to_string(),
        };
        let s3 = route(&head).map_err(|error| bad(&error))?;
        let action = s3
            .actions(&head)
            .first()
            .map_or("s3:PutObject".to_owned(), |ActionOn { action, .. }| {
                action.clone()
            });
        let source = "the operator names the audit log's bucket in the server's configuration";
        let permit = Permit::unconditional(Arc::clone(&self.caller), &action, source);
        let mut request = http::Request::put(path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let (parts, ()) = request.body(()).map_err(|error| bad(&error))?.into_parts();
        let request_id = hallpass_session::random_hex(&*self.entropy, 16).to_ascii_uppercase();
        let body = VerifiedBody::from_bytes(body);
        let forward = ForwardRequest::new(permit, s3, parts, body, request_id, self.clock.now());
        let answer = self.upstream.serve(forward).await.map_err(|error| Failure {
            code: error.code.to_owned(),
            message: error.message,
        })?;
        if answer.status().is_success() {
            return Ok(());
        }
        let status = answer.status().as_u16();
        let text = Limited::new(answer.into_body(), ERROR_BYTES_MAX).collect().await;
        let text = text.map(|text| String::from_utf8_lossy(&text.to_bytes()).into_owned());
        Err(Failure {
            code: status.to_string(),
            message: text.unwrap_or_default(),
        })
    }
}

struct Failure {
    code: String,
    message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Bucket for AuditBucket {
    fn put(&self, object: Object) -> Put<'_> {
        Box::pin(async move {
            let told = |failure: Failure| format!("bucket `{}`: {failure}", self.bucket);
            let putting = async {
                match self.put_object(&object).await {
                    // Of our own buckets it is the operator's word that there be one; a cloud's are made there.
                    Err(failure) if self.is_own && failure.code == "NoSuchBucket" => {
                        self.send(&format!("/{}", self.bucket), &[], Bytes::new()).await?;
                        self.put_object(&object).await
                    }
                    other => other,
                }
            };
            match tokio::time::timeout(PUT_TIME_MAX, putting).await {
                Ok(put) => put.map_err(told),
                Err(_) => Err(format!("bucket `{}` does not answer", self.bucket)),
            }
        })
    }
}

/// The system itself, in the account whose the log is.
fn system(account: AccountId) -> Caller {
    Caller {
        account,
        kind: CallerKind::Service,
        principal: PrincipalInfo::service(SERVICE),
        user_id: SERVICE.to_owned(),
        access_key_id: None,
        session: None,
    }
}
