"""Where an upstream's real credentials come from. The cloud behind the gateway is a second Hallpass, whose IAM and STS
verify what they are sent and whose record shows as whom; MinIO and moto are clouds that are not ours."""
import json
import os
import re
import secrets
import subprocess
import threading
import urllib.parse
import urllib.request

import pytest
from botocore.exceptions import ClientError

from house import BINARY, CLEAN, House, Wire, wait_for
from test_document_003 import Minio, free_port
from test_services import Moto

BUCKET = "cloud-data"


def allow(actions, resource="*", **more):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": resource, **more}]}


def trust(principal, *actions, **condition):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": list(actions) or ["sts:AssumeRole"]}
    return {"Version": "2012-10-17", "Statement": [{**statement, **({"Condition": condition} if condition else {})}]}


def certificate(folder):
    """A certificate authority of its own in `ca.crt`, and its certificate for 127.0.0.1 in `tls.crt` and `tls.key`."""
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.crt")
    openssl("req", *key, "-subj", "/CN=cloud", "-keyout", "tls.key", "-out", "tls.csr")
    (folder / "extensions").write_text("basicConstraints = CA:FALSE\nsubjectAltName = IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "extensions", "-out", "tls.crt")


class Cloud:
    """A second Hallpass as the cloud: a bucket, a user `gateway` with a key, and every secret it has given us."""

    def __init__(self, folder, **options):
        self.folder, self.house = folder, House(**options)
        self.account, self.api = self.house.ready["account"], self.house.api
        self.iam = self.house.boto("iam")
        self.house.boto("s3").create_bucket(Bucket=BUCKET)
        self.secrets = []
        self.key = self.user("gateway")

    def user(self, name):
        self.iam.create_user(UserName=name)
        self.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps(allow(["s3:*", "sts:*"])))
        return self.new_key(name)

    def new_key(self, user):
        key = self.iam.create_access_key(UserName=user)["AccessKey"]
        self.secrets.append(key["SecretAccessKey"])
        return key

    def file(self, key=None):
        """A credentials file with `key`, put into its place at once."""
        key = key or self.key
        path = self.folder / "cloud-credentials"
        staged = path.with_suffix(".new")
        staged.write_text(f"[default]\naws_access_key_id = {key['AccessKeyId']}\n"
                          f"aws_secret_access_key = {key['SecretAccessKey']}\n")
        staged.rename(path)
        return path

    def role(self, name, principal=None, actions=("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"), **condition):
        principal = principal or f"arn:aws:iam::{self.account}:user/gateway"
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust(principal, *actions, **condition)))
        self.iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(allow("s3:*")))
        return f"arn:aws:iam::{self.account}:role/{name}"

    def upstream(self, credentials, endpoint=None, more=""):
        return (f'[[upstream]]\nname = "cloud"\nbuckets = ["cloud-*"]\nendpoint = "{endpoint or self.api}"\n'
                f'region = "{self.house.ready["region"]}"\n{more}\ncredentials = {credentials}\n')

    def calls(self, name, **wanted):
        return self.house.records(eventName=name, **wanted)

    def close(self):
        self.house.close()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    running = Cloud(tmp_path_factory.mktemp("cloud"))
    yield running
    running.close()


def say_nothing(gateway, *words):
    """The gateway's log and record hold none of these."""
    everything = (gateway.path / "log").read_text() + "".join(
        file.read_text() for file in sorted((gateway.data / "audit").rglob("*.json*")) if file.is_file())
    for word in words:
        assert word and word not in everything


