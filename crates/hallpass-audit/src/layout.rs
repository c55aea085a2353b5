//! CloudTrail's layout in a bucket: names of log files and digests, and what is in a log file.
//!
//! Source: CloudTrail User Guide, "CloudTrail log file examples" and "Digest file location". What stands for CloudTrail's
//! random part is made of the file's hash, so that the same records have the same name however often they are written.

use crate::Hash;
use crate::digest::LogFile;
use flate2::Compression;
use flate2::write::GzEncoder;
use hallpass_types::UnixSeconds;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Write as _;

/// Where log files and digests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Before everything else in a key, without a slash at its end; may be empty.
    pub(crate) prefix: String,
    pub(crate) region: String,
}

impl Place {
    fn under(&self, rest: &str) -> String {
        match self.prefix.trim_end_matches('/') {
            "" => rest.to_owned(),
            prefix => format!("{prefix}/{rest}"),
        }
    }

    fn log_key(&self, account: &str, time: &str, content: &[u8]) -> String {
        let Self { region, .. } = self;
        let (day, minute) = (
            folder_of(time),
            compact(time).get(..13).unwrap_or_default().to_owned(),
        );
        let mark = mark(content);
        self.under(&format!(
            "AWSLogs/{account}/CloudTrail/{region}/{day}/{account}_CloudTrail_{region}_{minute}Z_{mark}.json.gz"
        ))
    }

    /// Of the digest that ends then.
    pub(crate) fn digest_key(&self, account: &str, trail: &str, end: UnixSeconds) -> String {
        let Self { region, .. } = self;
        let (day, time) = (folder_of(&end.iso8601()), end.amz_date());
        self.under(&format!(
            "AWSLogs/{account}/CloudTrail-Digest/{region}/{day}/{account}_CloudTrail-Digest_{region}_{trail}_{region}_{time}.json.gz"
        ))
    }
}

/// `2026/01/31` of an instant in ISO 8601.
fn folder_of(time: &str) -> String {
    time.get(..10).unwrap_or_default().replace('-', "/")
}

/// `20260131T120000Z` of an instant in ISO 8601.
fn compact(time: &str) -> String {
    time.chars()
        .filter(|letter| !matches!(letter, '-' | ':'))
        .collect()
}

/// Sixteen letters and digits.
fn mark(content: &[u8]) -> String {
    const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let letter = |byte: &u8| char::from(LETTERS.get(usize::from(*byte) % 62).copied().unwrap_or(b'0'));
    Hash::of(content).0.iter().take(16).map(letter).collect()
}

/// What is compressed at the same time always comes out the same: there is no time and no name in it.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to a vector cannot fail.
    let _ = encoder.write_all(content);
    encoder.finish().unwrap_or_default()
}

/// A log file of one account.
#[derive(Debug, Clone)]
pub struct Packed {
    /// The account.
    pub account: String,
    /// Its name in the bucket.
    pub key: String,
    /// Its content, compressed.
    pub compressed: Vec<u8>,
    pub(crate) file: LogFile,
}

/// Gathers records into log files, one for each recipient account.
#[derive(Debug)]
pub struct Packer {
    place: Place,
    bucket: String,
    /// Whose the records are that no account was known for, before authentication.
    nobody: String,
    accounts: BTreeMap<String, Gathered>,
    bytes: usize,
    records: usize,
}

#[derive(Debug)]
struct Gathered {
    content: Vec<u8>,
    oldest: String,
    newest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    recipient_account_id: String,
    #[serde(default)]
    event_time: String,
}

impl Packer {
    /// For `bucket`; records without an account are `nobody`'s.
    #[must_use]
    pub fn new(bucket: &str, prefix: &str, region: &str, nobody: &str) -> Self {
        // A log that somebody doctored must not choose where files are written.
        let is_region = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let region = Some(region).filter(|region| is_region(region) && !region.is_empty());
        Self {
            place: Place {
                prefix: prefix.to_owned(),
                region: region.unwrap_or("unknown").to_owned(),
            },
            bucket: bucket.to_owned(),
            nobody: nobody.to_owned(),
            accounts: BTreeMap::new(),
            bytes: 0,
            records: 0,
        }
    }

