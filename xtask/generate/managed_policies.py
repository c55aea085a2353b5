"""Writes AWS's managed policies, sorted by path and name, one a line: path and name, when it was made, when its default
version was, that version, and the document without white space, with tabs between.

usage: managed_policies.py WHEEL OUTPUT
"""

import ast
import json
import sys
import zipfile


# moto sorts the members; AWS, and whoever reads a policy, has them so.
ORDER = ("Version", "Id", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource",
         "Condition", "Statement")


def ordered(value):
    if isinstance(value, list):
        return [ordered(one) for one in value]
    if not isinstance(value, dict):
        return value
    known = [name for name in ORDER if name in value]
    return {name: ordered(value[name]) for name in [*known, *(name for name in value if name not in known)]}


def main():
    wheel, output = sys.argv[1:]
    with zipfile.ZipFile(wheel) as files:
        module = ast.parse(files.read("moto/iam/aws_managed_policies.py"))
    policies = json.loads(ast.literal_eval(module.body[0].value))
    lines = []
    for name, policy in policies.items():
        document = json.dumps(ordered(policy["Document"]), separators=(",", ":"))
        dates = [policy[date].replace("+00:00", "Z") for date in ("CreateDate", "UpdateDate")]
        lines.append("\t".join([policy["Path"] + name, *dates, policy["DefaultVersionId"], document]) + "\n")
    with open(output, "w", encoding="utf-8") as file:
        # By bytes, as who looks one up compares them.
        file.writelines(sorted(lines, key=lambda line: line.split("\t")[0].encode()))


main()
