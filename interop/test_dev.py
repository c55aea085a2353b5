"""`hallpass dev` and the commands around it, as a newcomer meets them: the real binary, its words and its exit codes."""
import json
import os
import re
import signal
import subprocess
import threading

import pytest

from house import BINARY, CLEAN, wait_for


def hallpass(*words, env=None, timeout=60):
    return subprocess.run([BINARY, *map(str, words)], env=env or CLEAN, capture_output=True, text=True, timeout=timeout)


def refused(*words):
    """A command that must not work: exit 2, one line of error, at most a hint behind it."""
    result = hallpass(*words)
    lines = result.stderr.strip().split("\n")
    assert result.returncode == 2, (result.returncode, result.stderr)
    assert lines[0].startswith("error: ") and len(lines) in (1, 3), result.stderr
    assert len(lines) == 1 or lines[2].startswith("hint: "), result.stderr
    return lines[0]


def dev(data):
    return ("dev", "--data", data, "--api", "127.0.0.1:0", "--metadata", "127.0.0.1:0")


# -- starting


def test_the_ready_file_says_where_everything_is(shared):
    assert {"api", "metadata", "account", "region", "admin_credentials", "bucket", "role"} <= set(shared.ready)
    assert shared.ready["region"] == "eu-central-1"
    assert os.stat(shared.ready["admin_credentials"]).st_mode & 0o777 == 0o600
    assert os.stat(shared.data).st_mode & 0o777 == 0o700
    identity = shared.aws("sts", "get-caller-identity")
    assert identity["Account"] == shared.ready["account"] and identity["Arn"].endswith(":user/admin")


def test_a_data_directory_that_cannot_be_used_is_said_in_one_line_and_left_alone(houses, tmp_path):
    house = houses()
    assert "in use by another hallpass" in refused(*dev(house.data))
    house.stop()

    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "letter").write_text("dear")
    assert "something else" in refused(*dev(foreign))
    assert [path.name for path in foreign.iterdir()] == ["letter"]

    (house.data / "VERSION").write_text("2\n")
    assert "newer hallpass" in refused(*dev(house.data))
    (house.data / "VERSION").write_text("1\n")

    store = house.data / "store.redb"
    good = store.read_bytes()
    store.write_bytes(b"not a store" * 1000)
    assert "damaged" in refused(*dev(house.data))
    assert store.read_bytes() == b"not a store" * 1000
    store.write_bytes(good)

    key = house.data / "root.key"
    secret = key.read_bytes()
    key.write_bytes(bytes(32))
    assert "root key" in refused(*dev(house.data))
    key.write_bytes(secret)

    blocked = tmp_path / "file"
    blocked.write_text("")
    assert "cannot make the data directory" in refused(*dev(blocked / "data"))
    house.start()


def test_a_taken_port_is_said_with_the_way_out(shared):
    address = shared.api.removeprefix("http://")
    line = refused("dev", "--ephemeral", "--api", address, "--metadata", "127.0.0.1:0")
    assert f"cannot listen at {address}" in line


def test_an_ephemeral_system_leaves_nothing(tmp_path):
    env = {**CLEAN, "TMPDIR": str(tmp_path)}
    ready = tmp_path / "ready.json"
    process = subprocess.Popen(
        [BINARY, "dev", "--ephemeral", "--api", "127.0.0.1:0", "--metadata", "127.0.0.1:0", "--ready-file", ready],
        env=env, stderr=subprocess.DEVNULL)
    wait_for(ready.exists, "hallpass dev being ready")
    assert os.path.isdir(json.loads(ready.read_text())["data"])
    process.terminate()
    assert process.wait(20) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["ready.json"]


def test_a_mistake_in_the_settings_is_shown_with_its_place(tmp_path):
    config = tmp_path / "hallpass.toml"
    config.write_text('[[upstream]]\nname = "x"\nbukets = ["a"]\n')
    result = hallpass(*dev(tmp_path / "data"), "--config", config)
    assert result.returncode == 2 and "line 3" in result.stderr and "bukets" in result.stderr


# -- keeping


