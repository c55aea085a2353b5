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

/// The last line's number, and how many there are.
fn chain(folder: &Path) -> (u64, usize) {
    let lines: Vec<Vec<u8>> = crate::oldest_first(folder)
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let last = lines.iter().rev().find_map(|line| crate::Link::of(line));
    (last.map_or(0, |link| link.n), lines.len())
}

#[tokio::test]
async fn a_line_that_lacks_only_its_line_feed_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("1970-01-02.jsonl");
    let log = AuditLog::open(folder.path()).unwrap();
    for id in ["a", "b"] {
        log.append(&record(id, 86_400), Durability::Written)
            .await
            .unwrap();
    }
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    drop(log);
    let log = AuditLog::open(folder.path()).unwrap();
    log.append(&record("c", 86_400), Durability::Written)
        .await
        .unwrap();
    assert_eq!(chain(folder.path()), (3, 3));
    assert_eq!(crate::verify(folder.path(), None).unwrap().findings, []);
}

#[tokio::test]
async fn a_clock_set_back_does_not_part_the_chain() {
    let folder = tempfile::tempdir().unwrap();
    for time in [86_400 * 3, 86_400, 86_400 * 2] {
        let log = AuditLog::open(folder.path()).unwrap();
        log.append(&record("x", time), Durability::Written).await.unwrap();
    }
    assert_eq!(chain(folder.path()), (3, 3));
    assert_eq!(crate::verify(folder.path(), None).unwrap().findings, []);
    assert!(
        folder.path().join("1970-01-04.jsonl").exists() && !folder.path().join("1970-01-02.jsonl").exists()
    );
}

/// A disk with no room: writes to this day's file fail.
fn fill(folder: &Path, day: &str) -> PathBuf {
    let path = folder.join(format!("{day}.jsonl"));
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    path
}

#[tokio::test]
async fn without_room_requests_are_refused_until_there_is_some() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::open(folder.path()).unwrap();
    log.append(&record("before", 86_400), Durability::Written)
        .await
        .unwrap();
    let full = fill(folder.path(), "1970-01-03");
    assert!(
        log.append(&record("lost", 86_400 * 2), Durability::Written)
            .await
            .is_err()
    );
    assert!(log.check(UnixSeconds(86_400 * 2)).is_err());
    std::fs::remove_file(full).unwrap();
    assert!(log.check(UnixSeconds(86_400 * 2)).is_ok());
    log.append(&record("after", 86_400 * 2), Durability::Written)
        .await
        .unwrap();
    assert_eq!(chain(folder.path()), (2, 2));
    assert_eq!(crate::verify(folder.path(), None).unwrap().findings, []);
}

#[tokio::test]
async fn what_is_lost_without_room_is_counted_and_recorded_if_so_set() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::open(folder.path()).unwrap().when_full(WhenFull::Count);
    log.append(&record("before", 86_400), Durability::Written)
        .await
        .unwrap();
    let full = fill(folder.path(), "1970-01-03");
    for id in ["lost", "lost too"] {
        assert!(log.check(UnixSeconds(86_400 * 2)).is_ok());
        log.append(&record(id, 86_400 * 2), Durability::Synced)
            .await
            .unwrap();
    }
    assert!(log.health().is_failing());
    assert_eq!(log.health().lost(), 2);
    std::fs::remove_file(full).unwrap();
    log.append(&record("after", 86_400 * 2), Durability::Written)
        .await
        .unwrap();
    assert!(!log.health().is_failing());
    let records = latest(folder.path(), 10).unwrap();
    let names: Vec<_> = records.iter().map(|record| record["eventName"].clone()).collect();
    assert_eq!(names, ["CreateRole", "RecordsLost", "CreateRole"]);
    assert_eq!(records[1]["additionalEventData"]["hallpass"]["lostRecords"], 2);
    assert_eq!(crate::verify(folder.path(), None).unwrap().findings, []);
}

#[test]
fn a_chain_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let log = AuditLog::open(folder.path()).unwrap();
    assert!(matches!(
        AuditLog::open(folder.path()),
        Err(AuditError::InUse { .. })
    ));
    drop(log);
    assert!(AuditLog::open(folder.path()).is_ok());
}
