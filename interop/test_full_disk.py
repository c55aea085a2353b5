"""A full disk: what cannot be recorded is not done, nothing acknowledged is lost, and room on the disk is enough to go on."""
import subprocess

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from house import wait_for


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", disk], check=True)
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_stops_everything_and_loses_nothing(houses, small_disk):
    house = houses(data=small_disk / "data")
    key, secret = [line.split(" = ")[1] for line in open(house.ready["admin_credentials"]).read().split("\n")[1:3]]
    iam = boto3.client("iam", endpoint_url=house.api, region_name=house.ready["region"], aws_access_key_id=key,
                       aws_secret_access_key=secret, config=Config(retries={"max_attempts": 0}))
    users = lambda: {user["UserName"] for page in iam.get_paginator("list_users").paginate() for user in page["Users"]}
    fill = small_disk / "fill"
    try:
        with open(fill, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 1024)
    except OSError:
        pass
    acknowledged, refused = [], []
    for number in range(200):
        try:
            iam.create_user(UserName=f"u{number}")
            acknowledged.append(f"u{number}")
        except ClientError as error:
            assert error.response["Error"]["Code"] in ("InternalFailure", "ServiceFailure"), error
            refused.append(error.response["Error"]["Message"])
    assert any("not done" in message for message in refused[-20:]), set(refused)

    fill.unlink()
    wait_for(lambda: try_to(lambda: iam.create_user(UserName="after")), "the server going on once there is room")
    there = users()
    assert set(acknowledged) <= there
    # At most the requests that found the disk full were carried out without an answer, not those after them.
    assert len({name for name in there if name.startswith("u")} - set(acknowledged)) <= 3
    house.stop()
    house.start()
    iam = boto3.client("iam", endpoint_url=house.api, region_name=house.ready["region"], aws_access_key_id=key,
                       aws_secret_access_key=secret)
    assert users() == there


def try_to(action):
    try:
        return action() or True
    except ClientError:
        return False
