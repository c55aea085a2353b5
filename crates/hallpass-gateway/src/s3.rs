//! One S3 request, from authenticated to answered. [`handle`] is one screen; each step's output is the next one's
//! input: `Authenticated` → `S3Request` → `Permit` → `ForwardRequest`.

use crate::{Authenticated, Connection, GatewayConfig, PolicyLookup, Refusal, RequestHead, request_context};
use bytes::{Bytes, BytesMut};
use hallpass_access::{ActionOn, Denied, Permit, authorize};
use hallpass_policy::Context;
use hallpass_s3route::{Operation, S3Head, S3Request, XML_BODY_BYTES_MAX, route};
use hallpass_sigv4::{BodyCheck, BodyOptions};
use hallpass_types::UnixSeconds;
use hallpass_upstream::{Body, ForwardRequest, Upstream, VerifiedBody};
use http_body_util::BodyExt as _;
use std::sync::Arc;

/// What every S3 request needs.
pub struct S3Gateway {
    /// Which policies bear on a caller.
    pub policies: Arc<dyn PolicyLookup>,
    /// Buckets no upstream claims.
    pub directory: Arc<dyn Upstream>,
    /// In the order of the configuration.
    pub upstreams: Vec<Arc<dyn Upstream>>,
    /// Which bucket lives where, and the named networks.
    pub config: GatewayConfig,
    /// The region served.
    pub region: String,
}

/// One request, as the front door hands it over.
pub struct Input {
    /// Proof of who sent it.
    pub authenticated: Authenticated,
    /// What was signed.
    pub head: RequestHead,
    /// Method, target and headers for the upstream.
    pub parts: http::request::Parts,
    /// The bytes as they arrive.
    pub body: Body,
    /// How it reached us.
    pub connection: Connection,
    /// When.
    pub now: UnixSeconds,
    /// The id answered to the client.
    pub request_id: String,
}

/// What became known on the way, for the record; filled as far as the request got.
#[derive(Debug, Default)]
pub struct Facts {
    /// `PutObject`
    pub operation: Option<&'static str>,
    /// Whether it could change anything.
    pub is_write: bool,
    /// Whether it touches objects rather than configuration.
    pub is_data: bool,
    /// The bucket.
    pub bucket: Option<String>,
    /// The key.
    pub key: Option<String>,
    /// ARNs of what it touches.
    pub resources: Vec<String>,
    /// Each action that was allowed, and the statements that allowed it.
    pub allowed_by: Vec<String>,
    /// The same actions with their resources, for programs.
    pub authorized: Vec<(String, String)>,
    /// Which upstream served it.
    pub upstream: Option<String>,
}

/// What a request is called, before anything about it is proved: for the record of one that is refused early.
#[must_use]
pub fn name_of(head: &RequestHead, region: &str) -> Facts {
    let fields = head.fields();
    let s3_head = S3Head {
        method: head.method.as_str(),
        path: &head.path,
        query: head.query.as_deref(),
        headers: &fields,
        host_bucket: host_bucket(head, region),
    };
    let mut facts = Facts::default();
    if let Ok(s3) = route(&s3_head) {
        facts.note_request(&s3);
    }
    facts
}

/// Serves one authenticated request.
///
/// # Errors
/// [`Refusal`]: unknown request, denied, bad body, upstream failed.
pub async fn handle(
    gateway: &S3Gateway,
    input: Input,
    facts: &mut Facts,
) -> Result<http::Response<Body>, Refusal> {
    let Input {
        authenticated,
        head,
        parts,
        body,
        connection,
        now,
        request_id,
    } = input;
    let fields = head.fields();
    let s3_head = S3Head {
        method: head.method.as_str(),
        path: &head.path,
        query: head.query.as_deref(),
        headers: &fields,
        host_bucket: host_bucket(&head, &gateway.region),
    };
    let mut s3 = route(&s3_head).map_err(refused_route)?;
    facts.note_request(&s3);

    let options = BodyOptions {
        // There the header is the whole object's checksum, not the XML's.
        ignore_checksum_headers: s3.operation == Operation::CompleteMultipartUpload,
        ..BodyOptions::default()
    };
    let check = BodyCheck::for_request(&head.view(&fields), Some(authenticated.verified()), &options)?;
    let body = if s3.buffers_body() {
        // What an XML body names is authorized too, so it is read before the decision.
        let xml = buffer(check, body).await?;
        s3.read_body(&xml).map_err(refused_route)?;
        VerifiedBody::from_bytes(xml)
    } else {
        VerifiedBody::new(check, body)
    };

    let upstream = gateway.upstream_for(&s3);
    facts.upstream = Some(upstream.name().to_owned());
    let caller = authenticated.caller();
    let (bundle, role_tags) = gateway.policies.policies_for(caller);
    let mut context = request_context(
        &authenticated,
        &head,
        connection,
        &gateway.config.networks,
        &role_tags,
        &gateway.region,
        now,
    );
    let owner = s3
        .bucket
        .as_deref()
        .and_then(|bucket| upstream.bucket_owner(bucket))
        .unwrap_or(caller.account);
    context.set("aws:ResourceAccount", owner.as_str());
    context.set("s3:ResourceAccount", owner.as_str());
    let owned = |mut action: ActionOn| {
        action.resource_account = Some(owner);
        action
    };
    let actions: Vec<ActionOn> = s3.actions(&s3_head).into_iter().map(owned).collect();
    facts.resources = actions.iter().map(|action| action.resource.clone()).collect();
    let permit = authorize(caller, actions, &context, &bundle)?;
    facts.note_permit(&permit);

    // Without s3:ListBucket nobody learns which keys exist (S3 API reference, GetObject).
    let listing = match s3.operation {
        Operation::GetObject | Operation::HeadObject => Some(may_list(caller, &s3, &context, &bundle, owner)),
        _ => None,
    };
    let bucket_and_key = format!(
        "/{}/{}",
        s3.bucket.as_deref().unwrap_or(""),
        s3.key.as_deref().unwrap_or("")
    );
    let forward = ForwardRequest::new(permit, s3, parts, body, request_id, now);
    let answer = upstream.serve(forward).await;
    let is_missing = match &answer {
        Ok(response) => response.status() == http::StatusCode::NOT_FOUND,
        Err(error) => error.status == 404 && error.code == "NoSuchKey",
    };
    match listing.filter(|_| is_missing) {
        Some(Err(denied)) => return Err(denied.into()),
        // The answer would have been another without it, so it was used.
        Some(Ok(listed)) => facts.authorized.push(listed),
        None => {}
    }
    answer.map_err(|error| {
        let mut refusal = Refusal::caller(error.code, error.status, error.message);
        refusal.extra.push(("Resource", bucket_and_key));
        refusal.extra.extend(error.extra);
        refusal.headers = error.headers;
        refusal
    })
}

