//! Policies of queues and topics: set and read by the services' own calls, kept here, never told to the upstream, whose
//! principals are others.

use super::attributes::Document;
use crate::Refusal;
use bytes::Bytes;
use hallpass_access::ActionOn;
use hallpass_apiroute::{ApiRequest, Protocol};
use hallpass_policy::{Policy, PolicyKind};
use hallpass_resource::{POLICY_BYTES_MAX, ResourcePolicies, ResourcePolicyError};
use hallpass_types::AccountId;
use hallpass_upstream::{Body, full};
use http_body_util::{BodyExt as _, Limited};
use serde_json::{Value, json};

/// The answer to a call about attributes or queues: far below this.
const ANSWER_BYTES_MAX: usize = 4 * 1_024 * 1_024;

/// What a call does to the policy of its queue or topic.
pub(super) enum Change {
    /// Puts this one in its place; the empty text removes it.
    Put(String),
    /// Adds a statement.
    Add(Value),
    /// Removes the statement with this `Sid`.
    Remove(String),
}

/// What becomes of a call.
pub(super) struct Plan {
    pub(super) change: Option<Change>,
    /// The body to send on; `None`: nothing is left to be done there, but the queue or topic must be there.
    pub(super) body: Option<Bytes>,
    /// Whether the answer is to tell the policy.
    pub(super) tells: bool,
    /// Whether the queue or topic is gone after it.
    pub(super) deletes: bool,
}

/// Looks at a call of SQS or SNS for what it means to a policy. `None`: nothing.
///
/// # Errors
/// [`Refusal`] for what is no policy.
pub(super) fn plan(request: &ApiRequest, body: &Bytes, arn: &str) -> Result<Option<Plan>, Refusal> {
    let service = request.service();
    let (Some(operation), true) = (request.operation(), matches!(service, "sqs" | "sns")) else {
        return Ok(None);
    };
    if request.protocol() == Protocol::Query && body.is_empty() {
        // Parameters in the address would pass by here, and set a policy where it means others.
        let why = "send the parameters of this service in the body of a POST";
        return Err(Refusal::caller("InvalidParameterValue", 400, why));
    }
    let Some(mut document) = Document::read(request.protocol(), body) else {
        return Ok(None);
    };
    let unchanged = Plan {
        change: None,
        body: Some(body.clone()),
        tells: false,
        deletes: false,
    };
    Ok(match operation {
        "SetQueueAttributes" | "CreateQueue" | "SetTopicAttributes" | "CreateTopic" => {
            let Some((policy, has_others)) = document.take_policy() else {
                return Ok(None);
            };
            check(service, &policy)?;
            let creates = operation.starts_with("Create");
            Some(Plan {
                change: Some(Change::Put(policy)),
                body: (has_others || creates).then(|| document.write()),
                ..unchanged
            })
        }
        "GetTopicAttributes" => Some(Plan {
            tells: true,
            ..unchanged
        }),
        "GetQueueAttributes" => {
            let names = document.list("AttributeNames", "AttributeName");
            let tells = names.iter().any(|name| name == "All" || name == "Policy");
            tells.then_some(Plan { tells, ..unchanged })
        }
        "DeleteQueue" | "DeleteTopic" => Some(Plan {
            deletes: true,
            ..unchanged
        }),
        "AddPermission" => Some(Plan {
            change: Some(Change::Add(statement(service, &document, arn)?)),
            body: None,
            ..unchanged
        }),
        "RemovePermission" => {
            let label = document.text("Label").unwrap_or_default().to_owned();
            Some(Plan {
                change: Some(Change::Remove(label)),
                body: None,
                ..unchanged
            })
        }
        _ => None,
    })
}

/// What a call needs beside its own actions: one that makes a queue or topic with a policy may meet one that is there, and
/// would then change its policy.
pub(super) fn besides(request: &ApiRequest, body: &Bytes, actions: &[ActionOn]) -> Option<ActionOn> {
    let action = match (request.service(), request.operation()?) {
        ("sqs", "CreateQueue") => "sqs:SetQueueAttributes",
        ("sns", "CreateTopic") => "sns:SetTopicAttributes",
        _ => return None,
    };
    Document::read(request.protocol(), body)?.take_policy()?;
    let own = actions.first()?;
    Some(ActionOn {
        action: action.to_owned(),
        ..own.clone()
    })
}

fn invalid(service: &str, why: &str) -> Refusal {
    let code = if service == "sns" {
        "InvalidParameter"
    } else {
        "InvalidAttributeValue"
    };
    Refusal::caller(
        code,
        400,
        format!("Invalid value for the parameter Policy. Reason: {why}"),
    )
}

fn check(service: &str, policy: &str) -> Result<(), Refusal> {
    if policy.is_empty() {
        return Ok(());
    }
    if policy.len() > POLICY_BYTES_MAX {
        return Err(invalid(service, "the policy is too long"));
    }
    match Policy::parse(policy, PolicyKind::Resource) {
        Ok(_) => Ok(()),
        Err(error) => Err(invalid(service, &error.to_string())),
    }
}

