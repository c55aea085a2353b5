"""Real, unmodified AWS clients against a real `hallpass dev`: credentials found, bytes, keys, lists, URLs, refusals."""
import hashlib
import os
import urllib.parse

import pytest

import adapters
from house import BINARY, House, Lan, wait_for

# Keys that clients have got wrong, each by what is odd about it.
KEYS = {
    "space": "a b/c d",
    "plus": "a+b",
    "literal %2F": "a%2Fb",
    "two slashes": "a//b",
    "unicode": "grüße/日本語/🔑",
    "1,024 bytes": "k" * 1024,
    "ampersand": "a&b=c",
    "brackets": "(x)!*'",
    "dot segments": "a/./b/../c",
}

# Keys that a client itself cannot send, and why: (client, what) → reason. Empty: all of them send all of these.
UNSENDABLE = {}

# Clients that cannot make a presigned URL, and why.
CANNOT_PRESIGN = {
    "curl": "it signs requests that it sends, and has no way to print a signed URL",
}

# Clients that do not tell why an upload was refused, and why.
SILENT = {
    "java": "its HTTP client without dependencies, the JDK's, drops the answer to an upload that was told not to go on",
}

SIZES = {"empty": 0, "small": 1 << 10, "parts": 9 << 20, "big": 100 << 20}
# A page of a list has 1,000 at most.
MANY = [f"many/{number:04}" for number in range(1003)]

each_client = pytest.mark.parametrize("client", adapters.ALL, ids=lambda client: client.name)


def prepared(house):
    """With a bucket that the role may not touch, and more objects than one page of a list holds."""
    house.aws("s3api", "create-bucket", "--bucket", "other", "--create-bucket-configuration",
              f"LocationConstraint={house.ready['region']}")
    folder = house.path / "many"
    folder.mkdir()
    for key in MANY:
        (folder / key.removeprefix("many/")).write_bytes(b"")
    house.run([adapters.S5CMD.program, "cp", f"{folder}/", "s3://demo/many/"])
    return house


@pytest.fixture(scope="session")
def machine():
    """For clients that can be told where the metadata service is."""
    house = House()
    yield prepared(house)
    house.close()


@pytest.fixture(scope="session")
def bare_machine():
    """The same, where no rule gives a role to anybody."""
    house = House()
    house.rules("# nobody\n")
    yield house
    house.close()


@pytest.fixture(scope="session")
def old_machines():
    lan = Lan("o")
    yield lan
    lan.close()


def old(lan, number):
    """For clients that know only 169.254.169.254 port 80 (Fog, boto 2), and only its version 1 (boto 2)."""
    # Port 80: boto 2 signs `host:port:port` in presigned URLs for any other.
    house = House("--link-local", machine=lan.machine(number), api="127.0.0.1:80")
    # What such a machine's owner must set, as on EC2.
    house.aws("ec2", "modify-instance-metadata-options", "--instance-id", house.ready["instance"],
              "--http-tokens", "optional", "--http-endpoint", "enabled")
    ask = ["curl", "-sf", "http://169.254.169.254/latest/meta-data/instance-id"]
    wait_for(lambda: house.run(ask, check=False).returncode == 0, "version 1 being served")
    return house


@pytest.fixture(scope="session")
def old_machine(old_machines):
    house = old(old_machines, 1)
    yield prepared(house)
    house.close()


@pytest.fixture(scope="session")
def bare_old_machine(old_machines):
    house = old(old_machines, 2)
    house.rules("# nobody\n")
    yield house
    house.close()


@pytest.fixture
def house(client, request):
    """The system that this client talks to."""
    return request.getfixturevalue(client.system)


