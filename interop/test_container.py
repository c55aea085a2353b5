"""The container protocols at AWS's own addresses: ECS's agent, EKS Pod Identity's, each as real clients reach it."""
import json
import os
import stat
import subprocess

import pytest

from house import BINARY, CLEAN, TOOLS
from lone import Lone, asked
from test_agent import scripted_in, session

AWS = "/usr/bin/aws"
RULES = '[[rule]]\nuid = [0, 33]\nroles = ["app"]\n'
ADDRESSES = ("169.254.170.2", "169.254.170.23", "fd00:ec2::23")
KEY = "ASIAIOSFODNN7EXAMPLE"


@pytest.fixture
def agent(lan):
    """An agent in a network of its own, at the container addresses."""
    machine = lan.machine(1)
    source = scripted_in(machine, lambda request: (200, json.dumps(session(KEY, 60))))
    agent = Lone(f'[listen]\necs = true\npod_identity = true\n[source]\ncontainer = "{source.url}/"\n[[role]]\nname = "app"\n',
                 RULES, machine=machine)
    yield agent
    agent.close()
    source.shutdown()


def addresses(machine):
    return subprocess.run(["ip", "-n", machine.name, "-o", "addr", "show", "dev", "lo"], capture_output=True, text=True).stdout


def run(agent, command, uid=0, **env):
    env = {**CLEAN, "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_REGION": "eu-central-1",
           "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", **env}
    return subprocess.run([*agent.prefix(), "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--",
                           *map(str, command)], env=env, capture_output=True, text=True, timeout=60)


def token(agent, file, uid=0):
    made = subprocess.run([BINARY, "agent", "token", "--data", agent.path / "run", "--role", "app", "--uid", str(uid), "--file",
                           file], capture_output=True, text=True, env=CLEAN)
    assert made.returncode == 0, made.stderr
    assert made.stderr.strip() == f"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={file}"
    return file.read_text()


def plain(agent, url, *headers, uid=0):
    """(status, type, body) of one request."""
    words = [word for header in headers for word in ("-H", header)]
    told = run(agent, ["curl", "-sg", "-w", "\n%{http_code} %{content_type}", *words, url], uid=uid).stdout
    body, _, last = told.rpartition("\n")
    status, _, kind = last.partition(" ")
    return int(status), kind, body


def test_the_aws_cli_at_the_address_of_ecs(agent, tmp_path):
    text = token(agent, tmp_path / "token")
    found = run(agent, [AWS, "configure", "export-credentials"], AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=f"/v2/credentials/{text}")
    assert found.returncode == 0 and json.loads(found.stdout)["AccessKeyId"] == KEY, found.stderr


@pytest.mark.parametrize("host", ["169.254.170.23", "[fd00:ec2::23]"])
def test_boto3_at_the_addresses_of_pod_identity(agent, tmp_path, host):
    tmp_path.chmod(0o755)
    file = tmp_path / "token"
    token(agent, file, uid=33)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and file.stat().st_uid == 33
    ask = ("import boto3; found = boto3.Session().get_credentials(); "
           "print(found.method, found.get_frozen_credentials().access_key)")
    # The interpreter is where another user can start it.
    env = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{host}/v1/credentials",
           "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(file)}
    site = next((TOOLS / "python/lib").glob("python3*/site-packages"))
    found = run(agent, ["/usr/bin/python3", "-c", ask], PYTHONPATH=str(site), **env)
    # Made for uid 33, shown by root: refused, with the reason where people read it.
    assert found.returncode != 0 and "not valid for this process" in found.stderr, found
    token(agent, file, uid=0)
    found = run(agent, ["/usr/bin/python3", "-c", ask], PYTHONPATH=str(site), **env)
    assert found.stdout.split() == ["container-role", KEY], found.stderr


