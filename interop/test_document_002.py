"""Document 002, "IAM Roles" (Space Vatican): Fog, unchanged, with the document's code as printed (but for two classes that Fog itself renamed).

Fog knows the metadata service at 169.254.169.254 port 80 only, so its machine is a network namespace whose
`hallpass dev --link-local` has that address.
"""
import json
import os
import subprocess
from pathlib import Path

import pytest

from house import wait_for

RUBY = "/usr/bin/ruby"
SCRIPTS = Path(__file__).parent / "clients/ruby"
API = "10.77.0.1:7400"
EVERYONE = f'[[rule]]\nname = "the application"\nuid = {os.geteuid()}\nroles = [%s]\n'


def fog_home(folder, house, **keys):
    """A home directory whose `.fog` names the endpoint, and keys if any."""
    host, port = house.api.removeprefix("http://").split(":")
    settings = {"host": host, "port": int(port), "scheme": "http", "path_style": True,
                "region": house.ready["region"], **keys}
    folder.mkdir()
    # Fog reads YAML with symbols; JSON values are YAML.
    (folder / ".fog").write_text(":default:\n" + "".join(f"  :{k}: {json.dumps(v)}\n" for k, v in settings.items()))
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}


class FogApp:
    """The document's application, running."""

    def __init__(self, house, home):
        self.process = subprocess.Popen(
            [*house.machine.prefix(), RUBY, str(SCRIPTS / "fog_app.rb")], env=home, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def __call__(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        line = self.process.stdout.readline()
        assert line, "the application ended"
        return json.loads(line)

    def does(self, *words):
        answer = self(*words)
        assert answer["ok"], answer
        return answer

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def made(lan, houses, tmp_path):
    """A house in which the document's administration has been done; and the instance Fog launched."""
    house = houses("--link-local", machine=lan.machine(1), api=API)
    for bucket in ("somebucket", "otherbucket"):
        house.aws("s3", "mb", f"s3://{bucket}")
    admin = dict(line.split(" = ") for line in Path(house.ready["admin_credentials"]).read_text().splitlines()[1:])
    home = fog_home(tmp_path / "admin", house, **admin)
    house.launched = house.run([RUBY, SCRIPTS / "fog_setup.rb"], env=home).stdout.strip()
    return house


def association(house):
    found = house.aws("ec2", "describe-iam-instance-profile-associations", "--filters",
                      f"Name=instance-id,Values={house.ready['instance']}")["IamInstanceProfileAssociations"]
    return found[0]["AssociationId"] if found else None


def listed_role(house):
    """What this machine's metadata service lists, or None."""
    token = house.run(["curl", "-sf", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60",
                       "http://169.254.169.254/latest/api/token"]).stdout
    answer = house.run(["curl", "-sf", "-H", f"X-aws-ec2-metadata-token: {token}",
                        "http://169.254.169.254/latest/meta-data/iam/security-credentials/"], check=False)
    return answer.stdout if answer.returncode == 0 else None


def give_this_machine(house, profile):
    """Replaces the profile of the running instance that stands for this machine."""
    house.aws("ec2", "replace-iam-instance-profile-association", "--association-id", association(house),
              "--iam-instance-profile", f"Name={profile}")


@pytest.fixture
def app(made, tmp_path):
    """The application on a machine with profile `app_server`."""
    give_this_machine(made, "app_server")
    made.rules(EVERYONE % '"app_server", "second"')
    wait_for(lambda: listed_role(made) == "app_server", "the role being listed")
    app = FogApp(made, fog_home(tmp_path / "app", made))
    yield app
    app.close()


def test_the_printed_administration_makes_role_profile_and_instance(made):
    profile = made.aws("iam", "get-instance-profile", "--instance-profile-name", "app_server")["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["app_server"]
    policy = made.aws("iam", "get-role-policy", "--role-name", "app_server", "--policy-name", "s3_access")
    assert policy["PolicyDocument"]["Version"] == "2008-10-17"
    instances = made.aws("ec2", "describe-instances", "--instance-ids", made.launched)["Reservations"][0]["Instances"]
    assert instances[0]["InstanceType"] == "t1.micro" and instances[0]["ImageId"] == "ami-ed65ba84"
    assert instances[0]["IamInstanceProfile"]["Arn"] == profile["Arn"]
    # The instance has a metadata service of its own, with the role in it.
    def endpoint():
        tags = made.aws("ec2", "describe-instances", "--instance-ids", made.launched)
        tags = {tag["Key"]: tag["Value"] for tag in tags["Reservations"][0]["Instances"][0].get("Tags", [])}
        return tags.get("hallpass:metadata")
    url = wait_for(endpoint, "the instance's metadata endpoint being told")
    made.rules(EVERYONE % '"app_server"')
    token = made.run(["curl", "-sf", "-X", "PUT", "-H", "X-aws-ec2-metadata-token-ttl-seconds: 60",
                      url + "latest/api/token"]).stdout
    role = made.run(["curl", "-sf", "-H", f"X-aws-ec2-metadata-token: {token}",
                     url + "latest/meta-data/iam/security-credentials/"]).stdout
    assert role == "app_server"


def test_use_iam_profile_reads_and_writes_the_allowed_bucket_only(app, made):
    app.does("put", "somebucket", "upload.txt", "with no key anywhere")
    assert app.does("get", "somebucket", "upload.txt")["text"] == "with no key anywhere"
    for command in (("put", "otherbucket", "k", "x"), ("get", "otherbucket", "k")):
        denied = app(*command)
        assert not denied["ok"] and "AccessDenied" in denied["error"]
        action = {"put": "s3:PutObject", "get": "s3:GetObject"}[command[0]]
        # AWS's sentence.
        arn = f"arn:aws:sts::{made.ready['account']}:assumed-role/app_server/{made.ready['instance']}"
        assert (f"User: {arn} is not authorized to perform: {action} on resource: "
                "&quot;arn:aws:s3:::otherbucket/k&quot; because no identity-based policy allows the "
                f"{action} action").replace("&quot;", '"') in denied["error"].replace("&quot;", '"'), denied


def test_the_policies_of_a_role_change_while_it_is_in_use(app, made):
    """"You can change the policies associated with the profile as much as you want": the key stays, its powers change."""
    key = app.does("key")["key"]
    assert not app("put", "otherbucket", "k", "x")["ok"]
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": "arn:aws:s3:::otherbucket/*"}]}
    made.aws("iam", "put-role-policy", "--role-name", "app_server", "--policy-name", "more",
             "--policy-document", json.dumps(policy))
    app.does("put", "otherbucket", "k", "x")
    # "Code that makes backups might have the right to put files but not to delete", or to read, "existing files".
    assert not app("get", "otherbucket", "k")["ok"]
    made.aws("iam", "delete-role-policy", "--role-name", "app_server", "--policy-name", "more")
    assert not app("put", "otherbucket", "k", "x")["ok"]
    assert app.does("key")["key"] == key


def test_fog_goes_on_across_a_replacement_of_its_credentials(app, made):
    """The profile is taken off the running instance and put back, which ends the agent's lease; Fog fetches again by
    its own rule. The credentials it had are honoured to their end."""
    app.does("put", "somebucket", "k", "before")
    first = app.does("key")["key"]
    made.aws("ec2", "disassociate-iam-instance-profile", "--association-id", association(made))
    wait_for(lambda: listed_role(made) is None, "the role being gone from the metadata service")
    app.does("put", "somebucket", "k", "in between")
    # "Attach a profile to an instance once it has been started": the document could not.
    made.aws("ec2", "associate-iam-instance-profile", "--instance-id", made.ready["instance"],
             "--iam-instance-profile", "Name=app_server")
    wait_for(lambda: listed_role(made) == "app_server", "the role being back")
    assert app.does("key")["key"] == first, "nothing makes Fog look before the end is near"
    assert app.does("near-expiry")["fetched"]
    second = app.does("key")["key"]
    assert second != first
    assert app.does("get", "somebucket", "k")["text"] == "in between"
    app.does("put", "somebucket", "k", "after")
    issued = {r["responseElements"]["accessKeyId"] for r in made.records(eventName="IssueCredentials")
              if r.get("responseElements")}
    assert {first, second} <= issued


def test_more_than_one_role_in_a_profile(app, made):
    """The API always seemed to allow it, "currently you're limited to 1": here the machine's rules choose."""
    made.aws("iam", "create-role", "--role-name", "second", "--assume-role-policy-document", json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
    made.aws("iam", "put-role-policy", "--role-name", "second", "--policy-name", "p", "--policy-document", json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::otherbucket/*"}]}))
    made.aws("iam", "add-role-to-instance-profile", "--instance-profile-name", "app_server", "--role-name", "second")
    roles = made.aws("iam", "get-instance-profile", "--instance-profile-name", "app_server")["InstanceProfile"]["Roles"]
    assert sorted(role["RoleName"] for role in roles) == ["app_server", "second"]

    # One name in the list, always: SDKs take the whole answer for it. Which one, the rules say.
    assert listed_role(made) == "app_server"
    made.rules(EVERYONE % '"second", "app_server"')
    wait_for(lambda: listed_role(made) == "second", "the other role being listed first")
    assert app.does("near-expiry")["fetched"]
    app.does("put", "otherbucket", "k", "by the second role")
    assert not app("put", "somebucket", "k", "x")["ok"]


def test_another_profile_for_a_running_instance(app, made):
    made.aws("iam", "create-instance-profile", "--instance-profile-name", "readers")
    made.aws("iam", "create-role", "--role-name", "reader", "--assume-role-policy-document", json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
    made.aws("iam", "put-role-policy", "--role-name", "reader", "--policy-name", "p", "--policy-document", json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::somebucket/*"}]}))
    made.aws("iam", "add-role-to-instance-profile", "--instance-profile-name", "readers", "--role-name", "reader")
    made.rules(EVERYONE % '"app_server", "reader"')
    app.does("put", "somebucket", "k", "text")
    give_this_machine(made, "readers")
    wait_for(lambda: listed_role(made) == "reader", "the new profile's role being listed")
    assert app.does("near-expiry")["fetched"]
    assert app.does("get", "somebucket", "k")["text"] == "text"
    assert not app("put", "somebucket", "k", "x")["ok"]