@pytest.fixture(scope="session")
def objects(tmp_path_factory):
    """A file of each size, shared by all clients: name → (path, sha256)."""
    folder = tmp_path_factory.mktemp("objects")
    made = {}
    for name, size in SIZES.items():
        path = folder / name
        path.write_bytes(os.urandom(size))
        made[name] = path, sha256(path)
    return made


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def put(key, path, bucket="demo"):
    return {"op": "put", "bucket": bucket, "key": key, "file": str(path)}


def get(key, path, bucket="demo"):
    return {"op": "get", "bucket": bucket, "key": key, "file": str(path)}


def list_(prefix, bucket="demo"):
    return {"op": "list", "bucket": bucket, "prefix": prefix}


def delete(key):
    return {"op": "delete", "bucket": "demo", "key": key}


def presign(key):
    return {"op": "presign", "bucket": "demo", "key": key}


@each_client
def test_bytes_up_and_down(client, house, objects, tmp_path):
    """Every size comes back as it went; the credentials are found by the client, there is no key in its settings."""
    assert not [name for name in house.env() if "KEY" in name or "TOKEN" in name]
    keys = {name: f"bytes/{client.name}/{name}" for name in SIZES}
    issued_before = len(house.records(eventName="IssueCredentials"))
    client.expect(house, [
        *(put(keys[name], objects[name][0]) for name in SIZES),
        *(get(keys[name], tmp_path / name) for name in SIZES),
        *(delete(keys[name]) for name in SIZES),
    ])
    for name in SIZES:
        assert sha256(tmp_path / name) == objects[name][1], name
    who = house.records(eventName="PutObject", requestParameters={"bucketName": "demo", "key": keys["empty"]})
    assert len(who) == 1, who
    assert client.agent in who[0]["userAgent"], who
    # A session of the machine's role, not a user's key; and which way the client got it is on record.
    assert who[0]["userIdentity"]["arn"].endswith(f":assumed-role/demo/{house.ready['instance']}"), who
    issued = house.records(eventName="IssueCredentials")[issued_before:]
    assert {record["additionalEventData"]["hallpass"]["door"] for record in issued} == {client.door}, issued
    assert who[0]["userIdentity"]["accessKeyId"] in [record["responseElements"]["accessKeyId"] for record in issued]
    assert client.expect(house, [list_(f"bytes/{client.name}/")])[0]["keys"] == []


@each_client
def test_odd_keys(client, house, tmp_path):
    """Odd keys go up, come down and are listed under the very name."""
    prefix = f"odd/{client.name}/"
    # 1,024 bytes are the limit of the whole key.
    keys = {what: (prefix + odd)[:1024] for what, odd in KEYS.items() if (client.name, what) not in UNSENDABLE}
    for number, what in enumerate(keys):
        (tmp_path / f"up{number}").write_text(what)
    results = client.expect(house, [
        *(put(key, tmp_path / f"up{number}") for number, key in enumerate(keys.values())),
        *(get(key, tmp_path / f"down{number}") for number, key in enumerate(keys.values())),
        list_(prefix),
    ])
    for number, what in enumerate(keys):
        assert (tmp_path / f"down{number}").read_text() == what
    assert sorted(results[-1]["keys"]) == sorted(keys.values())
    # Asked without any client's view of names.
    seen = house.aws("s3api", "list-objects-v2", "--bucket", "demo", "--prefix", prefix)["Contents"]
    assert sorted(entry["Key"] for entry in seen) == sorted(keys.values())


@each_client
def test_lists_of_several_pages(client, house):
    """Every page of a list is asked for, and no key is lost or doubled between them."""
    assert client.expect(house, [list_("many/")])[0]["keys"] == MANY


@pytest.mark.parametrize(
    "client", [client for client in adapters.ALL if client.name not in CANNOT_PRESIGN], ids=lambda client: client.name)
