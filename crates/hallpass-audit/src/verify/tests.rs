use super::*;
use crate::checkpoint::Checkpoints;
use crate::keys::SigningKeys;
use crate::log::tests::record;
use crate::{AuditLog, Durability};
use hallpass_types::UnixSeconds;
use std::io::Write as _;

const DAY: i64 = 86_400;

/// Three days with four records each, a checkpoint after each day, two restarts.
async fn log() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for day in 1..=3 {
        let log = AuditLog::open(folder.path()).unwrap();
        let mut checkpoints = Checkpoints::open(folder.path(), "123456789012").unwrap();
        for number in 0..4 {
            let record = record(&format!("d{day}r{number}"), day * DAY + number);
            log.append(&record, Durability::Written).await.unwrap();
        }
        let now = UnixSeconds(day * DAY + 100);
        checkpoints
            .sign(&log, &mut SigningKeys::new(folder.path()), now)
            .unwrap();
    }
    folder
}

fn file(folder: &tempfile::TempDir, day: i64) -> std::path::PathBuf {
    folder.path().join(format!("1970-01-0{}.jsonl", day + 1))
}

fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn put(path: &Path, lines: &[String]) {
    std::fs::write(path, lines.join("\n") + "\n").unwrap();
}

fn found(folder: &tempfile::TempDir) -> Vec<String> {
    let report = verify(folder.path(), None).unwrap();
    let show = |finding: &Finding| format!("{}:{} {}", finding.file, finding.line, finding.what);
    report.findings.iter().map(show).collect()
}

#[track_caller]
fn check(folder: &tempfile::TempDir, place: &str, word: &str) {
    let found = found(folder);
    assert!(
        found
            .iter()
            .any(|finding| finding.starts_with(place) && finding.contains(word)),
        "wanted {place} {word}, found {found:?}"
    );
}

#[tokio::test]
async fn a_log_across_days_and_restarts_is_whole() {
    let folder = log().await;
    let report = verify(folder.path(), None).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!((report.records, report.checkpoints, report.signed), (12, 3, 12));
    assert_eq!(report.chained_from, Some(("1970-01-02.jsonl".to_owned(), 1)));
    assert_eq!(report.keys.len(), 1);
    assert_eq!(verify(folder.path(), Some(&report.keys)).unwrap().findings, []);
    let foreign = verify(folder.path(), Some(&["00".repeat(16)])).unwrap();
    assert!(foreign.findings[0].what.contains("not trusted"));
}

#[tokio::test]
async fn a_changed_record_is_named() {
    let folder = log().await;
    let path = file(&folder, 1);
    let mut text = lines(&path);
    text[1] = text[1].replace("CreateRole", "DeleteRole");
    put(&path, &text);
    check(&folder, "1970-01-02.jsonl:2", "record 2 was changed");
}

#[tokio::test]
async fn a_changed_last_record_is_found_by_the_checkpoint() {
    let folder = log().await;
    let path = file(&folder, 3);
    let mut text = lines(&path);
    text[3] = text[3].replace("CreateRole", "DeleteRole");
    put(&path, &text);
    check(&folder, "1970-01-04.jsonl:4", "not the one that checkpoint");
}

#[tokio::test]
async fn a_deleted_record_is_a_gap() {
    let folder = log().await;
    let path = file(&folder, 2);
    let mut text = lines(&path);
    text.remove(1);
    put(&path, &text);
    check(&folder, "1970-01-03.jsonl:2", "record 6 is missing");
    std::fs::remove_file(&path).unwrap();
    check(&folder, "1970-01-04.jsonl:1", "records 5 to 8 are missing");
}

