//! Signed checkpoints: digests without log files that say how far the chain had got.

use crate::digest::{ChainHead, Digest, Previous, Signed};
use crate::files::{make_folder, write_private};
use crate::keys::{KeyError, SigningKeys};
use crate::{AuditError, AuditLog, Mark};
use hallpass_types::UnixSeconds;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};

/// As long as records come, they are under a signature within this time.
const INTERVAL_SECONDS: i64 = 3_600;
/// Where CloudTrail's digests name a bucket.
const BUCKET: &str = "local";

/// A checkpoint could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The log could not be brought to the disk.
    #[error(transparent)]
    Log(#[from] AuditError),
    /// No signature.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file could not be read or written.
    #[error("the checkpoint `{path}`: {why}")]
    File {
        /// The file.
        path: String,
        /// The reason.
        why: String,
    },
}

/// A checkpoint as it is on the disk.
pub(crate) struct Stored {
    pub(crate) path: PathBuf,
    pub(crate) number: u64,
    pub(crate) signed: Signed,
    pub(crate) digest: Digest,
}

/// The checkpoints of one log, in its folder `checkpoints`, one file each.
pub(crate) struct Checkpoints {
    folder: PathBuf,
    account: String,
    last: Option<Last>,
}

struct Last {
    number: u64,
    previous: Previous,
    head: Option<ChainHead>,
}

impl Checkpoints {
    /// Of the log in `folder`.
    pub(crate) fn open(folder: &Path, account: &str) -> Result<Self, CheckpointError> {
        let last = match paths(folder)?.last() {
            None => None,
            Some((number, path)) => {
                let stored = read(*number, path)?;
                Some(Last {
                    number: *number,
                    previous: stored.digest.as_previous(&stored.signed),
                    head: stored.digest.hallpass_chain,
                })
            }
        };
        Ok(Self {
            folder: folder.to_owned(),
            account: account.to_owned(),
            last,
        })
    }

    /// The number of the newest record that is signed for.
    pub(crate) fn signed(&self) -> u64 {
        let head = self.last.as_ref().and_then(|last| last.head.as_ref());
        head.map_or(0, |head| head.n)
    }

    /// Whether it is time for one: an hour has passed since the last, or a day has begun.
    pub(crate) fn is_due(&self, mark: &Mark, now: UnixSeconds) -> bool {
        if mark.head.n == self.signed() {
            return false;
        }
        let Some(last) = &self.last else { return true };
        let then = UnixSeconds::from_rfc3339(&last.previous.end_time).map_or(0, |time| time.0);
        let day = last.head.as_ref().map(|head| head.day.as_str());
        day != Some(mark.day.as_str()) || (now.0 - then).abs() >= INTERVAL_SECONDS
    }

    /// Signs for all that is on the disk, unless that is signed for already.
    pub(crate) fn sign(
        &mut self,
        log: &AuditLog,
        keys: &mut SigningKeys,
        now: UnixSeconds,
    ) -> Result<(), CheckpointError> {
        let mark = log.settled()?;
        if mark.head.n == self.signed() {
            return Ok(());
        }
        let number = self.last.as_ref().map_or(0, |last| last.number) + 1;
        let object = format!("checkpoints/{number:010}.json");
        let end = now.iso8601();
        let previous = self.last.as_ref().map(|last| &last.previous);
        let start = previous.map_or(end.as_str(), |previous| previous.end_time.as_str());
        let head = ChainHead {
            n: mark.head.n,
            hash: mark.head.hash.to_string(),
            day: mark.day,
        };
        let mut digest = Digest::new(&self.account, start, &end, BUCKET, &object).after(previous);
        digest.hallpass_chain = Some(head.clone());
        let signed = digest.clone().sign(keys.signer(now)?)?;
        let path = self.folder.join(&object);
        let failed = |why: String| CheckpointError::File {
            path: path.display().to_string(),
            why,
        };
        let text = to_file(&signed).map_err(|error| failed(error.to_string()))?;
        make_folder(&self.folder.join("checkpoints")).map_err(|error| failed(error.to_string()))?;
        write_private(&path, text.as_bytes()).map_err(|error| failed(error.to_string()))?;
        self.last = Some(Last {
            number,
            previous: digest.as_previous(&signed),
            head: Some(head),
        });
        log.health().set_signed(mark.head.n);
        Ok(())
    }
}