def test_presigned_urls(client, house, tmp_path):
    """A URL made by the client works for anybody, and for nothing else than what was signed."""
    (tmp_path / "up").write_text("presigned")
    key, neighbour = (f"signed/{client.name}/{name}" for name in ("a b+c", "neighbour"))
    results = client.expect(house, [put(key, tmp_path / "up"), put(neighbour, tmp_path / "up"), presign(key)])
    url = results[-1]["url"]
    assert adapters.fetch(house, url) == (200, b"presigned")
    parts = urllib.parse.urlsplit(url)
    changed = parts._replace(path=parts.path.rsplit("/", 1)[0] + "/neighbour").geturl()
    status, body = adapters.fetch(house, changed)
    assert status == 403 and b"SignatureDoesNotMatch" in body, (status, body)


@each_client
def test_refusals_say_why(client, house, tmp_path):
    """Another bucket is refused, and the user reads which action was missing."""
    (tmp_path / "up").write_text("never to arrive")
    written, listed = client.perform(house, [put("k", tmp_path / "up", bucket="other"), list_("", bucket="other")])
    who = f"assumed-role/demo/{house.ready['instance']} is not authorized to perform: "
    assert not written["ok"], written
    assert client.name in SILENT or who + "s3:PutObject on resource" in written["error"], written
    assert not listed["ok"] and who + "s3:ListBucket on resource" in listed["error"], listed


@each_client
def test_without_a_role_there_is_a_plain_error(client, request, objects):
    """No rule, no role: the client says that it has no credentials. (awscrt aborts and Rust panics on worse answers.)"""
    house = request.getfixturevalue(f"bare_{client.system}")
    [result] = client.perform(house, [put("k", objects["small"][0])])
    assert not result["ok"], result
    words = ("credential", "no handler was ready to authenticate", "aws_access_key_id")
    assert any(word in result["error"].lower() for word in words), result
    assert house.records(eventName="IssueCredentials", responseElements=None) != []


def two_files(folder):
    (folder / "deep").mkdir(parents=True)
    for path, text in (folder / "one", "1"), (folder / "deep/two", "22"):
        path.write_text(text)
        # Not of this second: `sync` takes an object, whose time has no fraction, for older than such a file.
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return folder


