"""Questions about whole accounts: who-can, what-can, suggest, and check of everything, of a server and of a file."""
import json
import os
import subprocess
from datetime import datetime, timedelta, timezone

import boto3
import pytest

BINARY = os.environ["HALLPASS_BINARY"]
ID = "123456789012"
OTHER = "999999999999"


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action="s3:GetObject", resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action="*", resource="*", **more):
    return {**allow(action, resource, **more), "Effect": "Deny"}


def trust(**principal):
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}


def policy(*words, check=None):
    done = subprocess.run([BINARY, "policy", *map(str, words)], capture_output=True, text=True, timeout=120)
    if check is not None:
        assert done.returncode == check, (words, done.returncode, done.stdout, done.stderr)
    return done


def arn(name, account=ID):
    return f"arn:aws:iam::{account}:{name}"


def details():
    """An account as AWS's client prints it: groups, a boundary, tags, a percent-encoded document."""
    inline = lambda *statements: [{"PolicyName": "p", "PolicyDocument": document(*statements)}]
    user = lambda name, **more: {"UserName": name, "Arn": arn(f"user/{name}"), "UserId": f"AIDA{name.upper():X<12}",
                                 "UserPolicyList": [], "GroupList": [], "AttachedManagedPolicies": [], **more}
    edge = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn("policy/Edge")}
    return {
        "UserDetailList": [
            user("ana", UserPolicyList=inline(allow("s3:*", "arn:aws:s3:::reports/*"))),
            user("bob", GroupList=["readers"]),
            user("cleo", UserPolicyList=inline(allow("*")), PermissionsBoundary=edge),
            user("dan", UserPolicyList=inline(allow(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}))),
            user("eve", UserPolicyList=inline(allow("s3:*"), deny("s3:GetObject", "arn:aws:s3:::reports/*"))),
            user("fay", Tags=[{"Key": "team", "Value": "x"}],
                 UserPolicyList=inline(allow(Condition={"StringEquals": {"aws:PrincipalTag/team": "x"}}))),
        ],
        "GroupDetailList": [{"GroupName": "readers", "Arn": arn("group/readers"), "GroupPolicyList": [],
                             "AttachedManagedPolicies": [{"PolicyName": "Read", "PolicyArn": arn("policy/Read")}]}],
        "RoleDetailList": [{"RoleName": "app", "Arn": arn("role/path/app"), "RoleId": "AROAAPPXXXXXXXXXXXX",
                            "AssumeRolePolicyDocument": document(
                                trust(AWS=arn("user/ana")), trust(AWS=arn("root", OTHER)),
                                trust(Service="ec2.amazonaws.com")),
                            "RolePolicyList": [], "AttachedManagedPolicies": []}],
        "Policies": [
            {"PolicyName": "Edge", "Arn": arn("policy/Edge"), "PolicyVersionList": [
                {"Document": document(allow("iam:*")), "VersionId": "v2", "IsDefaultVersion": True},
                {"Document": document(allow("*")), "VersionId": "v1", "IsDefaultVersion": False}]},
            {"PolicyName": "Read", "Arn": arn("policy/Read"), "PolicyVersionList": [
                {"Document": "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C"
                             "%22Action%22%3A%22s3%3AGet%2A%22%2C%22Resource%22%3A%22%2A%22%7D%7D",
                 "VersionId": "v1", "IsDefaultVersion": True}]},
        ],
    }


@pytest.fixture
def account(tmp_path):
    path = tmp_path / "account.json"
    path.write_text(json.dumps(details(), indent=1))
    return path


def who_can(account, action, resource, *words, check=0):
    done = policy("who-can", action, resource, "--account", account, "--format", "json", *words, check=check)
    return {one["name"]: one for one in json.loads(done.stdout)["principals"]}


REPORT = "arn:aws:s3:::reports/q3"


