"""Document 004, "How IAM Roles Become Credentials on EC2": each of its commands as printed, on a machine of its own.

The document ends with its author stealing his own credentials: copied to his laptop, they open the bucket. Here the
same three lines in `~/.aws/credentials` open it from the instance and from nowhere else.
"""
import json
import os
import re

import pytest

from house import TOOLS, wait_for

BUCKET = "kjh-encryption-test1"
ROLE = "kjh-s3-encryption-test1-role"
API = "10.77.0.1:7400"
LINE = "The quick brown fox jumps over the lazy dog.\n"
# The document's policy, letter for letter.
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "Stmt1471042403000",
            "Effect": "Allow",
            "Action": ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"],
            "Resource": [f"arn:aws:s3:::{BUCKET}/*"],
        }
    ],
}
PRINTED = f"http://169.254.169.254/latest/meta-data/iam/security-credentials/{ROLE}"


@pytest.fixture
def instance(lan, houses):
    """The document's instance (10.77.0.1), with its role and the bucket; `lan.machine(2)` is somebody's laptop."""
    machine = lan.machine(1)
    house = houses("--link-local", machine=machine, api=API)
    house.aws("s3", "mb", f"s3://{BUCKET}")
    house.role(ROLE, POLICY)
    house.rules(f'[[rule]]\nname = "the instance\'s user"\nuid = {os.geteuid()}\nroles = ["{ROLE}"]\n')
    return house


def allow_version_1(house):
    """The document is of 2016, when every instance answered without a token."""
    house.aws("ec2", "modify-instance-metadata-options", "--instance-id", house.ready["instance"],
              "--http-tokens", "optional")
    # The agent trusts its view of the machine for a second.
    wait_for(lambda: house.run(["curl", "-sf", PRINTED], check=False).returncode == 0, "version 1 being answered")


def is_the_printed_answer(text):
    fields = json.loads(text, object_pairs_hook=list)
    assert [name for name, _ in fields] == [
        "Code", "LastUpdated", "Type", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"]
    values = dict(fields)
    assert values["Code"] == "Success" and values["Type"] == "AWS-HMAC"
    assert re.fullmatch(r"ASIA[A-Z2-7]{16}", values["AccessKeyId"])
    assert re.fullmatch(r"[A-Za-z0-9+/]{40}", values["SecretAccessKey"])
    for moment in ("LastUpdated", "Expiration"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", values[moment])
    # Two blanks, the name, ` : `, the value: people cut this with sed.
    lines = text.split("\n")
    assert lines[0] == "{" and lines[-1] == "}" and len(lines) == 9, text
    assert all(re.fullmatch(r'  "\w+" : "[^"]+",?', line) for line in lines[1:-1]), text
    return values


def test_curl_prints_the_role_s_credentials_as_in_the_document(instance):
    # Version 2, the default: without a token there is nothing.
    refused = instance.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", PRINTED])
    assert refused.stdout == "401"
    token = instance.run(["curl", "-sf", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 21600",
                          "http://169.254.169.254/latest/api/token"]).stdout
    with_token = instance.run(["curl", "-sf", "-H", f"X-aws-ec2-metadata-token: {token}", PRINTED]).stdout
    is_the_printed_answer(with_token)

    # The command as printed, once the instance allows it.
    allow_version_1(instance)
    assert instance.run(["curl", "-sf", PRINTED]).stdout == with_token, "one lease, whichever version asks"


def test_the_ec2role_profile_works_on_the_instance_and_nowhere_else(instance, lan, tmp_path):
    allow_version_1(instance)
    stolen = is_the_printed_answer(instance.run(["curl", "-sf", PRINTED]).stdout)
    file = tmp_path / "credentials"
    file.write_text(
        "[ec2role]  \n"
        f"aws_access_key_id = {stolen['AccessKeyId']}  \n"
        f"aws_secret_access_key = {stolen['SecretAccessKey']}  \n"
        f"aws_session_token = {stolen['Token']}\n")
    (tmp_path / "quickbrownfox.txt").write_text(LINE)
    with_file = instance.env(AWS_SHARED_CREDENTIALS_FILE=str(file), AWS_EC2_METADATA_DISABLED="true")
    aws = str(TOOLS / "python-awscli/bin/aws")
    upload = [aws, "--profile", "ec2role", "s3", "cp", "quickbrownfox.txt", f"s3://{BUCKET}/cli-s3-sse/", "--sse"]

    # The machine the credentials were issued to.
    done = instance.run(upload, env=with_file, cwd=tmp_path)
    assert done.stdout.splitlines()[-1].endswith(
        f"upload: ./quickbrownfox.txt to s3://{BUCKET}/cli-s3-sse/quickbrownfox.txt")
    head = instance.aws("s3api", "head-object", "--bucket", BUCKET, "--key", "cli-s3-sse/quickbrownfox.txt")
    assert head["ServerSideEncryption"] == "AES256"

    # "From my local machine": the same words, the same keys, another address.
    laptop = lan.machine(2)
    refused = instance.run(upload, env=with_file, cwd=tmp_path, machine=laptop, check=False)
    assert refused.returncode != 0 and "AccessDenied" in refused.stderr, refused.stderr
    read = [aws, "--profile", "ec2role", "s3", "cp", f"s3://{BUCKET}/cli-s3-sse/quickbrownfox.txt", "stolen.txt"]
    assert instance.run(read, env=with_file, cwd=tmp_path, machine=laptop, check=False).returncode != 0
    assert not (tmp_path / "stolen.txt").exists()
    # On record: whose session it was, and from where it was tried.
    record = wait_for(
        lambda: next((r for r in instance.records(eventName="PutObject", errorCode="AccessDenied")
                      if r["sourceIPAddress"] == "10.77.0.2"), None), "the refusal being on record")
    assert record["userIdentity"]["accessKeyId"] == stolen["AccessKeyId"]
    why = instance.hallpass("why", record["requestID"]).stdout
    assert "10.77.0.2" in why and "refused" in why

    # "Back on the EC2 instance, I downloaded that same file, but using the default profile."
    down = instance.run([aws, "s3", "cp", f"s3://{BUCKET}/cli-s3-sse/quickbrownfox.txt", "back.txt"], cwd=tmp_path)
    assert f"download: s3://{BUCKET}/cli-s3-sse/quickbrownfox.txt to ./back.txt" in down.stdout
    assert (tmp_path / "back.txt").read_text() == LINE
    # The printed policy allows no listing.
    assert "AccessDenied" in instance.run([aws, "s3", "ls", f"s3://{BUCKET}"], check=False).stderr


def test_encryption_with_a_key_of_the_client_is_refused_in_words(instance, tmp_path):
    """The directory cannot do SSE-C; taking the object and storing it in clear would be a lie."""
    (tmp_path / "secret.txt").write_text(LINE)
    aws = str(TOOLS / "python-awscli/bin/aws")
    refused = instance.run(
        [aws, "s3", "cp", "secret.txt", f"s3://{BUCKET}/secret.txt", "--sse-c", "AES256", "--sse-c-key", "k" * 32],
        cwd=tmp_path, check=False)
    assert refused.returncode != 0
    assert "NotImplemented" in refused.stderr and "SSE-C" in refused.stderr, refused.stderr
    listed = instance.aws("s3api", "list-objects-v2", "--bucket", BUCKET)
    assert not (listed or {}).get("Contents"), listed
