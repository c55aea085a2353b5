use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of CloudTrail's record layout that is written.
const EVENT_VERSION: &str = "1.11";

/// Who acted (`userIdentity`; CloudTrail User Guide, "userIdentity element").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// `IAMUser`, `AssumedRole`, `Root`, `AWSService`, `AWSAccount`, or `Unknown` before authentication.
    #[serde(rename = "type")]
    pub kind: String,
    /// `AIDA…`, `AROA…:session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
    /// The principal's ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The principal's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The key that signed; presented ones are kept even when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The service that called, e.g. `ec2.amazonaws.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoked_by: Option<String>,
    /// For the bearer of an identity provider's token: the provider's ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_provider: Option<String>,
    /// For sessions: where they come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_context: Option<SessionContext>,
}

/// Where a session comes from (`sessionContext`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionContext {
    /// The role (or user) behind the session: type, principalId, arn, accountId, userName.
    pub session_issuer: Value,
    /// creationDate, mfaAuthenticated.
    pub attributes: Value,
    /// Who is answerable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_identity: Option<String>,
}

/// What sort of event it is; decides `eventCategory`, `managementEvent`, `eventType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A control-plane call: IAM, STS, EC2, bucket configuration.
    Management,
    /// A data-plane call: objects.
    Data,
    /// Something the agent did for a local process: a credential issued or refused.
    Service,
}

/// One event, in our words; [`Record::to_json`] gives CloudTrail's.
#[derive(Debug, Clone)]
pub struct Record {
    /// When the request arrived.
    pub time: UnixSeconds,
    /// What sort of event.
    pub kind: EventKind,
    /// `s3.amazonaws.com`, `iam.amazonaws.com`, `hallpass.agent`, …
    pub source: String,
    /// `PutObject`, `CreateRole`, `IssueCredentials`, …
    pub name: String,
    /// The region asked for.
    pub region: String,
    /// Where the request came from.
    pub source_ip: String,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Who acted.
    pub identity: Identity,
    /// The error code answered, if refused or failed.
    pub error_code: Option<String>,
    /// The message answered.
    pub error_message: Option<String>,
    /// The call's parameters, without secrets.
    pub request_parameters: Value,
    /// What a successful change made, without secrets.
    pub response_elements: Value,
    /// The resources touched, by ARN.
    pub resources: Vec<String>,
    /// Whether the call could change anything.
    pub read_only: bool,
    /// The id answered to the client.
    pub request_id: String,
    /// Unique to this record.
    pub event_id: String,
    /// The account acted in.
    pub account: String,
    /// Bytes of the request's body and, where known before it is sent, of the answer's: CloudTrail's
    /// `bytesTransferredIn` and `bytesTransferredOut`.
    pub bytes: Option<(u64, Option<u64>)>,
    /// What CloudTrail has no place for: decision, statements, process, times. Goes to
    /// `additionalEventData.hallpass`.
    pub detail: Map<String, Value>,
}

/// The longest client-chosen text kept in a record, in characters.
const TEXT_CHARS_MAX: usize = 1_024;
/// Bytes that most records take.
const LINE_BYTES: usize = 2_048;

impl Record {
    /// The record in CloudTrail's layout, one line of JSON without the line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        let is_data = self.kind == EventKind::Data;
        let error = self.error_code.as_deref();
        let line = Line {
            additional_event_data: Additional {
                received: self.bytes.map(|(received, _)| received),
                sent: self.bytes.and_then(|(_, sent)| sent),
                hallpass: &self.detail,
            },
            aws_region: &self.region,
            error_code: error,
            error_message: error.map(|_| self.error_message.as_deref().map(cut)),
            event_category: if is_data { "Data" } else { "Management" },
            event_id: &self.event_id,
            event_name: &self.name,
            event_source: &self.source,
            event_time: self.time.iso8601(),
            event_type: match self.kind {
                EventKind::Service => "AwsServiceEvent",
                EventKind::Management | EventKind::Data => "AwsApiCall",
            },
            event_version: EVENT_VERSION,
            management_event: !is_data,
            read_only: self.read_only,
            recipient_account_id: &self.account,
            request_id: &self.request_id,
            request_parameters: &self.request_parameters,
            resources: self.resources.iter().map(|arn| Resource { arn }).collect(),
            response_elements: &self.response_elements,
            source_ip_address: &self.source_ip,
            user_agent: self.user_agent.as_deref().map(cut),
            user_identity: &self.identity,
        };
        let mut json = Vec::with_capacity(LINE_BYTES);
        // Into memory, from texts and JSON values: neither can fail.
        let _ = serde_json::to_writer(&mut json, &line);
        String::from_utf8(json).unwrap_or_default()
    }
}

fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(TEXT_CHARS_MAX);
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// What is written, in the order of the names. Borrowed, and written without a tree of values in between: every request
/// pays for its record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    additional_event_data: Additional<'a>,
    aws_region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<Option<&'a str>>,
    event_category: &'a str,
    #[serde(rename = "eventID")]
    event_id: &'a str,
    event_name: &'a str,
    event_source: &'a str,
    event_time: String,
    event_type: &'a str,
    event_version: &'a str,
    management_event: bool,
    read_only: bool,
    recipient_account_id: &'a str,
    #[serde(rename = "requestID")]
    request_id: &'a str,
    request_parameters: &'a Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<Resource<'a>>,
    response_elements: &'a Value,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: &'a str,
    user_agent: Option<&'a str>,
    user_identity: &'a Identity,
}

#[derive(Serialize)]
struct Additional<'a> {
    #[serde(rename = "bytesTransferredIn", skip_serializing_if = "Option::is_none")]
    received: Option<u64>,
    #[serde(rename = "bytesTransferredOut", skip_serializing_if = "Option::is_none")]
    sent: Option<u64>,
    hallpass: &'a Map<String, Value>,
}

#[derive(Serialize)]
struct Resource<'a> {
    #[serde(rename = "ARN")]
    arn: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_cloudtrail_s_and_long_texts_are_cut() {
        let detail = [("reason".to_owned(), Value::from("\"quoted\""))];
        let record = Record {
            time: UnixSeconds(1_800_000_000),
            kind: EventKind::Data,
            source: "s3.amazonaws.com".to_owned(),
            name: "GetObject".to_owned(),
            region: "eu-central-1".to_owned(),
            source_ip: "10.0.0.1".to_owned(),
            user_agent: Some("é".repeat(2_000)),
            identity: Identity {
                kind: "IAMUser".to_owned(),
                user_name: Some("ann".to_owned()),
                ..Identity::default()
            },
            error_code: Some("AccessDenied".to_owned()),
            error_message: None,
            request_parameters: Value::Null,
            response_elements: Value::Null,
            resources: vec!["arn:aws:s3:::b/k".to_owned()],
            read_only: true,
            request_id: "R".to_owned(),
            event_id: "E".to_owned(),
            account: "111122223333".to_owned(),
            bytes: Some((5, None)),
            detail: detail.into_iter().collect(),
        };
        let agent = "é".repeat(TEXT_CHARS_MAX);
        let expected = format!(
            r#"{{"additionalEventData":{{"bytesTransferredIn":5,"hallpass":{{"reason":"\"quoted\""}}}},"awsRegion":"eu-central-1","errorCode":"AccessDenied","errorMessage":null,"eventCategory":"Data","eventID":"E","eventName":"GetObject","eventSource":"s3.amazonaws.com","eventTime":"2027-01-15T08:00:00Z","eventType":"AwsApiCall","eventVersion":"1.11","managementEvent":false,"readOnly":true,"recipientAccountId":"111122223333","requestID":"R","requestParameters":null,"resources":[{{"ARN":"arn:aws:s3:::b/k"}}],"responseElements":null,"sourceIPAddress":"10.0.0.1","userAgent":"{agent}","userIdentity":{{"type":"IAMUser","userName":"ann"}}}}"#
        );
        assert_eq!(record.to_json(), expected);
    }
}
