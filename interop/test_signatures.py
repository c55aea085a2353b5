"""Signature version 4a in both directions: AWS's own runtime (CRT) signs for us, and we sign for a second Hallpass."""
import json

import pytest

from house import TOOLS, House

CRT = TOOLS / "python-crt/bin/python"
SCRIPT = """
import json, os, sys, boto3, botocore.config, botocore.exceptions
told = json.load(sys.stdin)
def client(**config):
    return boto3.client("s3", endpoint_url=told["endpoint"], region_name=told["region"], aws_access_key_id=told["key"][0],
        aws_secret_access_key=told["key"][1], config=botocore.config.Config(retries={"total_max_attempts": 1}, **config))
s3 = client(signature_version="s3v4a")
out = {}
try:
    s3.put_object(Bucket=told["bucket"], Key="a b/ä+c", Body=b"asymmetric", Metadata={"who": "me"})
    out["got"] = s3.get_object(Bucket=told["bucket"], Key="a b/ä+c")["Body"].read().decode()
    out["keys"] = [one["Key"] for one in s3.list_objects_v2(Bucket=told["bucket"], Prefix="a b/")["Contents"]]
except botocore.exceptions.ClientError as error:
    out["error"] = error.response["Error"]["Code"]
print(json.dumps(out))
"""


def run(house, key=None, region=None, endpoint=None):
    told = {"endpoint": endpoint or house.api, "region": region or house.ready["region"], "key": key or house.admin_key(),
            "bucket": house.ready["bucket"]}
    return json.loads(house.run([CRT, "-c", SCRIPT], input=json.dumps(told)).stdout)


@pytest.fixture(scope="module")
def house():
    running = House()
    yield running
    running.close()


def test_what_the_crt_signs_for_any_region_is_verified(house):
    assert run(house) == {"got": "asymmetric", "keys": ["a b/ä+c"]}
    assert run(house, key=(house.admin_key()[0], "wrong" * 8)) == {"error": "SignatureDoesNotMatch"}
    # The set of regions must hold ours.
    assert "error" in run(house, region="us-gov-west-1")


def test_policies_know_the_algorithm(house):
    iam = house.boto("iam")
    iam.create_user(UserName="old")
    iam.put_user_policy(UserName="old", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*",
         "Condition": {"StringEquals": {"s3:signatureversion": "AWS4-HMAC-SHA256"}}}]}))
    made = iam.create_access_key(UserName="old")["AccessKey"]
    key = (made["AccessKeyId"], made["SecretAccessKey"])
    house.boto("s3", key=key).list_objects_v2(Bucket=house.ready["bucket"])
    assert run(house, key=key) == {"error": "AccessDenied"}


def test_an_upstream_is_signed_for_with_version_4a(house, tmp_path):
    key = house.admin_key()
    keys = tmp_path / "credentials"
    keys.write_text(f"[default]\naws_access_key_id = {key[0]}\naws_secret_access_key = {key[1]}\n")
    front = House(config=f"""
[[upstream]]
name = "asymmetric"
endpoint = "{house.api}"
region_set = "*"
bucket_names = {{ "{house.ready['bucket']}" = "{house.ready['bucket']}" }}
credentials = {{ file = "{keys}" }}
""")
    try:
        s3 = front.boto("s3")
        s3.put_object(Bucket=house.ready["bucket"], Key="through", Body=b"x" * 300_000)
        assert len(s3.get_object(Bucket=house.ready["bucket"], Key="through")["Body"].read()) == 300_000
        iam = house.boto("iam")
        record = house.records(eventName="PutObject")[-1]
        assert record["requestParameters"]["key"] == "through" and record["userIdentity"]["accessKeyId"] == key[0]
        assert iam.list_users()["Users"] is not None
    finally:
        front.close()
