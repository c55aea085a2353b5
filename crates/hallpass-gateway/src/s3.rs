//! One S3 request, from authenticated to answered. [`handle`] is one screen; each step's output is the next one's
//! input: `Requester` → `S3Request` → `Permit` → `ForwardRequest`.

mod bucket_cors;
mod bucket_policy;
pub mod cors;
mod existing_tags;
mod location;
mod protection;

use crate::{Connection, Facts, Gateway, Refusal, RequestHead, Requester, request_context};
use bytes::{Bytes, BytesMut};
use hallpass_access::{ActionOn, authorize_on};
use hallpass_s3route::{Operation, S3Head, XML_BODY_BYTES_MAX, route};
use hallpass_sigv4::{BodyCheck, BodyOptions};
use hallpass_types::UnixSeconds;
use hallpass_upstream::{Body, ForwardRequest, VerifiedBody};
use http_body_util::BodyExt as _;
use std::time::Instant;

/// One request, as the front door hands it over.
pub struct Input {
    /// Who sent it.
    pub requester: Requester,
    /// What was signed, and what the upstream's request is made of.
    pub head: RequestHead,
    /// The bytes as they arrive.
    pub body: Body,
    /// How it reached us.
    pub connection: Connection,
    /// When.
    pub now: UnixSeconds,
    /// The id answered to the client.
    pub request_id: String,
}

/// What a request is called, before anything about it is proved: for the record of one that is refused early.
#[must_use]
pub fn name_of(head: &RequestHead, gateway: &Gateway) -> Facts {
    let fields = head.fields();
    let s3_head = S3Head {
        method: head.method.as_str(),
        path: &head.path,
        query: head.query.as_deref(),
        headers: &fields,
        host_bucket: gateway.host_bucket(head),
    };
    let mut facts = Facts::default();
    if let Ok(s3) = route(&s3_head) {
        facts.note_request(&s3);
    }
    facts
}

/// The bucket that a form is sent to: a form's target is a bucket and nothing else.
///
/// # Errors
/// [`Refusal`] for any other target.
pub fn bucket_of_form(head: &RequestHead, gateway: &Gateway) -> Result<String, Refusal> {
    let path = head.path.trim_matches('/');
    let bucket = match gateway.host_bucket(head) {
        Some(bucket) if path.is_empty() => bucket,
        Some(_) => "",
        None => path,
    };
    if !hallpass_s3route::valid_bucket_name(bucket) {
        return Err(Refusal::caller(
            "MethodNotAllowed",
            405,
            "The specified method is not allowed against this resource.",
        ));
    }
    Ok(bucket.to_owned())
}