#[tokio::test]
async fn inserted_repeated_and_reordered_records_are_found() {
    let folder = log().await;
    let path = file(&folder, 1);
    let whole = lines(&path);
    let mut repeated = whole.clone();
    repeated.insert(2, whole[0].clone());
    put(&path, &repeated);
    check(&folder, "1970-01-02.jsonl:3", "moved, repeated or put in");

    let mut swapped = whole.clone();
    swapped.swap(1, 2);
    put(&path, &swapped);
    check(&folder, "1970-01-02.jsonl:3", "moved, repeated or put in");

    let mut inserted = whole.clone();
    inserted.insert(2, r#"{"eventName":"Innocent"}"#.to_owned());
    put(&path, &inserted);
    check(&folder, "1970-01-02.jsonl:3", "no record");
}

#[tokio::test]
async fn cuts_at_either_end_are_found() {
    let folder = log().await;
    let path = file(&folder, 3);
    let whole = lines(&path);
    put(&path, &whole[..2]);
    check(&folder, "1970-01-04.jsonl:2", "the end is cut off");
    std::fs::remove_file(&path).unwrap();
    check(&folder, "1970-01-03.jsonl:4", "the end is cut off");
    put(&path, &whole);
    assert_eq!(found(&folder), [""; 0]);

    let first = file(&folder, 1);
    let text = lines(&first);
    put(&first, &text[1..]);
    check(&folder, "1970-01-02.jsonl:1", "the beginning is cut off");
    std::fs::remove_file(&first).unwrap();
    check(&folder, "1970-01-03.jsonl:1", "records 1 to 4 are missing");
    for day in 2..=3 {
        std::fs::remove_file(file(&folder, day)).unwrap();
    }
    check(&folder, "checkpoints/", "the end is cut off");
}

#[tokio::test]
async fn swapped_days_are_found() {
    let folder = log().await;
    let (first, second) = (lines(&file(&folder, 1)), lines(&file(&folder, 2)));
    put(&file(&folder, 1), &second);
    put(&file(&folder, 2), &first);
    check(&folder, "1970-01-02.jsonl:1", "the beginning is cut off");
    check(&folder, "1970-01-03.jsonl:1", "moved");
}

#[tokio::test]
async fn changed_missing_moved_and_foreign_checkpoints_are_found() {
    let folder = log().await;
    let path = |number| folder.path().join(format!("checkpoints/000000000{number}.json"));
    let whole: Vec<_> = (1..=3)
        .map(|number| std::fs::read_to_string(path(number)).unwrap())
        .collect();
    let restore = || {
        for (number, text) in (1..=3).zip(&whole) {
            std::fs::write(path(number), text).unwrap();
        }
    };
    std::fs::write(path(2), whole[1].replace(r#""n":8"#, r#""n":7"#)).unwrap();
    check(&folder, "checkpoints/0000000002.json", "was changed");
    restore();
    std::fs::remove_file(path(2)).unwrap();
    check(&folder, "checkpoints/0000000003.json", "missing");
    restore();
    std::fs::write(path(3), &whole[1]).unwrap();
    check(&folder, "checkpoints/0000000003.json", "moved here");
    restore();

    // A whole other log, signed by another key, laid over this one.
    let other = log().await;
    let theirs = std::fs::read_to_string(other.path().join("checkpoints/0000000003.json")).unwrap();
    std::fs::write(path(3), theirs).unwrap();
    check(&folder, "checkpoints/0000000003.json", "not one of this log's");
}

#[tokio::test]
async fn a_chain_made_anew_does_not_fit_the_checkpoints() {
    let folder = log().await;
    let forged = tempfile::tempdir().unwrap();
    let log = AuditLog::open(forged.path()).unwrap();
    for number in 0..12 {
        let forgery = record(&format!("x{number}"), DAY + number);
        log.append(&forgery, Durability::Written).await.unwrap();
    }
    for day in 1..=3 {
        std::fs::remove_file(file(&folder, day)).unwrap();
    }
    std::fs::copy(forged.path().join("1970-01-02.jsonl"), file(&folder, 1)).unwrap();
    check(&folder, "1970-01-02.jsonl:12", "not the one that checkpoint");
}

#[tokio::test]
async fn half_a_line_is_a_crash_and_anything_else_is_not() {
    let folder = log().await;
    let path = file(&folder, 3);
    let append = |bytes: &[u8]| {
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(bytes).unwrap();
    };
    append(b"{\"eventVersion\":\"1.1");
    assert_eq!(found(&folder), [""; 0], "the power went and has not come back");
    let log = AuditLog::open(folder.path()).unwrap();
    for id in ["after", "later"] {
        log.append(&record(id, 4 * DAY), Durability::Written)
            .await
            .unwrap();
    }
    let report = verify(folder.path(), None).unwrap();
    assert_eq!((report.findings.len(), report.torn, report.records), (0, 1, 14));

    // The half line grows, shrinks, goes.
    let text = std::fs::read_to_string(&path).unwrap();
    for changed in [
        text.replace("\"1.1\n", "\"1.11\n"),
        text.replace("\"1.1\n", "\"1.\n"),
        text.replace("{\"eventVersion\":\"1.1\n", ""),
    ] {
        std::fs::write(&path, changed).unwrap();
        assert_eq!(found(&folder).len(), 1);
    }
}

#[tokio::test]
async fn what_was_written_before_there_were_chains_is_a_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, 1);
    std::fs::write(&path, "{\"eventID\":\"a\"}\n{\"eventID\":\"b\"}\n").unwrap();
    let log = AuditLog::open(folder.path()).unwrap();
    for number in 0..2 {
        log.append(&record("new", DAY + number), Durability::Written)
            .await
            .unwrap();
    }
    let report = verify(folder.path(), None).unwrap();
    assert_eq!(
        (report.findings.len(), report.not_chained, report.records),
        (0, 2, 2)
    );
    assert_eq!(report.chained_from, Some(("1970-01-02.jsonl".to_owned(), 3)));
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"b\"", "\"c\"")).unwrap();
    check(&folder, "1970-01-02.jsonl:3", "names another line before it");
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_found() {
    let folder = log().await;
    let mut files: Vec<_> = (1..=3).map(|day| file(&folder, day)).collect();
    files.extend((1..=3).map(|number| folder.path().join(format!("checkpoints/000000000{number}.json"))));
    for path in files {
        let whole = std::fs::read(&path).unwrap();
        // Every place would take a minute; a step that shares no factor with a line's length meets all of its parts.
        for at in (0..whole.len()).step_by(53).chain([whole.len() - 1]) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(&path, flipped).unwrap();
            let is_found = verify(folder.path(), None).map_or(true, |report| report.findings_total > 0);
            assert!(is_found, "{} byte {at}", path.display());
        }
        std::fs::write(&path, whole).unwrap();
    }
    assert_eq!(found(&folder), [""; 0]);
}
