"""Browser forms (POST policy) and URLs presigned with version 2, made by boto3 and sent by curl."""
import base64
import json
import urllib.error
import urllib.parse
import urllib.request

import pytest

from house import House


@pytest.fixture(scope="module")
def house():
    running = House(config="[signatures]\nversion_2_presigned = true\n")
    yield running
    running.close()


@pytest.fixture(scope="module")
def s3(house):
    return house.boto("s3", signature_version="s3v4")


def bucket(house):
    return house.ready["bucket"]


def send(house, post, content, *more, name="file.txt"):
    """What curl gets for the form: (status, headers, body)."""
    fields = [word for key, value in post["fields"].items() for word in ("--form-string", f"{key}={value}")]
    result = house.run(["curl", "-sS", "-i", "-H", "Expect:", *fields, *more, "-F", f"file=@{content};filename={name}", post["url"]])
    head, _, body = result.stdout.partition("\n\n")
    lines = head.splitlines()
    return int(lines[0].split()[1]), {k.lower(): v for k, v in (line.split(": ", 1) for line in lines[1:])}, body


@pytest.fixture
def content(tmp_path):
    path = tmp_path / "content"
    path.write_bytes(b"hello from a form\n")
    return path


def test_a_form_uploads_what_its_policy_allows(house, s3, content):
    post = s3.generate_presigned_post(
        bucket(house), "forms/${filename}", Fields={"Content-Type": "text/x-form", "x-amz-meta-who": "me"},
        Conditions=[{"Content-Type": "text/x-form"}, ["starts-with", "$x-amz-meta-who", ""], ["content-length-range", 1, 1000]])
    status, headers, body = send(house, post, content, name="my file.txt")
    assert status == 204 and body == "" and headers["etag"]
    got = s3.get_object(Bucket=bucket(house), Key="forms/my file.txt")
    assert got["Body"].read() == content.read_bytes()
    assert got["ContentType"] == "text/x-form" and got["Metadata"] == {"who": "me"}
    record, = [r for r in house.records(eventName="PutObject") if r["requestParameters"]["key"] == "forms/my file.txt"]
    assert record["userIdentity"]["accessKeyId"] == house.admin_key()[0]


def test_a_large_form_streams(house, s3, tmp_path):
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 4096 * 20)
    post = s3.generate_presigned_post(bucket(house), "forms/large", Conditions=[["content-length-range", 1, 30_000_000]])
    assert send(house, post, path)[0] == 204
    assert s3.get_object(Bucket=bucket(house), Key="forms/large")["Body"].read() == path.read_bytes()
    post = s3.generate_presigned_post(bucket(house), "forms/larger", Conditions=[["content-length-range", 1, 20_000_000]])
    status, _, body = send(house, post, path)
    assert status == 400 and "EntityTooLarge" in body


def test_the_form_chooses_how_it_is_answered(house, s3, content):
    post = s3.generate_presigned_post(bucket(house), "forms/a&b", Fields={"success_action_status": "201"},
                                      Conditions=[{"success_action_status": "201"}])
    status, _, body = send(house, post, content)
    assert status == 201 and "<Key>forms/a&amp;b</Key>" in body and f"<Bucket>{bucket(house)}</Bucket>" in body
    target = "https://example.com/done?x=1"
    post = s3.generate_presigned_post(bucket(house), "forms/r", Fields={"success_action_redirect": target},
                                      Conditions=[{"success_action_redirect": target}])
    status, headers, _ = send(house, post, content)
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(headers["location"]).query)
    assert status == 303 and headers["location"].startswith(target)
    assert query["bucket"] == [bucket(house)] and query["key"] == ["forms/r"] and query["x"] == ["1"]


@pytest.mark.parametrize("spoil, code", [
    (lambda post: post["fields"].update(key="other"), "AccessDenied"),
    (lambda post: post["fields"].update({"x-amz-meta-extra": "1"}), "AccessDenied"),
    (lambda post: post["fields"].update({"acl": "private"}), "AccessDenied"),
    (lambda post: post["fields"].update({"x-amz-signature": "0" * 64}), "SignatureDoesNotMatch"),
    (lambda post: post["fields"].update(policy=base64.b64encode(b"{}").decode()), "SignatureDoesNotMatch"),
    (lambda post: post["fields"].pop("policy"), "MalformedPOSTRequest"),
    (lambda post: post["fields"].update({"x-amz-credential": post["fields"]["x-amz-credential"].replace("/s3/", "/sqs/")}), None),
])
def test_a_form_that_is_not_the_one_that_was_signed_uploads_nothing(house, s3, content, spoil, code):
    post = s3.generate_presigned_post(bucket(house), "forms/spoilt")
    spoil(post)
    status, _, body = send(house, post, content)
    assert status in (400, 403) and (code is None or f"<Code>{code}</Code>" in body), body
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=bucket(house), Prefix="forms/").get("Contents", [])]
    assert "forms/spoilt" not in keys and "other" not in keys


