"""A fleet: three servers on three members of etcd, machines that enrol with them, and each part lost in turn."""
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from fleet import ALLOW, TRUST, Etcd, Member, Server
from house import CLEAN, TOOLS, Lan, wait_for

STALENESS = 3


@pytest.fixture(scope="module")
def etcd():
    cluster = Etcd()
    yield cluster
    cluster.close()


@pytest.fixture(scope="module")
def lan():
    wires = Lan("f")
    yield wires
    wires.close()


@pytest.fixture(scope="module")
def servers(etcd):
    first = Server("a", etcd, more=f"staleness_max_seconds = {STALENESS}")
    others = [Server(name, etcd, root_key=first.root_key(), more=f"staleness_max_seconds = {STALENESS}")
              for name in ("b", "c")]
    for other in others:
        # The account was made by the first: so is its administrator.
        (other.data / "admin-credentials").write_text((first.data / "admin-credentials").read_text())
    first.role("web")
    yield [first, *others]
    for server in [first, *others]:
        server.close()


@pytest.fixture(scope="module")
def member(servers):
    machine = Member(servers[0], "web")
    yield machine
    machine.close()


def shows(server, role):
    try:
        return server.client("iam").get_role(RoleName=role)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchEntity"


def test_there_is_one_account_however_many_servers_start(servers):
    assert len({server.ready["account"] for server in servers}) == 1
    assert "Made account" in servers[0].said()
    assert not any("Made account" in server.said() for server in servers[1:])


def test_a_machine_gets_its_role_and_every_server_knows_its_session(servers, member):
    key = member.credentials("web")
    assert key[0].startswith("ASIA")
    for server in servers:
        arn = member.identity(server, key)
        assert arn == f"arn:aws:sts::{server.ready['account']}:assumed-role/web/{member.instance}", server.name
    issued = [record for record in member.records() if record["eventName"] == "IssueCredentials"]
    assert issued[-1]["responseElements"]["accessKeyId"] == key[0]
    minted = [record for server in servers for record in server.records() if record["eventName"] == "AssumeRole"]
    assert key[0] in [record["responseElements"]["credentials"]["accessKeyId"] for record in minted]
    secret_anywhere = [server.name for server in servers if key[1] in json.dumps(server.records()) + server.said()]
    assert not secret_anywhere and key[1] not in json.dumps(member.records()) + member.said()


def test_rules_come_with_the_tags_of_the_instance_when_the_operator_allows_it(servers):
    machine, ec2 = Member(servers[0], "web"), servers[1].client("ec2")
    try:
        (machine.path / "rules.toml").write_text('[[rule]]\nname = "own"\nuid = 65533\nroles = "web"\n')

        def tag(value, key="hallpass:rule:1"):
            ec2.create_tags(Resources=[machine.instance], Tags=[{"Key": key, "Value": value}])

        def status():
            return json.loads(machine.run("status", "--json", "--data", machine.path / "run").stdout)["agent"]

        tag('uid = 0, roles = "web"')
        wait_for(lambda: machine.credentials("web") == 404, "the file's own rules being in force alone")
        machine.stop()
        config = machine.path / "agent.toml"
        config.write_text(config.read_text().replace("[fleet]\n", "[fleet]\nrules_from_tags = true\n"))
        machine.start()
        wait_for(lambda: machine.credentials("web") != 404, "the tag being a rule")
        said = machine.run("agent", "explain", "--data", machine.path / "run", "--pid", str(os.getpid())).stdout
        assert "tag hallpass:rule:1" in said, said
        # One that is not in order: none is in force.
        tag('uid = 0', key="hallpass:rule:2")
        wait_for(lambda: machine.credentials("web") == 404, "broken tags being no rules")
        assert "hallpass:rule:2" in status()["rules_error"]
        ec2.delete_tags(Resources=[machine.instance], Tags=[{"Key": "hallpass:rule:2"}])
        wait_for(lambda: machine.credentials("web") != 404, "the tags being rules again")
        assert status()["rules"] == 2 and not status().get("rules_error")
        ec2.delete_tags(Resources=[machine.instance], Tags=[{"Key": "hallpass:rule:1"}])
        wait_for(lambda: machine.credentials("web") == 404, "the rule being gone with its tag")
    finally:
        machine.close()


def test_what_one_server_writes_the_others_show(servers):
    servers[0].client("iam").create_role(RoleName="seen", AssumeRolePolicyDocument=TRUST)
    for server in servers[1:]:
        wait_for(lambda server=server: shows(server, "seen"), f"{server.name} showing the role", 10)


