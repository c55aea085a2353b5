//! The checkpoints of a log, each judged; what the good ones signed for.

use super::{CannotVerify, Report};
use crate::checkpoint::{self, Stored};
use crate::digest::SIGNATURE_ALGORITHM;
use crate::keys::{PublicKey, public_keys};
use std::collections::BTreeMap;
use std::path::Path;

/// A head of the chain that somebody signed for.
pub(super) struct SignedHead {
    pub(super) n: u64,
    pub(super) hash: String,
    pub(super) file: String,
    pub(super) time: String,
}

#[derive(Default)]
pub(super) struct SignedHeads(BTreeMap<u64, SignedHead>);

impl SignedHeads {
    pub(super) fn load(
        folder: &Path,
        trusted: Option<&[String]>,
        report: &mut Report,
    ) -> Result<Self, CannotVerify> {
        let keys = public_keys(folder)?;
        let mut heads = Self::default();
        let mut before: Option<Stored> = None;
        let mut expected = 1;
        for (number, path) in checkpoint::paths(folder)? {
            let name = format!(
                "checkpoints/{}",
                path.file_name().unwrap_or_default().to_string_lossy()
            );
            if number != expected {
                let missing = format!("{} checkpoints before this one are missing", number - expected);
                report.find(&name, 0, missing);
                before = None;
            }
            expected = number + 1;
            let stored = match checkpoint::read(number, &path) {
                Ok(stored) => stored,
                Err(error) => {
                    report.find(&name, 0, error.to_string());
                    before = None;
                    continue;
                }
            };
            match judge(&stored, before.as_ref(), &keys, trusted) {
                Err(what) => report.find(&name, 0, what),
                Ok(()) => {
                    report.checkpoints += 1;
                    let key = &stored.digest.digest_public_key_fingerprint;
                    if !report.keys.contains(key) {
                        report.keys.push(key.clone());
                    }
                    if let Some(head) = &stored.digest.hallpass_chain {
                        let time = stored.digest.digest_end_time.clone();
                        report.signed = head.n;
                        report.signed_at = Some(time.clone());
                        let head = SignedHead {
                            n: head.n,
                            hash: head.hash.clone(),
                            file: name,
                            time,
                        };
                        heads.0.insert(head.n, head);
                    }
                }
            }
            before = Some(stored);
        }
        Ok(heads)
    }

    pub(super) fn at(&self, n: u64) -> Option<&SignedHead> {
        self.0.get(&n)
    }

    pub(super) fn newest(&self) -> Option<&SignedHead> {
        self.0.last_key_value().map(|(_, head)| head)
    }
}

fn judge(
    stored: &Stored,
    before: Option<&Stored>,
    keys: &[PublicKey],
    trusted: Option<&[String]>,
) -> Result<(), String> {
    let digest = &stored.digest;
    let fingerprint = &digest.digest_public_key_fingerprint;
    let key = keys
        .iter()
        .find(|key| key.fingerprint == *fingerprint && key.is_itself())
        .ok_or_else(|| format!("signed with the key {fingerprint}, which is not one of this log's"))?;
    if trusted.is_some_and(|trusted| !trusted.contains(fingerprint)) {
        return Err(format!("signed with the key {fingerprint}, which is not trusted"));
    }
    let text = digest.string_to_sign(&stored.signed.text);
    if digest.digest_signature_algorithm != SIGNATURE_ALGORITHM
        || !key.signed(text.as_bytes(), &stored.signed.signature)
    {
        return Err("its signature is wrong: the checkpoint was changed".to_owned());
    }
    let object = format!("checkpoints/{:010}.json", stored.number);
    if digest.digest_s3_object != object {
        return Err(format!(
            "it is the checkpoint {}, moved here",
            digest.digest_s3_object
        ));
    }
    // The first one, and one whose predecessor is missing or unreadable, have nothing to be compared with.
    if let Some(before) = before {
        let previous = before.digest.as_previous(&before.signed);
        if digest.previous_digest_signature.as_ref() != Some(&previous.signature)
            || digest.previous_digest_hash_value.as_ref() != Some(&previous.hash)
        {
            let name = before.path.file_name().unwrap_or_default().to_string_lossy();
            return Err(format!("it was signed behind another checkpoint than {name}"));
        }
    } else if stored.number == 1 && digest.previous_digest_signature.is_some() {
        return Err("it is not the first checkpoint that was signed".to_owned());
    }
    Ok(())
}
