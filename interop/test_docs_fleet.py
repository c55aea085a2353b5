"""docs/fleet.md and docs/operations.md, followed as they stand: their files, their commands, their output."""
import json
import os
import re
import signal
from pathlib import Path

from fleet import Server
from page import follow

DOCS = Path(__file__).parent.parent / "docs"


def normal(folder):
    def of(text):
        text = text.replace(str(folder), "/srv")
        text = re.sub(r"\b\d{12}\b", "111122223333", text)
        text = re.sub(r"\bAKIA[A-Z0-9]{16}\b", "AKIAIOSFODNN7EXAMPLE", text)
        text = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "01234567-89ab-cdef-0123-456789abcdef", text)
        text = re.sub(r"\bi-[0-9a-f]{17}\b", "i-0123456789abcdef0", text)
        text = re.sub(r"\bHPE1-[0-9a-f]{64}-[0-9a-f]{64}", "HPE1-…", text)
        text = re.sub(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-22T15:00:00Z", text)
        text = re.sub(r"\b\d+ keys are", "16 keys are", text)
        return re.sub(r"confirmed after [\d.]+ ms", "confirmed after 0.1 ms", text)
    return of


class Reader:
    """What the reader has set in the shell."""

    def __init__(self, folder, api):
        self.data, self.api = folder / "a", api

    def admin_env(self):
        return {"AWS_ENDPOINT_URL": self.api, "AWS_DEFAULT_REGION": "eu-central-1", "AWS_PROFILE": "admin",
                "AWS_SHARED_CREDENTIALS_FILE": str(self.data / "admin-credentials")}


def end(pid, how=signal.SIGTERM):
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        pass


def test_the_fleets_page_is_what_a_reader_gets(tmp_path):
    folder = tmp_path / "work"
    try:
        assert follow(DOCS / "fleet.md", Reader(folder, "http://127.0.0.1:7500"), tmp_path, normal(folder)) >= 10
    finally:
        for name in ("run/agent.json", "a/ready.json", "b/ready.json", "c/ready.json"):
            if (folder / name).exists():
                end(json.loads((folder / name).read_text())["pid"])
        if (folder / "etcd.pid").exists():
            end(int((folder / "etcd.pid").read_text()), signal.SIGKILL)


def test_the_operators_page_is_what_a_reader_gets(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    server = Server("a")
    try:
        server.stop()
        server.data.rename(folder / "a")
        (server.path / "data").symlink_to(folder / "a")
        server.start()
        server.role("web")
        assert follow(DOCS / "operations.md", Reader(folder, server.api), tmp_path, normal(folder)) >= 4
    finally:
        server.close()
