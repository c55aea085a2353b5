"""Machines of EC2 enrol by their instance identity document, which here openssl signs in AWS's place."""
import datetime
import hashlib
import json
import os
import re
import ssl
import subprocess
import tempfile
import threading
from pathlib import Path

import pytest

from fleet import Etcd, Member, Server
from house import BINARY, CLEAN, TOOLS
from test_agent import scripted

ACCOUNT = "444455556666"
FOLDER = "/latest/dynamic/instance-identity/"


class Aws:
    """What AWS has: a key for each region's documents, and its public certificate."""

    def __init__(self, folder, name="aws"):
        self.key, self.certificate = folder / f"{name}.key", folder / f"{name}.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
                        "/C=US/O=Amazon Web Services LLC", "-keyout", self.key, "-out", self.certificate],
                       check=True, capture_output=True)

    def document(self, instance, age=0, **changed):
        started = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
        told = {"accountId": ACCOUNT, "architecture": "x86_64", "availabilityZone": "eu-central-1b",
                "billingProducts": None, "imageId": "ami-0123456789abcdef0", "instanceId": instance,
                "instanceType": "m7i.large", "pendingTime": started.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "privateIp": "10.9.8.7", "region": "eu-central-1", "version": "2017-09-30"}
        return json.dumps({**told, **changed}, indent=2)

    def sign(self, document, *words):
        """As the metadata service has it: base 64 without armour, lengths that only an end tells."""
        words = words or ("-nodetach", "-nocerts", "-stream")
        message = subprocess.run(["openssl", "cms", "-sign", "-binary", "-md", "sha256", "-signer", self.certificate, "-inkey",
                                  self.key, "-outform", "DER", *words], input=document.encode(), check=True,
                                 capture_output=True).stdout
        return subprocess.run(["openssl", "base64"], input=message, check=True, capture_output=True).stdout.decode()


class Service:
    """A machine's metadata service, version 2 only."""

    def __init__(self, document, message):
        self.told, self.asked = {"document": document, "rsa2048": message}, []
        self.server = scripted(self.answer)
        self.url = self.server.url

    def answer(self, request):
        self.asked.append((request.command, request.path))
        if (request.command, request.path) == ("PUT", "/latest/api/token"):
            return 200, "a-session"
        if request.headers.get("X-aws-ec2-metadata-token") != "a-session":
            return 401, ""
        told = self.told.get(request.path.removeprefix(FOLDER))
        return (200, told) if told else (404, "")

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Ec2Member(Member):
    """A machine of the fleet that shows its document instead of a secret."""

    def __init__(self, server, service, profile="web"):
        self.folder = tempfile.TemporaryDirectory(prefix="hp-")
        self.path, self.machine, self.process = Path(self.folder.name), None, None
        (self.path / "agent.toml").write_text(
            'run_dir = "run"\naudit = "audit"\n[fleet]\nstate = "node"\n[listen]\nmetadata = "127.0.0.1:0"\n')
        (self.path / "rules.toml").write_text(f'[[rule]]\nuid = {os.getuid()}\nroles = ["{profile}"]\n')
        self.server, self.service = server, service

    def shows(self, ca=None, server=None, env=None):
        words = [BINARY, "agent", "enrol", "--server", server or self.server.control, "--ec2", "--ca",
                 str(ca or self.server.data / "fleet-ca.pem"), "--state", str(self.path / "node")]
        variables = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.service.url} if env is None else env
        return subprocess.run(words, env={**CLEAN, **variables}, capture_output=True, text=True, timeout=60)

    def close(self):
        if self.process:
            super().close()
        else:
            self.folder.cleanup()


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    return Aws(tmp_path_factory.mktemp("aws"))


def settings(aws, **changed):
    told = {"account": ACCOUNT, "certificates": [str(aws.certificate)], "profile": "web", **changed}
    lines = [f"{name} = {json.dumps(value)}" for name, value in told.items() if value is not None]
    return "[[control.ec2]]\n" + "\n".join(lines) + "\n"


def with_settings(server, text):
    """`server` again, with other settings of its control listener."""
    server.stop()
    config = server.path / "server.toml"
    before = config.read_text().split("[[control.ec2]]")[0]
    config.write_text(f"{before}\n{text}")
    server.start()


