//! Requests that could be read in two ways, and input of no sense.

use super::*;
use proptest::prelude::*;

#[test]
fn the_marks_of_two_protocols_are_refused() {
    let target = ("x-amz-target", &b"AmazonSQS.SendMessage"[..]);
    for headers in [
        &[
            target,
            ("content-type", JSON),
            ("x-amz-target", b"AmazonSQS.DeleteQueue"),
        ][..],
        &[target, ("content-type", FORM)],
        &[target],
        &[
            target,
            ("content-type", JSON),
            ("smithy-protocol", b"rpc-v2-cbor"),
        ],
        &[("content-type", JSON)],
    ] {
        assert!(send("sqs", "POST", "/", headers, b"{}").is_err(), "{headers:?}");
    }
    let charset = b"application/x-amz-json-1.0; charset=utf-16";
    for more in [
        ("content-type", &charset[..]),
        ("x-http-method-override", b"DELETE"),
    ] {
        let headers: Headers<'_> = &[target, more, ("content-type", JSON)];
        let headers = if more.0 == "content-type" {
            &headers[..2]
        } else {
            headers
        };
        assert!(send("sqs", "POST", "/", headers, b"{}").is_err(), "{more:?}");
    }
    let headers: Headers<'_> = &[target, ("content-type", JSON)];
    for target in [
        "/?Action=DeleteQueue",
        "/?X-Amz-Target=AmazonSQS.DeleteQueue",
        "/123456789012/q",
        "/?a=b",
    ] {
        assert!(send("sqs", "POST", target, headers, b"{}").is_err(), "{target}");
    }
    assert!(send("sqs", "GET", "/", headers, b"{}").is_err());
    // Authentication in the query is no parameter.
    assert!(send("sqs", "POST", "/?X-Amz-Signature=a", headers, b"{}").is_ok());
}

#[test]
fn a_form_has_one_action_in_one_place() {
    let headers: Headers<'_> = &[("content-type", FORM)];
    let refused = |target: &str, body: &str| send("sts", "POST", target, headers, body.as_bytes()).is_err();
    assert!(refused("/", "Action=GetCallerIdentity&Action=AssumeRole"));
    assert!(refused("/", "Action=GetCallerIdentity&action=AssumeRole"));
    assert!(refused("/?Action=GetCallerIdentity", "Action=AssumeRole"));
    assert!(refused("/?RoleArn=x", "Action=AssumeRole"));
    assert!(refused("/", "Action=AssumeRole&Tags=1&Tags.member.1.Key=k"));
    assert!(refused("/x", "Action=GetCallerIdentity"));
    assert!(!refused("/", "Action=GetCallerIdentity"));
}

#[test]
fn a_document_names_everything_once() {
    let target = "DynamoDB_20120810.GetItem";
    for body in [
        r#"{"TableName":"a","TableName":"b"}"#,
        r#"{"TableName":"a","tablename":"b"}"#,
        r#"{"TableName":"a","Key":{"k":{"S":"1","S":"2"}}}"#,
        r#"{"TableName":"a","\u0054ableName":"b"}"#,
        r#"{"TableName":"a"} {}"#,
        r#"["TableName"]"#,
        "TableName=a",
    ] {
        let error = json("dynamodb", target, body).unwrap_err();
        assert_eq!(error.code(), ("SerializationException", 400), "{body}");
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    assert!(json("dynamodb", target, &deep).is_err());
    let long = format!("{{\"a\":[{}0]}}", "0,".repeat(crate::BODY_VALUES_MAX));
    assert!(json("dynamodb", target, &long).is_err());
    let huge = " ".repeat(crate::BODY_BYTES_MAX + 1);
    assert_eq!(
        json("dynamodb", target, &huge).unwrap_err(),
        RouteError::BodyTooLarge
    );
}

#[test]
fn cbor_names_everything_once_and_ends() {
    let headers: Headers<'_> = &[("smithy-protocol", b"rpc-v2-cbor")];
    let path = "/service/GraniteServiceVersion20100801/operation/DeleteAlarms";
    for body in [
        &b"\xa2\x61a\x61x\x61a\x61y"[..],
        b"\xa1\x61a",
        b"\xa1\x61a\x61x\x00",
        b"\xbf\x61a\x61x",
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x61a\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xa1\x01\x02",
        &[0x81; 300],
    ] {
        assert!(
            send("monitoring", "POST", path, headers, body).is_err(),
            "{body:?}"
        );
    }
}

#[test]
fn paths_that_climb_or_hide_segments_are_refused() {
    for path in [
        "/2015-03-31/functions/../functions/f/invocations",
        "/2015-03-31//functions/f/invocations",
        "/2015-03-31/functions/%2e%2e/invocations",
        "/2015-03-31/functions/a%2F..%2Fb/invocations",
        "/2015-03-31/functions/%2F%2F/invocations",
        "/2015-03-31/functions/%zz/invocations",
        "/2015-03-31/functions/%00/invocations",
        "/2015-03-31/functions//invocations",
    ] {
        assert_eq!(
            rest("lambda", "POST", path, "").unwrap_err(),
            RouteError::Uri,
            "{path}"
        );
    }
    // Decoded once: this is a name with a percent sign, and no function has one.
    let twice = rest("lambda", "POST", "/2015-03-31/functions/a%252Fb/invocations", "");
    assert_eq!(told(twice), "lambda:InvokeFunction ?");
}

#[test]
fn a_query_parameter_that_tells_operations_apart_is_given_once_and_known() {
    assert!(rest("apigateway", "POST", "/restapis?mode=import&mode=x", "{}").is_err());
    assert!(rest("apigateway", "POST", "/restapis?mode=imports", "{}").is_err());
}

#[test]
fn wildcards_of_a_request_are_no_resources() {
    for body in [
        r#"{"TableName":"*"}"#,
        r#"{"TableName":"a/index/b"}"#,
        r#"{"TableName":["a"]}"#,
        r#"{"TableName":"arn:aws:s3:::b"}"#,
        "{}",
    ] {
        assert_eq!(
            told(json("dynamodb", "DynamoDB_20120810.GetItem", body)),
            "dynamodb:GetItem ?",
            "{body}"
        );
    }
}

proptest! {
    #[test]
    fn nothing_panics(
        service in prop::sample::select(vec!["sqs", "sts", "ec2", "lambda", "monitoring", "dynamodb", "bedrock", "route53", "iam"]),
        method in prop::sample::select(vec!["GET", "POST", "PUT", "DELETE"]),
        target in "(/(service|operation|model|functions|2015-03-31|tags|%2[EF]|[a-z{}+%.]{0,4})){0,6}(\\?(Action=[A-Za-z]{0,4}|mode|[&=%a-z]{0,6}))?",
        names in prop::collection::vec(("(x-amz-target|content-type|smithy-protocol|host)", ".{0,12}"), 0..3),
        body in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let headers: Vec<(&str, &[u8])> = names.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        if let Ok(request) = send(service, method, &target, &headers, &body) {
            prop_assert!(!request.actions("us-east-1", "123456789012").is_empty());
        }
    }
}
