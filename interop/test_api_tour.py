"""Every action of IAM, STS and EC2 that is built, called through boto3, whose parser has to find in our XML what AWS's
models say is there. The list of actions is read from the sources: an action added without a call here fails the tour.
"""
import json
import re
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

SOURCES = Path(__file__).parent.parent / "crates/hallpass-authority/src"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
LESS = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]})


def built():
    """The names of all actions, from the tables that dispatch them."""
    names = set()
    for file in ("iam.rs", "ec2.rs"):
        names |= set(re.findall(r'^ {4}"([A-Z]\w+)" => ', (SOURCES / file).read_text(), re.M))
    return names | set(re.findall(r'^ +name: "([A-Z]\w+)",$', (SOURCES / "sts.rs").read_text(), re.M))


@pytest.fixture(scope="module")
def tour():
    from house import House

    house = House()
    text = Path(house.ready["admin_credentials"]).read_text()
    session = boto3.Session(
        aws_access_key_id=re.search(r"aws_access_key_id = (\S+)", text)[1],
        aws_secret_access_key=re.search(r"aws_secret_access_key = (\S+)", text)[1],
        region_name=house.ready["region"])

    class Tour:
        called = set()

        def client(self, service, session=session):
            client = session.client(service, endpoint_url=house.api, config=Config(retries={"max_attempts": 0}))
            # Only what was answered counts.
            client.meta.events.register(
                "after-call", lambda http_response, model, **_: http_response.status_code == 200
                and self.called.add(model.name))
            return client

    tour = Tour()
    tour.house, tour.ready = house, house.ready
    tour.iam, tour.sts, tour.ec2 = (tour.client(name) for name in ("iam", "sts", "ec2"))
    yield tour
    house.close()