@pytest.fixture(scope="module")
def server(aws):
    one = Server("a")
    one.role("web")
    with_settings(one, settings(aws, regions=["eu-central-1", "us-east-1"]))
    yield one
    one.close()


class Machines:
    """Makes machines, and takes them away again."""

    def __init__(self, server, aws):
        self.server, self.aws, self.made = server, aws, []

    def __call__(self, document, message=None, server=None):
        service = Service(document, message if message is not None else self.aws.sign(document))
        member = Ec2Member(server or self.server, service)
        self.made += [service, member]
        return member


@pytest.fixture
def machine(server, aws):
    machines = Machines(server, aws)
    yield machines
    for one in machines.made:
        one.close()


def instances(server):
    found = server.client("ec2").describe_instances()["Reservations"]
    return {one["InstanceId"]: one for reservation in found for one in reservation["Instances"]}


def test_a_machine_of_ec2_enrols_runs_its_agent_and_has_its_role(server, aws, machine):
    member = machine(aws.document("i-0aaaaaaaaaaaaaaa1"))
    said = member.shows()
    assert said.returncode == 0 and "this machine is i-0aaaaaaaaaaaaaaa1 now" in said.stderr + said.stdout, said.stderr
    assert ("GET", FOLDER + "rsa2048") in member.service.asked
    member.start()
    arn = f"arn:aws:sts::{server.ready['account']}:assumed-role/web/i-0aaaaaaaaaaaaaaa1"
    env = {**CLEAN, "AWS_EC2_METADATA_SERVICE_ENDPOINT": member.metadata, "AWS_DEFAULT_REGION": "eu-central-1"}
    said = subprocess.run([str(TOOLS / "python-awscli/bin/aws"), "--endpoint-url", server.api, "sts", "get-caller-identity",
                           "--query", "Arn", "--output", "text"], env=env, capture_output=True, text=True)
    assert said.stdout.strip() == arn, said.stderr
    instance = instances(server)["i-0aaaaaaaaaaaaaaa1"]
    assert instance["InstanceType"] == "m7i.large" and instance["ImageId"] == "ami-0123456789abcdef0"
    tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
    assert tags["hallpass:ec2-account"] == ACCOUNT and tags["hallpass:ec2-region"] == "eu-central-1"
    # Seen here, whatever the document says.
    assert instance["PrivateIpAddress"] != "10.9.8.7"
    [record] = [record for record in server.records() if record["eventName"] == "EnrolInstance"
                and record["responseElements"]["instanceId"] == "i-0aaaaaaaaaaaaaaa1"]
    assert record["requestParameters"]["tags"]["hallpass:ec2-account"] == ACCOUNT
    assert record["sourceIPAddress"] == "127.0.0.1"


def test_a_neighbour_with_the_same_document_is_refused_and_nobody_is_put_out(server, aws, machine):
    document = aws.document("i-0aaaaaaaaaaaaaaa2")
    message = aws.sign(document)
    first = machine(document, message)
    assert first.shows().returncode == 0
    first.start()
    second = machine(document, message)
    said = second.shows()
    assert said.returncode == 2 and "already" in said.stderr and "hallpass enrol" in said.stderr, said.stderr
    assert not (second.path / "node/node.json").exists()
    # Nor the same machine once more; it stays who it is.
    assert first.shows().returncode == 2
    assert first.credentials("web")[0].startswith("ASIA")
    # The server's restart forgets nothing.
    server.stop()
    server.start()
    assert "already" in second.shows().stderr


def test_what_the_refusal_says_to_do_works(server, aws, machine):
    member = machine(aws.document("i-0aaaaaaaaaaaaaaa3"))
    assert member.shows().returncode == 0
    server.hallpass("revoke", "instance", "i-0aaaaaaaaaaaaaaa3")
    said = member.shows().stderr
    words = re.search(r"`hallpass (enrol)`, with `(--instance) (i-\w+)`", said)
    member.enrol(server, *words.groups()[1:])
    member.start()
    assert member.credentials("web")[0].startswith("ASIA")


