"""HTTP as it is, through the gateway, in front of both stores: conditions, ranges, 100-continue, long connections, and ends
that come too early on either side."""
import http.client
import os
import re
import signal
import socket
import struct
import threading
import urllib.parse
import urllib.request

import boto3
import pytest
from botocore.exceptions import ClientError

import front as fronts
from house import wait_for

MIB = 1 << 20


@pytest.fixture(scope="module")
def front():
    with fronts.started() as running:
        yield running


@pytest.fixture(params=fronts.UPSTREAMS)
def bucket(request, front):
    """A bucket in each store. After each test the gateway is there, holds nothing open, and had no mishap."""
    since = len(front.house.records())
    yield f"{request.param}-data"
    assert front.house.process.poll() is None
    front.no_mishap(since)


@pytest.fixture(scope="module")
def content():
    return os.urandom(40 * MIB)


def status(call, **parameters):
    """What the request was answered with."""
    try:
        return call(**parameters)["ResponseMetadata"]["HTTPStatusCode"]
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"]


# -- conditions


def test_conditions_on_reads(front, bucket):
    s3, where = front.boto(), {"Bucket": bucket, "Key": "conditions/read"}
    etag = s3.put_object(**where, Body=b"x")["ETag"]
    written = s3.head_object(**where)["LastModified"]
    hour = written.timestamp() + 3600, written.timestamp() - 3600
    for call in (s3.get_object, s3.head_object):
        assert status(call, **where, IfMatch=etag) == 200
        assert status(call, **where, IfMatch='"other"') == 412
        assert status(call, **where, IfNoneMatch=etag) == 304
        assert status(call, **where, IfNoneMatch='"other"') == 200
        assert status(call, **where, IfModifiedSince=hour[1]) == 200
        assert status(call, **where, IfModifiedSince=written) == 304
        assert status(call, **where, IfUnmodifiedSince=hour[1]) == 412
        # The tag decides, not the time (RFC 9110, 13.2.2).
        assert status(call, **where, IfMatch=etag, IfUnmodifiedSince=hour[1]) == 200
    answer = s3.get_object(**where, IfMatch=etag, Range="bytes=0-0")
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_conditions_on_writes(front, bucket):
    s3, where = front.boto(), {"Bucket": bucket, "Key": "conditions/write"}
    assert status(s3.put_object, **where, Body=b"1", IfNoneMatch="*") == 200
    assert status(s3.put_object, **where, Body=b"2", IfNoneMatch="*") == 412
    etag = s3.head_object(**where)["ETag"]
    assert status(s3.put_object, **where, Body=b"3", IfMatch='"other"') == 412
    assert s3.get_object(**where)["Body"].read() == b"1"
    assert status(s3.put_object, **where, Body=b"4", IfMatch=etag) == 200
    # Of an object in parts it is asked at the end.
    upload = s3.create_multipart_upload(**where)["UploadId"]
    part = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"5")["ETag"]
    done = {"MultipartUpload": {"Parts": [{"ETag": part, "PartNumber": 1}]}, "UploadId": upload}
    assert status(s3.complete_multipart_upload, **where, **done, IfNoneMatch="*") == 412
    assert s3.get_object(**where)["Body"].read() == b"4"
    written = front.house.records(eventName="PutObject", requestParameters={"bucketName": bucket, "key": where["Key"]})
    assert [record.get("errorCode") for record in written].count(None) == 2


def test_conditions_on_deletions(front, bucket):
    s3, where = front.boto(), {"Bucket": bucket, "Key": "conditions/delete"}
    if bucket == "minio-data":
        # It knows none of them: through the gateway nothing else must happen than without.
        key = {"aws_access_key_id": front.minio.key, "aws_secret_access_key": front.minio.secret}
        direct = boto3.client("s3", endpoint_url=front.minio.endpoint, region_name="us-east-1", **key)
        for client in (direct, s3):
            client.put_object(**where, Body=b"x")
            assert status(client.delete_object, **where, IfMatch='"other"') == 204
        return
    etag = s3.put_object(**where, Body=b"x")["ETag"]
    assert status(s3.delete_object, **where, IfMatch='"other"') == 412
    assert s3.get_object(**where)["Body"].read() == b"x"
    assert status(s3.delete_object, **where, IfMatch=etag) == 204
    assert status(s3.head_object, **where) == 404


