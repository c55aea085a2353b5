"""The disagreements that are known: who is wrong, how to tell, and the page of AWS's IAM User Guide that settles it.

Each class asks for what it needs in the case itself, so that it cannot excuse anything else.
"""
import re


def documents(case):
    return case["identity"]


def conditions(case):
    """(operator without qualifiers, key in lower case, wanted values, document) of all conditions."""
    for document in documents(case):
        for statement in document["Statement"]:
            for operator, keys in statement.get("Condition", {}).items():
                plain = operator.removesuffix("IfExists").rsplit(":", 1)[-1]
                for key, wanted in keys.items():
                    yield plain, key.lower(), wanted if isinstance(wanted, list) else [wanted], document


def wanted(case, operators, test=lambda value: True):
    return any(re.fullmatch(operators, operator) and any(map(test, values)) for operator, _, values, _ in conditions(case))


def texts(case):
    """All texts of statements that could hold a variable, each with its document."""
    for document in documents(case):
        for statement in document["Statement"]:
            resources = statement.get("Resource", statement.get("NotResource"))
            for text in resources if isinstance(resources, list) else [resources]:
                yield text, document
    for _, _, values, document in conditions(case):
        for text in values:
            yield text, document


def old_variables(case):
    return any("${" in text and document.get("Version") != "2012-10-17" for text, document in texts(case))


def unresolved(text, case):
    known = {key.lower() for key in case["context"]}
    return any("," not in name and name.lower() not in known for name in re.findall(r"\$\{([^*?$}][^}]*)\}", text))


def in_resource(case, test):
    return any(test(text) for text, _ in texts(case) if text.startswith("arn:") and "${" in text)


def family(text):
    return ":" in text


def other_family(case):
    found = case["context"].get("aws:SourceIp")
    return found and wanted(case, "NotIpAddress", lambda value: "/" not in value and family(value) != family(found))


ESCAPES = re.compile(r"\$\{[*?$]\}")
VARIABLES = re.compile(r"\$\{[^*?$}]")

# peer, name, who is wrong and why (the page's name in brackets), the test of (case, ours, theirs).
CLASSES = [
    ("iam-rs", "arn-equals-wildcards", "ArnEquals and ArnLike behave identically (condition_operators); it compares texts",
     lambda case, ours, theirs: wanted(case, "ArnEquals|ArnNotEquals", lambda value: "*" in value or "?" in value)),
    ("iam-rs", "arn-like-crosses-colons", "each of the six components is checked separately (condition_operators); its star crosses colons",
     lambda case, ours, theirs: wanted(case, "ArnLike|ArnNotLike", lambda value: "*" in value)),
    ("iam-rs", "date-only", "a date may be one of the W3C's profiles of ISO 8601 (condition_operators); it fails on a date without a time",
     lambda case, ours, theirs: theirs.startswith("error: Condition error: Invalid date")
     and wanted(case, "Date.*", re.compile(r"\d{4}-\d\d-\d\d").fullmatch)),
    ("iam-rs", "binary-ignores-case", "bytes are compared (condition_operators); it compares base64 without regard to case",
     lambda case, ours, theirs: wanted(case, "BinaryEquals")),
    ("iam-rs", "version-required", "a missing version means 2008-10-17 (elements_version); it refuses the document",
     lambda case, ours, theirs: theirs.startswith("error: missing field `Version`")
     and any("Version" not in document for document in documents(case))),
    ("iam-rs", "old-variables", "variables need version 2012-10-17 (elements_version); it fills them in regardless",
     lambda case, ours, theirs: old_variables(case)),
    ("iam-rs", "unresolved-in-resource", "a variable without a value matches nothing (variables); it becomes empty text",
     lambda case, ours, theirs: in_resource(case, lambda text: unresolved(text, case))),
    ("iam-rs", "wildcards-from-values", "only the policy's own wildcards are wildcards (variables); a tag's star becomes one",
     lambda case, ours, theirs: in_resource(case, VARIABLES.search) and "*" in case["context"].get("aws:PrincipalTag/team", "")),
    ("iam-rs", "no-variables-in-conditions", "string operators take variables and escapes (variables); it compares them as they are written",
     lambda case, ours, theirs: wanted(case, "String.*", lambda value: "${" in value)),
    ("iam-rs", "unreadable-request", "an ARN's region is not checked by AWS; it refuses the request",
     lambda case, ours, theirs: theirs == "error: Invalid request: Invalid resource ARN"),
    ("iam-simulate", "old-variables", "variables need version 2012-10-17 (elements_version); it fills them in regardless",
     lambda case, ours, theirs: old_variables(case)),
    ("iam-simulate", "unresolved-negated", "with a variable that has no value an inverted operator matches (variables); it says no",
     lambda case, ours, theirs: wanted(case, "StringNot.*", lambda value: unresolved(value, case))),
    ("iam-simulate", "escapes-in-equals", "`${*}` is a star wherever variables work (variables); its StringEquals compares it as written",
     lambda case, ours, theirs: wanted(case, "String(Not)?Equals", ESCAPES.search)),
    ("iam-simulate", "whole-network", "the values are CIDR (condition_operators); a prefix of no bits matches nothing for it",
     lambda case, ours, theirs: wanted(case, "IpAddress|NotIpAddress", lambda value: value.endswith("/0"))),
    ("iam-simulate", "other-family", "an IPv6 address is no IPv4 address, so NotIpAddress holds (condition_operators); before a bare address it says no",
     lambda case, ours, theirs: other_family(case)),
    ("iam-simulate", "epoch-seconds", "epoch time is in seconds (condition_operators); it takes it for milliseconds",
     lambda case, ours, theirs: wanted(case, "Date.*", str.isdigit)),
]


def names(peer):
    return [name for of, name, _, _ in CLASSES if of == peer]


def explain(peer, case, ours, theirs):
    """The first class the disagreement belongs to; None for a new one."""
    return next((name for of, name, _, test in CLASSES if of == peer and test(case, ours, theirs)), None)


# What a peer has no words for.
BEYOND = {"boundary", "session", "service_control", "resource_control", "resource_policies", "trust"}


def can_ask(peer, case):
    if peer == "iam-rs":
        # One list of policies, one account.
        return not BEYOND & set(case) and case["resource_account"] == case["principal"].split(":")[4]
    # A resource with a star asks it about every resource of that form.
    return "*" not in case["resource"]
