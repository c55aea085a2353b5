//! One request of each protocol, and what tells them apart.

use super::*;

#[test]
fn json_is_told_by_its_target() {
    let request = json(
        "sqs",
        "AmazonSQS.SendMessage",
        r#"{"QueueUrl":"https://sqs.us-east-1.amazonaws.com/111122223333/q"}"#,
    )
    .unwrap();
    assert_eq!(request.operation(), Some("SendMessage"));
    assert_eq!(
        (
            request.service(),
            request.endpoint_prefix(),
            request.action_prefix()
        ),
        ("sqs", "sqs", "sqs")
    );
    assert_eq!(request.protocol(), Protocol::Json10);
    assert!(request.is_write() && request.is_data_event() && request.buffers_body());
    let streams = json("dynamodb", "DynamoDBStreams_20120810.ListStreams", "{}").unwrap();
    assert_eq!(streams.endpoint_prefix(), "streams.dynamodb");
    assert!(!streams.is_write());
}

#[test]
fn query_is_told_by_its_form_and_its_url() {
    let request = form(
        "sts",
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::111122223333:role/a/b&RoleSessionName=s",
    )
    .unwrap();
    assert_eq!(
        (request.operation(), request.protocol()),
        (Some("AssumeRole"), Protocol::Query)
    );
    assert_eq!(
        told(Ok(request)),
        "sts:AssumeRole arn:aws:iam::111122223333:role/a/b"
    );
    let request = rest("sts", "GET", "/?Action=GetCallerIdentity&Version=2011-06-15", "").unwrap();
    assert_eq!(request.operation(), Some("GetCallerIdentity"));
    let unread = route(&ApiHead {
        service: "sns",
        method: "POST",
        path: "/",
        query: None,
        headers: &[("content-type", FORM)],
    })
    .unwrap();
    assert_eq!(
        (unread.operation(), unread.is_write(), unread.buffers_body()),
        (None, true, true)
    );
    assert_eq!(told(Ok(unread)), "sns:ActionNotRead ?");
    // The version tells which load balancers are meant.
    let classic = form(
        "elasticloadbalancing",
        "Action=DescribeLoadBalancers&Version=2012-06-01",
    )
    .unwrap();
    assert_eq!(classic.operation(), Some("DescribeLoadBalancers"));
    // Neptune and DocumentDB are RDS to IAM.
    assert_eq!(
        form("rds", "Action=DescribeDBClusters&Version=2014-10-31")
            .unwrap()
            .action_prefix(),
        "rds"
    );
}

#[test]
fn ec2_is_a_query_of_its_own_kind() {
    let request = form("ec2", "Action=DescribeInstances&Version=2016-11-15").unwrap();
    assert_eq!(request.protocol(), Protocol::Ec2);
    assert!(!request.is_write());
    assert_eq!(told(Ok(request)), "ec2:DescribeInstances *");
}

#[test]
fn rest_is_told_by_method_path_and_query() {
    let request = rest(
        "lambda",
        "POST",
        "/2015-03-31/functions/f/invocations",
        "\0not json",
    )
    .unwrap();
    assert_eq!(
        (request.operation(), request.protocol()),
        (Some("Invoke"), Protocol::RestJson)
    );
    assert!(!request.buffers_body() && request.is_data_event());
    let request = rest("route53", "GET", "/2013-04-01/hostedzone/Z1", "").unwrap();
    assert_eq!(
        (request.operation(), request.protocol()),
        (Some("GetHostedZone"), Protocol::RestXml)
    );
    // A slash at the end means nothing, a query parameter can mean another operation.
    assert_eq!(
        rest("lambda", "GET", "/2015-03-31/functions", "")
            .unwrap()
            .operation(),
        Some("ListFunctions")
    );
    assert_eq!(
        rest("apigateway", "POST", "/restapis", "{}").unwrap().operation(),
        Some("CreateRestApi")
    );
    assert_eq!(
        rest("apigateway", "POST", "/restapis?mode=import", "{}")
            .unwrap()
            .operation(),
        Some("ImportRestApi")
    );
    let portal = "/portals/arn:aws:workspaces-web:us-east-1:123456789012:portal%2Fx";
    let associate = rest(
        "workspaces-web",
        "PUT",
        &format!(
            "{portal}/browserSettings?browserSettingsArn=arn:aws:workspaces-web:us-east-1:123456789012:browserSettings/b"
        ),
        "",
    );
    assert_eq!(associate.unwrap().operation(), Some("AssociateBrowserSettings"));
    assert_eq!(
        rest("workspaces-web", "GET", portal, "").unwrap().operation(),
        Some("GetPortal")
    );
}

