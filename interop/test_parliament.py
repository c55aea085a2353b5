"""parliament, a linter of IAM policies that others wrote: it reads an account of ours, and finds in it what is there.

The same policies go through `hallpass policy check`. What parliament finds and we do not is listed, each kind with the
reason.
"""
import json
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from house import BINARY, TOOLS

PARLIAMENT = TOOLS / "python-parliament/bin/parliament"
BUCKET, OBJECTS = "arn:aws:s3:::reports", "arn:aws:s3:::reports/*"


def policy(*statements, **elements):
    return {"Version": "2012-10-17", "Statement": list(statements), **elements}


def allow(action, resource=OBJECTS, operator=None, key=None, value=None, **elements):
    condition = {"Condition": {operator: {key: value}}} if operator else {}
    return {"Effect": "Allow", "Action": action, "Resource": resource, **condition, **elements}


GET = allow("s3:GetObject")
DENY_WITHOUT_MFA = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": OBJECTS,
                    "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}}}
LAMBDA = "arn:aws:lambda:eu-central-1:111122223333:function:one"

# What IAM stores: the document, what parliament finds, what we find.
STORED = {
    "clean": (policy(GET, allow("s3:ListBucket", BUCKET, "StringLike", "s3:prefix", "in/*")), "", ""),
    "misspelt action": (policy(allow("s3:GetObjekt")), "UNKNOWN_ACTION", "HP3001"),
    "no such service": (policy(allow("s33:GetObject")), "UNKNOWN_PREFIX", "HP3002"),
    "an object's action on a bucket": (policy(allow("s3:GetObject", BUCKET)), "RESOURCE_MISMATCH", "HP3013"),
    "one bucket for all buckets": (policy(allow("s3:ListAllMyBuckets", BUCKET)), "RESOURCE_MISMATCH", "HP3013"),
    "another action's key": (policy(allow("s3:GetObject", OBJECTS, "StringEquals", "s3:prefix", "in/")),
                             "UNKNOWN_CONDITION_FOR_ACTION", "HP3005"),
    "no such key": (policy(allow("s3:GetObject", OBJECTS, "StringEquals", "s3:prefixx", "in/")),
                    "UNKNOWN_CONDITION_FOR_ACTION", "HP3004"),
    "no such global key": (policy(allow("s3:GetObject", OBJECTS, "StringEquals", "aws:SourceIpp", "1")),
                           "UNKNOWN_CONDITION_FOR_ACTION", "HP3003"),
    "an address as text": (policy(allow("s3:GetObject", OBJECTS, "StringEquals", "aws:SourceIp", "office")),
                           "MISMATCHED_TYPE", "HP3006"),
    "a wildcard in an ARN as text": (policy(allow("lambda:CreateEventSourceMapping", "*", "StringLike", "lambda:FunctionArn",
                                                  "arn:aws:lambda:*:*:function:one")), "MISMATCHED_TYPE_BUT_USABLE", "HP2015"),
    "no version": ({"Statement": [GET]}, "NO_VERSION", "HP3007"),
    "the version of 2008": ({"Version": "2008-10-17", "Statement": [GET]}, "OLD_VERSION", "HP3008"),
    "a region that is none": (policy(allow("dynamodb:GetItem", "arn:aws:dynamodb:frankfurt:111122223333:table/t")),
                              "INVALID_ARN", "HP3010"),
    "an account that is none": (policy(allow("dynamodb:GetItem", "arn:aws:dynamodb:eu-central-1:12345:table/t")),
                                "INVALID_ARN", "HP3009"),
    "passes any role": (policy(allow(["iam:PassRole", "ec2:RunInstances"], "*")),
                        "RESOURCE_STAR PRIVILEGE_ESCALATION PERMISSIONS_MANAGEMENT_ACTIONS", "HP2002 HP2007"),
    "its own permissions": (policy(allow("iam:AttachUserPolicy", "arn:aws:iam::*:user/${aws:username}")),
                            "PRIVILEGE_ESCALATION PERMISSIONS_MANAGEMENT_ACTIONS", "HP2007"),
    "any bucket's policy": (policy(allow("s3:PutBucketPolicy", "*")),
                            "RESOURCE_STAR RESOURCE_POLICY_PRIVILEGE_ESCALATION PERMISSIONS_MANAGEMENT_ACTIONS", "HP2018"),
    "more than uploads": (policy(allow("s3:Put*", [BUCKET, OBJECTS])),
                          "RESOURCE_MISMATCH RESOURCE_POLICY_PRIVILEGE_ESCALATION PERMISSIONS_MANAGEMENT_ACTIONS", "HP4014"),
    "all but": (policy({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": OBJECTS}),
                "NOTRESOURCE_WITH_ALLOW", "HP2005"),
    "for all values of one": (policy(allow("s3:GetObject", OBJECTS, "ForAllValues:StringEquals", "aws:PrincipalOrgID", "o-1")),
                              "SINGLE_VALUE_CONDITION_TOO_PERMISSIVE", "HP2014"),
    "denied without a second factor": (policy(DENY_WITHOUT_MFA), "BAD_PATTERN_FOR_MFA", "HP3036"),
    "everything": (policy(allow("*", "*")),
                   "PRIVILEGE_ESCALATION PERMISSIONS_MANAGEMENT_ACTIONS CREDENTIALS_EXPOSURE", "HP2001"),
    # From here on only parliament finds something: `REASONS` says why.
    "any bucket": (policy(allow("s3:ListBucket", "*")), "RESOURCE_STAR", ""),
    "any bucket in other words": (policy(allow("s3:ListBucket", "arn:*:s3:::*")), "RESOURCE_EFFECTIVELY_STAR", ""),
    "a family of actions": (policy(allow("s3:Get*", [BUCKET, OBJECTS])), "RESOURCE_MISMATCH", ""),
    "a number as text": (policy(allow("s3:ListBucket", BUCKET, "StringEquals", "s3:max-keys", "10")), "MISMATCHED_TYPE", ""),
    "a whole ARN as text": (policy(allow("lambda:CreateEventSourceMapping", "*", "StringEquals", "lambda:FunctionArn", LAMBDA)),
                            "MISMATCHED_TYPE_BUT_USABLE", ""),
    "one user's keys": (policy(allow("iam:CreateAccessKey", "arn:aws:iam::111122223333:user/bob")),
                        "CREDENTIALS_EXPOSURE PRIVILEGE_ESCALATION PERMISSIONS_MANAGEMENT_ACTIONS", ""),
    "one role": (policy(allow("sts:AssumeRole", "arn:aws:iam::111122223333:role/web")), "CREDENTIALS_EXPOSURE", ""),
    "says who may delete": (policy(allow("s3:PutBucketPolicy", BUCKET)),
                            "RESOURCE_POLICY_PRIVILEGE_ESCALATION PERMISSIONS_MANAGEMENT_ACTIONS", ""),
}

# What parliament finds in a document in which we find nothing, and why not.
REASONS = {
    "RESOURCE_STAR": "`*` where a resource could stand is told only where it is a danger: objects, roles, users",
    "RESOURCE_EFFECTIVELY_STAR": "as RESOURCE_STAR",
    "RESOURCE_MISMATCH": "of a wildcard, each action it covers would have to find a resource; we want one of them to",
    "MISMATCHED_TYPE": "what a request says of a number is text, and text is compared as it should be",
    "MISMATCHED_TYPE_BUT_USABLE": "a whole ARN compared as text is compared rightly; a wildcard is not, and is told",
    "CREDENTIALS_EXPOSURE": "it looks at the action alone; one user's keys or one role may well be meant",
    "PRIVILEGE_ESCALATION": "as CREDENTIALS_EXPOSURE",
    "PERMISSIONS_MANAGEMENT_ACTIONS": "it names a kind of action, not a fault",
    "RESOURCE_POLICY_PRIVILEGE_ESCALATION": "said outright of one bucket it may well be meant; of every bucket, or within "
                                            "a wildcard, it is told",
}

# What both call malformed, and IAM does not store.
REFUSED = {
    "one Sid twice": (policy(GET | {"Sid": "a"}, allow("s3:PutObject", Sid="a")), "DUPLICATE_SID", "HP1019"),
    "no such operator": (policy(allow("s3:GetObject", OBJECTS, "StringIs", "aws:PrincipalOrgID", "o-1")),
                         "UNKNOWN_OPERATOR", "HP1021"),
    "no ARN": (policy(allow("s3:GetObject", "reports/*")), "INVALID_ARN", "HP1013"),
    "no such partition": (policy(allow("s3:GetObject", "arn:awz:s3:::reports/*")), "INVALID_ARN", "HP1015"),
    "no such version": ({"Version": "2026-01-01", "Statement": [GET]}, "INVALID_VERSION", "HP1006"),
    "an element too many": (policy(GET, Why="so"), "MALFORMED", "HP1004"),
    "no such effect": (policy(GET | {"Effect": "Alow"}), "MALFORMED", "HP1009"),
    "both of a pair": (policy(GET | {"NotAction": "s3:PutObject"}), "MALFORMED", "HP1020"),
    "no resource": (policy({"Effect": "Allow", "Action": "s3:GetObject"}), "MALFORMED", "HP1012"),
    "a date that is none": (policy(allow("s3:GetObject", OBJECTS, "DateLessThan", "aws:CurrentTime", "tomorrow")),
                            "MISMATCHED_TYPE", "HP1022"),
    "neither true nor false": (policy(allow("s3:GetObject", OBJECTS, "Bool", "aws:SecureTransport", "yes")),
                               "MISMATCHED_TYPE_OPERATION_TO_NULL", "HP1022"),
    "a principal": (policy(GET | {"Principal": {"AWS": "bob"}}), "UNKNOWN_PRINCIPAL", "HP1017"),
}
# As a library, since its program mixes up whose some findings are.
AS_LIBRARY = """
import json, sys, parliament
print(json.dumps({name: [finding.issue for finding in parliament.analyze_policy_string(
    text, include_community_auditors=True).findings] for name, text in json.load(sys.stdin).items()}))
"""
# What only auditors find that have to be asked for.
COMMUNITY = {"PRIVILEGE_ESCALATION", "PERMISSIONS_MANAGEMENT_ACTIONS", "CREDENTIALS_EXPOSURE", "NOTRESOURCE_WITH_ALLOW",
             "SINGLE_VALUE_CONDITION_TOO_PERMISSIVE"}


@pytest.fixture(autouse=True)
def tidy():
    yield
    # It writes there, whatever it is told.
    Path("/tmp/parliament.log").unlink(missing_ok=True)


def parliament(*words):
    """What the program finds: pairs of where (an ARN) and what."""
    done = subprocess.run([PARLIAMENT, "--json", *map(str, words)], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == bool(found)
    return {(place(finding["location"]["filepath"], finding["issue"]), finding["issue"]) for finding in found}


def place(where, issue):
    # Of what concerns a whole policy it names the policy that came first.
    return "somewhere" if issue in ("NO_VERSION", "DUPLICATE_SID", "RESOURCE_POLICY_PRIVILEGE_ESCALATION") else where


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    """What each of both finds in each document, by name."""
    documents = {name: json.dumps(document) for name, (document, _, _) in (STORED | REFUSED).items()}
    done = subprocess.run([PARLIAMENT.with_name("python"), "-c", AS_LIBRARY], input=json.dumps(documents), capture_output=True,
                          text=True, timeout=120)
    theirs = {name: set(issues) for name, issues in json.loads(done.stdout).items()}
    folder, ours = tmp_path_factory.mktemp("policies"), {name: set() for name in documents}
    files = {str(folder / f"{number}.json"): name for number, name in enumerate(documents)}
    for file, name in files.items():
        Path(file).write_text(documents[name])
    done = subprocess.run([BINARY, "policy", "check", "--type", "identity", "--format", "json", *files], capture_output=True,
                          text=True, timeout=120)
    for finding in json.loads(done.stdout)["findings"]:
        ours[files[finding["file"]]].add(finding["code"])
    return theirs, ours


@pytest.mark.parametrize("name", STORED | REFUSED)
def test_both_find_what_is_there(findings, name):
    theirs, ours = findings
    _, wanted, own = (STORED | REFUSED)[name]
    assert theirs[name] == set(wanted.split())
    assert ours[name] == set(own.split())
    unexplained = [] if own else [issue for issue in wanted.split() if issue not in REASONS]
    assert not unexplained, "parliament finds it, we do not, and nobody says why"


def test_no_reason_is_a_stale_excuse():
    used = {issue for _, wanted, own in STORED.values() if not own for issue in wanted.split()}
    assert used == set(REASONS)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_malformed_is_not_stored(shared, name):
    with pytest.raises(ClientError) as refused:
        shared.boto("iam").create_policy(PolicyName="malformed", PolicyDocument=json.dumps(REFUSED[name][0]))
    assert refused.value.response["Error"]["Code"] == "MalformedPolicyDocument"


def test_an_account_is_read_and_exactly_its_faults_are_found(house, tmp_path):
    iam, account = house.boto("iam"), house.ready["account"]
    trust = json.dumps(policy({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}))
    iam.create_user(UserName="ann", Path="/people/")
    iam.create_group(GroupName="staff")
    iam.create_role(RoleName="web", AssumeRolePolicyDocument=trust)
    holders = {"user/people/ann": lambda **policy: iam.put_user_policy(UserName="ann", **policy),
               "group/staff": lambda **policy: iam.put_group_policy(GroupName="staff", **policy),
               "role/web": lambda **policy: iam.put_role_policy(RoleName="web", **policy)}
    # What `dev` makes has a family of actions in it: see `REASONS`.
    wanted = {(f"arn:aws:iam::{account}:role/demo", "RESOURCE_MISMATCH")}
    for number, (document, issues, _) in enumerate(STORED.values()):
        text = json.dumps(document)
        own = {issue for issue in issues.split() if issue not in COMMUNITY}
        if document.get("Version") == "2012-10-17":
            # In a managed policy, of which an earlier version was another.
            earlier = json.dumps(policy(allow("s3:Misspelt")))
            arn = iam.create_policy(PolicyName=f"policy-{number}", PolicyDocument=earlier)["Policy"]["Arn"]
            iam.create_policy_version(PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)
            wanted |= {(place(arn, issue), issue) for issue in own}
        # And inline, by turns.
        holder, put = list(holders.items())[number % 3]
        put(PolicyName=f"policy-{number}", PolicyDocument=text)
        wanted |= {(place(f"arn:aws:iam::{account}:{holder}", issue), issue) for issue in own}
    details = tmp_path / "auth.json"
    details.write_text(json.dumps(house.aws("iam", "get-account-authorization-details")))
    assert parliament("--auth-details-file", details) == wanted