def test_a_revocation_is_confirmed_by_every_server_and_holds_at_once(servers, member):
    key = member.credentials("web")
    said = servers[1].hallpass("revoke", "session", key[0])
    assert {line.split()[0] for line in said.stdout.splitlines()} == {"a", "b", "c"}
    assert said.stdout.count("confirmed after") == 3
    for server in servers:
        with pytest.raises(ClientError) as refused:
            server.client("sts", key).get_caller_identity()
        assert refused.value.response["Error"]["Code"] in ("InvalidToken", "InvalidClientTokenId"), server.name


def test_a_server_that_does_not_answer_is_named_and_the_others_are_not_held_up(servers, member):
    servers[2].process.send_signal(signal.SIGSTOP)
    try:
        said = servers[0].hallpass("revoke", "role", "web", check=False)
    finally:
        servers[2].process.send_signal(signal.SIGCONT)
    assert said.returncode == 1
    assert "DID NOT CONFIRM" in said.stdout and said.stdout.count("confirmed after") == 2
    said = servers[0].hallpass("revoke", "role", "web")
    assert said.stdout.count("confirmed after") == 3


def test_an_agent_moves_to_another_server_by_itself(servers, member):
    servers[0].stop(signal.SIGKILL)
    try:
        servers[1].hallpass("revoke", "role", "web", check=False)

        def fresh():
            key = member.credentials("web")
            arn = isinstance(key, tuple) and member.identity(servers[1], key)
            return arn and arn.startswith("arn:") and key
        wait_for(fresh, "a session from another server", 60)
    finally:
        servers[0].start()
    # One that was killed and came back knows all of it.
    wait_for(lambda: member.identity(servers[0], member.credentials("web")).startswith("arn:"), "the first one", 20)


def test_an_enrolment_secret_is_good_once_and_only_with_its_own_fleet(servers):
    command, instance = servers[0].enrolment("--profile", "web")
    machine = Member.__new__(Member)
    machine.machine = None
    with tempfile.TemporaryDirectory(prefix="hp-") as folder:
        first = machine.run(*command, "--state", f"{folder}/one")
        assert first.returncode == 0, first.stderr
        again = machine.run(*command, "--state", f"{folder}/two")
        assert again.returncode == 2 and "was used" in again.stderr
        # Another authority's fingerprint: the secret is not even sent.
        command, _ = servers[0].enrolment("--profile", "web")
        head, secret, fingerprint = command[-1].split("-")
        forged = [*command[:-1], f"{head}-{secret}-{'0' * 64}"]
        stranger = machine.run(*forged, "--state", f"{folder}/three")
        assert stranger.returncode == 2 and "UnknownIssuer" in stranger.stderr
        assert machine.run(*command, "--state", f"{folder}/three").returncode == 0
        for bad in ("HPE1-x-y", "nonsense", f"HPE1-{'0' * 64}-{fingerprint}"):
            refused = machine.run("agent", "enrol", "--server", servers[0].control, bad, "--state", f"{folder}/four")
            assert refused.returncode == 2 and "Traceback" not in refused.stderr, bad
    command, instance = servers[0].enrolment("--profile", "web")
    servers[0].client("ec2").terminate_instances(InstanceIds=[instance])
    refused = machine.run(*command, "--state", "/nonexistent/node")
    assert refused.returncode == 2


def test_a_revoked_instance_is_out_at_once_until_it_enrols_again(servers):
    machine = Member(servers[0], "web")
    try:
        key = machine.credentials("web")
        assert machine.identity(servers[2], key).startswith("arn:")
        servers[1].hallpass("revoke", "instance", machine.instance)
        assert not machine.identity(servers[2], key).startswith("arn:")
        wait_for(lambda: not isinstance(machine.credentials("web"), tuple), "the agent having nothing", 20)
        machine.enrol(servers[0], "--instance", machine.instance)
        machine.stop()
        machine.start()
        assert machine.identity(servers[2], machine.credentials("web")).startswith("arn:")
    finally:
        machine.close()


def test_sessions_are_bound_to_where_the_machine_was_seen(etcd, servers, lan):
    """A server on the LAN: its machine's session is worth nothing on another machine."""
    home, own, other = lan.machine(1), lan.machine(2), lan.machine(3)
    # etcd is on this machine's loopback: a server of one machine keeps its state by itself.
    server = Server("lone", host=home.address, machine=home)
    machine = thief = None
    try:
        # The administrator asks from the server's own machine.
        subprocess_role(server)
        machine = Member(server, "web", machine=own)
        key = machine.credentials("web")
        assert machine.identity(server, key).startswith("arn:")
        thief = Member.__new__(Member)
        thief.machine = other
        assert "AccessDenied" in thief.identity(server, key)
    finally:
        if machine:
            machine.close()
        server.close()


