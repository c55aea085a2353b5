#!/usr/bin/env python3
"""How long a revocation takes until every server refuses the session: the call's own time, and what each server confirmed.

Usage: bench/revocation.py [SERVERS… = 3 10]

Servers on one etcd of one member, all on loopback; one client, one call at a time, each revoking another session. Needs etcd and the
Python of `cargo xtask setup`: run it with that one. HALLPASS_BINARY names another build than target/release/hallpass.
"""
import http.client
import os
import re
import secrets
import statistics
import sys
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
os.environ.setdefault("HALLPASS_BINARY", str(ROOT / "target/release/hallpass"))
os.environ.setdefault("HALLPASS_TOOLS", str(Path.home() / ".cache/hallpass/tools"))
sys.path.insert(0, str(ROOT / "interop"))

import fleet  # noqa: E402
from botocore.auth import SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402

CALLS, WARM = 200, 10
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Client:
    """One connection that is kept."""

    def __init__(self, server):
        self.url, self.key = server.api, Credentials(*server.key())
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(self.url).netloc, timeout=30)

    def call(self, service, **params):
        request = AWSRequest("POST", self.url, data=urllib.parse.urlencode(params),
                             headers={"Content-Type": "application/x-www-form-urlencoded"})
        SigV4Auth(self.key, service, "eu-central-1").add_auth(request)
        sent = request.prepare()
        began = time.monotonic()
        self.connection.request("POST", "/", sent.body, dict(sent.headers))
        answer = self.connection.getresponse()
        text = answer.read().decode()
        took = (time.monotonic() - began) * 1000
        assert answer.status == 200, text
        return text, took


def session_key(like):
    """A well-formed key of a session, of the account of the key `like`, whose first nine characters after the prefix say it."""
    # The account is in the first 41 bits after the prefix; the ninth letter is the last that has some of it.
    return "ASIA" + like[4:13] + "".join(secrets.choice(BASE32) for _ in range(7))


def at(times, percent):
    return sorted(times)[min(len(times) - 1, int(len(times) * percent / 100))]


def measure(count):
    servers, etcd = [], fleet.Etcd(1)
    try:
        servers.append(fleet.Server("s0", etcd))
        for number in range(1, count):
            servers.append(fleet.Server(f"s{number}", etcd, root_key=servers[0].root_key()))
        client = Client(servers[0])
        calls, slowest = [], []
        for number in range(WARM + CALLS):
            text, took = client.call("hallpass", Action="RevokeSession", AccessKeyId=session_key(client.key.access_key))
            confirmed = [int(found) / 1000 for found in re.findall(r"<Microseconds>(\d+)<", text)]
            assert len(confirmed) == count, text
            if number >= WARM:
                calls.append(took)
                slowest.append(max(confirmed))
        plain = [client.call("sts", Action="GetCallerIdentity", Version="2011-06-15")[1] for _ in range(CALLS)]
        resident = [int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())[1]) / 1024
                    for server in servers]
        shown = " | ".join(f"{at(times, 50):.1f} | {at(times, 99):.1f}" for times in (calls, slowest, plain))
        print(f"| {count} | {shown} | {statistics.median(resident):.0f} |", flush=True)
    finally:
        for server in servers:
            server.close()
        etcd.close()


print("| servers | revoked, p50 ms | p99 ms | slowest server's confirmation, p50 ms | p99 ms | a call that writes nothing, p50 ms "
      "| p99 ms | resident MiB of a server |\n" + "|---" * 8 + "|")
for words in sys.argv[1:] or ["3", "10"]:
    measure(int(words))
