use super::*;
use hallpass_agent::{CallerFacts, SystemEntropy};
use hallpass_types::UnixSeconds;
use std::os::unix::ffi::OsStringExt as _;

fn sink(name: &str) -> (AgentAudit, std::path::PathBuf) {
    let folder = std::env::temp_dir().join(format!("hallpass-adapters-{name}-{}", std::process::id()));
    let log = Arc::new(AuditLog::open(&folder).unwrap());
    let entropy = Arc::new(SystemEntropy);
    let sink = AgentAudit::new(log, entropy, "111122223333", "eu-central-1", "i-1");
    (sink, folder)
}

#[test]
fn a_program_whose_path_is_no_text_is_on_record() {
    let (sink, folder) = sink("path");
    let made = sink.made(AgentEvent {
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
    let detail = Value::Object(made.record.detail);
    let expected = json!({
        "instance": "i-1", "rule": null, "door": "metadata, version 2", "uid": 7, "user": null, "pid": 9,
        "exe": "/tmp/\u{fffd}", "decision": "refused", "reason": "none",
    });
    assert_eq!(detail, expected);
    assert_eq!(made.record.source_ip, "127.0.0.1");
}

#[test]
fn a_record_made_of_another_says_what_one_of_its_own_would() {
    let (sink, folder) = sink("again");
    let caller = CallerFacts {
        uid: 7,
        user: Some("app".into()),
        pid: Some(9),
        exe: Some("/usr/bin/app".into()),
    };
    let issued = |role: &str, key: &str, expires_at| EventOutcome::Issued {
        role: role.into(),
        access_key_id: key.into(),
        expires_at: UnixSeconds(expires_at),
        again: true,
    };
    let event = AgentEvent {
        time: UnixSeconds(1),
        request_id: "r".into(),
        outcome: issued("app", "ASIA1", 100),
        caller: Some(caller.clone()),
        door: AuditDoor::MetadataV2,
        peer: "10.0.0.1:5".into(),
        rule: Some("one".into()),
        user_agent: Some("curl".into()),
    };
    let refused = |reason: &str| EventOutcome::Refused {
        role: Some("app".into()),
        reason: reason.into(),
    };
    // One after the other: each is another in one thing.
    let mut events = vec![event.clone(), event.clone()];
    let mut then = |change: &dyn Fn(&mut AgentEvent)| {
        let mut next = event.clone();
        change(&mut next);
        events.push(next);
    };
    then(&|event| event.time = UnixSeconds(2));
    then(&|event| event.request_id = "s".into());
    then(&|event| event.peer = "10.0.0.2:5".into());
    then(&|event| event.peer = "file".into());
    then(&|event| event.door = AuditDoor::Container);
    then(&|event| event.rule = None);
    then(&|event| event.user_agent = None);
    then(&|event| event.outcome = issued("ops", "ASIA1", 100));
    then(&|event| event.outcome = issued("app", "ASIA2", 100));
    then(&|event| event.outcome = issued("app", "ASIA1", 101));
    then(&|event| event.outcome = refused("none"));
    then(&|event| event.outcome = refused("another"));
    then(&|event| event.caller = None);
    let mut by = |change: &dyn Fn(&mut CallerFacts)| {
        then(&|event| change(event.caller.as_mut().unwrap()));
    };
    by(&|caller| caller.uid = 8);
    by(&|caller| caller.user = None);
    by(&|caller| caller.pid = Some(10));
    by(&|caller| caller.exe = Some("/usr/bin/other".into()));
    let mut ids = std::collections::HashSet::new();
    for round in 0..2 {
        for event in &events {
            let made = sink.made(event.clone());
            assert!(
                ids.insert(made.record.event_id.clone()),
                "each has an id of its own"
            );
            let own = sink.to_record(event.clone(), made.record.event_id.clone());
            assert_eq!(made.record.to_json(), own.to_json(), "round {round}: {event:?}");
            sink.keep(made);
        }
    }
    assert_eq!(sink.lock().len(), MADE_MAX);
    std::fs::remove_dir_all(&folder).unwrap();
}
