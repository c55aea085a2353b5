use super::event::{Meaning, meaning};
use super::*;
use serde_json::json;

fn s3(name: &str, more: Value) -> Value {
    let mut record = json!({ "eventSource": "s3.amazonaws.com", "eventName": name,
        "requestParameters": { "bucketName": "b", "key": "k" } });
    let (Value::Object(record_map), Value::Object(more)) = (&mut record, more) else {
        panic!("objects");
    };
    record_map.extend(more);
    record
}

fn actions(list: &[(&str, Option<&str>)]) -> Meaning {
    let list = list.iter();
    Meaning::Actions(
        list.map(|(action, on)| ((*action).to_owned(), on.map(str::to_owned)))
            .collect(),
    )
}

#[test]
fn records_stand_for_actions() {
    let object = Some("arn:aws:s3:::b/k");
    let authorized = |list: Value| json!({ "additionalEventData": { "hallpass": { "authorized": list } } });
    for (record, expected) in [
        (s3("GetObject", json!({})), actions(&[("s3:GetObject", object)])),
        (s3("HeadObject", json!({})), actions(&[("s3:GetObject", object)])),
        (
            s3("ListObjectsV2", json!({})),
            actions(&[("s3:ListBucket", Some("arn:aws:s3:::b"))]),
        ),
        (
            s3("ListBuckets", json!({})),
            actions(&[("s3:ListAllMyBuckets", Some("*"))]),
        ),
        (
            s3("GetObject", json!({ "errorCode": "AccessDenied" })),
            Meaning::Nothing,
        ),
        (
            s3("GetObject", json!({ "errorCode": "NoSuchKey" })),
            actions(&[("s3:GetObject", object)]),
        ),
        (
            s3("Frobnicate", json!({})),
            Meaning::Unknown("s3:Frobnicate".to_owned()),
        ),
        // What was authorized counts more than the call's name, even if it failed later.
        (
            s3(
                "Copy",
                authorized(
                    json!([{ "action": "s3:getobject", "resource": "r" }, { "action": "s3:PutObject" }]),
                ),
            ),
            actions(&[("s3:GetObject", Some("r")), ("s3:PutObject", None)]),
        ),
        (
            s3("GetObject", json!({ "additionalEventData": { "hallpass": {} } })),
            Meaning::Nothing,
        ),
        (
            json!({ "eventSource": "lambda.amazonaws.com", "eventName": "GetFunction20150331v2",
                    "resources": [{ "ARN": "arn:aws:lambda:eu-west-1:1:function:f" }, { "ARN": "arn:aws:s3:::b" }] }),
            actions(&[(
                "lambda:GetFunction",
                Some("arn:aws:lambda:eu-west-1:1:function:f"),
            )]),
        ),
        (
            json!({ "eventSource": "iam.amazonaws.com", "eventName": "GetRole" }),
            actions(&[("iam:GetRole", None)]),
        ),
        (
            json!({ "eventSource": "sts.amazonaws.com", "eventName": "GetCallerIdentity" }),
            Meaning::Nothing,
        ),
        (json!({ "eventSource": 7 }), Meaning::Nothing),
        (json!([]), Meaning::Nothing),
    ] {
        assert_eq!(meaning(&record), expected, "{record}");
    }
}

#[test]
fn sessions_are_their_roles() {
    let role = Who::new("arn:aws:iam::123456789012:role/path/app").expect("a role");
    let user = Who::new("arn:aws:iam::123456789012:user/ana").expect("a user");
    for (arn, is_role, is_user) in [
        ("arn:aws:sts::123456789012:assumed-role/app/x", true, false),
        (
            "arn:aws:sts::123456789012:assumed-role/application/x",
            false,
            false,
        ),
        ("arn:aws:sts::999999999999:assumed-role/app/x", false, false),
        ("arn:aws:iam::123456789012:user/ana", false, true),
        ("arn:aws:iam::123456789012:user/anatol", false, false),
    ] {
        let record = json!({ "userIdentity": { "arn": arn } });
        assert_eq!(
            (role.did(&record), user.did(&record)),
            (is_role, is_user),
            "{arn}"
        );
    }
    assert!(Who::new("user/ana").is_none() && Who::new("arn:aws:s3:::b").is_none());
}

#[test]
fn files_of_both_forms_are_read_within_the_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let record = |time: &str, key: &str| {
        s3(
            "GetObject",
            json!({ "eventTime": time, "userIdentity": { "arn": "arn:aws:iam::123456789012:user/ana" },
                    "requestParameters": { "bucketName": "b", "key": key } }),
        )
    };
    let nested = folder.path().join("AWSLogs/eu-west-1");
    std::fs::create_dir_all(&nested).expect("made");
    let records =
        json!({ "Records": [record("2026-01-01T00:00:00Z", "old"), record("2026-01-02T00:00:00Z", "a")] });
    std::fs::write(nested.join("1.json"), records.to_string()).expect("written");
    let lines = format!(
        "{}\nhalf of {{\n{}",
        record("2026-01-03T00:00:00Z", "b"),
        record("2026-01-04T00:00:00Z", "new")
    );
    std::fs::write(folder.path().join("2.jsonl"), lines).expect("written");
    std::fs::write(folder.path().join("notes.txt"), "{").expect("written");
    let who = Who::new("arn:aws:iam::123456789012:user/ana").expect("a user");
    let at = |text: &str| UnixSeconds::from_rfc3339(text).ok();
    let trail = Trail::read(
        folder.path(),
        &who,
        at("2026-01-02T00:00:00Z"),
        at("2026-01-04T00:00:00Z"),
    )
    .expect("read");
    let found = trail
        .pairs()
        .filter_map(|(_, resource)| resource)
        .collect::<Vec<_>>();
    assert_eq!(found, ["arn:aws:s3:::b/a", "arn:aws:s3:::b/b"]);
    assert_eq!(trail.requests, 2);
    std::fs::write(folder.path().join("3.json"), "{").expect("written");
    assert!(Trail::read(folder.path(), &who, None, None).is_err());
}
