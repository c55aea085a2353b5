//! How long a record takes: `cargo run --release -p hallpass-audit --example append -- [RECORDS [FOLDER]]`.
//!
//! Written ones one after another and by four tasks at once; synced ones one after another and 256 at once, which share
//! fsyncs. The folder decides what a sync costs.

use hallpass_audit::{AuditLog, Durability, EventKind, Identity, Record};
use hallpass_types::UnixSeconds;
use serde_json::{Map, json};
use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

fn record(number: usize) -> Record {
    let mut detail = Map::new();
    detail.insert(
        "allowedBy".to_owned(),
        json!(["s3:GetObject on arn:aws:s3:::demo/a/b.txt: role policy demo-bucket, DemoBucketOnly"]),
    );
    detail.insert("decision".to_owned(), json!("served"));
    detail.insert("durationMicros".to_owned(), json!(412));
    detail.insert("status".to_owned(), json!(200));
    Record {
        time: UnixSeconds(1_700_000_000),
        kind: EventKind::Data,
        source: "s3.amazonaws.com".to_owned(),
        name: "GetObject".to_owned(),
        region: "eu-central-1".to_owned(),
        source_ip: "192.0.2.7".to_owned(),
        user_agent: Some("Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux lang/python#3.13".to_owned()),
        identity: Identity {
            kind: "AssumedRole".to_owned(),
            principal_id: Some("AROA0123456789ABCDEF:i-0123456789abcdef0".to_owned()),
            arn: Some("arn:aws:sts::123456789012:assumed-role/demo/i-0123456789abcdef0".to_owned()),
            account_id: Some("123456789012".to_owned()),
            access_key_id: Some("ASIA0123456789ABCDEF".to_owned()),
            ..Identity::default()
        },
        error_code: None,
        error_message: None,
        request_parameters: json!({ "bucketName": "demo", "key": "a/b.txt" }),
        response_elements: serde_json::Value::Null,
        resources: vec!["arn:aws:s3:::demo/a/b.txt".to_owned()],
        read_only: true,
        request_id: format!("{number:016X}"),
        event_id: format!("00000000-0000-0000-0000-{number:012x}"),
        account: "123456789012".to_owned(),
        bytes: Some((0, Some(1_024))),
        detail,
    }
}

async fn run(
    log: &Arc<AuditLog>,
    records: usize,
    tasks: usize,
    durability: Durability,
) -> Result<u128, Box<dyn Error>> {
    let began = Instant::now();
    let mut running = vec![];
    for task in 0..tasks {
        let log = Arc::clone(log);
        running.push(tokio::spawn(async move {
            for number in (task..records).step_by(tasks) {
                log.append(&record(number), durability).await?;
            }
            Ok::<_, hallpass_audit::AuditError>(())
        }));
    }
    for task in running {
        task.await??;
    }
    Ok(began.elapsed().as_nanos() / records as u128)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let records: usize = args.next().map_or(Ok(200_000), |text| text.parse())?;
    let fresh = tempfile::tempdir()?;
    let folder = args.next().map_or(fresh.path().to_owned(), Into::into);
    let log = Arc::new(AuditLog::open(&folder.join("bench"))?);
    let mut out = std::io::stdout().lock();
    for (what, tasks, durability, count) in [
        ("written, one by one", 1, Durability::Written, records),
        ("written, four at once", 4, Durability::Written, records),
        ("synced, one by one", 1, Durability::Synced, records / 100),
        ("synced, 256 at once", 256, Durability::Synced, records / 4),
    ] {
        let nanos = run(&log, count.max(1), tasks, durability).await?;
        writeln!(out, "{what:<22} {nanos:>9} ns per record, {count} records")?;
    }
    Ok(())
}
