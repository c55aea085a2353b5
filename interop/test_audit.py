"""The audit log: nobody can change it unseen, here or in the bucket it is delivered to, and it tells who did what."""
import datetime
import gzip
import json
import re

import pytest
from botocore.exceptions import ClientError

from house import BINARY, TOOLS, wait_for
from test_full_disk import small_disk  # noqa: F401

TRAIL = '[audit]\nbucket = "trail-logs"\nprefix = "kept"\ndeliver_records = 1\n'
HOUR = datetime.timedelta(hours=1)


def audit(house, *words, check=True, code=0):
    """`hallpass audit`, whose exit code says yes or no."""
    data = [] if "--data" in words else ["--data", house.data]
    result = house.run([BINARY, "audit", words[0], *data, *words[1:]], check=False)
    if check:
        assert result.returncode == code, (result.stdout, result.stderr)
    return result


def validate(house):
    """`aws cloudtrail validate-logs`, as it is."""
    arn = f"arn:aws:cloudtrail:{house.ready['region']}:{house.ready['account']}:trail/hallpass"
    start = (datetime.datetime.now(datetime.UTC) - HOUR).strftime("%Y-%m-%dT%H:%M:%SZ")
    command = [TOOLS / "python-awscli/bin/aws", "cloudtrail", "validate-logs", "--trail-arn", arn, "--start-time", start,
               "--verbose"]
    result = house.run(command, env=house.admin_env(), check=False)
    return result.returncode, result.stdout + result.stderr


def delivered(house):
    """The digests in the trail's bucket, as they lie on the disk."""
    return sorted((house.data / "buckets/trail-logs").rglob("*_CloudTrail-Digest_*.json.gz"))


@pytest.fixture
def trail(houses):
    """A system whose log went to a bucket in three rounds, a digest after each."""
    house = houses(config=TRAIL)
    for number in range(3):
        if number:
            house.start()
        house.boto("iam").create_user(UserName=f"u{number}")
        house.boto("iam").list_users()
        # The wall clock's second is in a digest's name; two in one second are parted by the system itself.
        house.stop()
    house.start()
    return house


def test_aws_validate_logs_verifies_what_was_delivered_and_names_what_was_changed(trail):
    code, text = validate(trail)
    assert code == 0, text
    digests = delivered(trail)
    assert len(digests) == 3, digests
    # What was delivered since then, this test's own calls, is in the next digest.
    logs = [trail.data / "buckets/trail-logs" / file["s3Object"]
            for digest in digests for file in json.loads(gzip.decompress(digest.read_bytes()))["logFiles"]]
    assert "3/3 digest files valid" in text and "INVALID" not in text, text
    assert re.search(rf"(\d+)/\1 log files valid", text), text
    for file in logs:
        assert f"{file.name}\tvalid" in text
    names = [record["eventName"] for file in logs for record in json.loads(gzip.decompress(file.read_bytes()))["Records"]]
    assert names.count("CreateUser") == 3 and names.count("ListUsers") == 3
    assert all(str(file).startswith(str(trail.data / f"buckets/trail-logs/kept/AWSLogs/{trail.ready['account']}/"))
               for file in logs)

    # A byte of a record.
    victim = logs[0]
    whole = victim.read_bytes()
    victim.write_bytes(gzip.compress(gzip.decompress(whole).replace(b"u0", b"x0", 1)))
    code, text = validate(trail)
    assert code == 1 and f"{victim.name}\tINVALID: hash value doesn't match" in text, text
    # A byte of the compressed file.
    victim.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    code, text = validate(trail)
    assert code == 1 and f"{victim.name}\tINVALID" in text, text
    # A log file gone.
    victim.unlink()
    code, text = validate(trail)
    assert code == 1 and f"{victim.name}\tINVALID: not found" in text, text
    victim.write_bytes(whole)
    assert validate(trail)[0] == 0

    # A digest gone.
    kept = digests[1].read_bytes()
    boto = trail.boto("s3")
    key = str(digests[1].relative_to(trail.data / "buckets/trail-logs"))
    meta = boto.head_object(Bucket="trail-logs", Key=key)["Metadata"]
    boto.delete_object(Bucket="trail-logs", Key=key)
    code, text = validate(trail)
    assert code == 1 and f"{digests[1].name}\tINVALID: not found" in text, text
    # A digest changed, with its old signature.
    forged = gzip.compress(gzip.decompress(kept).replace(b'"logFiles":[{', b'"logFiles":[ {', 1))
    boto.put_object(Bucket="trail-logs", Key=key, Body=forged, Metadata=meta)
    code, text = validate(trail)
    assert code == 1 and f"{digests[1].name}\tINVALID: signature verification failed" in text, text
    boto.put_object(Bucket="trail-logs", Key=key, Body=kept, Metadata=meta)
    assert validate(trail)[0] == 0


