"""Other services than S3 through boto3 and the gateway, in front of moto as a whole AWS: each protocol, each service whose
resources are known, denials in the service's own words, and the record."""
import json
import os
import subprocess

import pytest
from botocore.exceptions import ClientError

from house import TOOLS, House, Wire, wait_for
from test_document_003 import free_port

SERVICES = ["sqs", "sns", "dynamodb", "kms", "secretsmanager", "ssm", "lambda", "logs", "monitoring", "kinesis", "events",
            "states", "ecr", "route53", "batch"]


class Moto:
    """An AWS that is not ours, on loopback."""

    def __init__(self, folder):
        self.port = free_port()
        self.log = open(folder / "moto.log", "ab")
        self.process = subprocess.Popen(
            [TOOLS / "python-moto/bin/moto_server", "-H", "127.0.0.1", "-p", str(self.port)],
            env={"PATH": os.environ["PATH"], "HOME": str(folder)}, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        self.endpoint = f"http://127.0.0.1:{self.port}"

        def is_live():
            import urllib.request
            assert self.process.poll() is None, (folder / "moto.log").read_text()
            try:
                return urllib.request.urlopen(self.endpoint + "/moto-api/data.json", timeout=1).status == 200
            except OSError:
                return False

        wait_for(is_live, "moto being ready", 60)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    running = Moto(tmp_path_factory.mktemp("moto"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def wire(moto):
    tap = Wire(moto.port)
    yield tap
    tap.close()


@pytest.fixture(scope="module")
def house(wire, tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "credentials"
    keys.write_text("[moto]\naws_access_key_id = AKIAREALREALREALREAL\naws_secret_access_key = the-real-secret\n")
    running = House(config=f"""
[[upstream]]
name = "cloud"
services = {json.dumps(SERVICES)}
endpoint = "{wire.endpoint}"
account = "123456789012"
credentials = {{ file = "{keys}", profile = "moto" }}
""")
    yield running
    running.close()


@pytest.fixture(scope="module")
def guest(house):
    """A user with whatever policy is given: call it to get boto3 clients."""
    iam = house.boto("iam")
    iam.create_user(UserName="guest")
    key = iam.create_access_key(UserName="guest")["AccessKey"]

    def client(service, *statements, **config):
        iam.put_user_policy(UserName="guest", PolicyName="p", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} if "Effect" not in statement else statement
                                                   for statement in statements]}))
        return house.boto(service, key=(key["AccessKeyId"], key["SecretAccessKey"]), **config)

    return client


def denied(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    assert "AccessDenied" in error["Code"] or "NotAuthorized" in error["Code"], error
    assert "is not authorized to perform" in error["Message"], error
    return error


def account(house):
    return house.ready["account"]


def region(house):
    return house.ready["region"]


def test_queues(house, guest):
    admin = house.boto("sqs")
    url = admin.create_queue(QueueName="jobs")["QueueUrl"]
    admin.create_queue(QueueName="secret")
    arn = admin.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs = guest("sqs", {"Action": ["sqs:SendMessage", "sqs:ReceiveMessage"], "Resource": arn})
    sqs.send_message(QueueUrl=url, MessageBody="work")
    assert sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "1", "MessageBody": "a"}, {"Id": "2", "MessageBody": "b"}])["Successful"]
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "work"
    error = denied(sqs.send_message, QueueUrl=url.replace("jobs", "secret"), MessageBody="x")
    assert "sqs:SendMessage" in error["Message"] and arn.replace("jobs", "secret") in error["Message"]
    denied(sqs.delete_queue, QueueUrl=url)
    denied(sqs.list_queues)
    record = house.records(eventSource="sqs.amazonaws.com", eventName="SendMessage")
    assert record[-1]["errorCode"] and record[0]["resources"][0]["ARN"] == arn
    assert record[0]["additionalEventData"]["hallpass"]["upstream"] == "cloud"
    why = house.hallpass("why", record[0]["requestID"]).stdout
    assert "sqs:SendMessage" in why


def test_topics_speak_the_query_protocol(house, guest):
    admin = house.boto("sns")
    arn = admin.create_topic(Name="news")["TopicArn"]
    sns = guest("sns", {"Action": "sns:Publish", "Resource": arn})
    assert sns.publish(TopicArn=arn, Message="m")["MessageId"]
    assert sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=[{"Id": "1", "Message": "a"}])["Successful"]
    denied(sns.publish, TopicArn=arn.replace("news", "other"), Message="m")
    denied(sns.delete_topic, TopicArn=arn)


def policy_of(text):
    return json.loads(text)["Statement"]