/// The statement that AddPermission stands for ("SQS API reference, AddPermission").
fn statement(service: &str, document: &Document, arn: &str) -> Result<Value, Refusal> {
    let accounts = document.list("AWSAccountIds", "AWSAccountId");
    let actions = document.list("Actions", "ActionName");
    let label = document.text("Label").unwrap_or_default();
    let principals = accounts
        .iter()
        .map(|account| {
            let account: AccountId = account
                .parse()
                .map_err(|_| invalid(service, "an account id is twelve digits"))?;
            Ok(format!("arn:aws:iam::{account}:root"))
        })
        .collect::<Result<Vec<_>, Refusal>>()?;
    if principals.is_empty() || actions.is_empty() || label.is_empty() {
        return Err(invalid(service, "Label, AWSAccountIds and Actions are required"));
    }
    let prefix = if service == "sns" { "SNS" } else { "SQS" };
    let actions: Vec<String> = actions
        .iter()
        .map(|action| format!("{prefix}:{}", action.rsplit(':').next().unwrap_or_default()))
        .collect();
    Ok(json!({
        "Sid": label, "Effect": "Allow", "Principal": { "AWS": principals }, "Action": actions, "Resource": arn,
    }))
}

/// Carries a change out.
///
/// # Errors
/// [`Refusal`] when it is none, or cannot be kept.
pub(super) async fn apply(
    resources: &ResourcePolicies,
    service: &str,
    arn: &str,
    change: Change,
) -> Result<(), Refusal> {
    let kept = |error: ResourcePolicyError| match error {
        ResourcePolicyError::Malformed(why) => invalid(service, &why),
        other => Refusal::server("The policy could not be kept.", other.to_string()),
    };
    let text = match change {
        Change::Put(text) => text,
        Change::Add(statement) => {
            let mut policy = current(resources, arn);
            let sid = statement["Sid"].clone();
            let mut statements = statements(&mut policy);
            if statements.iter().any(|other| other["Sid"] == sid) {
                return Err(invalid(service, "a statement with this label exists"));
            }
            statements.push(statement);
            policy["Statement"] = Value::Array(statements);
            policy.to_string()
        }
        Change::Remove(label) => {
            let mut policy = current(resources, arn);
            let mut statements = statements(&mut policy);
            let before = statements.len();
            statements.retain(|statement| statement["Sid"] != label.as_str());
            if statements.len() == before {
                return Err(invalid(service, "there is no statement with this label"));
            }
            if statements.is_empty() {
                String::new()
            } else {
                policy["Statement"] = Value::Array(statements);
                policy.to_string()
            }
        }
    };
    if text.is_empty() {
        return resources.delete(arn).await.map_err(|error| kept(error.into()));
    }
    check(service, &text)?;
    resources.put(arn, text).await.map_err(kept)
}

fn current(resources: &ResourcePolicies, arn: &str) -> Value {
    let kept = resources
        .policy(arn)
        .and_then(|kept| serde_json::from_str(&kept.text).ok());
    kept.unwrap_or_else(|| json!({ "Version": "2012-10-17", "Statement": [] }))
}

/// Takes the statements out of a policy, which has them as a list, or as the one there is.
fn statements(policy: &mut Value) -> Vec<Value> {
    match policy["Statement"].take() {
        Value::Array(statements) => statements,
        Value::Null => vec![],
        one => vec![one],
    }
}

/// A harmless question about the same queue or topic, in the place of a call that is carried out here: its body, and in
/// `parts` its target.
pub(super) fn probe(
    request: &ApiRequest,
    body: &Bytes,
    arn: &str,
    parts: &mut http::request::Parts,
) -> Bytes {
    let document = Document::read(request.protocol(), body);
    let queue = document.as_ref().and_then(|document| document.text("QueueUrl"));
    match (request.protocol(), queue) {
        (Protocol::Query, None) => format!(
            "Action=GetTopicAttributes&Version=2010-03-31&TopicArn={}",
            hallpass_wire::percent_encode(arn)
        )
        .into(),
        (Protocol::Query, Some(url)) => format!(
            "Action=GetQueueAttributes&Version=2012-11-05&AttributeName.1=QueueArn&QueueUrl={}",
            hallpass_wire::percent_encode(url)
        )
        .into(),
        (_, url) => {
            let target = http::HeaderValue::from_static("AmazonSQS.GetQueueAttributes");
            parts.headers.insert("x-amz-target", target);
            json!({ "QueueUrl": url, "AttributeNames": ["QueueArn"] })
                .to_string()
                .into()
        }
    }
}