def test_who_can_over_groups_boundaries_tags_and_conditions(account):
    found = who_can(account, "s3:getobject", REPORT, "--all")
    assert {name: one["can"] for name, one in found.items()} == {
        "user/ana": "always", "user/bob": "always", "user/cleo": "never", "user/dan": "sometimes", "user/eve": "never",
        "user/fay": "always", "role/app": "never", "root": "always"}
    assert found["user/bob"]["by"][0]["policy"] == "managed policy Read"
    assert found["user/cleo"]["because"] == "no permissions boundary allows it"
    assert found["user/eve"]["because"].startswith("denied by user/eve inline p statement 2 (line ")
    [need] = found["user/dan"]["needs"]
    assert need["conditions"] == [{"operator": "IpAddress", "key": "aws:SourceIp", "values": ["10.0.0.0/8"]}]
    assert "user/eve" not in who_can(account, "s3:GetObject", REPORT)
    assert who_can(account, "s3:GetObject", REPORT, "--context", "aws:SourceIp=10.1.2.3")["user/dan"]["can"] == "always"
    shown = policy("who-can", "s3:GetObject", REPORT, "--account", account, check=0).stdout.splitlines()
    assert shown[0].split() == ["PRINCIPAL", "CAN", "BECAUSE"]
    assert any(line.startswith("user/dan") and 'needs IpAddress aws:SourceIp "10.0.0.0/8"' in line for line in shown)
    assert len({line.index("always") for line in shown if "always" in line}) == 1