#[derive(Serialize, Deserialize)]
struct OnDisk<'a> {
    signature: String,
    #[serde(borrow)]
    digest: &'a RawValue,
}

fn to_file(signed: &Signed) -> Result<String, serde_json::Error> {
    let digest: &RawValue = serde_json::from_str(&signed.text)?;
    let signature = signed.signature.clone();
    Ok(serde_json::to_string(&OnDisk { signature, digest })? + "\n")
}

/// A checkpoint's file, read.
pub(crate) fn read(number: u64, path: &Path) -> Result<Stored, CheckpointError> {
    let failed = |why: String| CheckpointError::File {
        path: path.display().to_string(),
        why,
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let on_disk: OnDisk<'_> = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    let digest = serde_json::from_str(on_disk.digest.get()).map_err(|error| failed(error.to_string()))?;
    Ok(Stored {
        path: path.to_owned(),
        number,
        signed: Signed {
            text: on_disk.digest.get().to_owned(),
            signature: on_disk.signature,
        },
        digest,
    })
}

/// The numbers and files of a log's checkpoints, oldest first.
pub(crate) fn paths(folder: &Path) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
    let folder = folder.join("checkpoints");
    let failed = |error: std::io::Error| CheckpointError::File {
        path: folder.display().to_string(),
        why: error.to_string(),
    };
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(failed(error)),
    };
    let mut found = vec![];
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if let Some(number) = name.strip_suffix(".json").and_then(|number| number.parse().ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tests::record;
    use crate::{Durability, Keeper, KeeperParts};
    use hallpass_types::Clock;
    use std::sync::Arc;

    #[tokio::test]
    async fn one_is_due_at_the_first_record_after_an_hour_and_when_a_day_begins() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::open(folder.path()).unwrap();
        let mut keys = SigningKeys::new(folder.path());
        let mut checkpoints = Checkpoints::open(folder.path(), "1").unwrap();
        let noon = UnixSeconds(86_400 + 43_200);
        let add = async |time: UnixSeconds| {
            log.append(&record("x", time.0), Durability::Written)
                .await
                .unwrap();
            log.mark().unwrap()
        };
        assert!(!checkpoints.is_due(&log.mark().unwrap(), noon));
        assert!(checkpoints.is_due(&add(noon).await, noon));
        checkpoints.sign(&log, &mut keys, noon).unwrap();
        assert!(
            !checkpoints.is_due(&log.mark().unwrap(), noon.plus(7_200)),
            "nothing new"
        );
        let mark = add(noon).await;
        assert!(!checkpoints.is_due(&mark, noon.plus(3_599)) && checkpoints.is_due(&mark, noon.plus(3_600)));
        assert!(
            checkpoints.is_due(&add(noon.plus(43_200)).await, noon.plus(60)),
            "another day"
        );
        assert_eq!(Checkpoints::open(folder.path(), "1").unwrap().signed(), 1);
    }

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> UnixSeconds {
            UnixSeconds(43_200)
        }
    }

    #[tokio::test]
    async fn a_keeper_signs_for_what_it_finds_and_for_what_is_left_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        for round in 1..=2 {
            let log = Arc::new(AuditLog::open(folder.path()).unwrap());
            let keeper = Keeper::open(KeeperParts {
                log: Arc::clone(&log),
                clock: Arc::new(Noon),
                account: "123456789012".to_owned(),
                region: "eu-central-1".to_owned(),
                shipping: None,
            });
            log.append(&record("x", 43_200), Durability::Written)
                .await
                .unwrap();
            keeper.unwrap().run(std::future::ready(())).await;
            assert_eq!(crate::verify(folder.path(), None).unwrap().signed, round);
        }
        std::fs::write(folder.path().join("checkpoints/0000000002.json"), "").unwrap();
        assert!(Checkpoints::open(folder.path(), "1").is_err());
    }
}
