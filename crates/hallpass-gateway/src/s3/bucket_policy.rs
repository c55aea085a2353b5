//! The requests about what Hallpass keeps of a bucket, its policy above all: answered here, whatever upstream has the
//! bucket.

use super::{bucket_cors, protection::blocked};
use crate::Refusal;
use bytes::Bytes;
use hallpass_policy::{Policy, PolicyKind};
use hallpass_resource::{
    BUCKET_POLICY_BYTES_MAX, PublicAccessBlock, ResourcePolicies, ResourcePolicyError, is_public,
};
use hallpass_s3route::{Operation, S3Head, route};
use hallpass_upstream::{Body, ForwardRequest, Upstream, VerifiedBody, full};
use hallpass_wire::{XmlNode, read_xml};

pub(super) enum Answered {
    /// Done; the upstream was asked at most whether the bucket is there.
    Here(http::Response<Body>),
    /// Another request: for the upstream.
    Not(Box<ForwardRequest>),
}

/// Answers a request about a bucket's policy, public access block or CORS configuration, with its permit.
///
/// # Errors
/// [`Refusal`] as S3 answers: `NoSuchBucket`, `NoSuchBucketPolicy`, `MalformedPolicy`, …
pub(super) async fn answer(
    resources: &ResourcePolicies,
    upstream: &dyn Upstream,
    forward: ForwardRequest,
    body: Option<Bytes>,
) -> Result<Answered, Refusal> {
    use Operation as Op;
    let operation = forward.s3().operation;
    let ours = matches!(
        operation,
        Op::GetBucketPolicy
            | Op::PutBucketPolicy
            | Op::DeleteBucketPolicy
            | Op::GetBucketPolicyStatus
            | Op::GetPublicAccessBlock
            | Op::PutPublicAccessBlock
            | Op::DeletePublicAccessBlock
            | Op::GetBucketCors
            | Op::PutBucketCors
            | Op::DeleteBucketCors
    );
    let Some(bucket) = forward.s3().bucket.clone().filter(|_| ours) else {
        return Ok(Answered::Not(Box::new(forward)));
    };
    let probe = probe(&forward, &bucket)?;
    bucket_exists(upstream, probe, &bucket).await?;
    let arn = format!("arn:aws:s3:::{bucket}");
    let no_policy = || {
        let mut refusal = Refusal::caller("NoSuchBucketPolicy", 404, "The bucket policy does not exist");
        refusal.extra.push(("BucketName", bucket.clone()));
        refusal
    };
    let body = body.unwrap_or_default();
    let response = match operation {
        Op::GetBucketCors | Op::PutBucketCors | Op::DeleteBucketCors => {
            bucket_cors::answer(resources, operation, &bucket, &body).await?
        }
        Op::GetBucketPolicy => {
            let kept = resources.policy(&arn).ok_or_else(no_policy)?;
            respond(200, "application/json", kept.text.clone())
        }
        Op::PutBucketPolicy => {
            let text = check_policy(&bucket, &body)?;
            let parsed = Policy::parse(&text, PolicyKind::Resource);
            if resources.block(&bucket).block_public_policy && parsed.is_ok_and(|policy| is_public(&policy)) {
                let owner = forward.permit().caller().account;
                return Err(blocked(&bucket, owner, "BlockPublicPolicy", "a public policy"));
            }
            resources.put(&arn, text).await.map_err(refused)?;
            respond(204, "", String::new())
        }
        Op::DeleteBucketPolicy => {
            resources
                .delete(&arn)
                .await
                .map_err(|error| refused(error.into()))?;
            respond(204, "", String::new())
        }
        Op::GetBucketPolicyStatus => {
            let kept = resources.policy(&arn).ok_or_else(no_policy)?;
            xml(&format!(
                "<PolicyStatus xmlns=\"{NAMESPACE}\"><IsPublic>{}</IsPublic></PolicyStatus>",
                kept.is_public
            ))
        }
        Op::GetPublicAccessBlock => {
            let block = resources.block(&bucket);
            if block == PublicAccessBlock::NONE {
                let mut refusal = Refusal::caller(
                    "NoSuchPublicAccessBlockConfiguration",
                    404,
                    "The public access block configuration was not found",
                );
                refusal.extra.push(("BucketName", bucket.clone()));
                return Err(refusal);
            }
            xml(&format!(
                "<PublicAccessBlockConfiguration xmlns=\"{NAMESPACE}\"><BlockPublicAcls>{}</BlockPublicAcls>\
                 <IgnorePublicAcls>{}</IgnorePublicAcls><BlockPublicPolicy>{}</BlockPublicPolicy>\
                 <RestrictPublicBuckets>{}</RestrictPublicBuckets></PublicAccessBlockConfiguration>",
                block.block_public_acls,
                block.ignore_public_acls,
                block.block_public_policy,
                block.restrict_public_buckets
            ))
        }
        Op::PutPublicAccessBlock => {
            let block = read_block(&body)?;
            resources
                .put_block(&bucket, block)
                .await
                .map_err(|error| refused(error.into()))?;
            respond(200, "", String::new())
        }
        _ => {
            resources
                .put_block(&bucket, PublicAccessBlock::NONE)
                .await
                .map_err(|error| refused(error.into()))?;
            respond(204, "", String::new())
        }
    };
    Ok(Answered::Here(response))
}

