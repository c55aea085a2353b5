#!/usr/bin/env python3
"""The authority over HTTP and at its start.

Usage: bench/authority.py [assume] [roles [COUNT]]

`assume`: AssumeRole, signed, on connections that are kept, beside moto in one run. The server is pinned to one core, the load
(wrk) to the other; the audit log is on the disk under $BENCH_DIR (/tmp).
`roles`: how soon `hallpass dev` is ready with COUNT (1,000,000) roles in its store, and what memory it holds.

Release builds: `cargo build --release -p hallpass`, `cargo build --release -p hallpass-serve --example many_roles`.
HALLPASS_BINARY and HALLPASS_EXAMPLES name others than those in target/release.
"""
import datetime
import hashlib
import hmac
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = os.environ.get("HALLPASS_BINARY", ROOT / "target/release/hallpass")
EXAMPLES = Path(os.environ.get("HALLPASS_EXAMPLES", ROOT / "target/release/examples"))
TOOLS = Path(os.environ.get("HALLPASS_TOOLS", Path.home() / ".cache/hallpass/tools"))
SECONDS, ROUNDS = 3, 3
READY_SECONDS_MAX = 300
TICKS = os.sysconf("SC_CLK_TCK")
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]})


def signed(host, service, key, params):
    """Headers and body of a query request."""
    body = urllib.parse.urlencode(params)
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    fields = {"content-type": "application/x-www-form-urlencoded", "host": host, "x-amz-date": stamp}
    names = ";".join(fields)
    canonical = "\n".join(["POST", "/", "", *[f"{name}:{value}" for name, value in fields.items()], "", names,
                           hashlib.sha256(body.encode()).hexdigest()])
    scope = f"{stamp[:8]}/us-east-1/{service}/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signing = ("AWS4" + key[1]).encode()
    for part in (stamp[:8], "us-east-1", service, "aws4_request"):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(signing, text.encode(), hashlib.sha256).hexdigest()
    fields["authorization"] = f"AWS4-HMAC-SHA256 Credential={key[0]}/{scope}, SignedHeaders={names}, Signature={signature}"
    return fields, body


def call(host, service, key, **params):
    headers, body = signed(host, service, key, params)
    with urllib.request.urlopen(urllib.request.Request(f"http://{host}/", body.encode(), headers)) as answer:
        return answer.read().decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server on one core."""

    def __init__(self, folder, command, is_ready):
        self.began = time.monotonic()
        self.log = folder / "log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(["taskset", "-c", "1", *map(str, command)], stdout=log, stderr=log, cwd=folder)
        while not is_ready():
            if self.process.poll() is not None or time.monotonic() - self.began > READY_SECONDS_MAX:
                self.process.kill()
                raise SystemExit(f"{command[0]} is not ready: {self.log.read_text()[-2000:]}")
            time.sleep(0.005)
        self.took = time.monotonic() - self.began

    def cpu(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def mib(self, line):
        return int(re.search(rf"{line}:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())[1]) / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


def dev(folder):
    """A `hallpass dev`, where it answers, and its administrator's key."""
    ready = folder / "ready"
    ready.unlink(missing_ok=True)
    server = Server(folder, [BINARY, "dev", "--data", folder / "data", "--api", "127.0.0.1:0", "--metadata", "127.0.0.1:0",
                             "--region", "us-east-1", "--ready-file", ready], lambda: ready.exists() and ready.read_text())
    said = json.loads(ready.read_text())
    text = Path(said["admin_credentials"]).read_text()
    key = tuple(re.search(rf"{name} = (\S+)", text)[1] for name in ("aws_access_key_id", "aws_secret_access_key"))
    return server, urllib.parse.urlsplit(said["api"]).netloc, key


def moto(folder):
    port = free_port()

    def listens():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    server = Server(folder, [TOOLS / "python-moto/bin/moto_server", "-H", "127.0.0.1", "-p", port], listens)
    return server, f"127.0.0.1:{port}", ("AKIAIOSFODNN7EXAMPL0", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")


def wrk(folder, host, headers, body, connections):
    script = folder / "wrk.lua"
    lines = ['wrk.method = "POST"', f"wrk.body = {json.dumps(body)}"]
    lines += [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items() if name != "host"]
    script.write_text("\n".join(lines))
    text = subprocess.run(["taskset", "-c", "0", "wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency", "-s", script,
                           f"http://{host}/"], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text:
        raise SystemExit(text)
    unit = {"us": 1e-3, "ms": 1, "s": 1e3}
    at = lambda percent: (lambda m: float(m[1]) * unit[m[2]])(re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", text))
    return int(re.search(r"(\d+) requests in", text)[1]), float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), at(50), at(99)


def assume(folder):
    servers, targets = [], {}
    try:
        for start in (dev, moto):
            place = folder / start.__name__
            place.mkdir()
            server, host, key = start(place)
            servers.append(server)
            made = call(host, "iam", key, Action="CreateRole", Version="2010-05-08", RoleName="bench",
                        AssumeRolePolicyDocument=TRUST)
            arn = re.search(r"<Arn>([^<]+)", made)[1]
            targets[start.__name__] = server, host, key, dict(
                Action="AssumeRole", Version="2011-06-15", RoleArn=arn, RoleSessionName="bench")
        print("| AssumeRole | connections | requests/s | p50 ms | p99 ms | CPU ms/request |\n|---|---|---|---|---|---|")
        for connections in (1, 16, 64):
            results = {name: [] for name in targets}
            for _ in range(ROUNDS):
                for name, (server, host, key, params) in targets.items():
                    headers, body = signed(host, "sts", key, params)
                    before = server.cpu()
                    count, *row = wrk(folder, host, headers, body, connections)
                    results[name].append((*row, (server.cpu() - before) * 1000 / max(count, 1)))
            for name, rows in results.items():
                rate, half, most, cpu = [sorted(column)[ROUNDS // 2] for column in zip(*rows)]
                print(f"| {name} | {connections} | {rate:.0f} | {half:.2f} | {most:.2f} | {cpu:.3f} |", flush=True)
    finally:
        for server in servers:
            server.stop()


def roles(folder, count):
    place = folder / "roles"
    place.mkdir()
    dev(place)[0].stop()
    subprocess.run([EXAMPLES / "many_roles", "make", place / "data", str(count)], check=True)
    size = (place / "data/store.redb").stat().st_size / 1024 ** 2
    print(f"\n{count} roles, the store is {size:.0f} MiB")
    for _ in range(ROUNDS):
        server, host, key = dev(place)
        resident = server.mib("VmRSS"), server.mib("VmHWM")
        began = time.monotonic()
        answer = call(host, "sts", key, Action="AssumeRole", Version="2011-06-15", RoleSessionName="bench", ExternalId="service-0000007",
                      RoleArn=f"arn:aws:iam::{account_of(host, key)}:role/service-0000007")
        took = (time.monotonic() - began) * 1000
        assert "<SessionToken>" in answer
        print(f"ready in {server.took:.2f} s; {resident[0]:.0f} MiB resident, {resident[1]:.0f} MiB at most; "
              f"two first calls {took:.1f} ms", flush=True)
        server.stop()


def account_of(host, key):
    return re.search(r"<Account>(\d+)", call(host, "sts", key, Action="GetCallerIdentity", Version="2011-06-15"))[1]


def main():
    words = sys.argv[1:] or ["assume", "roles"]
    count = next((int(word) for word in words if word.isdigit()), 1_000_000)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=os.environ.get("BENCH_DIR", "/tmp")) as temporary:
        if "assume" in words:
            assume(Path(temporary))
        if "roles" in words:
            roles(Path(temporary), count)


main()
