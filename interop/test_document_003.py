"""Document 003, "Managing Your AWS Credentials (Part 2)": boto finds the role by itself; the proxy of the first comment,
with keys of which only the proxy knows the real ones; Secret and Double Secret credentials, and the MOVE between them.

The store behind the proxy is not ours: MinIO, with a root key of its own.
"""
import hashlib
import json
import os
import secrets
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

from house import TOOLS, Wire, wait_for

BOTO2 = TOOLS / "python-boto2/bin/python"
BOTO3 = TOOLS / "python/bin/python"
CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "clients/python")
MIB = 1024 * 1024
# "Constant memory": far below the objects moved, and well above what the process takes in an unoptimized build.
RESIDENT_MAX_KIB = 80 * 1024


def statement(actions, *resources):
    return {"Effect": "Allow", "Action": actions, "Resource": [f"arn:aws:s3:::{name}" for name in resources]}


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def rules(*roles):
    names = ", ".join(f'"{role}"' for role in roles)
    return f'[[rule]]\nname = "the application"\nuid = {os.geteuid()}\nroles = [{names}]\n'


def run_client(house, python, script, operations, **extra):
    result = house.run([python, os.path.join(CLIENTS, script)], env=house.env(**extra), input=json.dumps(operations))
    return json.loads(result.stdout)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Minio:
    """A store that is not ours, on loopback, with real keys."""

    def __init__(self, folder):
        self.key, self.secret = "REALKEY" + secrets.token_hex(5).upper(), secrets.token_hex(20)
        self.port, self.folder = free_port(), folder
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = open(folder / "minio.log", "ab")
        (folder / "store").mkdir()
        self.process = subprocess.Popen(
            [TOOLS / "go-minio/minio", "server", "--quiet", "--address", f"127.0.0.1:{self.port}",
             "--console-address", f"127.0.0.1:{free_port()}", folder / "store"],
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "MINIO_ROOT_USER": self.key,
                 "MINIO_ROOT_PASSWORD": self.secret, "MINIO_UPDATE": "off"},
            stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

        def is_live():
            assert self.process.poll() is None, (folder / "minio.log").read_text()
            try:
                return urllib.request.urlopen(self.endpoint + "/minio/health/ready", timeout=1).status == 200
            except OSError:
                return False

        wait_for(is_live, "MinIO being ready", 60)

    def credentials(self, key=None, secret=None):
        return (f"[minio]\naws_access_key_id = {key or self.key}\n"
                f"aws_secret_access_key = {secret or self.secret}\n")

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@pytest.fixture
def minio(tmp_path):
    minio = Minio(tmp_path)
    yield minio
    minio.close()


def proxy_config(tmp_path, minio, endpoint=None):
    real = tmp_path / "real-credentials"
    real.write_text(minio.credentials())
    real.chmod(0o600)
    return real, f"""
[[upstream]]
name = "minio"
buckets = ["store-*"]
endpoint = "{endpoint or minio.endpoint}"
region = "us-east-1"
path_style = true
credentials = {{ file = "{real}", profile = "minio" }}
"""


class Fleet:
    """The proxy of the comment: an instance launched with a profile, whose role may use one bucket in the store."""

    def __init__(self, house):
        self.house = house
        house.aws("iam", "create-instance-profile", "--instance-profile-name", "worker")
        house.role("worker", policy(statement("s3:*", "store-data", "store-data/*")))
        house.aws("iam", "add-role-to-instance-profile", "--instance-profile-name", "worker", "--role-name", "worker")
        house.rules(rules("worker"))
        launched = house.aws("ec2", "run-instances", "--image-id", "ami-ed65ba84", "--instance-type", "t1.micro",
                             "--count", "1", "--iam-instance-profile", "Name=worker")
        self.instance = launched["Instances"][0]["InstanceId"]
        self.metadata = wait_for(self.endpoint, "the instance's metadata endpoint being told")
        self.env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata}

    def endpoint(self):
        described = self.house.aws("ec2", "describe-instances", "--instance-ids", self.instance)
        tags = described["Reservations"][0]["Instances"][0].get("Tags", [])
        return {tag["Key"]: tag["Value"] for tag in tags}.get("hallpass:metadata")

    def aws(self, *words, **options):
        return self.house.aws(*words, env=self.house.env(**self.env), **options)


# -- "boto and other AWS SDKs understand this mechanism"


