"""docs/gateway.md is a session in front of MinIO and of moto: its files are written, its configuration started, its commands
run, its output compared.

`HALLPASS_BLESS=1` writes what the commands print into the page; read the difference before it is committed.
"""
import os
import re
import subprocess
from pathlib import Path

from house import BINARY, CLEAN, TOOLS, House
from test_document_003 import Minio
from test_services import Moto

PAGE = Path(__file__).parent.parent / "docs/gateway.md"
FILE = re.compile(r"`([\w.-]+\.json)`:\n\n```json\n(.*?)```", re.S)
CONSOLE = re.compile(r"```console\n(.*?)```", re.S)


def normal(text):
    """Without what differs from run to run."""
    text = re.sub(r"\b(?!123456789012)\d{12}\b", "111122223333", text)
    return re.sub(r"\bi-[0-9a-f]{17}\b", "i-0123456789abcdef0", text)


def test_the_page_is_what_a_reader_gets(tmp_path):
    page = PAGE.read_text()
    (tmp_path / "minio").mkdir()
    minio, moto = Minio(tmp_path / "minio"), Moto(tmp_path)
    house = None
    try:
        config = re.search(r"`hallpass.toml`:\n\n```toml\n(.*?)```", page, re.S)[1]
        config = config.replace("http://127.0.0.1:9000", minio.endpoint).replace("http://127.0.0.1:5000", moto.endpoint)
        for name, text in [("minio-keys", minio.credentials().replace("[minio]", "[default]")), (
                "cloud-keys", "[default]\naws_access_key_id = AKIAREALREALREALREAL\naws_secret_access_key = real\n")]:
            (tmp_path / name).write_text(text)
            config = config.replace(f'"{name}"', f'"{tmp_path / name}"')
        house = House(config=config)
        tools, folder = tmp_path / "bin", tmp_path / "work"
        tools.mkdir()
        folder.mkdir()
        (tools / "hallpass").symlink_to(BINARY)
        (tools / "aws").symlink_to(TOOLS / "python-awscli/bin/aws")
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
            PAGE.write_text(made)
            return
        for block, printed in shown:
            assert printed.split("\n") == block.split("\n")
        assert len(shown) >= 4
    finally:
        if house:
            house.close()
        minio.close()
        moto.close()


def test_the_page_names_every_setting():
    """The tables of the page and the configuration's own list hold the same names."""
    sources = PAGE.parent.parent / "crates/hallpass-gateway/src"
    source = "".join(file.read_text() for file in [sources / "config.rs", *(sources / "config").glob("*.rs")])
    page = PAGE.read_text()
    fields = set(re.findall(r"^    pub (\w+): ", source, re.M)) - {"upstreams", "networks", "listener", "limits", "signatures"}
    missing = sorted(field for field in fields if f"`{field}`" not in page and f"{field} " not in page and f".{field}" not in page)
    assert missing == [], missing