#[test]
fn services_of_one_signing_name_are_told_apart() {
    for (method, path, prefix, operation) in [
        ("POST", "/model/m/invoke", "bedrock-runtime", "InvokeModel"),
        ("GET", "/foundation-models", "bedrock", "ListFoundationModels"),
        ("POST", "/agents/", "bedrock-agent", "ListAgents"),
        (
            "POST",
            "/agents/a/agentAliases/b/sessions/c/text",
            "bedrock-agent-runtime",
            "InvokeAgent",
        ),
    ] {
        let request = rest("bedrock", method, path, "{}").unwrap();
        assert_eq!(
            (request.endpoint_prefix(), request.operation()),
            (prefix, Some(operation))
        );
        assert_eq!(request.action_prefix(), "bedrock");
    }
    // Two models of Chime have settings, at different hosts; only the host tells.
    assert_eq!(
        rest("chime", "GET", "/settings", "").unwrap_err(),
        RouteError::Ambiguous
    );
    let host: Headers<'_> = &[("host", b"voice-chime.us-east-1.amazonaws.com")];
    assert_eq!(
        send("chime", "GET", "/settings", host, b"")
            .unwrap()
            .endpoint_prefix(),
        "voice-chime"
    );
}

#[test]
fn cbor_is_told_by_its_path() {
    let headers: Headers<'_> = &[
        ("smithy-protocol", b"rpc-v2-cbor"),
        ("content-type", b"application/cbor"),
    ];
    let path = "/service/GraniteServiceVersion20100801/operation/DeleteAlarms";
    // {"AlarmNames": ["a", "b"]}, the list of indefinite length.
    let body = b"\xa1\x6aAlarmNames\x9f\x61a\x61b\xff";
    let request = send("monitoring", "POST", path, headers, body).unwrap();
    assert_eq!(
        (request.protocol(), request.endpoint_prefix()),
        (Protocol::Cbor, "monitoring")
    );
    assert_eq!(
        told(Ok(request)),
        "cloudwatch:DeleteAlarms arn:aws:cloudwatch:R:A:alarm:a, cloudwatch:DeleteAlarms arn:aws:cloudwatch:R:A:alarm:b"
    );
    // {"Namespace": "N"}
    let put = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
    let request = send("monitoring", "POST", put, headers, b"\xbf\x69Namespace\x61N\xff");
    assert_eq!(keys(request), "cloudwatch:namespace=N");
}

#[test]
fn what_no_model_knows_is_refused() {
    for (error, code) in [
        (
            rest("nothing", "GET", "/", "").unwrap_err(),
            ("UnknownOperationException", 404),
        ),
        (
            json("sqs", "AmazonSQS.SendMassage", "{}").unwrap_err(),
            ("UnknownOperationException", 400),
        ),
        (
            json("sqs", "DynamoDB_20120810.GetItem", "{}").unwrap_err(),
            ("UnknownOperationException", 400),
        ),
        (
            form("sts", "Action=AssumeRoll").unwrap_err(),
            ("InvalidAction", 400),
        ),
        (form("sts", "RoleArn=x").unwrap_err(), ("MissingAction", 400)),
        (
            rest("lambda", "PATCH", "/2015-03-31/functions", "").unwrap_err(),
            ("UnknownOperationException", 404),
        ),
        (
            rest("dynamodb", "POST", "/", "{}").unwrap_err(),
            ("UnknownOperationException", 400),
        ),
    ] {
        assert_eq!(error.code(), code);
    }
    assert!(crate::knows_service("monitoring") && crate::knows_service("execute-api"));
    assert!(!crate::knows_service("s3") && !crate::knows_service("cloudwatches"));
}

#[test]
fn operations_with_a_stream_of_events_are_known_and_read_nothing_of_it() {
    for (service, target, action) in [
        (
            "transcribe",
            "/stream-transcription",
            "transcribe:StartStreamTranscription",
        ),
        (
            "transcribe",
            "/medical-stream-transcription",
            "transcribe:StartMedicalStreamTranscription",
        ),
        ("polly", "/v1/synthesisStream", "polly:StartSpeechSynthesisStream"),
        (
            "lex",
            "/bots/b/botAliases/a/botLocales/en_US/sessions/s/conversation",
            "lex:StartConversation",
        ),
        (
            "bedrock",
            "/model/m/invoke-with-bidirectional-stream",
            "bedrock:InvokeModel",
        ),
    ] {
        let request = rest(service, "POST", target, "no json").unwrap();
        assert!(request.takes_events() && !request.buffers_body(), "{target}");
        assert_eq!(request.actions("us-east-1", "123456789012")[0].action, action);
    }
    for request in [
        rest("lambda", "POST", "/2015-03-31/functions/f/invocations", ""),
        rest("transcribe", "GET", "/medical-scribe-stream/s", ""),
        json("sqs", "AmazonSQS.ListQueues", "{}"),
    ] {
        assert!(!request.unwrap().takes_events());
    }
}
