"""`hallpass report`: every long-term key, its age and its last use."""
import json

import boto3
import pytest
from botocore.exceptions import ClientError


def test_every_key_is_told_with_its_use_and_what_to_do(house):
    iam = house.boto("iam")
    house.user("used", {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    house.user("idle", {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    used = iam.create_access_key(UserName="used")["AccessKey"]
    idle = iam.create_access_key(UserName="idle")["AccessKey"]
    sts = boto3.client("sts", endpoint_url=house.api, aws_access_key_id=used["AccessKeyId"],
                       aws_secret_access_key=used["SecretAccessKey"], region_name="eu-central-1")
    sts.get_caller_identity()
    said = house.hallpass("report", "--format", "json")
    rows = {row["accessKeyId"]: row for row in map(json.loads, said.stdout.splitlines())}
    assert rows[used["AccessKeyId"]]["lastUsed"]["service"] == "sts" and rows[used["AccessKeyId"]]["findings"] == []
    assert rows[idle["AccessKeyId"]]["lastUsed"] is None
    # As if it were long ago.
    late = house.hallpass("report", "--days=-1", "--format", "json", check=False)
    assert late.returncode == 1
    rows = {row["accessKeyId"]: row for row in map(json.loads, late.stdout.splitlines())}
    assert rows[idle["AccessKeyId"]]["findings"] == ["never rotated", "never used: delete it"]
    iam.update_access_key(UserName="idle", AccessKeyId=idle["AccessKeyId"], Status="Inactive")
    table = house.hallpass("report", check=False)
    assert table.returncode == 1
    assert [line for line in table.stdout.splitlines() if "idle" in line and line.endswith("inactive: delete it")]
    assert "WARNING   1 access keys" in house.hallpass("status").stdout
    csv = house.hallpass("report", "--format", "csv").stdout
    assert csv.startswith("user,arn,user_creation_time,password_enabled,") and "\nidle," in csv
    for secret in (used["SecretAccessKey"], idle["SecretAccessKey"]):
        assert secret not in table.stdout + csv + late.stdout
    with pytest.raises(ClientError):
        iam.get_access_key_last_used(AccessKeyId="AKIA" + "A" * 16)