def code(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def is_id(text, prefix):
    return re.fullmatch(prefix + "[A-Z0-9]{17}", text) is not None


def test_roles(tour):
    iam, account = tour.iam, tour.ready["account"]
    role = iam.create_role(RoleName="tour", Path="/a/b/", AssumeRolePolicyDocument=TRUST, Description="first",
                           MaxSessionDuration=7200, Tags=[{"Key": "team", "Value": "x & <y>"}])["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role/a/b/tour" and is_id(role["RoleId"], "AROA")
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    got = iam.get_role(RoleName="tour")["Role"]
    assert got["MaxSessionDuration"] == 7200 and got["Description"] == "first" and got["CreateDate"].tzinfo
    assert got["Tags"] == [{"Key": "team", "Value": "x & <y>"}]
    listed = iam.list_roles(PathPrefix="/a/")
    assert [r["RoleName"] for r in listed["Roles"]] == ["tour"] and listed["IsTruncated"] is False
    iam.update_role(RoleName="tour", Description="second", MaxSessionDuration=3600)
    assert iam.update_role_description(RoleName="tour", Description="third")["Role"]["Description"] == "third"
    iam.update_assume_role_policy(RoleName="tour", PolicyDocument=TRUST.replace("ec2", "ecs-tasks"))
    trust = iam.get_role(RoleName="tour")["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"Service": "ecs-tasks.amazonaws.com"}
    iam.tag_role(RoleName="tour", Tags=[{"Key": "more", "Value": ""}])
    iam.untag_role(RoleName="tour", TagKeys=["team"])
    assert iam.list_role_tags(RoleName="tour")["Tags"] == [{"Key": "more", "Value": ""}]
    # Policies inside it.
    iam.put_role_policy(RoleName="tour", PolicyName="inline", PolicyDocument=ALLOW)
    assert iam.get_role_policy(RoleName="tour", PolicyName="inline")["PolicyDocument"] == json.loads(ALLOW)
    assert iam.list_role_policies(RoleName="tour")["PolicyNames"] == ["inline"]
    assert code(iam.delete_role, RoleName="tour") == "DeleteConflict"
    iam.delete_role_policy(RoleName="tour", PolicyName="inline")
    # Policies attached to it, and its boundary.
    arn = iam.create_policy(PolicyName="tour-role", PolicyDocument=ALLOW)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="tour", PolicyArn=arn)
    assert iam.list_attached_role_policies(RoleName="tour")["AttachedPolicies"] == [
        {"PolicyName": "tour-role", "PolicyArn": arn}]
    iam.put_role_permissions_boundary(RoleName="tour", PermissionsBoundary=arn)
    assert iam.get_role(RoleName="tour")["Role"]["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": arn}
    iam.delete_role_permissions_boundary(RoleName="tour")
    iam.detach_role_policy(RoleName="tour", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    iam.delete_role(RoleName="tour")
    assert code(iam.get_role, RoleName="tour") == "NoSuchEntity"


def test_users_and_keys(tour):
    iam, account = tour.iam, tour.ready["account"]
    user = iam.create_user(UserName="tour", Path="/p/", Tags=[{"Key": "a", "Value": "1"}])["User"]
    assert user["Arn"] == f"arn:aws:iam::{account}:user/p/tour" and is_id(user["UserId"], "AIDA")
    assert iam.get_user(UserName="tour")["User"]["CreateDate"] == user["CreateDate"]
    assert "tour" in [u["UserName"] for u in iam.list_users()["Users"]]
    iam.tag_user(UserName="tour", Tags=[{"Key": "b", "Value": "2"}])
    iam.untag_user(UserName="tour", TagKeys=["a"])
    assert iam.list_user_tags(UserName="tour")["Tags"] == [{"Key": "b", "Value": "2"}]
    iam.put_user_policy(UserName="tour", PolicyName="inline", PolicyDocument=ALLOW)
    assert iam.get_user_policy(UserName="tour", PolicyName="inline")["PolicyDocument"] == json.loads(ALLOW)
    assert iam.list_user_policies(UserName="tour")["PolicyNames"] == ["inline"]
    arn = iam.create_policy(PolicyName="tour-user", PolicyDocument=ALLOW)["Policy"]["Arn"]
    iam.attach_user_policy(UserName="tour", PolicyArn=arn)
    assert iam.list_attached_user_policies(UserName="tour")["AttachedPolicies"][0]["PolicyArn"] == arn
    key = iam.create_access_key(UserName="tour")["AccessKey"]
    assert re.fullmatch("AKIA[A-Z2-7]{16}", key["AccessKeyId"]) and key["Status"] == "Active"
    assert len(key["SecretAccessKey"]) == 40 and key["CreateDate"]
    iam.update_access_key(UserName="tour", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    listed = iam.list_access_keys(UserName="tour")["AccessKeyMetadata"]
    assert [(k["AccessKeyId"], k["Status"]) for k in listed] == [(key["AccessKeyId"], "Inactive")]
    assert tour.sts.get_access_key_info(AccessKeyId=key["AccessKeyId"])["Account"] == account
    iam.delete_access_key(UserName="tour", AccessKeyId=key["AccessKeyId"])
    assert code(iam.delete_user, UserName="tour") == "DeleteConflict"
    iam.detach_user_policy(UserName="tour", PolicyArn=arn)
    iam.delete_user_policy(UserName="tour", PolicyName="inline")
    iam.delete_policy(PolicyArn=arn)
    iam.delete_user(UserName="tour")
    assert code(iam.get_user, UserName="tour") == "NoSuchEntity"


def test_managed_policies(tour):
    iam = tour.iam
    policy = iam.create_policy(PolicyName="tour", Path="/x/", PolicyDocument=ALLOW, Description="d")["Policy"]
    arn = policy["Arn"]
    assert policy["DefaultVersionId"] == "v1" and is_id(policy["PolicyId"], "ANPA") and policy["IsAttachable"] is True
    second = iam.create_policy_version(PolicyArn=arn, PolicyDocument=LESS)["PolicyVersion"]
    assert (second["VersionId"], second["IsDefaultVersion"]) == ("v2", False)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    got = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (got["DefaultVersionId"], got["AttachmentCount"]) == ("v2", 0)
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == json.loads(LESS)
    assert {v["VersionId"] for v in iam.list_policy_versions(PolicyArn=arn)["Versions"]} == {"v1", "v2"}
    assert code(iam.delete_policy_version, PolicyArn=arn, VersionId="v2") == "DeleteConflict"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    assert arn in [p["Arn"] for p in iam.list_policies(Scope="Local")["Policies"]]
    assert code(iam.create_policy, PolicyName="bad", PolicyDocument="{") == "MalformedPolicyDocument"
    iam.delete_policy(PolicyArn=arn)
    assert code(iam.get_policy, PolicyArn=arn) == "NoSuchEntity"


def test_the_simulator_and_the_whole_account(tour):
    iam, account = tour.iam, tour.ready["account"]
    question = dict(ActionNames=["s3:GetObject"], ResourceArns=["arn:aws:s3:::b/k"])
    [custom] = iam.simulate_custom_policy(PolicyInputList=[LESS], **question)["EvaluationResults"]
    assert custom["EvalDecision"] == "allowed"
    demo = f"arn:aws:iam::{account}:role/{tour.ready['role']}"
    answer = iam.simulate_principal_policy(PolicySourceArn=demo, **question)
    assert answer["EvaluationResults"][0]["EvalDecision"] == "implicitDeny" and answer["IsTruncated"] is False
    assert iam.get_context_keys_for_custom_policy(PolicyInputList=[LESS])["ContextKeyNames"] == []
    assert iam.get_context_keys_for_principal_policy(PolicySourceArn=demo)["ContextKeyNames"] == []
    pages = iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": 1})
    whole = pages.build_full_result()
    [role] = [role for role in whole["RoleDetailList"] if role["Arn"] == demo]
    assert role["AssumeRolePolicyDocument"]["Statement"] and role["RolePolicyList"][0]["PolicyDocument"]["Statement"]
    assert role["InstanceProfileList"][0]["Roles"][0]["Arn"] == demo
    [admin] = [policy for policy in whole["Policies"] if policy["PolicyName"] == "AdministratorAccess"]
    assert admin["PolicyVersionList"][0]["Document"]["Statement"][0]["Action"] == "*" and admin["AttachmentCount"] > 0
    assert all(user["UserId"].startswith("AIDA") for user in whole["UserDetailList"]) and whole["UserDetailList"]
    assert list(iam.get_account_authorization_details(Filter=["Role"])["UserDetailList"]) == []
    assert code(iam.get_account_authorization_details, Filter=["Cat"]) == "ValidationError"
    assert code(iam.simulate_principal_policy, PolicySourceArn=demo + "x", **question) == "NoSuchEntity"


def test_profiles_and_instances(tour):
    iam, ec2 = tour.iam, tour.ec2
    iam.create_role(RoleName="machine", AssumeRolePolicyDocument=TRUST)
    arns = {}
    for name in ("one", "two"):
        profile = iam.create_instance_profile(InstanceProfileName=name)["InstanceProfile"]
        assert is_id(profile["InstanceProfileId"], "AIPA") and profile["Roles"] == []
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName="machine")
        arns[name] = profile["Arn"]
    assert iam.get_instance_profile(InstanceProfileName="one")["InstanceProfile"]["Roles"][0]["RoleName"] == "machine"
    assert {"one", "two"} <= {p["InstanceProfileName"] for p in iam.list_instance_profiles()["InstanceProfiles"]}
    of_role = iam.list_instance_profiles_for_role(RoleName="machine")["InstanceProfiles"]
    assert sorted(p["InstanceProfileName"] for p in of_role) == ["one", "two"]

    launch = {"ImageId": "ami-ed65ba84", "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro",
              "TagSpecifications": [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "tour"}]}],
              "MetadataOptions": {"HttpTokens": "required"}}
    assert code(ec2.run_instances, DryRun=True, **launch) == "DryRunOperation"
    run = ec2.run_instances(**launch)
    assert run["OwnerId"] == tour.ready["account"]
    instance = run["Instances"][0]
    id = instance["InstanceId"]
    assert instance["State"] == {"Code": 16, "Name": "running"} and instance["LaunchTime"].tzinfo
    assert instance["MetadataOptions"]["HttpTokens"] == "required"
    associated = ec2.associate_iam_instance_profile(InstanceId=id, IamInstanceProfile={"Name": "one"})
    assert associated["IamInstanceProfileAssociation"]["State"] == "associating"
    found = ec2.describe_iam_instance_profile_associations(Filters=[{"Name": "instance-id", "Values": [id]}])
    association = found["IamInstanceProfileAssociations"][0]
    assert association["State"] == "associated" and association["IamInstanceProfile"]["Arn"] == arns["one"]
    replaced = ec2.replace_iam_instance_profile_association(
        AssociationId=association["AssociationId"], IamInstanceProfile={"Arn": arns["two"]})
    replaced = replaced["IamInstanceProfileAssociation"]
    assert replaced["IamInstanceProfile"]["Arn"] == arns["two"]
    ec2.create_tags(Resources=[id], Tags=[{"Key": "more", "Value": "1"}])
    ec2.delete_tags(Resources=[id], Tags=[{"Key": "Name"}])
    tags = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [id]}])["Tags"]
    assert {"ResourceId": id, "ResourceType": "instance", "Key": "more", "Value": "1"} in tags
    assert {tag["ResourceId"] for tag in tags} == {id} and "Name" not in [tag["Key"] for tag in tags]
    filters = [{"Name": "key", "Values": ["more"]}, {"Name": "value", "Values": ["1", "2"]}]
    assert [tag["ResourceId"] for tag in ec2.describe_tags(Filters=filters)["Tags"]] == [id]
    assert code(ec2.describe_tags, Filters=[{"Name": "colour", "Values": ["x"]}]) == "InvalidParameterValue"
    options = ec2.modify_instance_metadata_options(InstanceId=id, HttpTokens="optional", HttpPutResponseHopLimit=2)
    assert options["InstanceMetadataOptions"]["HttpTokens"] == "optional"
    assert options["InstanceMetadataOptions"]["HttpPutResponseHopLimit"] == 2
    described = ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]
    assert described["IamInstanceProfile"]["Arn"] == arns["two"]
    ec2.disassociate_iam_instance_profile(AssociationId=replaced["AssociationId"])
    assert "IamInstanceProfile" not in ec2.describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]
    ended = ec2.terminate_instances(InstanceIds=[id])["TerminatingInstances"][0]
    assert ended["CurrentState"]["Name"] in ("shutting-down", "terminated")
    assert ended["PreviousState"]["Name"] == "running"
    assert code(ec2.describe_instances, InstanceIds=["i-00000000000000000"]) == "InvalidInstanceID.NotFound"
    for name in ("one", "two"):
        iam.remove_role_from_instance_profile(InstanceProfileName=name, RoleName="machine")
        iam.delete_instance_profile(InstanceProfileName=name)
    iam.delete_role(RoleName="machine")


