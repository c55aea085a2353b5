//! CloudTrail's layout, written straight into the line: there is a record for each request, and a tree of values in between
//! would cost more than all the rest of it.

use crate::{EventKind, Identity, Record};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// The version of CloudTrail's record layout that is written.
const EVENT_VERSION: &str = "1.11";
/// The longest client-chosen text kept in a record, in characters.
const TEXT_CHARS_MAX: usize = 1_024;
/// What most records take.
const LINE_BYTES: usize = 1_536;

/// The fields in the order of their names, as every reader has had them so far.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    additional_event_data: Additional<'a>,
    aws_region: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<&'a str>,
    /// There, if only as null, wherever there is a code.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<Option<&'a str>>,
    event_category: &'static str,
    #[serde(rename = "eventID")]
    event_id: &'a str,
    event_name: &'a str,
    event_source: &'a str,
    event_time: String,
    event_type: &'static str,
    event_version: &'static str,
    management_event: bool,
    read_only: bool,
    recipient_account_id: &'a str,
    #[serde(rename = "requestID")]
    request_id: &'a str,
    request_parameters: &'a Value,
    #[serde(skip_serializing_if = "Resources::is_empty")]
    resources: Resources<'a>,
    response_elements: &'a Value,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: &'a str,
    user_agent: Option<&'a str>,
    user_identity: &'a Identity,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Additional<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_transferred_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_transferred_out: Option<u64>,
    hallpass: &'a Map<String, Value>,
}

struct Resources<'a>(&'a [String]);

impl Resources<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Resources<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Resource<'a> {
            #[serde(rename = "ARN")]
            arn: &'a str,
        }
        serializer.collect_seq(self.0.iter().map(|arn| Resource { arn }))
    }
}

pub(super) fn line(record: &Record) -> String {
    let is_data = record.kind == EventKind::Data;
    let line = Line {
        additional_event_data: Additional {
            bytes_transferred_in: record.bytes.map(|(received, _)| received),
            bytes_transferred_out: record.bytes.and_then(|(_, sent)| sent),
            hallpass: &record.detail,
        },
        aws_region: &record.region,
        error_code: record.error_code.as_deref(),
        error_message: (record.error_code.as_ref()).map(|_| record.error_message.as_deref().map(cut)),
        event_category: if is_data { "Data" } else { "Management" },
        event_id: &record.event_id,
        event_name: &record.name,
        event_source: &record.source,
        event_time: record.time.iso8601(),
        event_type: if record.kind == EventKind::Service {
            "AwsServiceEvent"
        } else {
            "AwsApiCall"
        },
        event_version: EVENT_VERSION,
        management_event: !is_data,
        read_only: record.read_only,
        recipient_account_id: &record.account,
        request_id: &record.request_id,
        request_parameters: &record.request_parameters,
        resources: Resources(&record.resources),
        response_elements: &record.response_elements,
        source_ip_address: &record.source_ip,
        user_agent: record.user_agent.as_deref().map(cut),
        user_identity: &record.identity,
    };
    let mut bytes = Vec::with_capacity(LINE_BYTES);
    // Neither can fail: a buffer takes everything, every name is a text, and JSON is UTF-8.
    let _ = serde_json::to_writer(&mut bytes, &line);
    String::from_utf8(bytes).unwrap_or_default()
}

fn cut(text: &str) -> &str {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((end, _)) => text.get(..end).unwrap_or_default(),
        None => text,
    }
}
