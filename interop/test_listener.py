"""How requests reach us: TLS and its renewal, HTTP/2, proxies that say who is behind them, limits, slow senders, metrics."""
import http.client
import json
import re
import socket
import ssl
import struct
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest
from botocore.exceptions import ClientError

from house import House, wait_for


def certificate(folder, name):
    """A self-signed certificate for 127.0.0.1, in the place of the one before."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE",
         "-keyout", folder / "new.key", "-out", folder / "new.crt"], check=True, capture_output=True)
    (folder / "new.key").rename(folder / "tls.key")
    (folder / "new.crt").rename(folder / "tls.crt")


def name_served(house):
    host, port = urllib.parse.urlsplit(house.api).hostname, urllib.parse.urlsplit(house.api).port
    pem = ssl.get_server_certificate((host, port))
    return subprocess.run(["openssl", "x509", "-noout", "-subject"], input=pem, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    certificate(folder, "first")
    house = House(config=f'[listener]\ncertificate_file = "{folder}/tls.crt"\nkey_file = "{folder}/tls.key"\n')
    house.folder_of_keys = folder
    yield house
    house.close()


def test_clients_speak_tls_and_policies_know_it(secure, monkeypatch):
    assert secure.api.startswith("https://")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(secure.folder_of_keys / "tls.crt"))
    s3 = secure.boto("s3")
    # Over https boto3 sends chunks without signature, the checksum behind them.
    s3.put_object(Bucket=secure.ready["bucket"], Key="over-tls", Body=b"x" * 100_000)
    assert len(s3.get_object(Bucket=secure.ready["bucket"], Key="over-tls")["Body"].read()) == 100_000
    deny = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]}
    iam = secure.boto("iam")
    iam.create_user(UserName="tls")
    iam.put_user_policy(UserName="tls", PolicyName="p", PolicyDocument=json.dumps(deny))
    key = iam.create_access_key(UserName="tls")["AccessKey"]
    secure.boto("s3", key=(key["AccessKeyId"], key["SecretAccessKey"])).list_objects_v2(Bucket=secure.ready["bucket"])


def client_certificate(folder, name):
    """A certificate of the clients' authority; returns its fingerprint as a tag has it."""
    run = lambda *words: subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, text=True).stdout
    ca, key, crt = folder / "ca", folder / f"{name}.key", folder / f"{name}.crt"
    if not ca.with_suffix(".crt").exists():
        run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=clients",
            "-keyout", ca.with_suffix(".key"), "-out", ca.with_suffix(".crt"))
    if name != "ca":
        run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
            "-keyout", key, "-out", folder / f"{name}.csr")
        (folder / "v3").write_text("basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n")
        run("x509", "-req", "-in", folder / f"{name}.csr", "-CA", ca.with_suffix(".crt"), "-CAkey", ca.with_suffix(".key"),
            "-CAcreateserial", "-days", "2", "-extfile", folder / "v3", "-out", crt)
        return run("x509", "-in", crt, "-noout", "-fingerprint", "-sha256").split("=")[1].strip().replace(":", "").lower()
    return None


