use super::*;
use crate::{EventKind, Identity, find, latest};
use hallpass_types::UnixSeconds;
use serde_json::{Map, Value};

pub(crate) fn record(id: &str, time: i64) -> Record {
    Record {
        time: UnixSeconds(time),
        kind: EventKind::Management,
        source: "iam.amazonaws.com".into(),
        name: "CreateRole".into(),
        region: "eu-central-1".into(),
        source_ip: "127.0.0.1".into(),
        user_agent: Some("a\nb".repeat(1_000)),
        identity: Identity {
            kind: "Root".into(),
            ..Identity::default()
        },
        error_code: None,
        error_message: None,
        request_parameters: Value::Null,
        response_elements: Value::Null,
        resources: vec![],
        read_only: false,
        request_id: id.into(),
        event_id: format!("e-{id}"),
        account: "123456789012".into(),
        bytes: None,
        detail: Map::new(),
    }
}

#[tokio::test]
async fn a_record_is_found_by_its_request_id_across_days_and_never_spans_lines() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::open(folder.path()).unwrap();
    log.append(&record("first", 86_400), Durability::Synced)
        .await
        .unwrap();
    log.append(&record("second", 86_400 * 2), Durability::Written)
        .await
        .unwrap();
    let text = std::fs::read_to_string(folder.path().join("1970-01-02.jsonl")).unwrap();
    assert_eq!(text.lines().count(), 1, "a client's line feeds stay escaped");
    assert!(text.len() < 3_000, "client texts are cut");
    let found = find(folder.path(), "first").unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["eventName"], "CreateRole");
    let ids: Vec<_> = latest(folder.path(), 10)
        .unwrap()
        .iter()
        .map(|r| r["requestID"].clone())
        .collect();
    assert_eq!(ids, ["first", "second"]);
}

#[tokio::test]
async fn half_a_line_left_by_a_crash_costs_no_other_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1970-01-02.jsonl");
    std::fs::write(&path, "{\"requestID\":\"cut").unwrap();
    let log = AuditLog::open(folder.path()).unwrap();
    log.append(&record("after", 86_400), Durability::Synced)
        .await
        .unwrap();
    assert_eq!(find(folder.path(), "after").unwrap().len(), 1);
    assert_eq!(
        latest(folder.path(), 10).unwrap().len(),
        1,
        "the half line is skipped, not fatal"
    );
}

#[tokio::test]
async fn many_at_once_all_arrive() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(AuditLog::open(folder.path()).unwrap());
    let tasks: Vec<_> = (0..300)
        .map(|number| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                log.append(&record(&number.to_string(), 0), Durability::Synced)
                    .await
                    .unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(latest(folder.path(), 1_000).unwrap().len(), 300);
}

#[tokio::test]
async fn the_log_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("audit");
    let log = AuditLog::open(&inside).unwrap();
    log.append(&record("x", 0), Durability::Written).await.unwrap();
    assert_eq!(
        std::fs::metadata(&inside).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let file = std::fs::metadata(inside.join("1970-01-01.jsonl")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}
