"""The agent on EC2: everyone but its own user is led from the real metadata service to it, containers included.

Network namespaces are the machines: `ec2` with the agent, its processes and a container on a bridge; `cloud`, behind
ec2's only way out, with a metadata service at the real address and a token service (moto's); `neighbour` on the LAN.
"""
import json
import os
import signal
import subprocess

import pytest

from house import CLEAN, TOOLS, Lan, Machine, wait_for
from lone import Lone, asked

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients/python")
OWN = (200, "the-instance-s-own")

AGENT, ALICE, BOB = 990, 1001, 1002
REAL, REAL_V6 = "169.254.169.254", "fd00:ec2::254"
PORT = 17338
RULES = f"[[rule]]\nuid = {BOB}\nroles = [\"app\"]\n"
CONFIG = f"""[listen]
redirect_port = {PORT}
health = "127.0.0.1:17339"
self_test_seconds = 1
[machine]
region = "eu-central-1"
[source]
metadata = "http://{REAL}"
sts_endpoint = "http://10.77.0.2:5000"
[[role]]
name = "app"
arn = "arn:aws:iam::123456789012:role/app"
"""


class Region:
    """The machines, and what runs in the cloud."""

    def __init__(self, folder):
        self.lan = Lan("e")
        self.ec2, self.cloud, self.neighbour = self.lan.machine(1), self.lan.machine(2), self.lan.machine(3)
        ip = Lan._ip
        ip(self.cloud.name, f"addr add {REAL}/32 dev eth0")
        ip(self.cloud.name, "route add 10.78.0.0/24 via 10.77.0.1")
        ip(self.ec2.name, f"route add {REAL}/32 via 10.77.0.2")
        for machine, number in ((self.ec2, 1), (self.cloud, 2)):
            ip(machine.name, f"addr add fd77::{number}/64 dev eth0 nodad")
        ip(self.cloud.name, f"addr add {REAL_V6}/128 dev eth0 nodad")
        ip(self.ec2.name, f"route add {REAL_V6}/128 via fd77::2")
        # A neighbour that tries to reach the service by way of the instance.
        ip(self.neighbour.name, f"route add {REAL}/32 via 10.77.0.1")
        self.container = self._container()
        self.log, self.asked = open(folder / "cloud.log", "ab"), folder / "asked"
        self.servers = [subprocess.Popen(self.cloud.prefix() + command, env=CLEAN, stdout=self.log, stderr=self.log,
                                         stdin=subprocess.DEVNULL) for command in (
            ["/usr/bin/python3", os.path.join(CLIENTS, "ec2_metadata.py"), REAL, "80", str(self.asked)],
            [str(TOOLS / "python-moto/bin/moto_server"), "-H", "10.77.0.2", "-p", "5000"])]
        for url, status in ((f"http://{REAL}/latest/meta-data/", 401), ("http://10.77.0.2:5000/moto-api/data.json", 200)):
            wait_for(lambda: self.curl(self.cloud, url) == status, url)

    def _container(self):
        """On a bridge of the instance, with a network of its own."""
        name = self.lan._namespace("c")
        machine, ip = Machine(name, "10.78.0.2"), Lan._ip
        ip(self.ec2.name, "link add br-pod type bridge")
        ip(self.ec2.name, f"link add pod0 type veth peer name eth0 netns {name}")
        ip(self.ec2.name, "link set pod0 master br-pod up")
        ip(self.ec2.name, "addr add 10.78.0.1/24 dev br-pod")
        ip(self.ec2.name, "link set br-pod up")
        ip(name, "addr add 10.78.0.2/24 dev eth0")
        ip(name, "link set eth0 up")
        ip(name, "route add default via 10.78.0.1")
        subprocess.run(self.ec2.prefix() + ["sysctl", "-qw", "net.ipv4.ip_forward=1"], check=True)
        self.lan.machines.append(machine)
        return machine

    @staticmethod
    def curl(machine, url, uid=0, seconds=5):
        """The status, 0 when refused or unanswered."""
        command = machine.prefix() + ["setpriv", f"--reuid={uid}", "--clear-groups", "--", "curl", "-s", "-o", "/dev/null",
                                      "-m", str(seconds), "-w", "%{http_code}", url]
        return int(subprocess.run(command, capture_output=True, text=True, env=CLEAN).stdout)

    def nft(self, *words, machine=None):
        return subprocess.run((machine or self.ec2).prefix() + ["nft", *words], capture_output=True, text=True)

    def close(self):
        for server in self.servers:
            server.terminate()
            server.wait(20)
        self.log.close()
        self.lan.close()


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    region = Region(tmp_path_factory.mktemp("region"))
    yield region
    region.close()