def test_queue_policies_are_kept_here_and_let_in(house, guest, wire):
    admin = house.boto("sqs")
    url = admin.create_queue(QueueName="shared", Attributes={"DelaySeconds": "0"})["QueueUrl"]
    assert url.startswith(house.api), "its address is ours"
    arn = admin.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sqs = guest("sqs", {"Action": "sqs:ListQueues", "Resource": "*"})
    denied(sqs.send_message, QueueUrl=url, MessageBody="x")
    who = f"arn:aws:iam::{account(house)}:user/guest"
    before = len(wire.sent)
    statement = {"Sid": "s", "Effect": "Allow", "Principal": {"AWS": who}, "Action": "sqs:SendMessage", "Resource": arn}
    admin.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "7", "Policy": json.dumps(
        {"Version": "2012-10-17", "Statement": [statement]})})
    assert who.encode() not in bytes(wire.sent[before:]), "the upstream is not told"
    got = admin.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert policy_of(got["Policy"]) == [statement] and got["VisibilityTimeout"] == "7"
    sqs.send_message(QueueUrl=url, MessageBody="x")
    admin.add_permission(QueueUrl=url, Label="other", AWSAccountIds=["111122223333"], Actions=["ReceiveMessage"])
    got = admin.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
    assert [one["Sid"] for one in policy_of(got["Policy"])] == ["s", "other"]
    admin.remove_permission(QueueUrl=url, Label="s")
    denied(sqs.send_message, QueueUrl=url, MessageBody="x")
    with pytest.raises(ClientError):
        admin.set_queue_attributes(QueueUrl=url, Attributes={"Policy": "{"})
    with pytest.raises(ClientError) as caught:
        admin.set_queue_attributes(QueueUrl=url.replace("shared", "absent"), Attributes={"Policy": ""})
    assert "NonExistentQueue" in caught.value.response["Error"]["Code"]
    admin.set_queue_attributes(QueueUrl=url, Attributes={"Policy": ""})
    assert "Policy" not in admin.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]


def test_making_what_is_there_does_not_change_its_policy(house, guest):
    house.boto("sqs").create_queue(QueueName="taken")
    house.boto("sns").create_topic(Name="taken")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})
    sqs = guest("sqs", {"Action": "sqs:CreateQueue", "Resource": "*"})
    sqs.create_queue(QueueName="taken")
    assert "sqs:SetQueueAttributes" in denied(sqs.create_queue, QueueName="taken", Attributes={"Policy": policy})["Message"]
    sns = guest("sns", {"Action": "sns:CreateTopic", "Resource": "*"})
    sns.create_topic(Name="taken")
    assert "sns:SetTopicAttributes" in denied(sns.create_topic, Name="taken", Attributes={"Policy": policy})["Message"]


def test_topic_policies_are_kept_here_and_let_in(house, guest, wire):
    admin = house.boto("sns")
    arn = admin.create_topic(Name="shared")["TopicArn"]
    sns = guest("sns", {"Action": "sns:ListTopics", "Resource": "*"})
    denied(sns.publish, TopicArn=arn, Message="m")
    who = f"arn:aws:iam::{account(house)}:user/guest"
    before = len(wire.sent)
    statement = {"Sid": "s", "Effect": "Allow", "Principal": {"AWS": who}, "Action": "sns:Publish", "Resource": arn}
    admin.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(
        {"Version": "2012-10-17", "Statement": [statement]}))
    assert who.encode() not in bytes(wire.sent[before:])
    assert policy_of(admin.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]) == [statement]
    assert sns.publish(TopicArn=arn, Message="m")["MessageId"]
    admin.delete_topic(TopicArn=arn)
    admin.create_topic(Name="shared")
    denied(sns.publish, TopicArn=arn, Message="m")
    with pytest.raises(ClientError) as caught:
        admin.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue="nonsense")
    assert caught.value.response["Error"]["Code"] == "InvalidParameter"