def test_one_of_many_writers_is_first(front, bucket):
    where, results = {"Bucket": bucket, "Key": "conditions/race"}, []
    clients = [front.boto() for _ in range(8)]
    threads = [threading.Thread(target=lambda client=client: results.append(
        status(client.put_object, **where, Body=b"x" * 1000, IfNoneMatch="*"))) for client in clients]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert results.count(200) == 1 and set(results) <= {200, 409, 412}, results


# -- ranges


@pytest.mark.parametrize("asked, start, end", [
    ("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=1048570-", 1048570, MIB), ("bytes=-5", MIB - 5, MIB),
    ("bytes=-99999999", 0, MIB), ("bytes=1048575-9999999999", MIB - 1, MIB)])
def test_ranges(front, bucket, content, asked, start, end):
    s3, where = front.boto(), {"Bucket": bucket, "Key": "ranges"}
    s3.put_object(**where, Body=content[:MIB])
    answer = s3.get_object(**where, Range=asked)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert answer["ContentRange"] == f"bytes {start}-{end - 1}/{MIB}" and answer["Body"].read() == content[start:end]
    record = front.house.records(eventName="GetObject")[-1]
    assert record["additionalEventData"]["bytesTransferredOut"] == end - start


def test_ranges_that_are_none(front, bucket):
    s3, where = front.boto(), {"Bucket": bucket, "Key": "short"}
    s3.put_object(**where, Body=b"0123456789")
    for asked in ("bytes=10-", "bytes=99-100"):
        with pytest.raises(ClientError) as caught:
            s3.get_object(**where, Range=asked)
        assert caught.value.response["Error"]["Code"] == "InvalidRange"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 416
    for asked in ("bytes=5-2", "lines=1-2", "bytes=x-y"):
        # Not understood: not there (RFC 9110, 14.2).
        assert status(s3.get_object, **where, Range=asked) in (200, 416), asked


# -- 100-continue


def connect(front):
    where = urllib.parse.urlsplit(front.house.api)
    return socket.create_connection((where.hostname, where.port), 20)


