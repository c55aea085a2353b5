"""Each real client × each thing the agent does: the client ends by itself and in time, has exactly the identity that it
should have or says that it has none, and never takes credentials for good longer than they are.

The source is scripted, so that it can fail and lie. Behind the clients is a witness instead of S3, who notes whose key
each request is signed with.
"""
import ctypes
import datetime
import hashlib
import http.server
import json
import re
import subprocess
import threading
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import pytest

import adapters
from adapters import AWS_V1, AWS_V2, BOTO2, BOTO3, BOTO3_CRT, CURL, FOG, GO, JAVA, NODE, RUBY, RUST, S5CMD
from house import BINARY, CLEAN, TOOLS, Lan, wait_for
from lone import LIST, Lone

# awscrt's own providers; boto3 with it asks through botocore.
CRT = adapters.Program("crt", "", TOOLS / "python-crt/bin/python", adapters.CLIENTS / "python/crt_client.py")
EVERY = [AWS_V1, AWS_V2, BOTO2, BOTO3, BOTO3_CRT, CRT, FOG, RUBY, NODE, GO, RUST, JAVA, S5CMD, CURL]
# Those whose program tells when it believes its credentials to end.
TELLS = {"boto2", "boto3", "boto3-crt", "node", "go", "rust", "ruby", "java"}
# Who can be told to use the IPv6 address.
IPV6 = [AWS_V1, AWS_V2, BOTO3, BOTO3_CRT, RUBY, NODE, GO, RUST, JAVA]
# Who speaks the container protocol, and who of them reads the token from a file.
CONTAINER = [AWS_V1, AWS_V2, BOTO3, BOTO3_CRT, CRT, NODE, GO, RUST, JAVA, S5CMD]
TOKEN_FILE = [AWS_V1, BOTO3, BOTO3_CRT, CRT, NODE, GO, RUST, JAVA]
PROCESS = [AWS_V1, AWS_V2, BOTO3, BOTO3_CRT, CRT, RUBY, NODE, GO, RUST, JAVA, S5CMD]

SECONDS_MAX = 30
PORT = 8097
V4 = "http://169.254.169.254/"
ODD = "a+b=c,d.e@f_g-h"
EVERYONE = '[[rule]]\neveryone = true\nroles = ["{role}"]\n'
NOBODY = "# nobody\n"
# What a client cannot do, and why: (behaviour, client) → reason.
UNABLE = {
    ("role of every character", "boto2"): "it takes `A=B` in a list for a public key's number and name",
}


def inside(machine, make):
    """What `make()` gives when called in the network of `machine`; sockets stay in the network they were made in."""
    def enter():
        with open(f"/run/netns/{machine.name}") as namespace:
            assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0x4000_0000) == 0, ctypes.get_errno()
        return make()

    # A thread of its own, which ends with that network.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(enter).result()


class Server(http.server.ThreadingHTTPServer):
    """Answers with what `answer(request)` gives: a status and a body."""

    daemon_threads, request_queue_size = True, 64

    def __init__(self, answer):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, body = answer(self)
                self.send_response(status)
                self.send_header("Content-Type", "application/xml")
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *words):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Place:
    """A machine with an agent at the real addresses, whose source and whose S3 are scripted. To adapters it is a house."""

    def __init__(self, lan, number, rules=None, minutes=60, source=None, role="app"):
        self.machine, self.role = lan.machine(number), role
        self.key = f"ASIAIOSFODNN7EXAM{number:03}"
        self.end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
        self.end = self.end.replace(microsecond=0)
        session = json.dumps({"AccessKeyId": self.key, "SecretAccessKey": "the-secret", "Token": "the-token",
                              "Expiration": self.end.strftime("%Y-%m-%dT%H:%M:%SZ")})
        self.source = inside(self.machine, lambda: Server(lambda request: source or (200, session)))
        # Bucket → keys that signed a request for it; and who is held up until when.
        self.seen, self.holds, self.release = {}, False, threading.Event()
        self.witness = inside(self.machine, lambda: Server(self.witnessed))
        config = (f'[listen]\nmetadata = "127.0.0.1:{PORT}"\nlink_local = true\n[machine]\nregion = "eu-central-1"\n'
                  f'v1_allowed = true\n[source]\ncontainer = "{self.source.url}/"\n')
        config += f'[[role]]\nname = "{role}"\n'
        self.agent = Lone(config, rules or EVERYONE.format(role=role), machine=self.machine)
        self.api, self.metadata, self.ready = self.witness.url, V4, {"region": "eu-central-1"}

    def witnessed(self, request):
        bucket = urllib.parse.urlsplit(request.path).path.strip("/")
        signed = re.search(r"Credential=([^/]+)/", request.headers.get("Authorization", ""))
        self.seen.setdefault(bucket, []).append(signed and signed[1])
        if self.holds and len(self.seen[bucket]) == 1:
            self.release.wait(SECONDS_MAX)
        return 200, ('<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                     f"<Name>{bucket}</Name><Prefix/><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys>"
                     "<IsTruncated>false</IsTruncated></ListBucketResult>")

    def env(self, **extra):
        # No configuration files and one place to ask: what is found is found there.
        return {**CLEAN, "AWS_ENDPOINT_URL": self.api, "S3_ENDPOINT_URL": self.api, "AWS_REGION": "eu-central-1",
                "AWS_DEFAULT_REGION": "eu-central-1", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
                "AWS_CONFIG_FILE": "/dev/null", **extra}

    def run(self, command, env=None, check=True, **options):
        try:
            result = subprocess.run([*self.machine.prefix(), *map(str, command)], env=env or self.env(), text=True,
                                    capture_output=True, timeout=SECONDS_MAX, **options)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{command[0]} did not end within {SECONDS_MAX} s: {error.stderr}") from None
        assert result.returncode >= 0, f"{command[0]} was ended by signal {-result.returncode}: {result.stderr}"
        assert not check or result.returncode == 0, (command, result.returncode, result.stderr)
        return result

    def container_token(self, role):
        answer = self.run(["curl", "-sS", "--unix-socket", self.agent.ready["agent_socket"], "-X", "POST",
                           f"http://localhost/v1/container-token/{role}"])
        return json.loads(answer.stdout)["token"]

    def close(self):
        self.agent.close()
        for server in (self.source, self.witness):
            server.shutdown()
            server.server_close()


