"""Outbound identity federation: tokens for services elsewhere, verified by a JWT library of somebody else's with the keys that
discovery leads to, and taken by another Hallpass as a service that federates.
"""
import base64
import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

TOOLS = Path(os.environ["HALLPASS_TOOLS"])
AUDIENCE = "https://api.example.com"
OURS = "https://sts.amazonaws.com/"
VERIFY = """
import json, sys
from joserfc import jwt
from joserfc.jwk import KeySet
said = json.load(sys.stdin)
token = jwt.decode(said["token"], KeySet.import_key_set(said["keys"]), algorithms=["RS256", "ES384"])
jwt.JWTClaimsRegistry(iss={"essential": True, "value": said["issuer"]}, aud={"essential": True, "value": said["audience"]},
                      exp={"essential": True}).validate(token.claims)
json.dump({"header": token.header, "claims": token.claims}, sys.stdout)
"""


def fetched(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["content-type"] == "application/json"
        return json.load(answer)


def verified(token, issuer, audience=AUDIENCE):
    """Header and claims, as whoever knows the issuer's name alone can prove them."""
    configuration = fetched(issuer + "/.well-known/openid-configuration")
    assert configuration["issuer"] == issuer
    question = {"token": token, "keys": fetched(configuration["jwks_uri"]), "issuer": issuer, "audience": audience}
    said = subprocess.run([TOOLS / "python-moto/bin/python", "-c", VERIFY], input=json.dumps(question), text=True,
                          capture_output=True, timeout=60)
    assert said.returncode == 0, said.stderr
    told = json.loads(said.stdout)
    return told["header"], told["claims"]


def code(call, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    return error.value.response["Error"]["Code"], error.value.response["ResponseMetadata"]["HTTPStatusCode"]


def allow(*statements):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", **one} for one in statements]}


def asked(sts, algorithm="ES384", audience=(AUDIENCE,), **more):
    return sts.get_web_identity_token(Audience=list(audience), SigningAlgorithm=algorithm, **more)


def test_an_account_says_whether_its_principals_may_have_tokens(house):
    iam, sts = house.boto("iam"), house.boto("sts")
    assert code(iam.get_outbound_web_identity_federation_info) == ("FeatureDisabled", 404)
    assert code(iam.disable_outbound_web_identity_federation) == ("FeatureDisabled", 404)
    assert code(asked, sts=sts) == ("OutboundWebIdentityFederationDisabledException", 403)
    issuer = iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    assert issuer.startswith(house.api + "/")
    assert code(iam.enable_outbound_web_identity_federation) == ("FeatureEnabled", 409)
    info = iam.get_outbound_web_identity_federation_info()
    assert (info["IssuerIdentifier"], info["JwtVendingEnabled"]) == (issuer, True)
    token = asked(sts)["WebIdentityToken"]

    iam.disable_outbound_web_identity_federation()
    assert code(asked, sts=sts) == ("OutboundWebIdentityFederationDisabledException", 403)
    assert iam.get_outbound_web_identity_federation_info()["JwtVendingEnabled"] is False
    assert code(iam.disable_outbound_web_identity_federation) == ("FeatureDisabled", 404)
    verified(token, issuer)
    assert iam.enable_outbound_web_identity_federation()["IssuerIdentifier"] == issuer
    house.stop()
    house.start()
    # Without a setting the issuer follows the address that is listened on; the rest of it and the keys stay.
    later = house.boto("iam").get_outbound_web_identity_federation_info()["IssuerIdentifier"]
    assert later == house.api + issuer[issuer.index("/_hallpass/"):]
    before = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
    assert verified(asked(house.boto("sts"))["WebIdentityToken"], later)[0] == before
    for path in ("/_hallpass/oidc/none/.well-known/jwks.json", issuer.split("/", 3)[3] + "/keys"):
        with pytest.raises(urllib.error.HTTPError) as error:
            fetched(house.api + "/" + path.lstrip("/"))
        assert error.value.code == 404


@pytest.mark.parametrize("algorithm", ["RS256", "ES384"])
def test_a_token_tells_who_asked(house, algorithm):
    account = house.ready["account"]
    issuer = house.boto("iam").enable_outbound_web_identity_federation()["IssuerIdentifier"]
    house.aws("iam", "tag-user", "--user-name", "admin", "--tags", "Key=team,Value=data")
    tags = [{"Key": "job", "Value": "42"}]
    answer = asked(house.boto("sts"), algorithm, (AUDIENCE, "second"), DurationSeconds=60, Tags=tags)
    header, claims = verified(answer["WebIdentityToken"], issuer)
    assert header["alg"] == algorithm and header["typ"] == "JWT"
    assert claims["aud"] == [AUDIENCE, "second"] and claims["exp"] - claims["iat"] == 60
    assert answer["Expiration"].timestamp() == claims["exp"]
    admin = f"arn:aws:iam::{account}:user/admin"
    assert claims["sub"] == admin
    assert claims[OURS] == {"aws_account": account, "source_region": house.ready["region"], "principal_id": admin,
                            "principal_tags": {"team": "data"}, "request_tags": {"job": "42"}}
    again = verified(asked(house.boto("sts"), algorithm)["WebIdentityToken"], issuer)[1]
    assert again["aud"] == AUDIENCE and again["jti"] != claims["jti"] and again["exp"] - again["iat"] == 300


def test_a_machine_s_role_has_tokens_without_any_key(house):
    issuer = house.boto("iam").enable_outbound_web_identity_federation()["IssuerIdentifier"]
    house.role("worker", allow({"Action": "sts:GetWebIdentityToken"}))
    house.rules('[[rule]]\nuid = 0\nroles = ["worker"]\n')
    role = f"arn:aws:iam::{house.ready['account']}:role/worker"
    # The CLI's version 1 would fetch an audience that is a URL.
    said = house.hallpass("run", "--role", "worker", "--", TOOLS / "python-awscli/bin/aws", "sts", "get-web-identity-token",
                          "--cli-input-json", json.dumps({"Audience": [AUDIENCE], "SigningAlgorithm": "ES384"}))
    claims = verified(json.loads(said.stdout)["WebIdentityToken"], issuer)[1]
    assert claims["sub"] == role
    assert claims[OURS]["principal_id"].startswith(role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/i-")
    assert ":instance/i-" in claims[OURS]["ec2_source_instance_arn"] and claims[OURS]["original_session_exp"].endswith("Z")
    audit = house.hallpass("audit", "search", "--log", house.data / "audit", "--event", "GetWebIdentityToken", check=False)
    assert json.loads(said.stdout)["WebIdentityToken"].split(".")[2] not in audit.stdout + (house.path / "log").read_text()


def test_another_system_takes_it(houses):
    ours, theirs = houses(), houses()
    issuer = ours.boto("iam").enable_outbound_web_identity_federation()["IssuerIdentifier"]
    iam = theirs.boto("iam")
    provider = iam.create_open_id_connect_provider(Url=issuer, ClientIDList=[AUDIENCE])["OpenIDConnectProviderArn"]
    host = issuer.split("://")[1]
    admin = f"arn:aws:iam::{ours.ready['account']}:user/admin"
    trust = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {f"{host}:aud": AUDIENCE, f"{host}:sub": admin}}}]}
    role = iam.create_role(RoleName="partner", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    stranger = boto3.client("sts", endpoint_url=theirs.api, region_name="eu-central-1",
                            config=Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1}))

    def assume(token):
        return stranger.assume_role_with_web_identity(RoleArn=role, RoleSessionName="from-ours", WebIdentityToken=token)

    for algorithm in ("RS256", "ES384"):
        key = assume(asked(ours.boto("sts"), algorithm)["WebIdentityToken"])["Credentials"]
        there = theirs.boto("sts", key=(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"]))
        assert there.get_caller_identity()["Arn"].endswith(":assumed-role/partner/from-ours")
    other_user = ours.user("other", allow({"Action": "sts:*"}))
    other = ours.boto("sts", key=(other_user["AWS_ACCESS_KEY_ID"], other_user["AWS_SECRET_ACCESS_KEY"]))
    assert code(assume, token=asked(other)["WebIdentityToken"])[0] == "AccessDenied"
    assert code(assume, token=asked(ours.boto("sts"), audience=["elsewhere"])["WebIdentityToken"])[0] == "InvalidIdentityToken"
    head, body, signature = asked(ours.boto("sts"))["WebIdentityToken"].split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "sub": admin + "x"}).encode()).rstrip(b"=").decode()
    assert code(assume, token=f"{head}.{forged}.{signature}")[0] == "InvalidIdentityToken"


