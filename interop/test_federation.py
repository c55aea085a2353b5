"""Federation against real identity providers: a web server that publishes keys, tokens signed with OpenSSL, boto3 asking.
Every provider here is one of its own, so that what is remembered of one says nothing of another.
"""
import base64
import hmac
import itertools
import json
import re
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

CLAIM = "https://aws.amazon.com/"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words, data=None):
    return subprocess.run(["openssl", *words], input=data, capture_output=True, check=True).stdout


class Key:
    """A key pair of OpenSSL's, as a JSON Web Key and as a signer."""

    def __init__(self, folder, kid, kind="RSA"):
        self.kid, self.kind, self.file = kid, kind, str(folder / f"{kid}-{kind}.pem")
        options = {"RSA": ["rsa_keygen_bits:2048"], "EC256": ["ec_paramgen_curve:P-256"],
                   "EC384": ["ec_paramgen_curve:P-384"], "ED": []}[kind]
        name = {"RSA": "RSA", "ED": "ED25519"}.get(kind, "EC")
        openssl("genpkey", "-algorithm", name, "-out", self.file, *[w for o in options for w in ("-pkeyopt", o)])
        self.public = openssl("pkey", "-in", self.file, "-pubout")
        der = openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")
        self.jwk = {"kid": kid, "use": "sig"}
        if kind == "RSA":
            modulus = openssl("rsa", "-in", self.file, "-noout", "-modulus").decode().strip().split("=")[1]
            self.alg = "RS256"
            self.jwk |= {"kty": "RSA", "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}
        elif kind == "ED":
            self.alg = "EdDSA"
            self.jwk |= {"kty": "OKP", "crv": "Ed25519", "x": b64(der[-32:])}
        else:
            self.size = {"EC256": 32, "EC384": 48}[kind]
            self.alg = {"EC256": "ES256", "EC384": "ES384"}[kind]
            point = der[-2 * self.size:]
            self.jwk |= {"kty": "EC", "crv": f"P-{kind[2:]}", "x": b64(point[:self.size]), "y": b64(point[self.size:])}

    def sign(self, data, alg):
        if self.kind == "ED":
            message = Path(self.file + ".message")
            message.write_bytes(data)
            return openssl("pkeyutl", "-sign", "-inkey", self.file, "-rawin", "-in", str(message))
        signature = openssl("dgst", f"-sha{alg[2:]}", "-sign", self.file, data=data)
        if self.kind == "RSA":
            return signature
        # Two integers in DER, to be two of fixed length.
        place, out = 2 if signature[1] < 0x80 else 3, b""
        for _ in range(2):
            length = signature[place + 1]
            out += signature[place + 2:place + 2 + length].lstrip(b"\0").rjust(self.size, b"\0")
            place += 2 + length
        return out

    def token(self, claims, alg=None, header=None):
        alg = alg or self.alg
        head = {"alg": alg, "typ": "JWT", "kid": self.kid, **(header or {})}
        signed = b64(json.dumps(head).encode()) + "." + b64(json.dumps(claims).encode())
        return signed + "." + b64(self.sign(signed.encode(), alg))


class Authority:
    """A certificate authority, and a certificate of its for loopback."""

    def __init__(self, folder):
        def file(name):
            return str(folder / name)

        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl("req", "-x509", *new, "-keyout", file("ca.key"), "-out", file("ca.crt"), "-subj", "/CN=ca", "-days", "2")
        openssl("req", *new, "-keyout", file("idp.key"), "-out", file("idp.csr"), "-subj", "/CN=idp")
        (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", file("idp.csr"), "-CA", file("ca.crt"), "-CAkey", file("ca.key"), "-CAcreateserial",
                "-out", file("idp.crt"), "-days", "2", "-extfile", file("names"))
        self.file = file("ca.crt")
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(file("idp.crt"), file("idp.key"))


class Idp:
    """An identity provider on loopback."""

    def __init__(self, keys, tls=None):
        self.keys, self.asked, self.padding, self.redirect, self.issuer = list(keys), 0, 0, None, None
        idp = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                idp.asked += 1
                if idp.redirect:
                    self.send_response(302)
                    self.send_header("Location", idp.redirect + self.path)
                    self.end_headers()
                    return
                if self.path == "/.well-known/openid-configuration":
                    body = {"issuer": idp.issuer, "jwks_uri": idp.url + "/keys"}
                else:
                    body = {"keys": [key.jwk for key in idp.keys], "padding": "x" * idp.padding}
                body = json.dumps(body).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.issuer = self.url = f"{'https' if tls else 'http'}://{self.host}"

    def claims(self, **more):
        now = int(time.time())
        claims = {"iss": self.url, "aud": "app", "sub": "ann", "iat": now, "exp": now + 600, **more}
        return {name: value for name, value in claims.items() if value is not None}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    kinds = {"one": "RSA", "two": "RSA", "p256": "EC256", "p384": "EC384", "ed": "ED"}
    return {kid: Key(folder, kid, kind) for kid, kind in kinds.items()}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def world(authority):
    from house import House

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", authority.file)
        house = House()
    text = Path(house.ready["admin_credentials"]).read_text()

    class World:
        ready = house.ready
        account, region = house.ready["account"], house.ready["region"]

        def client(self, service, keys=None, **config):
            words = {} if keys is None else {"aws_access_key_id": keys["AccessKeyId"],
                                             "aws_secret_access_key": keys["SecretAccessKey"],
                                             "aws_session_token": keys.get("SessionToken")}
            return boto3.client(service, endpoint_url=house.api, region_name=self.region, **words,
                                config=Config(retries={"max_attempts": 0}, **config))

    world = World()
    world.house = house
    world.admin = {"AccessKeyId": re.search(r"aws_access_key_id = (\S+)", text)[1],
                   "SecretAccessKey": re.search(r"aws_secret_access_key = (\S+)", text)[1]}
    world.iam, world.sts = world.client("iam", world.admin), world.client("sts", world.admin)
    world.nobody = world.client("sts", signature_version=UNSIGNED)
    yield world
    house.close()


class Trusting:
    """A provider that is known, and a role that trusts it."""

    numbers = itertools.count(1)

    def __init__(self, world, keys, condition=None, actions=("sts:AssumeRoleWithWebIdentity",),
                 tls=None):
        self.world, self.idp = world, Idp(keys, tls)
        made = world.iam.create_open_id_connect_provider(Url=self.idp.url, ClientIDList=["app", "other"])
        self.provider = made["OpenIDConnectProviderArn"]
        assert self.provider == f"arn:aws:iam::{world.account}:oidc-provider/{self.idp.host}"
        self.name = f"by-{next(self.numbers)}"
        condition = condition or {"StringEquals": {f"{self.idp.host}:aud": "app"}}
        self.arn = world.iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Federated": self.provider}, "Action": list(actions),
                "Condition": json.loads(json.dumps(condition).replace("HOST", self.idp.host))}]}))["Role"]["Arn"]

    def close(self):
        # The port may come again.
        self.world.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=self.provider)
        self.idp.close()

    def assume(self, token, **more):
        return self.world.nobody.assume_role_with_web_identity(
            **{"RoleArn": self.arn, "RoleSessionName": "session", "WebIdentityToken": token, **more})

    def refused(self, token, **more):
        with pytest.raises(ClientError) as caught:
            self.assume(token, **more)
        return caught.value.response["Error"]["Code"]


