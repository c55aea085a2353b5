"""`aws configure export-credentials`: each of its forms, with what each of our ways gives."""
import json
import os
import shlex
import subprocess

import pytest

from house import BINARY, CLEAN
from lone import asked
from test_agent import EVERYONE, lone, scripted, session

__all__ = ["lone"]
AWS = "/usr/bin/aws"


def metadata(agent, folder):
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": agent.metadata}


def container(agent, folder):
    subprocess.run([BINARY, "agent", "token", "--data", agent.path / "run", "--role", "app", "--file", folder / "token"],
                   check=True, capture_output=True)
    # By value: this one does not know the file.
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": agent.metadata + "v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": (folder / "token").read_text()}


def process(agent, folder):
    (folder / "config").write_text(f"[default]\ncredential_process = {BINARY} credentials --data {agent.path}/run --role app\n")
    return {"AWS_CONFIG_FILE": str(folder / "config")}


@pytest.mark.parametrize("form", ["process", "env", "env-no-export"])
@pytest.mark.parametrize("way", [metadata, container, process])
def test_what_it_exports_is_what_the_agent_has(lone, tmp_path, way, form):
    server = scripted(lambda request: (200, json.dumps(session("ASIAIOSFODNN7EXAMPLE", 60))))
    agent = lone(f'[listen]\nmetadata = "127.0.0.1:0"\n[source]\ncontainer = "{server.url}/"\n[[role]]\nname = "app"\n', EVERYONE)
    has = json.loads(asked(agent.metadata, role="app")[1])
    env = {**CLEAN, "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_CONFIG_FILE": "/dev/null", **way(agent, tmp_path)}
    ran = subprocess.run([AWS, "configure", "export-credentials", "--format", form], env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    end = has["Expiration"].replace("Z", "+00:00")
    if form == "process":
        assert json.loads(ran.stdout) == {"Version": 1, "AccessKeyId": has["AccessKeyId"], "Expiration": end,
                                          "SecretAccessKey": has["SecretAccessKey"], "SessionToken": has["Token"]}
        return
    # As a shell takes it.
    words = {line.removeprefix("export ") for line in ran.stdout.splitlines()}
    assert all(line.startswith("export ") == (form == "env") for line in ran.stdout.splitlines())
    assert {shlex.split(word)[0] for word in words} == {
        f"AWS_ACCESS_KEY_ID={has['AccessKeyId']}", f"AWS_SECRET_ACCESS_KEY={has['SecretAccessKey']}",
        f"AWS_SESSION_TOKEN={has['Token']}", f"AWS_CREDENTIAL_EXPIRATION={end}"}


def test_it_may_serve_as_a_credential_process_itself(lone, tmp_path):
    """Chained: another configuration takes what it exports, with the agent at the end."""
    server = scripted(lambda request: (200, json.dumps(session("ASIAIOSFODNN7EXAMPLE", 60))))
    agent = lone(f'[listen]\nmetadata = "127.0.0.1:0"\n[source]\ncontainer = "{server.url}/"\n[[role]]\nname = "app"\n', EVERYONE)
    (tmp_path / "config").write_text("[profile outer]\ncredential_process = aws configure export-credentials --profile inner\n"
                                     f"[profile inner]\ncredential_process = {BINARY} credentials --data {agent.path}/run --role app\n")
    env = {**CLEAN, "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_CONFIG_FILE": str(tmp_path / "config"),
           "PATH": "/usr/bin:" + os.environ["PATH"]}
    ran = subprocess.run([AWS, "configure", "export-credentials", "--profile", "outer"], env=env, capture_output=True, text=True)
    assert json.loads(ran.stdout)["AccessKeyId"] == "ASIAIOSFODNN7EXAMPLE", ran.stderr


def test_a_refusal_is_told_and_exports_nothing(lone, tmp_path):
    server = scripted(lambda request: (200, json.dumps(session("ASIAIOSFODNN7EXAMPLE", 60))))
    agent = lone(f'[listen]\nmetadata = "127.0.0.1:0"\n[source]\ncontainer = "{server.url}/"\n[[role]]\nname = "app"\n',
                 "# nobody\n")
    for way, told in [(metadata, "Unable to retrieve credentials"), (process, "no credentials for role `app`")]:
        env = {**CLEAN, "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_CONFIG_FILE": "/dev/null", **way(agent, tmp_path)}
        ran = subprocess.run([AWS, "configure", "export-credentials"], env=env, capture_output=True, text=True)
        assert ran.returncode != 0 and ran.stdout == "" and told in ran.stderr, ran