def test_state_survives_a_restart_and_so_do_sessions(house):
    house.aws("iam", "create-user", "--user-name", "kept")
    house.run(["curl", "-sf", "-o", "/dev/null", house.api + "/_hallpass/healthz"])
    credentials = house.credentials()
    env = {"AWS_ACCESS_KEY_ID": credentials["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": credentials["SecretAccessKey"],
           "AWS_SESSION_TOKEN": credentials["Token"]}
    house.aws("s3", "cp", "-", "s3://demo/kept", env=house.env(**env), input="kept")
    account = house.ready["account"]
    house.stop()
    house.start()
    assert house.ready["account"] == account
    assert house.aws("iam", "get-user", "--user-name", "kept")["User"]["UserName"] == "kept"
    assert house.aws("s3", "cp", "s3://demo/kept", "-", env=house.env(**env)) == "kept"


def test_kill_9_at_any_moment_loses_nothing_acknowledged(house):
    """Users and objects are made until the server is killed; whatever was acknowledged is there afterwards."""
    import boto3

    key, secret = [line.split(" = ")[1] for line in open(house.ready["admin_credentials"]).read().split("\n")[1:3]]
    for _ in range(4):
        clients = {name: boto3.client(name, endpoint_url=house.api, region_name=house.ready["region"],
                                      aws_access_key_id=key, aws_secret_access_key=secret) for name in ("iam", "s3")}
        acknowledged, started = [], threading.Event()

        def write(worker):
            number = 0
            try:
                while True:
                    name = f"w{worker}-{number}-{house.process.pid}"
                    if worker % 2:
                        clients["iam"].create_user(UserName=name)
                    else:
                        clients["s3"].put_object(Bucket="demo", Key=name, Body=name.encode() * 50)
                    acknowledged.append((worker % 2, name))
                    number += 1
                    if len(acknowledged) > 40:
                        started.set()
            except Exception:
                started.set()  # the server is gone: that is the point

        workers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
        for worker in workers:
            worker.start()
        assert started.wait(60)
        house.stop(signal.SIGKILL)
        for worker in workers:
            worker.join()
        house.start()
        clients = {name: boto3.client(name, endpoint_url=house.api, region_name=house.ready["region"],
                                      aws_access_key_id=key, aws_secret_access_key=secret) for name in ("iam", "s3")}
        assert len(acknowledged) > 40
        for is_user, name in acknowledged:
            if is_user:
                clients["iam"].get_user(UserName=name)
            else:
                assert clients["s3"].get_object(Bucket="demo", Key=name)["Body"].read() == name.encode() * 50
        users = {record["requestParameters"]["userName"] for record in house.records(eventName="CreateUser")}
        assert {name for is_user, name in acknowledged if is_user} <= users, "acknowledged, so on record"


# -- the commands


def test_run_gives_the_role_and_the_command_s_own_exit_code(shared):
    result = shared.hallpass("run", "--role", "demo", "--", "sh", "-c", "env; exit 7", check=False)
    assert result.returncode == 7
    assert not re.search("AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|PROFILE)=", result.stdout)
    assert "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://127.0.0.1:" in result.stdout
    assert shared.hallpass("run", "--role", "demo", "--", "no-such-command", check=False).returncode == 127
    result = shared.hallpass("run", "--role", "nope", "--", "true", check=False)
    assert result.returncode == 1 and "cannot run with role `nope`" in result.stderr


def test_run_gives_the_container_token_by_file_too_and_takes_it_away(shared):
    script = """
        test "$(stat -c %a "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")" = 600
        test "$(tail -c 1 "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" | wc -l)" = 0
        echo "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
        curl -sf -H "Authorization: $(cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")" "$AWS_CONTAINER_CREDENTIALS_FULL_URI"
        curl -s -o /dev/null -w '%{http_code}' -H "Authorization: x" "$AWS_CONTAINER_CREDENTIALS_FULL_URI"
    """
    lines = shared.hallpass("run", "--role", "demo", "--", "sh", "-ec", script).stdout.split("\n", 1)
    assert '"AccessKeyId"' in lines[1] and lines[1].rstrip()[-3:] in ("400", "401", "403"), lines[1][-200:]
    assert not os.path.exists(lines[0])


def test_env_points_a_shell_here_without_a_key(shared):
    script = f"""
        AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE; export AWS_ACCESS_KEY_ID
        eval "$({BINARY} env --data {shared.data})"
        test -z "$AWS_ACCESS_KEY_ID" && {os.environ['HALLPASS_TOOLS']}/python-awscli/bin/aws s3 ls
    """
    result = shared.run(["sh", "-c", script], env=CLEAN, check=False)
    assert "s3:ListAllMyBuckets" in result.stderr, "found the role, which may list no buckets"


def test_credentials_are_in_the_form_of_credential_process(shared):
    document = json.loads(shared.hallpass("credentials", "--role", "demo").stdout)
    assert document["Version"] == 1 and document["AccessKeyId"].startswith("ASIA")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["Expiration"])
    result = shared.hallpass("credentials", "--role", "nope", check=False)
    assert result.returncode == 1 and result.stdout == "" and result.stderr.startswith("error: ")


