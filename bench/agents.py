#!/usr/bin/env python3
"""Many machines at one server: each agent waits for changes on a connection of its own and asks for a session once an hour.

Usage: bench/agents.py [AGENTS = 100000] [SECONDS = 120]

One server on the embedded store, pinned to one core; the agents, one program (`many_agents`), on the other, over TLS with a
certificate each. Told: how long it takes until all are connected, what the server takes of its core and of memory when they
are, what one change of a policy, of one instance's tags and of a role cost, and how long a revocation takes among them.
Root, for as many descriptors as connections. Release builds of hallpass and of hallpass-fleet's example `many_agents`;
HALLPASS_BINARY and HALLPASS_EXAMPLES name others than those in target/release.
"""
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("HALLPASS_BINARY", str(ROOT / "target/release/hallpass"))
os.environ.setdefault("HALLPASS_TOOLS", str(Path.home() / ".cache/hallpass/tools"))
EXAMPLE = Path(os.environ.get("HALLPASS_EXAMPLES", ROOT / "target/release/examples")) / "many_agents"
sys.path.insert(0, str(ROOT / "interop"))

import fleet  # noqa: E402

# Descriptors besides those of the agents: files, and second connections.
SPARE = 1_000
TICKS = os.sysconf("SC_CLK_TCK")


class Cost:
    """What a process has taken of processor time, in seconds, and holds of memory, in MiB."""

    def __init__(self, pid):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        self.user, self.system = int(fields[11]) / TICKS, int(fields[12]) / TICKS
        status = Path(f"/proc/{pid}/status").read_text()
        self.resident = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024
        self.time = time.monotonic()

    def since(self, before):
        took = self.time - before.time
        return f"{(self.user + self.system - before.user - before.system) / took * 100:.0f} % of a core, {self.resident:.0f} MiB"


def settled(pid):
    """Waits until the server is as idle as it was, and tells the processor time that took."""
    before, quiet = Cost(pid), 0
    first = before
    while quiet < 3:
        time.sleep(0.5)
        after = Cost(pid)
        share = (after.user + after.system - before.user - before.system) / (after.time - before.time)
        quiet = quiet + 1 if share < 0.5 else 0
        before = after
    return before.user + before.system - first.user - first.system


def main(agents, seconds):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most < agents + SPARE:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (agents + SPARE, agents + SPARE))
        except ValueError:
            agents = most - SPARE
            print(f"this machine lets a process have {most} descriptors: {agents} agents")
    else:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    server = fleet.Server("a")
    load = None
    try:
        server.role("web")
        server.hallpass("enrol", "--profile", "web", "--name", "first")
        server.stop()
        file = server.path / "agents.json"
        began = time.monotonic()
        subprocess.run([EXAMPLE, "make", server.data, str(agents), file], check=True)
        print(f"{agents} instances and certificates made in {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        server.start()
        pid = server.process.pid
        os.sched_setaffinity(pid, {0})
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), {0})
        print(f"ready after {time.monotonic() - began:.1f} s, {Cost(pid).resident:.0f} MiB", flush=True)
        before = Cost(pid)
        load = subprocess.Popen(["taskset", "-c", "1", EXAMPLE, "run", server.control, file, str(seconds), "1"],
                                stdout=subprocess.PIPE, text=True)
        for line in load.stdout:
            print(line.rstrip(), flush=True)
            if line.startswith("connected"):
                break
        print(f"until all were connected: {Cost(pid).since(before)}", flush=True)
        settled(pid)
        before = Cost(pid)
        time.sleep(min(60, seconds / 2))
        print(f"steady: {Cost(pid).since(before)}", flush=True)
        iam, ec2 = server.client("iam"), server.client("ec2")
        for what, change in (
                ("a user", lambda: iam.create_user(UserName=f"u{time.monotonic_ns()}")),
                ("one instance's tags", lambda: ec2.create_tags(Resources=["i-" + "0" * 17], Tags=[{"Key": "a", "Value": "b"}])),
                ("a role", lambda: iam.put_role_policy(RoleName="web", PolicyName="p", PolicyDocument=(
                    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}')))):
            began = time.monotonic()
            change()
            took = time.monotonic() - began
            print(f"a change of {what}: answered after {took * 1000:.0f} ms, {settled(pid):.1f} s of the core", flush=True)
        began = time.monotonic()
        print(server.hallpass("revoke", "instance", "i-" + "0" * 16 + "1").stdout.strip())
        print(f"a revocation among them: {(time.monotonic() - began) * 1000:.0f} ms with the command's start", flush=True)
        print(load.stdout.read().rstrip())
    finally:
        if load:
            load.kill()
            load.wait()
        server.close()


if __name__ == "__main__":
    main(*(int(word) for word in (sys.argv[1:] + ["100000", "120"][len(sys.argv) - 1:])))
