//! etcd's messages as its gateway writes them: bytes in base 64, 64-bit numbers as text, zero and false left out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_store::{Compare, Op};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// The first key after all that begin with `prefix` (etcd API, "Key ranges").
pub(crate) fn range_end(prefix: &str) -> Vec<u8> {
    let mut end = prefix.as_bytes().to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end;
        }
    }
    // Everything.
    vec![0]
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Number {
        Text(String),
        Plain(u64),
    }
    match Number::deserialize(deserializer)? {
        Number::Text(text) => text.parse().map_err(D::Error::custom),
        Number::Plain(number) => Ok(number),
    }
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD
        .decode(String::deserialize(deserializer)?)
        .map_err(D::Error::custom)
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Header {
    #[serde(default, deserialize_with = "number")]
    pub(crate) revision: u64,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Kv {
    #[serde(default, deserialize_with = "bytes")]
    pub(crate) key: Vec<u8>,
    #[serde(default, deserialize_with = "bytes")]
    pub(crate) value: Vec<u8>,
    #[serde(default, deserialize_with = "number")]
    pub(crate) mod_revision: u64,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct RangeAnswer {
    #[serde(default)]
    pub(crate) header: Header,
    #[serde(default)]
    pub(crate) kvs: Vec<Kv>,
    #[serde(default)]
    pub(crate) more: bool,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct TxnAnswer {
    #[serde(default)]
    pub(crate) header: Header,
    #[serde(default)]
    pub(crate) succeeded: bool,
    #[serde(default)]
    pub(crate) responses: Vec<TxnResponse>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct TxnResponse {
    pub(crate) response_range: Option<RangeAnswer>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WatchLine {
    pub(crate) result: Option<WatchAnswer>,
    pub(crate) error: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct WatchAnswer {
    #[serde(default)]
    pub(crate) canceled: bool,
    #[serde(default, deserialize_with = "number")]
    pub(crate) compact_revision: u64,
    #[serde(default)]
    pub(crate) events: Vec<WatchEvent>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct WatchEvent {
    /// `DELETE`; left out for a write.
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) kv: Kv,
}

/// The error of the gateway: gRPC's number and text.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ErrorAnswer {
    #[serde(default)]
    pub(crate) code: u32,
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) error: String,
}

/// A key that has never been written has modification revision 0.
pub(crate) fn compare(compare: &Compare, name: impl Fn(&str) -> String) -> Value {
    let (key, revision) = match compare {
        Compare::Absent(key) => (key, 0),
        Compare::ModRevision(key, revision) => (key, *revision),
    };
    json!({ "target": "MOD", "result": "EQUAL", "key": encoded(name(key)), "mod_revision": revision.to_string() })
}

pub(crate) fn op(op: &Op, name: impl Fn(&str) -> String) -> Value {
    match op {
        Op::Put(key, value) => {
            json!({ "request_put": { "key": encoded(name(key)), "value": encoded(value) } })
        }
        Op::Delete(key) => json!({ "request_delete_range": { "key": encoded(name(key)) } }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_range_is_the_next_prefix() {
        assert_eq!(range_end("a/"), b"a0");
        assert_eq!(range_end(""), [0]);
    }

    #[test]
    fn an_answer_of_the_gateway_is_read() {
        // As etcd 3.4 answers.
        let text = r#"{"header":{"cluster_id":"1","member_id":"2","revision":"7","raft_term":"3"},
            "kvs":[{"key":"YQ==","create_revision":"6","mod_revision":"7","version":"1","value":"Yg=="}],"count":"1"}"#;
        let answer: RangeAnswer = serde_json::from_str(text).unwrap();
        assert_eq!(answer.header.revision, 7);
        assert_eq!(
            (answer.kvs[0].key.as_slice(), answer.kvs[0].mod_revision),
            (b"a".as_slice(), 7)
        );
        let line = r#"{"result":{"header":{"revision":"9"},"canceled":true,"compact_revision":"8"}}"#;
        let line: WatchLine = serde_json::from_str(line).unwrap();
        assert_eq!(line.result.unwrap().compact_revision, 8);
        assert!(serde_json::from_str::<RangeAnswer>(r#"{"kvs":[{"key":"?"}]}"#).is_err());
    }
}