/// Serves one request.
///
/// # Errors
/// [`Refusal`]: unknown request, denied, bad body, upstream failed.
pub async fn handle(
    gateway: &Gateway,
    input: Input,
    facts: &mut Facts,
) -> Result<http::Response<Body>, Refusal> {
    let Input {
        requester,
        head,
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
        host_bucket: gateway.host_bucket(&head),
    };
    let mut s3 = route(&s3_head).map_err(refused_route)?;
    facts.note_request(&s3);

    let options = BodyOptions {
        // There the header is the whole object's checksum, not the XML's.
        ignore_checksum_headers: s3.operation == Operation::CompleteMultipartUpload,
        ..BodyOptions::default()
    };
    let check = BodyCheck::for_request(&head.view(&fields), requester.verified(), &options)?;
    let mut read = None;
    let body = if s3.buffers_body() {
        // What an XML body names is authorized too, so it is read before the decision.
        let document = buffer(check, body).await?;
        s3.read_body(&document).map_err(refused_route)?;
        read = Some(document.clone());
        VerifiedBody::from_bytes(document)
    } else {
        VerifiedBody::new(check, body)
    };

    let caller = requester.caller();
    let upstream = gateway.upstream_for(&s3, caller);
    facts.upstream = Some(upstream.name().to_owned());
    // A signature of version 4a is for a set of regions, in which ours is.
    let signed_for = requester.verified().map(|verified| verified.scope().region());
    let signed_for = signed_for.filter(|region| !region.is_empty());
    if let Some(region) = signed_for
        && region != gateway.region
        && !upstream.follows_region()
    {
        return Err(wrong_region(region, &gateway.region));
    }
    let owner_of = |bucket: &str| {
        gateway
            .upstream_of(bucket, caller)
            .bucket_owner(bucket)
            .unwrap_or(gateway.account)
    };
    let owner = s3.bucket.as_deref().map_or(caller.account, owner_of);
    let (bundle, role_tags) = gateway.policies.policies_for(caller);
    let mut context = request_context(
        caller,
        requester.verified(),
        &head,
        connection,
        &gateway.config.networks,
        &role_tags,
        &gateway.region,
        now,
    );
    let number = upstream.account().unwrap_or(owner);
    context.set("aws:ResourceAccount", number.as_str());
    context.set("s3:ResourceAccount", number.as_str());
    let mut actions = s3.actions(&s3_head);
    for action in &mut actions {
        action.resource_account = Some(protection::bucket_of(&action.resource).map_or(owner, owner_of));
    }
    facts.resources = actions.iter().map(|action| action.resource.clone()).collect();
    let protection = protection::Protection {
        resources: &gateway.resources,
        caller,
        operation: s3.operation,
    };
    protection.check(&s3, &s3_head, owner, read.as_deref())?;
    existing_tags::fill(
        &mut actions,
        &bundle,
        &protection,
        |bucket| gateway.upstream_of(bucket, caller),
        now,
    )
    .await?;
    let on_resource = |action: &ActionOn| protection.policy_on(action);
    let permit = authorize_on(caller, actions, &context, &bundle, on_resource)?;
    facts.note_permit(&permit);

    let bucket_and_key = format!(
        "/{}/{}",
        s3.bucket.as_deref().unwrap_or(""),
        s3.key.as_deref().unwrap_or("")
    );
    let parts = head.into_parts();
    let forward = ForwardRequest::new(permit, s3, parts, body, request_id, now).signed_for(signed_for);
    let forward = match bucket_policy::answer(&gateway.resources, upstream.as_ref(), forward, read).await? {
        bucket_policy::Answered::Here(response) => return Ok(response),
        bucket_policy::Answered::Not(forward) => *forward,
    };
    let operation = forward.s3().operation;
    let bucket = forward.s3().bucket.clone();
    let asked = Instant::now();
    let answer = upstream.serve(forward).await;
    facts.upstream_took = Some(asked.elapsed());
    if let (Operation::DeleteBucket, Ok(response), Some(bucket)) = (operation, &answer, &bucket)
        && response.status().is_success()
    {
        bucket_policy::forget(&gateway.resources, bucket).await;
    }
    let is_missing = match &answer {
        Ok(response) => response.status() == http::StatusCode::NOT_FOUND,
        Err(error) => error.status == 404 && error.code == "NoSuchKey",
    };
    // Without s3:ListBucket nobody learns which keys exist (S3 API reference, GetObject).
    if is_missing
        && matches!(operation, Operation::GetObject | Operation::HeadObject)
        && let Some(bucket) = &bucket
    {
        let mut listing = ActionOn::new("s3:ListBucket", format!("arn:aws:s3:::{bucket}"));
        listing.resource_account = Some(owner);
        let listed = (listing.action.clone(), listing.resource.clone());
        authorize_on(caller, vec![listing], &context, &bundle, on_resource)?;
        // The answer would have been another without it, so it was used.
        facts.authorized.push(listed);
    }
    let answer = match answer {
        // Where the client's region is followed, the store's own answer is the right one.
        Ok(response) if !upstream.follows_region() => {
            Ok(location::tell(operation, response, &gateway.region))
        }
        other => other,
    };
    answer.map_err(|error| {
        let mut refusal = Refusal::caller(error.code, error.status, error.message);
        refusal.extra.push(("Resource", bucket_and_key));
        refusal.extra.extend(error.extra);
        refusal.headers = error.headers;
        refusal
    })
}

fn wrong_region(region: &str, expected: &str) -> Refusal {
    let message = format!(
        "The authorization header is malformed; the region '{region}' is wrong; expecting '{expected}'"
    );
    let mut refusal = Refusal::caller("AuthorizationHeaderMalformed", 400, message);
    refusal.extra.push(("Region", expected.to_owned()));
    refusal
}

fn refused_route(error: hallpass_s3route::RouteError) -> Refusal {
    let (code, status) = error.s3_code();
    Refusal::caller(code, status, error.to_string())
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
