"""Every operation of AWS's IAM and STS models that is built, asked wrongly in every way the model rules out: a required parameter
missing, a value too long, too short, out of range, of the wrong form. IAM names what is wrong with `ValidationError`, and
nothing is ever our fault. What is not built is named in docs/divergences.md.
"""
import re
from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import ClientError
from test_api_tour import SOURCES

MODELS = {service: botocore.session.get_session().get_service_model(service) for service in ("iam", "sts")}
BUILT = {"iam": set(re.findall(r'^ {4}"([A-Z]\w+)" => ', (SOURCES / "iam/actions.rs").read_text(), re.M)),
         "sts": set(re.findall(r'^ {8}name: "([A-Z]\w+)"', (SOURCES / "sts.rs").read_text(), re.M))}
DIVERGENCES = (Path(__file__).parent.parent / "docs/divergences.md").read_text()
# Longer values say nothing new, and cost a body each.
LONG = 300_000
# One text for each pattern that is more than a set of characters.
TEXTS = {
    "arnType": "arn:aws:iam::123456789012:policy/nobody", "authenticationCodeType": "123456", "pathType": "/a/",
    "policyPathType": "/a/", "pathPrefixType": "/a/", "policyVersionIdType": "v1", "accountAliasType": "some-alias",
    "jobIDType": "01234567-89ab-4cde-8f01-23456789abcd", "OpenIDConnectProviderUrlType": "https://example.org/model",
    "organizationsEntityPathType": "o-0123456789/r-0123/ou", "organizationsPolicyIdType": "p-01234567",
    "thumbprintType": "0" * 40, "ContextKeyNameType": "aws:username", "ActionNameType": "s3:GetObject",
    "policyDocumentType": '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}',
    "roleSessionNameType": "model", "jwtAlgorithmType": "RS256",
    "groupNameType": "model-nobody", "existingUserNameType": "model-nobody", "userNameType": "model-made",
}


def sample(shape):
    """A value that the model takes."""
    if shape.type_name == "structure":
        # One member at least: an empty structure does not travel.
        names = shape.required_members or list(shape.members)[:1]
        return {name: sample(shape.members[name]) for name in names}
    if shape.type_name == "list":
        return [sample(shape.member)] * max(1, shape.metadata.get("min", 0))
    if shape.type_name == "map":
        return {}
    if shape.type_name == "boolean":
        return False
    if shape.type_name == "integer":
        return shape.metadata.get("min", 1)
    if getattr(shape, "enum", None):
        return shape.enum[0]
    return TEXTS.get(shape.name) or "x" * max(4, shape.metadata.get("min", 0))


def wrong(shape):
    """Values that the model does not take, each with what is wrong with it."""
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if shape.type_name == "string" and getattr(shape, "enum", None):
        yield "not in the enumeration", "NoSuchValue"
    elif shape.type_name == "string":
        if high and high <= LONG:
            yield "too long", "x" * (high + 1)
        if low:
            yield "too short", "x" * (low - 1)
        if shape.metadata.get("pattern"):
            yield "of the wrong form", "\u0142\u0007" + "x" * (low or 1)
    elif shape.type_name == "integer":
        if low is not None:
            yield "too small", low - 1
        if high is not None:
            yield "too large", high + 1
    elif shape.type_name == "list":
        if high:
            yield "too many", [sample(shape.member)] * (high + 1)
        for why, value in wrong(shape.member):
            yield f"a member {why}", [value]

# Sound by the model and refused with `ValidationError` all the same: `Password` is optional only for AWS's root sessions, and
# a sample names no account or role.
SOUND_IS_REFUSED = {"CreateLoginProfile", "GetAccessKeyInfo", "AssumeRole"}


@pytest.fixture(scope="module")
def ask():
    from house import House

    house = House()
    clients = {service: house.boto(service, parameter_validation=False) for service in MODELS}

    def ask(service, operation, parameters):
        method = botocore.xform_name(operation)
        try:
            getattr(clients[service], method)(**parameters)
        except ClientError as error:
            response = error.response
            assert response["ResponseMetadata"]["HTTPStatusCode"] < 500, f"{operation} {parameters}: {response}"
            return response["Error"]["Code"], response["Error"]["Message"]
        return "", ""

    yield ask
    house.close()


def test_every_operation_is_built_or_a_divergence():
    for service, model in MODELS.items():
        built = BUILT[service]
        assert built <= set(model.operation_names), "an action that AWS does not have"
        missing = [name for name in model.operation_names if name not in built and f"`{name}`" not in DIVERGENCES]
        assert missing == []
        both = [name for name in built if f"`{name}`" in DIVERGENCES.split("are not built")[0].split("**D-104**")[-1]]
        assert both == [], "named as not built, yet built"
    assert len(BUILT["iam"]) >= 160 and len(BUILT["sts"]) == 11, "the tables were found"


@pytest.mark.parametrize("service,operation", sorted((service, name) for service in BUILT for name in BUILT[service]))
def test_what_the_model_rules_out_is_a_validation_error(ask, service, operation):
    shape = MODELS[service].operation_model(operation).input_shape
    members = shape.members if shape else {}
    required = shape.required_members if shape else []
    sound = {name: sample(members[name]) for name in required}
    code, said = ask(service, operation, sound)
    assert code not in ("ValidationError", "InvalidAction") or operation in SOUND_IS_REFUSED, (operation, sound, said)
    for name in required:
        rest = {key: value for key, value in sound.items() if key != name}
        code, message = ask(service, operation, rest)
        label = name[0].lower() + name[1:]
        assert (code, f"'{label}'" in message) == ("ValidationError", True), f"{operation} without {name}: {message}"
    for name, member in members.items():
        for why, value in wrong(member):
            code, message = ask(service, operation, {**sound, name: value})
            assert code == "ValidationError", f"{operation}, {name} {why}: {code} {message}"
