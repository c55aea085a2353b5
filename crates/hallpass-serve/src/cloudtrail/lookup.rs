//! `LookupEvents`: management events of the last 90 days, the newest first.

use super::{Asked, span};
use hallpass_audit::{Place, newest_first};
use hallpass_gateway::Refusal;
use hallpass_types::UnixSeconds;
use serde_json::{Value, json};

const PAGE_MAX: u64 = 50;
/// CloudTrail's event history.
const HISTORY_SECONDS: i64 = 90 * 86_400;
/// Records looked at for one page. A page may then be short, or empty, and name a next one, as CloudTrail's may.
const LOOKED_AT_MAX: usize = 100_000;

pub(super) fn lookup(asked: &Asked, input: &Value) -> Result<Value, Refusal> {
    let bad = |code, message: &str| Refusal::caller(code, 400, message);
    let page = match &input["MaxResults"] {
        Value::Null => PAGE_MAX,
        number => number
            .as_u64()
            .filter(|number| (1..=PAGE_MAX).contains(number))
            .ok_or_else(|| bad("InvalidMaxResultsException", "MaxResults is 1 to 50."))?,
    };
    let attribute = attribute(input)?;
    let oldest = asked.now.plus(-HISTORY_SECONDS);
    let (start, end) = span(input, oldest, asked.now, asked.now)?;
    let start = start.max(oldest);
    let token = input["NextToken"].as_str().map(str::parse::<Place>).transpose();
    let before = token.map_err(|()| {
        bad(
            "InvalidNextTokenException",
            "The NextToken is not one of this API's.",
        )
    })?;
    let unreadable =
        |error: hallpass_audit::ReadError| Refusal::server("The log cannot be read.", error.to_string());

    let (mut events, mut next) = (vec![], None);
    let start_day = start.iso8601();
    for (looked_at, found) in newest_first(asked.log.folder(), before)
        .map_err(unreadable)?
        .enumerate()
    {
        let found = found.map_err(unreadable)?;
        // A record is never in the file of an earlier day than its own, so none before this one can be wanted.
        if found.place.day.as_str() < start_day.get(..10).unwrap_or_default() {
            break;
        }
        let record = &found.record;
        if is_visible(asked, record) && is_within(record, start, end) && attribute.fits(record) {
            events.push(event(record));
        }
        if events.len() as u64 >= page || looked_at + 1 >= LOOKED_AT_MAX {
            next = Some(found.place.to_string());
            break;
        }
    }
    let mut answer = json!({ "Events": events });
    if let Some(next) = next {
        answer["NextToken"] = json!(next);
    }
    Ok(answer)
}

fn is_visible(asked: &Asked, record: &Value) -> bool {
    let account = record["recipientAccountId"].as_str().unwrap_or_default();
    let is_own = account == asked.account.as_str();
    let is_nobodys = asked.is_home && account.len() != 12;
    (is_own || is_nobodys) && record["eventCategory"] == "Management"
}

fn is_within(record: &Value, start: UnixSeconds, end: UnixSeconds) -> bool {
    let time = record["eventTime"].as_str().map(UnixSeconds::from_rfc3339);
    matches!(time, Some(Ok(time)) if start <= time && time <= end)
}

/// What is looked for: nothing, or the one attribute that CloudTrail allows.
struct Attribute(Option<(String, String)>);

fn attribute(input: &Value) -> Result<Attribute, Refusal> {
    const KEYS: &[&str] = &[
        "EventId",
        "EventName",
        "ReadOnly",
        "Username",
        "ResourceType",
        "ResourceName",
        "EventSource",
        "AccessKeyId",
    ];
    let bad = || {
        Refusal::caller(
            "InvalidLookupAttributesException",
            400,
            "LookupAttributes has one attribute at most, with a key that CloudTrail knows and a value.",
        )
    };
    let given = match &input["LookupAttributes"] {
        Value::Null => return Ok(Attribute(None)),
        Value::Array(given) => given,
        _ => return Err(bad()),
    };
    let [attribute] = given.as_slice() else {
        return if given.is_empty() {
            Ok(Attribute(None))
        } else {
            Err(bad())
        };
    };
    let (Some(key), Some(value)) = (
        attribute["AttributeKey"].as_str(),
        attribute["AttributeValue"].as_str(),
    ) else {
        return Err(bad());
    };
    if !KEYS.contains(&key) || value.is_empty() || value.len() > 2_000 {
        return Err(bad());
    }
    Ok(Attribute(Some((key.to_owned(), value.to_owned()))))
}

