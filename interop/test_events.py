"""Streams of events to other services: a real client over HTTP/2, results while it still speaks, an upstream that checks our
signatures by its own code, and streams that someone changed on the way."""
import http.server
import json
import struct
import subprocess
import threading
import zlib

import pytest

from house import TOOLS, House, wait_for
from test_listener import certificate

NODE = TOOLS / "client-node"
SECRET = "the-real-secret"


class Upstream:
    """`events_upstream.mjs`, and what it says it got."""

    def __init__(self, folder, *tls):
        self.out = folder / "upstream.out"
        with open(self.out, "wb") as out:
            self.process = subprocess.Popen(["node", NODE / "events_upstream.mjs", SECRET, *tls], stdout=out)
        self.port = wait_for(self.said, "the upstream listening")[0]["port"]

    def said(self):
        lines = self.out.read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def next(self, seen):
        """What became of the request after the first `seen`."""
        return wait_for(lambda: self.said()[1 + seen:], "the upstream's stream closing", 20)[0]

    def close(self):
        self.process.terminate()
        self.process.wait()


def started(folder, upstream, scheme="http", more="", listener=""):
    keys = folder / "credentials"
    keys.write_text(f"[real]\naws_access_key_id = AKIAREALREALREALREAL\naws_secret_access_key = {SECRET}\n")
    return House(config=f"""{listener}
[[upstream]]
name = "cloud"
services = ["transcribe", "polly"]
endpoint = "{scheme}://127.0.0.1:{upstream.port}"
credentials = {{ file = "{keys}", profile = "real" }}
{more}
""")


@pytest.fixture(scope="module")
def upstream(tmp_path_factory):
    running = Upstream(tmp_path_factory.mktemp("upstream"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def house(upstream, tmp_path_factory):
    running = started(tmp_path_factory.mktemp("keys"), upstream, listener="[listener]\nbody_timeout_seconds = 2\n")
    yield running
    running.close()


def talk(house, key, *pieces, **env):
    env = house.env(AWS_ACCESS_KEY_ID=key[0], AWS_SECRET_ACCESS_KEY=key[1], AWS_REGION=house.ready["region"], **env)
    told = house.run(["node", NODE / "events_client.mjs", house.api, *pieces], env=env).stdout
    return json.loads(told.splitlines()[-1])


def raw(house, deed, key=None):
    identity, secret = key or house.admin_key()[:2]
    told = house.run(["node", NODE / "events_raw.mjs", house.api, secret, identity, house.ready["region"], deed])
    return json.loads(told.stdout)


def test_the_javascript_sdk_hears_results_while_it_speaks(house, upstream):
    seen = len(upstream.said()) - 1
    answer = talk(house, house.admin_key()[:2], "hello", "is", "anyone there", "x" * 30_000)
    assert answer["ok"] and answer["results"] == ["hello", "is", "anyone there", "x" * 40], answer
    got = upstream.next(seen)
    assert (got["events"], got["final"], got["ended"], got["error"]) == (4, True, True, None)
    assert "AKIAREALREALREALREAL/" in got["headers"]["authorization"] and "host" not in got["headers"]
    assert got["headers"]["x-amzn-transcribe-language-code"] == "en-US" and "x-amz-security-token" not in got["headers"]
    record = house.records(eventSource="transcribe.amazonaws.com", eventName="StartStreamTranscription")[-1]
    assert record["additionalEventData"]["hallpass"]["upstream"] == "cloud" and "errorCode" not in record
    # It is written before the first result leaves, so it cannot tell how much was said.
    assert "bytesTransferredIn" not in record["additionalEventData"]


def test_policies_decide_and_the_upstream_hears_nothing(house, upstream):
    seen = len(upstream.said()) - 1
    iam = house.boto("iam")
    iam.create_user(UserName="speaker")
    made = iam.create_access_key(UserName="speaker")["AccessKey"]
    key = made["AccessKeyId"], made["SecretAccessKey"]
    answer = talk(house, key, "hello")
    assert not answer["ok"] and "is not authorized to perform: transcribe:StartStreamTranscription" in answer["error"]
    assert raw(house, "good", key)["status"] == 403
    wrong = raw(house, "good", (key[0], "not the secret"))
    assert wrong["status"] == 403 and "ignature" in wrong["text"]
    assert len(upstream.said()) - 1 == seen
    iam.put_user_policy(UserName="speaker", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "transcribe:StartStreamTranscription", "Resource": "*"}]}))
    assert talk(house, key, "hello")["results"] == ["hello"]


