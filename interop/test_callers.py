"""Rules about more than users, end to end: real processes ask a whole system, and policies see what the rules said."""
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

import cri
from house import wait_for
from lone import Lone

LIST = "/latest/meta-data/iam/security-credentials/"
TAGGED = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"},
                   "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}],
}
BY_TAG = {"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::own", "arn:aws:s3:::own/${aws:PrincipalTag/team}/*"],
     "Condition": {"StringEquals": {"aws:SourceIdentity": "www-data"}}}]}


@pytest.fixture
def curl(tmp_path):
    """A program of its own that every user may start."""
    folder = Path("/tmp") / f"hp-callers-{os.getpid()}"
    folder.mkdir(mode=0o755, exist_ok=True)
    yield shutil.copy("/usr/bin/curl", folder / "app")
    shutil.rmtree(folder)


def ask(house, program, path, uid=33):
    """(status, body) of one path, asked for with `program` as a user."""
    script = f"""
        T=$({program} -s -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$0latest/api/token")
        exec {program} -s -m 5 -w '\\n%{{http_code}}' -H "X-aws-ec2-metadata-token: $T" "$0{path[1:]}" """
    result = subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "sh", "-c", script,
                             house.metadata], capture_output=True, text=True, timeout=60, check=True)
    body, _, status = result.stdout.rpartition("\n")
    return int(status), body


def test_a_rule_shapes_the_session_and_policies_see_it(house, curl):
    house.aws("s3", "mb", "s3://own")
    house.role("tagged", BY_TAG, TAGGED)
    house.rules(f"""
[[rule]]
user = "www-data"
exe = "{curl}"
roles = ["tagged"]
session_name = "{{user}}@{{instance}}"
source_identity = "{{user}}"
tags = {{ team = "blue" }}
duration = "1h"
""")
    assert ask(house, curl, LIST) == (200, "tagged")
    # Another program of the same user, and the same program of another: nothing, and nothing to learn.
    assert ask(house, "/usr/bin/curl", LIST) == (404, "")
    assert ask(house, curl, LIST, uid=65534) == (404, "")
    assert ask(house, "/usr/bin/curl", LIST + "tagged")[0] == 404
    status, body = ask(house, curl, LIST + "tagged")
    assert status == 200
    found = json.loads(body)
    key = found["AccessKeyId"], found["SecretAccessKey"], found["Token"]
    who = house.boto("sts", key).get_caller_identity()["Arn"]
    assert who.endswith(f"assumed-role/tagged/www-data@{house.ready['instance']}"), who
    s3 = house.boto("s3", key)
    s3.put_object(Bucket="own", Key="blue/1", Body=b"x")
    with pytest.raises(s3.exceptions.ClientError) as refused:
        s3.put_object(Bucket="own", Key="red/1", Body=b"x")
    assert refused.value.response["Error"]["Code"] == "AccessDenied"


def test_a_role_that_does_not_trust_tags_gives_nothing(house, curl):
    house.role("plain", BY_TAG)
    house.rules('[[rule]]\nuser = "www-data"\nroles = ["plain"]\ntags = { team = "blue" }\n')
    assert ask(house, curl, LIST) == (404, "")


def test_check_says_where_and_explain_says_why(house, curl, tmp_path):
    broken = tmp_path / "rules.toml"
    broken.write_text('[[rule]]\nexe = "/bin/sh"\nroles = ["a"]\nsession_name = "{nobody}"\n')
    checked = subprocess.run([os.environ["HALLPASS_BINARY"], "agent", "check", broken], capture_output=True, text=True)
    assert checked.returncode == 1
    assert f"{broken}:2:1: `exe` alone" in checked.stdout and f"{broken}:4:17: unknown variable" in checked.stdout
    broken.write_text('[[rule]]\nuid = 33\nexe = "/bin/sh"\nroles = ["a"]\n')
    checked = subprocess.run([os.environ["HALLPASS_BINARY"], "agent", "check", broken], capture_output=True, text=True)
    assert checked.returncode == 0, checked

    house.rules('[[rule]]\nname = "app"\nuser = "nobody"\nexe = "/opt/app"\nroles = ["a"]\n'
                '[[rule]]\nuid = 65534\nroles = ["b"]\n')
    with subprocess.Popen(["setpriv", "--reuid=65534", "--clear-groups", "/usr/bin/sleep", "60"]) as sleeper:
        try:
            while not os.readlink(f"/proc/{sleeper.pid}/exe").endswith("sleep"):
                pass
            told = house.run([os.environ["HALLPASS_BINARY"], "agent", "explain", "--data", house.data, "--json", "--pid",
                              sleeper.pid])
        finally:
            sleeper.kill()
    told = json.loads(told.stdout)
    assert told["matched"] == "rule 2" and told["facts"]["exe"].endswith("/sleep"), told
    assert told["skipped"][0]["reason"] == f"exe of process {sleeper.pid} is {told['facts']['exe']}, not /opt/app"


