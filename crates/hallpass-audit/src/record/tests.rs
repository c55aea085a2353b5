use super::*;
use serde_json::json;

fn record() -> Record {
    let mut detail = Map::new();
    detail.insert("rule".to_owned(), json!("web \"one\""));
    detail.insert("exe".to_owned(), Value::Null);
    Record {
        time: UnixSeconds(1_440_938_160),
        kind: EventKind::Service,
        source: "ec2.amazonaws.com".into(),
        name: "IssueCredentials".into(),
        region: "eu-central-1".into(),
        source_ip: "::1".into(),
        user_agent: Some("ä".repeat(2_000)),
        identity: Identity {
            kind: "AssumedRole".into(),
            principal_id: Some("AROA:s".into()),
            arn: Some("arn".into()),
            account_id: Some("1".into()),
            access_key_id: Some("ASIA".into()),
            user_name: Some("u".into()),
            invoked_by: Some("i".into()),
            identity_provider: Some("p".into()),
            session_context: Some(SessionContext {
                session_issuer: json!({ "type": "Role" }),
                attributes: json!({ "mfaAuthenticated": "false" }),
                source_identity: Some("me".into()),
            }),
        },
        error_code: Some("NotAuthorized".into()),
        error_message: None,
        request_parameters: json!({ "role": "app" }),
        response_elements: Value::Null,
        resources: vec!["arn:a".into(), "arn:b".into()],
        read_only: false,
        request_id: "r".into(),
        event_id: "e".into(),
        account: "111122223333".into(),
        bytes: Some((1, Some(2))),
        detail,
    }
}

#[test]
fn names_and_their_order_are_cloudtrails_as_a_tree_has_them() {
    let text = record().to_json();
    let tree: Value = serde_json::from_str(&text).unwrap();
    // A tree's names are sorted: the same text again means that these are.
    assert_eq!(tree.to_string(), text);
    let expected = json!({
        "additionalEventData": {
            "bytesTransferredIn": 1, "bytesTransferredOut": 2,
            "hallpass": { "exe": null, "rule": "web \"one\"" },
        },
        "awsRegion": "eu-central-1", "errorCode": "NotAuthorized", "errorMessage": null,
        "eventCategory": "Management", "eventID": "e", "eventName": "IssueCredentials",
        "eventSource": "ec2.amazonaws.com", "eventTime": "2015-08-30T12:36:00Z",
        "eventType": "AwsServiceEvent", "eventVersion": "1.11", "managementEvent": true,
        "readOnly": false, "recipientAccountId": "111122223333", "requestID": "r",
        "requestParameters": { "role": "app" }, "resources": [{ "ARN": "arn:a" }, { "ARN": "arn:b" }],
        "responseElements": null, "sourceIPAddress": "::1", "userAgent": "ä".repeat(1_024),
        "userIdentity": {
            "type": "AssumedRole", "principalId": "AROA:s", "arn": "arn", "accountId": "1",
            "accessKeyId": "ASIA", "userName": "u", "invokedBy": "i", "identityProvider": "p",
            "sessionContext": {
                "sessionIssuer": { "type": "Role" }, "attributes": { "mfaAuthenticated": "false" },
                "sourceIdentity": "me",
            },
        },
    });
    assert_eq!(tree, expected);
}

#[test]
fn what_is_not_known_is_left_out() {
    let data = Record {
        kind: EventKind::Data,
        error_code: None,
        error_message: Some("unused".into()),
        user_agent: None,
        identity: Identity::default(),
        resources: vec![],
        bytes: None,
        ..record()
    };
    let tree: Value = serde_json::from_str(&data.to_json()).unwrap();
    for absent in ["errorCode", "errorMessage", "resources"] {
        assert_eq!(tree.get(absent), None, "{absent}");
    }
    assert_eq!(tree["userAgent"], Value::Null);
    assert_eq!(tree["userIdentity"], json!({ "type": "" }));
    assert_eq!(tree["additionalEventData"].as_object().unwrap().len(), 1);
    assert_eq!(
        (
            &tree["eventCategory"],
            &tree["managementEvent"],
            &tree["eventType"]
        ),
        (&json!("Data"), &json!(false), &json!("AwsApiCall"))
    );
}
