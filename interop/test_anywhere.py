"""IAM Roles Anywhere, asked by AWS's own signing helper, by boto3 and by the agent; certificates and lists are OpenSSL's."""
import base64
import copy
import hashlib
import http.client
import json
import subprocess
import time
import urllib.parse

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from house import TOOLS, House
from lone import Lone

HELPER = TOOLS / "client-signing-helper/aws_signing_helper"
KINDS = {"rsa": ["-newkey", "rsa:2048"], "ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
         "p384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"]}
CONFIG = """[ca]
default_ca = own
[own]
database = {folder}/index.txt
new_certs_dir = {folder}
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
serial = {folder}/serial
crlnumber = {folder}/crlnumber
default_md = sha256
default_crl_days = 2
policy = any
unique_subject = no
crl_extensions = crl
preserve = yes
email_in_dn = yes
[any]
commonName = optional
organizationName = optional
organizationalUnitName = optional
countryName = optional
[crl]
authorityKeyIdentifier = keyid
[leaf]
basicConstraints = CA:FALSE
keyUsage = digitalSignature
subjectAltName = DNS:web-1.example.com, DNS:other.example.com, URI:spiffe://example.com/web, dirName:directory
[directory]
CN = elsewhere
[mute]
basicConstraints = CA:FALSE
keyUsage = keyEncipherment
[between]
basicConstraints = critical, CA:TRUE
keyUsage = keyCertSign, cRLSign
[req]
distinguished_name = directory
"""


def openssl(*words, data=None):
    return subprocess.run(["openssl", *map(str, words)], input=data, check=True, capture_output=True).stdout


class Authority:
    """A certificate authority of OpenSSL's: its own root, or one below another."""

    def __init__(self, folder, kind="ecdsa", above=None, subject="/C=DE/O=Example/CN=root", serial="01"):
        self.folder, self.kind, self.made = folder, kind, 0
        folder.mkdir(parents=True)
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text(f"{serial}\n")
        (folder / "crlnumber").write_text("01\n")
        (folder / "ca.cnf").write_text(CONFIG.format(folder=folder))
        if above is None:
            openssl("req", "-x509", *KINDS[kind], "-nodes", "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-subj",
                    subject, "-days", "3", "-config", folder / "ca.cnf", "-extensions", "between")
        else:
            made = above.leaf(subject, section="between", kind=kind)
            (folder / "ca.pem").write_text(made.pem)
            (folder / "ca.key").write_text(made.key_file.read_text())
        self.pem = (folder / "ca.pem").read_text()

    def leaf(self, subject="/CN=web-1/O=Example/OU=Security/OU=Research", section="leaf", kind="ecdsa", times=(-3600, 86400)):
        self.made += 1
        name = self.folder / f"leaf{self.made}"
        config = ["-config", self.folder / "ca.cnf"]
        openssl("req", *KINDS[kind], "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject, *config)
        start, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds)) for seconds in times)
        openssl("ca", "-batch", "-notext", *config, "-extensions", section, "-in", f"{name}.csr", "-out", f"{name}.pem",
                "-startdate", start, "-enddate", end)
        return Leaf(name, kind)

    def revoke(self, leaf):
        openssl("ca", "-config", self.folder / "ca.cnf", "-revoke", leaf.file)

    def crl(self):
        return openssl("ca", "-config", self.folder / "ca.cnf", "-gencrl")


class Leaf:
    def __init__(self, name, kind):
        self.file, self.key_file = name.with_suffix(".pem"), name.with_suffix(".key")
        self.kind, self.pem = kind, self.file.read_text()
        self.der = base64.b64encode(openssl("x509", "-in", self.file, "-outform", "der")).decode()
        self.serial_hex = openssl("x509", "-in", self.file, "-noout", "-serial").decode().strip().split("=")[1].lower()
        self.serial = str(int(self.serial_hex, 16))

    def sign(self, text):
        return openssl("dgst", "-sha256", "-sign", self.key_file, data=text).hex()