def test_an_expired_form_and_one_that_breaks_off_upload_nothing(house, s3, content):
    post = s3.generate_presigned_post(bucket(house), "forms/late", ExpiresIn=-10)
    status, _, body = send(house, post, content)
    assert status == 403 and "Policy expired" in body
    post = s3.generate_presigned_post(bucket(house), "forms/broken")
    parts = "".join(f'--b\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in post["fields"].items())
    half = parts + '--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhalf\r\n'
    for body in (half, half + "--b\r\n", parts + "--b--\r\n", parts):
        request = urllib.request.Request(post["url"], data=body.encode(), method="POST",
                                         headers={"Content-Type": "multipart/form-data; boundary=b"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=20)
        assert caught.value.code == 400
    assert not s3.list_objects_v2(Bucket=bucket(house), Prefix="forms/broken").get("Contents")


def test_a_form_of_a_role_needs_the_roles_permission(house, content):
    credentials = house.credentials()
    key = (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["Token"])
    role = house.boto("s3", key=key, signature_version="s3v4")
    assert send(house, role.generate_presigned_post(bucket(house), "forms/role"), content)[0] == 204
    status, _, body = send(house, role.generate_presigned_post("another-bucket", "k"), content)
    assert status == 403 and "s3:PutObject" in body


def test_a_form_without_policy_is_nobodys(house, content, s3):
    url = f"{house.api}/{bucket(house)}"
    status, _, _ = send(house, {"url": url, "fields": {"key": "forms/anonymous"}}, content)
    assert status == 403
    s3.delete_public_access_block(Bucket=bucket(house))
    s3.put_bucket_policy(Bucket=bucket(house), Policy=json.dumps({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket(house)}/forms/*"}]}))
    status, _, _ = send(house, {"url": url, "fields": {"key": "forms/anonymous"}}, content)
    assert status == 204
    s3.delete_bucket_policy(Bucket=bucket(house))


# -- version 2


def test_presigned_version_2_as_boto3_makes_it(house, s3):
    old = house.boto("s3", signature_version="s3")
    s3.put_object(Bucket=bucket(house), Key="v2/a b+c", Body=b"two")
    url = old.generate_presigned_url("get_object", Params={"Bucket": bucket(house), "Key": "v2/a b+c", "ResponseContentType": "text/x"})
    assert "AWSAccessKeyId=" in url
    with urllib.request.urlopen(url, timeout=20) as answer:
        assert answer.read() == b"two" and answer.headers["content-type"] == "text/x"
    put = old.generate_presigned_url("put_object", Params={
        "Bucket": bucket(house), "Key": "v2/put", "ContentType": "text/plain", "Metadata": {"who": "me"}})
    request = urllib.request.Request(put, data=b"stored", method="PUT", headers={"Content-Type": "text/plain", "x-amz-meta-who": "me"})
    try:
        urllib.request.urlopen(request, timeout=20)
    except urllib.error.HTTPError as error:
        raise AssertionError(error.read())
    got = s3.get_object(Bucket=bucket(house), Key="v2/put")
    assert got["Body"].read() == b"stored" and got["ContentType"] == "text/plain" and got["Metadata"] == {"who": "me"}
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url.replace("v2/a", "v2/b"), timeout=20)
    assert caught.value.code == 403 and b"SignatureDoesNotMatch" in caught.value.read()
    late = old.generate_presigned_url("get_object", Params={"Bucket": bucket(house), "Key": "v2/put"}, ExpiresIn=-5)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(late, timeout=20)
    assert caught.value.code == 403 and b"expired" in caught.value.read()


def test_version_2_of_a_session_and_its_condition_keys(house):
    credentials = house.credentials()
    key = (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["Token"])
    url = house.boto("s3", key=key, signature_version="s3").generate_presigned_url("list_objects", Params={"Bucket": bucket(house)})
    assert b"ListBucketResult" in urllib.request.urlopen(url, timeout=20).read()
    iam = house.boto("iam")
    iam.put_role_policy(RoleName=house.ready["role"], PolicyName="modern", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {
            "StringEquals": {"s3:signatureversion": "AWS"}}}]}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, timeout=20)
    assert caught.value.code == 403
    iam.delete_role_policy(RoleName=house.ready["role"], PolicyName="modern")


def test_version_2_is_refused_with_a_reason_where_it_is_not_allowed():
    house = House()
    try:
        url = house.boto("s3", signature_version="s3").generate_presigned_url("list_buckets")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url, timeout=20)
        assert caught.value.code == 400 and b"AWS4-HMAC-SHA256" in caught.value.read()
    finally:
        house.close()
