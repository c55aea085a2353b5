"""The store's file fails at each of its changes in turn: the process ends before it, ends in the middle of it, or is told that
it failed. What was acknowledged is there afterwards, and nothing is half there.

A first run without faults tells what the account looks like after each step; after a fault it must look as after the last
step that was acknowledged, or as after the one that was under way.
"""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from house import House

ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:*", "Resource": "*"}]})
LESS = ALLOW.replace("iam:*", "iam:Get*")
# Each fault once in this many places.
STRIDE = {"kill": 4, "torn": 9, "eio": 9, "enospc": 17}


def trust(account):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}]})


def clients(house):
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=10, read_timeout=30)
    key, secret = house.admin_key()
    return [boto3.client(name, endpoint_url=house.api, region_name=house.ready["region"], aws_access_key_id=key,
                         aws_secret_access_key=secret, config=config) for name in ("iam", "sts", "ec2")]


def steps(house, iam, sts, ec2, kept):
    """One change each, most of them of several keys at once. `kept` takes what later steps need."""
    account = house.ready["account"]
    policy = f"arn:aws:iam::{account}:policy/p"

    def assume():
        key = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/r", RoleSessionName="before")["Credentials"]
        kept["session"] = key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"]

    return [
        lambda: iam.create_user(UserName="u", Tags=[{"Key": "a", "Value": "b"}]),
        lambda: kept.update(key=iam.create_access_key(UserName="u")["AccessKey"]["AccessKeyId"]),
        lambda: iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(account)),
        lambda: iam.put_role_policy(RoleName="r", PolicyName="i", PolicyDocument=ALLOW),
        assume,
        lambda: iam.create_policy(PolicyName="p", PolicyDocument=ALLOW),
        lambda: iam.create_policy_version(PolicyArn=policy, PolicyDocument=LESS, SetAsDefault=True),
        lambda: iam.attach_role_policy(RoleName="r", PolicyArn=policy),
        lambda: iam.create_group(GroupName="g"),
        lambda: iam.add_user_to_group(GroupName="g", UserName="u"),
        lambda: iam.create_instance_profile(InstanceProfileName="m"),
        lambda: iam.add_role_to_instance_profile(InstanceProfileName="m", RoleName="r"),
        lambda: ec2.run_instances(ImageId="ami-0", MinCount=1, MaxCount=1, IamInstanceProfile={"Name": "m"}),
        lambda: house.hallpass("revoke", "role", "r"),
        lambda: iam.update_access_key(UserName="u", AccessKeyId=kept["key"], Status="Inactive"),
        lambda: iam.enable_outbound_web_identity_federation(),
        lambda: iam.remove_user_from_group(GroupName="g", UserName="u"),
        lambda: iam.delete_access_key(UserName="u", AccessKeyId=kept["key"]),
        lambda: iam.delete_user(UserName="u"),
    ]


def works(house, key):
    try:
        house.boto("sts", key=key).get_caller_identity()
        return True
    except ClientError:
        return False


def looks(house, kept):
    """The account as a client sees it, without what differs from run to run."""
    iam, _, ec2 = clients(house)
    details = iam.get_account_authorization_details()
    for name in ("ResponseMetadata", "IsTruncated"):
        details.pop(name)
    details["keys"] = [[user["UserName"], [key["Status"] for key in iam.list_access_keys(UserName=user["UserName"])[
        "AccessKeyMetadata"]]] for user in details["UserDetailList"]]
    details["instances"] = [instance["State"]["Name"] for reservation in ec2.describe_instances()["Reservations"]
                            for instance in reservation["Instances"]]
    details["session"] = works(house, kept["session"]) if "session" in kept else None
    try:
        details["issues"] = iam.get_outbound_web_identity_federation_info()["JwtVendingEnabled"]
    except ClientError:
        details["issues"] = False
    text = json.dumps(details, default=lambda date: "a date", sort_keys=True)
    text = re.sub(r'"(A[A-Z]{3}[A-Z0-9]{17})"', '"an id"', text)
    return re.sub(r'"LastUsedDate": "a date", "Region": "[^"]*"', "", text)