def test_boto2_and_boto3_find_the_role_by_themselves(houses, lan, tmp_path):
    # boto 2 asks 169.254.169.254 and no other address.
    house = houses("--link-local", machine=lan.machine(1))
    for name in ("mybucket", "theirs"):
        house.aws("s3", "mb", f"s3://{name}")
    house.role("app", policy(statement("s3:*", "mybucket", "mybucket/*")))
    house.rules(rules("app"))
    (tmp_path / "in").write_bytes(os.urandom(3 * MIB))
    operations = [
        {"op": "put", "bucket": "mybucket", "key": "k", "file": str(tmp_path / "in")},
        {"op": "get", "bucket": "mybucket", "key": "k", "file": str(tmp_path / "out")},
        {"op": "list", "bucket": "mybucket", "prefix": ""},
        {"op": "put", "bucket": "theirs", "key": "k", "file": str(tmp_path / "in")},
    ]

    def check(results):
        put, get, listed, theirs = results
        assert put["ok"] and get["ok"], results
        assert listed["keys"] == ["k"]
        assert not theirs["ok"] and "AccessDenied" in theirs["error"], theirs
        assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()
        (tmp_path / "out").unlink()

    check(run_client(house, BOTO3, "boto3_client.py", operations))

    # boto 2 knows version 1 only. On a machine that requires version 2 it has no credentials at all.
    nothing = house.run([BOTO2, os.path.join(CLIENTS, "boto2_client.py")], input=json.dumps(operations), check=False)
    for result in json.loads(nothing.stdout):
        assert not result["ok"] and "NoAuthHandlerFound" in result["error"], result
    house.aws("ec2", "modify-instance-metadata-options", "--instance-id", house.ready["instance"],
              "--http-tokens", "optional")
    ask = ["curl", "-sf", "http://169.254.169.254/latest/meta-data/instance-id"]
    wait_for(lambda: house.run(ask, check=False).returncode == 0, "version 1 being answered")
    check(run_client(house, BOTO2, "boto2_client.py", operations))


# -- "The proxy will have your real credentials"


