use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

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

impl Record {
    /// The record in CloudTrail's layout, one line of JSON without the line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        let cut = |text: &str| text.chars().take(TEXT_CHARS_MAX).collect::<String>();
        let is_data = self.kind == EventKind::Data;
        let mut additional = json!({ "hallpass": self.detail });
        if let Some((received, sent)) = self.bytes {
            additional["bytesTransferredIn"] = json!(received);
            if let Some(sent) = sent {
                additional["bytesTransferredOut"] = json!(sent);
            }
        }
        let mut record = json!({
            "eventVersion": EVENT_VERSION,
            "userIdentity": self.identity,
            "eventTime": self.time.iso8601(),
            "eventSource": self.source,
            "eventName": self.name,
            "awsRegion": self.region,
            "sourceIPAddress": self.source_ip,
            "userAgent": self.user_agent.as_deref().map(cut),
            "requestParameters": self.request_parameters,
            "responseElements": self.response_elements,
            "additionalEventData": additional,
            "requestID": self.request_id,
            "eventID": self.event_id,
            "readOnly": self.read_only,
            "eventType": if self.kind == EventKind::Service { "AwsServiceEvent" } else { "AwsApiCall" },
            "managementEvent": !is_data,
            "recipientAccountId": self.account,
            "eventCategory": if is_data { "Data" } else { "Management" },
        });
        if let Some(record) = record.as_object_mut() {
            if let Some(code) = &self.error_code {
                record.insert("errorCode".to_owned(), json!(code));
                record.insert(
                    "errorMessage".to_owned(),
                    json!(self.error_message.as_deref().map(cut)),
                );
            }
            if !self.resources.is_empty() {
                let resources: Vec<_> = self.resources.iter().map(|arn| json!({ "ARN": arn })).collect();
                record.insert("resources".to_owned(), json!(resources));
            }
        }
        record.to_string()
    }
}