@pytest.fixture
def trusting(world, keys):
    made = []

    def make(*which, **options):
        made.append(Trusting(world, [keys[kid] for kid in which or ["one"]], **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_good_token_is_a_session(world, trusting, keys):
    role = trusting()
    answer = role.assume(keys["one"].token(role.idp.claims(amr=["pwd", "otp"])), DurationSeconds=900)
    assert (answer["SubjectFromWebIdentityToken"], answer["Audience"]) == ("ann", "app")
    assert answer["Provider"] == role.provider
    arn = f"arn:aws:sts::{world.account}:assumed-role/{role.name}/session"
    assert answer["AssumedRoleUser"]["Arn"] == arn
    assert 890 < answer["Credentials"]["Expiration"].timestamp() - time.time() <= 900
    assert world.client("sts", answer["Credentials"]).get_caller_identity()["Arn"] == arn
    # A signature on the call changes nothing.
    signed = world.client("sts", world.admin)
    assert signed.assume_role_with_web_identity(
        RoleArn=role.arn, RoleSessionName="session", WebIdentityToken=keys["one"].token(role.idp.claims()))

    records = world.house.records()
    [record] = [r for r in records if r.get("eventName") == "AssumeRoleWithWebIdentity"
                and (r.get("responseElements") or {}).get("accessKeyId") == answer["Credentials"]["AccessKeyId"]]
    who = record["userIdentity"]
    assert (who["type"], who["userName"], who["identityProvider"]) == ("WebIdentityUser", "ann", role.provider)
    assert who["principalId"] == f"{role.provider}:app:ann"
    assert "eyJ" not in json.dumps(record), "the token is in the record"


@pytest.mark.parametrize("kid, alg", [("one", "RS384"), ("one", "RS512"), ("p256", None), ("p384", None), ("ed", None)])
def test_every_way_to_sign(trusting, keys, kid, alg):
    role = trusting(kid)
    assert role.assume(keys[kid].token(role.idp.claims(), alg=alg))["Credentials"]


def test_a_provider_with_tls(trusting, keys, authority, tmp_path):
    role = trusting(tls=authority.tls)
    assert role.assume(keys["one"].token(role.idp.claims()))["Credentials"]
    # Its keys come over TLS too.
    plain = trusting(tls=authority.tls)
    plain.idp.url = plain.idp.url.replace("https", "http")
    assert plain.refused(keys["one"].token(plain.idp.claims(iss=plain.idp.issuer))) == "IDPCommunicationError"
    assert plain.idp.asked == 1
    # Whom nobody vouches for is not asked.
    stranger = trusting(tls=Authority(tmp_path).tls)
    assert stranger.refused(keys["one"].token(stranger.idp.claims())) == "IDPCommunicationError"
    assert stranger.idp.asked == 0


def test_forged_and_unfit_tokens(trusting, keys):
    role, one = trusting("one", "p256"), keys["one"]
    now, claims = int(time.time()), role.idp.claims

    def unsigned(alg, signature=b"", **header):
        head = b64(json.dumps({"alg": alg, "kid": "one", **header}).encode()) + "." + b64(json.dumps(claims()).encode())
        return head + "." + b64(signature(head.encode()) if callable(signature) else signature)

    def with_public_key(data):
        return hmac.digest(one.public, data, "sha256")

    good = one.token(claims())
    head, body, signature = good.split(".")
    for what, token, expected in [
        ("another audience", one.token(claims(aud="stranger")), "InvalidIdentityToken"),
        ("another party", one.token(claims(azp="stranger")), "InvalidIdentityToken"),
        ("another issuer", one.token(claims(iss="https://example.org")), "InvalidIdentityToken"),
        ("the issuer with TLS", one.token(claims(iss=role.idp.url.replace("http", "https"))), "InvalidIdentityToken"),
        ("no issuer", one.token(claims(iss=None)), "InvalidIdentityToken"),
        ("expired", one.token(claims(exp=now - 3600, iat=now - 7200)), "ExpiredTokenException"),
        ("without end", one.token(claims(exp=None)), "InvalidIdentityToken"),
        ("not yet valid", one.token(claims(nbf=now + 3600)), "InvalidIdentityToken"),
        ("of the future", one.token(claims(iat=now + 3600)), "InvalidIdentityToken"),
        ("nobody", one.token(claims(sub=None)), "InvalidIdentityToken"),
        ("alg none", unsigned("none"), "InvalidIdentityToken"),
        ("alg none, signed", unsigned("none", one.sign(b"x", "RS256")), "InvalidIdentityToken"),
        ("HMAC with the public key", unsigned("HS256", with_public_key), "InvalidIdentityToken"),
        ("another algorithm than the key's", unsigned("ES256", b"\0" * 64), "InvalidIdentityToken"),
        ("its own key in the header", keys["two"].token(claims(), header={"kid": "one", "jwk": keys["two"].jwk}),
         "InvalidIdentityToken"),
        ("an extension", one.token(claims(), header={"crit": ["b64"], "b64": False}), "InvalidIdentityToken"),
        ("altered", f"{head}.{b64(json.dumps(claims(sub='root')).encode())}.{signature}", "InvalidIdentityToken"),
        ("cut short", good[:-10], "InvalidIdentityToken"),
        ("not a token", "x" * 100, "InvalidIdentityToken"),
        ("claims that differ in case", one.token(claims(SUB="root")), "InvalidIdentityToken"),
    ]:
        assert role.refused(token) == expected, what
    assert role.assume(good)


def test_what_the_trust_policy_says(world, trusting, keys):
    role = trusting(condition={"StringEquals": {"HOST:sub": "ann", "HOST:groups": ["staff"]}})
    one, claims = keys["one"], role.idp.claims
    assert role.assume(one.token(claims(groups=["staff", "x"])))
    assert role.refused(one.token(claims(sub="bob", groups="staff"))) == "AccessDenied"
    assert role.refused(one.token(claims())) == "AccessDenied"
    # A role that is not there looks like one that does not trust, and a provider's session is no user's.
    token = one.token(claims(groups="staff"))
    assert role.refused(token, RoleArn=role.arn + "x") == "AccessDenied"
    demo = f"arn:aws:iam::{world.account}:role/{world.ready['role']}"
    assert role.refused(token, RoleArn=demo) == "AccessDenied"
    assert role.refused(token, RoleArn="arn:aws:iam::999999999999:role/x") == "InvalidIdentityToken"
    assert role.refused(token, DurationSeconds=7200) == "ValidationError"
    world.iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=role.provider)
    assert role.refused(token) == "InvalidIdentityToken"


def test_a_key_is_rotated(trusting, keys):
    role = trusting("one")
    assert role.assume(keys["one"].token(role.idp.claims()))
    asked = role.idp.asked
    # Asked a moment ago: strangers cannot make us ask again and again.
    role.idp.keys = [keys["two"]]
    for _ in range(5):
        assert role.refused(keys["two"].token(role.idp.claims())) == "InvalidIdentityToken"
    assert role.idp.asked == asked == 2
    # Known before it is used, as providers rotate.
    other = trusting("one", "two")
    assert other.assume(keys["one"].token(other.idp.claims())) and other.assume(keys["two"].token(other.idp.claims()))
    assert other.idp.asked == 2


def test_the_provider_is_away_or_answers_nonsense(trusting, keys):
    role = trusting()
    role.idp.close()
    assert role.refused(keys["one"].token(role.idp.claims())) == "IDPCommunicationError"
    huge = trusting()
    huge.idp.padding = 10 * 1024 * 1024
    assert huge.refused(keys["one"].token(huge.idp.claims())) == "IDPCommunicationError"
    moved, target = trusting(), trusting()
    moved.idp.redirect = target.idp.url
    assert moved.refused(keys["one"].token(moved.idp.claims())) == "IDPCommunicationError"
    assert target.idp.asked == 0
    foreign = trusting()
    foreign.idp.issuer = "https://example.org"
    assert foreign.refused(keys["one"].token(foreign.idp.claims())) == "IDPCommunicationError"


def test_tags_source_identity_and_what_is_chained(world, trusting, keys):
    role = trusting(actions=["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"])
    given = {CLAIM + "tags": {"principal_tags": {"team": ["blue"], "floor": ["2"]}, "transitive_tag_keys": ["team"]},
             CLAIM + "source_identity": "ann"}
    answer = role.assume(keys["one"].token(role.idp.claims(**given)))
    assert answer["SourceIdentity"] == "ann" and answer["PackedPolicySize"] > 0
    # Who may tag is the trust policy's to say.
    plain = trusting()
    for part in given:
        token = keys["one"].token(plain.idp.claims(**{part: given[part]}))
        assert plain.refused(token) == "AccessDenied", part
    bad = {CLAIM + "tags": {"principal_tags": {"a": ["1", "2"]}}}
    assert role.refused(keys["one"].token(role.idp.claims(**bad))) == "IDPRejectedClaim"

    # The session carries the tags, and who it is at its provider.
    def allowing(condition):
        return json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*", "Condition": {"StringEquals": condition}}]})
    iam = world.client("iam", answer["Credentials"])
    for condition in ({"aws:PrincipalTag/floor": "2"}, {f"{role.idp.host}:sub": "ann"},
                      {"aws:FederatedProvider": role.provider}, {"aws:SourceIdentity": "ann"}):
        world.iam.put_role_policy(RoleName=role.name, PolicyName="p", PolicyDocument=allowing(condition))
        assert iam.list_users()["Users"], condition
    world.iam.put_role_policy(RoleName=role.name, PolicyName="p", PolicyDocument=allowing({f"{role.idp.host}:sub": "bob"}))
    with pytest.raises(ClientError):
        iam.list_users()

    # The next role sees what goes on, and lasts an hour at most.
    world.iam.put_role_policy(RoleName=role.name, PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}))
    following = world.iam.create_role(RoleName=role.name + "-next", MaxSessionDuration=7200, AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": role.arn},
            "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            "Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue", "aws:SourceIdentity": "ann"}}}]}))["Role"]["Arn"]
    sts = world.client("sts", answer["Credentials"])
    chained = sts.assume_role(RoleArn=following, RoleSessionName="next")
    assert chained["SourceIdentity"] == "ann"
    with pytest.raises(ClientError) as caught:
        sts.assume_role(RoleArn=following, RoleSessionName="next", DurationSeconds=7200)
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_a_session_policy_narrows(world, trusting, keys):
    role = trusting()
    world.iam.attach_role_policy(RoleName=role.name, PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    only = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iam:ListRoles", "Resource": "*"}]})
    given = role.assume(keys["one"].token(role.idp.claims()), Policy=only)["Credentials"]
    iam = world.client("iam", given)
    assert iam.list_roles()["Roles"]
    with pytest.raises(ClientError):
        iam.list_users()


def test_federation_tokens(world):
    may = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["ec2:Describe*", "sts:GetFederationToken"], "Resource": "*"}]})
    world.iam.create_user(UserName="broker")
    key = world.iam.create_access_key(UserName="broker")["AccessKey"]
    world.iam.put_user_policy(UserName="broker", PolicyName="p", PolicyDocument=may)
    broker = world.client("sts", key)
    everything = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    answer = broker.get_federation_token(Name="ann", Policy=everything, DurationSeconds=900)
    assert answer["FederatedUser"] == {"FederatedUserId": f"{world.account}:ann",
                                       "Arn": f"arn:aws:sts::{world.account}:federated-user/ann"}
    assert answer["PackedPolicySize"] > 0
    who = world.client("sts", answer["Credentials"]).get_caller_identity()
    assert (who["Arn"], who["UserId"]) == (answer["FederatedUser"]["Arn"], f"{world.account}:ann")
    ec2 = world.client("ec2", answer["Credentials"])
    assert "Reservations" in ec2.describe_instances()

    def code(call, **parameters):
        with pytest.raises(ClientError) as caught:
            call(**parameters)
        return caught.value.response["Error"]["Code"]

    # Both must allow; IAM and STS are closed whatever is allowed.
    assert code(ec2.terminate_instances, InstanceIds=["i-0123456789abcdef0"]) == "UnauthorizedOperation"
    assert code(world.client("iam", answer["Credentials"]).list_users) == "InvalidClientTokenId"
    for call in ("get_session_token", "get_federation_token"):
        words = {"Name": "x2"} if "fed" in call else {}
        assert code(getattr(world.client("sts", answer["Credentials"]), call), **words) == "AccessDenied"
    nothing = broker.get_federation_token(Name="ann")["Credentials"]
    assert code(world.client("ec2", nothing).describe_instances) == "UnauthorizedOperation"
    assert code(broker.get_federation_token, Name="ann", Tags=[{"Key": "a", "Value": "b"}]) == "AccessDenied"
    # The user is gone, and so are they.
    world.iam.delete_access_key(UserName="broker", AccessKeyId=key["AccessKeyId"])
    world.iam.delete_user_policy(UserName="broker", PolicyName="p")
    world.iam.delete_user(UserName="broker")
    assert code(ec2.describe_instances) == "AuthFailure"


def test_nothing_else_goes_unsigned(world):
    for action in ("GetCallerIdentity", "AssumeRole", "GetFederationToken", "assumerolewithwebidentity"):
        request = urllib.request.Request(world.house.api, data=f"Action={action}&Version=2011-06-15".encode())
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        assert caught.value.code == 403 and b"MissingAuthenticationToken" in caught.value.read()
