"""The README's output is what a reader gets."""
import re
import subprocess
from pathlib import Path

from house import BINARY, CLEAN

README = (Path(__file__).parent.parent / "README.md").read_text()


def shown(command):
    """What the README shows for a command: the lines of its console block."""
    for block in re.findall(r"```console\n\$ (.*?)```", README, re.S):
        first, _, rest = block.partition("\n")
        if first.split()[:2] == command:
            return rest.rstrip("\n").split("\n")
    raise AssertionError(f"the README shows no {command}")


def normal(line):
    """Without what differs from run to run."""
    line = re.sub(r"\b\d{12}\b", "ACCOUNT", line)
    line = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line)
    line = re.sub(r"ASIA\w{16}", "KEY", line)
    line = re.sub(r"\bi-[0-9a-f]{17}", "INSTANCE", line)
    line = re.sub(r"uid \d+", "uid N", line)
    line = re.sub(r"\b[0-9A-F]{16}\b", "REQUEST", line)
    line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", line)
    # The machine's own addresses.
    return re.sub(r"(127\.0\.0\.1/32, ::1/128).* and was", r"\1 and was", line)


def test_the_demo_is_as_shown():
    result = subprocess.run([BINARY, "demo"], env=CLEAN, capture_output=True, text=True, timeout=60)
    told = [normal(line) for line in result.stderr.split("\n")]
    for line in shown(["hallpass", "demo"]):
        assert normal(line) in told, line


def test_why_is_as_shown(shared):
    shared.aws("s3", "cp", "-", "s3://other/x", env=shared.env(), input="x", check=False)
    record = shared.records(eventName="PutObject", errorCode="AccessDenied")[-1]
    told = [normal(line) for line in shared.hallpass("why", record["requestID"]).stdout.rstrip("\n").split("\n")]
    for line in shown(["hallpass", "why"]):
        assert normal(line) in told, (line, told)


def test_every_command_and_flag_named_is_there():
    table = README.partition("## Commands")[2].partition("Exit codes")[0]
    for command in re.findall(r"\| `hallpass ([a-z]+)(?: ([a-z][a-z-]+))?", table):
        words = [word for word in command if word]
        result = subprocess.run([BINARY, *words, "--help"], env=CLEAN, capture_output=True, text=True, timeout=20)
        assert result.returncode == 0, words
    dev = subprocess.run([BINARY, "dev", "--help"], env=CLEAN, capture_output=True, text=True, timeout=20).stdout
    for flag in re.findall(r"--[a-z-]+", table.split("\n")[4]):
        assert flag in dev, flag