def head(front, method, bucket, key, *headers):
    """The head of a request for which the URL is signed."""
    s3 = front.boto(signature_version="s3v4")
    url = urllib.parse.urlsplit(s3.generate_presigned_url(f"{method.lower()}_object", Params={"Bucket": bucket, "Key": key}))
    lines = [f"{method} {url.path}?{url.query} HTTP/1.1", f"Host: {url.netloc}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def read_head(wire):
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = wire.recv(1)
        assert piece, answer
        answer += piece
    return answer.decode()


def test_a_body_is_asked_for_when_the_request_is_allowed(front, bucket):
    with connect(front) as wire:
        wire.sendall(head(front, "PUT", bucket, "continued", "Content-Length: 4", "Expect: 100-continue"))
        assert read_head(wire).startswith("HTTP/1.1 100 ")
        wire.sendall(b"body")
        assert read_head(wire).startswith("HTTP/1.1 200 ")
    assert front.boto().get_object(Bucket=bucket, Key="continued")["Body"].read() == b"body"


@pytest.mark.parametrize("spoil", [
    lambda text: text.replace(b"X-Amz-Signature=", b"X-Amz-Signature=0"),
    lambda text: text.replace(b"Expect:", b"x-amz-acl: public-read\r\nExpect:"),
    None,
], ids=["signature", "unsigned header", "policy"])
def test_no_body_is_asked_for_when_it_is_not(front, bucket, spoil):
    # Of a terabyte nothing is waited for.
    where = bucket if spoil else "others-data"
    request = head(front, "PUT", where, "denied", f"Content-Length: {1 << 40}", "Expect: 100-continue")
    with connect(front) as wire:
        wire.sendall(spoil(request) if spoil else request)
        assert read_head(wire).split()[1] in ("400", "403")
        answer = b""
        while piece := wire.recv(65536):
            answer += piece
        assert b"<Error>" in answer


# -- connections


def test_many_requests_on_one_connection(front, bucket):
    s3, where = front.boto(signature_version="s3v4"), urllib.parse.urlsplit(front.house.api)
    wire = http.client.HTTPConnection(where.hostname, where.port, timeout=20)
    wire.connect()
    first = wire.sock
    for number in range(100):
        for method, body in (("PUT", b"%d" % number * number), ("GET", None), ("DELETE", None), ("GET", None)):
            url = s3.generate_presigned_url(f"{method.lower()}_object", Params={"Bucket": bucket, "Key": f"kept/{number}"})
            wire.request(method, url[len(front.house.api):], body=body)
            answer = wire.getresponse()
            read = answer.read()
            if answer.status == 200 and method == "GET":
                assert read == b"%d" % number * number
        assert answer.status == 404, "deleted"
    assert wire.sock is first
    wire.close()


def descriptors(front):
    return len(os.listdir(f"/proc/{front.house.process.pid}/fd"))


def sent(front):
    """Bytes of bodies of answers so far."""
    with urllib.request.urlopen(front.house.api + "/_hallpass/metrics", timeout=5) as answer:
        return float(re.search(r"^hallpass_response_bytes_total (\S+)$", answer.read().decode(), re.M)[1])


def test_a_client_that_goes_away_in_the_middle_of_a_download(front, bucket, content):
    key = "gone"
    front.boto().put_object(Bucket=bucket, Key=key, Body=content)
    before, before_sent = descriptors(front), sent(front)
    for how in ("close", "reset"):
        wires = [connect(front) for _ in range(10)]
        for wire in wires:
            wire.sendall(head(front, "GET", bucket, key))
            assert read_head(wire).startswith("HTTP/1.1 200 ")
            assert len(wire.recv(100_000)) > 0
        for wire in wires:
            if how == "reset":
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            wire.close()
    mine = lambda: [r for r in front.house.records(eventName="GetObject")
                    if r["requestParameters"] == {"bucketName": bucket, "key": key}]
    wait_for(lambda: len(mine()) >= 20, "each of them being on record")
    # A few connections to the store may be kept for the next.
    wait_for(lambda: descriptors(front) <= before + 4, "what they held being given back")
    records = mine()
    assert len({record["requestID"] for record in records}) == len(records) == 20
    # Records are made before the answer goes out and say its length; what really went is counted.
    assert 20 * 100_000 <= sent(front) - before_sent < 20 * len(content)
    assert front.boto().get_object(Bucket=bucket, Key=key)["Body"].read() == content


# -- a store that goes away


@pytest.fixture
def doomed():
    with fronts.started() as running:
        yield running


def test_a_store_that_dies_in_the_middle_never_looks_whole(doomed, content):
    front, bucket = doomed, "minio-data"
    s3 = front.boto()
    s3.put_object(Bucket=bucket, Key="k", Body=content)
    s3.put_object(Bucket="directory-data", Key="k", Body=b"other")
    with connect(front) as down, connect(front) as up:
        down.sendall(head(front, "GET", bucket, "k", "Connection: close"))
        answer = read_head(down)
        assert f"content-length: {len(content)}" in answer.lower()
        up.sendall(head(front, "PUT", bucket, "new", f"Content-Length: {len(content)}", "Connection: close"))
        up.sendall(content[:4 * MIB])
        front.minio.process.send_signal(signal.SIGKILL)
        front.minio.process.wait(20)
        read = 0
        try:
            while piece := down.recv(65536):
                read += len(piece)
        except ConnectionResetError:
            pass
        assert 0 < read < len(content)
        try:
            up.sendall(content[4 * MIB:])
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        try:
            while piece := up.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    assert answer == b"" or answer.split()[1].startswith(b"5"), answer
    got = wait_for(lambda: [r for r in front.house.records(eventName="GetObject")], "the record of the broken download")
    assert len(got) == 1
    put = wait_for(lambda: [r for r in front.house.records(eventName="PutObject") if r["requestParameters"]["key"] == "new"],
                   "the record of the broken upload")
    assert len(put) == 1 and put[0]["errorCode"], put
    # Without the store its requests fail as S3's do; the other store serves on.
    assert status(s3.get_object, Bucket=bucket, Key="k") in (500, 502, 503, 504)
    assert s3.get_object(Bucket="directory-data", Key="k")["Body"].read() == b"other"
