"""docs/policy.md is a session: its files are written, its commands run, its output compared.

`HALLPASS_BLESS=1` writes what the commands print into the page; read the difference before it is committed.
"""
import os
import re
import subprocess
from pathlib import Path

from house import BINARY, CLEAN, TOOLS

PAGE = Path(__file__).parent.parent / "docs/policy.md"
FILE = re.compile(r"`([\w.-]+\.json)`[^`]*:\n\n```json\n(.*?)```", re.S)
CONSOLE = re.compile(r"```console\n(.*?)```", re.S)


def normal(text):
    """Without what differs from run to run."""
    text = re.sub(r"\b(?!123456789012|999999999999)\d{12}\b", "111122223333", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-01-01T00:00:00Z", text)


def test_the_page_is_what_a_reader_gets(houses, tmp_path):
    house = houses()
    page = PAGE.read_text()
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "hallpass").symlink_to(BINARY)
    # Debian's own is older than AWS_ENDPOINT_URL.
    (tools / "aws").symlink_to(TOOLS / "python-awscli/bin/aws")
    folder = tmp_path / "work"
    folder.mkdir()
    env = {**CLEAN, **house.admin_env(), "PATH": f"{tools}:{os.environ['PATH']}", "HALLPASS_DATA": str(house.data)}
    shown, made = [], page
    for match in re.finditer(rf"{FILE.pattern}|{CONSOLE.pattern}", page, re.S):
        name, content, block = match.groups()
        if name:
            (folder / name).write_text(content)
            continue
        printed = ""
        for command in re.findall(r"^\$ (.*)$", block, re.M):
            done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=60)
            printed += f"$ {command}\n{normal(done.stdout)}"
        shown.append((block, printed))
        made = made.replace(f"```console\n{block}```", f"```console\n{printed}```", 1)
    if os.environ.get("HALLPASS_BLESS"):
        PAGE.write_text(made)
    for block, printed in shown:
        assert printed.split("\n") == block.split("\n")
    assert len(shown) >= 6
