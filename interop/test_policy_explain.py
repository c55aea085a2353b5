"""`hallpass policy explain` and IAM's simulators: the decision enforcement makes, with its reasons."""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

BINARY = os.environ["HALLPASS_BINARY"]
USER = "arn:aws:iam::123456789012:user/ana"
ROLE = "arn:aws:iam::123456789012:role/path/app"
OBJECT = "arn:aws:s3:::reports/2026/q3.csv"
TRUST = {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action="s3:GetObject", resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action="*", resource="*", **more):
    return {**allow(action, resource, **more), "Effect": "Deny"}


def explain(request, text=None):
    """(exit code, answer or the error's text)"""
    text = text if text is not None else json.dumps(request)
    done = subprocess.run([BINARY, "policy", "explain", "--request", "-"], input=text, capture_output=True, text=True,
                          timeout=60)
    return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


def ask(**fields):
    return {"principal": USER, "action": "s3:GetObject", "resource": OBJECT, **fields}


CASES = [
    # What the request says, what is decided, how the sentence ends.
    (dict(), "implicit_deny", "because no identity-based policy allows the s3:GetObject action"),
    (dict(identity_policies=document(allow())), "allow", f'is authorized to perform: s3:GetObject on resource: "{OBJECT}"'),
    (dict(identity_policies=[document(allow("iam:*")), json.dumps(document(allow()))]), "allow", ""),
    (dict(group_policies=[document(allow())]), "allow", ""),
    (dict(identity_policies=document(allow()), group_policies=document(deny())), "explicit_deny",
     "with an explicit deny in an identity-based policy"),
    (dict(identity_policies=document(allow()), permissions_boundary=document(allow("iam:*"))), "implicit_deny",
     "because no permissions boundary allows the s3:GetObject action"),
    (dict(identity_policies=document(allow()), permissions_boundary=document(deny())), "explicit_deny",
     "with an explicit deny in a permissions boundary"),
    (dict(identity_policies=document(allow()), session_policies=[]), "implicit_deny",
     "because no session policy allows the s3:GetObject action"),
    (dict(identity_policies=document(allow()), session_policies=[document(allow("iam:*")), document(allow())]), "allow", ""),
    (dict(identity_policies=document(allow()), service_control_policies=[document(allow("*")), document(deny("iam:*"))]),
     "allow", ""),
    (dict(identity_policies=document(allow()), service_control_policies=[[document(allow("*"))], [document(allow("iam:*"))]]),
     "implicit_deny", "because no service control policy allows the s3:GetObject action"),
    (dict(identity_policies=document(allow()),
          resource_control_policies=document({**deny(), "Principal": "*"})), "explicit_deny",
     "with an explicit deny in a resource control policy"),
    # Across accounts both sides must allow; within, a name is enough.
    (dict(identity_policies=document(allow()), resource_account="999999999999"), "implicit_deny",
     "because no resource-based policy allows the s3:GetObject action"),
    (dict(resource_policies=document(allow(Principal={"AWS": USER}))), "allow", ""),
    (dict(resource_policies=document(allow(Principal={"AWS": USER})), resource_account="999999999999"), "implicit_deny",
     "because no identity-based policy allows the s3:GetObject action"),
    (dict(principal="anonymous", resource_policies=document(allow(Principal="*"))), "allow", ""),
    (dict(principal="ec2.amazonaws.com", action="sts:AssumeRole", resource=ROLE,
          trust_policy=document({**TRUST, "Principal": {"Service": "ec2.amazonaws.com"}})), "allow", ""),
    # A trust policy that names the account delegates.
    (dict(action="sts:AssumeRole", resource=ROLE, trust_policy=document(TRUST)), "implicit_deny", ""),
    (dict(action="sts:AssumeRole", resource=ROLE, trust_policy=document(TRUST),
          identity_policies=document(allow("sts:AssumeRole", ROLE))), "allow", ""),
    # A key's policy must allow.
    (dict(action="kms:Decrypt", resource="arn:aws:kms:eu-west-1:123456789012:key/k", identity_policies=document(allow("kms:*")),
          resource_policies=document(allow("kms:*", Principal={"AWS": ROLE}))), "implicit_deny",
     "because no resource-based policy allows the kms:Decrypt action"),
    # The ARN tells the account.
    (dict(resource="arn:aws:sqs:eu-west-1:999999999999:q", action="sqs:SendMessage", identity_policies=document(allow("sqs:*"))),
     "implicit_deny", "because no resource-based policy allows the sqs:SendMessage action"),
    (dict(principal=ROLE, identity_policies=document(allow(Condition={"ArnEquals": {"aws:PrincipalArn": ROLE}}))), "allow", ""),
    (dict(context={"aws:TagKeys": ["a", "b"], "s3:max-keys": 10, "aws:SecureTransport": True},
          identity_policies=document(allow(Condition={
              "ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b", "c"]}, "NumericLessThan": {"s3:max-keys": "11"},
              "Bool": {"aws:SecureTransport": "true"}}))), "allow", ""),
]