@pytest.fixture
def agent(region):
    agent = Lone(CONFIG, RULES, machine=region.ec2, uid=AGENT)
    yield agent
    agent.close()
    redirect(region, "down")


def redirect(region, *words, check=True):
    from house import BINARY
    result = subprocess.run(region.ec2.prefix() + [BINARY, "agent", "redirect", *words], capture_output=True, text=True,
                            env=CLEAN)
    assert not check or result.returncode == 0, result.stderr
    return result


def test_only_the_right_user_gets_the_role(region, agent):
    assert asked(f"http://{REAL}", uid=ALICE, machine=region.ec2) == (404, "")
    assert asked(f"http://{REAL}", uid=BOB, machine=region.ec2) == (200, "app")
    document = json.loads(asked(f"http://{REAL}", uid=BOB, machine=region.ec2, role="app")[1])
    assert document["Code"] == "Success" and document["AccessKeyId"].startswith("ASIA")
    # Root is a user like any other; what the rules do not give it, it has not.
    assert asked(f"http://{REAL}", uid=0, machine=region.ec2) == (404, "")
    # Nobody's question got as far as the real service but the agent's own.
    assert {line.split()[0] for line in region.asked.read_text().splitlines()} <= {region.cloud.address, REAL, "10.77.0.1"}
    assert agent.ready["instance"] == "i-0123456789abcdef0"
    # The real service is there for the agent's user alone, and it is the real one: it has a role of its own.
    assert asked(f"http://{REAL}", uid=AGENT, machine=region.ec2) == OWN
    issued = [r for r in agent.records() if r["eventName"] == "IssueCredentials" and "errorCode" not in r]
    assert {r["additionalEventData"]["hallpass"]["uid"] for r in issued} == {BOB}


def test_the_same_over_ipv6(region, agent):
    assert asked(f"http://[{REAL_V6}]", uid=ALICE, machine=region.ec2) == (404, "")
    assert asked(f"http://[{REAL_V6}]", uid=BOB, machine=region.ec2) == (200, "app")


def test_a_container_hears_the_agent_and_not_the_cloud(region, agent):
    status, body = asked(f"http://{REAL}", machine=region.container)
    assert status in (403, 404) and OWN[1] not in body
    # Its processes are known by the kernel's word, too: in a network of their own, and led here.
    assert asked(f"http://{REAL}", uid=ALICE, machine=region.container) == (404, "")
    assert asked(f"http://{REAL}", uid=BOB, machine=region.container) == (200, "app")
    # By any other way neither: the service's other ports, and by name of the address in the other notation.
    for url in (f"http://{REAL}:8080/", "http://[::ffff:169.254.169.254]/"):
        assert region.curl(region.container, url, seconds=3) in (0, 403, 404)


def test_a_neighbour_reaches_neither(region, agent):
    for url in (f"http://{REAL}/latest/meta-data/", f"http://10.77.0.1:{PORT}/latest/meta-data/"):
        assert region.curl(region.neighbour, url, seconds=2) == 0, url


