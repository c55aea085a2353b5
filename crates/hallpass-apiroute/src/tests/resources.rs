//! Each service's way to name its resources, and its condition keys.

use super::*;

fn check(target: &str, body: &str, expected: &str) {
    let service = match target.split_once('.').unwrap().0 {
        "AmazonSQS" => "sqs",
        "DynamoDB_20120810" | "DynamoDBStreams_20120810" => "dynamodb",
        "TrentService" => "kms",
        "AmazonSSM" => "ssm",
        "Logs_20140328" => "logs",
        "Kinesis_20131202" => "kinesis",
        "Firehose_20150804" => "firehose",
        "AWSEvents" => "events",
        "AWSStepFunctions" => "states",
        "AmazonEC2ContainerRegistry_V20150921" => "ecr",
        "AmazonEC2ContainerServiceV20141113" => "ecs",
        other => other,
    };
    assert_eq!(told(json(service, target, body)), expected, "{target} {body}");
}

#[test]
fn sqs() {
    for (body, expected) in [
        (
            r#"{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/111122223333/q"}"#,
            "sqs:SendMessage arn:aws:sqs:us-east-1:111122223333:q",
        ),
        (
            r#"{"QueueUrl":"http://localhost:9324/000000000000/q.fifo"}"#,
            "sqs:SendMessage arn:aws:sqs:us-east-1:000000000000:q.fifo",
        ),
        (r#"{"QueueUrl":"http://localhost/queue/q"}"#, "sqs:SendMessage ?"),
        (r#"{"QueueUrl":"q"}"#, "sqs:SendMessage ?"),
    ] {
        check("AmazonSQS.SendMessage", body, expected);
        check("AmazonSQS.SendMessageBatch", body, expected);
    }
    check(
        "AmazonSQS.CreateQueue",
        r#"{"QueueName":"q"}"#,
        "sqs:CreateQueue arn:aws:sqs:R:A:q",
    );
    check(
        "AmazonSQS.GetQueueUrl",
        r#"{"QueueName":"q","QueueOwnerAWSAccountId":"111122223333"}"#,
        "sqs:GetQueueUrl arn:aws:sqs:us-east-1:111122223333:q",
    );
    let url = "https%3A%2F%2Fsqs.us-east-1.amazonaws.com%2F123456789012%2Fq";
    assert_eq!(
        told(form("sqs", &format!("Action=DeleteMessage&QueueUrl={url}"))),
        "sqs:DeleteMessage arn:aws:sqs:R:A:q"
    );
    let headers: Headers<'_> = &[("content-type", FORM)];
    let by_path = send("sqs", "POST", "/123456789012/p", headers, b"Action=DeleteMessage");
    assert_eq!(told(by_path), "sqs:DeleteMessage arn:aws:sqs:R:A:p");
    // Two queues: the action on each.
    let both = send(
        "sqs",
        "POST",
        "/123456789012/p",
        headers,
        format!("Action=DeleteMessage&QueueUrl={url}").as_bytes(),
    );
    assert_eq!(
        told(both),
        "sqs:DeleteMessage arn:aws:sqs:R:A:p, sqs:DeleteMessage arn:aws:sqs:R:A:q"
    );
}

#[test]
fn sns() {
    let topic = "arn:aws:sns:us-east-1:123456789012:t";
    assert_eq!(
        told(form("sns", &format!("Action=Publish&TopicArn={topic}"))),
        "sns:Publish arn:aws:sns:R:A:t"
    );
    assert_eq!(
        told(form("sns", &format!("Action=PublishBatch&TopicArn={topic}"))),
        "sns:Publish arn:aws:sns:R:A:t"
    );
    assert_eq!(
        told(form("sns", "Action=Publish&PhoneNumber=%2B1")),
        "sns:Publish ?"
    );
    assert_eq!(
        told(form("sns", "Action=CreateTopic&Name=t")),
        "sns:CreateTopic arn:aws:sns:R:A:t"
    );
    let subscribe = form(
        "sns",
        &format!("Action=Subscribe&TopicArn={topic}&Protocol=https&Endpoint=https://e"),
    );
    assert_eq!(keys(subscribe), "sns:Protocol=https, sns:Endpoint=https://e");
}

#[test]
fn dynamodb() {
    let item = |name: &str| format!("DynamoDB_20120810.{name}");
    check(
        &item("GetItem"),
        r#"{"TableName":"t"}"#,
        "dynamodb:GetItem arn:aws:dynamodb:R:A:table/t",
    );
    check(
        &item("GetItem"),
        r#"{"TableName":"arn:aws:dynamodb:eu-west-1:111122223333:table/t"}"#,
        "dynamodb:GetItem arn:aws:dynamodb:eu-west-1:111122223333:table/t",
    );
    check(
        &item("Query"),
        r#"{"TableName":"t","IndexName":"i"}"#,
        "dynamodb:Query arn:aws:dynamodb:R:A:table/t/index/i",
    );
    check(
        &item("BatchGetItem"),
        r#"{"RequestItems":{"a":{},"b":{}}}"#,
        "dynamodb:BatchGetItem arn:aws:dynamodb:R:A:table/a, dynamodb:BatchGetItem arn:aws:dynamodb:R:A:table/b",
    );
    check(
        &item("TransactWriteItems"),
        r#"{"TransactItems":[{"Put":{"TableName":"a"}},{"ConditionCheck":{"TableName":"b"}}]}"#,
        "dynamodb:PutItem arn:aws:dynamodb:R:A:table/a, dynamodb:ConditionCheckItem arn:aws:dynamodb:R:A:table/b",
    );
    check(
        &item("TransactGetItems"),
        r#"{"TransactItems":[{"Get":{"TableName":"a"}}]}"#,
        "dynamodb:GetItem arn:aws:dynamodb:R:A:table/a",
    );
    check(
        &item("TransactGetItems"),
        r#"{"TransactItems":[]}"#,
        "dynamodb:GetItem ?",
    );
    for (statement, expected) in [
        (
            r#"SELECT * FROM \"t\".\"i\" WHERE a=?"#,
            "dynamodb:PartiQLSelect arn:aws:dynamodb:R:A:table/t/index/i",
        ),
        (
            r#"insert into \"t\" value {}"#,
            "dynamodb:PartiQLInsert arn:aws:dynamodb:R:A:table/t",
        ),
        (
            r#"UPDATE t SET a=1"#,
            "dynamodb:PartiQLUpdate arn:aws:dynamodb:R:A:table/t",
        ),
        (
            r#"DELETE FROM \"t\""#,
            "dynamodb:PartiQLDelete arn:aws:dynamodb:R:A:table/t",
        ),
        ("SELECT ' FROM a ' FROM b", "dynamodb:PartiQLSelect ?"),
        (r#"SELECT \" FROM a \" FROM\"b\""#, "dynamodb:PartiQLSelect ?"),
        ("SELECT * FROM a, b", "dynamodb:PartiQLSelect ?"),
        ("SELECT a -- FROM x\\n FROM b", "dynamodb:PartiQLSelect ?"),
    ] {
        check(
            &item("ExecuteStatement"),
            &format!(r#"{{"Statement":"{statement}"}}"#),
            expected,
        );
    }
    check(
        "DynamoDBStreams_20120810.DescribeStream",
        r#"{"StreamArn":"arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/l"}"#,
        "dynamodb:DescribeStream arn:aws:dynamodb:R:A:table/t/stream/l",
    );
    let get = json(
        "dynamodb",
        &item("GetItem"),
        r#"{"TableName":"t","Key":{"id":{"S":"u1"}},"AttributesToGet":["a","b"]}"#,
    );
    assert_eq!(keys(get), "dynamodb:Attributes=a|b");
}

#[test]
fn kms() {
    check(
        "TrentService.Encrypt",
        r#"{"KeyId":"1234-ab"}"#,
        "kms:Encrypt arn:aws:kms:R:A:key/1234-ab",
    );
    check("TrentService.Decrypt", "{}", "kms:Decrypt ?");
    check(
        "TrentService.ReEncrypt",
        r#"{"DestinationKeyId":"1234-ab"}"#,
        "kms:ReEncryptFrom ?, kms:ReEncryptTo arn:aws:kms:R:A:key/1234-ab",
    );
    let alias = r#"{"KeyId":"alias/a","EncryptionContext":{"app":"x"}}"#;
    check("TrentService.Encrypt", alias, "kms:Encrypt ?");
    assert_eq!(
        keys(json("kms", "TrentService.Encrypt", alias)),
        "kms:RequestAlias=alias/a, kms:EncryptionContext:app=x, kms:EncryptionContextKeys=app"
    );
}

#[test]
fn secrets_and_parameters() {
    check(
        "secretsmanager.GetSecretValue",
        r#"{"SecretId":"a/b"}"#,
        "secretsmanager:GetSecretValue arn:aws:secretsmanager:R:A:secret:a/b-??????",
    );
    let arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:a/b";
    check(
        "secretsmanager.GetSecretValue",
        &format!(r#"{{"SecretId":"{arn}-AbCd12"}}"#),
        "secretsmanager:GetSecretValue arn:aws:secretsmanager:R:A:secret:a/b-AbCd12",
    );
    check(
        "secretsmanager.GetSecretValue",
        &format!(r#"{{"SecretId":"{arn}"}}"#),
        "secretsmanager:GetSecretValue arn:aws:secretsmanager:R:A:secret:a/b-??????",
    );
    check(
        "secretsmanager.BatchGetSecretValue",
        r#"{"SecretIdList":["a"]}"#,
        "secretsmanager:BatchGetSecretValue *, secretsmanager:GetSecretValue arn:aws:secretsmanager:R:A:secret:a-??????",
    );
    check(
        "secretsmanager.BatchGetSecretValue",
        r#"{"Filters":[]}"#,
        "secretsmanager:BatchGetSecretValue *, secretsmanager:GetSecretValue ?",
    );
    check(
        "AmazonSSM.GetParameter",
        r#"{"Name":"/a/b:3"}"#,
        "ssm:GetParameter arn:aws:ssm:R:A:parameter/a/b",
    );
    check(
        "AmazonSSM.GetParameters",
        r#"{"Names":["a","/b"]}"#,
        "ssm:GetParameters arn:aws:ssm:R:A:parameter/a, ssm:GetParameters arn:aws:ssm:R:A:parameter/b",
    );
    check(
        "AmazonSSM.GetParametersByPath",
        r#"{"Path":"/"}"#,
        "ssm:GetParametersByPath ?",
    );
    assert_eq!(
        keys(json(
            "ssm",
            "AmazonSSM.GetParametersByPath",
            r#"{"Path":"/a","Recursive":true}"#
        )),
        "ssm:Recursive=true"
    );
    // The command is on the instances as well as on the document.
    check(
        "AmazonSSM.SendCommand",
        r#"{"DocumentName":"d","InstanceIds":["i-1"]}"#,
        "ssm:SendCommand arn:aws:ssm:R:A:document/d, ssm:SendCommand arn:aws:ec2:R:A:instance/i-1",
    );
    let by_tag = r#"{"DocumentName":"d","Targets":[{"Key":"tag:a"}]}"#;
    check("AmazonSSM.SendCommand", by_tag, "ssm:SendCommand ?");
}

#[test]
fn lambda() {
    let invoke = |name: &str| {
        told(rest(
            "lambda",
            "POST",
            &format!("/2015-03-31/functions/{name}"),
            "",
        ))
    };
    for (name, arn) in [
        ("f/invocations", "arn:aws:lambda:R:A:function:f"),
        ("f%3Aprod/invocations", "arn:aws:lambda:R:A:function:f:prod"),
        (
            "f/invocations?Qualifier=prod",
            "arn:aws:lambda:R:A:function:f:prod",
        ),
        (
            "111122223333%3Afunction%3Af/invocations",
            "arn:aws:lambda:us-east-1:111122223333:function:f",
        ),
        (
            "arn%3Aaws%3Alambda%3Aus-east-1%3A111122223333%3Afunction%3Af/invocations",
            "arn:aws:lambda:us-east-1:111122223333:function:f",
        ),
        ("f%3Aprod/invocations?Qualifier=dev", "?"),
        ("f*/invocations", "?"),
    ] {
        assert_eq!(invoke(name), format!("lambda:InvokeFunction {arn}"), "{name}");
    }
    let create = r#"{"FunctionName":"f","Role":"arn:aws:iam::123456789012:role/r","Tags":{"team":"x"}}"#;
    let request = rest("lambda", "POST", "/2015-03-31/functions", create);
    assert_eq!(
        told(request),
        "lambda:CreateFunction arn:aws:lambda:R:A:function:f, iam:PassRole arn:aws:iam::123456789012:role/r"
    );
    let request = rest("lambda", "POST", "/2015-03-31/functions", create);
    assert!(keys(request).starts_with("aws:RequestTag/team=x, aws:TagKeys=team"));
    let passed = rest("lambda", "POST", "/2015-03-31/functions", create)
        .unwrap()
        .actions("us-east-1", "123456789012");
    assert_eq!(
        passed[1].context,
        [(
            "iam:PassedToService".to_owned(),
            vec!["lambda.amazonaws.com".to_owned()]
        )]
    );
}

#[test]
fn logs_and_alarms() {
    check(
        "Logs_20140328.PutLogEvents",
        r#"{"logGroupName":"/aws/x","logStreamName":"s"}"#,
        "logs:PutLogEvents arn:aws:logs:R:A:log-group:/aws/x:log-stream:s",
    );
    check(
        "Logs_20140328.FilterLogEvents",
        r#"{"logGroupIdentifier":"arn:aws:logs:us-east-1:123456789012:log-group:g"}"#,
        "logs:FilterLogEvents arn:aws:logs:R:A:log-group:g:log-stream:",
    );
    assert_eq!(
        told(form("monitoring", "Action=PutMetricAlarm&AlarmName=a:b")),
        "cloudwatch:PutMetricAlarm arn:aws:cloudwatch:R:A:alarm:a:b"
    );
    assert_eq!(
        told(form("monitoring", "Action=PutMetricData&Namespace=N")),
        "cloudwatch:PutMetricData *"
    );
}

#[test]
fn bedrock() {
    let invoke = |id: &str| told(rest("bedrock", "POST", &format!("/model/{id}/invoke"), ""));
    assert_eq!(
        invoke("anthropic.claude-v2%3A1"),
        "bedrock:InvokeModel arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2:1"
    );
    assert_eq!(
        invoke("us.anthropic.claude"),
        "bedrock:InvokeModel arn:aws:bedrock:R:A:inference-profile/us.anthropic.claude"
    );
    let arn = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fx";
    assert_eq!(
        invoke(arn),
        "bedrock:InvokeModel arn:aws:bedrock:R:A:application-inference-profile/x"
    );
    let converse = rest("bedrock", "POST", "/model/m/converse-stream", "{}").unwrap();
    assert!(!converse.buffers_body());
    assert_eq!(
        told(Ok(converse)),
        "bedrock:InvokeModelWithResponseStream arn:aws:bedrock:us-east-1::foundation-model/m"
    );
}

#[test]
fn streams_events_and_state_machines() {
    check(
        "Kinesis_20131202.PutRecord",
        r#"{"StreamName":"s"}"#,
        "kinesis:PutRecord arn:aws:kinesis:R:A:stream/s",
    );
    check(
        "Firehose_20150804.PutRecord",
        r#"{"DeliveryStreamName":"s"}"#,
        "firehose:PutRecord arn:aws:firehose:R:A:deliverystream/s",
    );
    check(
        "AWSEvents.PutEvents",
        r#"{"Entries":[{},{"EventBusName":"b"}]}"#,
        "events:PutEvents arn:aws:events:R:A:event-bus/default, events:PutEvents arn:aws:events:R:A:event-bus/b",
    );
    check(
        "AWSEvents.DeleteRule",
        r#"{"Name":"r","EventBusName":"b"}"#,
        "events:DeleteRule arn:aws:events:R:A:rule/b/r",
    );
    check(
        "AWSStepFunctions.StartExecution",
        r#"{"stateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:m"}"#,
        "states:StartExecution arn:aws:states:R:A:stateMachine:m",
    );
}

#[test]
fn iam_and_ec2() {
    assert_eq!(
        told(form("iam", "Action=GetRole&RoleName=r")),
        "iam:GetRole arn:aws:iam::123456789012:role/r"
    );
    assert_eq!(
        told(form("iam", "Action=CreateUser&UserName=u&Path=/p/")),
        "iam:CreateUser arn:aws:iam::123456789012:user/p/u"
    );
    assert_eq!(
        told(form("iam", "Action=PutRolePolicy&RoleName=r&PolicyName=p")),
        "iam:PutRolePolicy arn:aws:iam::123456789012:role/r"
    );
    assert_eq!(
        told(form("iam", "Action=AddUserToGroup&UserName=u&GroupName=g")),
        "iam:AddUserToGroup arn:aws:iam::123456789012:group/g"
    );
    let add = form(
        "iam",
        "Action=AddRoleToInstanceProfile&RoleName=r&InstanceProfileName=p",
    );
    assert_eq!(
        told(add),
        "iam:AddRoleToInstanceProfile arn:aws:iam::123456789012:instance-profile/p, iam:PassRole arn:aws:iam::123456789012:role/r"
    );
    let attach = form(
        "iam",
        "Action=AttachRolePolicy&RoleName=r&PolicyArn=arn:aws:iam::aws:policy/p",
    );
    assert_eq!(keys(attach), "iam:PolicyARN=arn:aws:iam::aws:policy/p");
    assert_eq!(
        told(form(
            "ec2",
            "Action=StopInstances&InstanceId.1=i-0a&InstanceId.2=i-0b"
        )),
        "ec2:StopInstances arn:aws:ec2:R:A:instance/i-0a, ec2:StopInstances arn:aws:ec2:R:A:instance/i-0b"
    );
    assert_eq!(
        told(form("ec2", "Action=AttachVolume&InstanceId=i-0a&VolumeId=vol-0b")),
        "ec2:AttachVolume arn:aws:ec2:R:A:instance/i-0a, ec2:AttachVolume arn:aws:ec2:R:A:volume/vol-0b"
    );
    assert_eq!(
        told(form(
            "ec2",
            "Action=RunInstances&ImageId=ami-0a&IamInstanceProfile.Name=p"
        )),
        "ec2:RunInstances ?, iam:PassRole ?"
    );
    assert_eq!(
        keys(form(
            "ec2",
            "Action=CreateVolume&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v"
        )),
        "aws:RequestTag/k=v, aws:TagKeys=k"
    );
}

#[test]
fn all_other_services_by_the_general_rule() {
    check(
        "AmazonEC2ContainerRegistry_V20150921.PutImage",
        r#"{"repositoryName":"a/b"}"#,
        "ecr:PutImage arn:aws:ecr:R:A:repository/a/b",
    );
    let function = "arn:aws:ecs:us-east-1:123456789012:cluster/c";
    check(
        "AmazonEC2ContainerServiceV20141113.DeleteCluster",
        &format!(r#"{{"cluster":"{function}"}}"#),
        "ecs:DeleteCluster arn:aws:ecs:R:A:cluster/c",
    );
    check(
        "AmazonEC2ContainerServiceV20141113.DeleteCluster",
        r#"{"cluster":"c"}"#,
        "ecs:DeleteCluster arn:aws:ecs:R:A:cluster/c",
    );
    check(
        "AmazonEC2ContainerServiceV20141113.DeleteCluster",
        r#"{"cluster":"c:d"}"#,
        "ecs:DeleteCluster ?",
    );
    // A member that the model does not have names nothing.
    check(
        "AmazonEC2ContainerServiceV20141113.DeleteCluster",
        &format!(r#"{{"clusterArn":"{function}"}}"#),
        "ecs:DeleteCluster ?",
    );
    assert_eq!(
        told(rest("apigateway", "DELETE", "/restapis/a", "")),
        "apigateway:DELETE arn:aws:apigateway:us-east-1::/restapis/a"
    );
    assert_eq!(
        keys(rest(
            "lambda",
            "DELETE",
            "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af?tagKeys=a&tagKeys=b",
            ""
        )),
        "aws:TagKeys=a|b"
    );
}

#[test]
fn roles_anywhere() {
    let arn = "arn:aws:rolesanywhere:R:A";
    let role = "arn:aws:iam::123456789012:role/r";
    let uuid = "01234567-89ab-cdef-0123-456789abcdef";
    for (method, path, body, expected) in [
        (
            "GET",
            format!("/trustanchor/{uuid}"),
            String::new(),
            format!("rolesanywhere:GetTrustAnchor {arn}:trust-anchor/{uuid}"),
        ),
        (
            "POST",
            format!("/crl/{uuid}/disable"),
            String::new(),
            format!("rolesanywhere:DisableCrl {arn}:crl/{uuid}"),
        ),
        (
            "POST",
            "/profiles".to_owned(),
            format!(r#"{{"name":"p","roleArns":["{role}"]}}"#),
            format!("rolesanywhere:CreateProfile *, iam:PassRole {role}"),
        ),
        (
            "PATCH",
            format!("/profile/{uuid}"),
            format!(r#"{{"roleArns":["{role}","arn:aws:iam::123456789012:role/*"]}}"#),
            format!("rolesanywhere:UpdateProfile {arn}:profile/{uuid}, iam:PassRole {role}, iam:PassRole ?"),
        ),
    ] {
        let request = rest("rolesanywhere", method, &path, &body);
        assert_eq!(told(request), expected, "{method} {path}");
    }
    let request = rest("rolesanywhere", "GET", "/profiles?pageSize=7", "").unwrap();
    assert_eq!(request.query().collect::<Vec<_>>(), [("pageSize", "7")]);
    let path = format!("/crl/{uuid}");
    let request = rest("rolesanywhere", "GET", &path, "").unwrap();
    assert_eq!(request.labels().collect::<Vec<_>>(), [("crlId", uuid)]);
}
