"""Whoever has seen one good request gains nothing by it: every change of it, every other session's token, every old copy is
refused, and nothing of that reaches the store behind. The store counts what it gets."""
import base64
import concurrent.futures
import datetime
import hashlib
import json
import re
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from house import House, Lan
from test_bad_input import Wire, chunks, code

BODY = b"0123456789abcdef" * 3


class Store:
    """A store that takes anything, and counts: complete requests, and those that broke off."""

    def __init__(self):
        store = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("content-length", 0))
                body = self.rfile.read(length)
                store.requests += [f"{self.command} {self.path}"] if len(body) == length else []
                store.broken += len(body) != length
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

            def log_message(self, *_):
                pass

        self.requests, self.broken = [], 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture(scope="module")
def store():
    running = Store()
    yield running
    running.server.shutdown()


@pytest.fixture(scope="module")
def house(store, tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "credentials"
    keys.write_text("[default]\naws_access_key_id = AKIAREALREALREALREAL\naws_secret_access_key = real\n")
    running = House(config=f"""
[[upstream]]
name = "counted"
buckets = ["counted"]
endpoint = "{store.endpoint}"
credentials = {{ file = "{keys}" }}
""")
    yield running
    running.close()


@pytest.fixture(scope="module")
def wire(house):
    return Wire(house, *house.admin_key())


def head_of(method, target, fields):
    return (f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n").encode()


def meaning(head):
    """What of a head counts: two heads with the same meaning are the same request."""
    lines = head.decode("latin-1").split("\r\n")
    first = lines[0].split(" ")
    fields = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        value = re.sub(r"\s+", " ", value.strip(" \t"))
        if name.lower() == "authorization":
            value = re.sub(r",\s*", ",", value)
        fields.append((name.lower(), colon, value))
    return [first[:-1], sorted(fields)]


def try_all(wire, requests):
    """The answers to many raw requests, several at a time."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda data: wire.raw(data, half_close=True), requests))


def test_every_change_of_a_byte_of_a_signed_head_is_refused_before_the_store(wire, store):
    target = "/counted/a%20key/with"
    good = head_of("GET", target, wire.signed("GET", target))
    assert wire.raw(good, half_close=True)[0] == 200
    before = list(store.requests)
    changed = []
    for place, byte in enumerate(good[:-4]):
        for other in {byte ^ 1, byte ^ 0x20, (byte + 7) % 256}:
            spoilt = good[:place] + bytes([other]) + good[place + 1:]
            if meaning(spoilt) != meaning(good):
                changed.append(spoilt)
    assert len(changed) > 1000
    answers = try_all(wire, changed)
    passed = [changed[n] for n, answer in enumerate(answers) if answer is not None and answer[0] < 400]
    assert passed == [] and store.requests == before


def test_every_change_of_a_byte_of_a_presigned_url_is_refused_before_the_store(house, wire, store):
    url = house.boto("s3", signature_version="s3v4").generate_presigned_url("get_object", Params={"Bucket": "counted", "Key": "k"})
    target = url[len(house.api):]
    request = lambda target: b"GET " + target + f" HTTP/1.1\r\nHost: {wire.host}\r\nConnection: close\r\n\r\n".encode()
    assert wire.raw(request(target.encode()))[0] == 200
    before, changed = list(store.requests), []
    for place, byte in enumerate(target.encode()):
        for other in {byte ^ 1, byte ^ 0x20}:
            if other > 0x20 and other != 0x23 and other < 0x7f:
                spoilt = target.encode()[:place] + bytes([other]) + target.encode()[place + 1:]
                # Hex digits of an escape mean the same in either case.
                if spoilt.decode().upper() != target.upper() or "%" not in target[max(0, place - 2):place + 1]:
                    changed.append(request(spoilt))
    answers = try_all(wire, changed)
    passed = [changed[n] for n, answer in enumerate(answers) if answer is not None and answer[0] < 400]
    assert passed == [] and store.requests == before


def test_every_change_of_a_byte_of_signed_chunks_leaves_the_store_without_an_object(wire, store):
    crc = base64.b64encode(zlib.crc32(BODY).to_bytes(4, "big")).decode()
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(BODY)),
               "x-amz-trailer": "x-amz-checksum-crc32"}
    fields = wire.signed("PUT", "/counted/chunks", headers=headers, payload="STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
    framed = chunks(wire, [BODY[:16], BODY[16:]], trailer=("x-amz-checksum-crc32", crc))
    request = lambda body: head_of("PUT", "/counted/chunks", {"content-length": len(body), **fields}) + body
    assert wire.raw(request(framed), half_close=True)[0] == 200
    before, changed = list(store.requests), []
    for place, byte in enumerate(framed):
        spoilt = framed[:place] + bytes([byte ^ 1]) + framed[place + 1:]
        changed.append(request(spoilt))
    changed += [request(framed[:length]) for length in range(0, len(framed), 7)]
    changed += [request(framed + more) for more in (b"x", b"0\r\n\r\n", framed)]
    changed.append(request(framed.replace(b"10;", b"ffffffffffffffff;", 1)))
    answers = try_all(wire, changed)
    passed = [n for n, answer in enumerate(answers) if answer is not None and answer[0] < 400]
    assert passed == [], [changed[n][-len(framed):] for n in passed]
    assert store.requests == before


def test_security_headers_are_given_once_and_their_order_means_nothing(wire, store):
    fields = wire.signed("GET", "/counted/k")
    before = len(store.requests)
    for name in ["host", "x-amz-date", "x-amz-content-sha256", "authorization"]:
        for other in [fields[name], "other"]:
            answer = wire.send("GET", "/counted/k", fields, extra=f"{name}: {other}\r\n".encode())
            assert answer is None or answer[0] in (400, 403), (name, answer)
    twice = {**fields, "x-amz-copy-source": "/counted/other"}
    assert wire.send("PUT", "/counted/k", {**wire.signed("PUT", "/counted/k"), "x-amz-copy-source": "/counted/other"})[0] == 403
    assert wire.send("GET", "/counted/k", twice)[0] == 403
    assert len(store.requests) == before
    backwards = dict(reversed(list(fields.items())))
    assert wire.send("GET", "/counted/k", backwards)[0] == 200


@pytest.mark.parametrize("what", [
    {"region": "us-west-9"}, {"service": "sqs"}, {"service": "s3express"}, {"scope_date": "20200101"},
    {"date": "20200101T000000Z"}, {"date": "21000101T000000Z"},
], ids=str)
def test_a_signature_for_something_else_is_refused(wire, store, what):
    before = len(store.requests)
    answer = wire.send("GET", "/counted/k", wire.signed("GET", "/counted/k", **what))
    assert answer[0] in (400, 403, 404), answer
    assert len(store.requests) == before


def test_a_copy_of_a_request_is_good_for_fifteen_minutes(wire, store):
    stamp = lambda minutes: (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=minutes)).strftime("%Y%m%dT%H%M%SZ")
    assert wire.send("GET", "/counted/k", wire.signed("GET", "/counted/k", date=stamp(14)))[0] == 200
    before = len(store.requests)
    for minutes in (16, -16, 60 * 24):
        answer = wire.send("GET", "/counted/k", wire.signed("GET", "/counted/k", date=stamp(minutes)))
        assert code(answer) == (403, "RequestTimeTooSkewed"), answer
    assert len(store.requests) == before


# -- sessions


@pytest.fixture(scope="module")
def sessions(house):
    """Two sessions of one role."""
    iam, sts = house.boto("iam"), house.boto("sts")
    arn = f"arn:aws:iam::{house.ready['account']}:root"
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}]}
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    made = iam.create_role(RoleName="visitor", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName="visitor", PolicyName="p", PolicyDocument=json.dumps(allow))
    return [sts.assume_role(RoleArn=made, RoleSessionName=f"s{n}")["Credentials"] for n in range(2)]


def ask(house, credentials, **changes):
    held = {**credentials, **changes}
    wire = Wire(house, held["AccessKeyId"], held["SecretAccessKey"], held["SessionToken"])
    return code(wire.send("GET", "/counted/k", wire.signed("GET", "/counted/k")))


def test_a_token_belongs_to_its_key_and_to_nobody_else(house, sessions, store):
    one, two = sessions
    assert ask(house, one)[0] == 200 and ask(house, two)[0] == 200
    before = len(store.requests)
    assert ask(house, one, SessionToken=two["SessionToken"]) == (400, "InvalidToken")
    assert ask(house, one, AccessKeyId=two["AccessKeyId"])[0] in (400, 403)
    assert ask(house, one, SecretAccessKey=two["SecretAccessKey"]) == (403, "SignatureDoesNotMatch")
    admin = house.admin_key()
    assert ask(house, one, AccessKeyId=admin[0], SecretAccessKey=admin[1]) == (400, "InvalidToken")
    assert ask(house, one, SessionToken=None)[0] in (400, 403)
    other = House()
    try:
        foreign = other.credentials()
        foreign = {"AccessKeyId": foreign["AccessKeyId"], "SecretAccessKey": foreign["SecretAccessKey"], "SessionToken": foreign["Token"]}
        assert ask(house, foreign)[0] in (400, 403)
    finally:
        other.close()
    assert len(store.requests) == before


def test_every_change_of_a_token_is_refused(house, sessions, store):
    before, token = len(store.requests), sessions[0]["SessionToken"]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    def spoilt(place):
        other = letters[(letters.find(token[place]) + 11) % len(letters)]
        return token[:place] + other + token[place + 1:]
    places = range(0, len(token), 3)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda place: ask(house, sessions[0], SessionToken=spoilt(place)), places))
    assert {status for status, _ in answers} <= {400, 403}, answers
    for broken in [token[:-1], token + "A", token[: len(token) // 2], token * 2]:
        assert ask(house, sessions[0], SessionToken=broken)[0] in (400, 403, 431)
    assert len(store.requests) == before


def test_a_revoked_role_and_a_deleted_one_are_out_at_once(house, sessions, store):
    iam = house.boto("iam")
    before_all = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    deny = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {
        "DateLessThan": {"aws:TokenIssueTime": before_all.strftime("%Y-%m-%dT%H:%M:%SZ")}}}]}
    iam.put_role_policy(RoleName="visitor", PolicyName="AWSRevokeOlderSessions", PolicyDocument=json.dumps(deny))
    before = len(store.requests)
    assert ask(house, sessions[0]) == (403, "AccessDenied")
    for name in ["AWSRevokeOlderSessions", "p"]:
        iam.delete_role_policy(RoleName="visitor", PolicyName=name)
    iam.delete_role(RoleName="visitor")
    assert ask(house, sessions[0])[0] in (400, 403) and ask(house, sessions[1])[0] in (400, 403)
    assert len(store.requests) == before


def test_a_credential_used_from_another_machine_is_refused_and_recorded_with_its_owner(tmp_path):
    lan = Lan("h")
    try:
        machine, thief = lan.machine(1), lan.machine(2)
        house = House(machine=machine, api=f"{machine.address}:7400", metadata=f"{machine.address}:7401")
        try:
            fetch = ["curl", "-sS", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60",
                     house.metadata.rstrip("/") + "/latest/api/token"]
            token = house.run(fetch).stdout
            url = house.metadata.rstrip("/") + f"/latest/meta-data/iam/security-credentials/{house.ready['role']}"
            stolen = json.loads(house.run(["curl", "-sS", "-H", f"X-aws-ec2-metadata-token: {token}", url]).stdout)
            use = ["curl", "-sS", "-o", "/dev/stderr", "-w", "%{http_code}", "--aws-sigv4", f"aws:amz:{house.ready['region']}:s3",
                   "--user", f"{stolen['AccessKeyId']}:{stolen['SecretAccessKey']}",
                   "-H", f"x-amz-security-token: {stolen['Token']}", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
                   f"{house.api}/{house.ready['bucket']}"]
            assert house.run(use).stdout == "200"
            answer = house.run(use, machine=thief)
            assert answer.stdout == "403" and "bound to" in answer.stderr, answer
            record = house.records(eventName="ListObjects")[-1]
            assert record["sourceIPAddress"] == thief.address and record["errorCode"] == "AccessDenied"
            assert record["userIdentity"]["arn"].endswith(house.ready["instance"])
        finally:
            house.close()
    finally:
        lan.close()
