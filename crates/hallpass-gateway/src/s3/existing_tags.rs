//! `s3:ExistingObjectTag/…`: an object's tags, looked up only when a policy asks for them.

use super::protection::{Protection, bucket_of};
use crate::Refusal;
use hallpass_access::{ActionOn, Permit, PolicyBundle};
use hallpass_s3route::{S3Head, route};
use hallpass_types::UnixSeconds;
use hallpass_upstream::{ForwardRequest, Upstream, VerifiedBody, encode_key};
use hallpass_wire::read_xml;
use http_body_util::{BodyExt as _, Limited};
use std::sync::Arc;

const KEY: &str = "s3:ExistingObjectTag/";

/// The answer to GetObjectTagging: ten tags of 128 and 256 characters, escaped.
const TAGGING_BYTES_MAX: usize = 256 * 1_024;

/// Actions that know the key. Source: AWS service authorization reference for S3.
const ACTIONS: &[&str] = &[
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectAcl",
    "s3:GetObjectVersionAcl",
    "s3:GetObjectAttributes",
    "s3:GetObjectVersionAttributes",
    "s3:GetObjectTagging",
    "s3:GetObjectVersionTagging",
    "s3:PutObjectAcl",
    "s3:PutObjectVersionAcl",
    "s3:PutObjectTagging",
    "s3:PutObjectVersionTagging",
    "s3:DeleteObjectTagging",
    "s3:DeleteObjectVersionTagging",
];

/// Adds the tags to those actions whose policies read them.
///
/// # Errors
/// The upstream's failure: a denial by tag must not be passed because the tags could not be had.
pub(super) async fn fill<'a>(
    actions: &mut [ActionOn],
    bundle: &PolicyBundle,
    protection: &Protection<'_>,
    upstream_of: impl Fn(&str) -> &'a Arc<dyn Upstream>,
    now: UnixSeconds,
) -> Result<(), Refusal> {
    let own = [
        Some(&bundle.identity),
        bundle.session.as_ref(),
        bundle.boundary.as_ref(),
    ];
    let own_ask = own.into_iter().flatten().any(|group| group.reads_keys_under(KEY));
    for action in actions
        .iter_mut()
        .filter(|action| ACTIONS.contains(&action.action.as_str()))
    {
        let asks = own_ask
            || protection
                .policy_on(action)
                .is_some_and(|group| group.reads_keys_under(KEY));
        let Some(bucket) = bucket_of(&action.resource).filter(|_| asks) else {
            continue;
        };
        let key = action.resource.split_once('/').map_or("", |(_, key)| key);
        let version = action
            .context
            .iter()
            .find(|(name, _)| name == "s3:VersionId")
            .and_then(|(_, values)| values.first());
        let tags = tags_of(
            upstream_of(bucket),
            protection,
            bucket,
            key,
            version.map(String::as_str),
            now,
        )
        .await?;
        action.context.extend(
            tags.into_iter()
                .map(|(name, value)| (format!("{KEY}{name}"), vec![value])),
        );
    }
    Ok(())
}

async fn tags_of(
    upstream: &Arc<dyn Upstream>,
    protection: &Protection<'_>,
    bucket: &str,
    key: &str,
    version: Option<&str>,
    now: UnixSeconds,
) -> Result<Vec<(String, String)>, Refusal> {
    let unknown = |detail: String| {
        Refusal::server(
            "The tags of the object could not be found out, and a policy asks for them.",
            detail,
        )
    };
    let version = version.map(|id| format!("&versionId={}", hallpass_wire::percent_encode(id)));
    let target = format!(
        "/{bucket}/{}?tagging{}",
        encode_key(key),
        version.unwrap_or_default()
    );
    let request = http::Request::get(&target)
        .body(())
        .map_err(|error| unknown(error.to_string()))?;
    let (parts, ()) = request.into_parts();
    let head = S3Head {
        method: "GET",
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: &[],
        host_bucket: None,
    };
    let s3 = route(&head).map_err(|error| unknown(error.to_string()))?;
    let permit = Permit::unconditional(
        Arc::clone(protection.caller),
        "s3:GetObjectTagging",
        "the decision itself needs the tags; nothing of the answer leaves the gateway",
    );
    let forward = ForwardRequest::new(permit, s3, parts, VerifiedBody::empty(), String::new(), now);
    let response = match upstream.serve(forward).await {
        Ok(response) => response,
        // Nothing there, no tags.
        Err(error) if error.status == 404 => return Ok(vec![]),
        Err(error) => return Err(unknown(error.to_string())),
    };
    match response.status().as_u16() {
        200 => {}
        404 => return Ok(vec![]),
        other => {
            return Err(unknown(format!(
                "the upstream answers {other} to GetObjectTagging"
            )));
        }
    }
    let body = Limited::new(response.into_body(), TAGGING_BYTES_MAX)
        .collect()
        .await;
    let body = body.map_err(|error| unknown(error.to_string()))?.to_bytes();
    let root = read_xml(&body).map_err(|error| unknown(error.to_string()))?;
    let set = root.one("TagSet").ok().flatten();
    let tags = set.into_iter().flat_map(|set| &set.children);
    Ok(tags
        .filter_map(|tag| {
            let text = |name: &str| tag.one_text(name).ok().flatten().map(str::to_owned);
            Some((text("Key")?, text("Value").unwrap_or_default()))
        })
        .collect())
}
