"""Malformed requests of every kind: the protocol's own error, nothing half written, the server unharmed."""
import base64
import datetime
import hashlib
import hmac
import re
import socket
import zlib
from urllib.parse import quote

import pytest

BODY = b"the body that must not appear\n" * 40


class Wire:
    """Signs by hand and sends bytes as they are: what no well-behaved client would send."""

    def __init__(self, house, key, secret, token=None):
        self.house, self.key, self.secret, self.token = house, key, secret, token
        self.host = house.api.removeprefix("http://")

    def scope_key(self, date, region, service):
        key = ("AWS4" + self.secret).encode()
        for part in (date, region, service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key

    def signed(self, method, path, body=b"", headers=None, service="s3", region=None, date=None, scope_date=None,
               payload=None, unsigned=(), key=None, query=""):
        """Headers of a request that is signed rightly, except for what the arguments make wrong."""
        region = region or self.house.ready["region"]
        stamp = date or datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        day = scope_date or stamp[:8]
        payload = payload or hashlib.sha256(body).hexdigest()
        fields = {"host": self.host, "x-amz-date": stamp, "x-amz-content-sha256": payload}
        if self.token:
            fields["x-amz-security-token"] = self.token
        fields |= {name.lower(): value for name, value in (headers or {}).items()}
        names = sorted(name for name in fields if name not in unsigned)
        canonical = "\n".join(
            [method, path, query, *[f"{name}:{fields[name]}" for name in names], "", ";".join(names), payload])
        scope = f"{day}/{region}/{service}/aws4_request"
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
        signing_key = self.scope_key(day, region, service)
        signature = hmac.new(signing_key, text.encode(), hashlib.sha256).hexdigest()
        fields["authorization"] = (f"AWS4-HMAC-SHA256 Credential={key or self.key}/{scope}, "
                                   f"SignedHeaders={';'.join(names)}, Signature={signature}")
        self.last = {"signature": signature, "key": signing_key, "scope": scope, "stamp": stamp}
        return fields

    def send(self, method, target, fields, body=b"", half_close=False, extra=b""):
        """(status, body) of one request, written as it is; None when the server just closes."""
        fields = {"connection": "close", **fields}
        head = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return self.raw(head.encode() + extra + b"\r\n" + body, half_close)

    def raw(self, data, half_close=False):
        name, port = self.host.rsplit(":", 1)
        with socket.create_connection((name, int(port)), timeout=10) as wire:
            try:
                wire.sendall(data)
                if half_close:
                    wire.shutdown(socket.SHUT_WR)
            except OSError:
                # Closed on us already; what it said may still be read.
                pass
            answer = b""
            while True:
                try:
                    piece = wire.recv(65536)
                except OSError:
                    break
                answer += piece
                if not piece:
                    break
        if not answer:
            return None
        return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2].decode(errors="replace")


@pytest.fixture(scope="module")
def wire(shared):
    key, secret = [line.split(" = ")[1] for line in open(shared.ready["admin_credentials"]).read().split("\n")[1:3]]
    return Wire(shared, key, secret)


@pytest.fixture(autouse=True)
def unharmed(wire):
    """After each case a good request is served, and nothing was left behind."""
    yield
    status, _ = wire.send("GET", "/demo", wire.signed("GET", "/demo"))
    assert status == 200
    staging = wire.house.data / "buckets/.hallpass/staging"
    assert not staging.exists() or list(staging.iterdir()) == []


def code(answer):
    found = re.search("<Code>(.*?)</Code>", answer[1])
    return answer[0], found and found.group(1)


def absent(wire, path):
    status, _ = wire.send("HEAD", path, wire.signed("HEAD", path))
    return status == 404


def put(wire, path, body=BODY, send=None, **options):
    fields = wire.signed("PUT", path, body, **options)
    sent = body if send is None else send
    return wire.send("PUT", path, {"content-length": len(sent), **fields}, sent)


# -- signatures


