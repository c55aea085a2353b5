"""Those facts of the IAM reference that are about sessions and the wire, by their numbers. The others are unit tests of
`hallpass-policy` (`tests/facts.rs`)."""
import json
import re

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def account(request):
    from house import House

    house = House()
    text = open(house.ready["admin_credentials"]).read()

    class Account:
        number = house.ready["account"]
        api = house.api

        def client(self, service, keys=None):
            keys = keys or {"AccessKeyId": re.search(r"aws_access_key_id = (\S+)", text)[1],
                            "SecretAccessKey": re.search(r"aws_secret_access_key = (\S+)", text)[1]}
            return boto3.client(
                service, endpoint_url=house.api, region_name=house.ready["region"], aws_access_key_id=keys["AccessKeyId"],
                aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys.get("SessionToken"),
                config=Config(retries={"max_attempts": 0}, parameter_validation=False))

        def role(self, name, **options):
            trust = {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": self.number}, "Action": ["sts:AssumeRole", "sts:TagSession"]}]}
            role = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), **options)
            may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
            self.client("iam").put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(may))
            return role["Role"]["Arn"]

    yield Account()
    house.close()


def refused(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]


def test_fact_31_lifetimes(account):
    sts, arn = account.client("sts"), account.role("day", MaxSessionDuration=7_200)
    for seconds in (899, 43_201):
        assert refused(sts.assume_role, RoleArn=arn, RoleSessionName="one", DurationSeconds=seconds)["Code"] == "ValidationError"
    assert "MaxSessionDuration" in refused(sts.assume_role, RoleArn=arn, RoleSessionName="one", DurationSeconds=7_201)["Message"]
    first = sts.assume_role(RoleArn=arn, RoleSessionName="one", DurationSeconds=7_200)["Credentials"]
    # A chain of roles lasts an hour at most, and more is refused rather than cut.
    chained = account.client("sts", first)
    assert refused(chained.assume_role, RoleArn=arn, RoleSessionName="one", DurationSeconds=3_601)["Code"] == "ValidationError"
    chained.assume_role(RoleArn=arn, RoleSessionName="one", DurationSeconds=3_600)
    for seconds in (899, 129_601):
        assert refused(sts.get_session_token, DurationSeconds=seconds)["Code"] == "ValidationError"
    token = sts.get_session_token()["Credentials"]
    assert 43_000 < (token["Expiration"].timestamp() - __import__("time").time()) <= 43_200


def test_fact_32_restrictions_ride_with_the_credential(account):
    token = account.client("sts").get_session_token()["Credentials"]
    iam, sts = account.client("iam", token), account.client("sts", token)
    assert refused(iam.list_roles)["Code"] == "InvalidClientTokenId"
    error = refused(sts.get_session_token)
    assert error["Code"] == "AccessDenied" and error["Message"] == "Cannot call GetSessionToken with session credentials"
    assert sts.get_caller_identity()["Account"] == account.number
    sts.assume_role(RoleArn=account.role("from-token"), RoleSessionName="one")
    assert account.client("ec2", token).describe_instances()["Reservations"]


def test_fact_34_session_policies_are_limited(account):
    sts, arn = account.client("sts"), account.role("narrowed")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    given = sts.assume_role(RoleArn=arn, RoleSessionName="one", Policy=json.dumps(policy))
    assert 0 < given["PackedPolicySize"] <= 100
    long = json.dumps(policy) + " " * 2_048
    assert refused(sts.assume_role, RoleArn=arn, RoleSessionName="one", Policy=long)["Code"] == "ValidationError"
    arns = [{"arn": "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"}] * 11
    assert refused(sts.assume_role, RoleArn=arn, RoleSessionName="one", PolicyArns=arns)["Code"] in ("ValidationError", "LimitExceeded")
    tags = [{"Key": f"{number:03}" + "k" * 120, "Value": "v" * 256} for number in range(50)]
    error = refused(sts.assume_role, RoleArn=arn, RoleSessionName="one", Tags=tags)
    assert error["Code"] == "PackedPolicyTooLarge"
    assert re.fullmatch(r"Packed size of session tags consumes \d+% of allotted space\.", error["Message"])


def test_fact_37_errors_have_the_shape_of_their_protocol(account):
    def body(service, operation, **parameters):
        client, seen = account.client(service), {}
        client.meta.events.register("before-parse.*", lambda response_dict, **_: seen.update(response_dict))
        refused(getattr(client, operation), **parameters)
        assert seen["headers"]["x-amzn-requestid"]
        return seen["body"].decode()

    iam = body("iam", "get_role", RoleName="nobody")
    assert re.search(r'<ErrorResponse xmlns="https://iam\.amazonaws\.com/doc/2010-05-08/"><Error><Type>Sender</Type>'
                     r"<Code>NoSuchEntity</Code><Message>.*</Message></Error><RequestId>[\w-]+</RequestId></ErrorResponse>", iam), iam
    sts = body("sts", "assume_role", RoleArn="arn:aws:iam::%s:role/nobody" % account.number, RoleSessionName="one")
    assert re.search(r"<ErrorResponse .*<Type>Sender</Type><Code>AccessDenied</Code>", sts), sts
    ec2 = body("ec2", "describe_instances", InstanceIds=["i-00000000000000000"])
    assert re.search(r"<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>.*</Message></Error></Errors>"
                     r"<RequestID>[\w-]+</RequestID></Response>", ec2), ec2


def test_fact_42_what_was_written_is_there(account):
    """AWS's waiters allow for a delay; here there is none to wait for."""
    iam = account.client("iam")
    for number in range(20):
        arn = account.role(f"fresh-{number}")
        given = account.client("sts").assume_role(RoleArn=arn, RoleSessionName="one")["Credentials"]
        assert account.client("iam", given).get_role(RoleName=f"fresh-{number}")["Role"]["Arn"] == arn
        iam.put_role_policy(RoleName=f"fresh-{number}", PolicyName="q", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "iam:GetRole", "Resource": "*"}]}))
        assert refused(account.client("iam", given).get_role, RoleName=f"fresh-{number}")["Code"] == "AccessDenied"
