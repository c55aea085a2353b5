"""Document 000, "Evaluate support for AWS IAM Roles in S3 Client": the sensible step of a limited user's key, a key that
opens only from one network, a key that rotates every night, files whole and in pieces, and no credentials for requests
that somebody else made us send.
"""
import hashlib
import json
import os
import re
import socket
import struct
import subprocess
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from house import TOOLS, Wire, wait_for

PYTHON = TOOLS / "python/bin/python"
CLIENTS = Path(__file__).parent / "clients/python"
RUST = TOOLS / "client-rust/target/debug/hallpass-interop-rust"
GO = TOOLS / "client-go/s3client"
MIB = 1024 * 1024
API = "10.77.0.1:7400"
LIST = "/latest/meta-data/iam/security-credentials/"
METADATA_TTL = "X-aws-ec2-metadata-token-ttl-seconds"


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def bucket_only(name):
    return policy({"Effect": "Allow", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]})


def keyed(house, keys):
    return house.env(**keys, AWS_EC2_METADATA_DISABLED="true")


def test_a_user_s_key_is_limited_to_one_bucket(house, tmp_path):
    for name in ("phabricator", "payroll"):
        house.aws("s3", "mb", f"s3://{name}")
    env = keyed(house, house.user("phabricator", bucket_only("phabricator")))
    (tmp_path / "file").write_text("text")
    house.aws("s3", "cp", tmp_path / "file", "s3://phabricator/file", env=env)
    assert "file" in house.aws("s3", "ls", "s3://phabricator", env=env)
    assert house.aws("sts", "get-caller-identity", env=env)["Arn"].endswith(":user/phabricator")
    for words in (
        ("s3", "cp", tmp_path / "file", "s3://payroll/file"),
        ("s3", "ls", "s3://payroll"),
        ("s3", "ls"),
        ("s3", "mb", "s3://new"),
        ("iam", "list-users"),
        ("iam", "create-access-key"),
        ("ec2", "describe-instances"),
        ("ec2", "run-instances", "--image-id", "ami-ed65ba84", "--count", "1"),
    ):
        refused = house.aws(*words, env=env, check=False)
        assert refused.returncode != 0, words
        assert "AccessDenied" in refused.stderr or "UnauthorizedOperation" in refused.stderr, (words, refused.stderr)


def test_a_key_that_opens_only_from_its_vpc(houses, lan, tmp_path):
    """"Ex-employees presumably do not have access to hosts in your VPC.\""""
    server, inside, outside = lan.machine(1), lan.machine(2), lan.machine(3)
    config = '[[network]]\ncidr = "10.77.0.2/32"\nvpc = "vpc-a908f83e"\n'
    house = houses(machine=server, api=API, config=config)
    house.aws("s3", "mb", "s3://phabricator")
    statement = {
        "Sid": "Stmt1457549907000",
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject"],
        # Spelt as in the document: names of condition keys have no case.
        "Condition": {"StringEquals": {"aws:sourceVpc": "vpc-a908f83e"}},
        "Resource": ["arn:aws:s3:::phabricator/*"],
    }
    env = keyed(house, house.user("phabricator", policy(statement)))
    (tmp_path / "file").write_text("text")
    copy = ("s3", "cp", tmp_path / "file", "s3://phabricator/file")
    house.aws(*copy, env=env, machine=inside)
    for elsewhere in (outside, server):
        refused = house.aws(*copy, env=env, machine=elsewhere, check=False)
        assert refused.returncode != 0 and "AccessDenied" in refused.stderr, refused.stderr
    # The record tells the one from the other.
    puts = wait_for(lambda: (r := house.records(eventName="PutObject")) and len(r) >= 3 and r, "the record of them")
    assert [(r["sourceIPAddress"], "errorCode" in r) for r in puts] == [
        ("10.77.0.2", False), ("10.77.0.3", True), ("10.77.0.1", True)]
    # The client cannot say itself where it comes from.
    refused = house.run(
        ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-T", tmp_path / "file", "--aws-sigv4",
         f"aws:amz:{house.ready['region']}:s3", "-u", f"{env['AWS_ACCESS_KEY_ID']}:{env['AWS_SECRET_ACCESS_KEY']}",
         "-H", "X-Forwarded-For: 10.77.0.2", "-H", f"x-amz-content-sha256: {hashlib.sha256(b'text').hexdigest()}",
         house.api + "/phabricator/file"], machine=outside)
    assert refused.stdout == "403"