@pytest.fixture
def podman(tmp_path):
    """A container of Podman's, and Podman's own socket. Made from this machine's `sleep`: nothing is fetched."""
    if not shutil.which("podman") or not shutil.which("runc"):
        pytest.skip("podman and runc are not on this machine")

    def run(*words):
        return subprocess.run(["podman", "--runtime", "runc", *map(str, words)], capture_output=True, text=True, timeout=60)

    root, name = tmp_path / "root", f"hp-{os.getpid()}"
    (root / "bin").mkdir(parents=True)
    shutil.copy(os.path.realpath("/usr/bin/sleep"), root / "bin/sleep")
    for line in subprocess.run(["ldd", "/usr/bin/sleep"], capture_output=True, text=True).stdout.split():
        if line.startswith("/"):
            target = root / line[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(line, target)
    subprocess.run(["tar", "-C", root, "-cf", tmp_path / "image.tar", "."], check=True)
    run("import", tmp_path / "image.tar", "localhost/hp/sleeper:1")
    started = run("run", "-d", "--name", name, "--label", "team=a", "--network", "none", "--ulimit", "nofile=1024:1024",
                  "--ulimit", "nproc=1024:1024", "localhost/hp/sleeper:1", "/bin/sleep", "600")
    if started.returncode:
        pytest.skip(f"podman cannot run a container here: {started.stderr}")
    place = Path("/run/podman/podman.sock")
    place.parent.mkdir(exist_ok=True)
    service = None if place.exists() else subprocess.Popen(["podman", "system", "service", "--time", "0", f"unix://{place}"])
    wait_for(place.exists, "podman's socket")
    yield name, int(run("inspect", "-f", "{{.State.Pid}}", name).stdout)
    if service:
        service.terminate()
        service.wait()
        place.unlink(missing_ok=True)
    run("rm", "-f", "-t", "0", name)


def test_a_podman_container_is_known_by_what_podman_says(house, podman):
    name, pid = podman
    house.rules('[[rule]]\nuid = 0\nimage = "localhost/hp/other:*"\nroles = ["a"]\n'
                f'[[rule]]\nuid = 0\nimage = "localhost/hp/*"\nlabel = "team=a"\ncontainer_name = "{name}"\nroles = ["b"]\n')
    explain = [os.environ["HALLPASS_BINARY"], "agent", "explain", "--data", house.data, "--json", "--pid"]
    told = json.loads(house.run([*explain, pid]).stdout)
    assert told["matched"] == "rule 2", told
    assert told["facts"]["image"] == "localhost/hp/sleeper:1" and told["facts"]["container_name"] == name
    # Its program has the path of one here, but is another file.
    assert told["facts"]["exe"].startswith("unknown"), told
    outside = json.loads(house.run([*explain, os.getpid()], check=False).stdout)
    assert outside["matched"] is None, outside


@pytest.fixture
def containerd(tmp_path):
    if cri.SOCKET.exists():
        pytest.skip("there is a containerd on this machine")
    running = cri.Containerd(tmp_path)
    logs = Path(f"/var/log/pods/shop_web-1_{cri.POD}")
    logs.mkdir(parents=True)
    yield running
    running.close()
    logs.rmdir()


def test_a_container_of_kubernetes_is_known_by_what_containerd_says(house, containerd):
    """A real containerd and a container as the kubelet starts it. What it says of another, or when it is away, is nothing."""
    house.rules('[[rule]]\nuid = 0\nimage = "localhost/hp/other:*"\nroles = ["a"]\n'
                '[[rule]]\nuid = 0\nnamespace = "shop"\nimage = "localhost/hp/*"\nlabel = "team=a"\ncontainer_name = "web"\n'
                'roles = ["b"]\n')
    explain = [os.environ["HALLPASS_BINARY"], "agent", "explain", "--data", house.data, "--json", "--pid", containerd.pid()]
    told = json.loads(house.run(explain).stdout)
    assert told["matched"] == "rule 2", told
    assert told["facts"]["image"] == cri.IMAGE and told["facts"]["container_name"] == "web"
    # Labels of the pod are not the container's.
    house.rules('[[rule]]\nuid = 0\nlabel = "app=web"\nroles = ["a"]\n')
    told = json.loads(house.run(explain, check=False).stdout)
    assert told["matched"] is None and "label" in told["skipped"][0]["reason"], told


def test_an_agent_of_its_own_user_asks_containerd_if_that_lets_it(containerd):
    """As the package runs it: a user of its own, which containerd's socket admits by its group."""
    for uid, expected in [(cri.GROUP, "rule 1"), (cri.GROUP + 1, None)]:
        agent = Lone('[listen]\nmetadata = "127.0.0.1:0"\n[source]\nprocess = "true"\n[[role]]\nname = "app"\n',
                     '[[rule]]\nuid = 0\nimage = "localhost/hp/*"\nroles = ["app"]\n', uid=uid)
        try:
            told = subprocess.run([os.environ["HALLPASS_BINARY"], "agent", "explain", "--data", agent.path / "run", "--json",
                                   "--pid", str(containerd.pid())], capture_output=True, text=True)
            told = json.loads(told.stdout)
            assert told["matched"] == expected, told
            assert expected or "Permission denied" in told["skipped"][0]["reason"]
        finally:
            agent.close()
