#!/usr/bin/env python3
"""Requests per second and latency of the agent's metadata service, beside a bare server and other metadata services.

Usage: bench/metadata.py [BINARY [HELLO]]  (release builds; HELLO is `cargo build --release -p hallpass-agent --example
hello`). Needs wrk. Rounds are interleaved, so that what else the machine does meets everyone. AWS's signing helper and moto are
measured where `cargo xtask setup` has put them; PEERS="name=command;…" adds others: {port} in the command is where they are to
listen.
"""
import json
import os
import re
import shlex
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/hallpass"
hello = sys.argv[2] if len(sys.argv) > 2 else "target/release/examples/hello"
SECONDS, ROUNDS = int(os.environ.get("SECONDS", "3")), int(os.environ.get("ROUNDS", "3"))
LIST = "latest/meta-data/iam/security-credentials/"
folder = tempfile.TemporaryDirectory(dir=os.environ.get("FOLDER"))
path = Path(folder.name)
processes = []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def begin(*command, **options):
    process = subprocess.Popen(list(map(str, command)), text=True, **options)
    processes.append(process)
    return process


def answers(request, headers=()):
    if isinstance(request, str):
        request = urllib.request.Request(request, headers=dict(headers))
    for _ in range(300):
        try:
            return urllib.request.urlopen(request, timeout=2).read()
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{request.full_url} does not answer")


class Sessions(BaseHTTPRequestHandler):
    """Answers the signing helper's CreateSession; who asks is not what is measured."""

    def do_POST(self):
        body = json.dumps({"credentialSet": [{"credentials": {
            "accessKeyId": "ASIAIOSFODNN7EXAMPLE", "secretAccessKey": "s" * 40, "sessionToken": "t" * 600,
            "expiration": "2099-01-01T00:00:00Z"}}], "subjectArn": "s"}).encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def installed():
    """The peers that the tests' own tools bring."""
    tools = Path(os.environ.get("HALLPASS_TOOLS", Path.home() / ".cache/hallpass/tools"))
    moto, helper = tools / "python-moto/bin/moto_server", tools / "client-signing-helper/aws_signing_helper"
    if moto.exists():
        yield f"moto={moto} -p {{port}}"
    if helper.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path / "key.pem", "-out",
                        path / "leaf.pem", "-subj", "/CN=bench", "-days", "2"], check=True, capture_output=True)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Sessions)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        arn = "arn:aws:rolesanywhere:eu-central-1:123456789012"
        yield (f"signing helper={helper} serve --port {{port}} --certificate {path}/leaf.pem --private-key {path}/key.pem "
               f"--trust-anchor-arn {arn}:trust-anchor/t --profile-arn {arn}:profile/p --role-arn "
               f"arn:aws:iam::123456789012:role/app --region eu-central-1 --endpoint http://127.0.0.1:{server.server_address[1]}")


def agent(rules, record):
    path = Path(folder.name) / record
    path.mkdir()
    answer = {"Version": 1, "AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": "s" * 40, "SessionToken": "t" * 600,
              "Expiration": "2099-01-01T00:00:00Z"}
    (path / "answer.json").write_text(json.dumps(answer))
    (path / "rules.toml").write_text(rules)
    (path / "rules.toml").chmod(0o644)
    (path / "agent.toml").write_text(f"""run_dir = "run"\naudit = "audit"
[listen]\nmetadata = "127.0.0.1:0"\n[callers]\nconnect_record = "{record}"\n[source]\nprocess = "cat {path}/answer.json"\n[[role]]\nname = "app"\n""")
    process = begin(binary, "agent", "run", "--config", path / "agent.toml", stderr=subprocess.DEVNULL)
    while not (path / "run/agent.json").exists():
        time.sleep(0.01)
    base = json.loads((path / "run/agent.json").read_text())["metadata"]
    put = urllib.request.Request(base + "latest/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "21600"})
    token = {"X-aws-ec2-metadata-token": urllib.request.urlopen(put).read().decode()}
    return process, base, token


def wrk(url, headers, connections, fresh):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", url]
    for name, value in {**headers, **({"Connection": "close"} if fresh else {})}.items():
        command += ["-H", f"{name}: {value}"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text, text
    unit = {"us": 1e-3, "ms": 1, "s": 1e3}
    at = lambda percent: (lambda m: float(m[1]) * unit[m[2]])(re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text))
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), at(50), at(99)


bare = begin(hello, stdout=subprocess.PIPE)
servers = {"bare hyper": (f"http://{bare.stdout.readline().strip()}/", {})}
rules = f"[[rule]]\nuid = {os.getuid()}\nroles = [\"app\"]\n"
process, base, token = agent(rules, "require" if os.getuid() == 0 else "auto")
servers["agent, instance-id"] = (base + "latest/meta-data/instance-id", token)
servers["agent, role list"] = (base + LIST, token)
servers["agent, credentials"] = (base + LIST + "app", token)
_, walking, walking_token = agent(rules, "off")
servers["credentials, no record"] = (walking + LIST + "app", walking_token)
for peer in [*installed(), *filter(None, os.environ.get("PEERS", "").split(";"))]:
    name, command = peer.split("=", 1)
    port = free_port()
    begin(*shlex.split(command.format(port=port)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    host, base = {"Host": "169.254.169.254"}, f"http://127.0.0.1:{port}/"
    put = urllib.request.Request(base + "latest/api/token", method="PUT",
                                 headers={**host, "X-aws-ec2-metadata-token-ttl-seconds": "21600"})
    given = {**host, "X-aws-ec2-metadata-token": answers(put).decode()}
    role = answers(urllib.request.Request(base + LIST, headers=given)).decode().split()[0]
    servers[f"{name}, credentials"] = (base + LIST + role, given)
try:
    for url, headers in servers.values():
        answers(url, headers)
    status = Path(f"/proc/{process.pid}/status").read_text()
    size = lambda name: int(status.split(name + ":")[1].split()[0]) / 1024
    print(f"agent at rest, MiB: {size('VmRSS'):.1f} resident, {size('RssAnon'):.1f} of it not the program's file")
    print(f"{'':24}{'connections':>14}{'requests/s':>12}{'of bare':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for connections, fresh in ((1, False), (16, False), (64, False), (16, True)):
        results = {name: [] for name in servers}
        for _ in range(ROUNDS):
            for name, (url, headers) in servers.items():
                results[name].append(wrk(url, headers, connections, fresh))
        middle = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in results.items()}
        for name, (rate, half, most) in middle.items():
            kind = f"{connections}{' fresh' if fresh else ''}"
            print(f"{name:24}{kind:>14}{rate:12.0f}{rate / middle['bare hyper'][0]:9.2f}{half:9.2f}{most:9.2f}", flush=True)
    status = Path(f"/proc/{process.pid}/status").read_text()
    print(f"agent resident, MiB: {int(status.split('VmRSS:')[1].split()[0]) / 1024:.1f}")
finally:
    for each in processes:
        each.terminate()
        each.wait()
    folder.cleanup()