@pytest.mark.parametrize("fields, decision, ending", CASES)
def test_the_decision_and_awss_sentence(fields, decision, ending):
    code, answer = explain(ask(**fields))
    assert answer["decision"] == decision, answer
    assert code == (0 if decision == "allow" else 1)
    assert answer["message"].endswith(ending)
    assert bool(answer["statements"]) == (decision != "implicit_deny")


def test_the_reasons_are_told():
    identity = document(
        allow("s3:PutObject"), allow(resource="arn:aws:s3:::other/*"),
        allow(Sid="Office", Condition={"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.1"]}, "Bool": {"aws:SecureTransport": "true"}}))
    code, answer = explain(ask(identity_policies=[identity], context={"aws:SourceIp": "203.0.113.9"},
                               resource_policies=document(allow(Principal={"AWS": ROLE}))))
    assert code == 1
    outcomes = [(one["policy"], one["index"], one["outcome"]) for one in answer["considered"]]
    assert outcomes == [
        ("resource_policies", 0, "principal_mismatch"), ("identity_policies[0]", 0, "action_mismatch"),
        ("identity_policies[0]", 1, "resource_mismatch"), ("identity_policies[0]", 2, "condition_failed")]
    failed = answer["considered"][-1]
    assert failed["sid"] == "Office" and failed["start"]["line"] == 1
    assert failed["conditions"] == [
        {"operator": "IpAddress", "key": "aws:SourceIp", "wanted": ["10.0.0.0/8", "192.0.2.1"], "found": ["203.0.113.9"]},
        {"operator": "Bool", "key": "aws:SecureTransport", "wanted": ["true"], "found": None}]
    assert answer["missing_context"] == ["aws:SecureTransport"]


def test_several_resources_are_one_request():
    bucket = "arn:aws:s3:::reports"
    code, answer = explain({"principal": USER, "action": "s3:GetObject", "resources": [f"{bucket}/a", f"{bucket}/b"],
                            "identity_policies": document(allow(resource=f"{bucket}/a"))})
    assert code == 1 and answer["decision"] == "implicit_deny" and f"{bucket}/b" in answer["message"]
    assert [(one["resource"], one["decision"]) for one in answer["resources"]] == [
        (f"{bucket}/a", "allow"), (f"{bucket}/b", "implicit_deny")]


@pytest.mark.parametrize("text, words", [
    ("", "it is not a request"),
    ("{", "it is not a request"),
    pytest.param("[" * 100_000, "it is not a request", id="deep"),
    pytest.param('{"context":' + '{"a":' * 100_000, "it is not a request", id="deep-inside"),
    (json.dumps(ask(principal="nobody in particular")), "`principal` is"),
    (json.dumps(ask(action="s3:Get*")), "without wildcards"),
    (json.dumps(ask(action="GetObject")), "`action` is"),
    (json.dumps({"principal": USER, "action": "s3:GetObject"}), "`resource` is missing"),
    (json.dumps(ask(identity_polices=[])), "unknown field `identity_polices`"),
    (json.dumps(ask(context={"a": {"b": "c"}})), "it is not a request"),
    (json.dumps(ask(identity_policies=7)), "must be a policy document"),
    (json.dumps(ask(trust_policy=[document(TRUST), document(TRUST)])), "takes one policy document"),
    (json.dumps(ask(identity_policies=document(allow(Condition={"StringLikes": {"a": "b"}})))),
     "`identity_policies`: Syntax errors in policy."),
    # A key given twice must not silently win.
    ('{"principal": "%s", "action": "s3:GetObject", "resource": "*", "identity_policies": '
     '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Effect": "Deny", "Action": "*", "Resource": "*"}}}' % USER,
     "This policy contains invalid Json"),
    ('{"principal": "%s", "principal": "anonymous", "action": "s3:GetObject", "resource": "*"}' % USER, "duplicate field"),
])
def test_what_cannot_be_answered_is_said(text, words):
    code, error = explain(None, text)
    assert code == 2 and words in error, error[:500]


def test_files_that_are_none(tmp_path):
    for content, words in [(b"\xff\xfe", "not UTF-8"), (b" " * (17 << 20), "larger than")]:
        path = tmp_path / "request"
        path.write_bytes(content)
        done = subprocess.run([BINARY, "policy", "explain", "--request", path], capture_output=True, text=True)
        assert done.returncode == 2 and words in done.stderr
    done = subprocess.run([BINARY, "policy", "explain", "--request", tmp_path], capture_output=True, text=True)
    assert done.returncode == 2 and "cannot read" in done.stderr
    assert subprocess.run([BINARY, "policy", "explain"], capture_output=True).returncode == 2