def error_of(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def put_and_get(client, key="k"):
    body = secrets.token_bytes(100)
    client.put_object(Bucket=BUCKET, Key=key, Body=body)
    assert client.get_object(Bucket=BUCKET, Key=key)["Body"].read() == body


def last_principal(cloud):
    return wait_for(lambda: cloud.calls("GetObject"), "the request being on the cloud's record")[-1]["userIdentity"]["arn"]


def metric(house, name):
    text = urllib.request.urlopen(house.api + "/_hallpass/metrics", timeout=5).read().decode()
    return next(line.rsplit(" ", 1)[1] for line in text.splitlines() if line.startswith(name + "{"))


# -- sources


def test_the_environment_is_read_at_the_start(cloud, houses, monkeypatch):
    import house as module
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", cloud.key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", cloud.key["SecretAccessKey"])
    gateway = houses(config=cloud.upstream("{ environment = true }"))
    put_and_get(gateway.boto("s3"))
    assert last_principal(cloud).endswith(":user/gateway")
    say_nothing(gateway, *cloud.secrets)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AssertionError, match="AWS_SECRET_ACCESS_KEY"):
        module.House(config=cloud.upstream("{ environment = true }"))


def machine_role(cloud, name):
    cloud.house.role(name, allow("s3:*"))
    cloud.house.rules(f'[[rule]]\nname = "the gateway"\nuid = {os.geteuid()}\nroles = ["{name}"]\n')


def test_an_instance_s_role_by_the_metadata_service(cloud, houses):
    machine_role(cloud, "by-metadata")
    gateway = houses(config=cloud.upstream(f'{{ metadata = "{cloud.house.metadata}" }}'))
    put_and_get(gateway.boto("s3"))
    assert ":assumed-role/by-metadata/" in last_principal(cloud)
    given = cloud.house.credentials("by-metadata")
    say_nothing(gateway, given["SecretAccessKey"], given["Token"])


def test_a_metadata_service_that_comes_later(cloud, houses):
    machine_role(cloud, "later")
    port = free_port()
    gateway = houses(config=cloud.upstream(f'{{ metadata = "http://127.0.0.1:{port}" }}'))
    client = gateway.boto("s3")
    code, message, status = error_of(client.get_object, Bucket=BUCKET, Key="k")
    assert (code, status) == ("ServiceUnavailable", 503) and "127.0.0.1" not in message
    assert "no new credentials" in (gateway.path / "log").read_text()
    # The metadata service behind another port: callers are known by their connection, so the wire is our own process.
    wire = Wire(urllib.parse.urlsplit(cloud.house.metadata).port, port)
    try:
        def works():
            try:
                put_and_get(client)
            except ClientError:
                return False
            return True

        wait_for(works, "the credentials being there", 40)
    finally:
        wire.close()