def test_a_key_is_rotated_in_the_file_while_a_client_runs(house, tmp_path):
    """"If someone copies a credential and it rotates every night, it will only work for a day at most.\""""
    house.aws("s3", "mb", "s3://phabricator")
    first = house.user("phabricator", bucket_only("phabricator"))
    file = tmp_path / "credentials"

    def switch_to(keys):
        staged = tmp_path / "credentials.new"
        staged.write_text("[default]\n" + "".join(f"{name.lower()} = {value}\n" for name, value in keys.items()))
        staged.chmod(0o600)
        staged.rename(file)

    switch_to(first)
    env = house.env(AWS_SHARED_CREDENTIALS_FILE=str(file), AWS_EC2_METADATA_DISABLED="true")
    client = subprocess.Popen([str(PYTHON), str(CLIENTS / "rotating.py"), "phabricator"], env=env, text=True, bufsize=1,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        answers = []

        def next_with(key):
            """Reads on until the client has used that key twice: then no request with the other is on its way."""
            while [answer["key"] for answer in answers[-2:]] != [key, key]:
                line = client.stdout.readline()
                assert line, "the client ended"
                answers.append(json.loads(line))

        current = first
        next_with(current["AWS_ACCESS_KEY_ID"])
        for _ in range(3):
            # awsrotate's steps: a second key, into the file, the first one off and gone.
            made = house.aws("iam", "create-access-key", "--user-name", "phabricator")["AccessKey"]
            following = {"AWS_ACCESS_KEY_ID": made["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"]}
            switch_to(following)
            next_with(following["AWS_ACCESS_KEY_ID"])
            old = current["AWS_ACCESS_KEY_ID"]
            house.aws("iam", "update-access-key", "--user-name", "phabricator", "--access-key-id", old,
                      "--status", "Inactive")
            house.aws("iam", "delete-access-key", "--user-name", "phabricator", "--access-key-id", old)
            current = following
            next_with(current["AWS_ACCESS_KEY_ID"])
        assert [answer for answer in answers if not answer["ok"]] == []
    finally:
        client.stdin.close()
        client.terminate()
        client.wait(20)
        client.stdout.close()
    # The copy an ex-employee kept.
    refused = house.aws("s3", "ls", "s3://phabricator", env=keyed(house, first), check=False)
    assert "InvalidAccessKeyId" in refused.stderr, refused.stderr
    listed = house.aws("iam", "list-access-keys", "--user-name", "phabricator")["AccessKeyMetadata"]
    assert [key["AccessKeyId"] for key in listed] == [current["AWS_ACCESS_KEY_ID"]]
    # Accountability: each request is on record with the key that made it; the rotation too, and without a secret.
    used = {record["userIdentity"]["accessKeyId"] for record in house.records(eventName="PutObject")}
    assert {answer["key"] for answer in answers} <= used
    assert len(house.records(eventName="DeleteAccessKey")) == 3
    recorded = json.dumps(house.records())
    assert current["AWS_SECRET_ACCESS_KEY"] not in recorded and first["AWS_SECRET_ACCESS_KEY"] not in recorded


def test_two_keys_are_the_limit(house):
    """AWS's number: one in use, one on its way in."""
    house.user("phabricator", bucket_only("phabricator"))
    house.aws("iam", "create-access-key", "--user-name", "phabricator")
    third = house.aws("iam", "create-access-key", "--user-name", "phabricator", check=False)
    assert "LimitExceeded" in third.stderr, third.stderr


@pytest.mark.parametrize("client", [RUST, GO], ids=["rust", "go"])
def test_whole_files_are_streamed_in_signed_chunks(house, tmp_path, client):
    house.aws("s3", "mb", "s3://files")
    env = keyed(house, house.user("phabricator", bucket_only("files")))
    wire = Wire(int(house.api.rsplit(":", 1)[1]))
    try:
        content = os.urandom(9 * MIB + 17)
        (tmp_path / "file").write_bytes(content)
        (tmp_path / "empty").write_bytes(b"")
        operations = [
            {"op": "put", "bucket": "files", "key": "file", "file": str(tmp_path / "file")},
            {"op": "put", "bucket": "files", "key": "empty", "file": str(tmp_path / "empty")},
            {"op": "get", "bucket": "files", "key": "file", "file": str(tmp_path / "back")},
            {"op": "list", "bucket": "files", "prefix": ""},
            {"op": "put", "bucket": "others", "key": "file", "file": str(tmp_path / "file")},
        ]
        done = house.run([client], env={**env, "AWS_ENDPOINT_URL": wire.endpoint}, input=json.dumps(operations))
        put, empty, got, listed, denied = json.loads(done.stdout)
        assert put["ok"] and empty["ok"] and got["ok"], done.stdout
        assert (tmp_path / "back").read_bytes() == content
        assert sorted(listed["keys"]) == ["empty", "file"]
        assert not denied["ok"] and "AccessDenied" in denied["error"], denied
        if client == RUST:
            # Not whole with one hash over it: in chunks, each with its signature, and a signed checksum after them.
            sent = bytes(wire.sent).lower()
            assert b"streaming-aws4-hmac-sha256-payload-trailer" in sent, sent[:2000]
            assert b";chunk-signature=" in sent and b"x-amz-trailer-signature:" in sent
            assert b"aws-chunked" in sent and b"x-amz-trailer: x-amz-checksum-crc32" in sent
    finally:
        wire.close()


def test_large_files_in_chunks_of_the_writer(house, tmp_path):
    """"We can now store files of arbitrary size in engines that only expose writeEntireFile($big_chunk_of_data)": chunks
    as objects of their own, ranges of them, and one object put together by the store from parts."""
    house.aws("s3", "mb", "s3://files")
    env = keyed(house, house.user("phabricator", bucket_only("files")))
    content = os.urandom(12 * MIB)
    for number in range(3):
        (tmp_path / f"chunk{number}").write_bytes(content[number * 4 * MIB : (number + 1) * 4 * MIB])
        house.aws("s3api", "put-object", "--bucket", "files", "--key", f"chunks/{number}", "--body",
                  tmp_path / f"chunk{number}", env=env)
    house.aws("s3", "cp", "--recursive", "s3://files/chunks/", tmp_path / "down", env=env)
    assert b"".join((tmp_path / "down" / str(number)).read_bytes() for number in range(3)) == content
    house.aws("s3api", "get-object", "--bucket", "files", "--key", "chunks/1", "--range", "bytes=1048576-1048585",
              tmp_path / "range", env=env)
    assert (tmp_path / "range").read_bytes() == content[5 * MIB : 5 * MIB + 10]
    (tmp_path / "whole").write_bytes(content)
    house.aws("s3", "cp", tmp_path / "whole", "s3://files/whole", env=env)
    house.aws("s3", "cp", "s3://files/whole", tmp_path / "whole-back", env=env)
    assert (tmp_path / "whole-back").read_bytes() == content


def test_a_request_that_somebody_made_us_send_gets_no_credentials(house):
    """The document's fear: a web hook, a build step, a `git clone` of 169.254.169.254. Such a request is a GET with what
    the sender's library adds, relayed or rebound; the version 2 door wants more than that."""
    status, _, body = house.imds(LIST)
    assert status == 401 and b"demo" not in body
    assert house.imds(LIST + "demo")[0] == 401
    # Even one who could make us PUT: relays and browsers give themselves away.
    for header in ({"X-Forwarded-For": "203.0.113.9"}, {"Origin": "http://evil.example"},
                   {"Sec-Fetch-Site": "cross-site"}, {"Host": "rebound.evil.example"}):
        status, _, body = house.imds("/latest/api/token", "PUT", {METADATA_TTL: "60", **header})
        assert status in (400, 403, 421), (header, status, body)
    token = house.imds_token()
    for header in ({"Origin": "http://evil.example"}, {"Host": "rebound.evil.example"}):
        status, _, body = house.imds(LIST + "demo", headers={**token, **header})
        assert status != 200 and b"SecretAccessKey" not in body, (header, status)
    # A build plan that clones it: git asks for /info/refs, and shows what it got.
    cloned = house.run(["curl", "-s", "-L", house.metadata + "latest/meta-data/iam/info/refs?service=git-upload-pack"])
    assert "AccessKeyId" not in cloned.stdout
    # And the control: with the token, plainly, it is there.
    assert house.imds(LIST, headers=token)[0] == 200


def hang_up_http1(api, credentials, form, seconds):
    """One request, and a reset of its connection after that time."""
    host, port = api.removeprefix("http://").split(":")
    request = AWSRequest("POST", api + "/", data=form.encode(), headers={
        "Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Host": f"{host}:{port}"})
    SigV4Auth(Credentials(*credentials), "iam", "us-east-1").add_auth(request)
    head = "".join(f"{key}: {value}\r\n" for key, value in request.headers.items())
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(f"POST / HTTP/1.1\r\n{head}Content-Length: {len(form)}\r\n\r\n{form}".encode())
        connection.settimeout(seconds)
        try:
            connection.recv(1)
        except TimeoutError:
            pass


def hang_up_http2(api, credentials, form, seconds):
    """The same with version 2 of HTTP, where a server learns at once that nobody waits any more."""
    subprocess.run(
        ["curl", "-s", "-o", "/dev/null", "--http2-prior-knowledge", "--max-time", f"{0.003 + seconds:.4f}",
         "--aws-sigv4", "aws:amz:us-east-1:iam", "-u", ":".join(credentials), "-d", form, api + "/"])


@pytest.mark.parametrize("hang_up", [hang_up_http1, hang_up_http2])
def test_what_was_done_is_on_record_even_if_the_client_hangs_up(house, hang_up):
    """Accountability: whoever breaks the connection between the deed and the answer does not slip past the record, and
    the change is in force as if it had been answered."""
    text = Path(house.ready["admin_credentials"]).read_text()
    credentials = [re.search(rf"{name} = (\S+)", text)[1] for name in ("aws_access_key_id", "aws_secret_access_key")]
    names = [f"user{number}" for number in range(150)]
    for number, name in enumerate(names):
        # The moment moves across the whole of a request's time.
        hang_up(house.api, credentials, f"Action=CreateUser&Version=2010-05-08&UserName={name}", 0.0002 * (1 + number))

    def recorded():
        return {record["requestParameters"]["userName"] for record in house.records(eventName="CreateUser")}

    # A request of the same kind, answered: by then all before it were decided, as writes happen one at a time.
    house.aws("iam", "create-user", "--user-name", "last")
    there = {user["UserName"] for user in house.aws("iam", "list-users")["Users"]} & set(names)
    assert there, "some were carried out"
    wait_for(lambda: there <= recorded(), "the record of every user made")
    # What is durable is what is in force: the same after a restart.
    house.stop()
    house.start()
    after = {user["UserName"] for user in house.aws("iam", "list-users")["Users"]} & set(names)
    assert after == there
