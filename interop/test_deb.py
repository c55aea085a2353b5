"""The Debian package: installed, run, upgraded under load, removed and purged, by the real dpkg.

In a copy of this machine that goes with the test: an overlay over its file system, in a mount and network namespace.
"""
import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from house import BINARY, CLEAN, wait_for
from lone import CAPABILITIES

ROOT = Path(__file__).parent.parent
CLIENTS = Path(__file__).parent / "clients/python"
RULE = "[[rule]]\neveryone = true\nroles = [\"app\"]\n"
CONFIG = """[listen]
metadata = "127.0.0.1:1338"
health = "127.0.0.1:1339"
[source]
process = "cat /etc/hallpass/answer.json"
[[role]]
name = "app"
"""
ANSWER = """{"Version": 1, "AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": "the-secret",
"SessionToken": "the-token", "Expiration": "2099-01-01T00:00:00Z"}"""
# Fresh connections, one after the other; each answer that is not the role is printed.
HAMMER = """
import sys, urllib.request
count, base = 0, "http://127.0.0.1:1338/latest/"
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
token = opener.open(urllib.request.Request(base + "api/token", method="PUT",
                                           headers={"X-aws-ec2-metadata-token-ttl-seconds": "300"})).read().decode()
print("going", flush=True)
import os
while not os.path.exists("/stop"):
    try:
        asked = urllib.request.Request(base + "meta-data/iam/security-credentials/", headers={"X-aws-ec2-metadata-token": token})
        answer = opener.open(asked, timeout=10).read().decode()
        if answer != "app":
            print("answered", answer, flush=True)
    except Exception as error:
        print("failed", repr(error), flush=True)
    count += 1
print("asked", count, flush=True)
"""


class Copy:
    """This machine over again, with changes of its own."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="hp-deb-")
        script = f"""set -e
mount -t tmpfs hp-deb {self.folder.name}
cd {self.folder.name}; mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount -t proc proc root/proc; mount -t tmpfs tmpfs root/run; mount -t tmpfs tmpfs root/tmp
mount --rbind /dev root/dev; mount --bind /sys root/sys
ip link set lo up
echo made
exec sleep infinity
"""
        self.process = subprocess.Popen(["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", script],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        made = self.process.stdout.readline()
        assert made == "made\n", self.process.stderr.read()
        self.root = Path(f"/proc/{self.process.pid}/root{self.folder.name}/root")

    def command(self, *words):
        pid = str(self.process.pid)
        return ["nsenter", "-t", pid, "-m", "-n", "chroot", f"{self.folder.name}/root", *map(str, words)]

    def run(self, *words, check=True, **options):
        result = subprocess.run(self.command(*words), capture_output=True, text=True,
                                env={**CLEAN, "DEBIAN_FRONTEND": "noninteractive"}, **options)
        assert not check or result.returncode == 0, (words, result.stdout, result.stderr)
        return result

    def close(self):
        self.process.kill()
        self.process.wait()
        # Its mounts went with its namespace.
        self.folder.cleanup()


@pytest.fixture
def copy():
    copy = Copy()
    yield copy
    copy.close()


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    made = []
    for version in ("0.1.0", "0.1.1"):
        result = subprocess.run(["cargo", "run", "-q", "--locked", "-p", "xtask", "--", "deb", BINARY, version], cwd=ROOT,
                                capture_output=True, text=True)
        assert result.returncode == 0, result.stderr
        made.append(Path(result.stderr.splitlines()[-1]))
    return made


def settings(copy, name, text):
    """Written as the machine's owner would."""
    copy.run("sh", "-c", f"cat > /etc/hallpass/{name}", input=text)


