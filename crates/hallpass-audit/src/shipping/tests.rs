use super::*;
use crate::log::tests::record;
use crate::{AuditLog, Durability};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// A bucket that fails at the call with that number: before it has written, or after.
#[derive(Default)]
struct Flaky {
    objects: Mutex<BTreeMap<String, Object>>,
    calls: AtomicU32,
    fails_at: Option<(u32, bool)>,
}

impl Bucket for Flaky {
    fn put(&self, object: Object) -> Put<'_> {
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            let failing = self.fails_at.filter(|(at, _)| *at == call);
            if failing.is_none_or(|(_, has_written)| has_written) {
                self.objects.lock().unwrap().insert(object.key.clone(), object);
            }
            failing.map_or(Ok(()), |_| Err("gone".to_owned()))
        })
    }
}

fn text(object: &Object) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(object.content.as_slice())
        .read_to_string(&mut text)
        .unwrap();
    text
}

/// The request ids of all records in the bucket, sorted.
fn records(bucket: &Flaky) -> Vec<String> {
    let objects = bucket.objects.lock().unwrap();
    let logs = objects
        .values()
        .filter(|object| object.key.contains("/CloudTrail/"));
    let mut found: Vec<String> = logs
        .flat_map(|object| {
            let parsed: serde_json::Value = serde_json::from_str(&text(object)).unwrap();
            parsed["Records"].as_array().unwrap().clone()
        })
        .map(|record| record["requestID"].as_str().unwrap().to_owned())
        .collect();
    found.sort();
    found
}

fn shipper(bucket: &Arc<Flaky>, log: &AuditLog) -> Shipper {
    let parts = ShippingParts {
        bucket: Arc::clone(bucket) as Arc<dyn Bucket>,
        bucket_name: "logs".to_owned(),
        prefix: String::new(),
        trail: "hallpass".to_owned(),
        every_seconds: 300,
        every_records: 3,
        digest_seconds: 3_600,
    };
    let keys = Arc::new(Mutex::new(SigningKeys::new(log.folder())));
    Shipper::open(parts, log, "123456789012", "eu-central-1", keys).unwrap()
}

async fn add(log: &AuditLog, from: usize, to: usize) {
    for number in from..to {
        let mut record = record(&format!("r{number:02}"), 86_400 + i64::try_from(number).unwrap());
        if number % 3 == 0 {
            record.account = "210987654321".to_owned();
        }
        log.append(&record, Durability::Written).await.unwrap();
    }
}

/// Every digest is signed, names its predecessor, and every file that was delivered is in one, with its hash.
fn check_digests(bucket: &Flaky, folder: &Path) {
    let keys = crate::public_keys(folder).unwrap();
    let objects = bucket.objects.lock().unwrap();
    let mut named = vec![];
    let mut previous: BTreeMap<String, String> = BTreeMap::new();
    for object in objects.values().filter(|object| object.key.contains("Digest")) {
        let body = text(object);
        let digest: Digest = serde_json::from_str(&body).unwrap();
        let signature = &object.metadata[0].1;
        assert!(keys[0].signed(digest.string_to_sign(&body).as_bytes(), signature));
        let account = digest.aws_account_id.clone();
        assert_eq!(digest.previous_digest_signature.as_ref(), previous.get(&account));
        previous.insert(account, signature.clone());
        for file in &digest.log_files {
            let hash = crate::Hash::of(text(&objects[&file.s3_object]).as_bytes());
            assert_eq!(file.hash_value, hash.to_string());
            named.push(file.s3_object.clone());
        }
    }
    let mut logs: Vec<_> = objects
        .keys()
        .filter(|key| key.contains("/CloudTrail/"))
        .cloned()
        .collect();
    named.sort();
    logs.sort();
    assert_eq!(named, logs);
}

#[tokio::test]
async fn whatever_is_interrupted_is_done_again_and_nothing_is_lost_or_doubled() {
    // Two log files and two digests in each of two rounds: eight writes, each failing before and after.
    for fails_at in (0..8)
        .flat_map(|at| [(at, false), (at, true)])
        .map(Some)
        .chain([None])
    {
        let folder = tempfile::tempdir().unwrap();
        let log = Arc::new(AuditLog::open(folder.path()).unwrap());
        let bucket = Arc::new(Flaky {
            fails_at,
            ..Flaky::default()
        });
        let mut failures = 0;
        let mut round = 0;
        for upto in [(0, 7), (7, 12)] {
            add(&log, upto.0, upto.1).await;
            loop {
                round += 1;
                // A new one each time: nothing is remembered but what is on the disk.
                let mut shipper = shipper(&bucket, &log);
                let now = UnixSeconds(90_000 + round);
                match shipper.deliver(&log, now, true).await {
                    Ok(()) => break,
                    Err(_) => {
                        failures += 1;
                        // More has happened by the time it is tried again.
                        add(&log, 100 + failures, 101 + failures).await;
                    }
                }
            }
        }
        assert_eq!(failures, usize::from(fails_at.is_some()), "{fails_at:?}");
        let mut expected: Vec<String> = (0..12).map(|number| format!("r{number:02}")).collect();
        expected.extend((0..failures).map(|number| format!("r{}", 101 + number)));
        expected.sort();
        assert_eq!(records(&bucket), expected, "{fails_at:?}");
        check_digests(&bucket, folder.path());
    }
}

#[tokio::test]
async fn delivery_is_due_by_number_or_by_time() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(AuditLog::open(folder.path()).unwrap());
    let bucket = Arc::new(Flaky::default());
    let mut shipper = shipper(&bucket, &log);
    let now = UnixSeconds(90_000);
    assert!(!shipper.is_due(0, now));
    add(&log, 0, 1).await;
    shipper.deliver(&log, now, true).await.unwrap();
    assert!(!shipper.is_due(3, now.plus(299)), "two wait, not for long");
    assert!(shipper.is_due(4, now) && shipper.is_due(3, now.plus(300)));
    let written = bucket.calls.load(Ordering::Relaxed);
    shipper.deliver(&log, now, true).await.unwrap();
    assert_eq!(
        bucket.calls.load(Ordering::Relaxed),
        written,
        "nothing new, nothing written"
    );
}

#[tokio::test]
async fn a_log_cut_before_delivery_is_told_and_nothing_is_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(AuditLog::open(folder.path()).unwrap());
    add(&log, 0, 3).await;
    std::fs::write(folder.path().join("1970-01-02.jsonl"), "").unwrap();
    let bucket = Arc::new(Flaky::default());
    let error = shipper(&bucket, &log)
        .deliver(&log, UnixSeconds(90_000), true)
        .await
        .unwrap_err();
    assert!(error.contains("record 1 is not in the log"), "{error}");
    assert_eq!(
        ShippingState::read(folder.path()).unwrap().unwrap().error,
        Some(error)
    );
}
