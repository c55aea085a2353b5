"""Writes the compact form of AWS's API models: how each operation is asked for, and which members may name resources.

usage: apis.py WHEEL OUTPUT

The form is described in crates/hallpass-apiroute/src/model.rs, which reads it. Run from the workspace's root: which
members matter depends on the service authorization reference and on the table of actions whose names differ.
"""

import gzip
import json
import re
import sys
import zipfile

REFERENCE = "crates/hallpass-reference/data/reference.txt"
ACTIONS = "crates/hallpass-apiroute/data/actions.txt"
LEFT_OUT = {
    "s3": "has a crate of its own",
    "s3control": "signs as s3; buckets of the account and access points are not behind a gateway",
    "importexport": "signs with version 2 only",
    "account-access-runtime": "bearer tokens, not signatures",
    "connectparticipant": "bearer tokens, not signatures",
    "sso": "bearer tokens, not signatures",
    "sso-oidc": "not signed",
}
# Services whose model botocore does not have, since it does not speak HTTP/2. From the API references and Smithy models.
BESIDES = """\
service transcribestreaming transcribe transcribestreaming transcribe restjson 2017-10-26
GetMedicalScribeStream GET /medical-scribe-stream/{SessionId}
StartCallAnalyticsStreamTranscription POST /call-analytics-stream-transcription e
StartMedicalScribeStream POST /medical-scribe-stream e
StartMedicalStreamTranscription POST /medical-stream-transcription e
StartStreamTranscription POST /stream-transcription e
"""
# Where the prefix of the actions is not the signing name.
PREFIXES = {
    "cloudcontrol": "cloudformation", "cloudwatch": "cloudwatch", "iot-data": "iot", "iot-jobs-data": "iotjobsdata",
    "iotsecuretunneling": "iot", "mturk": "mechanicalturk", "partnercentral-account": "partnercentral",
    "partnercentral-benefits": "partnercentral", "partnercentral-channel": "partnercentral",
    "partnercentral-selling": "partnercentral", "resourcegroupstaggingapi": "tag",
}
PROTOCOLS = {"query": "query", "ec2": "ec2", "rest-json": "restjson", "rest-xml": "restxml",
             "smithy-rpc-v2-cbor": "cbor"}
TAGS = {"tags", "taglist", "tagset", "tagspecifications"}
PASSING = re.compile(r"(^role|rolearn|iamrole|^roles)$")
# Members that hold an ARN of something else than what is acted on.
NOT_THE_RESOURCE = {"sourcearn", "kmskeyarn", "rolearn", "kmsmasterkeyarn", "clientrequesttoken"}
# Their role members name the subject of the call; nothing is passed.
NOT_PASSING = {"iam", "sts", "sso-admin", "accessanalyzer"}


def plain(name):
    return re.sub(r"[^a-z0-9]", "", name.lower())


def reference():
    """Prefix → action in lower case → the placeholders and the names of its resource types."""
    services, prefix, types, lists = {}, "", {}, []
    for line in open(REFERENCE, encoding="utf-8"):
        head, _, rest = line.rstrip("\n").partition(" ")
        if head == "service":
            prefix, types, lists = rest, {}, []
            services[prefix] = {}
        elif head == "t":
            _, arn, name = rest.split(" ", 2)
            types.setdefault(name, {plain(name)}).update(plain(found) for found in re.findall(r"\$\{(\w+)\}", arn))
        elif head == "r":
            lists.append([name.rstrip("!") for name in rest.split(",") if name])
        elif len(head) == 1 and head in "LRWTP":
            name, kinds, _ = rest.split(" ")
            found = [types[kind] for kind in lists[int(kinds)]]
            services[prefix][name.lower()] = set().union(*found)
    return services


def exceptions():
    table = {}
    for line in open(ACTIONS, encoding="utf-8"):
        if line.strip() and not line.startswith("#"):
            service, operation, *actions = line.split()
            table[service, operation] = actions
    return table