def test_security_tokens(tour):
    iam, sts, account = tour.iam, tour.sts, tour.ready["account"]
    who = sts.get_caller_identity()
    assert who["Account"] == account and who["Arn"].startswith(f"arn:aws:iam::{account}:user/")
    iam.create_role(RoleName="assumed", AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}]}))
    given = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/assumed", RoleSessionName="tour")
    assert given["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account}:assumed-role/assumed/tour"
    assert re.fullmatch("AROA[A-Z0-9]{17}:tour", given["AssumedRoleUser"]["AssumedRoleId"])
    for credentials, expected in (
        (given["Credentials"], given["AssumedRoleUser"]["Arn"]),
        (sts.get_session_token(DurationSeconds=900)["Credentials"], who["Arn"]),
    ):
        assert credentials["AccessKeyId"].startswith("ASIA") and credentials["Expiration"].tzinfo
        session = boto3.Session(
            aws_access_key_id=credentials["AccessKeyId"], aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"], region_name=tour.ready["region"])
        assert tour.client("sts", session).get_caller_identity()["Arn"] == expected
    iam.delete_role(RoleName="assumed")


@pytest.mark.parametrize("service, operation, parameters", [
    ("iam", "create_virtual_mfa_device", {"VirtualMFADeviceName": "x"}),
    ("ec2", "describe_volumes", {}),
    ("sts", "decode_authorization_message", {"EncodedMessage": "x"}),
])
def test_what_is_not_built_is_an_invalid_action(tour, service, operation, parameters):
    assert code(getattr(getattr(tour, service), operation), **parameters) == "InvalidAction"


def test_the_tour_called_everything(tour):
    """Last in this file: the tests before it have to have run."""
    assert len(built()) >= 68, "the tables were found"
    assert built() - tour.called == set()