def test_every_record_is_delivered_once_although_the_bucket_is_away_and_the_process_killed(houses):
    other = houses()
    other.boto("s3").create_bucket(Bucket="far")
    key, secret = other.admin_key()
    port = other.api.rsplit(":", 1)[1]
    config = ('[audit]\nbucket = "far"\ndeliver_records = 1\n[[upstream]]\nname = "far"\nservices = ["s3"]\nbuckets = ["far"]\n'
              f'endpoint = "{other.api}"\nregion = "{other.ready["region"]}"\npath_style = true\ncredentials.environment = true\n')
    import os
    os.environ.update(AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
    try:
        house = houses(config=config)
        for number in range(5):
            house.boto("iam").create_user(UserName=f"a{number}")
        metric = lambda name: int(re.search(rf"^{name} (\d+)", plain(house, "metrics"), re.M)[1])
        wait_for(lambda: metric("hallpass_audit_delivered_record") >= 5, "delivery")
        other.stop()
        for number in range(5):
            house.boto("iam").create_user(UserName=f"b{number}")
        wait_for(lambda: metric("hallpass_audit_delivery_failures") > 0, "a failure being told")
        assert "cannot be delivered" in plain(house, "healthz")
        status = house.boto("cloudtrail").get_trail_status(Name="hallpass")
        assert "far" in status["LatestDeliveryError"], status
        assert "WARNING" in house.hallpass("status").stdout
        house.stop(9)
        other.args = ["--api", f"127.0.0.1:{port}", *other.args[2:]]
        other.start()
        house.start()
        house.boto("iam").create_user(UserName="c")
        newest = metric("hallpass_audit_record")
        wait_for(lambda: metric("hallpass_audit_delivered_record") >= newest, "everything being delivered")
        house.stop()
    finally:
        del os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    files = (other.data / "buckets/far").rglob("*_CloudTrail_*.json.gz")
    there = [record["eventID"] for file in files for record in json.loads(gzip.decompress(file.read_bytes()))["Records"]]
    written = [record["eventID"] for record in house.records()]
    assert sorted(there) == sorted(written)
    audit(house, "verify")


def plain(house, page):
    return house.run(["curl", "-sS", f"{house.api}/_hallpass/{page}"]).stdout


def test_verify_finds_what_was_done_to_the_files(house):
    for number in range(4):
        house.boto("iam").create_user(UserName=f"u{number}")
    house.stop()
    shown = audit(house, "verify").stdout
    assert "the log is what was written" in shown and "1 checkpoint;" in shown, shown
    [file] = (house.data / "audit").glob("*.jsonl")
    whole = file.read_text()
    for changed, word in [
        (whole.replace('"u1"', '"v1"', 1), f"WRONG {file.name}:2: record 2 was changed"),
        ("".join(whole.splitlines(True)[:-1]), f"WRONG {file.name}:3: the log ends at record 3"),
        ("".join(whole.splitlines(True)[1:]), f"WRONG {file.name}:1: record 1 is missing"),
    ]:
        file.write_text(changed)
        assert word in audit(house, "verify", code=1).stdout
    file.write_text(whole)
    key = re.search(r"signed with key (\w+)", shown)[1]
    audit(house, "verify", "--trust", key)
    assert "not trusted" in audit(house, "verify", "--trust", "0" * 32, code=1).stdout
    assert audit(house, "verify", "--data", "/nonexistent", code=2).stderr.startswith("error: ")


def test_kill_9_in_the_middle_of_much_is_no_tampering(house):
    iam = house.boto("iam")
    for round in range(3):
        for number in range(10):
            iam.create_user(UserName=f"u{round}-{number}")
        house.stop(9)
        [file] = (house.data / "audit").glob("*.jsonl")
        if round == 1:
            # As the disk may have it when the power goes.
            with open(file, "ab") as torn:
                torn.write(b'{"additionalEventData":{"hall')
        house.start()
        iam = house.boto("iam")
    iam.list_users()
    shown = audit(house, "verify").stdout
    assert "1 unfinished line" in shown and "the log is what was written" in shown, shown


def test_a_credential_is_traced_from_its_process_through_the_chain(house):
    chain = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{house.ready['account']}:role/app"},
                                                     "Action": "sts:AssumeRole"}]}
    allow = lambda action: {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
    house.role("app", allow("sts:*"))
    house.role("deep", allow("iam:List*"), chain)
    house.rules('[[rule]]\nname = "me"\nuid = 0\nroles = ["app"]\n')
    first = house.credentials("app")
    key = (first["AccessKeyId"], first["SecretAccessKey"], first["Token"])
    deep = house.boto("sts", key).assume_role(RoleArn=f"arn:aws:iam::{house.ready['account']}:role/deep", RoleSessionName="chained")
    made = deep["Credentials"]
    answer = house.boto("iam", (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])).list_roles()
    request = answer["ResponseMetadata"]["RequestId"]
    for asked in (made["AccessKeyId"], first["AccessKeyId"], request):
        text = audit(house, "trace", asked).stdout
        lines = text.splitlines()
        assert lines[0].startswith(first["AccessKeyId"]), text
        given = next(line for line in lines if "given to" in line)
        assert "uid 0 (root)" in given and "python" in given and "as role app by rule me" in given, given
        at = next(number for number, line in enumerate(lines) if line.strip().startswith(made["AccessKeyId"]))
        assert "AssumeRole" in lines[at - 1] and any("ListRoles" in line and request in line for line in lines[at:]), text
        assert sum("<- asked for" in line for line in lines) == 1, text
    assert json.loads(audit(house, "trace", "--json", request).stdout)["root"] == first["AccessKeyId"]
    audit(house, "trace", "ASIAAAAAAAAAAAAAAAAA", code=1)


