"""A page of the documentation as a session: its files are written, its commands run, its output compared.

`HALLPASS_BLESS=1` writes what the commands print into the page; read the difference before it is committed.
"""
import os
import re
import subprocess

from house import BINARY, CLEAN, TOOLS

# "… is `name.json`:" or "… (`name.json`) …:", then its text.
FILE = re.compile(r"`([\w.-]+\.(?:json|toml|sh))`[^`]*:\n\n```(?:json|toml|sh)\n(.*?)```", re.S)
CONSOLE = re.compile(r"```console\n(.*?)```", re.S)


def follow(path, house, tmp_path, normal):
    """Does what the page says, as a reader with `hallpass` and the AWS CLI would, and tells how many blocks it ran.

    `normal` takes out of an output what differs from run to run.
    """
    page = path.read_text()
    tools, folder = tmp_path / "bin", tmp_path / "work"
    tools.mkdir()
    folder.mkdir(exist_ok=True)
    (tools / "hallpass").symlink_to(BINARY)
    # Debian's own is older than AWS_ENDPOINT_URL.
    (tools / "aws").symlink_to(TOOLS / "python-awscli/bin/aws")
    (tools / "aws_signing_helper").symlink_to(TOOLS / "client-signing-helper/aws_signing_helper")
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
            printed += "" if printed.endswith("\n") else "\n"
        shown.append((block, printed))
        made = made.replace(f"```console\n{block}```", f"```console\n{printed}```", 1)
    if os.environ.get("HALLPASS_BLESS"):
        path.write_text(made)
    for block, printed in shown:
        assert printed.split("\n") == block.split("\n")
    return len(shown)