@pytest.mark.parametrize("case, expected", [
    ("wrong signature", (403, "SignatureDoesNotMatch")),
    ("unknown key", (403, "InvalidAccessKeyId")),
    ("wrong region", (400, "AuthorizationHeaderMalformed")),
    ("scope of another day", (400, "AuthorizationHeaderMalformed")),
    ("an hour early", (403, "RequestTimeTooSkewed")),
    ("an hour late", (403, "RequestTimeTooSkewed")),
    ("impossible date", (403, "AccessDenied")),
    ("no hash", (400, "InvalidRequest")),
    ("hash of nothing known", (400, "InvalidArgument")),
    ("host not signed", (403, "AccessDenied")),
    ("unsigned x-amz header", (403, "AccessDenied")),
    ("garbage", (400, "AuthorizationHeaderMalformed")),
    ("two authorizations", (400, "InvalidArgument")),
    ("header and query", (400, "InvalidArgument")),
    ("foreign session token", (400, "InvalidToken")),
    ("other scheme", (400, "InvalidArgument")),
])
def test_signatures_that_prove_nothing(wire, case, expected):
    path, now = "/demo/forged", datetime.datetime.now(datetime.timezone.utc)
    stamp = lambda hours: (now + datetime.timedelta(hours=hours)).strftime("%Y%m%dT%H%M%SZ")
    target, extra, options = path, b"", {}
    match case:
        case "unknown key": options = {"key": "AKIAIOSFODNN7EXAMPLE"}
        case "wrong region": options = {"region": "us-west-2"}
        case "scope of another day": options = {"scope_date": "20200101"}
        case "an hour early": options = {"date": stamp(1)}
        case "an hour late": options = {"date": stamp(-1)}
        case "impossible date": options = {"date": "20260230T256199Z"}
        case "hash of nothing known": options = {"payload": "SOMETHING-ELSE"}
        case "host not signed": options = {"unsigned": ["host"]}
        case "unsigned x-amz header": options = {"headers": {"x-amz-copy-source": "/demo/secret"}, "unsigned": ["x-amz-copy-source"]}
        case "foreign session token": options = {"headers": {"x-amz-security-token": "AQoDYXdzEJr"}}
    fields = wire.signed("PUT", path, BODY, **options)
    match case:
        case "wrong signature": fields["authorization"] = fields["authorization"][:-4] + "0000"
        case "no hash": del fields["x-amz-content-sha256"]
        case "garbage": fields["authorization"] = "AWS4-HMAC-SHA256 Credential=, SignedHeaders, Signature=\x01"[:-1]
        case "two authorizations": extra = b"authorization: " + fields["authorization"].encode() + b"\r\n"
        case "header and query": target = path + "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00"
        case "other scheme": fields["authorization"] = "Bearer secret"
    answer = wire.send("PUT", target, {"content-length": len(BODY), **fields}, BODY, extra=extra)
    assert code(answer) == expected, answer
    assert wire.last["signature"] not in answer[1], "the right signature must never be told"
    assert absent(wire, path)


def test_the_wrong_region_is_told_the_right_one(wire):
    answer = wire.send("GET", "/demo", wire.signed("GET", "/demo", region="us-east-1"))
    assert f"<Region>{wire.house.ready['region']}</Region>" in answer[1]


def test_without_a_signature_there_is_nothing(wire):
    assert code(wire.send("GET", "/demo/x", {"host": wire.host})) == (403, "AccessDenied")
    answer = wire.send("POST", "/", {"host": wire.host, "content-type": "application/x-www-form-urlencoded",
                                     "content-length": "24"}, b"Action=GetCallerIdentity")
    assert code(answer) == (403, "MissingAuthenticationToken")
    assert "<ErrorResponse" in answer[1]


# -- bodies


def test_a_body_that_is_not_what_was_signed_never_becomes_an_object(wire):
    assert put(wire, "/demo/kept", b"old")[0] == 200
    answer = put(wire, "/demo/kept", BODY, send=BODY[:-1] + b"X")
    assert code(answer) == (400, "XAmzContentSHA256Mismatch")
    md5 = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    assert code(put(wire, "/demo/kept", headers={"content-md5": md5})) == (400, "BadDigest")
    assert code(put(wire, "/demo/kept", headers={"content-md5": "short"})) == (400, "InvalidDigest")
    crc = base64.b64encode(zlib.crc32(b"other").to_bytes(4, "big")).decode()
    assert code(put(wire, "/demo/kept", headers={"x-amz-checksum-crc32": crc}))[1] == "BadDigest"
    status, body = wire.send("GET", "/demo/kept", wire.signed("GET", "/demo/kept"))
    assert (status, body) == (200, "old")


def test_half_a_body_leaves_nothing(wire):
    fields = wire.signed("PUT", "/demo/half", BODY)
    answer = wire.send("PUT", "/demo/half", {"content-length": len(BODY), **fields}, BODY[:500], half_close=True)
    assert answer is None or code(answer) == (400, "IncompleteBody"), answer
    assert absent(wire, "/demo/half")