def test_a_terminated_instance_does_not_come_back(server, aws, machine):
    member = machine(aws.document("i-0aaaaaaaaaaaaaaa4"))
    assert member.shows().returncode == 0
    server.client("ec2").terminate_instances(InstanceIds=["i-0aaaaaaaaaaaaaaa4"])
    said = member.shows()
    assert said.returncode == 2 and "already" in said.stderr


def test_of_machines_that_come_at_once_one_is_taken(server, aws, machine):
    document = aws.document("i-0aaaaaaaaaaaaaaa5")
    message = aws.sign(document)
    members, said = [machine(document, message) for _ in range(6)], {}
    threads = [threading.Thread(target=lambda one=one: said.update({one: one.shows()})) for one in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.returncode for one in said.values()) == [0, 2, 2, 2, 2, 2]
    assert all("already" in one.stderr for one in said.values() if one.returncode)


@pytest.mark.parametrize("make, why", [
    (lambda aws, other: (aws.document("i-0bbbbbbbb"), "", ), "has no signed identity document"),
    (lambda aws, other: (aws.document("i-0bbbbbbbbbbbbbbb1", age=1000),), "too old"),
    (lambda aws, other: (aws.document("i-0bbbbbbbbbbbbbbb2", age=-600),), "in the future"),
    (lambda aws, other: (aws.document("i-0bbbbbbbbbbbbbbb3", accountId="777788889999"),), "account"),
    (lambda aws, other: (aws.document("i-0bbbbbbbbbbbbbbb4", region="us-west-2"),), "region"),
    (lambda aws, other: (aws.document("../i-0bbbbbbbbbbbbbb"),), "not an instance identity document"),
    (lambda aws, other: (aws.document("i-0bbbbbbbbbbbbbbb5"), other.sign(aws.document("i-0bbbbbbbbbbbbbbb5"))), "trusted here"),
    (lambda aws, other: (aws.document("i-0bbbbbbbbbbbbbbb6"),
                         other.sign(aws.document("i-0bbbbbbbbbbbbbbb6"), "-nodetach")), "trusted here"),
    (lambda aws, other: (aws.document("i-0bbbbbbbbbbbbbbb7", accountId="777788889999"),
                         aws.sign(aws.document("i-0bbbbbbbbbbbbbbb7"), "-nocerts")), "not what was signed"),
    (lambda aws, other: (aws.document("i-0bbbbbbbbbbbbbbb8"), "bm90aGluZw=="), "PKCS #7"),
    (lambda aws, other: (aws.document("i-0bbbbbbbbbbbbbbb9"), "?"), "base 64"),
], ids=["unsigned", "old", "early", "other account", "other region", "no id", "other key", "own certificate in it",
        "other document", "nothing", "no text"])
def test_what_is_not_good_is_refused_with_its_reason(server, aws, machine, tmp_path, make, why):
    member = machine(*make(aws, Aws(tmp_path, "other")))
    before = set(instances(server))
    said = member.shows()
    assert said.returncode == 2 and why in said.stderr, said.stderr
    assert set(instances(server)) == before and not (member.path / "node/node.json").exists()


@pytest.mark.parametrize("words", [("-nodetach",), ("-nodetach", "-nocerts", "-noattr"), ("-nocerts",)],
                         ids=["certificates", "no attributes", "detached"])
def test_the_other_forms_of_a_signature_are_taken(server, aws, machine, words):
    document = aws.document(f"i-0ccccccccccccccc{len(''.join(words)) % 10}")
    assert machine(document, aws.sign(document, *words)).shows().returncode == 0