def test_the_whole_life_of_the_package(copy, packages):
    before = copy.run("sh", "-c", "find / -xdev -path /proc -prune -o -name '*hallpass*' -print").stdout
    for package in packages:
        copy.run("sh", "-c", f"cat > /{package.name}", input=None, stdin=package.open("rb"))
    first, second = (f"/{package.name}" for package in packages)

    copy.run("dpkg", "-i", first)
    assert copy.run("hallpass", "--version").stdout.startswith("hallpass ")
    assert "hallpass" in copy.run("id", "hallpass").stdout
    # What it comes with is in order, and gives nobody anything.
    assert "in order" in copy.run("hallpass", "agent", "check", "/etc/hallpass/rules.toml").stderr
    units = copy.run("sh", "-c", "ls /lib/systemd/system/hallpass-*").stdout.split()
    assert len(units) == 4
    if copy.run("which", "systemd-analyze", check=False).returncode == 0:
        verified = copy.run("systemd-analyze", "verify", *units, check=False)
        assert "hallpass" not in re.sub(r"file:///usr/share/doc/hallpass\S*", "", verified.stderr), verified.stderr

    settings(copy, "agent.toml", CONFIG)
    settings(copy, "rules.toml", RULE)
    settings(copy, "answer.json", ANSWER)
    copy.run("install", "-d", "-o", "hallpass", "-g", "hallpass", "/run/hallpass", "/var/log/hallpass")
    for name in ("socket_unit.py", "hammer.py"):
        text = HAMMER if name == "hammer.py" else (CLIENTS / name).read_text()
        copy.run("sh", "-c", f"cat > /{name}", input=text)
    # With what the unit grants, and the sockets of the socket unit.
    service = copy.command(
        "/usr/bin/python3", "/socket_unit.py", "/run/hallpass/agent.sock", "127.0.0.1:1338", "setpriv", "--reuid=hallpass",
        "--regid=hallpass", "--clear-groups", f"--inh-caps={CAPABILITIES}", f"--ambient-caps={CAPABILITIES}",
        f"--bounding-set=-all,{CAPABILITIES}", "--no-new-privs", "hallpass", "agent", "run")
    log = tempfile.TemporaryFile("w+")
    unit = subprocess.Popen(service, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=CLEAN)
    try:
        assert unit.stdout.readline() == "started\n"

        def ready():
            return copy.run("curl", "-s", "-m", "5", "http://127.0.0.1:1339/readyz", check=False).stdout == "ready\n"
        wait_for(ready, "the packaged agent being ready")
        # Anyone finds it without being told where.
        alice = ("setpriv", "--reuid=1001", "--regid=1001", "--clear-groups")
        told = copy.run(*alice, "hallpass", "credentials", "--role", "app").stdout
        assert "ASIAIOSFODNN7EXAMPLE" in told
        assert "in force" in copy.run(*alice, "hallpass", "status").stdout

        # Upgraded and restarted while a client asks all the time: no request is refused, its token stays good.
        hammer = subprocess.Popen(copy.command("/usr/bin/python3", "/hammer.py"), stdout=subprocess.PIPE, text=True, env=CLEAN)
        assert hammer.stdout.readline() == "going\n"
        copy.run("dpkg", "-i", second)
        for _ in range(5):
            unit.stdin.write("again\n")
            unit.stdin.flush()
            assert unit.stdout.readline() == "started\n"
            wait_for(ready, "the upgraded agent being ready")
        copy.run("touch", "/stop")
        heard = hammer.stdout.read().splitlines()
        assert len(heard) == 1 and int(heard[0].removeprefix("asked ")) > 5, heard[:10]
        assert copy.run("dpkg-query", "-W", "-f", "${Version}", "hallpass").stdout == "0.1.1"
        # What the owner wrote is still there.
        assert copy.run("cat", "/etc/hallpass/rules.toml").stdout == RULE
    finally:
        unit.stdin.close()
        unit.wait(20)
        log.seek(0)
        said = log.read()
        log.close()
    assert "the-secret" not in said and "the-token" not in said

    copy.run("dpkg", "-r", "hallpass")
    assert copy.run("cat", "/etc/hallpass/rules.toml").stdout == RULE
    assert copy.run("which", "hallpass", check=False).returncode == 1
    copy.run("sh", "-c", "rm /etc/hallpass/answer.json /hallpass_*.deb")
    copy.run("dpkg", "-P", "hallpass")
    assert copy.run("id", "hallpass", check=False).returncode == 1
    assert copy.run("sh", "-c", "find / -xdev -path /proc -prune -o -name '*hallpass*' -print").stdout == before
