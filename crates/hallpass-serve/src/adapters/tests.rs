use super::*;
use hallpass_agent::{CallerFacts, SystemEntropy};
use hallpass_types::UnixSeconds;
use std::os::unix::ffi::OsStringExt as _;

#[test]
fn a_program_whose_path_is_no_text_is_on_record() {
    let folder = std::env::temp_dir().join(format!("hallpass-adapters-{}", std::process::id()));
    let log = Arc::new(AuditLog::open(&folder).unwrap());
    let sink = AgentAudit::new(
        log,
        Arc::new(SystemEntropy),
        "111122223333",
        "eu-central-1",
        "i-1",
    );
    let record = sink.to_record(AgentEvent {
        time: UnixSeconds(0),
        request_id: "r".into(),
        outcome: EventOutcome::Refused {
            role: Some("app".into()),
            reason: "none".into(),
        },
        caller: Some(CallerFacts {
            uid: 7,
            user: None,
            pid: Some(9),
            exe: Some(std::ffi::OsString::from_vec(b"/tmp/\xff".to_vec()).into()),
        }),
        door: AuditDoor::MetadataV2,
        peer: "[::ffff:127.0.0.1]:5".into(),
        rule: None,
        user_agent: None,
    });
    std::fs::remove_dir_all(&folder).unwrap();
    let detail = Value::Object(record.detail);
    let expected = json!({
        "instance": "i-1", "rule": null, "door": "metadata, version 2", "uid": 7, "user": null, "pid": 9,
        "exe": "/tmp/\u{fffd}", "decision": "refused", "reason": "none",
    });
    assert_eq!(detail, expected);
    assert_eq!(record.source_ip, "127.0.0.1");
}