def test_a_machine_without_a_metadata_service_says_so(server, aws, machine):
    member = machine(aws.document("i-0ddddddddddddddd1"))
    said = member.shows(env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9"})
    assert said.returncode == 2 and "http://127.0.0.1:9" in said.stderr
    said = member.shows(env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": "ftp://nowhere"})
    assert said.returncode == 2 and "AWS_EC2_METADATA_SERVICE_ENDPOINT" in said.stderr


def test_the_document_is_shown_to_the_named_fleet_only(server, aws, machine, tmp_path):
    member = machine(aws.document("i-0ddddddddddddddd2"))
    authority = (server.data / "fleet-ca.pem").read_text()
    digits = hashlib.sha256(ssl.PEM_cert_to_DER_cert(authority)).hexdigest()
    wrong = digits[:-1] + ("0" if digits[-1] != "0" else "1")
    said = member.shows(ca=wrong)
    assert said.returncode == 2 and "UnknownIssuer" in said.stderr, said.stderr
    said = member.shows(ca=aws.certificate)
    assert said.returncode == 2 and "UnknownIssuer" in said.stderr, said.stderr
    said = member.shows(ca=tmp_path / "nothing.pem")
    assert said.returncode == 2 and "nothing.pem" in said.stderr
    assert "i-0ddddddddddddddd2" not in instances(server)
    spoken = ":".join(digits[place:place + 2] for place in range(0, 64, 2)).upper()
    assert member.shows(ca=spoken).returncode == 0


def test_a_document_used_with_one_server_is_used_with_all(aws, machine):
    etcd, servers = Etcd(1), []
    try:
        servers.append(Server("a", etcd))
        servers.append(Server("b", etcd, root_key=servers[0].root_key()))
        servers[0].role("web")
        for server in servers:
            with_settings(server, settings(aws))
        document = aws.document("i-0fffffffffffffff1")
        message = aws.sign(document)
        first = machine(document, message, server=servers[0])
        assert first.shows().returncode == 0
        second = machine(document, message, server=servers[1])
        said = second.shows(ca=servers[0].data / "fleet-ca.pem")
        assert said.returncode == 2 and "already" in said.stderr, said.stderr
        first.start()
        assert first.credentials("web")[0].startswith("ASIA")
    finally:
        for one in [*servers, etcd]:
            one.close()


def test_without_settings_nobody_enrols_so(aws, machine):
    plain = Server("a")
    try:
        said = machine(aws.document("i-0eeeeeeeeeeeeeee1"), server=plain).shows()
        assert said.returncode == 2 and "do not enrol by an identity document here" in said.stderr
    finally:
        plain.close()


def test_a_profile_that_is_not_there_is_the_operators_to_read(aws, machine):
    plain = Server("a")
    try:
        with_settings(plain, settings(aws, profile="later"))
        member = machine(aws.document("i-0eeeeeeeeeeeeeee2"), server=plain)
        said = member.shows()
        assert said.returncode == 2 and "its log says why" in said.stderr and "later" not in said.stderr
        assert "later" in plain.said()
        # The document is not used up.
        plain.role("later")
        assert member.shows().returncode == 0
    finally:
        plain.close()


@pytest.mark.parametrize("changed, why", [
    ({"account": "4444"}, "twelve decimal digits"),
    ({"hallpass_account": "me"}, "twelve decimal digits"),
    ({"hallpass_account": "000000000000"}, "not an account here"),
    ({"regions": ["Frankfurt"]}, "Frankfurt"),
    ({"certificates": []}, "AWS's public certificates"),
    ({"certificates": ["nowhere.pem"]}, "nowhere.pem"),
    ({"certificates": ["server.toml"]}, "not PEM"),
    ({"certificates": ["short.pem"]}, "2,048 bits"),
    ({"profile": ""}, "profile"),
    ({"profile": None}, "profile"),
    ({"max_age_seconds": 0}, "max_age_seconds"),
    ({"max_age_seconds": 10**9}, "max_age_seconds"),
    ({"region": "eu-central-1"}, "region"),
    ({"twice": True}, "there twice"),
], ids=str)
def test_settings_that_are_not_in_order_refuse_the_start(aws, tmp_path, changed, why):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=short", "-keyout",
                    tmp_path / "short.key", "-out", tmp_path / "short.pem"], check=True, capture_output=True)
    twice = changed.pop("twice", False)
    text = settings(aws, **changed) + (settings(aws, regions=["eu-west-1"]) if twice else "")
    (tmp_path / "server.toml").write_text('name = "a"\ndata = "data"\n[api]\nlisten = "127.0.0.1:0"\n'
                                          '[control]\nlisten = "127.0.0.1:0"\nhosts = ["127.0.0.1"]\n' + text)
    said = subprocess.run([BINARY, "server", "--config", str(tmp_path / "server.toml")], env=CLEAN, capture_output=True,
                          text=True, timeout=30)
    assert said.returncode == 2 and why in said.stderr, said.stderr
    # What can be seen without the store is seen before there is one.
    assert (tmp_path / "data/store.redb").exists() == (twice or why == "not an account here")