impl Attribute {
    fn fits(&self, record: &Value) -> bool {
        let Some((key, value)) = &self.0 else { return true };
        let is = |found: &Value| found.as_str() == Some(value);
        match key.as_str() {
            "EventId" => is(&record["eventID"]),
            "EventName" => is(&record["eventName"]),
            "EventSource" => is(&record["eventSource"]),
            "AccessKeyId" => is(&record["userIdentity"]["accessKeyId"]),
            "ReadOnly" => record["readOnly"].as_bool() == value.parse().ok(),
            "Username" => user_name(record).as_ref() == Some(value),
            "ResourceType" => resources(record).any(|(kind, _)| kind == value),
            _ => resources(record).any(|(_, arn)| arn == value || name_in(arn) == value),
        }
    }
}

/// The user's name, or the session's.
fn user_name(record: &Value) -> Option<String> {
    let identity = &record["userIdentity"];
    if let Some(name) = identity["userName"].as_str() {
        return Some(name.to_owned());
    }
    match identity["type"].as_str()? {
        "Root" => Some("root".to_owned()),
        "AssumedRole" => Some(identity["arn"].as_str()?.rsplit('/').next()?.to_owned()),
        _ => identity["invokedBy"].as_str().map(str::to_owned),
    }
}

/// Kinds and ARNs of what a record touches.
fn resources(record: &Value) -> impl Iterator<Item = (&'static str, &str)> {
    let listed = record["resources"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let arns = listed.iter().filter_map(|resource| resource["ARN"].as_str());
    arns.map(|arn| (kind_of(arn), arn))
}

fn name_in(arn: &str) -> &str {
    arn.rsplit([':', '/']).next().unwrap_or(arn)
}

/// A resource's type in CloudFormation's words, as CloudTrail uses them.
fn kind_of(arn: &str) -> &'static str {
    let mut parts = arn.splitn(6, ':').skip(2);
    let service = parts.next().unwrap_or_default();
    let resource = parts.nth(2).unwrap_or_default();
    match (service, resource.split(['/', ':']).next().unwrap_or_default()) {
        ("iam", "role") => "AWS::IAM::Role",
        ("iam", "user") => "AWS::IAM::User",
        ("iam", "group") => "AWS::IAM::Group",
        ("iam", "policy") => "AWS::IAM::Policy",
        ("iam", "instance-profile") => "AWS::IAM::InstanceProfile",
        ("ec2", "instance") => "AWS::EC2::Instance",
        ("s3", _) if resource.contains('/') => "AWS::S3::Object",
        ("s3", _) => "AWS::S3::Bucket",
        ("dynamodb", "table") => "AWS::DynamoDB::Table",
        ("sqs", _) => "AWS::SQS::Queue",
        ("sns", _) => "AWS::SNS::Topic",
        ("lambda", "function") => "AWS::Lambda::Function",
        ("kms", "key") => "AWS::KMS::Key",
        ("secretsmanager", "secret") => "AWS::SecretsManager::Secret",
        _ => "Other",
    }
}

fn event(record: &Value) -> Value {
    let text = |name: &str| record[name].as_str().unwrap_or_default();
    let resources: Vec<Value> = resources(record)
        .map(|(kind, arn)| json!({ "ResourceType": kind, "ResourceName": arn }))
        .collect();
    let time = UnixSeconds::from_rfc3339(text("eventTime")).map_or(0, |time| time.0);
    let mut event = json!({
        "EventId": text("eventID"),
        "EventName": text("eventName"),
        "ReadOnly": record["readOnly"].as_bool().unwrap_or_default().to_string(),
        "EventTime": time,
        "EventSource": text("eventSource"),
        "Resources": resources,
        "CloudTrailEvent": record.to_string(),
    });
    if let Some(key) = record["userIdentity"]["accessKeyId"].as_str() {
        event["AccessKeyId"] = json!(key);
    }
    if let Some(name) = user_name(record) {
        event["Username"] = json!(name);
    }
    event
}