/// A bucket that is gone leaves no policy for the next of its name.
pub(super) async fn forget(resources: &ResourcePolicies, bucket: &str) {
    if let Err(error) = resources.forget_bucket(bucket).await {
        // The bucket is gone and its policy grants nothing; the next of the name is told by the log.
        tracing::error!(%error, bucket, "the policy of a deleted bucket could not be removed");
    }
}

pub(super) const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

fn unreachable(detail: String) -> Refusal {
    Refusal::server("The bucket's upstream does not answer.", detail)
}

/// A HeadBucket in the name of `forward`.
fn probe(forward: &ForwardRequest, bucket: &str) -> Result<ForwardRequest, Refusal> {
    let request = http::Request::head(format!("/{bucket}")).body(());
    let (parts, ()) = request
        .map_err(|error| unreachable(error.to_string()))?
        .into_parts();
    let head = S3Head {
        method: "HEAD",
        path: parts.uri.path(),
        query: None,
        headers: &[],
        host_bucket: None,
    };
    let s3 = route(&head).map_err(|error| unreachable(error.to_string()))?;
    Ok(ForwardRequest::new(
        forward.permit().clone(),
        s3,
        parts,
        VerifiedBody::empty(),
        forward.request_id().to_owned(),
        forward.now(),
    ))
}

async fn bucket_exists(upstream: &dyn Upstream, probe: ForwardRequest, bucket: &str) -> Result<(), Refusal> {
    let missing = || {
        let mut refusal = Refusal::caller("NoSuchBucket", 404, "The specified bucket does not exist");
        refusal.extra.push(("BucketName", bucket.to_owned()));
        refusal
    };
    match upstream.serve(probe).await {
        // Refused is not missing: the caller's own credential there may not look.
        Ok(response)
            if response.status().is_success() || response.status() == http::StatusCode::FORBIDDEN =>
        {
            Ok(())
        }
        Ok(response) if response.status() == http::StatusCode::NOT_FOUND => Err(missing()),
        Ok(response) => Err(unreachable(format!(
            "the upstream answers {} to HeadBucket",
            response.status()
        ))),
        Err(error) if error.status == 404 => Err(missing()),
        Err(error) => Err(unreachable(error.to_string())),
    }
}

/// S3's own rules, before those of the language: about this bucket, of S3's actions, short enough.
fn check_policy(bucket: &str, body: &Bytes) -> Result<String, Refusal> {
    let malformed = |message: &str| Refusal::caller("MalformedPolicy", 400, message);
    if body.len() > BUCKET_POLICY_BYTES_MAX {
        return Err(Refusal::caller(
            "PolicyTooLarge",
            400,
            format!("Policy exceeds the maximum allowed document size of {BUCKET_POLICY_BYTES_MAX} bytes."),
        ));
    }
    let text = std::str::from_utf8(body).map_err(|_| malformed("This policy contains invalid Json"))?;
    let policy = Policy::parse(text, PolicyKind::Resource).map_err(|error| malformed(&error.to_string()))?;
    let arn = format!("arn:aws:s3:::{bucket}");
    for statement in policy.statements() {
        let about_this = |pattern: &str| {
            pattern
                .strip_prefix(arn.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == "*")
        };
        if !statement.resources().all(about_this) || statement.resources().next().is_none() {
            return Err(malformed("Policy has invalid resource"));
        }
        let of_s3 = |action: &str| action == "*" || action.to_ascii_lowercase().starts_with("s3:");
        if !statement.actions().all(of_s3) {
            return Err(malformed("Policy has invalid action"));
        }
    }
    Ok(text.to_owned())
}

fn read_block(body: &Bytes) -> Result<PublicAccessBlock, Refusal> {
    let malformed = || {
        Refusal::caller(
            "MalformedXML",
            400,
            "The XML you provided was not well-formed or did not validate against our published schema",
        )
    };
    let root = read_xml(body).map_err(|_| malformed())?;
    if root.name != "PublicAccessBlockConfiguration" {
        return Err(malformed());
    }
    // What is not named is off, as in S3.
    let is_on =
        |root: &XmlNode, name: &str| match root.one_text(name).map_err(|_| malformed())?.map(str::trim) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(_) => Err(malformed()),
        };
    Ok(PublicAccessBlock {
        block_public_acls: is_on(&root, "BlockPublicAcls")?,
        ignore_public_acls: is_on(&root, "IgnorePublicAcls")?,
        block_public_policy: is_on(&root, "BlockPublicPolicy")?,
        restrict_public_buckets: is_on(&root, "RestrictPublicBuckets")?,
    })
}

fn refused(error: ResourcePolicyError) -> Refusal {
    match error {
        ResourcePolicyError::Malformed(why) => Refusal::caller("MalformedPolicy", 400, why),
        other => Refusal::server("The policy could not be kept.", other.to_string()),
    }
}

pub(super) fn xml(document: &str) -> http::Response<Body> {
    respond(
        200,
        "application/xml",
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{document}"),
    )
}

pub(super) fn respond(status: u16, content_type: &'static str, body: String) -> http::Response<Body> {
    let mut response = http::Response::new(full(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::OK);
    if !content_type.is_empty() {
        let value = http::HeaderValue::from_static(content_type);
        response.headers_mut().insert(http::header::CONTENT_TYPE, value);
    }
    response
}
