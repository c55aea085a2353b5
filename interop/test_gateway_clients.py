"""Programs that people point at S3, unmodified, through the gateway, in front of both stores: rclone, restic, s3cmd, s3fs,
and every SDK of `adapters`."""
import hashlib
import json
import os
import shutil
import subprocess

import pytest

import adapters
import front as fronts
from house import wait_for

MIB = 1 << 20
# What each of these files is about.
ODD = ["a b", "a+b", "100%", "a%2Fb", "me@home", "(x)", "[y]", ".hidden", "grüße", "日本語", "🔑", "a&b=c", "it's", "a;b,c", "~tilde",
       "question?", "hash#", "star*", "double  space", "quote\""]


@pytest.fixture(scope="module")
def front():
    with fronts.started("[signatures]\nversion_2_presigned = true\n") as running:
        yield running


@pytest.fixture(params=fronts.UPSTREAMS)
def bucket(request, front):
    """A bucket in each store. After each test no request was answered as a mishap of ours."""
    since = len(front.house.records())
    yield f"{request.param}-data"
    front.no_mishap(since)


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    path = tmp_path_factory.mktemp("big") / "big file"
    path.write_bytes(os.urandom(60 * MIB))
    return path


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree(folder):
    """Each file below, with what is in it."""
    return {str(path.relative_to(folder)): digest(path) for path in folder.rglob("*") if path.is_file()}


