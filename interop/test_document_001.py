"""Document 001, "EC2's most dangerous feature": "if a process which is running as user nobody and chrooted into
/var/empty is still able to fetch AWS keys … do you really have any meaningful privilege separation?"

Here: such a process, at the real addresses of the metadata service, beside one that has a rule.
"""
import json
import os
import pwd
import subprocess
from pathlib import Path

import pytest

from house import TOOLS, wait_for

CHROOTED = str(Path(__file__).parent / "clients/python/chrooted.py")
API = "10.77.0.1:7400"
V4, V6 = "http://169.254.169.254", "http://[fd00:ec2::254]"
LIST = "/latest/meta-data/iam/security-credentials/"
RULES = """
[[rule]]
name = "the web server"
user = "www-data"
roles = ["web"]
"""


class Chrooted:
    """USER in an empty root directory, asking for things."""

    def __init__(self, machine, empty, user):
        self.process = subprocess.Popen(
            [*machine.prefix(), str(TOOLS / "python/bin/python"), CHROOTED, str(empty), user], text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, method, url, **headers):
        fields = " ".join(f"{name.replace('_', '-')}:{value}" for name, value in headers.items())
        self.process.stdin.write(f"{method} {url} {fields}\n")
        line = self.process.stdout.readline()
        assert line, "the chrooted process ended"
        return json.loads(line)

    def token(self, base):
        answer = self.ask("PUT", base + "/latest/api/token", X_aws_ec2_metadata_token_ttl_seconds=300)
        assert answer["status"] == 200, answer
        return answer["body"]

    def get(self, base, path, token=None):
        return self.ask("GET", base + path, X_aws_ec2_metadata_token=token or self.token(base))

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def machine(lan, houses):
    ours = lan.machine(1)
    house = houses("--link-local", machine=ours, api=API)
    house.aws("s3", "mb", "s3://pages")
    house.role("web", {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::pages", "arn:aws:s3:::pages/*"]}]})
    house.rules(RULES)
    return house


@pytest.fixture
def chrooted(machine, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    made = []

    def start(user):
        made.append(Chrooted(machine.machine, empty, user))
        return made[-1]

    yield start
    for process in made:
        process.close()


def decisions(house, user):
    """What is on record of credentials asked for by a user."""
    uid = pwd.getpwnam(user).pw_uid
    found = []
    for record in house.records(eventName="IssueCredentials"):
        detail = record["additionalEventData"]["hallpass"]
        if detail.get("uid") == uid:
            found.append((record, detail))
    return found


def comparable(answer):
    """An answer without what differs from one request to the next: moments, and the request's id."""
    passing = ("date", "last-modified", "x-hallpass-request-id", "x-aws-ec2-metadata-token-ttl-seconds")
    return {**answer, "headers": {k: None if k.lower() in passing else v for k, v in answer["headers"].items()}}


@pytest.mark.parametrize("base", [V4, V6])
def test_nobody_in_a_chroot_gets_nothing_and_www_data_its_role(machine, chrooted, base):
    nobody, web = chrooted("nobody"), chrooted("www-data")
    nothing = nobody.get(base, LIST)
    assert nothing["status"] == 404, nothing
    # Not even by its name, nor without the slash, nor with the token of one who may.
    for path in (LIST + "web", LIST.rstrip("/"), "/latest/meta-data/iam/info", "/2016-09-02/meta-data/iam/" + LIST[-21:]):
        answer = nobody.get(base, path)
        assert answer["status"] == 404 and "SecretAccessKey" not in answer["body"], (path, answer)
    theirs = web.token(base)
    assert nobody.get(base, LIST + "web", token=theirs)["status"] == 401
    assert "iam" not in nobody.get(base, "/latest/meta-data/")["body"].split()
    # The rest of the metadata stays of use to them.
    assert nobody.get(base, "/latest/meta-data/instance-id")["body"] == machine.ready["instance"]

    listed = web.get(base, LIST)
    assert (listed["status"], listed["body"]) == (200, "web")
    got = web.get(base, LIST + "web")
    assert got["status"] == 200
    credentials = json.loads(got["body"])
    env = machine.env(AWS_ACCESS_KEY_ID=credentials["AccessKeyId"], AWS_SESSION_TOKEN=credentials["Token"],
                      AWS_SECRET_ACCESS_KEY=credentials["SecretAccessKey"], AWS_EC2_METADATA_DISABLED="true")
    machine.aws("s3", "ls", "s3://pages", env=env)

    # Both decisions are on record, with the uid.
    refused = [(r, d) for r, d in decisions(machine, "nobody") if d["decision"] == "refused"]
    assert refused and not [d for _, d in decisions(machine, "nobody") if d["decision"] == "issued"]
    issued = [(r, d) for r, d in decisions(machine, "www-data") if d["decision"] == "issued"]
    assert [r["responseElements"]["accessKeyId"] for r, _ in issued] == [credentials["AccessKeyId"]]
    assert issued[0][1]["rule"] == "the web server"
    # And explained: who asked, by which door, and why not.
    why = machine.hallpass("why", nothing["headers"]["x-hallpass-request-id"]).stdout
    assert "nobody" in why and str(pwd.getpwnam("nobody").pw_uid) in why, why
    assert "refused" in why and "rule" in why, why
    assert "metadata, version 2" in why, why


def test_nobody_sees_what_a_machine_without_a_role_shows(machine, chrooted):
    """Not even that there is something to be had."""
    nobody, web = chrooted("nobody"), chrooted("www-data")
    paths = (LIST, LIST + "web", "/latest/meta-data/iam/", "/latest/meta-data/iam/info", "/latest/meta-data/")
    seen = [comparable(nobody.get(V4, path)) for path in paths]
    association = machine.aws("ec2", "describe-iam-instance-profile-associations")
    machine.aws("ec2", "disassociate-iam-instance-profile", "--association-id",
                association["IamInstanceProfileAssociations"][0]["AssociationId"])
    wait_for(lambda: web.get(V4, LIST)["status"] == 404, "the profile being gone")
    bare = [comparable(web.get(V4, path)) for path in paths]

    assert seen == bare


def test_a_neighbour_on_the_lan_gets_no_connection(machine, lan):
    """Linux answers ARP for every address it has, loopback's too: a neighbour needs no more than a route."""
    neighbour = lan.machine(2)
    ours = machine.machine

    def on(where, *command):
        return subprocess.run([*where.prefix(), *command], capture_output=True, text=True)

    assert on(neighbour, "ip", "route", "add", "169.254.169.254/32", "dev", "eth0").returncode == 0
    links = json.loads(on(ours, "ip", "-j", "-6", "addr", "show", "dev", "eth0").stdout)
    local = next(info["local"] for info in links[0]["addr_info"] if info["local"].startswith("fe80"))
    added = on(neighbour, "ip", "-6", "route", "add", "fd00:ec2::254/128", "via", local, "dev", "eth0")
    assert added.returncode == 0, added.stderr

    # The way is open: another service on the same addresses is reached. Only metadata is not.
    control = subprocess.Popen(
        [*ours.prefix(), str(TOOLS / "python/bin/python"), "-m", "http.server", "81", "--bind", "::",
         "--directory", str(machine.path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for base in (V4, V6):
            reach = lambda url: on(neighbour, "curl", "-sg", "-o", "/dev/null", "-w", "%{http_code}",  # noqa: E731
                                   "--connect-timeout", "3", url)
            wait_for(lambda: reach(base + ":81/nothing").stdout == "404", f"{base} port 81 being reached")
            refused = reach(base + LIST)
            assert refused.returncode in (7, 28) and refused.stdout == "000", refused
    finally:
        control.terminate()
        control.wait(10)
    # From the machine itself it is there.
    assert on(ours, "curl", "-sg", "-o", "/dev/null", "-w", "%{http_code}", V4 + "/").stdout == "401"


def test_two_users_on_one_machine_have_two_roles(machine, chrooted, tmp_path):
    """"UNIX is designed as a multi-user operating system": owner and group decide, as for a file."""
    machine.role("backup", {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::pages/*"}]})
    machine.rules(RULES + '\n[[rule]]\nname = "backups"\ngroup = "backup"\nroles = ["backup"]\n')
    assert os.geteuid() == 0, "these tests run as root"
    for user, role in (("www-data", "web"), ("backup", "backup")):
        process = chrooted(user)
        assert process.get(V4, LIST)["body"] == role
        assert process.get(V4, LIST + ("web" if role == "backup" else "backup"))["status"] == 404
