"""Servers on one etcd, and machines that enrol with them."""
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import boto3
from botocore.config import Config

from house import BINARY, CLEAN, wait_for

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class Certificates:
    """An authority of OpenSSL's, and certificates of it."""

    def __init__(self, folder, name):
        self.folder = folder
        folder.mkdir()
        self.ca = folder / "ca.pem"
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", f"/CN={name}", "-keyout", folder / "ca.key", "-out", self.ca)

    @staticmethod
    def _openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    def leaf(self, name, alternative="IP:127.0.0.1", usage="clientAuth"):
        """The files of a certificate and of its key."""
        request, made, key = (self.folder / f"{name}.{end}" for end in ("csr", "pem", "key"))
        extensions = self.folder / f"{name}.cnf"
        extensions.write_text(f"subjectAltName={alternative}\nextendedKeyUsage={usage}\nbasicConstraints=CA:FALSE\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                      "-keyout", key, "-out", request)
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.folder / "ca.key", "-CAcreateserial",
                      "-days", "2", "-extfile", extensions, "-out", made)
        return made, key


class Etcd:
    """A cluster of real members on loopback; over TLS, with a certificate asked of everybody, where one is for them."""

    def __init__(self, size=3, tls=None, usage="serverAuth,clientAuth"):
        self.folder = tempfile.TemporaryDirectory(prefix="hp-etcd-")
        self.path = Path(self.folder.name)
        scheme, self.tls = "https" if tls else "http", tls
        self.member = tls and tls.leaf("member", usage=usage)
        self.client = tls and tls.leaf("client", "DNS:client")
        ports = free_ports(2 * size)
        self.clients = [f"{scheme}://127.0.0.1:{port}" for port in ports[:size]]
        self.peers = [f"{scheme}://127.0.0.1:{port}" for port in ports[size:]]
        self.processes = [None] * size
        for number in range(size):
            self.start(number)
        wait_for(self.leader, "an etcd leader")

    def start(self, number):
        cluster = ",".join(f"m{index}={peer}" for index, peer in enumerate(self.peers))
        client, peer = self.clients[number], self.peers[number]
        with open(self.path / f"m{number}.log", "ab") as log:
            self.processes[number] = subprocess.Popen(
                ["etcd", "--name", f"m{number}", "--data-dir", str(self.path / f"m{number}"),
                 "--listen-client-urls", client, "--advertise-client-urls", client,
                 "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                 "--initial-cluster", cluster, "--initial-cluster-state", "new", *self.secured()],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def secured(self):
        if not self.tls:
            return []
        certificate, key = self.member
        return [word for side in ("", "peer-") for word in (
            f"--{side}cert-file={certificate}", f"--{side}key-file={key}", f"--{side}trusted-ca-file={self.tls.ca}",
            f"--{side}client-cert-auth")]

    def store(self, ca=None, client=None):
        """What `[store]` says of TLS."""
        certificate, key = client or self.client
        return f'ca_file = "{ca or self.tls.ca}"\ncertificate_file = "{certificate}"\nkey_file = "{key}"\n'

    def kill(self, number):
        self.processes[number].kill()
        self.processes[number].wait()
        self.processes[number] = None

    def ctl(self, *words):
        certificate, key = self.client or (None, None)
        secured = self.tls and [f"--cacert={self.tls.ca}", f"--cert={certificate}", f"--key={key}"]
        return subprocess.run(["etcdctl", "--endpoints", ",".join(self.clients), *(secured or []), *words],
                              capture_output=True, text=True, env={**CLEAN, "ETCDCTL_API": "3"})

    def leader(self):
        """The number of the member that leads, plus one; 0: none."""
        said = self.ctl("endpoint", "status", "-w", "json").stdout
        for status in json.loads(said or "[]"):
            inner = status["Status"]
            if inner["header"]["member_id"] == inner.get("leader"):
                return self.clients.index(status["Endpoint"]) + 1
        return 0

    def close(self):
        for process in filter(None, self.processes):
            process.kill()
            process.wait()
        self.folder.cleanup()


class Server:
    """One `hallpass server`; `clients` are other endpoints of etcd than it has, `store` is the rest of `[store]`."""

    def __init__(self, name, etcd=None, host="127.0.0.1", machine=None, root_key=None, more="", prefix="/hallpass/",
                 clients=None, store=None, wait=True):
        self.folder = tempfile.TemporaryDirectory(prefix="hp-")
        self.path, self.name, self.host, self.machine = Path(self.folder.name), name, host, machine
        self.path.chmod(0o755)
        self.data = self.path / "data"
        self.process = None
        if store is None:
            store = etcd.store() if etcd and etcd.tls else ""
        if etcd:
            store = f'[store]\netcd = {json.dumps(clients or etcd.clients)}\nprefix = "{prefix}"\n{store}'
        self.ports = free_ports(2)
        (self.path / "server.toml").write_text(
            f'name = "{name}"\ndata = "data"\n{more}\n[api]\nlisten = "{host}:{self.ports[0]}"\n'
            f'[control]\nlisten = "{host}:{self.ports[1]}"\nhosts = ["{host}"]\n{store}')
        if root_key:
            self.data.mkdir(mode=0o700)
            (self.data / "VERSION").write_text("1\n")
            (self.data / "root.key").write_bytes(root_key)
            (self.data / "root.key").chmod(0o600)
        self.start(wait)

    def start(self, wait=True):
        (self.data / "ready.json").unlink(missing_ok=True)
        self.log = open(self.path / "log", "ab")
        prefix = self.machine.prefix() if self.machine else []
        self.process = subprocess.Popen(prefix + [BINARY, "server", "--config", str(self.path / "server.toml")],
                                        env=CLEAN, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)
        if wait:
            def is_ready():
                assert self.process.poll() is None, self.said()
                return (self.data / "ready.json").exists()
            wait_for(is_ready, f"server {self.name} being ready")
            self.ready = json.loads((self.data / "ready.json").read_text())
            self.api, self.control = self.ready["api"], self.ready["control"]

    def said(self):
        return (self.path / "log").read_text()

    def root_key(self):
        return (self.data / "root.key").read_bytes()

    def hallpass(self, *words, check=True, stdin=None, env=None):
        prefix = self.machine.prefix() if self.machine else []
        command, rest = words[0], list(words[1:])
        result = subprocess.run(prefix + [BINARY, command, "--data", str(self.data), *rest],
                                env={**CLEAN, **(env or {})}, capture_output=True, text=True, input=stdin)
        assert not check or result.returncode == 0, result.stderr
        return result

    def key(self):
        text = (self.data / "admin-credentials").read_text()
        return re.search(r"_key_id = (\S+)", text)[1], re.search(r"access_key = (\S+)", text)[1]

    def client(self, service, key=None, verify=None, **options):
        id, secret, *token = key or self.key()
        return boto3.client(service, endpoint_url=self.api, aws_access_key_id=id, aws_secret_access_key=secret,
                            aws_session_token=token[0] if token else None, region_name="eu-central-1", verify=verify,
                            config=Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=30, **options))

    def role(self, name, key=None):
        iam = self.client("iam", key)
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        iam.put_role_policy(RoleName=name, PolicyName="all", PolicyDocument=ALLOW)
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)

    def enrolment(self, *words, env=None):
        """The command a machine enrols with, in words, and the instance."""
        said = self.hallpass("enrol", *words, env=env)
        return said.stdout.split()[1:], re.search(r"i-[0-9a-f]+", said.stderr + said.stdout)[0]

    def records(self):
        found = []
        for file in sorted((self.data / "audit").glob("*.jsonl")):
            found += [json.loads(line) for line in file.read_text().splitlines()]
        return found

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)

    def close(self):
        self.stop(signal.SIGKILL)
        self.log.close()
        self.folder.cleanup()


