"""Writes AWS's managed policies, one a line: the name, a tab, the document without white space.

usage: managed_policies.py WHEEL OUTPUT
"""

import ast
import json
import sys
import zipfile


def main():
    wheel, output = sys.argv[1:]
    with zipfile.ZipFile(wheel) as files:
        module = ast.parse(files.read("moto/iam/aws_managed_policies.py"))
    policies = json.loads(ast.literal_eval(module.body[0].value))
    with open(output, "w", encoding="utf-8") as file:
        for name, policy in sorted(policies.items()):
            document = json.dumps(policy["Document"], separators=(",", ":"))
            file.write(f"{name}\t{document}\n")


main()
