"""Cases by chance: each family stresses one part of the language, with few enough words that things meet."""

ACCOUNT, OTHER = "123456789012", "999999999999"
USER = f"arn:aws:iam::{ACCOUNT}:user/ana"
ROLE, SESSION = f"arn:aws:iam::{ACCOUNT}:role/app", f"arn:aws:sts::{ACCOUNT}:assumed-role/app/s"
OBJECT = "arn:aws:s3:::reports/2026/june.csv"

ACTIONS = ["s3:GetObject", "s3:GetObjectAcl", "s3:PutObject", "S3:getobject", "sqs:SendMessage", "iam:PassRole"]
ACTION_PATTERNS = ["*", "s3:*", "s3:Get*", "s3:GetObject", "s3:GetObject*", "S3:GETOBJECT", "s3:?etObject", "s3:*Object",
                   "s3:PutObject", "sqs:*", "sqs:SendMessage", "iam:*", "iam:PassRole", "iam:Pass*", "ec2:*"]
RESOURCES = [OBJECT, "arn:aws:s3:::reports", "arn:aws:s3:::reports/a:b", f"arn:aws:sqs:eu-west-1:{ACCOUNT}:jobs",
             f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs", f"arn:aws:iam::{ACCOUNT}:role/app/worker",
             f"arn:aws:sns:eu-west-1:{ACCOUNT}:topic:sub"]
RESOURCE_PATTERNS = ["*", "arn:aws:s3:::*", "arn:aws:s3:::reports", "arn:aws:s3:::reports/*", "arn:aws:s3:::reports/2026/*",
                     "arn:aws:s3:::reports/*.csv", "arn:aws:s3:::r?ports/*", "arn:aws:s3:::Reports/*", "arn:aws:s3:::reports*",
                     f"arn:aws:sqs:*:{ACCOUNT}:jobs", f"arn:aws:sqs:eu-*:{ACCOUNT}:*", "arn:aws:sqs:*:*:jobs",
                     f"arn:aws:sqs:eu-*-1:{ACCOUNT}:j*", f"arn:aws:iam::{ACCOUNT}:role/*", f"arn:aws:iam::{ACCOUNT}:role/app/?orker",
                     f"arn:aws:sns:*:{ACCOUNT}:topic:*", "arn:*:s3:::reports/*"]

# A key of each type: what requests have for it, what policies ask of it, and the operators between them.
STRINGS = ["StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike"]
NUMBERS = ["NumericEquals", "NumericNotEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan",
           "NumericGreaterThanEquals"]
DATES = [name.replace("Numeric", "Date") for name in NUMBERS]
ARNS = ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"]
TYPES = {
    "aws:PrincipalTag/team": (STRINGS, ["red", "Red", "blue", "r*d", "", "redred"], ["red", "RED", "blue", "r*d", "r?d", "*", "?ed*"]),
    "s3:max-keys": (NUMBERS, ["5", "10", "10.0", "-1", "1000"], ["5", "10", "10.5", "-1", "1000"]),
    "aws:CurrentTime": (DATES, ["2026-01-01T00:00:00Z", "2026-06-30T12:00:00Z", "2027-03-01T00:00:01Z"],
                        ["2026-01-01T00:00:00Z", "2026-06-30T12:00:00Z", "2026-06-30", "1767225600", "2027-01-01T00:00:00Z"]),
    "aws:SecureTransport": (["Bool"], ["true", "false"], ["true", "false"]),
    "aws:SourceIp": (["IpAddress", "NotIpAddress"], ["10.1.2.3", "203.0.113.9", "2001:db8::7", "10.255.255.255"],
                     ["10.0.0.0/8", "10.1.2.3", "203.0.113.0/24", "2001:db8::/32", "10.1.2.3/32", "0.0.0.0/0"]),
    "aws:SourceArn": (ARNS, [f"arn:aws:sns:eu-west-1:{ACCOUNT}:news", f"arn:aws:sns:us-east-1:{ACCOUNT}:news:x", OBJECT],
                      [f"arn:aws:sns:eu-west-1:{ACCOUNT}:news", f"arn:aws:sns:*:{ACCOUNT}:news", "arn:aws:sns:*:news", "arn:aws:s3:::*",
                       "arn:aws:sns:*:*:*", "arn:aws:sns:eu-*:*:n?ws", f"arn:aws:*:eu-west-1:{ACCOUNT}:news"]),
    "lambda:FunctionBlob": (["BinaryEquals"], ["QmluYXJ5", "cW1sdXlK"], ["QmluYXJ5", "qmluyxj5", "cW1sdXlK"]),
}
MANY = "aws:TagKeys"
TAGS = ["cost", "owner", "Cost", "stage"]