def trust(*actions, condition=None):
    actions = actions or ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity")
    statement = {"Effect": "Allow", "Principal": {"Service": "rolesanywhere.amazonaws.com"}, "Action": list(actions)}
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, **({"Condition": condition} if condition else {})}]})


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Place:
    """A system, an authority that is its trust anchor, a role and a profile that holds it."""

    def __init__(self, folder):
        self.house, self.folder, self.made = House(), folder, 0
        self.api = self.house.boto("rolesanywhere")
        self.iam = self.house.boto("iam")
        self.root = Authority(folder / "root", serial="1F71C5114A119FC0CC5A5A52FB3720AD00000001")
        self.anchor = self.trust_anchor(self.root.pem)
        self.role = self.new_role(trust())
        self.profile = self.api.create_profile(name="web servers", roleArns=[self.role], enabled=True)["profile"]
        self.leaf = self.root.leaf()

    def trust_anchor(self, pem, enabled=True):
        source = {"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": pem}}
        return self.api.create_trust_anchor(name="own", source=source, enabled=enabled)["trustAnchor"]

    def new_role(self, document, **more):
        self.made += 1
        arn = self.iam.create_role(RoleName=f"web{self.made}", AssumeRolePolicyDocument=document, **more)["Role"]["Arn"]
        self.iam.put_role_policy(RoleName=f"web{self.made}", PolicyName="p", PolicyDocument=policy(
            {"Effect": "Allow", "Action": ["iam:ListUsers", "iam:ListRoles"], "Resource": "*"}))
        return arn

    def profile_of(self, *roles, **more):
        return self.api.create_profile(name="another", roleArns=list(roles), enabled=True, **more)["profile"]

    def ask(self, leaf=None, *, chain=(), anchor=None, profile=None, role=None, tamper=None, date=None, region=None, serial=None,
            **body):
        """(status, answer) of a request signed here by the documented steps; `tamper` changes it after it was signed."""
        leaf = leaf or self.leaf
        host = self.house.api.removeprefix("http://")
        named = {"profileArn": (profile or self.profile)["profileArn"], "roleArn": role or self.role,
                 "trustAnchorArn": (anchor or self.anchor)["trustAnchorArn"]}
        date = date or time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        request = {"query": "&".join(f"{name}={urllib.parse.quote(named[name], safe='')}" for name in sorted(named)),
                   "body": json.dumps(body),
                   "headers": {"content-type": "application/json", "host": host, "x-amz-date": date, "x-amz-x509": leaf.der}}
        if chain:
            request["headers"]["x-amz-x509-chain"] = ",".join(one.der for one in chain)
        names = ";".join(sorted(request["headers"]))
        lines = "".join(f"{name}:{request['headers'][name]}\n" for name in sorted(request["headers"]))
        hashed = hashlib.sha256(request["body"].encode()).hexdigest()
        canonical = f"POST\n/sessions\n{request['query']}\n{lines}\n{names}\n{hashed}"
        scope = f"{date[:8]}/{region or self.house.ready['region']}/rolesanywhere/aws4_request"
        algorithm = f"AWS4-X509-{'RSA' if leaf.kind == 'rsa' else 'ECDSA'}-SHA256"
        text = f"{algorithm}\n{date}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        request["headers"]["authorization"] = (f"{algorithm} Credential={serial or leaf.serial}/{scope}, "
                                               f"SignedHeaders={names}, Signature={leaf.sign(text.encode())}")
        if tamper:
            request = copy.deepcopy(request)
            tamper(request)
        connection = http.client.HTTPConnection(host, timeout=20)
        connection.request("POST", f"/sessions?{request['query']}", request["body"], request["headers"])
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def refused(self, leaf=None, **options):
        status, answer = self.ask(leaf, **options)
        assert status >= 400, answer
        return status, answer["message"]

    def session(self, leaf=None, **options):
        status, answer = self.ask(leaf, **options)
        assert status == 201, answer
        return answer

    def helper(self, leaf, *more, role=None, profile=None, anchor=None):
        return subprocess.run(
            [HELPER, "credential-process", "--certificate", leaf.file, "--private-key", leaf.key_file, "--trust-anchor-arn",
             (anchor or self.anchor)["trustAnchorArn"], "--profile-arn", (profile or self.profile)["profileArn"], "--role-arn",
             role or self.role, "--endpoint", self.house.api, "--region", self.house.ready["region"], *map(str, more)],
            capture_output=True, text=True)

    def client(self, service, credentials):
        return self.house.boto(service, key=tuple(credentials[name] for name in (
            "accessKeyId", "secretAccessKey", "sessionToken")))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    place = Place(tmp_path_factory.mktemp("anywhere"))
    yield place
    place.house.close()