def test_a_connection_that_is_older_than_the_rules_is_cut(region):
    """Kept alive from before, it would go on past a translation."""
    script = f"""
import socket, sys
wire = socket.create_connection(("{REAL}", 80), timeout=5)
def ask():
    wire.sendall(b"GET /latest/meta-data/ HTTP/1.1\\r\\nHost: {REAL}\\r\\n\\r\\n")
    data = b""
    while b"\\r\\n\\r\\n" not in data:
        more = wire.recv(65536)
        if not more:
            raise OSError("closed")
        data += more
    return data.split()[1].decode()
wire.settimeout(5)
print(ask(), flush=True)
sys.stdin.readline()
try:
    print(ask(), flush=True)
except OSError as error:
    print("cut", flush=True)
"""
    # Something that tracks connections from before, as Docker's rules do.
    region.nft("add table inet other")
    region.nft("add chain inet other out { type nat hook output priority 0; }")
    region.nft("add rule inet other out ip daddr 192.0.2.1 tcp dport 1 redirect to :2")
    older = subprocess.Popen(region.ec2.prefix() + ["setpriv", f"--reuid={ALICE}", "--clear-groups", "--", "/usr/bin/python3",
                                                    "-c", script],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=CLEAN)
    try:
        first = older.stdout.readline().strip()
        assert first in ("200", "401", "404"), first
        agent = Lone(CONFIG, RULES, machine=region.ec2, uid=AGENT)
        try:
            older.stdin.write("\n")
            older.stdin.flush()
            assert older.stdout.readline().strip() == "cut"
            # The other's table is as it was.
            assert "192.0.2.1" in region.nft("list table inet other").stdout
        finally:
            agent.close()
            redirect(region, "down")
        assert "192.0.2.1" in region.nft("list table inet other").stdout
    finally:
        older.kill()
        older.wait()
        region.nft("delete table inet other")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_without_the_agent_it_is_closed_and_with_it_again_open(region, agent, how):
    agent.stop(how)
    for uid in (ALICE, BOB, 0):
        assert asked(f"http://{REAL}", uid=uid, machine=region.ec2)[0] == 0
    assert asked(f"http://{REAL}", machine=region.container, timeout=3)[0] == 0
    agent.start()
    assert asked(f"http://{REAL}", uid=BOB, machine=region.ec2) == (200, "app")
    assert asked(f"http://{REAL}", uid=ALICE, machine=region.ec2) == (404, "")


def test_early_in_the_boot_it_is_closed_until_the_agent_is_there(region):
    assert redirect(region, "status", check=False).returncode == 1
    redirect(region, "close", "--user", str(AGENT))
    try:
        assert asked(f"http://{REAL}", uid=BOB, machine=region.ec2)[0] == 0
        assert asked(f"http://{REAL}", uid=0, machine=region.ec2)[0] == 0
        assert region.curl(region.container, f"http://{REAL}/latest/meta-data/", seconds=3) == 0
        assert asked(f"http://{REAL}", uid=AGENT, machine=region.ec2) == OWN
        agent = Lone(CONFIG, RULES, machine=region.ec2, uid=AGENT)
        try:
            assert asked(f"http://{REAL}", uid=BOB, machine=region.ec2) == (200, "app")
            assert redirect(region, "status").stdout == "in force\n"
        finally:
            agent.close()
    finally:
        redirect(region, "down")
    # Gone without a trace, and taking away what is not there is no error.
    assert region.nft("list ruleset").stdout.strip() == ""
    redirect(region, "down")
    assert asked(f"http://{REAL}", uid=ALICE, machine=region.ec2) == OWN


def test_the_self_test_is_loud_when_the_way_is_open(region, agent):
    def ready():
        return subprocess.run(region.ec2.prefix() + ["curl", "-s", "-m", "5", "http://127.0.0.1:17339/readyz"],
                              capture_output=True, text=True, env=CLEAN).stdout
    wait_for(lambda: ready() == "ready\n", "readiness")
    region.nft("flush", "ruleset")
    wait_for(lambda: "self-test failed" in ready(), "the self-test failing")
    assert "SELF-TEST FAILED" in agent.said()
    # Setting it up again is enough, and may be done any number of times.
    for _ in range(3):
        redirect(region, "up", "--config", str(agent.path / "agent.toml"), "--user", str(AGENT))
    wait_for(lambda: ready() == "ready\n", "readiness")


def test_root_is_told_why_it_cannot_redirect(region):
    with pytest.raises(AssertionError, match="the agent runs as root"):
        Lone(CONFIG, RULES, machine=region.ec2)