def test_a_container_s_credentials(cloud, houses):
    machine_role(cloud, "by-container")
    show = "import json,os,sys; print(json.dumps(dict(os.environ)), flush=True); sys.stdin.read()"
    running = subprocess.Popen([BINARY, "run", "--data", str(cloud.house.data), "--role", "by-container", "--", "python3",
                                "-c", show], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=CLEAN)
    try:
        env = json.loads(running.stdout.readline())
        url, file = env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
        gateway = houses(config=cloud.upstream(f'{{ container = "{url}", container_token_file = "{file}" }}'))
        put_and_get(gateway.boto("s3"))
        assert ":assumed-role/by-container/" in last_principal(cloud)
        say_nothing(gateway, env["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
        with pytest.raises(AssertionError, match="container is an https URL"):
            House(config=cloud.upstream('{ container = "http://10.0.0.1/" }'))
        with pytest.raises(AssertionError, match="cannot be read"):
            House(config=cloud.upstream(f'{{ container = "{url}", container_token_file = "/nowhere" }}'))
    finally:
        running.stdin.close()
        running.wait(20)


# -- sessions of a role


def assume(cloud, arn, more=""):
    return f'{{ file = "{cloud.file()}", assume_role = {{ role_arn = "{arn}", sts_endpoint = "{cloud.api}"{more} }} }}'


@pytest.fixture(scope="module")
def named(cloud):
    """A gateway whose callers have sessions of their own at the cloud, of the role of the same name."""
    for name in ("build", "deploy"):
        cloud.role(name)
    running = House(config=cloud.upstream(assume(cloud, f"arn:aws:iam::{cloud.account}:role/{{role}}")))
    running.role("build", allow("s3:*"), trust(running.ready["account"], "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"))
    running.role("deploy", allow("s3:*"), trust(running.ready["account"], "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"))
    key = running.user("ana", allow(["s3:*", "sts:*"]))
    running.ana = (key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"])
    yield running
    running.close()


def session(gateway, role, name, **more):
    arn = f"arn:aws:iam::{gateway.ready['account']}:role/{role}"
    given = gateway.boto("sts", key=gateway.ana).assume_role(RoleArn=arn, RoleSessionName=name, **more)["Credentials"]
    return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]


def test_the_cloud_s_record_names_our_caller(cloud, named):
    key = session(named, "build", "job-4711", SourceIdentity="ana@example", Tags=[{"Key": "team", "Value": "red"}])
    put_and_get(named.boto("s3", key=key))
    assert last_principal(cloud) == f"arn:aws:sts::{cloud.account}:assumed-role/build/job-4711"
    asked = [json.dumps(record) for record in cloud.calls("AssumeRole")]
    assert any("job-4711" in record and "ana@example" in record and "team" in record and "red" in record for record in asked)
    # Another session of the same role, and another role.
    put_and_get(named.boto("s3", key=session(named, "build", "job-4712")))
    assert last_principal(cloud).endswith(":assumed-role/build/job-4712")
    put_and_get(named.boto("s3", key=session(named, "deploy", "job-4711")))
    assert last_principal(cloud).endswith(":assumed-role/deploy/job-4711")
    say_nothing(named, *cloud.secrets)


def test_the_cloud_s_policies_know_our_caller_s_tags_and_source_identity(cloud, named):
    policy = allow("s3:*", Condition={"StringEquals": {"aws:PrincipalTag/team": "blue", "aws:SourceIdentity": "bea"}})
    cloud.iam.put_role_policy(RoleName="deploy", PolicyName="p", PolicyDocument=json.dumps(policy))
    blue = [{"Key": "team", "Value": "blue"}]
    put_and_get(named.boto("s3", key=session(named, "deploy", "tagged", SourceIdentity="bea", Tags=blue)))
    for more in ({"SourceIdentity": "bea"}, {"Tags": blue}, {"SourceIdentity": "eve", "Tags": blue}):
        # The same session name with other facts is another session.
        other = named.boto("s3", key=session(named, "deploy", "tagged", **more))
        assert error_of(other.get_object, Bucket=BUCKET, Key="k")[0] == "AccessDenied", more
    cloud.iam.put_role_policy(RoleName="deploy", PolicyName="p", PolicyDocument=json.dumps(allow("s3:*")))


def test_requests_at_once_share_one_session(cloud, named):
    key = session(named, "build", "crowd")
    failed, start = [], threading.Barrier(12)

    def ask():
        client = named.boto("s3", key=key)
        start.wait()
        try:
            client.list_objects_v2(Bucket=BUCKET)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
            failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len([record for record in cloud.calls("AssumeRole") if "/crowd" in json.dumps(record)]) == 1


def test_who_has_no_role_gets_none_there(named):
    code, message, status = error_of(named.boto("s3", key=named.ana).get_object, Bucket=BUCKET, Key="k")
    assert (code, status) == ("AccessDenied", 403) and "No role of the upstream is meant for you" in message


def test_a_role_the_cloud_refuses_is_503_and_the_reason_in_the_log(cloud, named):
    named.role("nobody", allow("s3:*"), trust(named.ready["account"]))
    client = named.boto("s3", key=session(named, "nobody", "x-1"))
    code, message, status = error_of(client.get_object, Bucket=BUCKET, Key="k")
    assert (code, status) == ("ServiceUnavailable", 503) and "arn:" not in message
    log = (named.path / "log").read_text()
    assert "role/nobody as x-1" in log and "AccessDenied" in log


def test_users_and_long_names(cloud, houses):
    arn = cloud.role("everyone", StringEquals={"sts:ExternalId": "from-us"})
    gateway = houses(config=cloud.upstream(assume(cloud, arn, ', external_id = "from-us", duration_seconds = 900')))
    for name, there in (("bob", "bob"), ("b", "b-")):
        key = gateway.user(name, allow("s3:*"))
        put_and_get(gateway.boto("s3", key=(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"])))
        assert f":assumed-role/everyone/{there}" in last_principal(cloud)
    # Nobody's requests share one session. Here a bucket's own policy lets them in.
    gateway.boto("s3").delete_public_access_block(Bucket=BUCKET)
    gateway.boto("s3").put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
                                                "Resource": f"arn:aws:s3:::{BUCKET}/*"}]}))
    assert urllib.request.urlopen(f"{gateway.api}/{BUCKET}/k", timeout=5).status == 200
    assert last_principal(cloud).endswith(":assumed-role/everyone/anonymous")