def chunks(wire, pieces, spoil_chunk=None, trailer=None, spoil_trailer=False, cut=False):
    """An aws-chunked body, signed chunk by chunk after `wire.signed`."""
    last, empty = wire.last, hashlib.sha256(b"").hexdigest()
    previous, framed = last["signature"], b""
    sign = lambda text: hmac.new(last["key"], text.encode(), hashlib.sha256).hexdigest()
    for number, piece in enumerate([*pieces, b""]):
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", last["stamp"], last["scope"], previous, empty,
                          hashlib.sha256(piece).hexdigest()])
        previous = sign(text)
        shown = "0" * 64 if number == spoil_chunk else previous
        framed += f"{len(piece):x};chunk-signature={shown}\r\n".encode() + piece
        framed += b"\r\n" if piece or trailer is None else b""
    if trailer:
        line = f"{trailer[0]}:{trailer[1]}"
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", last["stamp"], last["scope"], previous,
                          hashlib.sha256((line + "\n").encode()).hexdigest()])
        signature = "0" * 64 if spoil_trailer else sign(text)
        framed += f"{line}\r\nx-amz-trailer-signature:{signature}\r\n\r\n".encode()
    return framed[:-40] if cut else framed


@pytest.mark.parametrize("case, expected", [
    ("right", (200, None)),
    ("right with trailer", (200, None)),
    ("first chunk forged", (403, "SignatureDoesNotMatch")),
    ("last chunk forged", (403, "SignatureDoesNotMatch")),
    ("trailer forged", (403, "SignatureDoesNotMatch")),
    ("trailer wrong", (400, "BadDigest")),
    ("cut", (400, "IncompleteBody")),
    ("longer than declared", (400, "IncompleteBody")),
])
def test_signed_chunks(wire, case, expected):
    path, pieces = "/demo/chunked", [BODY[:600], BODY[600:]]
    wire.send("DELETE", path, wire.signed("DELETE", path))
    with_trailer = "trailer" in case
    crc = base64.b64encode(zlib.crc32(BODY if case != "trailer wrong" else b"x").to_bytes(4, "big")).decode()
    headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(BODY))}
    if case == "longer than declared":
        headers["x-amz-decoded-content-length"] = str(len(BODY) - 1)
    if with_trailer:
        headers["x-amz-trailer"] = "x-amz-checksum-crc32"
    payload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if with_trailer else "")
    fields = wire.signed("PUT", path, headers=headers, payload=payload)
    framed = chunks(wire, pieces, spoil_chunk={"first chunk forged": 0, "last chunk forged": 2}.get(case),
                    trailer=("x-amz-checksum-crc32", crc) if with_trailer else None,
                    spoil_trailer=case == "trailer forged", cut=case == "cut")
    answer = wire.send("PUT", path, {"content-length": len(framed), **fields}, framed)
    assert code(answer) == expected, answer
    assert absent(wire, path) == (expected[0] != 200)