def test_a_session_bound_to_a_certificate_needs_it_and_works_from_anywhere(tmp_path):
    certificate(tmp_path, "server")
    client_certificate(tmp_path, "ca")
    fingerprint, _ = client_certificate(tmp_path, "mine"), client_certificate(tmp_path, "other")
    house = House(config=f'''[listener]
certificate_file = "{tmp_path}/tls.crt"
key_file = "{tmp_path}/tls.key"
client_ca_file = "{tmp_path}/ca.crt"
''')
    try:
        admin = house.admin_env(AWS_CA_BUNDLE=str(tmp_path / "tls.crt"))
        tag = lambda key, value: house.aws("ec2", "create-tags", "--resources", house.ready["instance"],
                                           "--tags", f"Key={key},Value={value}", env=admin)
        tag("hallpass:certificate", fingerprint)
        held = house.credentials()
        key = (held["AccessKeyId"], held["SecretAccessKey"], held["Token"])
        url = house.boto("s3", key=key, signature_version="s3v4").generate_presigned_url(
            "list_objects_v2", Params={"Bucket": house.ready["bucket"]})
        curl = lambda *words: house.run(["curl", "-sS", "--cacert", tmp_path / "tls.crt", "-w", "%{http_code}", *words, url]).stdout
        shown = lambda name: ["--cert", tmp_path / f"{name}.crt", "--key", tmp_path / f"{name}.key"]
        assert curl().endswith("403") and "bound to a certificate" in curl()
        assert curl(*shown("other")).endswith("403")
        assert curl(*shown("mine")).endswith("200")
        assert curl(*shown("mine"), "--interface", "127.0.0.9").endswith("200")
        # Tagging alone must not be enough to take the binding off.
        house.aws("iam", "create-user", "--user-name", "tagger", env=admin)
        only_tags = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*"}]}
        house.aws("iam", "put-user-policy", "--user-name", "tagger", "--policy-name", "p", "--policy-document", json.dumps(only_tags), env=admin)
        made = house.aws("iam", "create-access-key", "--user-name", "tagger", env=admin)["AccessKey"]
        tagger = house.env(AWS_ACCESS_KEY_ID=made["AccessKeyId"], AWS_SECRET_ACCESS_KEY=made["SecretAccessKey"],
                           AWS_CA_BUNDLE=str(tmp_path / "tls.crt"))
        words = ["ec2", "create-tags", "--resources", house.ready["instance"], "--tags"]
        house.aws(*words, "Key=team,Value=blue", env=tagger)
        refused = house.aws(*words, "Key=hallpass:binding,Value=off", env=tagger, check=False)
        assert "ec2:ModifyInstanceAttribute" in refused.stderr
    finally:
        house.close()


def test_report_mode_lets_pass_and_says_so():
    house = House()
    try:
        house.aws("ec2", "create-tags", "--resources", house.ready["instance"], "--tags", "Key=hallpass:binding,Value=report")
        held = house.credentials()
        key = (held["AccessKeyId"], held["SecretAccessKey"], held["Token"])
        url = house.boto("s3", key=key, signature_version="s3v4").generate_presigned_url(
            "list_objects_v2", Params={"Bucket": house.ready["bucket"]})
        for source, expect in [("127.0.0.1", True), ("127.0.0.9", False)]:
            assert house.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--interface", source, url]).stdout == "200"
            record = house.records(eventName="ListObjectsV2")[-1]
            assert record["additionalEventData"]["hallpass"]["withinBinding"] is expect
    finally:
        house.close()


def test_http_2_carries_the_same_requests(secure):
    url = secure.boto("s3", signature_version="s3v4").generate_presigned_url(
        "get_object", Params={"Bucket": secure.ready["bucket"], "Key": "over-h2"})
    put = secure.boto("s3", signature_version="s3v4").generate_presigned_url(
        "put_object", Params={"Bucket": secure.ready["bucket"], "Key": "over-h2"})
    curl = ["curl", "-sS", "--http2", "--cacert", secure.folder_of_keys / "tls.crt", "-w", "%{http_version} %{http_code}"]
    assert secure.run([*curl, "-T", "/etc/services", put]).stdout == "2 200"
    answer = secure.run([*curl, url]).stdout
    assert answer.startswith(open("/etc/services").read()) and answer.endswith("2 200")


def test_a_new_certificate_is_served_without_a_restart_and_a_broken_one_is_not(secure):
    folder = secure.folder_of_keys
    assert "first" in name_served(secure)
    certificate(folder, "second")
    assert "second" in name_served(secure)
    (folder / "tls.crt").write_text("-----BEGIN CERTIFICATE-----\nhalf")
    assert "second" in name_served(secure)
    certificate(folder, "third")
    assert "third" in name_served(secure)