class Member:
    """A machine of the fleet: its agent, in a network namespace or on this machine."""

    def __init__(self, server, profile, machine=None, env=None):
        self.folder = tempfile.TemporaryDirectory(prefix="hp-")
        self.path, self.machine, self.process = Path(self.folder.name), machine, None
        self.path.chmod(0o755)
        (self.path / "agent.toml").write_text(
            'run_dir = "run"\naudit = "audit"\n[fleet]\nstate = "node"\n[listen]\nmetadata = "127.0.0.1:0"\n')
        (self.path / "rules.toml").write_text(f'[[rule]]\nuid = {os.getuid()}\nroles = ["{profile}"]\n')
        self.enrol(server, "--profile", profile, env=env)
        self.start()

    def prefix(self):
        return self.machine.prefix() if self.machine else []

    def enrol(self, server, *words, env=None):
        command, self.instance = server.enrolment(*words, env=env)
        said = self.run(*command, "--state", str(self.path / "node"))
        assert said.returncode == 0, said.stderr
        assert self.instance in said.stderr + said.stdout

    def run(self, *words):
        return subprocess.run(self.prefix() + [BINARY, *words], env=CLEAN, capture_output=True, text=True)

    def start(self):
        ready = self.path / "run/agent.json"
        ready.unlink(missing_ok=True)
        self.log = open(self.path / "log", "ab")
        self.process = subprocess.Popen(
            self.prefix() + [BINARY, "agent", "run", "--config", str(self.path / "agent.toml")],
            env=CLEAN, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

        def is_ready():
            assert self.process.poll() is None, self.said()
            return ready.exists()
        wait_for(is_ready, "the agent being ready")
        self.metadata = json.loads(ready.read_text())["metadata"]

    def said(self):
        return (self.path / "log").read_text()

    def curl(self, path, method="GET", headers=()):
        words = ["curl", "-s", "-m", "20", "-X", method, "-w", "\n%{http_code}", self.metadata + path.lstrip("/")]
        for header in headers:
            words += ["-H", header]
        said = subprocess.run(self.prefix() + words, capture_output=True, text=True).stdout
        body, _, status = said.rpartition("\n")
        return int(status), body

    def credentials(self, role):
        """What an SDK gets, as key, secret, token; the status when there is nothing."""
        status, token = self.curl("/latest/api/token", "PUT", ["X-aws-ec2-metadata-token-ttl-seconds: 60"])
        if status != 200:
            return status
        status, body = self.curl(f"/latest/meta-data/iam/security-credentials/{role}", headers=[
            f"X-aws-ec2-metadata-token: {token}"])
        if status != 200:
            return status
        found = json.loads(body)
        return found["AccessKeyId"], found["SecretAccessKey"], found["Token"]

    def identity(self, server, key):
        """Who the server says it is, asked from this machine by the aws cli; or the error."""
        from house import TOOLS
        env = {**CLEAN, "AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1], "AWS_SESSION_TOKEN": key[2],
               "AWS_DEFAULT_REGION": "eu-central-1", "AWS_MAX_ATTEMPTS": "1", "AWS_EC2_METADATA_DISABLED": "true"}
        said = subprocess.run(
            self.prefix() + [str(TOOLS / "python-awscli/bin/aws"), "--endpoint-url", server.api, "sts",
                             "get-caller-identity", "--query", "Arn", "--output", "text"],
            env=env, capture_output=True, text=True)
        return said.stdout.strip() or said.stderr.strip()

    def records(self):
        found = []
        for file in sorted((self.path / "audit").glob("*.jsonl")):
            found += [json.loads(line) for line in file.read_text().splitlines()]
        return found

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)

    def close(self):
        self.stop(signal.SIGKILL)
        self.log.close()
        self.folder.cleanup()