def test_search_and_export(house, tmp_path):
    for number in range(3):
        house.boto("iam").create_user(UserName=f"u{number}")
    with pytest.raises(ClientError):
        house.boto("iam").create_user(UserName="u0")
    found = audit(house, "search", "--action", "iam:create*", "--error", "*", "--since", "1h", "--json").stdout
    [record] = [json.loads(line) for line in found.splitlines()]
    assert record["errorCode"] == "EntityAlreadyExists"
    assert len(audit(house, "search", "--resource", "*:user/u*", "--decision", "served").stdout.splitlines()) == 3
    assert len(audit(house, "search", "-n", "2").stdout.splitlines()) == 2
    audit(house, "search", "--until", "2001-01-01", code=1)
    audit(house, "search", "--since", "yesterday", code=2)
    written = house.records()
    audit(house, "export", "--to", str(tmp_path / "out"))
    files = list((tmp_path / "out").rglob("*.json.gz"))
    assert re.fullmatch(rf"AWSLogs/(\d+)/CloudTrail/{house.ready['region']}/\d+/\d\d/\d\d/\1_CloudTrail_.*Z_\w{{16}}\.json\.gz",
                        str(files[0].relative_to(tmp_path / "out")))
    exported = [record for file in files for record in json.loads(gzip.decompress(file.read_bytes()))["Records"]]
    assert sorted(r["eventID"] for r in exported) == sorted(r["eventID"] for r in written)
    assert json.loads(audit(house, "export", "--to", "-").stdout)["Records"] == written


