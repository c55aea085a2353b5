"""An agent by itself: each source it can live on, and what it does when the source fails.

The AWS behind it is another Hallpass's STS, which verifies signatures and trust policies for real; where that has no
such thing (web identity), moto; where nobody has (Roles Anywhere), a server that checks the signature with another
library.
"""
import base64
import datetime
import hashlib
import http.server
import json
import os
import re
import subprocess
import threading
import urllib.parse

import pytest

from house import BINARY, TOOLS, House, wait_for
from lone import Lone, asked, health

AWS = str(TOOLS / "python-awscli/bin/aws")
EVERYONE = "[[rule]]\neveryone = true\nroles = [\"app\"]\n"
ROLE = "arn:aws:iam::{account}:role/app"


@pytest.fixture
def lone():
    """Makes agents that go with the test."""
    made = []

    def make(*args, **options):
        made.append(Lone(*args, **options))
        return made[-1]

    yield make
    for agent in made:
        agent.close()


@pytest.fixture
def cloud(house):
    """An account whose user may assume `app`, which may list buckets."""
    account = house.ready["account"]
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}]}
    may = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}
    house.role("app", may, trust)
    assume = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}
    house.user("base", assume)
    key = house.boto("iam").create_access_key(UserName="base")["AccessKey"]
    house.key = key["AccessKeyId"], key["SecretAccessKey"]
    house.arn = ROLE.format(account=account)
    return house


def config(cloud, source, role=True, listen='metadata = "127.0.0.1:0"\nhealth = "127.0.0.1:0"'):
    text = f"[listen]\n{listen}\n[machine]\nregion = \"eu-central-1\"\n[source]\n{source}\n"
    text += f'sts_endpoint = "{cloud.api}"\n'
    return text + (f'[[role]]\nname = "app"\narn = "{cloud.arn}"\n' if role else "")


def profile(cloud, tmp_path):
    file = tmp_path / "credentials"
    file.write_text(f"[base]\naws_access_key_id = {cloud.key[0]}\naws_secret_access_key = {cloud.key[1]}\n")
    return file


def identity(cloud, agent):
    """Who the aws cli is with what it finds by itself."""
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": agent.metadata, "AWS_ENDPOINT_URL": cloud.api,
           "AWS_DEFAULT_REGION": "eu-central-1", "PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return json.loads(cloud.run([AWS, "sts", "get-caller-identity"], env=env).stdout)["Arn"]


def url_of(agent):
    line = next(line for line in agent.said().splitlines() if line.startswith("health"))
    return line.split()[1].removesuffix("/readyz")


def test_a_profile_s_key_is_exchanged_for_the_role(cloud, lone, tmp_path):
    agent = lone(config(cloud, f'file = "{profile(cloud, tmp_path)}"\nprofile = "base"'), EVERYONE)
    assert ":assumed-role/app/i-" in identity(cloud, agent)
    status, body = asked(agent.metadata, role="app")
    document = json.loads(body)
    assert status == 200 and document["Code"] == "Success" and cloud.key[1] not in body
    # The same key on both records: from the process that got it to the calls it made.
    issued = [r for r in agent.records() if r["eventName"] == "IssueCredentials" and "errorCode" not in r]
    assert document["AccessKeyId"] in {r["responseElements"]["accessKeyId"] for r in issued}
    calls = cloud.records(eventName="GetCallerIdentity")
    assert document["AccessKeyId"] in {r["userIdentity"].get("accessKeyId") for r in calls}
    # The other ways to it: a command of its own, credential_process, and the status.
    env = {"AWS_ENDPOINT_URL": cloud.api}
    ran = agent.hallpass("run", "--role", "app", "--", "env", *[f"{k}={v}" for k, v in env.items()], AWS, "sts",
                         "get-caller-identity", "--query", "Arn", "--output", "text")
    assert ":assumed-role/app/" in ran.stdout
    assert json.loads(agent.hallpass("credentials", "--role", "app").stdout)["AccessKeyId"] == document["AccessKeyId"]
    assert "lease     app" in agent.hallpass("status").stdout
    text = agent.said() + "".join(map(json.dumps, agent.records()))
    assert cloud.key[1] not in text and document["SecretAccessKey"] not in text and document["Token"] not in text


