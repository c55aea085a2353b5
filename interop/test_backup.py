"""Backup, restoration and migration: everything as of one instant, under writers, and nothing half."""
import subprocess
import threading

import pytest
from botocore.exceptions import ClientError

from fleet import Etcd, Member, Server
from house import BINARY, CLEAN, House


@pytest.fixture(scope="module")
def etcd():
    cluster = Etcd(1)
    yield cluster
    cluster.close()


def users(server):
    pages = server.client("iam").get_paginator("list_users").paginate()
    return {user["UserName"] for page in pages for user in page["Users"]}


def hallpass(*words):
    return subprocess.run([BINARY, *map(str, words)], env=CLEAN, capture_output=True, text=True)


class Writer(threading.Thread):
    """Makes pairs of users, the second naming the first's number: a state with a gap was never there."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.iam, self.made, self.stopping = server.client("iam"), 0, threading.Event()
        self.start()

    def run(self):
        while not self.stopping.is_set():
            self.iam.create_user(UserName=f"u{self.made:05}")
            self.made += 1

    def stop(self):
        self.stopping.set()
        self.join()


def check(names, least, most):
    """No gap: of one instant; and that instant lay between the two."""
    numbers = sorted(int(name[1:]) for name in names if name[0] == "u")
    assert numbers == list(range(len(numbers)))
    assert least <= len(numbers) <= most


def restored(server, file):
    """A server of its own on what a backup holds."""
    other = Server.__new__(Server)
    other.__dict__.update(Server("r", root_key=server.root_key()).__dict__)
    other.stop()
    (other.data / "store.redb").unlink()
    said = hallpass("restore", "--config", other.path / "server.toml", file)
    assert said.returncode == 0, said.stderr
    (other.data / "admin-credentials").write_text((server.data / "admin-credentials").read_text())
    other.start()
    return other


@pytest.mark.parametrize("shared", [False, True], ids=["redb", "etcd"])
def test_a_backup_under_writers_is_of_one_instant(etcd, tmp_path, shared):
    server = Server("w", etcd if shared else None, prefix="/writers/")
    other = None
    try:
        server.role("web")
        writer = Writer(server)
        while writer.made < 50:
            pass
        least = writer.made
        server.hallpass("backup", str(tmp_path / "backup"))
        most = writer.made + 1
        writer.stop()
        other = restored(server, tmp_path / "backup")
        check(users(other), least, most)
        assert other.client("iam").get_role(RoleName="web")
        # It is a system of its own: it can be written to.
        other.client("iam").create_user(UserName="afterwards")
        text = (tmp_path / "backup").read_text()
        assert server.key()[1] not in text
        assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    finally:
        server.close()
        if other:
            other.close()


def test_what_is_no_backup_and_what_is_no_empty_store_are_refused(tmp_path):
    house = House()
    try:
        house.hallpass("backup", str(tmp_path / "backup"))
        again = house.hallpass("backup", str(tmp_path / "backup"), check=False)
        assert again.returncode == 2 and "cannot write" in again.stderr
        busy = hallpass("restore", "--data", house.data, tmp_path / "backup")
        assert busy.returncode == 2 and "in use" in busy.stderr
        house.stop()
        full = hallpass("restore", "--data", house.data, tmp_path / "backup")
        assert full.returncode == 2 and "not empty" in full.stderr
        text = (tmp_path / "backup").read_text()
        for name, bad in (("cut", text[: len(text) // 2]), ("changed", text.replace("admin", "admiN", 1)), ("letter", "dear")):
            (tmp_path / name).write_text(bad)
            refused = hallpass("restore", "--data", tmp_path / "empty", tmp_path / name)
            assert refused.returncode == 2 and "not a whole backup" in refused.stderr, name
        back = hallpass("restore", "--data", tmp_path / "fresh", tmp_path / "backup")
        assert back.returncode == 0, back.stderr
    finally:
        house.close()


def test_a_server_moves_to_etcd_and_back_and_its_machines_notice_nothing(etcd):
    server = Server("m")
    machine = None
    try:
        server.role("web")
        machine = Member(server, "web")
        key = machine.credentials("web")
        alone = server.path / "server.toml"
        shared = server.path / "shared.toml"
        shared.write_text(alone.read_text() + f'[store]\netcd = ["{etcd.clients[0]}"]\nprefix = "/moved/"\n')
        running = hallpass("migrate", "--from", alone, "--to", shared)
        assert running.returncode == 2 and "in use" in running.stderr
        for source, target in ((alone, shared), (shared, alone)):
            server.stop()
            if source == shared:
                # Into an empty store only: what lies there from before is put aside by its owner.
                again = hallpass("migrate", "--from", source, "--to", target)
                assert again.returncode == 2 and "not empty" in again.stderr
                (server.data / "store.redb").rename(server.data / "store.old")
            moved = hallpass("migrate", "--from", source, "--to", target)
            assert moved.returncode == 0, moved.stderr
            text = target.read_text()
            kept = alone.read_text()
            alone.write_text(text)
            server.start()
            alone.write_text(kept)
            assert server.client("sts", key).get_caller_identity()["Arn"].endswith(machine.instance)
            name = f"on-{target.stem}"
            server.client("iam").create_user(UserName=name)
        assert {"on-shared", "on-server"} <= users(server)
        with pytest.raises(ClientError):
            server.client("iam").create_user(UserName="on-shared")
        assert machine.credentials("web") == key
    finally:
        if machine:
            machine.close()
        server.close()
