#!/usr/bin/env python3
"""What it costs to open, read and close a role's file, beside a file on a tmpfs. Root.
Usage: bench/files.py [BINARY]"""
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/hallpass"
ROUNDS = 5000


def measure(path):
    times = []
    for turn in range(ROUNDS + 200):
        began = time.perf_counter_ns()
        file = os.open(path, os.O_RDONLY)
        text = os.read(file, 65536)
        os.close(file)
        if turn >= 200:
            times.append((time.perf_counter_ns() - began) / 1000)
        assert text
    times.sort()
    return statistics.median(times), times[len(times) * 99 // 100]


def reads(path):
    """The same without the open: what the file system itself costs."""
    file, times = os.open(path, os.O_RDONLY), []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        os.pread(file, 65536, 0)
        times.append((time.perf_counter_ns() - began) / 1000)
    os.close(file)
    times.sort()
    return statistics.median(times), times[len(times) * 99 // 100]


def stats(path):
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        os.stat(path)
        times.append((time.perf_counter_ns() - began) / 1000)
    times.sort()
    return statistics.median(times), times[len(times) * 99 // 100]


def show(what, figures):
    print(f"{what:<52} p50 {figures[0]:8.1f} µs   p99 {figures[1]:8.1f} µs", flush=True)


def run(parent, what):
    """`parent` is where the data and with it the record lie."""
    folder = Path(tempfile.mkdtemp(prefix="hp-bench-"))
    data = Path(tempfile.mkdtemp(prefix="hp-bench-", dir=parent))
    mount, ready = folder / "roles", folder / "ready"
    mount.mkdir()
    rules = folder / "rules.toml"
    rules.write_text("[[rule]]\nuid = 0\nroles = [\"demo\"]\n\n[[file]]\nrole = \"demo\"\n")
    rules.chmod(0o600)
    process = subprocess.Popen(
        [binary, "dev", "--data", str(data / "d"), "--api", "127.0.0.1:0", "--metadata", "127.0.0.1:0", "--files",
         str(mount), "--rules", str(rules), "--ready-file", str(ready)], stderr=subprocess.DEVNULL)
    try:
        env = mount / "demo/env"
        while not (ready.exists() and env.exists() and env.stat().st_size):
            assert process.poll() is None
            time.sleep(0.05)
        show(f"open, read, close; {what}", measure(env))
        show("  stat", stats(env))
        show("  read alone", reads(env))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
        subprocess.run(["rm", "-rf", "--one-file-system", str(folder), str(data)], check=True)


plain = Path("/dev/shm") / f"hp-bench-{os.getpid()}"
plain.write_bytes(b"x" * 1100)
try:
    show("open, read, close; a file on a tmpfs", measure(plain))
finally:
    plain.unlink()
run("/dev/shm", "record on a tmpfs")
run("/var/tmp", "record on the disk")