def subprocess_role(server):
    """As `Server.role`, from inside the server's network namespace."""
    id, secret = server.key()
    env = {**CLEAN, "AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": "eu-central-1"}
    for words in (["create-role", "--role-name", "web", "--assume-role-policy-document", TRUST],
                  ["put-role-policy", "--role-name", "web", "--policy-name", "all", "--policy-document", ALLOW],
                  ["create-instance-profile", "--instance-profile-name", "web"],
                  ["add-role-to-instance-profile", "--instance-profile-name", "web", "--role-name", "web"]):
        subprocess.run(server.machine.prefix() + [str(TOOLS / "python-awscli/bin/aws"), "--endpoint-url", server.api,
                                                  "iam", *words], env=env, check=True, capture_output=True)


class Client(threading.Thread):
    """Asks again and again until told to stop, and keeps what failed."""

    def __init__(self, ask):
        super().__init__(daemon=True)
        self.ask, self.failed, self.done, self.stopping = ask, [], 0, False

    def run(self):
        while not self.stopping:
            try:
                self.ask()
                self.done += 1
            except (ClientError, BotoCoreError) as error:
                self.failed.append(str(error))

    def stop(self):
        before = self.done
        wait_for(lambda: self.done > before + 5 or self.failed, "requests going on", 30)
        self.stopping = True
        self.join()
        assert self.failed == [], self.failed[:3]


@pytest.mark.parametrize("kind", ["epoch", "mint", "secrets", "ca"])
def test_keys_rotate_without_one_failed_request(servers, member, kind):
    key = member.credentials("web")
    with_session = servers[1].client("sts", key)
    with_key = servers[2].client("sts")
    clients = [Client(with_session.get_caller_identity), Client(with_key.get_caller_identity)]
    for client in clients:
        client.start()
    said = servers[0].hallpass("keys", "rotate", kind)
    assert "is in use" in said.stderr + said.stdout
    for client in clients:
        client.stop()
    shown = servers[2].hallpass("keys", "show").stdout
    assert [line for line in shown.splitlines() if line.split()[:2] == [kind, "2"] and "in use" in line], shown
    assert "secrets are sealed under an older" not in shown
    # What is minted from now on is good everywhere, and so is what was minted before.
    for server in servers:
        assert member.identity(server, key).startswith("arn:")


def test_the_root_key_is_replaced_while_everything_runs(servers, member):
    client = Client(servers[1].client("sts", member.credentials("web")).get_caller_identity)
    client.start()
    fresh = servers[0].path / "fresh.key"
    servers[0].hallpass("keys", "new-root", str(fresh))
    for server in servers:
        (server.data / "root.key.next").write_bytes(fresh.read_bytes())
    servers[0].hallpass("keys", "rotate", "root")
    client.stop()
    for server in servers:
        (server.data / "root.key.next").rename(server.data / "root.key")
    servers[2].stop()
    servers[2].start()
    assert servers[2].client("sts").get_caller_identity()["Account"] == servers[0].ready["account"]


def test_a_killed_leader_of_etcd_costs_nothing_acknowledged(etcd, servers):
    made, stopping = [], threading.Event()

    def write():
        number = 0
        while not stopping.is_set():
            number += 1
            name = f"kept-{number}"
            try:
                servers[number % 3].client("iam").create_user(UserName=name)
                made.append(name)
            except (ClientError, BotoCoreError) as error:
                # Not acknowledged: made or not, either is right.
                made.append(None) if "EntityAlreadyExists" not in str(error) else made.append(name)
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    wait_for(lambda: len(made) > 10, "writes")
    leader = etcd.leader() - 1
    etcd.kill(leader)
    before = len(made)
    wait_for(lambda: len([name for name in made[before:] if name]) > 10, "writes after the election", 60)
    stopping.set()
    writer.join()
    etcd.start(leader)
    kept = {name for name in made if name}
    for server in servers:
        pages = server.client("iam").get_paginator("list_users").paginate()
        listed = {user["UserName"] for page in pages for user in page["Users"]}
        assert kept <= listed, server.name


def test_without_etcd_servers_go_on_until_they_might_be_wrong_and_then_refuse(etcd, servers, member):
    key = member.credentials("web")
    asking = servers[1].client("sts", key)
    asking.get_caller_identity()
    lost = [0, 1]
    for number in lost:
        etcd.kill(number)
    asking.get_caller_identity()

    def refuses():
        try:
            asking.get_caller_identity()
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 503
            return True
    wait_for(refuses, "refusal after staleness_max", STALENESS + 20)
    # The agent goes on with what it has.
    assert member.credentials("web") == key
    for number in lost:
        etcd.start(number)

    def serves():
        try:
            return asking.get_caller_identity()
        except ClientError:
            return None
    wait_for(serves, "serving again", 60)