def test_cloudtrail_s_api_is_authorized_paged_and_recorded(trail):
    client = trail.boto("cloudtrail")
    [described] = client.describe_trails()["trailList"]
    assert (described["S3BucketName"], described["S3KeyPrefix"]) == ("trail-logs", "kept")
    assert client.get_trail(Name=described["TrailARN"])["Trail"] == described
    assert client.list_trails()["Trails"][0]["TrailARN"] == described["TrailARN"]
    assert client.describe_trails(trailNameList=["other"])["trailList"] == []
    assert client.get_trail_status(Name="hallpass")["IsLogging"]
    [key] = client.list_public_keys()["PublicKeyList"]
    assert key["Value"][:2] == b"\x30\x82" and len(key["Fingerprint"]) == 32
    old = datetime.datetime(2020, 1, 1)
    assert client.list_public_keys(StartTime=old, EndTime=old)["PublicKeyList"] == []

    events = lambda **wanted: [
        event for page in client.get_paginator("lookup_events").paginate(PaginationConfig={"PageSize": 2}, **wanted)
        for event in page["Events"]]
    attribute = lambda key, value: {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]}
    made = events(**attribute("EventName", "CreateUser"))
    assert [json.loads(event["CloudTrailEvent"])["requestParameters"]["userName"] for event in made] == ["u2", "u1", "u0"]
    assert made[0]["Resources"][0]["ResourceType"] == "AWS::IAM::User"
    assert len(events(**attribute("ResourceName", "u1"))) == 1
    assert events(StartTime=old, EndTime=old) == []
    whole = events()
    assert len({event["EventId"] for event in whole}) == len(whole) > 6

    for code, call in [
        ("TrailNotFoundException", lambda: client.get_trail(Name="other")),
        ("InvalidMaxResultsException", lambda: raw(trail, "LookupEvents", {"MaxResults": 51})),
        ("InvalidNextTokenException", lambda: client.lookup_events(NextToken="../../x")),
        ("InvalidTimeRangeException", lambda: client.lookup_events(StartTime=datetime.datetime.now(), EndTime=old)),
        ("UnsupportedOperationException", lambda: client.create_trail(Name="mine", S3BucketName="b")),
    ]:
        with pytest.raises(ClientError) as error:
            call()
        assert error.value.response["Error"]["Code"] == code

    keys = trail.user("reader", {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "cloudtrail:LookupEvents", "Resource": "*"}]})
    reader = trail.boto("cloudtrail", (keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]))
    reader.lookup_events()
    with pytest.raises(ClientError) as error:
        reader.list_public_keys()
    assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "cloudtrail:ListPublicKeys" in error.value.response["Error"]["Message"]
    [record] = trail.records(eventName="ListPublicKeys", errorCode="AccessDeniedException")
    assert record["userIdentity"]["userName"] == "reader" and record["eventSource"] == "cloudtrail.amazonaws.com"


def raw(house, operation, body):
    """A call that the client library would refuse to make."""
    client = house.boto("cloudtrail", parameter_validation=False)
    return client._make_api_call(operation, body)


def test_a_full_disk_may_count_what_it_loses(houses, small_disk):
    house = houses(data=small_disk / "data", config='[audit]\nwhen_full = "count"\n')
    iam = house.boto("iam")
    fill = small_disk / "fill"
    try:
        with open(fill, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 1024)
    except OSError:
        pass
    metric = lambda: int(re.search(r"^hallpass_audit_lost_records_total (\d+)", plain(house, "metrics"), re.M)[1])
    for _ in range(100):
        iam.list_users()
    lost = metric()
    assert lost > 0 and f"{lost} records lost" in plain(house, "healthz")
    fill.unlink()
    iam.list_users()
    [told] = house.records(eventName="RecordsLost")
    assert told["additionalEventData"]["hallpass"]["lostRecords"] == lost
    assert metric() == lost
    house.stop()
    audit(house, "verify")
