"""Bucket policies, the public access block and anonymous requests, through boto3 and curl, in front of two stores:
the directory, and MinIO, which is never told of them."""
import json
import urllib.error
import urllib.request

import pytest
from botocore.exceptions import ClientError

from house import House
from test_document_003 import Minio

UPSTREAMS = ["directory", "minio"]


@pytest.fixture(scope="module")
def minio(tmp_path_factory):
    store = Minio(tmp_path_factory.mktemp("minio"))
    yield store
    store.close()


@pytest.fixture(scope="module")
def house(minio, tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "credentials"
    keys.write_text(minio.credentials())
    running = House(config=f"""
[[upstream]]
name = "minio"
buckets = ["minio-*"]
endpoint = "{minio.endpoint}"
credentials = {{ file = "{keys}", profile = "minio" }}
""")
    yield running
    running.close()


def make_user(house, name, policy=None):
    iam = house.boto("iam")
    iam.create_user(UserName=name)
    if policy:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return iam.get_user(UserName=name)["User"]["Arn"], (key["AccessKeyId"], key["SecretAccessKey"])


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def code(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Code"]


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@pytest.fixture(params=UPSTREAMS)
def bucket(request, house):
    name = f"{request.param}-{abs(hash(request.node.name)) % 10**8}"
    s3 = house.boto("s3")
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="a/b", Body=b"hello")
    yield name
    try:
        house.boto("s3").delete_bucket_policy(Bucket=name)
    except ClientError:
        pass


def test_a_policy_is_kept_told_and_forgotten(house, bucket):
    s3 = house.boto("s3")
    assert code(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"
    assert code(s3.get_bucket_policy_status, Bucket=bucket) == "NoSuchBucketPolicy"
    text = document({"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/*"})
    s3.put_bucket_policy(Bucket=bucket, Policy=text)
    assert json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(text)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    assert code(s3.delete_object, Bucket=bucket, Key="a/b") == "AccessDenied"
    house.stop()
    house.start()
    s3 = house.boto("s3")
    assert code(s3.delete_object, Bucket=bucket, Key="a/b") == "AccessDenied", "a restart forgets nothing"
    s3.delete_bucket_policy(Bucket=bucket)
    s3.delete_object(Bucket=bucket, Key="a/b")
    s3.delete_bucket(Bucket=bucket)
    assert code(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucket"


def test_a_user_without_policies_is_let_in_by_the_bucket(house, bucket):
    arn, key = make_user(house, f"guest-{bucket}")
    s3, guest = house.boto("s3"), house.boto("s3", key=key)
    assert code(guest.get_object, Bucket=bucket, Key="a/b") == "AccessDenied"
    s3.put_bucket_policy(Bucket=bucket, Policy=document(
        {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/a/*"}))
    assert guest.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"hello"
    assert code(guest.put_object, Bucket=bucket, Key="a/c", Body=b"x") == "AccessDenied"
    assert code(guest.get_bucket_policy, Bucket=bucket) == "AccessDenied"


def test_a_copy_asks_the_policies_of_both_buckets(house, bucket):
    other = bucket + "-target"
    s3 = house.boto("s3")
    s3.create_bucket(Bucket=other)
    arn, key = make_user(house, f"copier-{bucket}")
    guest = house.boto("s3", key=key)
    copy = lambda: guest.copy_object(Bucket=other, Key="k", CopySource={"Bucket": bucket, "Key": "a/b"})
    allow = lambda name, action: s3.put_bucket_policy(Bucket=name, Policy=document(
        {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": action, "Resource": f"arn:aws:s3:::{name}/*"}))
    allow(bucket, "s3:GetObject")
    assert code(copy) == "AccessDenied"
    allow(other, "s3:PutObject")
    copy()
    s3.delete_bucket_policy(Bucket=bucket)
    assert code(copy) == "AccessDenied"


def test_nobody_gets_in_unless_both_the_block_and_the_policy_say_so(house, bucket):
    s3, url = house.boto("s3"), f"{house.api}/{bucket}/a/b"
    public = document({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/a/*"})
    assert get(url)[0] == 403
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert code(s3.put_bucket_policy, Bucket=bucket, Policy=public) == "AccessDenied"

    s3.delete_public_access_block(Bucket=bucket)
    assert code(s3.get_public_access_block, Bucket=bucket) == "NoSuchPublicAccessBlockConfiguration"
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    assert get(url) == (200, b"hello")
    assert get(f"{house.api}/{bucket}/other")[0] == 403
    assert get(f"{house.api}/{bucket}?list-type=2")[0] == 403
    assert get(f"{house.api}/")[0] == 403
    assert get(f"{url}?acl")[0] == 403
    put = urllib.request.Request(url, data=b"x", method="PUT")
    assert get(put)[0] == 403

    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert get(url)[0] == 403
    assert s3.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"hello"
    record = [r for r in house.records() if r["eventName"] == "GetObject" and r["userIdentity"]["type"] == "AWSAccount"][-1]
    assert record["userIdentity"]["accountId"] == "ANONYMOUS_PRINCIPAL" and record["errorCode"] == "AccessDenied"


def test_a_public_acl_is_refused_while_it_is_blocked(house, bucket):
    s3 = house.boto("s3")
    for extra in [{"ACL": "public-read"}, {"GrantRead": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'}]:
        assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"", **extra) == "AccessDenied"
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="private")


def test_what_is_no_policy_for_this_bucket_is_refused(house, bucket):
    s3 = house.boto("s3")
    allow = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "s3:GetObject"}
    for policy in [
        "{", "{}",
        document({**allow, "Resource": "arn:aws:s3:::another/*"}),
        document({**allow, "Resource": f"arn:aws:s3:::{bucket}2/*"}),
        document({**allow, "Action": "sqs:SendMessage", "Resource": f"arn:aws:s3:::{bucket}/*"}),
        document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}),
    ]:
        assert code(s3.put_bucket_policy, Bucket=bucket, Policy=policy) == "MalformedPolicy", policy
    large = document({**allow, "Resource": f"arn:aws:s3:::{bucket}/" + "x" * 21000})
    assert code(s3.put_bucket_policy, Bucket=bucket, Policy=large) == "PolicyTooLarge"
    assert code(s3.get_bucket_policy, Bucket=bucket) == "NoSuchBucketPolicy"
    assert code(s3.put_bucket_policy, Bucket="nobodys-bucket", Policy=document(
        {**allow, "Resource": "arn:aws:s3:::nobodys-bucket/*"})) == "NoSuchBucket"


def test_tags_of_an_object_are_looked_up_when_a_policy_asks(house, bucket):
    s3 = house.boto("s3")
    statement = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectTagging"], "Resource": f"arn:aws:s3:::{bucket}/*",
                 "Condition": {"StringEquals": {"s3:ExistingObjectTag/team": "blue"}}}
    _, key = make_user(house, f"tagged-{bucket}", {"Version": "2012-10-17", "Statement": [statement]})
    guest = house.boto("s3", key=key)
    s3.put_object(Bucket=bucket, Key="blue", Body=b"b", Tagging="team=blue")
    s3.put_object(Bucket=bucket, Key="red", Body=b"r", Tagging="team=red")
    assert guest.get_object(Bucket=bucket, Key="blue")["Body"].read() == b"b"
    assert code(guest.get_object, Bucket=bucket, Key="red") == "AccessDenied"
    assert code(guest.get_object, Bucket=bucket, Key="a/b") == "AccessDenied"
    assert code(guest.get_object, Bucket=bucket, Key="none") == "AccessDenied"
    s3.put_object_tagging(Bucket=bucket, Key="red", Tagging={"TagSet": [{"Key": "team", "Value": "blue"}]})
    assert guest.get_object(Bucket=bucket, Key="red")["Body"].read() == b"r"