class Table:
    """The places, each made when first asked for, and what came of each behaviour."""

    def __init__(self):
        self.lan, self.places, self.rows, self.folder = Lan("x"), {}, {}, None

    def place(self, name, **options):
        if name not in self.places:
            self.places[name] = Place(self.lan, len(self.places) + 1, **options)
        return self.places[name]

    def row(self, behaviour):
        """Client → (its results, keys that the witness saw), all clients at once."""
        if behaviour not in self.rows:
            place, clients, env = BEHAVIOURS[behaviour].prepare(self)
            with ThreadPoolExecutor(4) as pool:
                tries = {client.name: pool.submit(attempt, place, behaviour, client, env) for client in clients}
            self.rows[behaviour] = place, tries
        return self.rows[behaviour]

    def close(self):
        for place in self.places.values():
            place.close()
        self.lan.close()


def attempt(place, behaviour, client, env):
    bucket = f"{hashlib.md5(behaviour.encode()).hexdigest()[:8]}-{client.name}"
    operations = [{"op": "list", "bucket": bucket, "prefix": ""}]
    if client.name in TELLS:
        operations.append({"op": "credentials", "bucket": bucket})
    results = client.perform(place, operations, env=place.env(**env))
    return results, place.seen.get(bucket, [])


class Behaviour:
    """What the agent is made to do, to whom it is shown, and whether they then have the place's key."""

    def __init__(self, where, clients, has_key, settings=lambda place, folder: {}, **options):
        self.where, self.clients, self.has_key, self.settings, self.options = where, clients, has_key, settings, options

    def prepare(self, table):
        place = table.place(self.where, **self.options)
        return place, self.clients, self.settings(place, table.folder)


def ipv6(place, folder):
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"}


def container(token="app", by_file=False):
    """Settings for the container endpoint, where `token` is the role it was made for, or `=TEXT` as it is."""
    def settings(place, folder):
        text = token[1:] if token.startswith("=") else place.tokens[token]
        found = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{PORT}/v1/credentials",
                 "AWS_EC2_METADATA_DISABLED": "true"}
        if not by_file:
            return found | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": text}
        file = folder / f"token-{hashlib.md5(text.encode()).hexdigest()}"
        file.write_text(text)
        return found | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file)}
    return settings


def process(place, folder):
    config = folder / f"config-{place.machine.name}"
    config.write_text("[default]\nregion = eu-central-1\ncredential_process = "
                      f"{BINARY} credentials --data {place.agent.path / 'run'} --role {place.role}\n")
    return {"AWS_CONFIG_FILE": str(config), "AWS_SDK_LOAD_CONFIG": "1", "AWS_EC2_METADATA_DISABLED": "true"}


DENIED = {"rules": NOBODY}
SHORT = {"minutes": 14}
BEHAVIOURS = {
    "allowed": Behaviour("good", EVERY, True),
    "allowed, IPv6": Behaviour("good", IPV6, True, ipv6),
    "role of every character": Behaviour("odd", EVERY, True, role=ODD),
    "denied": Behaviour("denied", EVERY, False, **DENIED),
    "source away": Behaviour("away", EVERY, False, source=(500, "")),
    "source lies": Behaviour("lies", EVERY, False, source=(200, "{}")),
    "yesterday's credentials": Behaviour("old", EVERY, False, minutes=-24 * 60),
    "14 minutes left": Behaviour("short", EVERY, False, **SHORT),
    "container, 14 minutes left": Behaviour("short", CONTAINER, True, container(), **SHORT),
    "container, token by file": Behaviour("short", TOKEN_FILE, True, container(by_file=True), **SHORT),
    "container, empty token file": Behaviour("short", TOKEN_FILE, False, container("=", by_file=True), **SHORT),
    "container, wrong token": Behaviour("short", CONTAINER, False, container("=Zm9v.00"), **SHORT),
    "container, token of another role": Behaviour("short", CONTAINER, False, container(ODD), **SHORT),
    "container, role taken away": Behaviour("taken", CONTAINER, False, container()),
    "process": Behaviour("good", PROCESS, True, process),
    "process, denied": Behaviour("denied", PROCESS, False, process, **DENIED),
}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    table = Table()
    try:
        table.folder = tmp_path_factory.mktemp("matrix")
        short, taken, odd = table.place("short", **SHORT), table.place("taken"), table.place("odd", role=ODD)
        short.tokens = {"app": short.container_token("app"), ODD: odd.container_token(urllib.parse.quote(ODD))}
        taken.tokens = {"app": taken.container_token("app")}
        taken.agent.rules(NOBODY)
        yield table
    finally:
        table.close()