def some(rng, words, most=3):
    picked = rng.sample(words, rng.randint(1, min(most, len(words))))
    return picked[0] if len(picked) == 1 and rng.random() < 0.7 else picked


def document(*statements, version="2012-10-17"):
    return {**({"Version": version} if version else {}), "Statement": list(statements)}


def statement(rng, effect=None, **fields):
    return {"Effect": effect or ("Allow" if rng.random() < 0.7 else "Deny"), "Action": "*", "Resource": "*", **fields}


def case(rng, action=None, resource=None, principal=USER, **fields):
    context = {"aws:PrincipalArn": ROLE if principal == SESSION else principal, "aws:PrincipalAccount": principal.split(":")[4]}
    if ":user/" in principal:
        context["aws:username"] = principal.rsplit("/", 1)[1]
    context |= fields.pop("context", {})
    return {"principal": principal, "action": action or "s3:GetObject", "resource": resource or OBJECT,
            "resource_account": ACCOUNT, "context": context, **fields}


def matching(rng):
    def one():
        found = statement(rng)
        if rng.random() < 0.15:
            found["NotAction"] = some(rng, ACTION_PATTERNS[1:])
            del found["Action"]
        else:
            found["Action"] = some(rng, ACTION_PATTERNS)
        if rng.random() < 0.15:
            found["NotResource"] = some(rng, RESOURCE_PATTERNS[1:])
            del found["Resource"]
        else:
            found["Resource"] = some(rng, RESOURCE_PATTERNS, most=5)
        return found
    statements = [one() for _ in range(rng.randint(1, 5))]
    cut = rng.randint(0, len(statements) - 1)
    documents = [document(*part) for part in (statements[:cut], statements[cut:]) if part]
    return case(rng, rng.choice(ACTIONS), rng.choice(RESOURCES), identity=documents)


def block(rng, key):
    operators, present, wanted = TYPES[key]
    operator = rng.choice(operators)
    if rng.random() < 0.25:
        operator += "IfExists"
    if rng.random() < 0.1:
        return {"Null": {key: rng.choice(["true", "false"])}}, {key: rng.choice(present)} if rng.random() < 0.5 else {}
    # Keys are found whatever their case.
    written = key.upper() if rng.random() < 0.1 else key
    return {operator: {written: some(rng, wanted)}}, {key: rng.choice(present)} if rng.random() < 0.8 else {}


def condition(rng):
    key, context = rng.choice(list(TYPES)), {}
    wanted, context = block(rng, key)
    if rng.random() < 0.3:
        other = rng.choice([name for name in TYPES if name != key])
        more, also = block(rng, other)
        for operator, keys in more.items():
            wanted.setdefault(operator, {}).update(keys)
        context |= also
    effect = "Allow" if rng.random() < 0.6 else "Deny"
    documents = [document(statement(rng, effect, Condition=wanted))]
    if effect == "Deny":
        documents.append(document(statement(rng, "Allow")))
    return case(rng, context=context, identity=documents)