# -- IAM's simulators, through AWS's own client

EXAMPLE = ('{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":'
           '{"DateGreaterThan":{"aws:CurrentTime":"2018-08-16T12:00:00Z"}}}}')


def simulate(house, *words, when=None):
    entries = ["--context-entries", f"ContextKeyName=aws:CurrentTime,ContextKeyValues={when},ContextKeyType=date"] if when else []
    return house.aws("iam", "simulate-custom-policy", *words, *entries)["EvaluationResults"]


def test_awss_own_example(shared):
    """The example of the command's reference page, positions included."""
    words = ("--policy-input-list", EXAMPLE, "--action-names", "dynamodb:CreateBackup")
    [result] = simulate(shared, *words, when="2019-04-25T11:00:00Z")
    [statement] = result.pop("MatchedStatements")
    assert result == {"EvalActionName": "dynamodb:CreateBackup", "EvalResourceName": "*", "EvalDecision": "allowed",
                      "MissingContextValues": []}
    assert statement == {"SourcePolicyId": "PolicyInputList.1", "SourcePolicyType": "IAM Policy",
                         "StartPosition": {"Line": 1, "Column": 38}, "EndPosition": {"Line": 1, "Column": 167}}
    [early] = simulate(shared, *words, when="2014-04-25T11:00:00Z")
    assert (early["EvalDecision"], early["MatchedStatements"]) == ("implicitDeny", [])
    [unknown] = simulate(shared, *words)
    assert unknown["MissingContextValues"] == ["aws:CurrentTime"]


def test_context_keys(shared):
    policy = json.dumps(document(allow(resource="arn:aws:s3:::home/${aws:username}/*", Condition={
        "StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team, 'none'}"}, "Null": {"aws:MultiFactorAuthAge": "false"}})))
    keys = shared.aws("iam", "get-context-keys-for-custom-policy", "--policy-input-list", policy)["ContextKeyNames"]
    assert keys == ["aws:MultiFactorAuthAge", "aws:PrincipalTag/team", "aws:ResourceTag/team", "aws:username"]