def code(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


# -- sessions


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "p384"])
def test_the_signing_helper_gets_a_session_that_works(place, kind):
    leaf = place.root.leaf(kind=kind)
    said = place.helper(leaf, "--session-duration", "900")
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    key = {"accessKeyId": found["AccessKeyId"], "secretAccessKey": found["SecretAccessKey"],
           "sessionToken": found["SessionToken"]}
    identity = place.client("sts", key).get_caller_identity()["Arn"]
    assert identity.endswith(f":assumed-role/web1/{leaf.serial_hex}")
    assert place.client("iam", key).list_users()["Users"]
    assert code(place.client("iam", key).list_groups) == "AccessDenied"


def test_the_agent_gets_a_session_with_a_chain(place, tmp_path):
    between = Authority(tmp_path / "between", above=place.root, subject="/CN=between")
    leaf = between.leaf("/CN=agent")
    (tmp_path / "chain.pem").write_text(leaf.pem + between.pem)
    agent = Lone(f"""[listen]
metadata = "127.0.0.1:0"
[source.roles_anywhere]
certificate_file = "{tmp_path}/chain.pem"
key_file = "{leaf.key_file}"
trust_anchor_arn = "{place.anchor['trustAnchorArn']}"
profile_arn = "{place.profile['profileArn']}"
role_arn = "{place.role}"
endpoint = "{place.house.api}"
[[role]]
name = "app"
""", "[[rule]]\neveryone = true\nroles = [\"app\"]\n")
    try:
        found = place.house.credentials("app", base=agent.metadata)
        key = {"accessKeyId": found["AccessKeyId"], "secretAccessKey": found["SecretAccessKey"], "sessionToken": found["Token"]}
        assert place.client("sts", key).get_caller_identity()["Arn"].endswith(leaf.serial_hex)
    finally:
        agent.close()
    # The helper with the same chain, and without it.
    said = place.helper(leaf, "--intermediates", between.folder / "ca.pem")
    assert said.returncode == 0, said.stderr
    assert "no way leads" in place.refused(leaf)[1]