@pytest.mark.parametrize("source", ["environment", "process", "container"])
def test_other_sources_of_the_same_key(cloud, lone, tmp_path, source):
    key, secret = cloud.key
    env = {}
    if source == "environment":
        told, env = "environment = true", {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
    elif source == "process":
        script = tmp_path / "print credentials"
        script.write_text("#!/bin/sh\ncat <<E\n" + json.dumps(
            {"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret}) + "\nE\n")
        script.chmod(0o755)
        told = f"process = \"'{script}' --now\""
    else:
        server = scripted(lambda request: (200, json.dumps({"AccessKeyId": key, "SecretAccessKey": secret}))
                          if request.headers["Authorization"] == "the token" else (403, ""))
        (tmp_path / "token").write_text("the token")
        told = f'container = "{server.url}/v1"\ncontainer_token_file = "{tmp_path / "token"}"'
    agent = lone(config(cloud, told), EVERYONE, env=env)
    assert ":assumed-role/app/i-" in identity(cloud, agent)


def test_a_metadata_service_s_own_role_is_passed_on_to_whom_it_belongs(house, lone):
    """The source is the metadata service of another Hallpass; the agent narrows its one role to one uid."""
    house.rules(f'[[rule]]\nuid = {os.geteuid()}\nroles = ["demo"]\n')
    agent = lone(f'[listen]\nmetadata = "127.0.0.1:0"\n[source]\nmetadata = "{house.metadata}"\n',
                 "[[rule]]\nuid = 1002\nroles = [\"demo\"]\n")
    assert asked(agent.metadata, uid=1001) == (404, "")
    assert asked(agent.metadata, uid=1002) == (200, "demo")
    assert asked(agent.metadata, uid=1001, role="demo")[0] == 404
    document = json.loads(asked(agent.metadata, uid=1002, role="demo")[1])
    assert document["AccessKeyId"] == house.credentials("demo")["AccessKeyId"]
    # What the machine is called comes from there, too.
    assert agent.ready["instance"] == house.ready["instance"]


def test_a_web_identity_is_exchanged(lone, tmp_path):
    """Against moto, which takes any token but tells the role that was asked for."""
    from test_services import Moto
    moto = Moto(tmp_path)
    try:
        (tmp_path / "token").write_text("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln")
        agent = lone(f'[listen]\nmetadata = "127.0.0.1:0"\n[source]\nweb_identity_token_file = "{tmp_path / "token"}"\n'
                     f'sts_endpoint = "{moto.endpoint}"\n[[role]]\nname = "app"\n'
                     'arn = "arn:aws:iam::123456789012:role/app"\n', EVERYONE)
        document = json.loads(asked(agent.metadata, role="app")[1])
        assert document["Code"] == "Success" and document["AccessKeyId"].startswith("ASIA")
    finally:
        moto.close()


# -- a source that fails


class Scripted(http.server.ThreadingHTTPServer):
    daemon_threads = True


def scripted(answer):
    """A server that answers with what `answer(request)` gives: a status and a body."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            while self.headers.get("Transfer-Encoding") == "chunked":
                piece = self.rfile.read(int(self.rfile.readline(), 16))
                self.rfile.readline()
                self.body += piece
                if not piece:
                    break
            status, body = answer(self)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_PUT = do_GET

        def log_message(self, *words):
            pass

    server = Scripted(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def scripted_in(machine, answer):
    """The same in the network of `machine`."""
    from test_sdk_matrix import inside
    return inside(machine, lambda: scripted(answer))


def session(key, minutes):
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    return {"AccessKeyId": key, "SecretAccessKey": "the-secret", "SessionToken": "the-token", "Token": "the-token",
            "Version": 1, "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")}


@pytest.mark.parametrize("lie, told", [
    ("", "not a document"), ("{", "not a document"), ("[]", "not a document"), ("{}", "lacks"),
    (json.dumps({**session("ASIAIOSFODNN7EXAMPLE", 60), "SecretAccessKey": ""}), "lacks"),
    (json.dumps({**session("ASIAIOSFODNN7EXAMPLE", 60), "Expiration": "soon"}), "no date"),
    (json.dumps(session("ASIAIOSFODNN7EXAMPLE", -60)), "expired"),
    (json.dumps({**session("ASIAIOSFODNN7EXAMPLE", 60), "Token": ""}), "no session token"),
    ("x" * 400_000, "too long"),
], ids=["nothing", "half", "list", "empty", "no secret", "no date", "yesterday's", "long-term", "endless"])
def test_a_source_that_lies_gets_nobody_anything(lone, lie, told):
    server = scripted(lambda request: (200, lie))
    agent = lone(f'[listen]\nmetadata = "127.0.0.1:0"\n[source]\ncontainer = "{server.url}/"\n[[role]]\nname = "app"\n',
                 EVERYONE)
    # An empty 404 at the list is what makes every SDK go on; see reference of what they do.
    assert asked(agent.metadata) == (404, "")
    assert told in wait_for(lambda: agent.said() if told in agent.said() else None, told)
    assert "the-secret" not in agent.said() and "the-token" not in agent.said()


@pytest.mark.parametrize("whose, status", [("app", 200), ("other", 404)])
def test_a_session_of_another_role_is_not_passed_on(lone, tmp_path, whose, status):
    """A token service that mixes its answers up gives nobody somebody else's session."""
    found = session("ASIAIOSFODNN7EXAMPLE", 60)
    answer = f"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<AssumedRoleUser><AssumedRoleId>x</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/{whose}/i-1</Arn></AssumedRoleUser>
<Credentials><AccessKeyId>{found["AccessKeyId"]}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>t</SessionToken><Expiration>{found["Expiration"]}</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""
    server = scripted(lambda request: (200, answer))
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = s\n")
    agent = lone(f'[listen]\nmetadata = "127.0.0.1:0"\n[source]\nfile = "{tmp_path}/credentials"\n'
                 f'sts_endpoint = "{server.url}"\n[[role]]\nname = "app"\narn = "arn:aws:iam::123456789012:role/team/app"\n',
                 EVERYONE)
    assert asked(agent.metadata)[0] == status
    assert ("gave a session of another role" in agent.said()) == (status == 404)


def test_the_last_good_credentials_serve_while_the_source_is_away(lone):
    state = {"answer": (200, json.dumps(session("ASIAIOSFODNN7EXAMPLE", 60)))}
    server = scripted(lambda request: state["answer"])
    agent = lone(f'[listen]\nmetadata = "127.0.0.1:0"\nhealth = "127.0.0.1:0"\n[source]\ncontainer = "{server.url}/"\n'
                 '[[role]]\nname = "app"\n', EVERYONE)
    assert asked(agent.metadata) == (200, "app")
    for failure in [(500, ""), (403, json.dumps({"message": "no"})), (200, "{}")]:
        state["answer"] = failure
        assert json.loads(asked(agent.metadata, role="app")[1])["AccessKeyId"] == "ASIAIOSFODNN7EXAMPLE"
    assert health(url_of(agent) + "/healthz")[0] == health(url_of(agent) + "/readyz")[0] == 200
    text = health(url_of(agent) + "/metrics")[1]
    assert 'hallpass_agent_events_total{outcome="issued"}' in text and "hallpass_agent_lease_seconds_left" in text


def test_a_source_that_hangs_holds_nobody_else_up(lone):
    """The role of the hanging source is refused in time; what needs no source is answered all the while."""
    release = threading.Event()
    server = scripted(lambda request: (release.wait(30), (200, "{}"))[1])
    agent = lone(f'[listen]\nmetadata = "127.0.0.1:0"\n[source]\ncontainer = "{server.url}/"\n[[role]]\nname = "app"\n',
                 EVERYONE)
    waiting = threading.Thread(target=asked, args=(agent.metadata,), kwargs={"timeout": 20}, daemon=True)
    waiting.start()
    from urllib.request import Request, urlopen
    put = Request(agent.metadata + "latest/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    token = urlopen(put, timeout=5).read().decode()
    seen = urlopen(Request(agent.metadata + "latest/meta-data/instance-id", headers={"X-aws-ec2-metadata-token": token}),
                   timeout=5).read().decode()
    assert seen == agent.ready["instance"]
    release.set()
    waiting.join(30)
    assert not waiting.is_alive()


def test_what_cannot_work_is_told_at_the_start(cloud, tmp_path):
    def start(text, rules=EVERYONE):
        (tmp_path / "agent.toml").write_text(f'run_dir = "run"\naudit = "audit"\n{text}')
        (tmp_path / "rules.toml").write_text(rules)
        (tmp_path / "rules.toml").chmod(0o644)
        return cloud.run([BINARY, "agent", "run", "--config", str(tmp_path / "agent.toml")], env={}, check=False)

    for text, told in [
        ("[source]\n", "give one of"),
        ("[source]\nprofile = 'x'\n", "no role"),
        ("[sauce]\n", "unknown field `sauce`"),
        (config(cloud, "file = '/nowhere'"), "cannot be read"),
        (config(cloud, f'file = "{profile(cloud, tmp_path)}"\nprofile = "other"'), "the profile is not in the file"),
        (config(cloud, "environment = true"), "AWS_ACCESS_KEY_ID"),
    ]:
        failed = start(text)
        assert failed.returncode == 2 and told in failed.stderr, (text, failed.stderr)
    failed = start(config(cloud, f'file = "{profile(cloud, tmp_path)}"\nprofile = "base"'), "[[rule]]\nroles = 1\n")
    assert failed.returncode == 2 and "rules.toml" in failed.stderr and "2:" in failed.stderr


# -- IAM Roles Anywhere


def certificate(folder, algorithm):
    """A certificate of a serial number that needs more than 64 bits, and the one between it and the anchor."""
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)
    new = {"rsa": ["-newkey", "rsa:2048"], "ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]}[algorithm]
    (folder / "extensions").write_text("basicConstraints=CA:FALSE\n")
    openssl("req", "-x509", *new, "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-days", "2")
    openssl("req", *new, "-nodes", "-keyout", "key.pem", "-out", "request.pem", "-subj", "/CN=machine")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-out", "leaf.pem", "-days", "1",
            "-set_serial", str(SERIAL), "-extfile", "extensions")
    (folder / "chain.pem").write_text((folder / "leaf.pem").read_text() + (folder / "ca.pem").read_text())


SERIAL = 2**130 + 12345


def problem_with(request, folder, algorithm):
    """What is wrong with a CreateSession request, by the documented steps and another library; None if nothing."""
    path, query = request.path.split("?")
    given = {name.lower(): value for name, value in request.headers.items()}
    kind, credential, signed, signature = re.fullmatch(
        r"(\S+) Credential=(\S+), SignedHeaders=(\S+), Signature=([0-9a-f]+)", given["authorization"]).groups()
    serial, scope = credential.split("/", 1)
    if kind != f"AWS4-X509-{algorithm.upper()}-SHA256" or serial != str(SERIAL) or (request.command, path) != ("POST", "/sessions"):
        return f"{kind} {serial} {request.command} {path}"
    der = subprocess.run(["openssl", "x509", "-in", folder / "leaf.pem", "-outform", "der"], capture_output=True).stdout
    if base64.b64decode(given["x-amz-x509"]) != der or given["x-amz-x509-chain"].count(",") != 0:
        return "certificate"
    if not {"content-type", "host", "x-amz-date", "x-amz-x509"} <= set(signed.split(";")) or query != "&".join(sorted(query.split("&"))):
        return "headers or query"
    lines = "".join(f"{name}:{given[name].strip()}\n" for name in signed.split(";"))
    canonical = f"POST\n{path}\n{query}\n{lines}\n{signed}\n{hashlib.sha256(request.body).hexdigest()}"
    text = f"{kind}\n{given['x-amz-date']}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    (folder / "text").write_text(text)
    (folder / "signature").write_bytes(bytes.fromhex(signature))
    (folder / "public.pem").write_bytes(subprocess.run(["openssl", "x509", "-in", folder / "leaf.pem", "-pubkey", "-noout"],
                                                       capture_output=True).stdout)
    verified = subprocess.run(["openssl", "dgst", "-sha256", "-verify", folder / "public.pem", "-signature",
                               folder / "signature", folder / "text"], capture_output=True, text=True)
    return None if verified.returncode == 0 else verified.stdout + verified.stderr


@pytest.mark.parametrize("algorithm", ["rsa", "ecdsa"])
def test_a_certificate_is_exchanged_by_roles_anywhere(lone, tmp_path, algorithm):
    certificate(tmp_path, algorithm)
    asks = []

    def answer(request):
        problem = problem_with(request, tmp_path, algorithm)
        asks.append((problem, urllib.parse.parse_qs(request.path.split("?")[1]), json.loads(request.body)))
        if problem:
            return 403, json.dumps({"message": problem})
        found = session("ASIAIOSFODNN7EXAMPLE", 60)
        return 201, json.dumps({"credentialSet": [{"credentials": {
            "accessKeyId": found["AccessKeyId"], "secretAccessKey": "the-secret", "sessionToken": "the-token",
            "expiration": found["Expiration"]}}], "subjectArn": "s"})

    server = scripted(answer)
    arn = "arn:aws:rolesanywhere:eu-central-1:123456789012"
    agent = lone(f"""[listen]
metadata = "127.0.0.1:0"
[source.roles_anywhere]
certificate_file = "{tmp_path}/chain.pem"
key_file = "{tmp_path}/key.pem"
trust_anchor_arn = "{arn}:trust-anchor/t"
profile_arn = "{arn}:profile/p"
role_arn = "arn:aws:iam::123456789012:role/app"
duration_seconds = 1800
endpoint = "{server.url}"
[[role]]
name = "app"
""", EVERYONE)
    assert json.loads(asked(agent.metadata, role="app")[1])["AccessKeyId"] == "ASIAIOSFODNN7EXAMPLE"
    assert asks == [(None, {"profileArn": [f"{arn}:profile/p"], "roleArn": ["arn:aws:iam::123456789012:role/app"],
                            "trustAnchorArn": [f"{arn}:trust-anchor/t"]}, {"durationSeconds": 1800})]
    # AWS's own client says the same of itself: what it sends is right by the same steps.
    said = subprocess.run(
        [TOOLS / "client-signing-helper/aws_signing_helper", "credential-process", "--certificate", tmp_path / "leaf.pem",
         "--intermediates", tmp_path / "ca.pem", "--private-key", tmp_path / "key.pem", "--trust-anchor-arn", f"{arn}:trust-anchor/t",
         "--profile-arn", f"{arn}:profile/p", "--role-arn", "arn:aws:iam::123456789012:role/app", "--session-duration", "1800",
         "--endpoint", server.url, "--region", "eu-central-1"], capture_output=True, text=True)
    assert json.loads(said.stdout)["AccessKeyId"] == "ASIAIOSFODNN7EXAMPLE", said.stderr
    ours, theirs = asks
    # It names them in the body too.
    assert theirs[:2] == ours[:2] and theirs[2]["durationSeconds"] == 1800


# -- the local door


def test_a_session_bound_to_the_machine_s_certificate_works_by_the_local_door(lone, tmp_path):
    """The gateway sees another address than the machine's, as behind address translation; the certificate is what counts."""
    from test_listener import certificate, client_certificate
    certificate(tmp_path, "server")
    client_certificate(tmp_path, "ca")
    fingerprint, _ = client_certificate(tmp_path, "mine"), client_certificate(tmp_path, "other")
    for name in ("shown.crt", "shown.key"):
        (tmp_path / name).write_text((tmp_path / name.replace("shown", "mine")).read_text())
    house = House(config=f'[listener]\ncertificate_file = "{tmp_path}/tls.crt"\nkey_file = "{tmp_path}/tls.key"\n'
                         f'client_ca_file = "{tmp_path}/ca.crt"\n')
    try:
        admin = house.admin_env(AWS_CA_BUNDLE=str(tmp_path / "tls.crt"))
        house.aws("ec2", "create-tags", "--resources", house.ready["instance"], "--tags",
                  f"Key=hallpass:certificate,Value={fingerprint}", env=admin)
        house.rules(f'[[rule]]\nuid = {os.geteuid()}\nroles = ["demo"]\n')
        agent = lone(f"""[door]
listen = "127.0.0.1:0"
gateway = "{house.api.removeprefix("https://")}"
certificate_file = "{tmp_path}/shown.crt"
key_file = "{tmp_path}/shown.key"
ca_file = "{tmp_path}/tls.crt"
[source]
metadata = "{house.metadata}"
[listen]
metadata = "127.0.0.1:0"
""", "[[rule]]\neveryone = true\nroles = [\"demo\"]\n")
        door = agent.ready["api"]
        env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": agent.metadata, "AWS_DEFAULT_REGION": house.ready["region"],
               "PATH": os.environ["PATH"], "HOME": "/nonexistent", "AWS_CA_BUNDLE": str(tmp_path / "tls.crt")}
        s3 = lambda *words, endpoint, check=True: house.run([AWS, "--endpoint-url", endpoint, "s3", *words], env=env, check=check)
        big = tmp_path / "big"
        big.write_bytes(os.urandom(9_000_000))
        s3("cp", str(big), "s3://demo/by-the-door", endpoint=door)
        s3("cp", "s3://demo/by-the-door", str(tmp_path / "back"), endpoint=door)
        assert (tmp_path / "back").read_bytes() == big.read_bytes()
        # The same credential without the door, and by a door with another machine's certificate.
        assert s3("ls", "s3://demo", endpoint=house.api, check=False).returncode != 0
        for name in ("shown.crt", "shown.key"):
            (tmp_path / name).write_text((tmp_path / name.replace("shown", "other")).read_text())
        assert s3("ls", "s3://demo", endpoint=door, check=False).returncode != 0
        for name in ("shown.crt", "shown.key"):
            (tmp_path / name).write_text((tmp_path / name.replace("shown", "mine")).read_text())
        s3("ls", "s3://demo", endpoint=door)
        # With the gateway away, clients hear what S3 would say.
        house.stop()
        away = subprocess.run(["curl", "-s", "-w", " %{http_code}", f"{door}/demo/x"], capture_output=True, text=True).stdout
        assert away.endswith(" 503") and "<Code>ServiceUnavailable</Code>" in away
    finally:
        house.close()


def test_the_door_is_for_this_machine_only(tmp_path):
    (tmp_path / "agent.toml").write_text("""[door]
listen = "0.0.0.0:0"
gateway = "g"
certificate_file = "c"
key_file = "k"
ca_file = "a"
[source]
process = "x"
[[role]]
name = "app"
""")
    failed = subprocess.run([BINARY, "agent", "run", "--config", tmp_path / "agent.toml"], capture_output=True, text=True)
    assert failed.returncode == 2 and "loopback" in failed.stderr


# -- systemd's credentials


def as_systemd(socket_path, unit, credential, uid=0):
    """What a unit would find in its credential: as systemd asks (systemd.exec(5)), or someone who plays it."""
    script = ("import os, socket, sys\nwire = socket.socket(socket.AF_UNIX)\n"
              "wire.bind('\\0' + os.urandom(8).hex() + '/unit/' + sys.argv[2] + '/' + sys.argv[3])\n"
              "wire.connect(sys.argv[1])\nwire.settimeout(20)\n"
              "data = b''\nwhile more := wire.recv(65536): data += more\nsys.stdout.buffer.write(data)")
    return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "/usr/bin/python3", "-c", script,
                           str(socket_path), unit, credential], capture_output=True, text=True, cwd="/")


def test_a_unit_gets_its_role_as_a_systemd_credential(cloud, lone, tmp_path):
    rules = '[[rule]]\nunit = "backup@*.service"\nroles = ["app"]\nsession_name = "{unit}"\n'
    listen = 'metadata = "127.0.0.1:0"\nsystemd_credentials = true'
    agent = lone(config(cloud, f'file = "{profile(cloud, tmp_path)}"\nprofile = "base"', listen=listen), rules)
    path = agent.path / "run/credential.sock"
    document = json.loads(as_systemd(path, "backup@home.service", "app.json").stdout)
    env = {"AWS_ACCESS_KEY_ID": document["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": document["SecretAccessKey"],
           "AWS_SESSION_TOKEN": document["SessionToken"], "AWS_ENDPOINT_URL": cloud.api, "AWS_DEFAULT_REGION": "eu-central-1",
           "PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    arn = json.loads(cloud.run([AWS, "sts", "get-caller-identity"], env=env).stdout)["Arn"]
    assert arn.endswith(":assumed-role/app/backup@home.service")
    assert "[default]" in as_systemd(path, "backup@home.service", "app").stdout
    assert "AWS_SESSION_TOKEN" in as_systemd(path, "backup@home.service", "app.env").stdout
    # Another unit, another role, and someone who only plays systemd: nothing, and on record why.
    assert as_systemd(path, "web.service", "app").stdout == ""
    assert as_systemd(path, "backup@home.service", "other").stdout == ""
    assert as_systemd(path, "backup@home.service", "app", uid=1001).returncode != 0
    path.chmod(0o666)
    assert as_systemd(path, "backup@home.service", "app", uid=1001).stdout == ""
    reasons = " ".join(r.get("errorMessage", "") for r in agent.records())
    assert "only systemd may ask" in reasons and "web.service" in reasons
