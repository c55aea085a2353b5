"""Buckets as host names: in front of a domain of ours, and as a domain of their own; by boto3, curl and bytes of our own."""
import urllib.parse

import pytest

import front as fronts

DOMAIN, OWN = "s3.example.test", "files.example.test"


@pytest.fixture(scope="module")
def front():
    names = f'bucket_domains = {{ "{OWN}" = "minio-data" }}'
    with fronts.started(f'[listener]\ndomains = ["{DOMAIN}"]\n{names}\n') as running:
        yield running


@pytest.fixture(params=fronts.UPSTREAMS)
def bucket(request):
    return f"{request.param}-data"


@pytest.fixture
def resolved(front, monkeypatch):
    """Every name is this machine, as it would be with a wildcard in DNS."""
    import socket

    ask = socket.getaddrinfo
    here = lambda host, *rest, **more: ask("127.0.0.1" if "example.test" in str(host) or "localhost" in str(host) else host,
                                           *rest, **more)
    monkeypatch.setattr(socket, "getaddrinfo", here)
    return urllib.parse.urlsplit(front.house.api).port


def curl(front, host, path, *words, method="GET"):
    """(status, body) by curl's own signer, to `host` without any DNS."""
    port = urllib.parse.urlsplit(front.house.api).port
    key, region = front.key, front.house.ready["region"]
    settings = (f'user = "{key[0]}:{key[1]}"\naws-sigv4 = "aws:amz:{region}:s3"\n'
                'header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"\n')
    answer = front.house.run(["curl", "-sS", "-X", method, "--resolve", f"{host}:{port}:127.0.0.1", "-w", "\n%{http_code}", "-K", "-",
                              *words, f"http://{host}:{port}{path}"], input=settings).stdout
    body, _, status = answer.rpartition("\n")
    return int(status), body


@pytest.mark.parametrize("domain", [DOMAIN, "s3.localhost", "localhost"])
def test_boto3_in_virtual_host_style(front, bucket, resolved, domain):
    s3 = front.boto(endpoint=f"http://{domain}:{resolved}", s3={"addressing_style": "virtual"})
    hosts = []
    s3.meta.events.register("before-send.s3", lambda request, **_: hosts.append(urllib.parse.urlsplit(request.url).hostname))
    # Looks like a bucket and a key: the bucket is in the host, so it is a key.
    for key in ("a b+c/日本語", "minio-data/x", "directory-data"):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
        assert front.boto().get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    s3.copy_object(Bucket=bucket, Key="copied", CopySource={"Bucket": bucket, "Key": "a b+c/日本語"})
    assert {"copied", "minio-data/x"} <= {entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]["x-amz-bucket-region"] == front.house.ready["region"]
    removed = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in front.keys(bucket)]})
    assert len(removed["Deleted"]) == 4 and front.keys(bucket) == []
    assert set(hosts) == {f"{bucket}.{domain}"}


def test_presigned_urls_in_virtual_host_style(front, bucket, resolved):
    s3 = front.boto(endpoint=f"http://{DOMAIN}:{resolved}", s3={"addressing_style": "virtual"}, signature_version="s3v4")
    front.boto().put_object(Bucket=bucket, Key="signed + key", Body=b"s")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "signed + key"})
    host = f"{bucket}.{DOMAIN}"
    ask = lambda url: front.house.run(["curl", "-sS", "--resolve", f"{host}:{resolved}:127.0.0.1", url]).stdout
    assert urllib.parse.urlsplit(url).hostname == host and ask(url) == "s"
    # The host was signed: the URL is no good for another bucket.
    other = url.replace(bucket, "other-data")
    answer = front.house.run(["curl", "-sS", "--resolve", f"other-data.{DOMAIN}:{resolved}:127.0.0.1", other]).stdout
    assert "SignatureDoesNotMatch" in answer


def test_a_domain_that_is_a_bucket(front):
    assert curl(front, OWN, "/own/key%20%2B", "-T", "/etc/hostname", method="PUT")[0] == 200
    there = front.boto().get_object(Bucket="minio-data", Key="own/key +")["Body"].read()
    assert there == open("/etc/hostname", "rb").read()
    assert curl(front, OWN, "/own/key%20%2B") == (200, there.decode())
    # The path of another bucket is a key of this one.
    assert curl(front, OWN, "/directory-data/x")[0] == 404
    assert "<Name>minio-data</Name>" in curl(front, OWN, "/")[1]
    record = front.house.records(eventName="ListObjects")[-1]
    assert record["requestParameters"]["bucketName"] == "minio-data"
    assert record["additionalEventData"]["hallpass"]["upstream"] == "minio"
    assert curl(front, OWN, "/own/key%20%2B", method="DELETE")[0] == 204


@pytest.mark.parametrize("host", [DOMAIN, "s3.localhost", "evil-s3.example.test", "s3.example.test.evil.test", "evilfiles.example.test"])
def test_a_name_is_a_bucket_only_in_front_of_a_dot(front, host):
    """These are our own names, or strangers: the bucket is in the path."""
    status, body = curl(front, host, "/directory-data?list-type=2")
    assert status == 200 and "<Name>directory-data</Name>" in body


def test_a_bucket_of_nobodys_in_the_host_is_refused_by_policy(front):
    status, body = curl(front, f"others-data.{DOMAIN}", "/directory-data/x")
    assert status == 403 and "arn:aws:s3:::others-data/directory-data/x" in body
    # A host that names a folder up, or no bucket, reaches nothing.
    for label in ("..", "a..b", "UPPER", "x"):
        assert curl(front, f"{label}.{DOMAIN}", "/directory-data/x")[0] in (400, 403), label


def test_a_form_goes_to_a_bucket_in_the_host(front, bucket, resolved, tmp_path):
    s3 = front.boto(endpoint=f"http://{DOMAIN}:{resolved}", s3={"addressing_style": "virtual"}, signature_version="s3v4")
    post = s3.generate_presigned_post(bucket, "form/key")
    (tmp_path / "f").write_text("from a form")
    fields = [word for name, value in post["fields"].items() for word in ("--form-string", f"{name}={value}")]
    host = f"{bucket}.{DOMAIN}"
    answer = front.house.run(["curl", "-sS", "-i", "--resolve", f"{host}:{resolved}:127.0.0.1", *fields,
                              "-F", f"file=@{tmp_path / 'f'}", post["url"]]).stdout
    assert f"location: http://{host}:{resolved}/form/key" in answer, answer
    assert front.keys(bucket, "form") == ["form/key"]
    assert front.boto().get_object(Bucket=bucket, Key="form/key")["Body"].read() == b"from a form"