def files_of(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("client", [adapters.AWS_V1, adapters.AWS_V2], ids=lambda client: client.name)
def test_everyday_commands_of_aws(client, house, objects, tmp_path):
    """What people type: sync, ls, copies (of parts too), mv, --sse, rm of many."""
    def s3(*words):
        endpoint = [] if client.knows_endpoint_variable else ["--endpoint-url", house.api]
        return house.run([client.program, *endpoint, "s3", *words]).stdout

    top = f"s3://demo/everyday/{client.name}"
    local = two_files(tmp_path / "local")
    assert s3("sync", "--no-progress", str(local), top).count("upload:") == 2
    assert s3("sync", "--no-progress", str(local), top) == ""
    (local / "one").write_text("11")
    assert s3("sync", "--no-progress", str(local), top).count("upload:") == 1
    assert [line.split()[2:] for line in s3("ls", "--recursive", top).splitlines()] == [
        ["2", f"everyday/{client.name}/deep/two"], ["2", f"everyday/{client.name}/one"]]
    assert "PRE deep/" in s3("ls", f"{top}/")

    s3("cp", "--no-progress", "--sse", "AES256", str(objects["parts"][0]), f"{top}/parts")
    s3("cp", "--no-progress", f"{top}/parts", f"{top}/copied parts")
    s3("mv", "--no-progress", f"{top}/one", f"{top}/moved")
    s3("sync", "--no-progress", top, str(tmp_path / "back"))
    assert files_of(tmp_path / "back") == ["copied parts", "deep/two", "moved", "parts"]
    assert sha256(tmp_path / "back/copied parts") == sha256(tmp_path / "back/parts") == objects["parts"][1]

    assert s3("rm", "--recursive", top).count("delete:") == 4
    assert client.expect(house, [list_(f"everyday/{client.name}")])[0]["keys"] == []


def test_everyday_commands_of_s5cmd(machine, objects, tmp_path):
    def s5cmd(*words):
        return machine.run([adapters.S5CMD.program, *words]).stdout

    top = "s3://demo/everyday/s5cmd"
    local = two_files(tmp_path / "local")
    assert len(s5cmd("sync", f"{local}/", f"{top}/").splitlines()) == 2
    assert s5cmd("sync", f"{local}/", f"{top}/") == ""
    s5cmd("cp", str(objects["parts"][0]), f"{top}/parts")
    s5cmd("cp", f"{top}/parts", f"{top}/copied parts")
    s5cmd("mv", f"{top}/one", f"{top}/moved")
    s5cmd("cp", f"{top}/*", f"{tmp_path}/back/")
    assert files_of(tmp_path / "back") == ["copied parts", "deep/two", "moved", "parts"]
    assert sha256(tmp_path / "back/copied parts") == sha256(tmp_path / "back/parts") == objects["parts"][1]
    assert len(s5cmd("rm", f"{top}/*").splitlines()) == 4
    assert adapters.S5CMD.expect(machine, [list_("everyday/s5cmd")])[0]["keys"] == []


def test_curl_without_a_content_hash_reads_what_s3_would_say(machine):
    """curl before 8 leaves `x-amz-content-sha256` to its user: the error has S3's code and words."""
    held = machine.credentials()
    settings = (
        f'user = "{held["AccessKeyId"]}:{held["SecretAccessKey"]}"\n'
        f'header = "x-amz-security-token: {held["Token"]}"\n'
        # Without a value: takes it away where a newer curl would add it.
        f'aws-sigv4 = "aws:amz:{machine.ready["region"]}:s3"\nheader = "x-amz-content-sha256:"\n'
    )
    answer = machine.run(["curl", "-sS", "-K", "-", f"{machine.api}/demo?list-type=2"], input=settings).stdout
    assert "<Code>InvalidRequest</Code>" in answer, answer
    assert "Missing required header for this request: x-amz-content-sha256" in answer, answer


@pytest.mark.parametrize(
    "client",
    [adapters.AWS_V1, adapters.BOTO3, adapters.NODE, adapters.GO, adapters.RUST, adapters.JAVA, adapters.S5CMD],
    ids=lambda client: client.name,
)
def test_under_hallpass_run(client, house, objects, tmp_path):
    """`hallpass run`: nothing in the environment but what it sets, and the container protocol does it."""
    key = f"run/{client.name}"
    # Set inside, after `run` has cleared it: what is left is the container protocol.
    through = [BINARY, "run", "--data", house.data, "--role", "demo", "--", "env", "AWS_EC2_METADATA_DISABLED=true"]
    env = {name: value for name, value in house.env().items() if not name.startswith(("AWS_", "S3_", "HALLPASS_"))}
    client.expect(
        house, [put(key, objects["small"][0]), get(key, tmp_path / "down"), delete(key)], env=env, through=through)
    assert sha256(tmp_path / "down") == objects["small"][1]


@pytest.mark.parametrize("client", [adapters.AWS_V1, adapters.BOTO3], ids=lambda client: client.name)
def test_credential_process(client, house, objects, tmp_path):
    """A profile whose credentials come from `hallpass credentials`."""
    config = tmp_path / "config"
    config.write_text(
        f"[profile work]\nregion = {house.ready['region']}\nendpoint_url = {house.api}\n"
        f"credential_process = {BINARY} credentials --data {house.data} --role demo\n"
    )
    env = {name: value for name, value in house.env().items() if not name.startswith(("AWS_", "S3_", "HALLPASS_"))}
    env |= {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "work", "AWS_EC2_METADATA_DISABLED": "true"}
    key = f"process/{client.name}"
    client.expect(house, [put(key, objects["small"][0]), get(key, tmp_path / "down"), delete(key)], env=env)
    assert sha256(tmp_path / "down") == objects["small"][1]