def test_an_unsigned_trailer_is_still_checked(wire):
    for right in (True, False):
        crc = base64.b64encode(zlib.crc32(BODY if right else b"x").to_bytes(4, "big")).decode()
        framed = f"{len(BODY):x}\r\n".encode() + BODY + f"\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n".encode()
        headers = {"content-encoding": "aws-chunked", "x-amz-decoded-content-length": str(len(BODY)),
                   "x-amz-trailer": "x-amz-checksum-crc32"}
        fields = wire.signed("PUT", "/demo/unsigned", headers=headers, payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        answer = wire.send("PUT", "/demo/unsigned", {"content-length": len(framed), **fields}, framed)
        assert code(answer) == ((200, None) if right else (400, "BadDigest")), answer
        wire.send("DELETE", "/demo/unsigned", wire.signed("DELETE", "/demo/unsigned"))


def test_xml_bombs_are_not_unpacked(wire):
    bomb = b"<?xml version='1.0'?><!DOCTYPE b [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;'>]><Delete><Object><Key>&b;</Key></Object></Delete>"
    deep = b"<Delete>" + b"<a>" * 50_000
    many = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1_001 + b"</Delete>"
    for body in (bomb, deep, many, b"\xff\xfe", b"<Delete>", b""):
        md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
        fields = wire.signed("POST", "/demo", body, headers={"content-md5": md5}, query="delete=")
        answer = wire.send("POST", "/demo?delete", {"content-length": len(body), **fields}, body)
        assert code(answer) == (400, "MalformedXML"), (body[:60], answer)


# -- framing


@pytest.mark.parametrize("lines", [
    b"host: again.test\r\n",
    b"content-length: 3\r\ncontent-length: 4\r\n",
    b"content-length: 3\r\ntransfer-encoding: chunked\r\n",
    b"transfer-encoding: chunked, identity\r\n",
    b"content-length : 3\r\n",
    b"content-length: +3\r\n",
    b"x-amz_acl: public-read\r\n",
    b"folded: a\r\n b\r\n",
    b"nul: a\x00b\r\n",
    b"broken\r\n",
])
def test_ambiguous_framing_is_refused(wire, lines):
    answer = wire.raw(b"PUT /demo/smuggled HTTP/1.1\r\nconnection: close\r\nhost: " + wire.host.encode() + b"\r\n" + lines + b"\r\nabc")
    assert answer is None or answer[0] in (400, 403, 501), answer
    assert absent(wire, "/demo/smuggled")


def test_oversized_heads_are_refused(wire):
    for data in (
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\nbig: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n" + b"".join(b"h%d: x\r\n" % n for n in range(500)) + b"\r\n",
    ):
        answer = wire.raw(data)
        assert answer is None or answer[0] in (400, 414, 431), answer


def test_a_denied_upload_that_waits_is_never_told_to_go_on(wire):
    fields = wire.signed("PUT", "/demo/waiting", BODY)
    fields["authorization"] = fields["authorization"][:-4] + "0000"
    answer = wire.send("PUT", "/demo/waiting", {"content-length": len(BODY), "expect": "100-continue", **fields})
    assert code(answer) == (403, "SignatureDoesNotMatch")
    fields = wire.signed("PUT", "/demo/waiting", BODY)
    answer = wire.send("PUT", "/demo/waiting", {"content-length": len(BODY), "expect": "100-continue", **fields}, BODY)
    assert answer[0] == 100
    wire.send("DELETE", "/demo/waiting", wire.signed("DELETE", "/demo/waiting"))


# -- names


@pytest.mark.parametrize("key", ["../../escaped", "..%2f..%2fescaped", "a/../../../escaped", ".hallpass/index.redb", "%2e%2e/escaped"])
def test_no_key_leads_out_of_its_bucket(wire, key):
    before = {path for path in wire.house.path.rglob("escaped*")}
    path = "/demo/" + key
    canonical = "/demo/" + quote(re.sub("%2[fe]", lambda m: {"%2f": "/", "%2e": "."}[m.group()], key), safe="/-._~")
    fields = wire.signed("PUT", canonical, b"x")
    answer = wire.send("PUT", path, {"content-length": 1, **fields}, b"x")
    assert answer[0] in (200, 400), answer
    assert {path for path in wire.house.path.rglob("escaped*")} == before
    wire.send("DELETE", path, wire.signed("DELETE", canonical))


def test_unknown_sub_resources_are_not_taken_for_objects(wire):
    for query, status in (("newthing=", 501), ("acl=&tagging=", 400), ("uploadId=x&uploads=", 400)):
        fields = wire.signed("PUT", "/demo/k", b"x", query=query)
        answer = wire.send("PUT", f"/demo/k?{query}", {"content-length": 1, **fields}, b"x")
        assert answer[0] in (status, 400, 501), answer
        assert absent(wire, "/demo/k")


@pytest.mark.parametrize("form, expected", [
    ("Action=CreateRole&Version=2010-05-08&RoleName=..%2F..%2Fx&AssumeRolePolicyDocument=%7B%7D", (400, "ValidationError")),
    ("Action=CreateRole&Version=2010-05-08&RoleName=x&AssumeRolePolicyDocument=%7B", (400, "MalformedPolicyDocument")),
    ("Action=CreateRole&Action=DeleteRole", (400, "MalformedQueryString")),
    ("Action=%ff", (400, "MalformedQueryString")),
    ("Version=2010-05-08", (400, "MissingAction")),
    ("Action=LaunchRocket&Version=2010-05-08", (400, "InvalidAction")),
])
def test_bad_calls_get_iam_s_own_errors(wire, form, expected):
    body = form.encode()
    kind = {"content-type": "application/x-www-form-urlencoded"}
    fields = wire.signed("POST", "/", body, headers=kind, service="iam")
    answer = wire.send("POST", "/", {"content-length": len(body), **fields}, body)
    assert code(answer) == expected and "<ErrorResponse" in answer[1], answer