def test_the_answer_and_the_record_say_what_was_made(place):
    answer = place.session(durationSeconds=1200)
    made = answer["credentialSet"][0]
    assert made["sourceIdentity"] == "CN=web-1" and made["roleArn"] == place.role
    assert made["assumedRoleUser"]["arn"].endswith(place.leaf.serial_hex) and ":subject/" in answer["subjectArn"]
    left = time.mktime(time.strptime(made["credentials"]["expiration"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
    assert 1100 < left <= 1200
    record = place.house.records(eventName="CreateSession")[-1]
    assert record["eventSource"] == "rolesanywhere.amazonaws.com" and record["userIdentity"]["type"] == "AWSService"
    assert record["requestParameters"]["roleArn"] == place.role
    assert record["additionalEventData"]["hallpass"]["certificate"]["serialNumber"] == place.leaf.serial_hex
    assert made["credentials"]["secretAccessKey"] not in json.dumps(place.house.records())
    # What the session does bears the source identity.
    place.client("iam", made["credentials"]).list_users()
    context = place.house.records(eventName="ListUsers")[-1]["userIdentity"]["sessionContext"]
    assert context["sourceIdentity"] == "CN=web-1"


def test_names_of_the_certificate_are_tags_and_can_be_conditions(place):
    tag = "aws:PrincipalTag/x509"
    right = {"StringEquals": {f"{tag}Subject/CN": "web-1", f"{tag}Subject/OU": "Security/Research", f"{tag}Issuer/C": "DE",
                              f"{tag}Issuer/CN": "root", f"{tag}SAN/DNS": "web-1.example.com",
                              f"{tag}SAN/URI": "spiffe://example.com/web", f"{tag}SAN/Name/CN": "elsewhere",
                              "aws:RequestTag/x509Subject/O": "Example", "sts:SourceIdentity": "CN=web-1",
                              "aws:SourceAccount": place.role.split(":")[4]},
             "ArnEquals": {"aws:SourceArn": place.anchor["trustAnchorArn"]}}
    role = place.new_role(trust(condition={**right, "StringEquals": {
        name: value for name, value in right["StringEquals"].items() if "RequestTag" not in name}}))
    place.session(role=role, profile=place.profile_of(role))
    for key, value in [(f"{tag}Subject/OU", "Security"), (f"{tag}Subject/CN", "web-2"), ("sts:SourceIdentity", "web-1")]:
        other = place.new_role(trust(condition={"StringEquals": {key: value}}))
        assert "Unable to assume role" in place.refused(role=other, profile=place.profile_of(other))[1]
    elsewhere = place.trust_anchor(place.root.pem)
    assert "Unable to assume role" in place.refused(role=role, profile=place.profile_of(role), anchor=elsewhere)[1]
    # And in the session: a policy that looks at them.
    place.iam.put_role_policy(RoleName=role.split("/")[-1], PolicyName="tagged", PolicyDocument=policy(
        {"Effect": "Allow", "Action": "iam:ListGroups", "Resource": "*",
         "Condition": {"StringEquals": {f"{tag}Subject/CN": "web-1"}}}))
    made = place.session(role=role, profile=place.profile_of(role))["credentialSet"][0]["credentials"]
    assert place.client("iam", made).list_groups()["Groups"] == []


def test_source_identities_follow_the_common_name(place):
    ask = lambda subject: place.session(place.root.leaf(subject))["credentialSet"][0]["sourceIdentity"]
    nameless = place.root.leaf("/O=Example")
    assert place.session(nameless)["credentialSet"][0]["sourceIdentity"] == f"ID={nameless.serial_hex}"
    assert ask(f"/CN={'a' * 61}") == "CN=" + "a" * 61
    assert ask(f"/CN={'a' * 62}") == "a" * 62
    assert "common name" in place.refused(place.root.leaf("/CN=two words"))[1]


def test_certificates_that_prove_nothing_are_refused(place, tmp_path):
    foreign, namesake = Authority(tmp_path / "foreign", subject="/CN=foreign"), Authority(tmp_path / "namesake")
    Authority(tmp_path / "between", above=place.root, subject="/CN=between")
    for leaf, options, why in [
        (place.root.leaf(times=(-7200, -60)), {}, "has expired"),
        (place.root.leaf(times=(3600, 7200)), {}, "not valid yet"),
        (foreign.leaf(), {}, "no way leads"),
        (foreign.leaf(), {"chain": [Leaf(tmp_path / "foreign/ca", "ecdsa")]}, "no way leads"),
        (namesake.leaf(), {}, "signature is not its issuer's"),
        (Leaf(tmp_path / "between/ca", "ecdsa"), {}, "authority's"),
        (place.root.leaf(section="mute"), {}, "Digital Signature"),
    ]:
        status, said = place.refused(leaf, **options)
        assert status == 403 and why in said, (said, why)
    # A foreign authority's leaf, behind one of ours that is no authority.
    posing = Authority(tmp_path / "posing", above=place.root, subject="/CN=posing")
    leaf = posing.leaf()
    place.session(leaf, chain=[Leaf(tmp_path / "posing/ca", "ecdsa")])
    not_one = Leaf(place.leaf.file.with_suffix(""), "ecdsa")
    assert "no way leads" in place.refused(leaf, chain=[not_one])[1]


def test_a_request_that_was_not_signed_so_is_refused(place):
    other = place.root.leaf("/CN=web-2")

    def header(name, change):
        def tamper(request):
            request["headers"][name] = change(request["headers"][name])
        return tamper

    def body(request):
        request["body"] = '{"durationSeconds": 43200}'

    def query(request):
        request["query"] = request["query"].replace("web1", "web2")

    for tamper in (header("x-amz-x509", lambda _: other.der), header("content-type", lambda _: "application/jsom"),
                   header("authorization", lambda text: text[:-2] + ("00" if text[-2:] != "00" else "11")), body, query):
        status, said = place.refused(tamper=tamper)
        assert status == 403 and "signature we calculated does not match" in said, said
    assert "not signed" in place.refused(tamper=lambda request: request["headers"].update({"x-amz-x509-chain": other.der}))[1]
    assert "serial number" in place.refused(serial="12345")[1]
    assert "serial number" in place.refused(serial=other.serial)[1]
    for seconds in (-1000, 1000):
        date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() + seconds))
        assert "too large" in place.refused(date=date)[1]
    assert place.refused(region="us-east-1")[0] in (400, 403)
    # The key of one certificate under another one.
    mixed = copy.copy(place.leaf)
    mixed.key_file = other.key_file
    assert "does not match" in place.refused(mixed)[1]
    # A certificate opens nothing else.
    connection = http.client.HTTPConnection(place.house.api.removeprefix("http://"), timeout=20)
    connection.request("GET", "/demo", headers={"authorization": "AWS4-X509-RSA-SHA256 Credential=1/x"})
    assert connection.getresponse().status == 404


def test_what_is_disabled_or_not_allowed_is_refused(place):
    anchor = place.trust_anchor(place.root.pem, enabled=False)
    assert "not enabled" in place.refused(anchor=anchor)[1]
    place.api.enable_trust_anchor(trustAnchorId=anchor["trustAnchorId"])
    place.session(anchor=anchor)
    place.api.disable_trust_anchor(trustAnchorId=anchor["trustAnchorId"])
    assert "not enabled" in place.refused(anchor=anchor)[1]
    place.api.delete_trust_anchor(trustAnchorId=anchor["trustAnchorId"])
    assert place.refused(anchor=anchor)[0] == 404
    profile = place.profile_of(place.role)
    place.session(profile=profile)
    place.api.disable_profile(profileId=profile["profileId"])
    assert "not enabled" in place.refused(profile=profile)[1]
    place.api.delete_profile(profileId=profile["profileId"])
    assert place.refused(profile=profile)[0] == 404
    outside = place.new_role(trust())
    assert "not in the profile" in place.refused(role=outside)[1]
    for actions in (["sts:AssumeRole", "sts:SetSourceIdentity"], ["sts:AssumeRole", "sts:TagSession"],
                    ["sts:TagSession", "sts:SetSourceIdentity"]):
        role = place.new_role(trust(*actions))
        assert "Unable to assume role" in place.refused(role=role, profile=place.profile_of(role))[1]
    gone = place.new_role(trust())
    profile = place.profile_of(gone)
    place.iam.delete_role_policy(RoleName=gone.split("/")[-1], PolicyName="p")
    place.iam.delete_role(RoleName=gone.split("/")[-1])
    assert "Unable to assume role" in place.refused(role=gone, profile=profile)[1]


def test_revoked_certificates_are_refused(place, tmp_path):
    root = Authority(tmp_path / "root", subject="/CN=revoking")
    between = Authority(tmp_path / "between", above=root, subject="/CN=between")
    anchor = place.trust_anchor(root.pem)
    good, bad, below = root.leaf("/CN=good"), root.leaf("/CN=bad"), between.leaf("/CN=below")
    way = [Leaf(tmp_path / "between/ca", "ecdsa")]
    place.session(bad, anchor=anchor)
    root.revoke(bad)
    crl = place.api.import_crl(name="first", crlData=root.crl(), trustAnchorArn=anchor["trustAnchorArn"])["crl"]
    assert not crl["enabled"]
    place.session(bad, anchor=anchor)
    place.api.enable_crl(crlId=crl["crlId"])
    assert "was revoked" in place.refused(bad, anchor=anchor)[1]
    place.session(good, anchor=anchor)
    place.session(below, anchor=anchor, chain=way)
    # A second list of the same authority counts as well.
    root.revoke(way[0])
    second = place.api.import_crl(name="second", crlData=root.crl(), trustAnchorArn=anchor["trustAnchorArn"], enabled=True)
    assert "was revoked" in place.refused(below, anchor=anchor, chain=way)[1]
    place.api.delete_crl(crlId=second["crl"]["crlId"])
    place.session(below, anchor=anchor, chain=way)
    place.api.update_crl(crlId=crl["crlId"], crlData=root.crl())
    assert "was revoked" in place.refused(below, anchor=anchor, chain=way)[1]
    place.api.disable_crl(crlId=crl["crlId"])
    place.session(bad, anchor=anchor)
    # Another trust anchor's list says nothing here, and a list that its authority did not sign stops everything.
    place.session(bad, anchor=anchor)
    forged = Authority(tmp_path / "forged", subject="/CN=revoking").crl()
    place.api.import_crl(name="forged", crlData=forged, trustAnchorArn=anchor["trustAnchorArn"], enabled=True)
    assert "Untrusted" in place.refused(good, anchor=anchor)[1]
    place.session()


def test_profiles_shape_the_session(place):
    only_users = policy({"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"})
    profile = place.profile_of(place.role, sessionPolicy=only_users, durationSeconds=1000)
    made = place.session(profile=profile, durationSeconds=3000)["credentialSet"][0]["credentials"]
    iam = place.client("iam", made)
    assert iam.list_users()["Users"]
    assert code(iam.list_roles) == "AccessDenied"
    left = time.mktime(time.strptime(made["expiration"], "%Y-%m-%dT%H:%M:%SZ")) - time.mktime(time.gmtime())
    assert 900 < left <= 1000
    managed = place.profile_of(place.role, managedPolicyArns=["arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"])
    made = place.session(profile=managed)["credentialSet"][0]["credentials"]
    assert code(place.client("iam", made).list_users) == "AccessDenied"
    # Names.
    assert "does not accept role session names" in place.refused(roleSessionName="mine")[1]
    naming = place.profile_of(place.role, acceptRoleSessionName=True)
    made = place.session(profile=naming, roleSessionName="mine")["credentialSet"][0]
    assert made["assumedRoleUser"]["arn"].endswith("/mine")
    # Instance properties.
    asking = place.profile_of(place.role, requireInstanceProperties=True)
    assert "instance properties" in place.refused(profile=asking)[1]
    place.session(profile=asking, instanceProperties={"region": "here"})
    # Longer than the role allows.
    long = place.profile_of(place.role, durationSeconds=43200)
    status, said = place.refused(profile=long)
    assert status == 400 and "MaxSessionDuration" in said
    for bad in ({"durationSeconds": 899}, {"durationSeconds": "900"}, {"roleArn": place.new_role(trust())}):
        assert place.refused(**bad)[0] == 400 if "roleArn" not in bad else True


def test_a_session_ends_with_its_role(place):
    role = place.new_role(trust())
    made = place.session(role=role, profile=place.profile_of(role))["credentialSet"][0]["credentials"]
    place.client("sts", made).get_caller_identity()
    name = role.split("/")[-1]
    place.iam.delete_role_policy(RoleName=name, PolicyName="p")
    place.iam.delete_role(RoleName=name)
    assert code(place.client("sts", made).get_caller_identity) in ("InvalidClientTokenId", "ExpiredToken", "AccessDenied")


# -- the control plane


def test_trust_anchors_are_kept(place, tmp_path):
    api = place.api
    made = place.trust_anchor(place.root.pem)
    anchor_id = made["trustAnchorId"]
    assert made["source"]["sourceData"]["x509CertificateData"] == place.root.pem
    assert api.get_trust_anchor(trustAnchorId=anchor_id)["trustAnchor"] == made
    other = Authority(tmp_path / "other", subject="/CN=other")
    source = {"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": place.root.pem + other.pem}}
    changed = api.update_trust_anchor(trustAnchorId=anchor_id, name="both", source=source)["trustAnchor"]
    assert changed["name"] == "both" and changed["trustAnchorArn"] == made["trustAnchorArn"]
    place.session(other.leaf(), anchor=made)
    listed = [anchor["trustAnchorId"] for page in api.get_paginator("list_trust_anchors").paginate(
        pageSize=1) for anchor in page["trustAnchors"]]
    assert anchor_id in listed and len(listed) == len(set(listed))
    source = lambda pem, kind="CERTIFICATE_BUNDLE": {"sourceType": kind, "sourceData": {"x509CertificateData": pem}}
    for bad in (source("nothing"), source(place.leaf.pem), source(place.root.pem, "SELF_SIGNED_REPOSITORY"),
                {"sourceType": "AWS_ACM_PCA", "sourceData": {"acmPcaArn": "arn:aws:acm-pca:eu-central-1:1:certificate-authority/x"}}):
        assert code(api.create_trust_anchor, name="x", source=bad) == "ValidationException"
    assert code(api.create_trust_anchor, name="a/b", source=source(place.root.pem)) == "ValidationException"
    nowhere = "00000000-0000-0000-0000-000000000000"
    assert code(api.get_trust_anchor, trustAnchorId=nowhere) == "ResourceNotFoundException"
    api.delete_trust_anchor(trustAnchorId=anchor_id)
    assert code(api.get_trust_anchor, trustAnchorId=anchor_id) == "ResourceNotFoundException"


