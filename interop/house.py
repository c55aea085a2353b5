"""A running Hallpass and what tests need around it: machines as network namespaces, users, rules."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

BINARY = os.environ["HALLPASS_BINARY"]
TOOLS = Path(os.environ["HALLPASS_TOOLS"])
CLEAN = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}


def wait_for(condition, what, seconds=60):
    """Waits until `condition()` gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)


class Machine:
    """A network namespace with an address of its own, joined to the others by a bridge in `Lan`."""

    def __init__(self, name, address):
        self.name, self.address = name, address

    def prefix(self):
        return ["nsenter", f"--net=/run/netns/{self.name}", "--"]


class Lan:
    """Machines on one wire. Everything it made goes with it."""

    def __init__(self, tag):
        self.tag, self.machines = tag, []
        self.wire = self._namespace("wire")
        self._ip(self.wire, "link add br0 type bridge")
        self._ip(self.wire, "link set br0 up")

    def _namespace(self, name):
        full = f"hp{os.getpid()}{self.tag}{name}"
        subprocess.run(["ip", "netns", "add", full], check=True)
        subprocess.run(["ip", "-n", full, "link", "set", "lo", "up"], check=True)
        return full

    @staticmethod
    def _ip(namespace, words):
        subprocess.run(["ip", "-n", namespace, *words.split()], check=True)

    def machine(self, number):
        name = self._namespace(f"m{number}")
        near, far = f"v{os.getpid() % 10000}{self.tag}{number}", "eth0"
        subprocess.run(["ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name], check=True)
        subprocess.run(["ip", "link", "set", near, "netns", self.wire], check=True)
        self._ip(self.wire, f"link set {near} master br0 up")
        self._ip(name, f"addr add 10.77.0.{number}/24 dev {far}")
        self._ip(name, f"link set {far} up")
        machine = Machine(name, f"10.77.0.{number}")
        self.machines.append(machine)
        return machine

    def close(self):
        for name in [machine.name for machine in self.machines] + [self.wire]:
            subprocess.run(["ip", "netns", "del", name], check=False)


class Wire(threading.Thread):
    """Stands between a client and a server and keeps what both say: the proof of what the server gets to see."""

    def __init__(self, target, port=0):
        super().__init__(daemon=True)
        self.target, self.sent, self.answered = target, bytearray(), bytearray()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.endpoint = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.start()

    def run(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.target))
            threading.Thread(target=self.pump, args=(near, far, self.sent), daemon=True).start()
            threading.Thread(target=self.pump, args=(far, near, self.answered), daemon=True).start()

    def pump(self, source, sink, keep):
        try:
            while data := source.recv(65536):
                keep += data
                sink.sendall(data)
        except OSError:
            pass
        for end, how in ((source, socket.SHUT_RD), (sink, socket.SHUT_WR)):
            try:
                end.shutdown(how)
            except OSError:
                pass

    def close(self):
        self.listener.close()


class House:
    """One `hallpass dev`, on this machine or in a network namespace."""

    def __init__(self, *args, data=None, machine=None, api="127.0.0.1:0", metadata="127.0.0.1:0", config=None):
        self.folder = tempfile.TemporaryDirectory(prefix="hp-")
        self.path = Path(self.folder.name)
        self.path.chmod(0o755)
        self.data = Path(data) if data else self.path / "data"
        self.machine = machine
        self.args = ["--api", api, "--metadata", metadata, *args]
        if config:
            (self.path / "hallpass.toml").write_text(config)
            self.args += ["--config", str(self.path / "hallpass.toml")]
        self.process = None
        self.start()

    def start(self):
        ready_file = self.path / "ready.json"
        ready_file.unlink(missing_ok=True)
        self.log = open(self.path / "log", "ab")
        command = [BINARY, "dev", "--data", str(self.data), "--ready-file", str(ready_file), *self.args]
        if self.machine:
            command = self.machine.prefix() + command
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

        def is_ready():
            assert self.process.poll() is None, (self.path / "log").read_text()
            return ready_file.exists()

        wait_for(is_ready, "hallpass dev being ready")
        self.ready = json.loads(ready_file.read_text())
        self.api, self.metadata = self.ready["api"], self.ready["metadata"]

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(20)
        self.log.close()

    def close(self):
        self.stop()
        self.folder.cleanup()

    # -- settings for clients

    def env(self, **extra):
        """What `hallpass env` sets: no key anywhere."""
        return {
            **CLEAN,
            "AWS_ENDPOINT_URL": self.api,
            "S3_ENDPOINT_URL": self.api,
            "AWS_REGION": self.ready["region"],
            "AWS_DEFAULT_REGION": self.ready["region"],
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata,
            **extra,
        }

    def admin_env(self, **extra):
        return self.env(
            AWS_SHARED_CREDENTIALS_FILE=self.ready["admin_credentials"],
            AWS_PROFILE="admin",
            AWS_EC2_METADATA_DISABLED="true",
            **extra,
        )

    def admin_key(self):
        """The administrator's key id and secret."""
        text = Path(self.ready["admin_credentials"]).read_text()
        return tuple(re.search(rf"{name} = (\S+)", text)[1] for name in ("aws_access_key_id", "aws_secret_access_key"))

    def boto(self, service, key=None, region=None, endpoint=None, **config):
        """A boto3 client that asks once; as the administrator unless `key` (id, secret, perhaps token) is given."""
        import boto3
        import botocore.config

        key_id, secret, token = (*(key or self.admin_key()), None)[:3]
        config = botocore.config.Config(**{"retries": {"total_max_attempts": 1}, **config})
        return boto3.client(service, endpoint_url=endpoint or self.api, region_name=region or self.ready["region"],
                            aws_access_key_id=key_id, aws_secret_access_key=secret, aws_session_token=token, config=config)

    def run(self, command, env=None, check=True, machine=None, **options):
        command = [str(word) for word in command]
        where = machine or self.machine
        if where:
            command = where.prefix() + command
        result = subprocess.run(command, env=env or self.env(), capture_output=True, text=True, timeout=300, **options)
        if check and result.returncode != 0:
            raise AssertionError(f"{command} -> {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def aws(self, *words, env=None, check=True, **options):
        """AWS CLI v1; as the administrator unless `env` says otherwise. The answer is parsed."""
        command = [TOOLS / "python-awscli/bin/aws", "--output", "json", *words]
        result = self.run(command, env=env or self.admin_env(), check=check, **options)
        if not check:
            return result
        return json.loads(result.stdout) if result.stdout.strip().startswith(("{", "[")) else result.stdout

    def hallpass(self, *words, check=True, **options):
        return self.run([BINARY, words[0], *(["--data", self.data] if words[0] not in ("audit", "demo") else []), *words[1:]],
                        check=check, **options)

    # -- rules and identities

    def rules(self, text):
        """Replaces the rules and waits until they are in force."""
        path = Path(self.ready["rules"])
        staged = path.with_suffix(".new")
        staged.write_text(text)
        staged.rename(path)
        self.process.send_signal(signal.SIGHUP)
        count = text.count("[[rule]]")
        wait_for(lambda: self.status()["agent"]["rules"] == count, "the new rules being in force")

    def status(self):
        return json.loads(self.hallpass("status", "--json").stdout)

    def role(self, name, policy, trust=None):
        """A role for machines, in this machine's profile."""
        trust = trust or {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
        }
        self.aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", json.dumps(trust))
        self.aws("iam", "put-role-policy", "--role-name", name, "--policy-name", "p", "--policy-document", json.dumps(policy))
        self.aws("iam", "add-role-to-instance-profile", "--instance-profile-name", self.ready["role"], "--role-name", name)

    def user(self, name, policy):
        """A user with a key; returns settings for clients that hold it."""
        self.aws("iam", "create-user", "--user-name", name)
        self.aws("iam", "put-user-policy", "--user-name", name, "--policy-name", "p", "--policy-document", json.dumps(policy))
        key = self.aws("iam", "create-access-key", "--user-name", name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    # -- the metadata service, asked plainly

    def imds(self, path, method="GET", headers=None, base=None):
        """(status, headers, body) of one plain request."""
        request = urllib.request.Request((base or self.metadata).rstrip("/") + path, method=method, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def imds_token(self, base=None):
        status, _, token = self.imds(
            "/latest/api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "300"}, base=base)
        assert status == 200, status
        return {"X-aws-ec2-metadata-token": token.decode()}

    def credentials(self, role=None, base=None):
        token = self.imds_token(base)
        if role is None:
            role = self.imds("/latest/meta-data/iam/security-credentials/", headers=token, base=base)[2].decode()
        status, _, body = self.imds(f"/latest/meta-data/iam/security-credentials/{role}", headers=token, base=base)
        assert status == 200, (status, body)
        return json.loads(body)

    # -- the record

    def records(self, **wanted):
        """All audit records whose fields equal `wanted`."""
        found = []
        for file in sorted((self.data / "audit").glob("*.jsonl")):
            for line in file.read_text().splitlines():
                record = json.loads(line)
                if all(record.get(name) == value for name, value in wanted.items()):
                    found.append(record)
        return found