def test_a_role_made_anew_is_handed_out_anew(house):
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    house.role("again", policy)
    house.rules(f'[[rule]]\nuid = {os.getuid()}\nroles = ["again"]\n')
    old = house.credentials("again")
    profile = ("--instance-profile-name", house.ready["role"], "--role-name", "again")
    house.aws("iam", "remove-role-from-instance-profile", *profile)
    house.aws("iam", "delete-role-policy", "--role-name", "again", "--policy-name", "p")
    house.aws("iam", "delete-role", "--role-name", "again")
    house.role("again", policy)
    new = house.credentials("again")
    works = lambda key: house.aws("s3", "ls", env=house.env(
        AWS_ACCESS_KEY_ID=key["AccessKeyId"], AWS_SECRET_ACCESS_KEY=key["SecretAccessKey"],
        AWS_SESSION_TOKEN=key["Token"]), check=False).returncode == 0
    assert works(new) and not works(old)


def test_status_says_who_holds_what(shared):
    shared.credentials()
    lines = shared.hallpass("status").stdout
    assert f"api       {shared.api}" in lines and "lease     demo ASIA" in lines
    result = hallpass("status", "--data", "/nonexistent")
    assert result.returncode == 2 and "no hallpass runs on" in result.stderr


def test_why_explains_refusals_of_both_kinds(shared):
    result = shared.aws("s3", "cp", "-", "s3://other/x", env=shared.env(), input="x", check=False)
    assert result.returncode != 0
    record = shared.records(eventName="PutObject", errorCode="AccessDenied")[-1]
    why = shared.hallpass("why", record["requestID"]).stdout
    assert "s3:PutObject" in why and "refused: AccessDenied" in why and "demo-bucket" in why, why

    token = shared.imds_token()
    assert shared.imds("/latest/meta-data/iam/security-credentials/nope", headers=token)[0] == 404
    record = shared.records(eventName="IssueCredentials", errorCode="NotAuthorized")[-1]
    why = shared.hallpass("why", record["requestID"]).stdout
    assert f"uid        {os.getuid()}" in why and "nope" in why, why
    assert shared.hallpass("why", "0000000000000000", check=False).returncode == 1


def test_audit_tail_shows_one_line_for_each_event(shared):
    shared.aws("iam", "list-users")
    result = hallpass("audit", "tail", "--data", shared.data, "-n", "3")
    assert len(result.stdout.splitlines()) == 3 and "ListUsers" in result.stdout
    result = hallpass("audit", "tail", "--data", shared.data, "-n", "1", "--json")
    assert json.loads(result.stdout)["eventVersion"] == "1.11"


def test_doctor_names_what_would_bypass_the_role(shared):
    good = hallpass("doctor", "--data", shared.data)
    assert good.returncode == 0 and good.stdout.startswith("1. ok "), good.stdout
    bad = hallpass("doctor", "--data", shared.data, env={**CLEAN, "AWS_PROFILE": "old"})
    assert bad.returncode == 1 and "unset AWS_PROFILE" in bad.stdout


@pytest.mark.parametrize("words", [(), ("nope",), ("run", "--role", "x"), ("dev", "--api", "here")])
def test_usage_errors_are_exit_2(words):
    assert hallpass(*words).returncode == 2


# -- the demo


def test_the_demo_tells_the_whole_story():
    result = hallpass("demo")
    assert result.returncode == 0, result.stderr
    for number in range(1, 9):
        assert f"\n{number}. " in result.stderr


@pytest.mark.parametrize("step", ["role", "credential", "object", "elsewhere", "nobody", "stolen", "revoked", "audit"])
def test_the_demo_broken_on_purpose_says_where(step):
    result = hallpass("demo", "--break-step", step)
    assert result.returncode == 1 and f"error: step `{step}` failed" in result.stderr, result.stderr


# -- secrets


def test_no_secret_is_anywhere_but_where_it_belongs(house):
    credentials = house.credentials()
    house.aws("iam", "create-user", "--user-name", "u")
    made = house.aws("iam", "create-access-key", "--user-name", "u")["AccessKey"]
    house.hallpass("run", "--role", "demo", "--", "true")
    admin = open(house.ready["admin_credentials"]).read().split("aws_secret_access_key = ")[1].strip()
    secrets = [credentials["SecretAccessKey"], credentials["Token"], made["SecretAccessKey"], admin]
    title = open(f"/proc/{house.process.pid}/cmdline").read()
    house.stop()
    texts = {"process title": title, "log": (house.path / "log").read_text()}
    for file in house.data.rglob("*"):
        if file.is_file() and file.name != "admin-credentials":
            texts[file.name] = file.read_bytes().decode("latin-1")
    assert "store.redb" in texts and any(name.endswith(".jsonl") for name in texts)
    for where, text in texts.items():
        for secret in secrets:
            assert secret not in text, where
    house.start()
