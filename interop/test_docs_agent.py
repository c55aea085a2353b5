"""docs/agent.md, followed as it stands: its files, its commands, their output. The AWS behind it is another Hallpass."""
import json
import os
import re
import signal
from pathlib import Path

from page import follow

PAGE = Path(__file__).parent.parent / "docs/agent.md"
ACCOUNT = "111122223333"


def normal(text):
    text = re.sub(r"\b\d{12}\b", ACCOUNT, text)
    text = re.sub(r"\bi-[0-9a-f]{17}\b", "i-0123456789abcdef0", text)
    text = re.sub(r"\bASIA[A-Z0-9]{16}\b", "ASIAIOSFODNN7EXAMPLE", text)
    text = re.sub(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-11-22T15:00:00Z", text)
    return re.sub(r"\bpid \d+", "pid 4242", text)


class Shell:
    """What the reader has: an agent's folder, and clients that are pointed at the other Hallpass instead of AWS."""

    def __init__(self, house, data):
        self.house, self.data = house, data

    def admin_env(self):
        return {"AWS_ENDPOINT_URL": self.house.api, "AWS_DEFAULT_REGION": "eu-central-1"}


def test_the_page_is_what_a_reader_gets(house, tmp_path):
    account = house.ready["account"]
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]}]}
    house.role("app", {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]}, trust)
    house.user("base", {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]})
    key = house.boto("iam").create_access_key(UserName="base")["AccessKey"]
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "credentials").write_text(f"[base]\naws_access_key_id = {key['AccessKeyId']}\n"
                                        f"aws_secret_access_key = {key['SecretAccessKey']}\n")
    endpoint = f'profile = "base"\nsts_endpoint = "{house.api}"\n'
    text = PAGE.read_text()
    copy = tmp_path / "agent.md"
    copy.write_text(text.replace('profile = "base"\n', endpoint, 1).replace(f"iam::{ACCOUNT}:role/app", f"iam::{account}:role/app"))
    try:
        assert follow(copy, Shell(house, folder / "run"), tmp_path, normal) >= 3
    finally:
        ready = folder / "run/agent.json"
        if ready.exists():
            os.kill(json.loads(ready.read_text())["pid"], signal.SIGTERM)
        if os.environ.get("HALLPASS_BLESS"):
            PAGE.write_text(copy.read_text().replace(endpoint, 'profile = "base"\n').replace(account, ACCOUNT))