@pytest.fixture(scope="module")
def faults(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    library = folder / "fail_at.so"
    source = Path(__file__).parent / "faults/fail_at.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


class Failing(House):
    """A system whose store's file fails at one place; `None`: at none, and the changes are counted."""

    def __init__(self, data, library, how=None, at=0, file="store.redb"):
        self.fault = {"LD_PRELOAD": str(library), "FAIL_FILE": file, "FAIL_HOW": how or "", "FAIL_AT": str(at),
                      "FAIL_COUNT": str(data.parent / "count")}
        super().__init__(data=data)

    def start(self):
        before = {name: os.environ.get(name) for name in self.fault}
        os.environ.update(self.fault)
        try:
            super().start()
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)

    def changes(self):
        return int(Path(self.fault["FAIL_COUNT"]).read_text())


@pytest.fixture(scope="module")
def reference(faults, tmp_path_factory):
    """What the account looks like after no step, one, two …; the system it began with; how many changes of the file it took."""
    folder = tmp_path_factory.mktemp("reference")
    first = House(data=folder / "begun")
    first.stop()
    shutil.copytree(folder / "begun", folder / "data")
    house = Failing(folder / "data", faults)
    try:
        started, kept = house.changes(), {}
        after = [looks(house, kept)]
        for step in steps(house, *clients(house), kept):
            step()
            after.append(looks(house, kept))
        return {"after": after, "begun": folder / "begun", "started": started, "changes": house.changes()}
    finally:
        house.close()
        first.folder.cleanup()


def after_a_fault(reference, faults, folder, how, at):
    """Runs the steps with one fault, starts again without, and compares."""
    shutil.copytree(reference["begun"], folder / "data")
    acknowledged, kept, house = 0, {}, None
    try:
        house = Failing(folder / "data", faults, how, at)
        for step in steps(house, *clients(house), kept):
            step()
            acknowledged += 1
    except (ClientError, BotoCoreError, AssertionError) as error:
        if isinstance(error, ClientError):
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500, f"{how} at {at}: {error}"
    finally:
        if house:
            house.close()
    again = House(data=folder / "data")
    try:
        # A session that was begun is one of the steps before which nothing of it could be seen.
        seen = looks(again, kept)
        expected = reference["after"][acknowledged:acknowledged + 2]
        assert seen in expected, f"{how} at change {at}, after {acknowledged} steps:\n{seen}\n" + "\n".join(expected)
        again.boto("iam").create_user(UserName="afterwards")
    finally:
        again.close()
        shutil.rmtree(folder)
    return acknowledged


@pytest.mark.parametrize("how", STRIDE)
def test_nothing_acknowledged_is_lost_and_nothing_is_half_done(reference, faults, tmp_path, how):
    first, last = reference["started"] + 1, reference["changes"]
    assert last - first > 40, "the steps change the store"
    reached = [after_a_fault(reference, faults, tmp_path / str(at), how, at) for at in range(first, last + 1, STRIDE[how])]
    assert reached[0] == 0 and max(reached) >= len(reference["after"]) - 3, reached
    if how in ("kill", "torn"):
        # A write that fails may also be one that is tried again, or that nobody waits for.
        assert reached == sorted(reached), "later faults let more steps through"


@pytest.mark.parametrize("how", ["kill", "torn"])
@pytest.mark.parametrize("file", ["store.redb.new", "store.redb"])
def test_a_first_start_that_is_cut_short_can_be_made_again(faults, tmp_path, how, file):
    """It makes the file itself, keys, account and administrator."""
    for at in range(1, 1_000, 4):
        folder = tmp_path / str(at)
        folder.mkdir()
        try:
            Failing(folder / "data", faults, how, at, file).close()
            break
        except AssertionError:
            pass
        again = House(data=folder / "data")
        try:
            assert again.boto("sts").get_caller_identity()["Arn"].endswith(":user/admin"), f"{how} at {at}"
        finally:
            again.close()
    assert at > 10, "starts were cut short"
