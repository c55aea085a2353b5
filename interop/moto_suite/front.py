"""What moto's own tests talk to: one account of ours at a time, under the number and the keys that they suppose.

Those tests sign with made-up keys, as account 123456789012, and ask for an empty account before each. Hallpass verifies
and picks the numbers itself. So a request is signed again with a key that holds, and the number is put in the account's
place: both have twelve digits, so that no length changes. A key that came by is signed for with its own secret, so that
a test which assumes a role acts as that role.
"""
import http.client
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCOUNT = "123456789012"
# It comes last in every list.
ROLE = "zz-front"
# A role cannot call these: a user of the account does, made when the first one is asked.
OF_USERS = (b"Action=GetSessionToken&", b"Action=GetFederationToken&")
USER = "front"
KEY = re.compile(r"<AccessKeyId>(\w+)</AccessKeyId>")
SECRET = re.compile(r"<SecretAccessKey>([^<]+)</SecretAccessKey>")
TOKEN = re.compile(r"<SessionToken>([^<]+)</SessionToken>")


class MotoFront:
    """Serves at `endpoint`. Its accounts are members of the organization of `house`."""

    def __init__(self, house, name):
        self.house, self.name, self.count, self.is_new = house, name, 0, True
        self.organizations, self.sts = house.boto("organizations"), house.boto("sts")
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                front.answer(self)

            do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def reset(self):
        """A new account, with nothing in it but the role that it is entered by."""
        self.count += 1
        made = self.organizations.create_account(
            Email=f"{self.name}{self.count}@example.com", AccountName=self.name, RoleName=ROLE)["CreateAccountStatus"]
        self.account = made["AccountId"]
        self.entered = self.sts.assume_role(
            RoleArn=f"arn:aws:iam::{self.account}:role/{ROLE}", RoleSessionName="moto")["Credentials"]
        self.keys, self.user, self.is_new = {}, None, False

    def of_user(self):
        if self.user is None:
            key = (self.entered["AccessKeyId"], self.entered["SecretAccessKey"], self.entered["SessionToken"])
            iam = self.house.boto("iam", key=key)
            iam.create_user(UserName=USER)
            iam.attach_user_policy(UserName=USER, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
            made = iam.create_access_key(UserName=USER)["AccessKey"]
            self.user = Credentials(made["AccessKeyId"], made["SecretAccessKey"])
        return self.user

    def credentials(self, key, body):
        if key in self.keys:
            return self.keys[key]
        if any(name in body + b"&" for name in OF_USERS):
            return self.of_user()
        return Credentials(self.entered["AccessKeyId"], self.entered["SecretAccessKey"], self.entered["SessionToken"])

    def answer(self, handler):
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        if handler.path.startswith("/moto-api/"):
            if handler.path == "/moto-api/reset":
                # Each test asks at its beginning and at its end.
                self.is_new = True
            return self.send(handler, 200 if handler.path == "/moto-api/reset" else 404, {}, b"{}")
        if self.is_new:
            self.reset()
        signed = re.search(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/", handler.headers.get("authorization", ""))
        request = AWSRequest(
            handler.command, self.house.api + handler.path.replace(ACCOUNT, self.account),
            data=body.replace(ACCOUNT.encode(), self.account.encode()),
            headers={name: handler.headers[name] for name in ("content-type", "accept") if name in handler.headers})
        if signed:
            SigV4Auth(self.credentials(signed[1], body), signed[2], self.house.ready["region"]).add_auth(request)
        prepared = request.prepare()
        connection = http.client.HTTPConnection(self.house.api.removeprefix("http://"), timeout=60)
        try:
            connection.request(prepared.method, prepared.url.removeprefix(self.house.api), prepared.body, dict(prepared.headers))
            reply = connection.getresponse()
            text = reply.read().decode()
        finally:
            connection.close()
        key, secret, token = (pattern.search(text) for pattern in (KEY, SECRET, TOKEN))
        if key and secret:
            self.keys[key[1]] = Credentials(key[1], secret[1], token and token[1])
        headers = {name: value for name, value in reply.getheaders()
                   if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server")}
        self.send(handler, reply.status, headers, text.replace(self.account, ACCOUNT).encode())

    @staticmethod
    def send(handler, status, headers, body):
        handler.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