def grow(folder, count):
    """`count` files with odd names, in folders with odd names."""
    for number in range(count):
        name = ODD[number % len(ODD)]
        path = folder / ODD[number // len(ODD) % len(ODD)] / f"{name} {number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 37 % 5000))
    # The names themselves, at the end of a key.
    for name in ODD:
        (folder / "names" / name).parent.mkdir(exist_ok=True)
        (folder / "names" / name).write_text(name)


# -- rclone


def test_rclone(front, bucket, big, tmp_path):
    house = front.house
    env = house.env(RCLONE_CONFIG="/dev/null", RCLONE_CONFIG_HP_TYPE="s3", RCLONE_CONFIG_HP_PROVIDER="Other",
                    RCLONE_CONFIG_HP_ENV_AUTH="true", RCLONE_CONFIG_HP_ENDPOINT=house.api, RCLONE_CONFIG_HP_CHUNK_SIZE="8Mi",
                    RCLONE_CONFIG_HP_REGION=house.ready["region"], RCLONE_CONFIG_HP_UPLOAD_CUTOFF="16Mi")

    def rclone(*words):
        return house.run(["rclone", *words], env=env)

    local, remote = tmp_path / "local", f"hp:{bucket}/rclone tree"
    grow(local, 200)
    rclone("copy", local, remote)
    # `--download`: compares what comes back, not what the store says of it.
    assert "0 differences found" in rclone("check", "--download", local, remote).stderr
    before = tree(local)
    shutil.rmtree(local / "100%")
    (local / "a b/new + one").write_text("new")
    rclone("sync", local, remote)
    rclone("copy", remote, tmp_path / "back")
    assert tree(tmp_path / "back") == tree(local) != before
    assert sorted(front.keys(bucket, "rclone tree/")) == sorted(f"rclone tree/{name}" for name in tree(local))

    rclone("copyto", big, f"{remote}/big")
    parts = [r for r in house.records(eventName="UploadPart") if r["requestParameters"]["key"] == "rclone tree/big"]
    assert len([r for r in parts if r["requestParameters"]["bucketName"] == bucket]) == 8, "in parts"
    part = subprocess.run(["rclone", "cat", "--offset", "31457280", "--count", "1000", f"{remote}/big"], env=env,
                          capture_output=True, check=True).stdout
    assert part == big.read_bytes()[31457280:31458280]
    gets = len(house.records(eventName="GetObject"))
    rclone("copyto", f"{remote}/big", f"{remote}/big (copied)")
    assert len(house.records(eventName="GetObject")) == gets, "copied by the store"
    rclone("copyto", f"{remote}/big (copied)", tmp_path / "big")
    assert digest(tmp_path / "big") == digest(big)
    rclone("purge", remote)
    assert front.keys(bucket, "rclone tree/") == []


# -- restic


def test_restic(front, bucket, tmp_path):
    house, prefix = front.house, "restic"
    env = house.env(**front.user, RESTIC_REPOSITORY=f"s3:{house.api}/{bucket}/{prefix}", RESTIC_PASSWORD="p",
                    RESTIC_CACHE_DIR=str(tmp_path / "cache"))
    # It asks the bucket for its region, and signs for that.
    del env["AWS_REGION"], env["AWS_DEFAULT_REGION"]

    def restic(*words):
        return house.run(["restic", *words], env=env).stdout

    local = tmp_path / "local"
    grow(local, 60)
    (local / "big").write_bytes(os.urandom(12 * MIB))
    first = tree(local)
    restic("init")
    restic("backup", "--host", "h", local)
    (local / "a b/new").write_text("new")
    (local / "big").write_bytes(os.urandom(12 * MIB))
    restic("backup", "--host", "h", local)
    assert "no errors were found" in restic("check", "--read-data")
    snapshots = [snapshot["id"] for snapshot in json.loads(restic("snapshots", "--json"))]
    for snapshot, wanted in zip(snapshots, [first, tree(local)], strict=True):
        restic("restore", snapshot, "--target", tmp_path / snapshot)
        assert tree(tmp_path / snapshot / local.relative_to("/")) == wanted
    stored = len(front.keys(bucket, prefix))
    restic("forget", "--keep-last", "1", "--prune")
    assert len(front.keys(bucket, prefix)) < stored
    assert "no errors were found" in restic("check", "--read-data")


# -- Terraform


def test_terraform_state(front, bucket, tmp_path):
    """State is written, read by another configuration, kept in workspaces, changed and destroyed."""
    house, prefix = front.house, "terraform"
    env = house.env(**front.user, CHECKPOINT_DISABLE="1", TF_IN_AUTOMATION="1")
    where = {"bucket": bucket, "region": house.ready["region"], "endpoint": house.api, "force_path_style": "true",
             "skip_requesting_account_id": "true", "skip_credentials_validation": "true",
             "skip_get_ec2_platforms": "true", "skip_metadata_api_check": "true"}
    config = "\n".join(f'{name} = "{value}"' for name, value in {**where, "key": f"{prefix}/state"}.items())
    writer, reader = tmp_path / "writer", tmp_path / "reader"
    for folder in (writer, reader):
        folder.mkdir()
    text = f'''terraform {{ backend "s3" {{ {config} }} }}
variable "said" {{}}
output "said" {{ value = "${{terraform.workspace}}: ${{var.said}}" }}
'''
    (writer / "main.tf").write_text(text)
    (reader / "main.tf").write_text(f'''
data "terraform_remote_state" "other" {{ backend = "s3", config {{ {config} }} }}
output "read" {{ value = "${{data.terraform_remote_state.other.said}}" }}
''')

    def terraform(folder, *words):
        return house.run([adapters.TOOLS / "python-terraform/lib/terraform", *words], env=env, cwd=folder).stdout

    def apply(folder, *words):
        terraform(folder, "apply", "-auto-approve", "-input=false", *words)
        return {name: told["value"] for name, told in json.loads(terraform(folder, "output", "-json")).items()}

    terraform(writer, "init", "-input=false")
    assert apply(writer, "-var", "said=grüße & <you>") == {"said": "default: grüße & <you>"}
    terraform(reader, "init", "-input=false")
    assert apply(reader) == {"read": "default: grüße & <you>"}
    assert apply(writer, "-var", "said=again") == {"said": "default: again"}
    assert apply(reader) == {"read": "default: again"}
    terraform(writer, "workspace", "new", "second")
    assert apply(writer, "-var", "said=there") == {"said": "second: there"}
    assert "second" in terraform(writer, "workspace", "list")
    assert front.keys(bucket, "env:") + front.keys(bucket, prefix) == ["env:/second/terraform/state", "terraform/state"]
    terraform(writer, "destroy", "-auto-approve", "-var", "said=")
    terraform(writer, "workspace", "select", "default")
    terraform(writer, "workspace", "delete", "second")
    assert front.keys(bucket, "env:") == []


# -- s3cmd


def test_s3cmd(front, bucket, big, tmp_path):
    house, config, top = front.house, tmp_path / "s3cfg", f"s3://{bucket}/s3cmd"
    host = house.api.removeprefix("http://")
    config.write_text(f"[default]\naccess_key = {front.key[0]}\nsecret_key = {front.key[1]}\nhost_base = {host}\n"
                      f"host_bucket = {host}\nuse_https = False\n")

    def s3cmd(*words):
        return house.run(["s3cmd", "-c", config, "--no-progress", *words]).stdout

    local = tmp_path / "local"
    grow(local, 30)
    s3cmd("sync", f"{local}/", f"{top}/tree/")
    assert s3cmd("sync", f"{local}/", f"{top}/tree/") == "", "all there"
    shutil.rmtree(local / "a b")
    assert "delete:" in s3cmd("sync", "--delete-removed", f"{local}/", f"{top}/tree/")
    s3cmd("sync", f"{top}/tree/", f"{tmp_path}/back/")
    assert tree(tmp_path / "back") == tree(local)
    assert len(s3cmd("ls", "--recursive", f"{top}/tree/").splitlines()) == len(tree(local))

    s3cmd("put", "--multipart-chunk-size-mb=7", big, f"{top}/big file")
    s3cmd("get", f"{top}/big file", tmp_path / "big")
    assert digest(tmp_path / "big") == digest(big)
    s3cmd("cp", f"{top}/big file", f"{top}/copied")
    s3cmd("mv", f"{top}/copied", f"{top}/moved + again")
    s3cmd("get", f"{top}/moved + again", tmp_path / "moved")
    assert digest(tmp_path / "moved") == digest(big)

    # Version 2 of signatures, whatever its settings.
    url = s3cmd("signurl", f"{top}/moved + again", "+60").strip()
    assert adapters.fetch(house, url) == (200, big.read_bytes())
    since = len(house.records())
    # A bucket is where it is reached, whatever the store behind says.
    assert f"Location:  {house.ready['region']}" in s3cmd("info", f"s3://{bucket}")
    assert f"File size: {60 * MIB}" in s3cmd("info", f"{top}/big file")
    asked = {record["eventName"] for record in house.records()[since:]}
    assert not [r for r in house.records()[since:] if r.get("errorCode") == "NotImplemented"]
    assert {"GetBucketLocation", "GetBucketPolicy", "GetBucketAcl", "GetBucketCors", "GetObjectAcl"} <= asked
    s3cmd("del", "--recursive", "--force", top)
    assert front.keys(bucket, "s3cmd/") == []


# -- s3fs


@pytest.fixture
def mounted(front, bucket, tmp_path):
    """A folder that is the bucket."""
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse: this kernel, or this container, mounts nothing of users'")
    house, passwords, folder = front.house, tmp_path / "passwords", tmp_path / "mounted"
    passwords.write_text(":".join(front.key))
    passwords.chmod(0o600)
    folder.mkdir()
    options = f"passwd_file={passwords},url={house.api},use_path_request_style,endpoint={house.ready['region']}"
    house.run(["s3fs", bucket, folder, "-o", options])
    try:
        wait_for(lambda: os.path.ismount(folder), "the bucket being mounted")
        yield folder
    finally:
        subprocess.run(["umount", folder], check=False)
        wait_for(lambda: not os.path.ismount(folder), "the bucket being unmounted")


MAKEFILE = """\
all: program
program: main.o part.o
\tcc -o $@ main.o part.o
%.o: %.c
\tcc -c -o $@ $<
"""


def test_s3fs(front, bucket, mounted):
    top = mounted / "s3fs top"
    top.mkdir()
    for number in range(300):
        (top / f"file {number:03}").write_text(str(number))
    assert sorted(os.listdir(top)) == [f"file {number:03}" for number in range(300)]
    assert [key for key in front.keys(bucket, "s3fs top/") if "file" in key] == [f"s3fs top/file {n:03}" for n in range(300)]
    assert (top / "file 123").read_text() == "123"

    with open(top / "file 007", "a") as file:
        file.write(" and more")
    (top / "file 007").rename(top / "renamed (007)")
    assert (top / "renamed (007)").read_text() == "7 and more"
    assert front.boto().get_object(Bucket=bucket, Key="s3fs top/renamed (007)")["Body"].read() == b"7 and more"
    # Across the size from which s3fs sends parts, and a change in the middle of it.
    large = bytearray(os.urandom(25 * MIB))
    (top / "large").write_bytes(large)
    with open(top / "large", "r+b") as file:
        file.seek(11 * MIB)
        file.write(b"changed")
    large[11 * MIB:11 * MIB + 7] = b"changed"
    assert (top / "large").read_bytes() == large
    assert front.boto().get_object(Bucket=bucket, Key="s3fs top/large")["Body"].read() == large

    project = top / "project"
    project.mkdir()
    (project / "Makefile").write_text(MAKEFILE)
    (project / "main.c").write_text('#include <stdio.h>\nint part(void);\nint main(void) { printf("%d\\n", part()); return 0; }\n')
    (project / "part.c").write_text("int part(void) { return 42; }\n")
    front.house.run(["make", "-C", project])
    assert front.house.run([project / "program"]).stdout == "42\n"
    assert "Nothing to be done" in front.house.run(["make", "-C", project]).stdout, "times of files are kept"

    front.house.run(["rm", "-r", top])
    assert not top.exists() and front.keys(bucket, "s3fs top") == []


# -- the SDKs


@pytest.mark.parametrize("client", [
    client for client in adapters.ALL if client.system == "machine" or client is adapters.RUBY], ids=lambda client: client.name)
def test_sdk(client, front, bucket, tmp_path):
    """The role's session; names and sizes of each kind."""
    house, names, env = front.house, ["a b+c", "日本語 🔑 100% (x)"], None
    if client.system != "machine":
        session = house.credentials()
        env = house.env(AWS_ACCESS_KEY_ID=session["AccessKeyId"], AWS_SECRET_ACCESS_KEY=session["SecretAccessKey"],
                        AWS_SESSION_TOKEN=session["Token"])
    for name in names:
        (tmp_path / name).write_text(name)
    # The size that all of them send in parts, or in chunks.
    (tmp_path / "parts").write_bytes(os.urandom(20 * MIB))
    names.append("parts")
    key = lambda name: f"sdk {client.name}/{name}"
    results = client.expect(house, [
        *({"op": "put", "bucket": bucket, "key": key(name), "file": str(tmp_path / name)} for name in names),
        {"op": "list", "bucket": bucket, "prefix": f"sdk {client.name}/"},
        *({"op": "get", "bucket": bucket, "key": key(name), "file": str(tmp_path / f"{name} back")} for name in names),
        *({"op": "delete", "bucket": bucket, "key": key(name)} for name in names),
    ], env=env)
    assert sorted(results[len(names)]["keys"]) == sorted(key(name) for name in names)
    for name in names:
        assert digest(tmp_path / f"{name} back") == digest(tmp_path / name)
    assert front.keys(bucket, f"sdk {client.name}/") == []