def test_policy_decides_for_whom_how_long_and_with_what(house):
    house.boto("iam").enable_outbound_web_identity_federation()
    get, tag = "sts:GetWebIdentityToken", "sts:TagGetWebIdentityToken"
    conditions = {"ForAllValues:StringEquals": {"sts:IdentityTokenAudience": [AUDIENCE]},
                  "NumericLessThanEquals": {"sts:DurationSeconds": "300"}, "StringEquals": {"sts:SigningAlgorithm": "ES384"}}
    narrow = house.user("narrow", allow({"Action": get, "Condition": conditions}))
    nobody = house.user("nobody", allow({"Action": "s3:*"}))
    tagger = house.user("tagger", allow({"Action": get}, {
        "Action": tag, "Condition": {"StringEquals": {"aws:RequestTag/team": "data"},
                                     "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}}))
    sts = {name: house.boto("sts", key=(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]))
           for name, env in (("narrow", narrow), ("nobody", nobody), ("tagger", tagger))}
    assert asked(sts["narrow"])["WebIdentityToken"]
    for wrong in ({"audience": ["other"]}, {"audience": [AUDIENCE, "other"]}, {"algorithm": "RS256"}, {"DurationSeconds": 301},
                  {"Tags": [{"Key": "team", "Value": "data"}]}):
        assert code(asked, sts=sts["narrow"], **wrong) == ("AccessDenied", 403), wrong
    assert code(asked, sts=sts["nobody"]) == ("AccessDenied", 403)
    assert asked(sts["tagger"], Tags=[{"Key": "team", "Value": "data"}])
    for key, value in (("team", "web"), ("job", "1")):
        assert code(asked, sts=sts["tagger"], Tags=[{"Key": key, "Value": value}]) == ("AccessDenied", 403)


def test_no_token_outlives_its_session_or_grows_without_end(house):
    house.boto("iam").enable_outbound_web_identity_federation()
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": house.ready["account"]}, "Action": "sts:AssumeRole"}]}
    house.role("short", allow({"Action": "sts:*"}), trust)
    short = house.boto("sts").assume_role(RoleArn=f"arn:aws:iam::{house.ready['account']}:role/short", RoleSessionName="ss",
                                          DurationSeconds=900)["Credentials"]
    sts = house.boto("sts", key=(short["AccessKeyId"], short["SecretAccessKey"], short["SessionToken"]))
    assert asked(sts, DurationSeconds=600)
    assert code(asked, sts=sts, DurationSeconds=901) == ("SessionDurationEscalationException", 403)
    many = [{"Key": f"{number:02}" * 60, "Value": "v" * 250} for number in range(20)]
    assert code(asked, sts=house.boto("sts"), Tags=many) == ("JWTPayloadSizeExceededException", 400)
    plain = boto3.client("sts", endpoint_url=house.api, region_name="eu-central-1", aws_access_key_id=house.admin_key()[0],
                         aws_secret_access_key=house.admin_key()[1],
                         config=Config(parameter_validation=False, retries={"total_max_attempts": 1}))
    for wrong in ({"algorithm": "HS256"}, {"algorithm": "none"}, {"audience": []}, {"audience": ["a"] * 11}, {"audience": [""]},
                  {"audience": ["a" * 1001]}, {"DurationSeconds": 59}, {"DurationSeconds": 3601}):
        assert code(asked, sts=plain, **wrong) == ("ValidationError", 400), wrong


def test_the_keys_rotate_while_tokens_are_good(house):
    issuer = house.boto("iam").enable_outbound_web_identity_federation()["IssuerIdentifier"]
    old = {algorithm: asked(house.boto("sts"), algorithm)["WebIdentityToken"] for algorithm in ("RS256", "ES384")}
    house.hallpass("keys", "rotate", "tokens")
    house.hallpass("keys", "rotate", "secrets")
    for algorithm, token in old.items():
        before, now = verified(token, issuer)[0], verified(asked(house.boto("sts"), algorithm)["WebIdentityToken"], issuer)[0]
        assert before["kid"] != now["kid"]
    shown = [line.split() for line in house.hallpass("keys", "show").stdout.splitlines() if line.startswith("tokens")]
    assert [(line[1], " ".join(line[3:])) for line in shown] == [("1", "for reading"), ("2", "in use")]
    # Too early to give the first up: receivers may still verify with it.
    house.hallpass("keys", "retire")
    verified(old["RS256"], issuer)


def test_the_issuer_is_where_the_operator_says(houses):
    house = houses(config='[listener]\npublic_url = "https://api.example.org/"\n')
    issuer = house.boto("iam").enable_outbound_web_identity_federation()["IssuerIdentifier"]
    assert issuer.startswith("https://api.example.org/_hallpass/oidc/")
    path = issuer.removeprefix("https://api.example.org")
    assert fetched(house.api + path + "/.well-known/openid-configuration")["jwks_uri"] == issuer + "/.well-known/jwks.json"
    with pytest.raises(AssertionError, match="public_url is a scheme and a host"):
        houses(config='[listener]\npublic_url = "api.example.org"\n')