def test_plain_http_gets_nothing_from_a_tls_port(secure):
    with pytest.raises((OSError, http.client.BadStatusLine)):
        urllib.request.urlopen(secure.api.replace("https://", "http://") + "/_hallpass/healthz", timeout=5)


# -- proxies


@pytest.fixture(scope="module")
def behind():
    house = House(config="""
[listener]
proxy_protocol_from = ["127.0.0.2/32"]
trusted_hops = ["127.0.0.3/32"]
body_timeout_seconds = 1

[limits.per_role]
requests_per_second = 5
""")
    yield house
    house.close()


def ask(house, first=b"", source="127.0.0.1", headers="", target="/nobodys/key"):
    """The first line of the answer to a request without signature that comes from `source` and begins with `first`."""
    where = urllib.parse.urlsplit(house.api)
    with socket.create_connection((where.hostname, where.port), 10, source_address=(source, 0)) as wire:
        wire.sendall(first + f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n".encode())
        answer = b""
        try:
            while data := wire.recv(65536):
                answer += data
        except ConnectionResetError:
            pass
    return answer.split(b"\r\n", 1)[0].decode()


def last_address(house):
    return house.records(eventSource="s3.amazonaws.com")[-1]["sourceIPAddress"]


def version_2(address, port=999):
    rest = socket.inet_aton(address) + socket.inet_aton("192.0.2.1") + struct.pack("!HH", port, 443)
    return b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x21, 0x11]) + struct.pack("!H", len(rest)) + rest


@pytest.mark.parametrize("header, address", [
    (b"PROXY TCP4 198.51.100.7 192.0.2.1 999 443\r\n", "198.51.100.7"),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 999 443\r\n", "2001:db8::7"),
    (version_2("198.51.100.8"), "198.51.100.8"),
    (b"PROXY UNKNOWN\r\n", "127.0.0.2"),
])
def test_a_named_proxy_says_who_asks(behind, header, address):
    assert "403" in ask(behind, header, "127.0.0.2")
    assert last_address(behind) == address


def test_a_named_proxy_must_and_nobody_else_may(behind):
    before = len(behind.records())
    assert ask(behind, b"", "127.0.0.2") == ""
    assert "400" in ask(behind, b"PROXY TCP4 198.51.100.7 192.0.2.1 999 443\r\n", "127.0.0.1")
    assert ask(behind, b"PROXY TCP4 nonsense\r\n", "127.0.0.2") == ""
    assert len(behind.records()) == before


def test_forwarded_addresses_are_believed_of_trusted_hops_alone(behind):
    ask(behind, headers="X-Forwarded-For: 198.51.100.9\r\n")
    assert last_address(behind) == "127.0.0.1"
    ask(behind, headers="X-Forwarded-For: 127.0.0.1, 198.51.100.9\r\n", source="127.0.0.3")
    assert last_address(behind) == "198.51.100.9"


def test_metrics_are_for_the_machine_and_not_for_who_is_behind_a_hop(behind):
    assert "200" in ask(behind, target="/_hallpass/metrics")
    assert "404" in ask(behind, target="/_hallpass/metrics", source="127.0.0.3", headers="X-Forwarded-For: 198.51.100.9\r\n")
    assert "200" in ask(behind, target="/_hallpass/healthz", source="127.0.0.3", headers="X-Forwarded-For: 198.51.100.9\r\n")


def test_a_session_bound_to_its_machine_is_refused_from_behind_another_address(behind):
    credentials = behind.credentials()
    key = (credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["Token"])
    url = behind.boto("s3", key=key, signature_version="s3v4").generate_presigned_url(
        "get_object", Params={"Bucket": behind.ready["bucket"], "Key": "none"})
    target = url[len(behind.api):]
    host = f"Host: {urllib.parse.urlsplit(behind.api).netloc}\r\n"
    request = lambda source, header: raw(behind, f"GET {target} HTTP/1.1\r\n{host}Connection: close\r\n{header}\r\n", source)
    assert b" 404 " in request("127.0.0.1", "")
    answer = request("127.0.0.3", "X-Forwarded-For: 198.51.100.9\r\n")
    assert b" 403 " in answer and b"bound to" in answer


