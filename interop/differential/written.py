"""Cases by hand, each with the decision that AWS's pages (IAM User Guide, by page) give it."""

from .generate import ACCOUNT, OBJECT, OTHER, ROLE, SESSION, USER, document

ALLOW, DENY, NONE = "allow", "explicit_deny", "implicit_deny"


def statement(effect="Allow", **fields):
    return {"Effect": effect, "Action": "*", "Resource": "*", **fields}


def ask(*statements, context=None, action="s3:GetObject", resource=OBJECT, version="2012-10-17", principal=USER, **fields):
    own = {"aws:PrincipalArn": ROLE if principal == SESSION else principal}
    if ":user/" in principal:
        own["aws:username"] = principal.rsplit("/", 1)[1]
    identity = [document(*statements, version=version)] if statements else []
    return {"principal": principal, "action": action, "resource": resource, "resource_account": ACCOUNT,
            "context": {**own, **(context or {})}, "identity": identity, **fields}


def on(operator, key, wanted, found=None, effect="Allow", **fields):
    """One condition over one key."""
    statements = [statement(effect, Condition={operator: {key: wanted}})]
    if effect == "Deny":
        statements.append(statement())
    return ask(*statements, context={} if found is None else {key: found}, **fields)


SNS, TAGS, WHEN = f"arn:aws:sns:eu-west-1:{ACCOUNT}:news", "aws:TagKeys", "aws:CurrentTime"
EVERYTHING = document(statement())


def granted(principal, **fields):
    return {"resource_policies": [document(statement(Principal=principal))], **fields}


def trusted(principal, *statements):
    trust = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return ask(*statements, action="sts:AssumeRole", resource=ROLE, trust=[document(trust)])


KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/0000"

