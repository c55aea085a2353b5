"""Sessions for SAML assertions: signed by libxmlsec1, asked for by boto3, and every known way to forge one."""
import base64
import itertools
import json
import re
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from house import TOOLS, House

AWS = "https://aws.amazon.com/SAML/Attributes/"
SIGN_IN = "https://signin.aws.amazon.com/saml"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
# Where a signature goes.
HERE = "<signature/>"


def stamp(seconds=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class Signing:
    """The program that signs."""

    def __init__(self):
        program = Path(__file__).parent / "clients/saml_signer.py"
        self.process = subprocess.Popen([TOOLS / "python-saml/bin/python", program], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def __call__(self, **words):
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Idp:
    """A key, its certificate, and a name: an identity provider."""

    def __init__(self, signing, folder, name, kind="rsa"):
        self.signing, self.entity, self.method = signing, f"https://{name}.example.org/saml", f"{kind[:5]}-sha256"
        kinds = {"rsa": ["rsa:2048"], "ecdsa": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
                 "ecdsa384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]}
        key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", *kinds[kind], "-nodes", "-keyout", key, "-out", certificate,
                        "-subj", f"/CN={name}", "-days", "2"], check=True, capture_output=True)
        self.key, self.certificate = key.read_text(), certificate.read_text()
        body = "".join(self.certificate.splitlines()[1:-1])
        self.metadata = (
            '<?xml version="1.0"?><!-- ' + "x" * 1000 + ' --><EntityDescriptor '
            f'xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{self.entity}"><IDPSSODescriptor '
            'protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><KeyDescriptor use="signing"><KeyInfo '
            f'xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>{body}</X509Certificate></X509Data>'
            '</KeyInfo></KeyDescriptor></IDPSSODescriptor></EntityDescriptor>')

    def sign(self, document, id="_a", method=None, digest="sha256", canonicalization=EXCLUSIVE, prefixes=()):
        return self.signing(document=document, place=HERE, key=self.key, certificate=self.certificate, id=id, digest=digest,
                            method=method or self.method, canonicalization=canonicalization, prefixes=list(prefixes))

    def assertion(self, role, subject="ann", id="_a", attributes=None, **changed):
        given = {AWS + "Role": role, AWS + "RoleSessionName": "ann", **(attributes or {})}
        it = {"issuer": self.entity, "issued": stamp(), "before": stamp(-60), "after": stamp(300), "confirmed": stamp(300),
              "recipient": SIGN_IN, "audience": "urn:amazon:webservices", "session": "", **changed}
        values = "".join(
            f'<saml2:Attribute Name="{name}" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri">'
            + "".join('<saml2:AttributeValue xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
                      f'xsi:type="xs:string">{value}</saml2:AttributeValue>'
                      for value in (value if isinstance(value, list) else [value]))
            + "</saml2:Attribute>" for name, value in given.items())
        return (
            f'<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" xmlns:xs="http://www.w3.org/2001/XMLSchema" '
            f'ID="{id}" IssueInstant="{it["issued"]}" Version="2.0">\n<saml2:Issuer>{it["issuer"]}</saml2:Issuer>{HERE}'
            f'<saml2:Subject><saml2:NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">{subject}'
            '</saml2:NameID><saml2:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
            f'<saml2:SubjectConfirmationData NotOnOrAfter="{it["confirmed"]}" Recipient="{it["recipient"]}"/>'
            f'</saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="{it["before"]}" '
            f'NotOnOrAfter="{it["after"]}"><saml2:AudienceRestriction><saml2:Audience>{it["audience"]}</saml2:Audience>'
            f'</saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement AuthnInstant="{stamp()}"'
            f'{it["session"]}><saml2:AuthnContext><saml2:AuthnContextClassRef>x &amp; "y"</saml2:AuthnContextClassRef>'
            f'</saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement>{values}</saml2:AttributeStatement>'
            '</saml2:Assertion>')

    def signed(self, role, how=None, **words):
        """A response with a signed assertion."""
        return response(self.sign(self.assertion(role, **words), **(how or {})))


def response(inside, id="_r", signature="", status="Success"):
    return (f'<saml2p:Response xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol" Destination="{SIGN_IN}" ID="{id}" '
            f'IssueInstant="{stamp()}" Version="2.0">{signature}<saml2p:Status><saml2p:StatusCode '
            f'Value="urn:oasis:names:tc:SAML:2.0:status:{status}"/></saml2p:Status>{inside}</saml2p:Response>')


@pytest.fixture(scope="module")
def signing():
    program = Signing()
    yield program
    program.close()


@pytest.fixture(scope="module")
def idp(signing, tmp_path_factory):
    return Idp(signing, tmp_path_factory.mktemp("idp"), "idp")


@pytest.fixture(scope="module")
def world(idp):
    house = House()
    text = Path(house.ready["admin_credentials"]).read_text()
    admin = {"AccessKeyId": re.search(r"aws_access_key_id = (\S+)", text)[1],
             "SecretAccessKey": re.search(r"aws_secret_access_key = (\S+)", text)[1]}

    class World:
        account, number = house.ready["account"], itertools.count(1)

        def client(self, service, keys=None, **config):
            words = {} if keys is None else {"aws_access_key_id": keys["AccessKeyId"],
                                             "aws_secret_access_key": keys["SecretAccessKey"],
                                             "aws_session_token": keys.get("SessionToken")}
            return boto3.client(service, endpoint_url=house.api, region_name=house.ready["region"], **words,
                                config=Config(retries={"max_attempts": 0}, **config))

        def provider(self, name, idp):
            return self.iam.create_saml_provider(Name=name, SAMLMetadataDocument=idp.metadata)["SAMLProviderArn"]

    world = World()
    world.house, world.iam = house, world.client("iam", admin)
    world.sts, world.nobody = world.client("sts", admin), world.client("sts", signature_version=UNSIGNED)
    world.arn = world.provider("idp", idp)
    yield world
    house.close()


class Trusting:
    """A role that trusts a provider."""

    def __init__(self, world, provider=None, condition=None, actions=("sts:AssumeRoleWithSAML",), **role):
        self.world, self.provider, self.name = world, provider or world.arn, f"by-{next(world.number)}"
        self.arn = world.iam.create_role(RoleName=self.name, **role, AssumeRolePolicyDocument=json.dumps({
            "Version": "2012-10-17", "Statement": [{
                "Effect": "Allow", "Principal": {"Federated": self.provider}, "Action": list(actions),
                "Condition": condition or {"StringEquals": {"saml:aud": SIGN_IN}}}]}))["Role"]["Arn"]
        self.pair = f"{self.arn},{self.provider}"

    def assume(self, document, **more):
        text = base64.b64encode(document.encode()).decode()
        return self.world.nobody.assume_role_with_saml(
            **{"RoleArn": self.arn, "PrincipalArn": self.provider, "SAMLAssertion": text, **more})

    def refused(self, document, **more):
        with pytest.raises(ClientError) as caught:
            self.assume(document, **more)
        return caught.value.response["Error"]["Code"]


def test_a_good_assertion_is_a_session(world, idp):
    role = Trusting(world)
    document = idp.signed(role.pair)
    answer = role.assume(document, DurationSeconds=900)
    assert (answer["Subject"], answer["SubjectType"], answer["Issuer"]) == ("ann", "persistent", idp.entity)
    assert answer["Audience"] == SIGN_IN
    digest = subprocess.run(["openssl", "sha1", "-binary"], input=f"{idp.entity}{world.account}/idp".encode(),
                            capture_output=True, check=True).stdout
    assert answer["NameQualifier"] == base64.b64encode(digest).decode()
    arn = f"arn:aws:sts::{world.account}:assumed-role/{role.name}/ann"
    assert answer["AssumedRoleUser"]["Arn"] == arn
    assert 890 < answer["Credentials"]["Expiration"].timestamp() - time.time() <= 900
    assert world.client("sts", answer["Credentials"]).get_caller_identity()["Arn"] == arn
    # Shown again, and by someone who signs: it is good until it expires.
    assert role.assume(document)
    text = base64.b64encode(document.encode()).decode()
    assert world.sts.assume_role_with_saml(RoleArn=role.arn, PrincipalArn=role.provider, SAMLAssertion=text)

    [record] = [r for r in world.house.records(eventName="AssumeRoleWithSAML")
                if (r.get("responseElements") or {}).get("accessKeyId") == answer["Credentials"]["AccessKeyId"]]
    who = record["userIdentity"]
    assert (who["type"], who["userName"]) == ("SAMLUser", "ann")
    assert who["principalId"] == answer["NameQualifier"] + ":ann" and who["identityProvider"] == answer["NameQualifier"]
    assert record["requestParameters"]["sAMLAssertionID"] == "_a"
    assert record["requestParameters"]["roleSessionName"] == "ann"
    logs = (world.house.path / "log").read_text() + json.dumps(world.house.records())
    assert text[100:160] not in logs and "saml2:Assertion" not in logs, "the assertion is in a log or a record"


@pytest.mark.parametrize("kind, method, digest", [
    ("rsa", "rsa-sha256", "sha256"), ("rsa", "rsa-sha384", "sha384"), ("rsa", "rsa-sha512", "sha512"),
    ("ecdsa", "ecdsa-sha256", "sha256"), ("ecdsa384", "ecdsa-sha384", "sha512")])
def test_every_way_to_sign(world, signing, tmp_path, kind, method, digest):
    name = f"{method}-{next(world.number)}"
    idp = Idp(signing, tmp_path, name, kind)
    role = Trusting(world, world.provider(name, idp))
    how = {"method": method, "digest": digest}
    assert role.assume(idp.signed(role.pair, how))
    # The response is signed, or both are; the prefixes of types are declared where the signature says so, or not.
    bare = idp.assertion(role.pair).replace(HERE, "")
    assert role.assume(idp.sign(response(bare, signature=HERE), "_r", **how))
    inner = idp.sign(idp.assertion(role.pair), prefixes=["xs", "xsi"], **how)
    assert role.assume(response(inner))
    assert role.assume(idp.sign(response(inner, signature=HERE), "_r", **how))
    assert role.refused(idp.sign(response(bare, signature=HERE), "_r", **how).replace(">ann<", ">root<")) \
        == "InvalidIdentityToken"


def cut(document):
    """A signed document without its signature, and the signature."""
    signature = re.search(r"<ds:Signature .*?</ds:Signature>", document, re.S)[0]
    return document.replace(signature, ""), signature


def test_wrapped_signatures(world, idp):
    role = Trusting(world)
    good = idp.sign(idp.assertion(role.pair))
    bare, signature = cut(good)
    assert role.assume(response(good))
    evil = bare.replace(">ann<", ">root<").replace('ID="_a"', 'ID="_e"')
    whole = idp.sign(response(bare, signature=HERE), "_r")
    bare_whole, whole_signature = cut(whole)
    evil_whole = bare_whole.replace(">ann<", ">root<").replace('ID="_r"', 'ID="_s"').replace('ID="_a"', 'ID="_e"')

    def holding(signature, inside, tag=""):
        return signature.replace("</ds:Signature>", f"<ds:Object>{inside}</ds:Object></ds:Signature>" if tag else
                                 f"{inside}</ds:Signature>")

    def into(document, inside, before="<saml2:Subject>"):
        return document.replace(before, inside + before, 1)

    status = "<saml2p:Status>"
    for what, document in [
        ("1", into(evil_whole, holding(whole_signature, bare_whole), status)),
        ("2", into(evil_whole, bare_whole + whole_signature, status)),
        ("3", response(evil + good)),
        ("4", response(into(evil, good))),
        ("5", response(into(evil, signature) + bare)),
        ("6", response(into(evil, holding(signature, bare)))),
        ("7", response(f"<saml2p:Extensions>{evil}</saml2p:Extensions>" + good)),
        ("8", response(into(evil, holding(signature, bare, "object")))),
        ("7, the other way", response(f"<saml2p:Extensions>{good}</saml2p:Extensions>" + evil)),
        ("3, after", response(good + evil)),
        ("5, with one ID", response(into(evil.replace("_e", "_a"), signature) + bare)),
        ("two good ones", response(good + good)),
        ("one ID for two", response(good, id="_a")),
        ("the signature of another", response(into(evil, signature))),
        ("the signature at the response", response(bare, signature=signature)),
        ("the response's signature in the assertion", response(into(bare, whole_signature))),
        ("no signature", response(bare)),
    ]:
        assert role.refused(document) == "InvalidIdentityToken", what


def test_forged_and_unfit_assertions(world, idp, signing, tmp_path):
    role, stranger = Trusting(world), Idp(signing, tmp_path, "stranger")
    other = Trusting(world, world.provider("stranger", stranger))
    good = idp.signed(role.pair)
    invalid, expired = "InvalidIdentityToken", "ExpiredTokenException"

    def signed(how=None, **changed):
        return idp.signed(role.pair, how, **changed)

    stranger_as_idp = Idp(signing, tmp_path, "impostor")
    stranger_as_idp.entity = idp.entity
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {n} "{f"&{m};" * 10}">' for m, n in zip("abcdefgh", "bcdefghi")) + "]>"
    for what, document, code in [
        ("another's key, with its certificate in the signature", stranger_as_idp.signed(role.pair), invalid),
        ("another provider's", stranger.signed(role.pair), invalid),
        ("another issuer", signed(issuer="https://example.org"), invalid),
        ("SHA-1", signed({"method": "rsa-sha1"}), invalid),
        ("SHA-1 of what is signed", signed({"digest": "sha1"}), invalid),
        ("inclusive canonicalization", signed({"canonicalization": "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"}),
         invalid),
        ("expired", signed(after=stamp(-61), before=stamp(-90)), expired),
        ("the confirmation expired", signed(confirmed=stamp(-61)), expired),
        ("issued long ago", signed(issued=stamp(-400)), expired),
        ("a session that is over", signed(session=f' SessionNotOnOrAfter="{stamp(-1)}"'), expired),
        ("not yet valid", signed(before=stamp(90)), invalid),
        ("of the future", signed(issued=stamp(90)), invalid),
        ("another audience", signed(audience="urn:somebody:else"), invalid),
        ("another recipient", signed(recipient="https://sp.example.org/acs"), invalid),
        ("no name for the session", signed(attributes={AWS + "RoleSessionName": []}), invalid),
        ("no role", signed(attributes={AWS + "Role": []}), invalid),
        ("a comment in the name", good.replace(">ann<", ">ann<!-- -->.evil<"), invalid),
        ("a comment anywhere", good.replace("<saml2p:Status>", "<!-- --><saml2p:Status>"), invalid),
        ("a comment that is signed", signed(subject="ann<!-- -->.evil"), invalid),
        ("a document type", "<!DOCTYPE x>" + good, invalid),
        ("an entity bomb", bomb + good.replace(">ann<", ">&i;<"), invalid),
        ("a file", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + good.replace(">ann<", ">&a;<"), invalid),
        ("a processing instruction", good.replace(">ann<", "><?x y?>ann<"), invalid),
        ("altered", good.replace(">ann<", ">root<"), invalid),
        ("an altered role", good.replace(role.arn, role.arn + "x"), invalid),
        ("failed", good.replace("status:Success", "status:AuthnFailed"), "IDPRejectedClaim"),
        ("deep", "<a>" * 5000 + "</a>" * 5000, invalid),
        ("wide", "<a " + " ".join(f'b{n}=""' for n in range(5000)) + "/>", invalid),
        ("many", "<a>" + "<b/>" * 15000 + "</a>", invalid),
        ("no XML", "x" * 100, invalid),
    ]:
        assert role.refused(document) == code, what
    assert role.refused("x" * 75_001) == "ValidationError"
    # The provider must be the one of the call, the role one of those that are listed with it.
    assert role.refused(good, PrincipalArn=other.provider) == invalid
    for arn in (role.provider + "x", role.provider.replace("/idp", "/IDP"), "arn:aws:iam::999999999999:saml-provider/idp"):
        assert role.refused(good, PrincipalArn=arn) == invalid
    second = Trusting(world)
    assert second.refused(good) == "AccessDenied"
    assert second.refused(idp.signed(f"{second.arn},{other.provider}")) == "AccessDenied"
    assert role.refused(good, RoleArn=role.arn + "x") == "AccessDenied"
    assert other.refused(stranger.signed(f"{role.arn},{other.provider}"), RoleArn=role.arn) == "AccessDenied"
    assert role.refused(good, DurationSeconds=7200) == "ValidationError"
    both = idp.signed([role.pair, f"{second.provider},{second.arn}"])
    assert role.assume(both) and second.assume(both)


def test_what_the_trust_policy_says(world, idp):
    oid = "urn:oid:1.3.6.1.4.1.5923.1.1.1.1"
    role = Trusting(world, condition={
        "StringEquals": {"saml:iss": idp.entity, "saml:doc": f"{world.account}/idp", "saml:sub_type": "persistent"},
        "StringLike": {"saml:sub": "a*"},
        "ForAnyValue:StringEquals": {"saml:edupersonaffiliation": "staff"}})
    staff = {oid: ["staff", "member"]}
    assert role.assume(idp.signed(role.pair, attributes=staff))
    assert role.refused(idp.signed(role.pair, attributes=staff, subject="bob")) == "AccessDenied"
    assert role.refused(idp.signed(role.pair, attributes={oid: ["student"]})) == "AccessDenied"
    assert role.refused(idp.signed(role.pair)) == "AccessDenied"
    # A session at the provider that ends soon ends this one.
    answer = role.assume(idp.signed(role.pair, attributes=staff, session=f' SessionNotOnOrAfter="{stamp(600)}"'))
    assert 580 < answer["Credentials"]["Expiration"].timestamp() - time.time() <= 600
    only = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iam:ListRoles", "Resource": "*"}]})
    world.iam.attach_role_policy(RoleName=role.name, PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    narrow = world.client("iam", role.assume(idp.signed(role.pair, attributes=staff), Policy=only)["Credentials"])
    assert narrow.list_roles()["Roles"]
    with pytest.raises(ClientError):
        narrow.list_users()


def test_tags_source_identity_and_what_is_chained(world, idp):
    role = Trusting(world, actions=["sts:AssumeRoleWithSAML", "sts:TagSession", "sts:SetSourceIdentity"])
    given = {AWS + "PrincipalTag:team": "blue", AWS + "PrincipalTag:floor": "2", AWS + "TransitiveTagKeys": "team",
             AWS + "SourceIdentity": "ann"}
    answer = role.assume(idp.signed(role.pair, attributes=given))
    assert answer["SourceIdentity"] == "ann" and answer["PackedPolicySize"] > 0
    plain = Trusting(world)
    for name in (AWS + "PrincipalTag:team", AWS + "SourceIdentity"):
        assert plain.refused(idp.signed(plain.pair, attributes={name: given[name]})) == "AccessDenied", name
    for bad in ({AWS + "PrincipalTag:aws:x": "1"}, {AWS + "TransitiveTagKeys": "none"}):
        assert role.refused(idp.signed(role.pair, attributes=bad)) == "IDPRejectedClaim"

    def allowing(condition):
        return json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*", "Condition": {"StringEquals": condition}}]})
    iam = world.client("iam", answer["Credentials"])
    for condition in ({"aws:PrincipalTag/floor": "2"}, {"saml:sub": "ann"}, {"saml:sub_type": "persistent"},
                      {"saml:namequalifier": answer["NameQualifier"]}, {"aws:FederatedProvider": role.provider},
                      {"aws:SourceIdentity": "ann"}):
        world.iam.put_role_policy(RoleName=role.name, PolicyName="p", PolicyDocument=allowing(condition))
        assert iam.list_users()["Users"], condition
    world.iam.put_role_policy(RoleName=role.name, PolicyName="p", PolicyDocument=allowing({"saml:sub": "bob"}))
    with pytest.raises(ClientError):
        iam.list_users()
    world.iam.put_role_policy(RoleName=role.name, PolicyName="p", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}))
    following = world.iam.create_role(RoleName=role.name + "-next", AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": role.arn},
            "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            "Condition": {"StringEquals": {"aws:PrincipalTag/team": "blue", "aws:SourceIdentity": "ann"}}}]}))["Role"]["Arn"]
    sts = world.client("sts", answer["Credentials"])
    assert sts.assume_role(RoleArn=following, RoleSessionName="next")["SourceIdentity"] == "ann"


def test_metadata_that_changes(world, signing, tmp_path):
    old, new = (Idp(signing, tmp_path, name) for name in ("old", "new"))
    new.entity = old.entity
    new.metadata = new.metadata.replace("https://new.", "https://old.")
    role = Trusting(world, world.provider("rotating", old))
    assert role.assume(old.signed(role.pair)) and role.refused(new.signed(role.pair)) == "InvalidIdentityToken"
    world.iam.update_saml_provider(SAMLProviderArn=role.provider, SAMLMetadataDocument=new.metadata)
    assert role.assume(new.signed(role.pair)) and role.refused(old.signed(role.pair)) == "InvalidIdentityToken"
    world.iam.delete_saml_provider(SAMLProviderArn=role.provider)
    assert role.refused(new.signed(role.pair)) == "InvalidIdentityToken"


def test_a_call_of_the_longest_assertion(world, idp):
    """Every letter that a form must encode counts three times; what is there is still taken whole."""
    role = Trusting(world)
    document = idp.signed(role.pair)
    padded = document + " " * (74_900 - len(document))
    assert role.assume(padded)
    form = urllib.parse.urlencode({"Action": "AssumeRoleWithSAML", "Version": "2011-06-15", "RoleArn": role.arn,
                                   "PrincipalArn": role.provider, "SAMLAssertion": "+" * 100_000})
    request = urllib.request.Request(world.house.api, data=form.encode())
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 403