def test_who_can_from_outside(account, tmp_path):
    bucket = tmp_path / "bucket.json"
    bucket.write_text(json.dumps(document(
        allow(Principal={"AWS": [arn("role/their", OTHER), arn("role/path/app")]}),
        allow(Principal={"Service": "logging.s3.amazonaws.com"}),
        allow(Principal="*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}}))))
    found = who_can(account, "s3:GetObject", REPORT, "--resource-policy", bucket)
    assert found[arn("role/their", OTHER)] == {**found[arn("role/their", OTHER)], "can": "always", "outside": True}
    assert found["role/app"]["can"] == "always" and found["logging.s3.amazonaws.com"]["kind"] == "service"
    assert found["everyone in other accounts"]["can"] == "sometimes" and "everyone, unsigned" not in found
    # A resource of another account needs its policy.
    assert policy("who-can", "s3:GetObject", REPORT, "--account", account, "--resource-account", OTHER, check=1)


def test_who_can_assume_a_role(account):
    found = who_can(account, "sts:AssumeRole", arn("role/path/app"))
    assert {name: one["can"] for name, one in found.items()} == {
        "user/ana": "always", f"account {OTHER}": "always", "ec2.amazonaws.com": "always"}
    assert policy("who-can", "sts:AssumeRole", arn("role/none"), "--account", account, check=2)


@pytest.mark.parametrize("words, text, said", [
    (("s3:*", REPORT), None, "is not one action"),
    (("s3:GetObject", "reports"), None, "is not a resource"),
    (("s3:GetObject", REPORT, "--context", "x"), None, "KEY=VALUE"),
    (("s3:GetObject", REPORT), "{", "line 1 column"),
    (("s3:GetObject", REPORT), "{}", "neither a user nor a role"),
    (("s3:GetObject", REPORT), '{"UserDetailList": [{"UserName": 7}]}', "line 1 column 34"),
    (("s3:GetObject", REPORT), '{"UserDetailList":' + "[" * 100_000, "account.json"),
])
def test_what_cannot_be_answered(account, words, text, said):
    if text:
        account.write_text(text)
    assert said in policy("who-can", *words, "--account", account, check=2).stderr


def test_a_document_that_cannot_be_read_is_no_answer(account):
    bad = details()
    bad["UserDetailList"] = [{**bad["UserDetailList"][0], "UserPolicyList": [
        {"PolicyName": "p", "PolicyDocument": {"Version": "2012-10-17", "Statement": {"Effect": "Perhaps"}}}]}]
    account.write_text(json.dumps(bad))
    found = who_can(account, "s3:GetObject", REPORT)
    assert found["user/ana"]["can"] == "unknown" and "user/ana inline p (line 1" in found["user/ana"]["because"]
    assert policy("what-can", "user/ana", "--account", account, check=2)
    # Unknown actions are asked about all the same.
    assert "no service is known" in policy("who-can", "s3:GetObjekt", REPORT, "--account", account, check=0).stderr


def what_can(account, principal, *words, check=0):
    done = policy("what-can", principal, "--account", account, "--format", "json", *words, check=check)
    answer = json.loads(done.stdout)
    assert answer["complete"]
    return {(row["resource"], row["can"]): row for row in answer["rows"]}


def test_what_can(account, tmp_path):
    eve = what_can(account, "user/eve")
    [row] = [row for row in eve.values() if "s3:GetObject" in row["actions"]]
    assert row["resource"] == "*" and [one["resource"] for one in row["except"]] == ["arn:aws:s3:::reports/*"]
    # The boundary lets IAM through, and nothing else.
    cleo = what_can(account, "user/cleo")
    assert {action.split(":")[0] for row in cleo.values() for action in row["actions"]} == {"iam"}
    assert what_can(account, "user/cleo", "--service", "s3", check=1) == {}
    ana = what_can(account, "user/ana")
    assert ana[arn("role/path/app"), "always"]["actions"] == ["sts:AssumeRole"]
    root = what_can(account, "root")
    assert root["*", "always"]["known_actions"] > 20_000
    assert len(policy("what-can", "root", "--account", account, check=0).stdout.splitlines()) < 20
    bucket = tmp_path / "bucket.json"
    bucket.write_text(json.dumps(document(deny("s3:*", "arn:aws:s3:::reports/*", Principal="*", Condition={
        "Bool": {"aws:SecureTransport": "false"}}), allow("s3:ListBucket", "arn:aws:s3:::reports", Principal="*"))))
    ana = what_can(account, "user/ana", "--resource-policy", f"arn:aws:s3:::reports={bucket}")
    assert ana["arn:aws:s3:::reports", "always"]["actions"] == ["s3:ListBucket"]
    assert ana["arn:aws:s3:::reports/*", "sometimes"]["unless"]
    assert policy("what-can", "user/nobody", "--account", account, check=2)
    # Whatever what-can says of a resource, who-can says too.
    for name in ("ana", "bob", "cleo", "dan", "eve", "fay"):
        can = who_can(account, "s3:PutObject", REPORT, "--all")[f"user/{name}"]["can"]
        done = policy("what-can", f"user/{name}", "--account", account, "--service", "s3", "--format", "json")
        covers = [row["can"] for row in json.loads(done.stdout)["rows"] if {"s3:PutObject", "s3:Put*", "s3:*"} & set(row["actions"])
                  and row["resource"] in ("*", "arn:aws:s3:::reports/*")]
        assert (can == "never") == (not covers), (name, can, covers)


def test_check_of_an_account(account, tmp_path):
    checked = policy("check", "--account", account, "--format", "json", check=1)
    found = {(one["file"], one["code"]) for one in json.loads(checked.stdout)["findings"]}
    assert ("user/cleo inline p", "HP2001") in found and ("role/app trust policy", "HP3033") in found
    assert "6 users, 1 role" in checked.stderr
    now = datetime.now(timezone.utc)
    head = "user,arn,user_creation_time,access_key_1_active,access_key_1_last_rotated,access_key_2_active,access_key_2_last_rotated"
    report = tmp_path / "report.csv"
    when = lambda days: (now - timedelta(days=days)).isoformat(timespec="seconds")
    report.write_text("\n".join([head, f"<root_account>,a,t,true,{when(1)},false,N/A",
                                 f"old,a,t,true,{when(400)},false,N/A", f"new,a,t,true,{when(10)},true,N/A"]))
    checked = policy("check", report, "--format", "json", check=1)
    found = [(one["code"], one["message"]) for one in json.loads(checked.stdout)["findings"]]
    assert [code for code, _ in found] == ["HP2017", "HP2016", "HP2016"]
    assert found[1][1] == "access key access key 1 of user old is 400 days old" and "never rotated" in found[2][1]
    report.write_text(f"{head}\nold,a")
    assert "line 2" in policy("check", report, check=2).stderr


# -- the running server

def live(house, *words, check=None):
    done = house.run([BINARY, "policy", *map(str, words), "--data", house.data], check=False)
    if check is not None:
        assert done.returncode == check, (words, done.stdout, done.stderr)
    return done


def test_who_can_agrees_with_explain(house):
    """Hence with enforcement, with which explain is compared elsewhere."""
    bucket = house.ready["bucket"]
    house.user("ana", document(allow(["s3:GetObject", "s3:ListBucket"]), deny("s3:GetObject", f"arn:aws:s3:::{bucket}/secret/*")))
    house.user("bob", document(allow("iam:*"), allow("s3:PutObject", f"arn:aws:s3:::{bucket}/${{aws:username}}/*")))
    house.aws("iam", "create-user", "--user-name", "cleo", "--tags", "Key=team,Value=x")
    house.aws("iam", "put-user-policy", "--user-name", "cleo", "--policy-name", "p", "--policy-document", json.dumps(
        document(allow("s3:*", Condition={"StringEquals": {"aws:PrincipalTag/team": "x"}}))))
    house.role("app", document(allow("s3:*", f"arn:aws:s3:::{bucket}/app/*")))
    for action, resource in [
        ("s3:GetObject", f"arn:aws:s3:::{bucket}/x"), ("s3:GetObject", f"arn:aws:s3:::{bucket}/secret/x"),
        ("s3:PutObject", f"arn:aws:s3:::{bucket}/bob/x"), ("s3:PutObject", f"arn:aws:s3:::{bucket}/app/x"),
        ("s3:ListBucket", f"arn:aws:s3:::{bucket}"), ("iam:ListUsers", "*")]:
        answer = json.loads(live(house, "who-can", action, resource, "--all", "--format", "json").stdout)
        entities = [one for one in answer["principals"] if one["kind"] in ("user", "role")]
        assert len(entities) >= 5
        for one in entities:
            explained = live(house, "explain", "--live", one["principal"], action, resource)
            allowed = json.loads(explained.stdout)["decision"] == "allow"
            assert (one["can"] == "always") == allowed, (action, resource, one)
    rows = json.loads(live(house, "what-can", "role/app", "--format", "json", check=0).stdout)["rows"]
    assert [row["resource"] for row in rows] == [f"arn:aws:s3:::{bucket}/app/*"]
    found = json.loads(live(house, "check", "--live", "--format", "json").stdout)["findings"]
    assert {one["file"] for one in found} >= {"user/bob inline p"}


def test_the_suggestion_is_enough_and_no_more(house):
    bucket = house.ready["bucket"]
    wide = document(allow("s3:*"), allow(["iam:ListUsers", "iam:ListRoles"]), deny("s3:DeleteBucket"))
    keys = house.user("ana", wide)
    env = house.env(**keys)
    client = lambda key_id, secret: boto3.client("s3", endpoint_url=house.api, region_name=house.ready["region"],
                                                 aws_access_key_id=key_id, aws_secret_access_key=secret)
    ana = client(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])

    def use():
        for words in used:
            house.aws(*words, env=env)
        for number in range(25):
            ana.head_object(Bucket=bucket, Key=f"many/{number}")

    used = [
        ("s3api", "put-object", "--bucket", bucket, "--key", "own/x"),
        ("s3api", "get-object", "--bucket", bucket, "--key", "own/x", "/dev/null"),
        ("s3api", "list-objects-v2", "--bucket", bucket),
        ("iam", "list-users"),
        ("sts", "get-caller-identity"),
    ]
    unused = [
        ("s3api", "delete-object", "--bucket", bucket, "--key", "own/x"),
        ("s3api", "get-object", "--bucket", bucket, "--key", "own/y", "/dev/null"),
        ("iam", "list-roles"),
    ]
    house.aws("s3api", "put-object", "--bucket", bucket, "--key", "own/y")
    (house.path / "many").mkdir()
    for number in range(25):
        (house.path / "many" / str(number)).write_text("x")
    house.aws("s3", "cp", "--quiet", "--recursive", house.path / "many", f"s3://{bucket}/many")
    assert live(house, "suggest", "--principal", "user/ana", check=1).stdout == ""
    use()
    refused = house.aws("iam", "create-user", "--user-name", "eve", env=env, check=False)
    assert refused.returncode != 0
    answer = json.loads(live(house, "suggest", "--principal", "user/ana", "--since", "1h", "--format", "json", check=0).stdout)
    assert answer["comparison"]["verdict"] == "no_more", answer
    assert answer["generalised"] == [{"resource": f"arn:aws:s3:::{bucket}/many/*", "keys": 25}]
    assert not answer["left_out"] and not answer["unmapped"]
    assert any("iam:ListRoles" in one["unused_actions"] for one in answer["unused"])
    done = live(house, "suggest", "--principal", "user/ana", check=0)
    suggested = json.loads(done.stdout)
    assert suggested == answer["policies"][0]["document"] and "allows nothing that is not allowed now" in done.stderr
    assert not any("CreateUser" in json.dumps(one) for one in suggested["Statement"])
    exact = json.loads(live(house, "suggest", "--principal", "user/ana", "--exact", check=0).stdout)
    assert f"arn:aws:s3:::{bucket}/many/7" in json.dumps(exact)
    assert live(house, "suggest", "--principal", "user/ana", "--until", "1d", check=1)
    house.aws("iam", "put-user-policy", "--user-name", "ana", "--policy-name", "p", "--policy-document", json.dumps(suggested))
    use()
    for words in unused:
        assert house.aws(*words, env=env, check=False).returncode != 0, words


def test_a_suggestion_from_cloudtrails_records(tmp_path, account):
    trail = tmp_path / "trail" / "2026"
    trail.mkdir(parents=True)
    ana = {"type": "IAMUser", "arn": arn("user/ana")}
    s3 = {"eventSource": "s3.amazonaws.com", "eventTime": "2026-01-02T03:04:05Z", "userIdentity": ana}
    record = lambda name, key, **more: {**s3, "eventName": name, "requestParameters": {"bucketName": "reports", "key": key}, **more}
    (trail / "a.json").write_text(json.dumps({"Records": [
        record("GetObject", "q3"), record("PutObject", "q4"), record("GetObject", "no", errorCode="AccessDenied"),
        record("HeadBucket", None)]}))
    words = ("suggest", "--principal", arn("user/ana"), "--audit", tmp_path / "trail", "--format", "json")
    answer = json.loads(policy(*words, "--account", account, check=0).stdout)
    [one] = answer["policies"]
    assert one["document"]["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::reports/q3"]},
        {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::reports/q4"]}]
    # Her own policies do not let her list.
    assert answer["left_out"] == [{"action": "s3:ListBucket", "resource": "arn:aws:s3:::reports"}]
    assert answer["comparison"]["verdict"] == "no_more"
    assert policy(*words, "--account", account, "--since", "2026-01-03", check=1)
    assert policy(*words, "--account", account, "--since", "soon", check=2)
    alone = json.loads(policy(*words, "--data", tmp_path / "none", check=0).stdout)
    assert alone["comparison"]["verdict"] == "not_made" and not alone["left_out"]
    assert policy("suggest", "--principal", "user/ana", "--audit", tmp_path / "none", "--account", account, check=2)


@pytest.mark.parametrize("command", ["who-can", "what-can", "suggest", "check"])
def test_help(command):
    shown = policy(command, "--help", check=0).stdout
    assert "--account" in shown and "--format" in shown