def test_profiles_are_kept(place):
    api = place.api
    made = place.profile_of(place.role, tags=[{"key": "team", "value": "web"}])
    profile_id = made["profileId"]
    assert made["durationSeconds"] == 3600 and made["createdBy"].endswith(":user/admin") and len(made["attributeMappings"]) == 3
    role = place.new_role(trust())
    changed = api.update_profile(profileId=profile_id, roleArns=[role], durationSeconds=900)["profile"]
    assert changed["roleArns"] == [role] and changed["name"] == "another"
    assert api.get_profile(profileId=profile_id)["profile"] == changed
    assert profile_id in [one["profileId"] for one in api.list_profiles()["profiles"]]
    assert code(api.create_profile, name="x", roleArns=["arn:aws:iam::999999999999:role/x"]) == "AccessDeniedException"
    assert code(api.create_profile, name="x", roleArns=[role.replace(":role/", ":user/")]) == "ValidationException"
    assert code(api.create_profile, name="x", roleArns=[], sessionPolicy="{}") == "ValidationException"
    assert code(api.create_profile, name="x", roleArns=[], managedPolicyArns=["arn:aws:iam::aws:policy/No"]) == \
        "ValidationException"
    # Tags.
    arn = made["profileArn"]
    assert api.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "team", "value": "web"}]
    api.tag_resource(resourceArn=arn, tags=[{"key": "stage", "value": "one"}])
    api.untag_resource(resourceArn=arn, tagKeys=["team"])
    assert api.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "stage", "value": "one"}]
    assert code(api.tag_resource, resourceArn=arn + "x", tags=[]) == "ResourceNotFoundException"