/// The answer to a call that was carried out here alone: none of these calls has an output.
pub(super) fn done(request: &ApiRequest, request_id: &str) -> http::Response<Body> {
    let operation = request.operation().unwrap_or_default();
    let (kind, body) = match request.protocol() {
        Protocol::Query => (
            "text/xml",
            format!(
                "<{operation}Response><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
            ),
        ),
        Protocol::Json10 => ("application/x-amz-json-1.0", "{}".to_owned()),
        _ => ("application/x-amz-json-1.1", "{}".to_owned()),
    };
    let mut response = http::Response::new(full(body));
    let kind = http::HeaderValue::from_static(kind);
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

/// Puts the policy kept here into the answer about a queue's or topic's attributes.
///
/// # Errors
/// [`Refusal`] when the answer cannot be read.
pub(super) async fn tell(
    response: http::Response<Body>,
    policy: Option<&str>,
    service: &str,
) -> Result<http::Response<Body>, Refusal> {
    let Some(policy) = policy else { return Ok(response) };
    rewrite(response, |text, is_json| {
        if is_json {
            let mut value: Value = serde_json::from_str(text).ok()?;
            value["Attributes"]["Policy"] = json!(policy);
            return Some(value.to_string());
        }
        let escaped = policy
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        if service == "sqs" {
            let attribute = format!("<Attribute><Name>Policy</Name><Value>{escaped}</Value></Attribute>");
            return Some(text.replacen(
                "</GetQueueAttributesResult>",
                &(attribute + "</GetQueueAttributesResult>"),
                1,
            ));
        }
        let without = without_entry(text, "Policy");
        let entry = format!("<entry><key>Policy</key><value>{escaped}</value></entry>");
        Some(without.replacen("</Attributes>", &(entry + "</Attributes>"), 1))
    })
    .await
}

/// `text` without the `<entry>` of this key.
fn without_entry(text: &str, key: &str) -> String {
    let Some(at) = text.find(&format!("<key>{key}</key>")) else {
        return text.to_owned();
    };
    let (before, after) = text.split_at(at);
    match (before.rfind("<entry>"), after.find("</entry>")) {
        (Some(start), Some(end)) => {
            let kept = before.get(..start).unwrap_or_default();
            let rest = after.get(end + "</entry>".len()..).unwrap_or_default();
            format!("{kept}{rest}")
        }
        _ => text.to_owned(),
    }
}

/// Whether an answer names queues by URL, which clients may call: it must be ours, not the upstream's.
pub(super) fn names_queues(request: &ApiRequest) -> bool {
    request.service() == "sqs"
        && matches!(
            request.operation(),
            Some("CreateQueue" | "GetQueueUrl" | "ListQueues" | "ListDeadLetterSourceQueues")
        )
}

/// Puts our address (`http://host:port`) in the place of the upstream's in the URLs of queues.
///
/// # Errors
/// [`Refusal`] when the answer cannot be read.
pub(super) async fn move_queues(
    response: http::Response<Body>,
    to: &str,
) -> Result<http::Response<Body>, Refusal> {
    rewrite(response, |text, is_json| {
        if is_json {
            let mut value: Value = serde_json::from_str(text).ok()?;
            for name in ["QueueUrl", "QueueUrls", "queueUrls"] {
                match value.get_mut(name) {
                    Some(Value::String(url)) => *url = moved(url, to),
                    Some(Value::Array(urls)) => {
                        for url in urls {
                            if let Some(text) = url.as_str() {
                                *url = json!(moved(text, to));
                            }
                        }
                    }
                    _ => {}
                }
            }
            return Some(value.to_string());
        }
        let pieces: Vec<String> = text
            .split("<QueueUrl>")
            .enumerate()
            .map(|(number, piece)| {
                if number == 0 {
                    piece.to_owned()
                } else {
                    moved(piece, to)
                }
            })
            .collect();
        Some(pieces.join("<QueueUrl>"))
    })
    .await
}

/// `http://elsewhere/1/q…` with another address in front.
fn moved(url: &str, to: &str) -> String {
    let path = url
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
    path.map_or_else(|| url.to_owned(), |path| format!("{to}{path}"))
}

async fn rewrite(
    response: http::Response<Body>,
    edit: impl FnOnce(&str, bool) -> Option<String>,
) -> Result<http::Response<Body>, Refusal> {
    if !response.status().is_success() {
        return Ok(response);
    }
    let unreadable = |why: String| Refusal::server("The upstream's answer could not be read.", why);
    let (mut head, body) = response.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let bytes = body.map_err(|error| unreadable(error.to_string()))?.to_bytes();
    let kind = head
        .headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.contains("json"));
    let text = std::str::from_utf8(&bytes).map_err(|error| unreadable(error.to_string()))?;
    let edited = edit(text, is_json).ok_or_else(|| unreadable("not the document it should be".to_owned()))?;
    head.headers.remove(http::header::CONTENT_LENGTH);
    // Checksums of what it was.
    head.headers.remove("x-amz-crc32");
    Ok(http::Response::from_parts(head, full(edited)))
}
