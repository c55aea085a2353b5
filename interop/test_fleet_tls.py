"""Servers on an etcd that speaks TLS and asks everybody for a certificate."""
import subprocess
import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from fleet import TRUST, Certificates, Etcd, Server
from house import wait_for


@pytest.fixture(scope="module")
def authorities(tmp_path_factory):
    """Ours, and one of the same name that is not."""
    folder = tmp_path_factory.mktemp("authorities")
    return Certificates(folder / "ours", "etcd"), Certificates(folder / "other", "etcd")


@pytest.fixture(scope="module")
def etcd(authorities):
    cluster = Etcd(tls=authorities[0])
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def servers(etcd):
    made = [Server("a", etcd)]
    made.append(Server("b", etcd, root_key=made[0].root_key()))
    (made[1].data / "admin-credentials").write_text((made[0].data / "admin-credentials").read_text())
    yield made
    for server in made:
        server.close()


def names(server):
    pages = server.client("iam").get_paginator("list_users").paginate()
    return {user["UserName"] for page in pages for user in page["Users"]}


def test_etcd_asks_for_a_certificate(etcd):
    """What the tests below rest on: with curl, as anybody would ask."""
    words = ["curl", "-sS", "-m", "10", "--cacert", etcd.tls.ca, f"{etcd.clients[0]}/v3/kv/range", "-d", '{"key": "YQ=="}']
    without = subprocess.run(words, capture_output=True, text=True)
    assert without.returncode != 0 and "revision" not in without.stdout
    certificate, key = etcd.client
    answer = subprocess.run([*words, "--cert", certificate, "--key", key], capture_output=True, text=True)
    assert '"revision"' in answer.stdout, answer.stderr


def test_what_one_server_writes_the_other_shows(servers):
    servers[0].client("iam").create_role(RoleName="seen", AssumeRolePolicyDocument=TRUST)
    wait_for(lambda: "seen" in [role["RoleName"] for role in servers[1].client("iam").list_roles()["Roles"]],
             "the other server showing the role", 10)
    said = servers[1].hallpass("revoke", "role", "seen")
    assert said.stdout.count("confirmed after") == 2


def test_a_killed_member_costs_nothing_acknowledged(etcd, servers):
    kept, failed, stopping = [], [], threading.Event()

    def write():
        number = 0
        while not stopping.is_set():
            number += 1
            try:
                servers[number % 2].client("iam").create_user(UserName=f"kept-{number}")
                kept.append(f"kept-{number}")
            except (ClientError, BotoCoreError) as error:
                failed.append(str(error))
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    wait_for(lambda: len(kept) > 10, "writes")
    leader = etcd.leader() - 1
    etcd.kill(leader)
    before = len(kept)
    wait_for(lambda: len(kept) > before + 10, "writes after the election")
    etcd.start(leader)
    stopping.set()
    writer.join()
    # Each name is asked for once: one that is there already was made by a write that was sent twice.
    assert not [error for error in failed if "EntityAlreadyExists" in error]
    for server in servers:
        wait_for(lambda server=server: set(kept) <= names(server), f"{server.name} showing all of them", 10)


@pytest.fixture(scope="module")
def strangers(etcd, authorities):
    """Servers that cannot start, by what is wrong with them."""
    ours, other = authorities
    without = f'ca_file = "{ours.ca}"\n'
    for_servers = ours.leaf("server-only", "DNS:client", "serverAuth")
    made = {
        "another authority": Server("u", etcd, store=etcd.store(ca=other.ca), wait=False),
        "no certificate": Server("v", etcd, store=without, wait=False),
        "a certificate of another authority": Server(
            "w", etcd, store=etcd.store(client=other.leaf("client", "DNS:client")), wait=False),
        "a certificate that is for servers": Server("x", etcd, store=etcd.store(client=for_servers), wait=False),
        "members by another name": Server("y", etcd, clients=[url.replace("127.0.0.1", "localhost") for url in etcd.clients],
                                          wait=False),
        "no TLS": Server("z", etcd, clients=[url.replace("https", "http") for url in etcd.clients], store="", wait=False),
    }
    yield made
    for server in made.values():
        server.close()


@pytest.mark.parametrize("what, said", {
    "another authority": "invalid peer certificate",
    "no certificate": "certificate_file and key_file",
    "a certificate of another authority": "fatal alert",
    "a certificate that is for servers": "fatal alert",
    "members by another name": 'certificate not valid for name "localhost"',
}.items())
def test_a_server_that_is_not_trusted_says_so_and_does_not_wait(etcd, strangers, what, said):
    server = strangers[what]
    wait_for(lambda: server.process.poll() is not None, "the server giving up", 30)
    assert server.process.returncode == 2
    last = server.said().strip().splitlines()[-1]
    assert last.startswith("error: etcd and this server do not trust each other: https://") and said in last
    assert not (server.data / "ready.json").exists()


def test_a_server_without_tls_is_told_what_a_member_might_want(strangers):
    server = strangers["no TLS"]
    wait_for(lambda: "etcd does not answer yet" in server.said(), "a word about etcd", 30)
    assert "a member that speaks TLS wants https" in server.said()
    assert not (server.data / "ready.json").exists()


def test_a_server_with_tls_is_told_what_a_member_without_might_want():
    """The other way round."""
    plain = Etcd(size=1)
    server = None
    try:
        ca = Certificates(plain.path / "authority", "ours").ca
        server = Server("p", plain, clients=[plain.clients[0].replace("http", "https")], store=f'ca_file = "{ca}"\n', wait=False)
        wait_for(lambda: "etcd does not answer yet" in server.said(), "a word about etcd", 30)
        assert "a member that does not speak TLS wants http)" in server.said()
    finally:
        if server:
            server.close()
        plain.close()


def test_a_member_whose_certificate_is_for_servers_only_is_none(tmp_path):
    """etcd answers JSON by asking itself, and shows its own certificate for that: docs/fleet.md says so."""
    authority = Certificates(tmp_path / "authority", "ours")
    cluster = Etcd(size=1, tls=authority, usage="serverAuth")
    server = None
    try:
        server = Server("o", cluster, wait=False)
        wait_for(lambda: "etcd does not answer yet" in server.said(), "a word about etcd", 30)
    finally:
        if server:
            server.close()
        cluster.close()


@pytest.mark.parametrize("store, said", [
    ("", "https needs ca_file"),
    ('ca_file = "nowhere.pem"\n', "nowhere.pem"),
    ('ca_file = "{ca}"\nkey_file = "{key}"\n', "certificate_file and key_file go together"),
    ('ca_file = "{key}"\n', "holds no certificate"),
    ('ca_file = "{ca}"\ncertificate_file = "{other}"\nkey_file = "{key}"\n', "member.pem"),
])
def test_files_that_cannot_be_right_are_refused_by_name(etcd, store, said):
    text = store.format(ca=etcd.tls.ca, key=etcd.client[1], other=etcd.member[0])
    server = Server("q", etcd, store=text, wait=False)
    try:
        wait_for(lambda: server.process.poll() is not None, "the server giving up", 30)
        assert server.process.returncode == 2
        assert said in server.said()
    finally:
        server.close()