class Operation:
    def __init__(self, model, operation, placeholders, passes):
        self.shapes = model["shapes"]
        self.operation = operation
        self.ec2 = model["metadata"]["protocol"] == "ec2"
        self.rest = model["metadata"]["protocol"].startswith("rest-")
        self.placeholders = placeholders
        self.passes = passes

    def wire(self, name, member):
        if self.ec2:
            found = member.get("queryName") or member.get("locationName") or name
            return found[0].upper() + found[1:]
        return member.get("locationName", name)

    def tokens(self):
        shape = self.shapes[self.operation["input"]["shape"]] if "input" in self.operation else {}
        members = shape.get("members", {})
        payload = members.get(shape.get("payload"))
        body = {name: member for name, member in members.items() if "location" not in member}
        if payload is not None:
            payload_shape = self.shapes[payload["shape"]]
            body = payload_shape.get("members", {}) if payload_shape["type"] == "structure" else {}
            if payload_shape.get("eventstream"):
                body = {}
        tokens = self.named("m", body)
        tokens += self.named("q", {n: m for n, m in members.items() if m.get("location") == "querystring"})
        roles = self.passes and self.has_role(body, 0, set())
        tokens += ["p"] if roles else []
        if any(self.shapes[member["shape"]].get("eventstream") for member in members.values()):
            tokens.append("e")
        if self.rest and any(token[0] in "mp" or token[:2] in ("tm", "km", "lm") for token in tokens):
            tokens.append("b")
        return tokens

    def named(self, place, members):
        tokens, naming, several = [], [], []
        for name, member in sorted(members.items()):
            shape, wire = self.shapes[member["shape"]], self.wire(name, member)
            if shape["type"] == "string" and (plain(wire).endswith("arn") or plain(wire) in self.placeholders):
                if plain(wire) not in NOT_THE_RESOURCE:
                    naming.append(wire)
            elif plain(wire) in self.placeholders or plain(wire).removesuffix("s") in self.placeholders:
                several.append(wire)
            elif shape["type"] in ("list", "map") and plain(name) in TAGS:
                tokens.append(f"t{place}:{wire}")
            elif shape["type"] == "list" and plain(name) in ("tagkeys", "tagkeylist"):
                tokens.append(f"k{place}:{wire}")
        tokens += ["l" + place + ":" + ",".join(several)] if several else []
        return ([f"{place}:" + ",".join(naming)] if naming else []) + tokens

    def has_role(self, members, depth, seen):
        for name, member in members.items():
            shape = self.shapes[member["shape"]]
            # One of a few words is the role of a participant, not of IAM.
            if PASSING.search(plain(name)) and shape["type"] in ("string", "list") and "enum" not in shape:
                return True
            for _ in range(3):
                if shape["type"] == "list":
                    shape = self.shapes[shape["member"]["shape"]]
                elif shape["type"] == "map":
                    shape = self.shapes[shape["value"]["shape"]]
            inner = shape.get("members", {})
            if inner and depth < 6 and id(inner) not in seen:
                seen.add(id(inner))
                if self.has_role(inner, depth + 1, seen):
                    return True
        return False


def protocols(metadata):
    listed = metadata.get("protocols") or [metadata["protocol"]]
    json_name = "json" + metadata.get("jsonVersion", "1.0").replace(".", "")
    names = [json_name if name == "json" else PROTOCOLS[name] for name in listed if name == "json" or name in PROTOCOLS]
    if "awsQueryCompatible" in metadata and "query" not in names:
        names.append("query")
    return ",".join(names)


def service_lines(name, model, known, table):
    metadata = model["metadata"]
    signing = metadata.get("signingName", metadata["endpointPrefix"])
    prefix = PREFIXES.get(name, signing.lower())
    words = [name, signing, metadata["endpointPrefix"], prefix, protocols(metadata), metadata["apiVersion"]]
    yield "service " + " ".join(words + [metadata.get("targetPrefix", "")]).rstrip()
    for operation_name, operation in sorted(model["operations"].items()):
        actions = table.get((name, operation_name), [f"{prefix}:{operation_name}"])
        placeholders = set()
        for action in actions:
            service, _, action_name = action.partition(":")
            placeholders |= known.get(service, {}).get(action_name.lower(), set())
        placeholders -= {"partition", "region", "account"}
        words = [operation_name]
        if metadata["protocol"].startswith("rest-"):
            http = operation["http"]
            words += [http["method"], http["requestUri"].replace(" ", "%20")]
        words += Operation(model, operation, placeholders, name not in NOT_PASSING).tokens()
        yield " ".join(words)


def main():
    wheel, output = sys.argv[1:]
    known, table = reference(), exceptions()
    newest = {}
    with zipfile.ZipFile(wheel) as files:
        for path in files.namelist():
            match = re.fullmatch(r"botocore/data/([^/]+)/([^/]+)/service-2\.json\.gz", path)
            if match and match[1] not in LEFT_OUT:
                newest[match[1]] = max(newest.get(match[1], ("", "")), (match[2], path))
        lines = ["# Generated by `cargo xtask generate`; see SOURCE."]
        for name, (_, path) in sorted(newest.items()):
            lines += service_lines(name, json.loads(gzip.decompress(files.read(path))), known, table)
    lines += BESIDES.splitlines()
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


main()
