//! CloudTrail's API over the audit log, as far as it reads: the trail, its keys, its events.
//!
//! Source: CloudTrail API reference. Every account sees one trail, its own records; without a bucket there is none.

mod lookup;

use hallpass_audit::{AuditLog, public_keys};
use hallpass_gateway::{AuditConfig, Refusal};
use hallpass_types::{AccountId, UnixSeconds};
use serde_json::{Value, json};
use std::sync::Arc;

/// What an answer is made of.
pub(crate) struct Asked {
    pub(crate) log: Arc<AuditLog>,
    pub(crate) config: AuditConfig,
    pub(crate) region: String,
    /// Whose trail.
    pub(crate) account: AccountId,
    /// Whether records without an account are this account's.
    pub(crate) is_home: bool,
    pub(crate) now: UnixSeconds,
}

/// The answer's document. Reads files; to be called where that may take time.
pub(crate) fn answer(asked: &Asked, operation: &str, input: &Value) -> Result<Value, Refusal> {
    match operation {
        "DescribeTrails" => Ok(describe(asked, input)),
        "GetTrail" => named(asked, input).map(|trail| json!({ "Trail": trail })),
        "GetTrailStatus" => named(asked, input).map(|_| status(asked)),
        "ListTrails" => Ok(list(asked)),
        "ListPublicKeys" => keys(asked, input),
        "LookupEvents" => lookup::lookup(asked, input),
        _ => Err(Refusal::caller(
            "UnsupportedOperationException",
            400,
            "The requested operation is not supported.",
        )),
    }
}

fn arn(asked: &Asked) -> String {
    let Asked {
        region,
        account,
        config,
        ..
    } = asked;
    format!("arn:aws:cloudtrail:{region}:{account}:trail/{}", config.trail)
}

fn trail(asked: &Asked) -> Option<Value> {
    let bucket = asked.config.bucket.as_ref()?;
    let mut trail = json!({
        "Name": asked.config.trail,
        "S3BucketName": bucket,
        "IncludeGlobalServiceEvents": true,
        "IsMultiRegionTrail": false,
        "HomeRegion": asked.region,
        "TrailARN": arn(asked),
        "LogFileValidationEnabled": true,
        "HasCustomEventSelectors": false,
        "HasInsightSelectors": false,
        "IsOrganizationTrail": false,
    });
    let prefix = asked.config.prefix.trim_end_matches('/');
    if !prefix.is_empty() {
        trail["S3KeyPrefix"] = json!(prefix);
    }
    Some(trail)
}

fn is_it(asked: &Asked, name: &str) -> bool {
    asked.config.bucket.is_some() && (name == asked.config.trail || name == arn(asked))
}

fn describe(asked: &Asked, input: &Value) -> Value {
    let names = input["trailNameList"]
        .as_array()
        .filter(|names| !names.is_empty());
    let is_wanted = names.is_none_or(|names| {
        names
            .iter()
            .filter_map(Value::as_str)
            .any(|name| is_it(asked, name))
    });
    let trails: Vec<Value> = trail(asked).filter(|_| is_wanted).into_iter().collect();
    json!({ "trailList": trails })
}

fn named(asked: &Asked, input: &Value) -> Result<Value, Refusal> {
    let name = input["Name"].as_str().unwrap_or_default();
    let found = trail(asked).filter(|_| is_it(asked, name));
    found.ok_or_else(|| {
        let account = &asked.account;
        Refusal::caller(
            "TrailNotFoundException",
            400,
            format!("Unknown trail: {name} for the user: {account}"),
        )
    })
}

fn status(asked: &Asked) -> Value {
    let health = asked.log.health();
    let (delivered, digest) = health.delivered_at();
    let mut status = json!({ "IsLogging": true });
    let epoch = |time: UnixSeconds| json!(time.0);
    if let Some(time) = delivered {
        status["LatestDeliveryTime"] = epoch(time);
        status["LatestDeliveryAttemptTime"] = json!(time.iso8601());
        status["LatestDeliveryAttemptSucceeded"] = json!(time.iso8601());
    }
    if let Some(time) = digest {
        status["LatestDigestDeliveryTime"] = epoch(time);
    }
    if let Some(error) = health.delivery_error() {
        status["LatestDeliveryError"] = json!(error);
    }
    status
}

fn list(asked: &Asked) -> Value {
    let trails = trail(asked).map(
        |trail| json!({ "TrailARN": trail["TrailARN"], "Name": trail["Name"], "HomeRegion": trail["HomeRegion"] }),
    );
    json!({ "Trails": trails.into_iter().collect::<Vec<_>>() })
}

/// The keys that were valid at some moment of a span; the default is now.
fn keys(asked: &Asked, input: &Value) -> Result<Value, Refusal> {
    let (start, end) = span(input, asked.now, asked.now, asked.now)?;
    let keys = public_keys(asked.log.folder())
        .map_err(|error| Refusal::server("The keys cannot be read.", error.to_string()))?;
    let valid = keys
        .iter()
        .filter(|key| key.from <= end.0 && key.until >= start.0);
    let shown = valid.map(|key| {
        json!({
            "Value": key.value,
            "ValidityStartTime": key.from,
            "ValidityEndTime": key.until,
            "Fingerprint": key.fingerprint,
        })
    });
    Ok(json!({ "PublicKeyList": shown.collect::<Vec<_>>() }))
}

/// `StartTime` and `EndTime`, seconds since 1970 or ISO 8601.
fn span(
    input: &Value,
    start: UnixSeconds,
    end: UnixSeconds,
    now: UnixSeconds,
) -> Result<(UnixSeconds, UnixSeconds), Refusal> {
    let bad = || {
        Refusal::caller(
            "InvalidTimeRangeException",
            400,
            "StartTime and EndTime are instants, the first not after the second.",
        )
    };
    let time = |name: &str, default: UnixSeconds| match &input[name] {
        Value::Null => Ok(default),
        Value::Number(number) => {
            let seconds = number
                .as_f64()
                .filter(|seconds| seconds.abs() < 1e12)
                .ok_or_else(bad)?;
            // Whole seconds are all that records have.
            #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
            Ok(UnixSeconds(seconds as i64))
        }
        Value::String(text) => UnixSeconds::from_rfc3339(text).map_err(|_| bad()),
        _ => Err(bad()),
    };
    let (start, end) = (time("StartTime", start)?, time("EndTime", end.max(now))?);
    if start > end { Err(bad()) } else { Ok((start, end)) }
}