def test_one_session_for_all(cloud, houses):
    arn = cloud.role("shared")
    gateway = houses(config=cloud.upstream(assume(cloud, arn, ", per_caller = false")))
    key = gateway.user("cy", allow("s3:*"))
    put_and_get(gateway.boto("s3", key=(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"])))
    put_and_get(gateway.boto("s3"))
    assert last_principal(cloud).endswith(":assumed-role/shared/hallpass")
    assert len([record for record in cloud.calls("AssumeRole") if "role/shared" in json.dumps(record)]) == 1


def test_minio_s_own_token_service(houses, tmp_path):
    minio = Minio(tmp_path)
    try:
        # MinIO's root assumes no role when it is asked in its own way; its STS looks at no role at all.
        file = tmp_path / "minio-credentials"
        file.write_text(minio.credentials())
        gateway = houses(config=f"""
[[upstream]]
name = "minio"
buckets = ["cloud-*"]
endpoint = "{minio.endpoint}"
credentials = {{ file = "{file}", profile = "minio", assume_role = {{ role_arn = "arn:aws:iam::000000000000:role/x", sts_endpoint = "{minio.endpoint}" }} }}
""")
        client = gateway.boto("s3")
        client.create_bucket(Bucket=BUCKET)
        put_and_get(client)
        say_nothing(gateway, minio.secret)
    finally:
        minio.close()


def test_a_web_identity_at_moto(houses, tmp_path):
    moto = Moto(tmp_path)
    try:
        token = tmp_path / "token"
        token.write_text("header.payload." + secrets.token_hex(20) + "\n")
        gateway = houses(config=f"""
[[upstream]]
name = "moto"
buckets = ["cloud-*"]
endpoint = "{moto.endpoint}"
credentials = {{ web_identity_token_file = "{token}", assume_role = {{ role_arn = "arn:aws:iam::123456789012:role/web", sts_endpoint = "{moto.endpoint}" }} }}
""")
        client = gateway.boto("s3")
        client.create_bucket(Bucket=BUCKET)
        put_and_get(client)
        say_nothing(gateway, token.read_text().strip())
    finally:
        moto.close()


def test_nothing_secret_is_in_the_log_or_the_record(cloud, houses, monkeypatch):
    """Not with every word of the log: neither the key, nor what was got for it, nor a signature."""
    monkeypatch.setenv("HALLPASS_LOG", "trace")
    wire = Wire(urllib.parse.urlsplit(cloud.api).port)
    try:
        credentials = assume(cloud, cloud.role("quiet")).replace(cloud.api, wire.endpoint)
        gateway = houses(config=cloud.upstream(credentials, wire.endpoint))
        put_and_get(gateway.boto("s3"))
        sent = bytes(wire.sent).decode(errors="replace")
        tokens = set(re.findall(r"(?i)^x-amz-security-token: (\S+)", sent, re.M))
        signatures = set(re.findall(r"Signature=([0-9a-f]{64})", sent))
        made = set(re.findall(r"<SecretAccessKey>(.+?)</SecretAccessKey>", bytes(wire.answered).decode(errors="replace")))
        assert len(tokens) == 1 and len(signatures) >= 3 and len(made) == 1
        assert "TRACE" in (gateway.path / "log").read_text()
        say_nothing(gateway, *cloud.secrets, *tokens, *signatures, *made)
    finally:
        wire.close()


# -- while running


def test_the_cloud_s_keys_are_rotated_while_requests_run(cloud, houses):
    old = cloud.user("rotating")
    gateway = houses(config=cloud.upstream(f'{{ file = "{cloud.file(old)}" }}'))
    done, failed, stop = [0] * 4, [], threading.Event()

    def work(number):
        client = gateway.boto("s3")
        while not stop.is_set():
            try:
                put_and_get(client, f"rotation-{number}")
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
                failed.append(error)
            done[number] += 1

    def some_more(count):
        before = list(done)
        wait_for(lambda: failed or all(now >= then + count for now, then in zip(done, before)), "every thread going on", 40)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            some_more(30)
            new = cloud.new_key("rotating")
            cloud.file(new)
            # Those that were signed with the old key arrive first.
            some_more(2)
            cloud.iam.delete_access_key(UserName="rotating", AccessKeyId=old["AccessKeyId"])
            old = new
        some_more(30)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failed == []
    say_nothing(gateway, *cloud.secrets)


def test_a_cloud_that_goes_and_comes_back(houses, tmp_path):
    cloud = Cloud(tmp_path, api=f"127.0.0.1:{free_port()}")
    try:
        arn = cloud.role("steady")
        gateway = houses(config=cloud.upstream(assume(cloud, arn)))
        client = gateway.boto("s3")
        put_and_get(client)
        assert metric(gateway, "hallpass_upstream_up") == "1"
        cloud.house.stop()

        def is_down():
            code, _, status = error_of(client.get_object, Bucket=BUCKET, Key="k")
            assert (code, status) == ("ServiceUnavailable", 503)
            return metric(gateway, "hallpass_upstream_up") == "0"

        wait_for(is_down, "the upstream being seen as down")
        # A caller without a session there hears the same.
        key = gateway.user("new", allow("s3:*"))
        other = gateway.boto("s3", key=(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"]))
        assert error_of(other.get_object, Bucket=BUCKET, Key="k")[::2] == ("ServiceUnavailable", 503)
        cloud.house.start()

        def works(client):
            try:
                put_and_get(client)
            except ClientError as error:
                assert error.response["Error"]["Code"] == "ServiceUnavailable"
                return False
            return True

        wait_for(lambda: works(client) and works(other), "requests succeeding again", 60)
        assert metric(gateway, "hallpass_upstream_up") == "1"
        say_nothing(gateway, *cloud.secrets)
    finally:
        cloud.close()


def test_a_cloud_behind_tls_of_its_own(houses, tmp_path, monkeypatch):
    certificate(tmp_path)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.crt"))
    cloud = Cloud(tmp_path, config=f'[listener]\ncertificate_file = "{tmp_path}/tls.crt"\nkey_file = "{tmp_path}/tls.key"\n')
    try:
        assert cloud.api.startswith("https://")
        arn = cloud.role("over-tls")
        more = f'ca_file = "{tmp_path}/ca.crt"'
        gateway = houses(config=cloud.upstream(assume(cloud, arn), more=more))
        put_and_get(gateway.boto("s3"))
        assert ":assumed-role/over-tls/" in last_principal(cloud)
        # Another's certificate is not believed, by the token service's client either.
        other = tmp_path / "other"
        other.mkdir()
        certificate(other)
        gateway = houses(config=cloud.upstream(assume(cloud, arn), more=f'ca_file = "{other}/ca.crt"'))
        assert error_of(gateway.boto("s3").get_object, Bucket=BUCKET, Key="k")[::2] == ("ServiceUnavailable", 503)
        assert "no new credentials" in (gateway.path / "log").read_text()
    finally:
        cloud.close()
