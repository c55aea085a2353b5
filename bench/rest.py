#!/usr/bin/env python3
"""How soon `hallpass dev` is ready, and what it holds at rest. Usage: bench/rest.py [BINARY]"""
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

binary = sys.argv[1] if len(sys.argv) > 1 else "target/release/hallpass"


def start(data, ready):
    began = time.monotonic()
    process = subprocess.Popen(
        [binary, "dev", "--data", data, "--api", "127.0.0.1:0", "--metadata", "127.0.0.1:0", "--ready-file", ready],
        stderr=subprocess.DEVNULL)
    while not os.path.exists(ready):
        time.sleep(0.001)
    return process, (time.monotonic() - began) * 1000


first, again, resident = [], [], []
for _ in range(11):
    with tempfile.TemporaryDirectory() as folder:
        for times in (first, again):
            ready = f"{folder}/ready-{len(times)}-{id(times)}"
            process, took = start(f"{folder}/data", ready)
            times.append(took)
            time.sleep(0.5)
            status = Path(f"/proc/{process.pid}/status").read_text()
            resident.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
            process.terminate()
            process.wait()
print(f"first start, ms: median {statistics.median(first):.0f}, worst {max(first):.0f}")
print(f"later start, ms: median {statistics.median(again):.0f}, worst {max(again):.0f}")
print(f"resident, MiB: median {statistics.median(resident):.1f}, most {max(resident):.1f}")
print(f"binary, MiB: {os.path.getsize(binary) / 1048576:.1f}")