def test_revocation_lists_are_kept(place):
    api, data = place.api, place.root.crl()
    arn = place.anchor["trustAnchorArn"]
    made = api.import_crl(name="one", crlData=data, trustAnchorArn=arn)["crl"]
    assert made["crlData"] == data and made["trustAnchorArn"] == arn
    assert api.get_crl(crlId=made["crlId"])["crl"] == made
    assert made["crlId"] in [one["crlId"] for one in api.list_crls()["crls"]]
    assert code(api.import_crl, name="x", crlData=b"nothing", trustAnchorArn=arn) == "ValidationException"
    assert code(api.import_crl, name="x", crlData=data, trustAnchorArn=arn + "x") == "ResourceNotFoundException"
    assert api.delete_crl(crlId=made["crlId"])["crl"]["crlId"] == made["crlId"]
    assert code(api.get_crl, crlId=made["crlId"]) == "ResourceNotFoundException"
    record = place.house.records(eventName="ImportCrl")[0]
    assert record["userIdentity"]["userName"] == "admin" and len(json.dumps(record)) < 20_000


def test_the_control_plane_asks_policy(place):
    house, role = place.house, place.role
    profile = place.profile_of(role)

    def user(name, *statements):
        env = house.user(name, json.loads(policy(*statements)))
        return house.boto("rolesanywhere", key=(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]))

    reader = user("reader", {"Effect": "Allow", "Action": "rolesanywhere:Get*", "Resource": profile["profileArn"]})
    assert reader.get_profile(profileId=profile["profileId"])["profile"]["name"] == "another"
    assert code(reader.get_trust_anchor, trustAnchorId=place.anchor["trustAnchorId"]) == "AccessDeniedException"
    assert code(reader.list_profiles) == "AccessDeniedException"
    assert code(reader.disable_profile, profileId=profile["profileId"]) == "AccessDeniedException"
    # Whoever fills a profile passes the roles in it.
    maker = user("maker", {"Effect": "Allow", "Action": "rolesanywhere:*", "Resource": "*"})
    assert code(maker.create_profile, name="mine", roleArns=[role]) == "AccessDeniedException"
    assert code(maker.update_profile, profileId=profile["profileId"], roleArns=[role]) == "AccessDeniedException"
    maker.create_profile(name="empty", roleArns=[])
    passer = user("passer", {"Effect": "Allow", "Action": "rolesanywhere:*", "Resource": "*"},
                  {"Effect": "Allow", "Action": "iam:PassRole", "Resource": role,
                   "Condition": {"StringEquals": {"iam:PassedToService": "rolesanywhere.amazonaws.com"}}})
    passer.create_profile(name="mine", roleArns=[role])
    passer.update_profile(profileId=profile["profileId"], roleArns=[role])


