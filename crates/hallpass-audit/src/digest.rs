//! CloudTrail's digest files: what they say and how they are signed.
//!
//! Source: CloudTrail User Guide, "CloudTrail digest file structure" and "Custom implementations of CloudTrail log file
//! integrity validation".

use crate::Hash;
use crate::keys::{KeyError, Signer};
use serde::{Deserialize, Serialize};

/// The one algorithm CloudTrail signs with.
pub(crate) const SIGNATURE_ALGORITHM: &str = "SHA256withRSA";
const HASH_ALGORITHM: &str = "SHA-256";

/// A digest: what was delivered (or, of a checkpoint, how far the chain had got), and the digest before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Digest {
    pub(crate) aws_account_id: String,
    pub(crate) digest_start_time: String,
    pub(crate) digest_end_time: String,
    pub(crate) digest_s3_bucket: String,
    pub(crate) digest_s3_object: String,
    pub(crate) digest_public_key_fingerprint: String,
    pub(crate) digest_signature_algorithm: String,
    pub(crate) newest_event_time: Option<String>,
    pub(crate) oldest_event_time: Option<String>,
    pub(crate) previous_digest_s3_bucket: Option<String>,
    pub(crate) previous_digest_s3_object: Option<String>,
    pub(crate) previous_digest_hash_value: Option<String>,
    pub(crate) previous_digest_hash_algorithm: Option<String>,
    pub(crate) previous_digest_signature: Option<String>,
    pub(crate) log_files: Vec<LogFile>,
    /// Of a checkpoint: the chain's head. CloudTrail's have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hallpass_chain: Option<ChainHead>,
}

/// A delivered log file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogFile {
    pub(crate) s3_bucket: String,
    pub(crate) s3_object: String,
    /// Of the file's content before it was compressed.
    pub(crate) hash_value: String,
    pub(crate) hash_algorithm: String,
    pub(crate) newest_event_time: String,
    pub(crate) oldest_event_time: String,
}

impl LogFile {
    pub(crate) fn new(bucket: &str, object: &str, content: &[u8], oldest: &str, newest: &str) -> Self {
        Self {
            s3_bucket: bucket.to_owned(),
            s3_object: object.to_owned(),
            hash_value: Hash::of(content).to_string(),
            hash_algorithm: HASH_ALGORITHM.to_owned(),
            newest_event_time: newest.to_owned(),
            oldest_event_time: oldest.to_owned(),
        }
    }
}

/// The chain's head, in a digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChainHead {
    pub(crate) n: u64,
    pub(crate) hash: String,
    pub(crate) day: String,
}

/// The digest before another, as the later one names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Previous {
    pub(crate) bucket: String,
    pub(crate) object: String,
    pub(crate) hash: String,
    pub(crate) signature: String,
    pub(crate) end_time: String,
}

/// A digest's exact text and its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) text: String,
    pub(crate) signature: String,
}

impl Digest {
    /// An empty one of that span.
    pub(crate) fn new(account: &str, start: &str, end: &str, bucket: &str, object: &str) -> Self {
        Self {
            aws_account_id: account.to_owned(),
            digest_start_time: start.to_owned(),
            digest_end_time: end.to_owned(),
            digest_s3_bucket: bucket.to_owned(),
            digest_s3_object: object.to_owned(),
            digest_public_key_fingerprint: String::new(),
            digest_signature_algorithm: SIGNATURE_ALGORITHM.to_owned(),
            newest_event_time: None,
            oldest_event_time: None,
            previous_digest_s3_bucket: None,
            previous_digest_s3_object: None,
            previous_digest_hash_value: None,
            previous_digest_hash_algorithm: None,
            previous_digest_signature: None,
            log_files: vec![],
            hallpass_chain: None,
        }
    }

    /// The same behind the one before it.
    pub(crate) fn after(mut self, previous: Option<&Previous>) -> Self {
        if let Some(previous) = previous {
            self.previous_digest_s3_bucket = Some(previous.bucket.clone());
            self.previous_digest_s3_object = Some(previous.object.clone());
            self.previous_digest_hash_value = Some(previous.hash.clone());
            self.previous_digest_hash_algorithm = Some(HASH_ALGORITHM.to_owned());
            self.previous_digest_signature = Some(previous.signature.clone());
        }
        self
    }

    pub(crate) fn sign(mut self, signer: &Signer) -> Result<Signed, KeyError> {
        self.digest_public_key_fingerprint.clone_from(&signer.fingerprint);
        // A struct of texts always has a JSON form.
        let text = serde_json::to_string(&self).unwrap_or_default();
        let signature = signer.sign(self.string_to_sign(&text).as_bytes())?;
        Ok(Signed { text, signature })
    }

    /// What is signed, of a digest with that text.
    pub(crate) fn string_to_sign(&self, text: &str) -> String {
        format!(
            "{}\n{}/{}\n{}\n{}",
            self.digest_end_time,
            self.digest_s3_bucket,
            self.digest_s3_object,
            Hash::of(text.as_bytes()),
            self.previous_digest_signature.as_deref().unwrap_or("null"),
        )
    }

    /// How the next one names this one.
    pub(crate) fn as_previous(&self, signed: &Signed) -> Previous {
        Previous {
            bucket: self.digest_s3_bucket.clone(),
            object: self.digest_s3_object.clone(),
            hash: Hash::of(signed.text.as_bytes()).to_string(),
            signature: signed.signature.clone(),
            end_time: self.digest_end_time.clone(),
        }
    }
}
