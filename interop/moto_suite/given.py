"""What moto's tests give an API that AWS would refuse before it comes to what is tested: put right, word for word.

moto takes `some policy` for a document, `certbody` for a certificate, and paths without slashes. Only what is given is
changed, and what is expected where it says the same back. A line here that nothing needs any longer fails the run.
"""
import json
import re
import shutil
from pathlib import Path

from moto_suite.front import ACCOUNT

KEYS = Path(__file__).parent.parent.parent / "crates/hallpass-authority/tests/keys"
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {
    "AWS": f"arn:aws:iam::{ACCOUNT}:root", "Service": "ec2.amazonaws.com"}}]}
DOCUMENT = r'AssumeRolePolicyDocument="(some policy2?|test policy|policy|example|sp|\{\})"'
IAM = "test_iam/test_iam.py"


def key(name):
    return repr((KEYS / name).read_text().strip())


# File, pattern, what stands there instead.
CORRECTIONS = [
    (IAM, DOCUMENT, f"AssumeRolePolicyDocument={json.dumps(TRUST)!r}"),
    ("test_iam/test_iam_access_integration.py", DOCUMENT, f"AssumeRolePolicyDocument={json.dumps(TRUST)!r}"),
    (IAM, r'\{"value": "some policy"\}', repr(TRUST)),
    (IAM, r'"my-path(2?)"', r'"/my-path\1/"'),
    (IAM, r'"myUser"', '"/myUser/"'),
    (IAM, r'PathPrefix="my"', 'PathPrefix="/my"'),
    ("test_iam/test_iam_access_integration.py", '"my/path"', '"/my/path/"'),
    ("test_iam/test_iam_groups.py", '"/(path|new-path)"', r'"/\1/"'),
    # Names of policies have no space.
    (IAM, r'"test policy 2"', '"test-policy-2"'),
    (IAM, r"(?<=[\" ])test policy(?=[\" ])", "test-policy"),
    (IAM, r'"(my|new)-pass"', r'"Good-\1-pass-1"'),
    (IAM, r'Password="(123|Password)"', 'Password="Good-pass-1"'),
    ("test_iam/test_iam_oidc.py", "http://", "https://"),
    (IAM, r"public_key = MOCK_CERT", f"public_key = {key('rsa.ssh')}"),
    # Metadata of a provider of identities, not of one who takes them.
    (IAM, "SPSSODescriptor", "IDPSSODescriptor"),
    (IAM, 'validUntil="2025', 'validUntil="2125'),
    (IAM, r'"a" \* 1024', "MOCK_SAML_SAMPLE_METADATA"),
    ("test_iam/test_iam_server_certificates.py", '"certbody"', key("rsa.crt")),
    ("test_iam/test_iam_server_certificates.py", '"certchain"', key("ec.crt")),
    ("test_iam/test_iam_server_certificates.py", '"privatekey"', key("rsa.pk1")),
    # What only moto answers, in the middle of a test: a marker that counts, tokens of one length, a document where AWS's
    # model says there is none (CreatePolicyVersion, ListPolicyVersions), a full stop.
    (IAM, r'\["Marker"\] == "1"', '["Marker"]'),
    ("test_sts/test_sts.py", r'assert len\((credentials|creds)\["SessionToken"\]\) == 356', r'assert \1["SessionToken"]'),
    ("test_sts/test_sts.py", r'assert credentials\["SessionToken"\]\.startswith\("FQoGZXIvYXdzE"\)', "pass"),
    ("test_sts/test_sts.py", r'assert re\.match\("\^FQoGZXIvYXdzE", creds\["SessionToken"\]\)', "pass"),
    (IAM, r'assert version\.get\("PolicyVersion"\)\["Document"\] == json.loads\(MOCK_POLICY\)', "pass"),
    (IAM, r'assert versions\["Versions"\]\[\d\]\["Document"\] == json.loads\(MOCK_POLICY(_2)?\)', "pass"),
    (IAM, r"(Member must have length less than or equal to \d+)\.", r"\1"),
]


def sources(unpacked, folder):
    """Copies the tests to `folder`, put right, and returns what was not needed."""
    for name in ("__init__.py", "conftest.py", "test_iam", "test_sts", "test_ec2/__init__.py",
                 "test_ec2/test_iam_integration.py"):
        target = folder / "tests" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (unpacked / name).is_dir() else shutil.copy)(unpacked / name, target)
    unneeded = []
    for name, pattern, instead in CORRECTIONS:
        file = folder / "tests" / name
        text, count = re.subn(pattern, instead if "\\1" in instead else lambda _: instead, file.read_text())
        if not count:
            unneeded.append((name, pattern))
        file.write_text(text)
    return unneeded