def test_a_call_is_about_what_its_path_names(place):
    """The path is what was authorized: neither the body nor the query can name another."""
    one, other = place.profile_of(place.role), place.profile_of(place.role)
    anchor = place.trust_anchor(place.root.pem)

    def call(method, path, body):
        request = AWSRequest(method, place.house.api + path, data=json.dumps(body), headers={"content-type": "application/json"})
        SigV4Auth(Credentials(*place.house.admin_key()), "rolesanywhere", place.house.ready["region"]).add_auth(request)
        connection = http.client.HTTPConnection(place.house.api.removeprefix("http://"), timeout=20)
        connection.request(method, path, json.dumps(body), dict(request.headers))
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    status, answer = call("PATCH", f"/profile/{one['profileId']}?name=query", {"profileId": other["profileId"], "name": "body"})
    assert (status, answer["profile"]["profileId"], answer["profile"]["name"]) == (200, one["profileId"], "body")
    status, answer = call("POST", f"/trustanchor/{anchor['trustAnchorId']}/disable",
                          {"trustAnchorId": place.anchor["trustAnchorId"]})
    assert status == 200 and answer["trustAnchor"]["trustAnchorId"] == anchor["trustAnchorId"]
    place.session()
    status, answer = call("POST", f"/TagResource?resourceArn={urllib.parse.quote(one['profileArn'], safe='')}", {"tags": []})
    assert status == 400, answer
    assert place.api.get_profile(profileId=other["profileId"])["profile"]["name"] == "another"


def test_all_of_it_outlives_a_restart(house, tmp_path):
    place = Place.__new__(Place)
    place.house, place.folder, place.made = house, tmp_path, 0
    place.api, place.iam = house.boto("rolesanywhere"), house.boto("iam")
    place.root = Authority(tmp_path / "root")
    place.anchor = place.trust_anchor(place.root.pem)
    place.role = place.new_role(trust())
    place.profile = place.profile_of(place.role)
    place.leaf = place.root.leaf()
    bad = place.root.leaf("/CN=bad")
    place.root.revoke(bad)
    place.api.import_crl(name="c", crlData=place.root.crl(), trustAnchorArn=place.anchor["trustAnchorArn"], enabled=True)
    place.session()
    house.stop()
    house.start()
    place.session()
    assert "was revoked" in place.refused(bad)[1]