def test_servers_and_etcd_restart_all_at_once(etcd, servers, member):
    def users(server):
        # With a disk that is slow, etcd is silent for longer than the servers here believe what they know.
        try:
            return server.client("iam").get_account_authorization_details()["UserDetailList"]
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ServiceUnavailable", error

    before = wait_for(lambda: users(servers[0]), "an answer")
    for server in servers:
        server.stop(signal.SIGKILL)
    for number in range(3):
        etcd.kill(number)
    for number in range(3):
        etcd.start(number)
    for server in servers:
        server.start()
    after = wait_for(lambda: users(servers[2]), "an answer")
    assert [user["UserId"] for user in before] == [user["UserId"] for user in after]
    wait_for(lambda: isinstance(member.credentials("web"), tuple), "the agent's role", 60)


def test_a_server_that_is_gone_for_good_is_forgotten(etcd):
    first = Server("p", etcd, prefix="/forgotten/")
    others = [Server(name, etcd, root_key=first.root_key(), prefix="/forgotten/") for name in ("q", "r")]
    try:
        first.role("web")
        others[0].stop(signal.SIGKILL)
        said = first.hallpass("revoke", "role", "web", check=False)
        assert said.returncode == 1 and re.search(r"^q +DID NOT CONFIRM", said.stdout, re.M)
        first.hallpass("revoke", "server", "q")

        def confirmed():
            said = first.hallpass("revoke", "role", "web", check=False)
            return said.returncode == 0 and [line.split()[0] for line in said.stdout.splitlines()]
        assert wait_for(confirmed, "everybody's word") == ["p", "r"]
        # One that lives is not forgotten, and one that is unknown is named.
        for alive in ("p", "r"):
            first.hallpass("revoke", "server", alive)
        wait_for(lambda: confirmed() == ["p", "r"], "the server coming back")
        others[0].start()
        assert wait_for(lambda: confirmed() == ["p", "q", "r"], "the lost server's word")
        said = first.hallpass("revoke", "server", "nobody", check=False)
        assert said.returncode != 0 and "There is no server nobody." in said.stderr
    finally:
        for server in (first, *others):
            server.close()


def test_consistent_writes_are_read_on_another_server_at_once(etcd):
    more = f"consistent = true\nstaleness_max_seconds = {STALENESS}"
    # A fleet of its own in the same cluster.
    first = Server("d", etcd, more=more, prefix="/other/")
    second = Server("e", etcd, root_key=first.root_key(), more=more, prefix="/other/")
    try:
        (second.data / "admin-credentials").write_text((first.data / "admin-credentials").read_text())
        writing, reading = first.client("iam"), second.client("iam")
        for number in range(30):
            writing.create_user(UserName=f"at-once-{number}")
            reading.get_user(UserName=f"at-once-{number}")
    finally:
        second.close()
        first.close()


def test_a_machine_behind_address_translation_proves_itself_by_its_certificate(tmp_path):
    """Tagged so, its sessions work through its own local door and nowhere else, though it comes from one address."""
    from test_listener import certificate

    certificate(tmp_path, "gateway")
    server = Server("t")
    machine = None
    try:
        server.role("web")
        server.stop()
        (server.path / "gateway.toml").write_text(
            f'[listener]\ncertificate_file = "{tmp_path}/tls.crt"\nkey_file = "{tmp_path}/tls.key"\n'
            f'client_ca_file = "{server.data}/fleet-ca.pem"\n')
        config = server.path / "server.toml"
        config.write_text(f'gateway = "gateway.toml"\n{config.read_text()}')
        server.start()
        env = {"AWS_CA_BUNDLE": str(tmp_path / "tls.crt")}
        machine = Member(server, "web", env=env)
        server.client("ec2", verify=str(tmp_path / "tls.crt")).create_tags(
            Resources=[machine.instance], Tags=[{"Key": "hallpass:certificate", "Value": "enrolled"}])
        machine.stop()
        agent = machine.path / "agent.toml"
        host = server.api.removeprefix("https://")
        agent.write_text(f'{agent.read_text()}[door]\nlisten = "127.0.0.1:0"\ngateway = "{host}"\n'
                         f'ca_file = "{tmp_path}/tls.crt"\n')
        machine.start()
        key = machine.credentials("web")
        sts = server.client("sts", key, verify=str(tmp_path / "tls.crt"))
        with pytest.raises(ClientError) as refused:
            sts.get_caller_identity()
        assert "certificate" in refused.value.response["Error"]["Message"]
        # A new certificate of the same key does as well: the binding is to the key.
        door = machine.said().split("door      ")[1].split()[0]
        words = [TOOLS / "python-awscli/bin/aws", "--endpoint-url", door, "sts", "get-caller-identity", "--query", "Arn",
                 "--output", "text"]
        said = subprocess.run(words, capture_output=True, text=True, env={
            **CLEAN, "AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1], "AWS_SESSION_TOKEN": key[2],
            "AWS_DEFAULT_REGION": "eu-central-1"})
        assert said.stdout.strip().endswith(machine.instance), said.stderr
    finally:
        if machine:
            machine.close()
        server.close()