@pytest.mark.parametrize("behaviour, client", [
    pytest.param(name, client, id=f"{name}-{client.name}") for name, each in BEHAVIOURS.items() for client in each.clients
    if (name, client.name) not in UNABLE])
def test_each_client_and_each_behaviour(table, behaviour, client):
    place, tries = table.row(behaviour)
    results, keys = tries[client.name].result()
    told = results[-1] if client.name in TELLS or client is CRT else {}
    if BEHAVIOURS[behaviour].has_key:
        assert all(result["ok"] for result in results), results
        assert client is CRT or set(keys) == {place.key}, keys
        assert told.get("access_key", place.key) == place.key
        if told.get("expires"):
            assert datetime.datetime.fromisoformat(told["expires"]) <= place.end, (told, place.end)
        return
    assert not any(result["ok"] for result in results), results
    # Not even with somebody else's key, or with none.
    assert keys == [], keys
    words = ("credential", "no handler was ready to authenticate", "aws_access_key_id", "container metadata")
    assert any(word in results[0]["error"].lower() for word in words), results
    assert "the-secret" not in str(results) and "the-token" not in str(results)


def test_ipv6_is_really_used(table):
    place, tries = table.row("allowed, IPv6")
    for tried in tries.values():
        tried.result()
    issued = [record for record in place.agent.records() if record["eventName"] == "IssueCredentials"]
    over = [record for record in issued if record["sourceIPAddress"] == "fd00:ec2::254"]
    assert len(over) >= len(IPV6), {record["sourceIPAddress"] for record in issued}


@pytest.mark.parametrize("door", ["list", "name", "name, percent-encoded"])
def test_a_role_asked_for_by_its_name(table, door):
    """Without the list, as the SDKs do that can be told a profile's name; in either spelling."""
    place = table.places["odd"]
    name = {"list": None, "name": ODD, "name, percent-encoded": urllib.parse.quote(ODD, safe="")}[door]
    token = ["-H", "X-aws-ec2-metadata-token: " + place.run(
        ["curl", "-sS", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", f"{V4}latest/api/token"]).stdout]
    asked = f"{V4[:-1]}{LIST}"
    if name is None:
        assert place.run(["curl", "-sSf", *token, asked]).stdout == ODD
        return
    assert json.loads(place.run(["curl", "-sSf", *token, asked + name]).stdout)["AccessKeyId"] == place.key


def test_an_agent_restarted_in_between_goes_unnoticed(table):
    """Each client's first request is held up while the agent goes and comes back. Its second one works; a session token
    from before does, too."""
    place = table.place("restarted")
    put = ["curl", "-sS", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60", f"{V4}latest/api/token"]
    token = place.run(put).stdout
    place.holds = True
    programs = [client for client in EVERY if isinstance(client, adapters.Program) and client is not CRT]
    tools = [client for client in EVERY if isinstance(client, adapters.Tool)]
    # A tool is a process for each request, so its second one is another process.
    twice = lambda client: ["list", "list"] if client in programs else ["list"]
    ask = lambda client, words: client.perform(
        place, [{"op": word, "bucket": f"restart-{client.name}", "prefix": ""} for word in words], env=place.env())
    with ThreadPoolExecutor(len(programs + tools)) as pool:
        first = {client: pool.submit(ask, client, twice(client)) for client in programs + tools}
        try:
            wait_for(lambda: len(place.seen) == len(first), "every client's first request", SECONDS_MAX)
            place.agent.stop()
            place.agent.start()
        finally:
            place.release.set()
        results = {client: tried.result() for client, tried in first.items()}
    for client in tools:
        results[client] += ask(client, ["list"])
    for client, told in results.items():
        assert len(told) == 2 and all(result["ok"] for result in told), (client.name, told)
        assert set(place.seen[f"restart-{client.name}"]) == {place.key}, client.name
    got = place.run(["curl", "-sSf", "-H", f"X-aws-ec2-metadata-token: {token}", f"{V4[:-1]}{LIST}app"]).stdout
    assert json.loads(got)["AccessKeyId"] == place.key
