"""An agent that runs by itself, with somebody else's AWS behind it."""
import json
import os
import signal
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from house import BINARY, CLEAN, wait_for

LIST = "/latest/meta-data/iam/security-credentials/"
# What the package's unit grants the agent's user.
CAPABILITIES = "+net_admin,+net_raw,+net_bind_service,+sys_ptrace,+sys_admin,+dac_read_search,+setuid,+setgid"


class Lone:
    """One `hallpass agent run`, on this machine or in a network namespace, as root or as a user of its own."""

    def __init__(self, config, rules, machine=None, uid=None, env=None, audit="audit"):
        self.folder = tempfile.TemporaryDirectory(prefix="hp-")
        self.path = Path(self.folder.name)
        self.path.chmod(0o755)
        self.machine, self.uid, self.extra, self.process = machine, uid, env or {}, None
        (self.path / "agent.toml").write_text(f'run_dir = "run"\naudit = "{audit}"\n{config}')
        self.rules(rules, wait=False)
        if uid is not None:
            for name in (".", "agent.toml", "rules.toml"):
                os.chown(self.path / name, uid, uid)
        self.start()

    def prefix(self):
        return self.machine.prefix() if self.machine else []

    def start(self, wait=True):
        command = [BINARY, "agent", "run", "--config", str(self.path / "agent.toml")]
        if self.uid is not None:
            command = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups",
                       f"--inh-caps={CAPABILITIES}", f"--ambient-caps={CAPABILITIES}", "--", *command]
        self.log = open(self.path / "log", "ab")
        self.ready_file = self.path / "run/agent.json"
        self.ready_file.unlink(missing_ok=True)
        self.process = subprocess.Popen(self.prefix() + command, env={**CLEAN, **self.extra}, stdout=self.log,
                                        stderr=self.log, stdin=subprocess.DEVNULL)
        if wait:
            def is_ready():
                assert self.process.poll() is None, self.said()
                return self.ready_file.exists()
            wait_for(is_ready, "hallpass agent being ready")
            self.ready = json.loads(self.ready_file.read_text())
            self.metadata = self.ready["metadata"]

    def said(self):
        return (self.path / "log").read_text()

    def rules(self, text, wait=True):
        path = self.path / "rules.toml"
        path.write_text(text)
        path.chmod(0o644)
        if wait:
            self.process.send_signal(signal.SIGHUP)
            wait_for(lambda: f"({text.count('[[rule]]')} in force)" in self.hallpass("status").stdout, "the rules")

    def hallpass(self, *words, check=True, **options):
        result = subprocess.run(self.prefix() + [BINARY, words[0], "--data", str(self.path / "run"), *words[1:]], env=CLEAN,
                                capture_output=True, text=True, **options)
        assert not check or result.returncode == 0, result.stderr
        return result

    def records(self):
        found = []
        for file in sorted((self.path / "audit").glob("*.jsonl")):
            found += [json.loads(line) for line in file.read_text().splitlines()]
        return found

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)
        self.log.close()

    def close(self):
        self.stop()
        self.folder.cleanup()


def asked(base, uid=None, machine=None, role=None, timeout=10):
    """The list of roles, or the credentials of `role`, as a process of `uid` hears them: a status and a body."""
    script = r"""
import sys, urllib.request, urllib.error
base, path, timeout = sys.argv[1].rstrip("/"), sys.argv[2], float(sys.argv[3])
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def ask(request):
    try:
        with opener.open(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)
status, token = ask(urllib.request.Request(base + "/latest/api/token", method="PUT",
                                           headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"}))
if status == 200:
    status, token = ask(urllib.request.Request(base + path, headers={"X-aws-ec2-metadata-token": token}))
print(status)
print(token)
"""
    command = [] if machine is None else machine.prefix()
    if uid is not None:
        command += ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--"]
    result = subprocess.run([*command, "/usr/bin/python3", "-c", script, base, LIST + (role or ""), str(timeout)],
                            capture_output=True, text=True, env=CLEAN, cwd="/")
    assert result.returncode == 0, result.stderr
    status, _, body = result.stdout.partition("\n")
    return int(status), body.rstrip("\n")


def health(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