def test_tables_by_item_and_leading_key(house, guest):
    admin = house.boto("dynamodb")
    admin.create_table(TableName="t", KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}], BillingMode="PAY_PER_REQUEST",
                       AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}])
    arn = f"arn:aws:dynamodb:{region(house)}:123456789012:table/t"
    item = lambda key: {"k": {"S": key}, "v": {"S": "x"}}
    admin.put_item(TableName="t", Item=item("yours"))
    # As AWS's page on fine-grained access has it; a request whose key went untold would pass.
    db = guest("dynamodb", {"Action": ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchWriteItem"],
                            "Resource": arn, "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["mine"]}}})
    db.put_item(TableName="t", Item=item("mine"))
    assert db.get_item(TableName="t", Key={"k": {"S": "mine"}})["Item"]["v"] == {"S": "x"}
    query = lambda key: {"TableName": "t", "KeyConditionExpression": "#n = :v", "ExpressionAttributeNames": {"#n": "k"},
                         "ExpressionAttributeValues": {":v": {"S": key}}}
    assert db.query(**query("mine"))["Count"] == 1
    denied(db.query, **query("yours"))
    denied(db.get_item, TableName="t", Key={"k": {"S": "yours"}})
    denied(db.put_item, TableName="t", Item=item("yours"))
    write = lambda *keys: {"RequestItems": {"t": [{"PutRequest": {"Item": item(key)}} for key in keys]}}
    db.batch_write_item(**write("mine"))
    denied(db.batch_write_item, **write("mine", "yours"))
    denied(db.delete_item, TableName="t", Key={"k": {"S": "mine"}})
    db = guest("dynamodb", {"Action": "dynamodb:PutItem", "Resource": arn})
    db.transact_write_items(TransactItems=[{"Put": {"TableName": "t", "Item": item("a")}}])
    denied(db.transact_write_items, TransactItems=[{"Delete": {"TableName": "t", "Key": {"k": {"S": "a"}}}}])
    denied(db.execute_statement, Statement="SELECT * FROM t")


def test_keys_secrets_and_parameters(house, guest):
    key = house.boto("kms").create_key()["KeyMetadata"]["KeyId"]
    kms = guest("kms", {"Action": ["kms:Encrypt", "kms:Decrypt"], "Resource": f"arn:aws:kms:{region(house)}:123456789012:key/{key}",
                        "Condition": {"StringEquals": {"kms:EncryptionContext:team": "blue"}}})
    sealed = kms.encrypt(KeyId=key, Plaintext=b"p", EncryptionContext={"team": "blue"})["CiphertextBlob"]
    assert kms.decrypt(KeyId=key, CiphertextBlob=sealed, EncryptionContext={"team": "blue"})["Plaintext"] == b"p"
    denied(kms.encrypt, KeyId=key, Plaintext=b"p", EncryptionContext={"team": "red"})
    denied(kms.describe_key, KeyId=key)

    admin = house.boto("secretsmanager")
    arn = admin.create_secret(Name="db", SecretString="s3cret")["ARN"]
    secrets = guest("secretsmanager", {"Action": "secretsmanager:GetSecretValue", "Resource": arn})
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "s3cret"
    # By name the last six characters are not told: what allows must cover them, and a denial may be of this one.
    denied(secrets.get_secret_value, SecretId="db")
    star = arn[:-6] + "*"
    secrets = guest("secretsmanager", {"Action": "secretsmanager:GetSecretValue", "Resource": star})
    assert secrets.get_secret_value(SecretId="db")["SecretString"] == "s3cret"
    secrets = guest("secretsmanager", {"Action": "secretsmanager:GetSecretValue", "Resource": star},
                    {"Effect": "Deny", "Action": "secretsmanager:GetSecretValue", "Resource": arn})
    denied(secrets.get_secret_value, SecretId="db")
    denied(secrets.put_secret_value, SecretId=arn, SecretString="x")

    house.boto("ssm").put_parameter(Name="/app/url", Value="u", Type="String")
    ssm = guest("ssm", {"Action": "ssm:GetParameter*", "Resource": f"arn:aws:ssm:{region(house)}:123456789012:parameter/app/*"})
    assert ssm.get_parameter(Name="/app/url")["Parameter"]["Value"] == "u"
    denied(ssm.get_parameter, Name="/other/url")
    denied(ssm.get_parameters, Names=["/app/url", "/other/url"])


def test_functions_speak_rest(house, guest):
    arn = f"arn:aws:lambda:{region(house)}:123456789012:function:work"
    functions = guest("lambda", {"Action": "lambda:GetFunction", "Resource": arn})
    with pytest.raises(ClientError) as caught:
        functions.get_function(FunctionName="work")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFoundException", "allowed, and not there"
    denied(functions.get_function, FunctionName="other")
    denied(functions.invoke, FunctionName="work", Payload=b"{}")
    denied(functions.list_functions)


def test_logs_and_metrics(house, guest):
    arn = f"arn:aws:logs:{region(house)}:123456789012:log-group:app:*"
    logs = guest("logs", {"Action": ["logs:CreateLogGroup", "logs:DescribeLogGroups"], "Resource": "*"},
                 {"Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": arn})
    logs.create_log_group(logGroupName="app")
    logs.create_log_stream(logGroupName="app", logStreamName="s")
    logs.put_log_events(logGroupName="app", logStreamName="s", logEvents=[{"timestamp": 1, "message": "m"}])
    denied(logs.create_log_stream, logGroupName="other", logStreamName="s")
    metrics = guest("cloudwatch", {"Action": "cloudwatch:PutMetricData", "Resource": "*", "Condition": {
        "StringEquals": {"cloudwatch:namespace": "app"}}})
    metrics.put_metric_data(Namespace="app", MetricData=[{"MetricName": "m", "Value": 1}])
    denied(metrics.put_metric_data, Namespace="other", MetricData=[{"MetricName": "m", "Value": 1}])


def test_rest_xml_and_streams(house, guest):
    zones = guest("route53", {"Action": "route53:ListHostedZones", "Resource": "*"})
    assert zones.list_hosted_zones()["HostedZones"] == []
    denied(zones.create_hosted_zone, Name="example.com", CallerReference="1")
    house.boto("kinesis").create_stream(StreamName="s", ShardCount=1)
    kinesis = guest("kinesis", {"Action": "kinesis:PutRecord", "Resource": f"arn:aws:kinesis:{region(house)}:123456789012:stream/s"})
    kinesis.put_record(StreamName="s", Data=b"d", PartitionKey="p")
    denied(kinesis.put_record, StreamName="other", Data=b"d", PartitionKey="p")


def test_where_the_resource_is_not_known_only_a_star_allows_and_any_denial_denies(house, guest):
    ecr = guest("ecr", {"Action": "ecr:*", "Resource": "arn:aws:ecr:*:*:*"})
    denied(ecr.describe_repositories)
    ecr = guest("ecr", {"Action": "ecr:*", "Resource": "*"})
    assert ecr.describe_repositories()["repositories"] == []
    ecr = guest("ecr", {"Action": "ecr:*", "Resource": "*"}, {
        "Effect": "Deny", "Action": "ecr:DescribeRepositories", "Resource": f"arn:aws:ecr:{region(house)}:1:repository/production"})
    denied(ecr.describe_repositories)


def test_what_no_upstream_has_and_no_model_knows_is_refused_here(house, wire):
    before = len(wire.sent)
    for service, call in [("glue", lambda c: c.get_databases()), ("translate", lambda c: c.list_terminologies())]:
        with pytest.raises(ClientError) as caught:
            call(house.boto(service))
        assert caught.value.response["Error"]["Code"] == "UnknownOperationException", caught.value
    sqs = house.boto("sqs")
    sqs.meta.events.register("before-sign.sqs.ListQueues", lambda request, **_: request.headers.replace_header(
        "X-Amz-Target", "AmazonSQS.MakeCoffee") if "X-Amz-Target" in request.headers else None)
    with pytest.raises(ClientError) as caught:
        sqs.list_queues()
    assert "Unknown" in caught.value.response["Error"]["Code"] or "Invalid" in caught.value.response["Error"]["Code"]
    assert len(wire.sent) == before, "nothing of it went on"


def test_strangers_hold_no_room(house):
    """The announced body never comes; a key that nobody has is refused without waiting for it."""
    import socket
    import urllib.parse
    where = urllib.parse.urlsplit(house.api)
    with socket.create_connection((where.hostname, where.port), 10) as wire:
        wire.sendall((
            f"POST / HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: 33000000\r\n"
            "X-Amz-Target: AmazonSQS.ListQueues\r\nX-Amz-Date: 20260101T000000Z\r\nExpect: 100-continue\r\n"
            f"Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20260101/{region(house)}/sqs/aws4_request, "
            f"SignedHeaders=host;x-amz-date;x-amz-target, Signature={'0' * 64}\r\n\r\n").encode())
        answer = wire.recv(65536).decode()
    assert " 400 " in answer.split("\r\n")[0] and "UnrecognizedClientException" in answer, answer


def test_the_cloud_sees_the_real_key_and_the_client_never_does(house, wire):
    admin = house.admin_key()
    house.boto("sqs").list_queues()
    sent = bytes(wire.sent)
    assert b"AKIAREALREALREALREAL" in sent and admin[0].encode() not in sent and admin[1].encode() not in sent
    assert "the-real-secret" not in (house.path / "log").read_text()
    for file in (house.data / "audit").glob("*.jsonl"):
        assert "the-real-secret" not in file.read_text()


def test_a_wrong_signature_is_told_in_each_protocol_s_words(house):
    key = (house.admin_key()[0], "wrong" * 8)
    for service, call, code in [
        ("dynamodb", lambda c: c.list_tables(), "InvalidSignatureException"),
        ("lambda", lambda c: c.list_functions(), "InvalidSignatureException"),
        ("sns", lambda c: c.list_topics(), "SignatureDoesNotMatch"),
        ("sqs", lambda c: c.list_queues(), "SignatureDoesNotMatch"),
    ]:
        with pytest.raises(ClientError) as caught:
            call(house.boto(service, key=key))
        assert caught.value.response["Error"]["Code"] in (code, "InvalidSignatureException"), (service, caught.value)