    /// Adds a line of the log; what is no record is left out and answers false.
    pub fn add(&mut self, line: &[u8]) -> bool {
        let Ok(mut head) = serde_json::from_slice::<Head>(line) else {
            return false;
        };
        let time = UnixSeconds::from_rfc3339(&head.event_time).unwrap_or(UnixSeconds(0));
        head.event_time = time.iso8601();
        // An account's number becomes part of names.
        let is_account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        let account = match head.recipient_account_id {
            account if is_account(&account) => account,
            _ => self.nobody.clone(),
        };
        let gathered = self.accounts.entry(account).or_insert_with(|| Gathered {
            content: b"{\"Records\":[".to_vec(),
            oldest: head.event_time.clone(),
            newest: head.event_time.clone(),
        });
        if gathered.content.last() != Some(&b'[') {
            gathered.content.push(b',');
        }
        gathered.content.extend_from_slice(line);
        if head.event_time < gathered.oldest {
            gathered.oldest.clone_from(&head.event_time);
        }
        if head.event_time > gathered.newest {
            gathered.newest = head.event_time;
        }
        self.bytes += line.len();
        self.records += 1;
        true
    }

    /// How much there is: bytes before compression, and records.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.bytes, self.records)
    }

    /// The files.
    #[must_use]
    pub fn finish(self) -> Vec<Packed> {
        let Self {
            place,
            bucket,
            accounts,
            ..
        } = self;
        let pack = |(account, mut gathered): (String, Gathered)| {
            gathered.content.extend_from_slice(b"]}");
            let key = place.log_key(&account, &gathered.newest, &gathered.content);
            let file = LogFile::new(
                &bucket,
                &key,
                &gathered.content,
                &gathered.oldest,
                &gathered.newest,
            );
            Packed {
                compressed: gzip(&gathered.content),
                account,
                key,
                file,
            }
        };
        accounts.into_iter().map(pack).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn records_are_split_by_account_and_named_as_cloudtrail_does() {
        let mut packer = Packer::new("b", "p/", "eu-central-1", "999999999999");
        let line = |account: &str, time: &str| {
            format!(r#"{{"recipientAccountId":"{account}","eventTime":"{time}"}}"#).into_bytes()
        };
        assert!(packer.add(&line("123456789012", "2026-01-31T23:59:58Z")));
        assert!(packer.add(&line("", "2026-01-31T23:59:59Z")));
        assert!(packer.add(&line("../../x", "2026-01-31T23:59:59Z")));
        assert!(packer.add(&line("", "../../../x")));
        assert!(packer.add(&line("123456789012", "2026-01-31T23:58:00Z")));
        assert!(!packer.add(b"{\"torn"));
        let files = packer.finish();
        assert_eq!(files.len(), 2);
        let start = "p/AWSLogs/123456789012/CloudTrail/eu-central-1/2026/01/31/123456789012_CloudTrail_eu-central-1_20260131T2359Z_";
        assert!(files[0].key.starts_with(start), "{}", files[0].key);
        assert_eq!(files[0].key.len(), start.len() + "0123456789abcdef.json.gz".len());
        assert_eq!(files[1].account, "999999999999");
        assert!(files.iter().all(|file| !file.key.contains("..")));
        let mut doctored = Packer::new("", "", "../..", "999999999999");
        doctored.add(&line("", "2026-01-31T23:59:59Z"));
        assert!(
            doctored.finish()[0]
                .key
                .contains("/CloudTrail/unknown/2026/01/31/")
        );
        let mut text = String::new();
        flate2::read::GzDecoder::new(files[0].compressed.as_slice())
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(files[0].file.hash_value, Hash::of(text.as_bytes()).to_string());
        let parsed: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(parsed["Records"].as_array().unwrap().len(), 2);
        assert_eq!(files[0].file.oldest_event_time, "2026-01-31T23:58:00Z");
    }

    #[test]
    fn digests_are_named_as_cloudtrail_does() {
        let place = Place {
            prefix: String::new(),
            region: "eu-west-1".to_owned(),
        };
        assert_eq!(
            place.digest_key("123456789012", "t", UnixSeconds(86_400)),
            "AWSLogs/123456789012/CloudTrail-Digest/eu-west-1/1970/01/02/123456789012_CloudTrail-Digest_eu-west-1_t_eu-west-1_19700102T000000Z.json.gz"
        );
    }
}