def raw(house, request, source="127.0.0.1"):
    where = urllib.parse.urlsplit(house.api)
    with socket.create_connection((where.hostname, where.port), 10, source_address=(source, 0)) as wire:
        wire.sendall(request.encode())
        answer = b""
        while data := wire.recv(65536):
            answer += data
    return answer


# -- limits


def test_who_asks_too_often_is_told_to_slow_down_and_others_are_not(behind):
    iam = behind.boto("iam")
    keys = {}
    for name in ["busy", "calm"]:
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}))
        key = wait_for(lambda: made(iam, name), "a key")
        keys[name] = (key["AccessKeyId"], key["SecretAccessKey"])
    busy, calm = behind.boto("s3", key=keys["busy"]), behind.boto("s3", key=keys["calm"])
    codes = []
    for _ in range(40):
        try:
            busy.list_buckets()
            codes.append("")
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 503
            break
    assert codes[-1] == "SlowDown" and codes.count("") >= 5
    calm.list_buckets()
    # A client with its ordinary retries does not even notice.
    patient = behind.boto("s3", key=keys["busy"], retries={"total_max_attempts": 8, "mode": "standard"})
    for _ in range(10):
        patient.list_buckets()


def made(iam, name):
    try:
        return iam.create_access_key(UserName=name)["AccessKey"]
    except ClientError as error:
        assert error.response["Error"]["Code"] in ("Throttling", "SlowDown"), error
        return None


def test_a_sender_that_stops_in_the_middle_is_given_up_and_leaves_no_object(behind):
    url = wait_for(lambda: behind.boto("s3", signature_version="s3v4"), "a client").generate_presigned_url(
        "put_object", Params={"Bucket": behind.ready["bucket"], "Key": "half"})
    target, host = url[len(behind.api):], urllib.parse.urlsplit(behind.api).netloc
    answer = raw(behind, f"PUT {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\nhalf")
    assert b" 400 " in answer and b"RequestTimeout" in answer
    record = behind.records(eventName="PutObject")[-1]
    assert record["errorCode"] == "RequestTimeout" and record["additionalEventData"]["bytesTransferredIn"] == 4


# -- what is counted


def test_each_request_is_recorded_once_with_its_bytes_and_times_and_counted(house_for_counts):
    house = house_for_counts
    s3 = house.boto("s3")
    s3.put_object(Bucket=house.ready["bucket"], Key="counted", Body=b"x" * 1234)
    s3.get_object(Bucket=house.ready["bucket"], Key="counted")["Body"].read()
    put, = [r for r in house.records(eventName="PutObject") if r["requestParameters"]["key"] == "counted"]
    got, = [r for r in house.records(eventName="GetObject") if r["requestParameters"]["key"] == "counted"]
    assert put["additionalEventData"]["bytesTransferredIn"] == 1234
    assert got["additionalEventData"]["bytesTransferredOut"] == 1234
    detail = got["additionalEventData"]["hallpass"]
    assert detail["durationMicros"] >= detail["upstreamMicros"] > 0
    why = house.hallpass("why", got["requestID"]).stdout
    assert "GetObject" in why and "counted" in why
    text = urllib.request.urlopen(house.api + "/_hallpass/metrics", timeout=5).read().decode()
    value = lambda line: float(re.search(rf"^{re.escape(line)} (\S+)$", text, re.M)[1])
    assert value('hallpass_requests_total{service="s3",decision="served",status="200"}') >= 2
    assert value("hallpass_request_bytes_total") >= 1234 and value("hallpass_response_bytes_total") >= 1234
    assert value("hallpass_requests_running") == 0


@pytest.fixture
def house_for_counts():
    house = House()
    yield house
    house.close()