def test_each_address_refuses_in_its_own_form(agent, tmp_path):
    good = token(agent, tmp_path / "token")
    for url, headers, status, code in [
        ("http://169.254.170.2/v2/credentials/" + good, [], 200, None),
        ("http://169.254.170.2/v1/credentials", ["Authorization: " + good], 200, None),
        ("http://169.254.170.2/v2/credentials/", [], 400, "NoIdInRequest"),
        ("http://169.254.170.2/v2/credentials/nonsense", [], 400, "InvalidIdInRequest"),
    ]:
        seen, kind, body = plain(agent, url, *headers)
        assert (seen, kind) == (status, "application/json"), (url, body)
        if code:
            assert json.loads(body)["code"] == code and json.loads(body)["HTTPErrorCode"] == status
        else:
            assert json.loads(body)["AccessKeyId"] == KEY
    for host in ("169.254.170.23", "[fd00:ec2::23]"):
        url = f"http://{host}/v1/credentials"
        assert json.loads(plain(agent, url, "Authorization: " + good)[2])["AccessKeyId"] == KEY
        for headers, status, told in [([], 400, "no Authorization token"), (["Authorization: x"], 400, "not valid"),
                                      (["Authorization: " + good, "Host: evil.test"], 403, "")]:
            seen, kind, body = plain(agent, url, *headers)
            assert seen == status and told in body and not body.startswith("{"), body
            assert told == "" or kind.startswith("text/plain")
        assert plain(agent, f"http://{host}/v2/credentials/{good}")[0] == 404
    # Nothing else is at these addresses, no metadata above all.
    for host in ("169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"):
        for path in ("/latest/meta-data/iam/security-credentials/", "/latest/api/token", "/"):
            assert plain(agent, f"http://{host}{path}")[0] == 404


def test_a_token_is_no_right_of_its_own(agent, tmp_path):
    """Anyone may ask for one's own; the rules decide at each use; only root makes one for another."""
    file = tmp_path / "token"
    text = token(agent, file, uid=33)
    assert plain(agent, "http://169.254.170.2/v2/credentials/" + text, uid=33)[0] == 200
    agent.rules("[[rule]]\nuid = 0\nroles = [\"app\"]\n")
    seen, _, body = plain(agent, "http://169.254.170.2/v2/credentials/" + text, uid=33)
    assert seen == 403 and json.loads(body)["code"] == "AccessDenied"
    stranger = run(agent, [BINARY, "agent", "token", "--data", agent.path / "run", "--role", "app", "--uid", "0", "--file",
                           "/tmp/never"], uid=33)
    assert stranger.returncode == 1 and "only root" in stranger.stderr and not os.path.exists("/tmp/never")


def test_the_addresses_go_with_the_agent_and_no_neighbour_reaches_them(agent, lan):
    assert all(address in addresses(agent.machine) for address in ADDRESSES)
    neighbour = lan.machine(2)
    subprocess.run(["ip", "-n", neighbour.name, "route", "add", "169.254.170.0/24", "via", agent.machine.address], check=True)
    heard = subprocess.run([*neighbour.prefix(), "curl", "-s", "-m", "2", "http://169.254.170.2/v2/credentials/x"],
                           capture_output=True)
    assert heard.returncode in (7, 28) and heard.stdout == b""
    agent.stop()
    assert not any(address in addresses(agent.machine) for address in ADDRESSES)


def test_without_ipv6_the_other_addresses_are_served(lan):
    machine = lan.machine(1)
    subprocess.run([*machine.prefix(), "sh", "-c", "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$f; done"], check=True)
    source = scripted_in(machine, lambda request: (200, json.dumps(session(KEY, 60))))
    agent = Lone('[listen]\nlink_local = true\npod_identity = true\n'
                 f'[source]\ncontainer = "{source.url}/"\n[[role]]\nname = "app"\n', RULES, machine=machine)
    try:
        assert plain(agent, "http://169.254.170.23/v1/credentials")[0] == 400
        assert asked("http://169.254.169.254/", machine=machine) == (200, "app")
        assert "IPv6 is off" in agent.said()
    finally:
        agent.close()
        source.shutdown()