def test_a_proxy_with_fake_credentials_per_instance(houses, minio, tmp_path):
    wire = Wire(minio.port)
    _, config = proxy_config(tmp_path, minio, wire.endpoint)
    house = houses(config=config)
    try:
        # The administrator makes the store's bucket, through the proxy too.
        house.aws("s3api", "create-bucket", "--bucket", "store-data")
        fleet = Fleet(house)
        fake = house.credentials("worker", base=fleet.metadata)

        # put, get, list, a range, parts.
        small, large = tmp_path / "small", tmp_path / "large"
        small.write_bytes(b"0123456789")
        large.write_bytes(os.urandom(20 * MIB))
        fleet.aws("s3", "cp", small, "s3://store-data/small")
        fleet.aws("s3", "cp", large, "s3://store-data/large")
        assert "large" in fleet.aws("s3", "ls", "s3://store-data")
        fleet.aws("s3api", "get-object", "--bucket", "store-data", "--key", "small", "--range", "bytes=2-4",
                  tmp_path / "part")
        assert (tmp_path / "part").read_bytes() == b"234"
        fleet.aws("s3", "cp", "s3://store-data/large", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == large.read_bytes()
        head = fleet.aws("s3api", "head-object", "--bucket", "store-data", "--key", "large")
        assert head["ETag"].strip('"').endswith("-3"), "8 MiB parts, put together by the store"

        # In the store it lies under the real key, and the store never saw the other.
        real = {"AWS_ACCESS_KEY_ID": minio.key, "AWS_SECRET_ACCESS_KEY": minio.secret}
        direct = house.aws("--endpoint-url", minio.endpoint, "s3", "ls", "s3://store-data",
                           env=house.env(**real, AWS_EC2_METADATA_DISABLED="true"))
        assert "small" in direct and "large" in direct
        for needle in (fake["AccessKeyId"], fake["SecretAccessKey"], fake["Token"], minio.secret):
            assert needle.encode() not in wire.sent
        assert minio.key.encode() in wire.sent, "signed with the real key"
        # The instance never sees the real one: not in its metadata, not in an answer.
        debug = fleet.aws("--debug", "s3api", "head-object", "--bucket", "store-data", "--key", "small", check=False)
        assert debug.returncode == 0
        assert minio.key not in debug.stdout + debug.stderr and minio.secret not in debug.stdout + debug.stderr
        assert minio.key not in json.dumps(fake) and minio.secret not in json.dumps(house.records())
        # The fake key opens nothing at the store itself.
        stolen = {"AWS_ACCESS_KEY_ID": fake["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": fake["SecretAccessKey"],
                  "AWS_SESSION_TOKEN": fake["Token"], "AWS_EC2_METADATA_DISABLED": "true"}
        refused = house.aws("--endpoint-url", minio.endpoint, "s3", "ls", "s3://store-data",
                            env=house.env(**stolen), check=False)
        assert refused.returncode != 0

        # "Requests from terminated instances … will be denied." At once, whatever the client still holds.
        house.aws("s3", "ls", "s3://store-data", env=house.env(**stolen))
        house.aws("ec2", "terminate-instances", "--instance-ids", fleet.instance)
        refused = house.aws("s3api", "head-object", "--bucket", "store-data", "--key", "small",
                            env=house.env(**stolen), check=False)
        assert refused.returncode != 0
        refused = house.aws("s3", "ls", "s3://store-data", env=house.env(**stolen), check=False)
        assert "ExpiredToken" in refused.stderr or "InvalidToken" in refused.stderr or "AccessDenied" in refused.stderr

        def is_gone():
            try:
                urllib.request.urlopen(fleet.metadata + "latest/meta-data/", timeout=2)
            except urllib.error.HTTPError:
                return False
            except OSError:
                return True

        wait_for(is_gone, "the terminated instance's metadata endpoint being closed")
    finally:
        wire.close()


def test_requests_from_an_address_that_is_not_the_instance_s_are_denied(houses, lan, minio, tmp_path):
    """"Another unregistered (hostile) instance cannot pretend to be your instance because it would have the wrong
    private IP address/fake credentials combination."""
    ours, hostile = lan.machine(1), lan.machine(2)
    house = houses(machine=ours, api="10.77.0.1:7400")
    house.aws("s3", "mb", "s3://data")
    house.role("worker", policy(statement("s3:*", "data", "data/*")))
    house.rules(rules("worker"))
    held = json.loads(house.hallpass("credentials", "--role", "worker").stdout)
    fake = {"AWS_ACCESS_KEY_ID": held["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": held["SecretAccessKey"],
            "AWS_SESSION_TOKEN": held["SessionToken"], "AWS_EC2_METADATA_DISABLED": "true"}
    house.aws("s3", "ls", "s3://data", env=house.env(**fake))
    refused = house.aws("s3", "ls", "s3://data", env=house.env(**fake), machine=hostile, check=False)
    assert refused.returncode != 0 and "AccessDenied" in refused.stderr, refused.stderr


def test_the_real_keys_are_rotated_while_requests_run(houses, minio, tmp_path):
    real, config = proxy_config(tmp_path, minio)
    house = houses(config=config)
    house.aws("s3api", "create-bucket", "--bucket", "store-data")
    fleet = Fleet(house)
    (tmp_path / "object").write_bytes(os.urandom(64 * 1024))
    # Two more real keys, made at the store itself: its owner's temporary ones, through MinIO's STS.
    rooted = house.env(AWS_ACCESS_KEY_ID=minio.key, AWS_SECRET_ACCESS_KEY=minio.secret,
                       AWS_EC2_METADATA_DISABLED="true")
    others = []
    for name in ("first", "second"):
        made = house.aws("--endpoint-url", minio.endpoint, "sts", "assume-role", "--role-arn",
                         "arn:aws:iam::000000000000:role/x", "--role-session-name", name, env=rooted)["Credentials"]
        others.append(f"[minio]\naws_access_key_id = {made['AccessKeyId']}\n"
                      f"aws_secret_access_key = {made['SecretAccessKey']}\n"
                      f"aws_session_token = {made['SessionToken']}\n")
    client = subprocess.Popen(
        [str(BOTO3), os.path.join(CLIENTS, "steady.py"), "store-data"], env=house.env(**fleet.env), text=True,
        bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        answers = []

        def some(count):
            for _ in range(count):
                line = client.stdout.readline()
                assert line, "the client ended"
                answers.append(json.loads(line))

        some(10)
        for text in [*others, minio.credentials()]:
            staged = real.with_suffix(".new")
            staged.write_text(text)
            staged.chmod(0o600)
            staged.rename(real)
            # The client does not stop meanwhile; requests before, during and after.
            some(40)
        assert [answer for answer in answers if not answer["ok"]] == []
        # The file's word is what counts: a wrong key in it, and the store refuses.
        real.write_text(minio.credentials(secret="wrong" * 8))

        def refused():
            some(1)
            return not answers[-1]["ok"]

        wait_for(refused, "the gateway using what the file says now")
        # The failure is the proxy's, and says nothing of the real key.
        assert minio.key not in json.dumps(answers)
    finally:
        client.stdin.close()
        client.terminate()
        client.wait(20)
        client.stdout.close()


def test_a_hundred_mebibytes_in_constant_memory(houses, minio, tmp_path):
    _, config = proxy_config(tmp_path, minio)
    house = houses(config=config)
    house.aws("s3api", "create-bucket", "--bucket", "store-data")
    fleet = Fleet(house)
    large = tmp_path / "large"
    block = os.urandom(MIB)
    with open(large, "wb") as file:
        for number in range(100):
            file.write(number.to_bytes(4, "big") + block[4:])
    # One request for the whole object, and then in parts, ten at a time.
    fleet.aws("s3api", "put-object", "--bucket", "store-data", "--key", "whole", "--body", large)
    fleet.aws("s3", "cp", large, "s3://store-data/parts")

    def digest(path):
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    fleet.aws("s3api", "get-object", "--bucket", "store-data", "--key", "whole", tmp_path / "whole")
    assert digest(tmp_path / "whole") == digest(large)
    fleet.aws("s3", "cp", "s3://store-data/parts", tmp_path / "parts")
    assert digest(tmp_path / "parts") == digest(large)
    with open(f"/proc/{house.process.pid}/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak < RESIDENT_MAX_KIB, f"{peak} KiB resident at the most"


# -- Secret and Double Secret credentials


def test_two_tiers_and_the_move_between_them(house, tmp_path):
    """"Have Secret Credentials write uploaded data to an intermediate bucket … and then have Double Secret Credentials
    MOVE that content into the production S3 bucket." """
    for name in ("intermediate", "production"):
        house.aws("s3", "mb", f"s3://{name}")
    # The exposed machine may write, and only write.
    house.role("front", policy(statement("s3:PutObject", "intermediate/*")))
    house.rules(rules("front"))
    mover = house.user("mover", policy(
        statement(["s3:GetObject", "s3:DeleteObject"], "intermediate/*"), statement("s3:ListBucket", "intermediate"),
        statement("s3:PutObject", "production/*")))
    mover = house.env(**mover, AWS_EC2_METADATA_DISABLED="true")
    (tmp_path / "upload").write_text("from a stranger")

    front = house.env()
    house.aws("s3", "cp", tmp_path / "upload", "s3://intermediate/upload", env=front)
    # The document's worry: with WRITE of 2009 the front could read, delete and overwrite too.
    for words in (
        ("s3api", "get-object", "--bucket", "intermediate", "--key", "upload", tmp_path / "x"),
        ("s3api", "delete-object", "--bucket", "intermediate", "--key", "upload"),
        ("s3", "ls", "s3://intermediate"),
        ("s3", "cp", tmp_path / "upload", "s3://production/upload"),
        ("s3", "mv", "s3://intermediate/upload", "s3://production/upload"),
        ("iam", "create-access-key", "--user-name", "mover"),
        ("ec2", "terminate-instances", "--instance-ids", house.ready["instance"]),
    ):
        refused = house.aws(*words, env=front, check=False)
        assert refused.returncode != 0, words
        assert any(word in refused.stderr for word in ("AccessDenied", "403", "UnauthorizedOperation")), refused.stderr

    # The strong tier moves it on; it may not hand in.
    house.aws("s3", "mv", "s3://intermediate/upload", "s3://production/upload", env=mover)
    refused = house.aws("s3", "cp", tmp_path / "upload", "s3://intermediate/again", env=mover, check=False)
    assert "AccessDenied" in refused.stderr
    house.aws("s3", "cp", "s3://production/upload", tmp_path / "moved")
    assert (tmp_path / "moved").read_text() == "from a stranger"
    assert house.aws("s3", "ls", "s3://intermediate").strip() == ""
    # What was done is on record with who did it.
    copied = wait_for(lambda: house.records(eventName="CopyObject"), "the copy being on record")
    assert copied[-1]["userIdentity"]["arn"].endswith(":user/mover")