def test_organization_boundary_and_resource_policy(shared):
    policy, caller = json.dumps(document(allow("s3:*"))), f"arn:aws:iam::{shared.ready['account']}:user/ana"
    narrow = json.dumps(document(allow("s3:GetObject")))
    words = ("--policy-input-list", policy, "--action-names", "s3:GetObject", "s3:PutObject")
    got, put = simulate(shared, *words, "--permissions-boundary-policy-input-list", narrow)
    assert (got["EvalDecision"], put["EvalDecision"]) == ("allowed", "implicitDeny")
    assert put["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    bucket = json.dumps(document({**deny("s3:GetObject"), "Principal": {"AWS": caller}}))
    objects = ("--resource-arns", "arn:aws:s3:::b/k", "arn:aws:s3:::b/l")
    got, put = simulate(shared, *words, *objects, "--resource-policy", bucket, "--caller-arn", caller)
    assert (got["EvalDecision"], put["EvalDecision"]) == ("explicitDeny", "allowed")
    assert {one["SourcePolicyType"] for one in got["MatchedStatements"]} == {"Resource Policy"}
    assert [one["EvalResourceName"] for one in put["ResourceSpecificResults"]] == list(objects[1:])


@pytest.mark.parametrize("words, code", [
    (("--policy-input-list", "{", "--action-names", "s3:GetObject"), "InvalidInput"),
    (("--policy-input-list", EXAMPLE, "--action-names", "s3:*"), "InvalidInput"),
    (("--policy-input-list", EXAMPLE, "--action-names", "GetObject"), "InvalidInput"),
    (("--policy-input-list", EXAMPLE, "--action-names", "s3:GetObject", "--resource-policy", EXAMPLE), "InvalidInput"),
    (("--policy-input-list", EXAMPLE, "--action-names", "s3:GetObject", "--resource-owner", "me"), "InvalidInput"),
])
def test_bad_questions(shared, words, code):
    refused = shared.aws("iam", "simulate-custom-policy", *words, check=False)
    assert refused.returncode != 0 and code in refused.stderr


def test_one_call_makes_us_do_only_so_much(house):
    """Two thousand questions about a mebibyte of policies would hold every writer up; long texts and patterns too."""
    import boto3
    from botocore.config import Config
    from botocore.exceptions import ClientError

    keys = dict(re.findall(r"(aws_\w+) = (\S+)", Path(house.ready["admin_credentials"]).read_text()))
    iam = boto3.client("iam", endpoint_url=house.api, region_name=house.ready["region"], **keys,
                       config=Config(retries={"max_attempts": 0}, parameter_validation=False))
    large = [json.dumps(document(*(allow(resource=f"arn:aws:s3:::b{number}/*") for number in range(1_000))))] * 5
    many, one = [f"arn:aws:s3:::b/{number}" for number in range(1_000)], ["s3:GetObject"]
    for code, question in [
        ("InvalidInput", dict(PolicyInputList=large, ActionNames=one, ResourceArns=many)),
        ("InvalidInput", dict(PolicyInputList=large[:1], ActionNames=one * 3, ResourceArns=many)),
        ("ValidationError", dict(PolicyInputList=large[:1], ActionNames=["s3:" + "a" * 200])),
        ("ValidationError", dict(PolicyInputList=large[:1], ActionNames=one, ResourceArns=["arn:aws:s3:::" + "a" * 3_000])),
        ("ValidationError", dict(PolicyInputList=large[:1], ActionNames=one, ContextEntries=[
            {"ContextKeyName": "k", "ContextKeyType": "string", "ContextKeyValues": ["a" * 3_000]}])),
    ]:
        with pytest.raises(ClientError) as refused:
            iam.simulate_custom_policy(**question)
        assert refused.value.response["Error"]["Code"] == code
    answer = iam.simulate_custom_policy(PolicyInputList=large, ActionNames=one, ResourceArns=many[:20])
    assert len(answer["EvaluationResults"][0]["ResourceSpecificResults"]) == 20


def test_the_simulator_says_what_enforcement_does(house):
    """Each request is asked of the simulator, of `explain --live`, and then made."""
    bucket = house.ready["bucket"]
    boundary = house.aws("iam", "create-policy", "--policy-name", "edge", "--policy-document",
                         json.dumps(document(allow("s3:*"))))["Policy"]["Arn"]
    keys = house.user("ana", document(
        allow(["s3:GetObject", "s3:ListBucket", "iam:ListUsers"]), allow("s3:PutObject", f"arn:aws:s3:::{bucket}/${{aws:username}}/*"),
        deny("s3:GetObject", f"arn:aws:s3:::{bucket}/secret/*"), allow("s3:DeleteObject", Condition={"Bool": {"aws:SecureTransport": "true"}})))
    house.aws("iam", "put-user-permissions-boundary", "--user-name", "ana", "--permissions-boundary", boundary, check=False)
    env, ana = house.env(**keys), f"arn:aws:iam::{house.ready['account']}:user/ana"
    for key in ("ana/x", "secret/x"):
        house.aws("s3api", "put-object", "--bucket", bucket, "--key", key)
    Path(house.path / "o").write_text("o")
    requests = [
        ("s3:GetObject", f"arn:aws:s3:::{bucket}/ana/x", ("s3api", "get-object", "--bucket", bucket, "--key", "ana/x", "/dev/null")),
        ("s3:GetObject", f"arn:aws:s3:::{bucket}/secret/x", ("s3api", "get-object", "--bucket", bucket, "--key", "secret/x", "/dev/null")),
        ("s3:PutObject", f"arn:aws:s3:::{bucket}/ana/y", ("s3api", "put-object", "--bucket", bucket, "--key", "ana/y")),
        ("s3:PutObject", f"arn:aws:s3:::{bucket}/bob/y", ("s3api", "put-object", "--bucket", bucket, "--key", "bob/y")),
        ("s3:ListBucket", f"arn:aws:s3:::{bucket}", ("s3api", "list-objects-v2", "--bucket", bucket)),
        ("iam:ListRoles", f"arn:aws:iam::{house.ready['account']}:role/", ("iam", "list-roles")),
    ]
    decisions = {}
    for action, resource, command in requests:
        made = house.aws(*command, env=env, check=False)
        [result] = house.aws("iam", "simulate-principal-policy", "--policy-source-arn", ana, "--action-names", action,
                             "--resource-arns", resource)["EvaluationResults"]
        live = house.run([BINARY, "policy", "explain", "--live", "user/ana", action, resource, "--data", house.data], check=False)
        answer = json.loads(live.stdout)
        allowed = made.returncode == 0
        assert (result["EvalDecision"] == "allowed") == allowed, (action, resource, made.stderr)
        assert (answer["decision"] == "allow") == allowed and live.returncode == (0 if allowed else 1)
        if not allowed:
            assert answer["message"].split(" because ")[-1].split(" with an ")[-1] in made.stderr
        decisions[action, resource.split("/", 1)[-1]] = result["EvalDecision"]
    assert set(decisions.values()) == {"allowed", "explicitDeny", "implicitDeny"}
    keys = house.aws("iam", "get-context-keys-for-principal-policy", "--policy-source-arn", ana)["ContextKeyNames"]
    assert keys == ["aws:SecureTransport", "aws:username"]