fn may_list(
    caller: &Arc<hallpass_access::Caller>,
    s3: &S3Request,
    context: &Context,
    bundle: &hallpass_access::PolicyBundle,
    owner: hallpass_types::AccountId,
) -> Result<(String, String), Box<Denied>> {
    let bucket = s3.bucket.as_deref().unwrap_or_default();
    let mut action = ActionOn::new("s3:ListBucket", format!("arn:aws:s3:::{bucket}"));
    action.resource_account = Some(owner);
    let listed = (action.action.clone(), action.resource.clone());
    authorize(caller, vec![action], context, bundle).map(|_| listed)
}

impl S3Gateway {
    fn upstream_for(&self, s3: &S3Request) -> &Arc<dyn Upstream> {
        let claimed = s3
            .bucket
            .as_deref()
            .and_then(|bucket| self.config.upstream_for(bucket));
        claimed
            .and_then(|index| self.upstreams.get(index))
            .unwrap_or(&self.directory)
    }
}

impl Facts {
    fn note_request(&mut self, s3: &S3Request) {
        self.operation = Some(s3.operation_name());
        self.is_write = s3.is_write();
        self.is_data = s3.is_data_event();
        self.bucket.clone_from(&s3.bucket);
        self.key.clone_from(&s3.key);
        if let Some(bucket) = &s3.bucket {
            let key = s3.key.as_ref().map(|key| format!("/{key}")).unwrap_or_default();
            self.resources = vec![format!("arn:aws:s3:::{bucket}{key}")];
        }
    }

    fn note_permit(&mut self, permit: &Permit) {
        let actions = permit.actions().iter();
        self.authorized = actions
            .map(|action| (action.action.clone(), action.resource.clone()))
            .collect();
        self.allowed_by = permit
            .actions()
            .iter()
            .zip(permit.decisions())
            .map(|(action, decision)| {
                let statements = decision
                    .matched
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                format!("{} on {}: {statements}", action.action, action.resource)
            })
            .collect();
    }
}

fn refused_route(error: hallpass_s3route::RouteError) -> Refusal {
    let (code, status) = error.s3_code();
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string())
        .unwrap_or_default();
    Refusal::caller(code, status, format!("{first}{}.", letters.as_str()))
}

/// Reads a small body whole, proving it.
async fn buffer(mut check: BodyCheck, mut body: Body) -> Result<Bytes, Refusal> {
    if check.length() > XML_BODY_BYTES_MAX as u64 {
        return Err(Refusal::caller(
            "EntityTooLarge",
            400,
            "Your request body exceeds the maximum allowed size.",
        ));
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Refusal::caller(
                "IncompleteBody",
                400,
                "The request body ended before its announced length.",
            )
        })?;
        if let Ok(data) = frame.into_data() {
            check.push(&data, &mut |proven: &[u8]| whole.extend_from_slice(proven))?;
        }
    }
    check.finish(&mut |proven: &[u8]| whole.extend_from_slice(proven))?;
    Ok(whole.freeze())
}

/// The bucket in front of a known base name: `demo.localhost`, `demo.s3.eu-central-1.amazonaws.com`.
/// The boundary is a dot; `evildemo-s3.amazonaws.com` has none.
fn host_bucket<'a>(head: &'a RequestHead, region: &str) -> Option<&'a str> {
    let host = head.header("host")?;
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bases = [
        ".s3.localhost".to_owned(),
        ".localhost".to_owned(),
        format!(".s3.{region}.amazonaws.com"),
        ".s3.amazonaws.com".to_owned(),
    ];
    bases
        .iter()
        .find_map(|base| host.strip_suffix(base.as_str()))
        .filter(|bucket| !bucket.is_empty() && *bucket != "s3")
}