def sets(rng):
    operator = f"{rng.choice(['ForAllValues', 'ForAnyValue'])}:{rng.choice(STRINGS)}"
    found = rng.sample(TAGS, rng.randint(0, 3))
    context = {} if rng.random() < 0.15 else {MANY: found}
    wanted = {operator: {MANY: some(rng, TAGS + ["c*", "?ost"])}}
    effect = "Allow" if rng.random() < 0.6 else "Deny"
    return case(rng, context=context, identity=[document(statement(rng, effect, Condition=wanted)), document(statement(
        rng, "Allow", Resource="*" if effect == "Deny" else "arn:aws:s3:::none"))])


def variables(rng):
    name = rng.choice(["aws:username", "aws:PrincipalTag/team", "AWS:UserName", "aws:PrincipalTag/team, 'none'"])
    text = "${" + name + "}"
    context = {"aws:PrincipalTag/team": rng.choice(["ana", "reports", "*", "none", "a/*"])} if rng.random() < 0.7 else {}
    key = rng.choice(["ana", "reports", "none", "*", "${aws:username}", "a/b", "bo"])
    version = "2012-10-17" if rng.random() < 0.85 else rng.choice(["2008-10-17", None])
    effect = "Allow" if rng.random() < 0.7 else "Deny"
    fields = {"Resource": f"arn:aws:s3:::reports/{text}/*"}
    if rng.random() < 0.3:
        operator = rng.choice(["StringEquals", "StringLike", "StringNotEquals"])
        fields = {"Condition": {operator: {"s3:prefix": rng.choice([text, f"{text}/*", f"home/{text}", "${*}", "a${?}b"])}}}
        context["s3:prefix"] = rng.choice([key, f"{key}/x", f"home/{key}", "*", "a?b", "axb"])
    documents = [document(statement(rng, effect, **fields), version=version)]
    if effect == "Deny":
        documents.append(document(statement(rng, "Allow")))
    return case(rng, resource=f"arn:aws:s3:::reports/{key}/june.csv", context=context, identity=documents)


GRANTS = [("Allow", "s3:*"), ("Allow", "s3:GetObject"), ("Allow", "s3:PutObject"), ("Deny", "s3:GetObject"), ("Allow", "*")]


def policies(rng, often=4):
    """Grants among which what allows is the commonest, or almost nothing would be allowed by all."""
    picked = rng.choices(GRANTS, weights=[often, often, 1, 1, often], k=rng.randint(1, 2))
    return [document(*({"Effect": effect, "Action": action, "Resource": "*"} for effect, action in picked))]


def principal_of(rng, caller):
    account = caller.split(":")[4]
    named = {"AWS": rng.choice([caller, f"arn:aws:iam::{account}:root", account, "*", f"arn:aws:iam::{OTHER}:user/eve"])}
    if caller == SESSION:
        named = {"AWS": rng.choice([ROLE, SESSION, f"arn:aws:iam::{account}:root", "*"])}
    return "*" if named == {"AWS": "*"} and rng.random() < 0.5 else named


def combination(rng):
    caller = rng.choice([USER, USER, SESSION])
    fields = {"identity": policies(rng) if rng.random() < 0.8 else []}
    if rng.random() < 0.35:
        fields["boundary"] = policies(rng)
    if rng.random() < 0.35:
        fields["service_control"] = [policies(rng, often=9) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.2:
        fields["resource_control"] = [document({"Effect": "Deny", "Principal": "*", "Action": rng.choice(["s3:GetObject", "s3:PutObject"]),
                                                "Resource": "*"})]
    if caller == SESSION and rng.random() < 0.4:
        fields["session"] = policies(rng)
    if rng.random() < 0.5:
        [granted] = policies(rng)
        for one in granted["Statement"]:
            one["Principal"] = principal_of(rng, caller)
        fields["resource_policies"] = [granted]
    account = ACCOUNT if rng.random() < 0.7 else OTHER
    return {**case(rng, "s3:GetObject", principal=caller, **fields), "resource_account": account}


FAMILIES = [matching, condition, condition, sets, variables, combination, combination]


def cases(rng, count):
    for index in range(count):
        yield FAMILIES[index % len(FAMILIES)](rng)
