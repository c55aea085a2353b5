mod line;

use hallpass_types::UnixSeconds;
use line::line;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who acted (`userIdentity`; CloudTrail User Guide, "userIdentity element"). In the order of the names as written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// The key that signed; presented ones are kept even when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The principal's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The principal's ARN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// For the bearer of an identity provider's token: the provider's ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_provider: Option<String>,
    /// The service that called, e.g. `ec2.amazonaws.com`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invoked_by: Option<String>,
    /// `AIDA…`, `AROA…:session`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal_id: Option<String>,
    /// For sessions: where they come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_context: Option<SessionContext>,
    /// `IAMUser`, `AssumedRole`, `Root`, `AWSService`, `AWSAccount`, or `Unknown` before authentication.
    #[serde(rename = "type")]
    pub kind: String,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
}

/// Where a session comes from (`sessionContext`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionContext {
    /// creationDate, mfaAuthenticated.
    pub attributes: Value,
    /// The role (or user) behind the session: type, principalId, arn, accountId, userName.
    pub session_issuer: Value,
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

impl Record {
    /// The record in CloudTrail's layout, one line of JSON without the line feed.
    #[must_use]
    pub fn to_json(&self) -> String {
        line(self)
    }
}

#[cfg(test)]
mod tests;
