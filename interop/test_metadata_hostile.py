"""Attacks on the metadata port over real sockets: by form, by number, by patience, and by one user on another."""
import http.client
import json
import socket
import statistics
import subprocess
import textwrap
import urllib.parse

import pytest

from house import CLEAN, House, wait_for
from lone import LIST

# Numbers that no account here has.
WEB, OTHER, STRANGER, FLOODER = 61011, 61012, 61013, 61014
RULES = f"""
[[rule]]
uid = {WEB}
roles = ["web"]

[[rule]]
uid = {OTHER}
roles = ["other"]
"""
TTL = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN = "X-aws-ec2-metadata-token"


@pytest.fixture(scope="module")
def agent():
    house = House()
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    for role in ("web", "other"):
        house.role(role, policy)
    house.rules(RULES)
    yield house
    house.close()


class As:
    """A Python process of a uid's, running `script` with `ask` at hand: METHOD, path and headers on one connection that is
    kept; gives status, headers and body."""

    PRELUDE = """
    import http.client, json, socket, sys, time, urllib.parse
    where = urllib.parse.urlsplit(sys.argv[1])
    line = http.client.HTTPConnection(where.hostname, where.port, timeout=15)
    def ask(method, path, **headers):
        line.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        answer = line.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read().decode()
    def token(ttl="300"):
        status, _, text = ask("PUT", "/latest/api/token", X_aws_ec2_metadata_token_ttl_seconds=ttl)
        assert status == 200, status
        return {"X-aws-ec2-metadata-token": text}
    def tell(value):
        print(json.dumps(value), flush=True)
    """

    def __init__(self, agent, uid, script, *words):
        text = textwrap.dedent(self.PRELUDE) + textwrap.dedent(script)
        self.process = subprocess.Popen(
            ["prlimit", "--nofile=20000", "--", "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--",
             "/usr/bin/python3", "-c", text, agent.metadata, *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=CLEAN, cwd="/")

    def told(self):
        line = self.process.stdout.readline()
        assert line, "the process ended"
        return json.loads(line)

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def once(agent, uid, script, *words):
    with As(agent, uid, script, *words) as process:
        return process.told()


def raw(agent, data):
    """Everything the port says to these bytes until it closes."""
    where = urllib.parse.urlsplit(agent.metadata)
    with socket.create_connection((where.hostname, where.port), timeout=15) as line:
        answer = b""
        try:
            line.sendall(data)
            while piece := line.recv(65536):
                answer += piece
        except OSError:
            pass
        return answer


# -- by form

PUT = b"PUT /latest/api/token HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
TTL_LINE = TTL.encode() + b": 60\r\n"
NO_TOKEN = {
    "forwarded, in capitals": PUT + TTL_LINE + b"X-FORWARDED-FOR: 1.2.3.4\r\n\r\n",
    "forwarded, twice": PUT + TTL_LINE + b"X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n",
    "forwarded, empty": PUT + TTL_LINE + b"X-Forwarded-For:\r\n\r\n",
    "forwarded, a space before the colon": PUT + TTL_LINE + b"X-Forwarded-For : 1.2.3.4\r\n\r\n",
    "forwarded, folded": PUT + TTL_LINE + b"A: b\r\n X-Forwarded-For: 1.2.3.4\r\n\r\n",
    "two TTLs": PUT + TTL_LINE + TTL_LINE + b"\r\n",
    "no TTL": PUT + b"\r\n",
    "method overridden": b"POST" + PUT[3:] + TTL_LINE + b"X-HTTP-Method-Override: PUT\r\n\r\n",
    "HEAD": b"HEAD" + PUT[3:] + TTL_LINE + b"\r\n",
    "OPTIONS": b"OPTIONS" + PUT[3:] + TTL_LINE + b"Origin: http://evil.test\r\n\r\n",
    "TRACE": b"TRACE" + PUT[3:] + TTL_LINE + b"\r\n",
    "HTTP/0.9": b"PUT /latest/api/token\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "SOCKS": b"\x05\x01\x00",
    "PROXY": b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n" + PUT + TTL_LINE + b"\r\n",
    "line feed in the path": b"GET /%0d%0aPUT%20/latest/api/token HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + TTL_LINE + b"\r\n",
    "another host": PUT.replace(b"127.0.0.1", b"169.254.169.254.nip.io") + TTL_LINE + b"\r\n",
    "two hosts": PUT + b"Host: evil.test\r\n" + TTL_LINE + b"\r\n",
    "no host": PUT.replace(b"Host: 127.0.0.1\r\n", b"") + TTL_LINE + b"\r\n",
    "absolute, another host": PUT.replace(b" /", b" http://evil.test/") + TTL_LINE + b"\r\n",
    "a browser's": PUT + TTL_LINE + b"Origin: http://127.0.0.1\r\n\r\n",
    "two lengths": PUT + TTL_LINE + b"Content-Length: 0\r\nContent-Length: 1\r\n\r\n",
    "length and chunks": PUT + TTL_LINE + b"Content-Length: 1\r\nTransfer-Encoding: gzip\r\n\r\n",
    "an endless head": PUT + TTL_LINE + b"A: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "ten thousand lines": PUT + TTL_LINE + b"".join(b"h%d: x\r\n" % n for n in range(10_000)) + b"\r\n",
    "a byte of nothing": PUT + TTL_LINE + b"A: \x00\r\n\r\n",
}
SERVED = {
    "plain": PUT + TTL_LINE + b"\r\n",
    "with a body": PUT + TTL_LINE + b"Content-Length: 3\r\n\r\nabc",
    "with chunks": PUT + TTL_LINE + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "that waits to go on": PUT + TTL_LINE + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\nabc",
    "that offers HTTP/2": PUT.replace(b"close", b"Upgrade, HTTP2-Settings, close") + TTL_LINE
    + b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
}


@pytest.mark.parametrize("form", NO_TOKEN)
def test_no_token_for_such_a_request(agent, form):
    answer = raw(agent, NO_TOKEN[form])
    assert not answer.startswith(b"HTTP/1.1 200") and b" 200 OK" not in answer, answer
    assert TTL.encode().lower() not in answer.lower() and b"access-control" not in answer.lower(), answer
    assert raw(agent, SERVED["plain"]).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("form", SERVED)
def test_a_token_for_a_request(agent, form):
    answer = raw(agent, SERVED[form])
    assert b"HTTP/1.1 200 OK\r\n" in answer and answer.endswith(b"=="), answer


def test_a_thousand_requests_at_once_on_one_connection(agent):
    """All of them are answered, in their order."""
    token = agent.imds_token()[TOKEN]
    paths = ["instance-id", "placement/region"] * 500
    requests = "".join(f"GET /latest/meta-data/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{TOKEN}: {token}\r\n"
                       + ("Connection: close\r\n" if n == len(paths) - 1 else "") + "\r\n"
                       for n, path in enumerate(paths))
    where = urllib.parse.urlsplit(agent.metadata)
    with socket.create_connection((where.hostname, where.port), timeout=30) as line:
        # The answers fit into the buffers that the sender leaves alone meanwhile.
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        line.sendall(requests.encode())
        stream = line.makefile("rb")
        bodies = []
        for _ in paths:
            answer = http.client.HTTPResponse(Replayed(stream))
            answer.begin()
            assert answer.status == 200
            bodies.append(answer.read().decode())
    assert bodies == [agent.ready["instance"], agent.ready["region"]] * 500


class Replayed:
    """A connection whose stream is shared by one answer after another."""

    def __init__(self, stream):
        self.stream = stream

    def makefile(self, mode):
        return Unclosed(self.stream)


class Unclosed:
    def __init__(self, stream):
        self.read, self.readline, self.readinto = stream.read, stream.readline, stream.readinto
        self.flush = self.close = lambda: None


# -- by number and by patience

FLOOD = """
held = []
def more():
    try:
        held.append(socket.create_connection((where.hostname, where.port), timeout=15))
        held[-1].sendall(b"GET /latest/meta-data/ HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nA: ")
    except OSError:
        pass
for number in range(int(sys.argv[2])):
    more()
    if number == int(sys.argv[2]) // 2:
        tell("half")
tell("all")
def open_now():
    count = 0
    for one in held:
        one.setblocking(False)
        try:
            count += one.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count
while sys.stdin.readline():
    tell(open_now())
"""
WHO = f"tell(ask('GET', '{LIST}', **token())[0::2])"


def test_ten_thousand_connections_of_one_user_shut_nobody_else_out(agent):
    with As(agent, FLOODER, FLOOD, 10_000) as flood:
        assert flood.told() == "half"
        # In the middle of it, and with as many as it gets held open.
        assert once(agent, WEB, WHO) == [200, "web"]
        assert flood.told() == "all"
        assert once(agent, WEB, WHO) == [200, "web"]
        flood.go_on()
        assert flood.told() <= 256
        assert raw(agent, SERVED["plain"]).startswith(b"HTTP/1.1 200")
    # Gone with the process: the user is as good as any again.
    assert once(agent, FLOODER, WHO) == [404, ""]


def test_who_sends_a_letter_at_a_time_is_given_up(agent):
    """Every letter is progress, and the whole head has one deadline."""
    drip = """
    line.connect()
    line.sock.settimeout(0.2)
    sent = 0
    for letter in b"GET /latest/meta-data/ HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nA: " + b"a" * 600:
        try:
            line.sock.sendall(bytes([letter]))
            sent += 1
            if not line.sock.recv(1):
                break
        except TimeoutError:
            continue
        except OSError:
            break
    tell(sent)
    """
    with As(agent, FLOODER, drip) as slow:
        assert once(agent, WEB, WHO) == [200, "web"]
        assert 0 < slow.told() < 600


# -- a connection that is kept


def test_a_kept_connection_is_decided_anew_after_a_change_of_rules(agent):
    script = f"""
    held = token()
    tell(ask("GET", "{LIST}", **held)[0::2])
    while sys.stdin.readline():
        before = line.sock
        answers = [ask("GET", "{LIST}" + role, **held)[0] for role in ("", "web")]
        tell([*answers, line.sock is before])
    """
    with As(agent, WEB, script) as kept:
        assert kept.told() == [200, "web"]
        kept.go_on()
        assert kept.told() == [200, 200, True]
        try:
            agent.rules("# nobody\n")
            kept.go_on()
            assert kept.told() == [404, 404, True]
        finally:
            agent.rules(RULES)
        kept.go_on()
        assert kept.told() == [200, 200, True]


def test_a_kept_connection_ends_with_its_token(agent):
    script = f"""
    held = token("2")
    tell(ask("GET", "{LIST}", **held)[0])
    before = line.sock
    while sys.stdin.readline():
        tell([ask("GET", "{LIST}web", **held)[0], line.sock is before])
    """
    with As(agent, WEB, script) as kept:
        assert kept.told() == 200

        def refused():
            kept.go_on()
            status, same = kept.told()
            assert same and status in (200, 401)
            return status == 401
        wait_for(refused, "the token being over", 20)


# -- one user and another

NAMES = """
def seen(role):
    status, headers, body = ask("GET", "%s" + role, **held)
    passing = ("date", "x-hallpass-request-id", "x-aws-ec2-metadata-token-ttl-seconds")
    return status, sorted((k.lower(), v) for k, v in headers.items() if k.lower() not in passing), body
held = token()
""" % LIST


@pytest.mark.parametrize("uid", [STRANGER, WEB])
def test_a_denied_role_and_one_that_is_not_there_answer_alike(agent, uid):
    """Byte for byte; and the times taken are of one kind, as far as that can be told from outside."""
    script = NAMES + """
took = {"other": [], "absnt": []}
for _ in range(150):
    for role, times in took.items():
        start = time.perf_counter()
        seen(role)
        times.append(time.perf_counter() - start)
tell([seen("other"), seen("absnt"), took])
"""
    denied, absent, took = once(agent, uid, script)
    assert denied == absent and denied[0] == 404
    for one, another in (("other", "absnt"), ("absnt", "other")):
        low, *_, high = statistics.quantiles(took[another], n=20)
        assert low <= statistics.median(took[one]) <= high


def test_no_list_is_ever_another_s(agent):
    """Three users ask at the same time, for all that they can think of."""
    script = f"""
    held, seen = token(), set()
    for _ in range(200):
        for path in ("{LIST}", "{LIST}web", "{LIST}other", "/latest/meta-data/iam/info"):
            status, _, body = ask("GET", path, **held)
            for role in ("web", "other"):
                if status == 200 and (body == role or path.endswith("/" + role)):
                    seen.add(role)
    tell(sorted(seen))
    """
    with As(agent, WEB, script) as web, As(agent, OTHER, script) as other, As(agent, STRANGER, script) as stranger:
        assert (web.told(), other.told(), stranger.told()) == (["web"], ["other"], [])
