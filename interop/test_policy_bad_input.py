"""What strangers may hand to the policy commands and to IAM: each is refused or answered, within bounds of memory."""
import json
import os
import resource
import subprocess
import tempfile

import pytest

BINARY = os.environ["HALLPASS_BINARY"]
MEBIBYTE = 1 << 20
# Reading stops at a limit, and what a limit lets through is a small multiple of it in memory.
MEMORY_MAX = 600 * MEBIBYTE


def statement(**more):
    return {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*", **more}


def text(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


HUGE = {
    "ten mebibytes": b'{"Version":"2012-10-17","Statement":[' + b'{"Effect":"Allow","Action":"s3:*","Resource":"*"},' * 210_000 + b"]}",
    "ten mebibytes of one string": b'{"Version":"' + b"9" * (10 * MEBIBYTE) + b'"}',
    "deep arrays": b"[" * 100_000,
    "deep objects": b'{"Statement":' * 100_000,
    "deep inside a statement": b'{"Statement":{"Condition":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_002,
    "not text": b"\xff\xfe\x00" * 1_000,
    "broken utf-8 inside": b'{"Version":"2012-10-17","Id":"\xc3\x28","Statement":[]}',
    "nothing": b"",
    "zeros": b"\0" * 100_000,
    "many values": text(statement(Action=[f"s3:a{number}" for number in range(20_000)])).encode(),
}
ALLOWED = {
    "stars": text(statement(Resource="arn:aws:s3:::" + "*a" * 5_000), statement(Action="s3:" + "*a" * 3_000)),
    "question marks": text(statement(Resource="arn:aws:s3:::" + "?*" * 5_000)),
    "conditions": text(*(statement(Condition={"StringLike": {f"k{number}": "*a*b*c*"}}) for number in range(1_000))),
    "one condition of many values": text(statement(Condition={"StringNotLike": {"aws:PrincipalArn": [f"*{number}*a*" for number in range(9_000)]}})),
    "many statements": text(*(statement(Resource=f"arn:aws:s3:::b{number}/*") for number in range(1_400))),
}


def run(*words, stdin=None):
    """(exit code, stdout, stderr) with bounded memory: more ends the process, which the test would see."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (4 * MEMORY_MAX, 4 * MEMORY_MAX))  # noqa: E731
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin or b"")
        given.seek(0)
        process = subprocess.Popen([BINARY, "policy", *words], stdin=given, stdout=out, stderr=err, preexec_fn=limit)
        # Of this process alone: other tests' stores are children, too, and larger.
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read(), err.read()
    assert used.ru_maxrss * 1024 < MEMORY_MAX
    assert b"panicked" not in stderr and code in (0, 1, 2), stderr[-500:]
    return code, stdout, stderr


@pytest.mark.parametrize("name", HUGE)
def test_what_is_no_policy_is_refused(name, tmp_path):
    path, good = tmp_path / "p.json", tmp_path / "good.json"
    path.write_bytes(HUGE[name])
    good.write_text(text(statement()))
    code, out, error = run("check", path)
    assert (code == 2 and error) or (code == 1 and out), name
    for pair in ((path, good), (good, path)):
        code, _, error = run("compare", *pair)
        assert code == 2 and error, name
    whole = b'{"principal":"anonymous","action":"s3:GetObject","resource":"*","identity_policies":' + HUGE[name] + b"}"
    code, out, error = run("explain", "--request", "-", stdin=whole)
    assert code == 2 and error and not out


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_hard_is_still_answered(name, tmp_path):
    document = ALLOWED[name]
    path = tmp_path / "p.json"
    path.write_text(document)
    assert run("check", path)[0] in (0, 1)
    code, out, _ = run("compare", path, path)
    assert code in (0, 2) and out
    request = {"principal": "arn:aws:iam::123456789012:user/ana", "action": "s3:" + "a" * 200,
               "resource": "arn:aws:s3:::" + "a" * 2_000, "identity_policies": json.loads(document),
               "context": {f"k{number}": "abc" * 30 for number in range(1_000)}}
    code, out, error = run("explain", "--request", "-", stdin=json.dumps(request).encode())
    assert code in (0, 1) and json.loads(out)["decision"], error


# AWS's client sends no file that is not text.
@pytest.mark.parametrize("name", [name for name in HUGE if "not text" not in name and "utf-8" not in name])
def test_iam_refuses_them_too(shared, name):
    """Through the API: too long is AWS's error, broken is MalformedPolicyDocument; the server lives on."""
    document = HUGE[name].decode().replace("\0", " ")[:900_000] or " "
    path = shared.path / "document"
    path.write_text(document)
    words = ("iam", "create-policy", "--policy-name", "bad", "--policy-document", f"file://{path}")
    refused = shared.aws(*words, check=False)
    assert refused.returncode != 0
    assert any(code in refused.stderr for code in (
        "MalformedPolicyDocument", "LimitExceeded", "ValidationError", "RequestEntityTooLarge", "RequestTooLarge")), refused.stderr[:300]
    assert shared.aws("sts", "get-caller-identity")["Account"]