def test_a_stream_made_by_hand_passes(house, upstream):
    seen = len(upstream.said()) - 1
    outcome = raw(house, "good")
    assert (outcome["status"], outcome["events"], outcome["ended"]) == (200, 3, True), outcome
    got = upstream.next(seen)
    assert (got["events"], got["final"], got["ended"], got["error"]) == (3, True, True, None)


def test_http_1_streams_both_ways_too(house, upstream):
    seen = len(upstream.said()) - 1
    identity, secret = house.admin_key()
    told = house.run(["node", NODE / "events_http1.mjs", house.api, secret, identity, house.ready["region"]]).stdout
    assert json.loads(told) == {"status": 200, "answers": 2, "ended": True}
    got = upstream.next(seen)
    assert (got["events"], got["final"], got["ended"], got["error"]) == (2, True, True, None)


@pytest.mark.parametrize("deed, events", [
    ("changed", 1), ("bad-checksum", 1), ("dropped", 1), ("swapped", 0), ("replayed", 1), ("truncated", 2), ("without-end", 3),
    ("more-after-end", 3), ("huge", 1), ("long-ago", 0), ("hang-up", 2), ("silent", 1)])
def test_a_stream_that_is_not_what_was_signed_never_ends_well(house, upstream, deed, events):
    seen = len(upstream.said()) - 1
    outcome = raw(house, deed)
    assert not (outcome["status"] == 200 and outcome["ended"]), outcome
    # What was proven before may have gone on; nothing after did, and the stream was broken off.
    if said := upstream.said()[1 + seen:] or (outcome["status"] == 200 and [upstream.next(seen)]):
        got = said[0]
        assert got["events"] <= events and not got["final"] and not got["ended"] and got["error"] is None, got


def test_a_stream_is_for_operations_that_take_one(house):
    key, secret = house.admin_key()[:2]
    polly = house.boto("polly", key=(key, secret))
    polly.meta.events.register("before-sign", lambda request, **_: request.headers.__setitem__(
        "x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-EVENTS"))
    with pytest.raises(Exception, match="takes no stream of events|ContentSha256|sha256"):
        polly.list_lexicons()


def test_tls_agrees_on_http_2_at_both_ends(tmp_path):
    certificate(tmp_path, "ours")
    far_key, far_crt = tmp_path / "far.key", tmp_path / "far.crt"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=far", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE",
                    "-keyout", far_key, "-out", far_crt], check=True, capture_output=True)
    upstream = Upstream(tmp_path, far_key, far_crt)
    house = started(tmp_path, upstream, "https", f'ca_file = "{far_crt}"',
                    f'[listener]\ncertificate_file = "{tmp_path}/tls.crt"\nkey_file = "{tmp_path}/tls.key"\n')
    try:
        assert house.api.startswith("https://")
        answer = talk(house, house.admin_key()[:2], "hello", "again", NODE_EXTRA_CA_CERTS=str(tmp_path / "tls.crt"))
        assert answer["results"] == ["hello", "again"], answer
        got = upstream.next(0)
        assert (got["events"], got["final"], got["ended"], got["error"]) == (2, True, True, None)
    finally:
        house.close()
        upstream.close()


def event(kind, payload):
    """One message of an answer, as a service frames it: nothing is signed there."""
    headers = b"".join(
        bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value
        for name, value in ((b":event-type", kind), (b":content-type", b"application/octet-stream"), (b":message-type", b"event")))
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    covered = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return covered + struct.pack(">I", zlib.crc32(covered))


def test_events_in_an_answer_pass_as_they_are(tmp_path):
    class Function(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-type", "application/vnd.amazon.eventstream")
            self.end_headers()
            for part in (b"first ", b"second"):
                self.wfile.write(event(b"PayloadChunk", part))
            self.wfile.write(event(b"InvokeComplete", b"{}"))

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Function)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    keys = tmp_path / "credentials"
    keys.write_text("[real]\naws_access_key_id = AKIAREALREALREALREAL\naws_secret_access_key = x\n")
    house = House(config=f"""
[[upstream]]
name = "cloud"
services = ["lambda"]
endpoint = "http://127.0.0.1:{server.server_port}"
credentials = {{ file = "{keys}", profile = "real" }}
""")
    try:
        answer = house.boto("lambda").invoke_with_response_stream(FunctionName="f", Payload=b"{}")
        events = list(answer["EventStream"])
        assert [part["PayloadChunk"]["Payload"] for part in events[:-1]] == [b"first ", b"second"] and "InvokeComplete" in events[-1]
    finally:
        house.close()
        server.shutdown()