CASES = [
    # reference_policies_elements_action, _notaction
    ("actions ignore case", ask(statement(Action="S3:getOBJECT")), ALLOW),
    ("a deny ignores case too", ask(statement(), statement("Deny", Action="s3:getobject")), DENY),
    ("a list in one text is no list", ask(statement(Action="s3:PutObject,GetObject")), NONE),
    ("NotAction excludes", ask(statement(NotAction="s3:*", Action=None)), NONE),
    # reference_policies_elements_resource
    ("a resource's star crosses slashes", ask(statement(Resource="arn:aws:s3:::reports/*.csv")), ALLOW),
    ("a star inside a segment stays there", ask(statement(Resource=f"arn:aws:sns:eu-*-1:{ACCOUNT}:x"),
                                                resource=f"arn:aws:sns:eu-a:b-1:{ACCOUNT}:x"), NONE),
    ("bucket names are compared with case", ask(statement(Resource="arn:aws:s3:::Reports/*")), NONE),
    # reference_policies_elements_condition_operators
    ("missing key, positive", on("StringEquals", "aws:PrincipalTag/team", "red"), NONE),
    ("missing key, negated", on("StringNotEquals", "aws:PrincipalTag/team", "red"), ALLOW),
    ("missing key, negated, deny", on("StringNotEquals", "aws:PrincipalTag/team", "red", effect="Deny"), DENY),
    ("missing key, IfExists", on("StringEqualsIfExists", "aws:PrincipalTag/team", "red"), ALLOW),
    ("missing key, NotIpAddress", on("NotIpAddress", "aws:SourceIp", "10.0.0.0/8"), ALLOW),
    ("several values of a positive operator", on("StringEquals", "aws:PrincipalTag/team", ["red", "blue"], "blue"), ALLOW),
    ("several values of a negated operator", on("StringNotEquals", "aws:PrincipalTag/team", ["red", "blue"], "blue"), NONE),
    ("StringEquals knows no wildcards", on("StringEquals", "aws:PrincipalTag/team", "r*", "red"), NONE),
    ("StringLike crosses everything", on("StringLike", "aws:SourceArn", "arn:aws:sns:*:news", SNS), ALLOW),
    ("ArnLike stays inside its segment", on("ArnLike", "aws:SourceArn", "arn:aws:sns:*:news", SNS), NONE),
    ("ArnEquals takes wildcards", on("ArnEquals", "aws:SourceArn", f"arn:aws:sns:*:{ACCOUNT}:news", SNS), ALLOW),
    ("numbers are compared as numbers", on("NumericEquals", "s3:max-keys", "10", "10.0"), ALLOW),
    ("NumericLessThanEquals", on("NumericLessThanEquals", "s3:max-keys", "10", "10"), ALLOW),
    ("a date without a time", on("DateLessThan", WHEN, "2030-01-01", "2026-06-30T12:00:00Z"), ALLOW),
    ("an epoch date", on("DateGreaterThan", WHEN, "1767225600", "2026-06-30T12:00:00Z"), ALLOW),
    ("Bool", on("Bool", "aws:SecureTransport", "false", "true"), NONE),
    ("an address in a network", on("IpAddress", "aws:SourceIp", "10.0.0.0/8", "10.9.9.9"), ALLOW),
    ("an IPv6 address in a network", on("IpAddress", "aws:SourceIp", ["10.0.0.0/8", "2001:db8::/32"], "2001:db8::7"), ALLOW),
    ("a bare address", on("IpAddress", "aws:SourceIp", "10.1.2.3", "10.1.2.4"), NONE),
    ("bytes are compared as bytes", on("BinaryEquals", "lambda:FunctionBlob", "qmluyxj5", "QmluYXJ5"), NONE),
    ("Null, absent", on("Null", "aws:TokenIssueTime", "true"), ALLOW),
    ("Null, present", on("Null", "aws:TokenIssueTime", "true", "2026-06-30T12:00:00Z"), NONE),
    # reference_policies_elements_condition
    ("keys ignore case", on("StringEquals", "AWS:principaltag/Team", "red", effect="Allow") | {
        "context": {"aws:PrincipalTag/team": "red"}}, ALLOW),
    # reference_policies_condition-single-vs-multi-valued-context-keys
    ("ForAllValues without the key", on("ForAllValues:StringEquals", TAGS, ["cost"]), ALLOW),
    ("ForAnyValue without the key", on("ForAnyValue:StringEquals", TAGS, ["cost"]), NONE),
    ("ForAllValues", on("ForAllValues:StringEquals", TAGS, ["cost", "stage"], ["cost", "owner"]), NONE),
    ("ForAnyValue", on("ForAnyValue:StringEquals", TAGS, ["cost", "stage"], ["cost", "owner"]), ALLOW),
    ("ForAllValues, negated", on("ForAllValues:StringNotEquals", TAGS, ["cost"], ["cost", "owner"]), NONE),
    ("ForAnyValue, negated", on("ForAnyValue:StringNotEquals", TAGS, ["cost"], ["cost", "owner"]), ALLOW),
    # reference_policies_variables, reference_policies_elements_version
    ("a variable in a resource", ask(statement(Resource="arn:aws:s3:::reports/${aws:username}/*"),
                                     resource="arn:aws:s3:::reports/ana/x"), ALLOW),
    ("another's folder", ask(statement(Resource="arn:aws:s3:::reports/${aws:username}/*"), resource="arn:aws:s3:::reports/bo/x"), NONE),
    ("a variable without a value", ask(statement(Resource="arn:aws:s3:::reports/${aws:PrincipalTag/team}/*"),
                                       resource="arn:aws:s3:::reports//x"), NONE),
    ("a star from a tag is no wildcard", ask(statement(Resource="arn:aws:s3:::reports/${aws:PrincipalTag/team}/*"),
                                             context={"aws:PrincipalTag/team": "*"}, resource="arn:aws:s3:::reports/bo/x"), NONE),
    ("a default", ask(statement(Resource="arn:aws:s3:::reports/${aws:PrincipalTag/team, 'none'}/*"),
                      resource="arn:aws:s3:::reports/none/x"), ALLOW),
    ("an escaped star", on("StringLike", "s3:prefix", "${*}", "anything"), NONE),
    ("an escaped star, itself", on("StringLike", "s3:prefix", "a${*}", "a*"), ALLOW),
    ("an old document has no variables", ask(statement(Resource="arn:aws:s3:::reports/${aws:username}/*"),
                                             resource="arn:aws:s3:::reports/ana/x", version="2008-10-17"), NONE),
    ("an unresolved variable under a negated operator", on("StringNotEquals", "s3:prefix", "${aws:PrincipalTag/team}", "x"), ALLOW),
    # reference_policies_evaluation-logic
    ("nothing said", ask(), NONE),
    ("deny wins", ask(statement(), statement("Deny", Action="s3:*")), DENY),
    ("a boundary must allow", ask(statement(), boundary=[document(statement(Action="sqs:*"))]), NONE),
    ("a boundary grants nothing", ask(boundary=[EVERYTHING]), NONE),
    ("every level of an organization must allow", ask(statement(), service_control=[[EVERYTHING], [document(statement(Action="sqs:*"))]]), NONE),
    ("a session policy must allow", ask(statement(), principal=SESSION, session=[document(statement(Action="sqs:*"))]), NONE),
    ("the account's own resource policy is enough", ask(**granted({"AWS": USER})), ALLOW),
    ("an account named in it still has to allow", ask(**granted({"AWS": f"arn:aws:iam::{ACCOUNT}:root"})), NONE),
    ("a user named in it is not held by a boundary", ask(**granted({"AWS": USER}, boundary=[document(statement(Action="sqs:*"))])), ALLOW),
    ("a role named in it is held by a boundary", ask(principal=SESSION, **granted(
        {"AWS": ROLE}, boundary=[document(statement(Action="sqs:*"))])), NONE),
    ("a session named in it is not", ask(principal=SESSION, **granted({"AWS": SESSION}, boundary=[document(statement(Action="sqs:*"))])), ALLOW),
    ("across accounts both must allow, caller silent", ask(**granted({"AWS": USER}, resource_account=OTHER)), NONE),
    ("across accounts both must allow, resource silent", ask(statement(), resource_account=OTHER), NONE),
    ("across accounts, both do", ask(statement(), **granted({"AWS": USER}, resource_account=OTHER)), ALLOW),
    ("a resource control policy denies", ask(statement(), resource_control=[document(statement("Deny", Principal="*", Action="s3:*"))]), DENY),
    # reference_policies_elements_principal; _evaluation-logic: role trust policies and KMS key policies must allow
    ("a trust policy names the user", trusted({"AWS": USER}), ALLOW),
    ("a trust policy names the account", trusted({"AWS": ACCOUNT}), NONE),
    ("a trust policy names the account, which allows", trusted({"AWS": ACCOUNT}, statement(Action="sts:AssumeRole")), ALLOW),
    ("a trust policy names another", trusted({"AWS": f"arn:aws:iam::{OTHER}:root"}, statement()), NONE),
    ("a trust policy names the user, whose policy denies", trusted({"AWS": USER}, statement("Deny", Action="sts:*")), DENY),
    ("a key policy that leaves it to the account", ask(statement(), action="kms:Decrypt", resource=KEY, **granted(
        {"AWS": f"arn:aws:iam::{ACCOUNT}:root"})), ALLOW),
    ("a key policy that does not", ask(statement(), action="kms:Decrypt", resource=KEY, **granted({"AWS": f"arn:aws:iam::{ACCOUNT}:user/bo"})), NONE),
]
for _, one, _ in CASES:
    for policy in one["identity"]:
        for part in policy["Statement"]:
            # Where a case puts `NotAction` in its place.
            if part.get("Action", 0) is None:
                del part["Action"]
