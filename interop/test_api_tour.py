"""Every action of IAM, STS and EC2 that is built, called through boto3, whose parser has to find in our XML what AWS's
models say is there. The list of actions is read from the sources: an action added without a call here fails the tour.
"""
import base64
import csv
import hmac
import json
import re
import struct
import time
import zlib
from pathlib import Path

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError
from test_federation import Idp, Key
from test_saml import Idp as SamlIdp
from test_saml import Signing

SOURCES = Path(__file__).parent.parent / "crates/hallpass-authority/src"
KEYS = SOURCES.parent / "tests/keys"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
LESS = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}]})


def built():
    """The names of all actions, from the tables that dispatch them."""
    names = set()
    for file in ("iam/actions.rs", "ec2.rs"):
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
        called, secrets = set(), []

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
    role = iam.create_role(RoleName="tour", Path="/a/b/", AssumeRolePolicyDocument=TRUST, Description="x & <y>",
                           MaxSessionDuration=7200, Tags=[{"Key": "team", "Value": "x / y"}])["Role"]
    assert role["Arn"] == f"arn:aws:iam::{account}:role/a/b/tour" and is_id(role["RoleId"], "AROA")
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST)
    got = iam.get_role(RoleName="tour")["Role"]
    assert got["MaxSessionDuration"] == 7200 and got["Description"] == "x & <y>" and got["CreateDate"].tzinfo
    assert got["Tags"] == [{"Key": "team", "Value": "x / y"}]
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
    for prefix, usage, expected in (("/x/", None, [arn]), ("/y/", None, []), ("/x/", "PermissionsBoundary", [])):
        filters = {"PathPrefix": prefix, **({"PolicyUsageFilter": usage} if usage else {})}
        assert [p["Arn"] for p in iam.list_policies(Scope="Local", **filters)["Policies"]] == expected
    assert code(iam.create_policy, PolicyName="bad", PolicyDocument="{") == "MalformedPolicyDocument"
    iam.delete_policy(PolicyArn=arn)
    assert code(iam.get_policy, PolicyArn=arn) == "NoSuchEntity"


def test_aws_s_own_policies(tour):
    iam, arns = tour.iam, "arn:aws:iam::aws:policy"
    pages = iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 1000})
    listed = {policy["Arn"]: policy for policy in pages.build_full_result()["Policies"]}
    assert len(listed) > 1500 and all(is_id(policy["PolicyId"], "ANPA") for policy in listed.values())
    assert len({policy["PolicyId"] for policy in listed.values()}) == len(listed)
    [page] = [iam.list_policies(Scope="AWS", PathPrefix="/job-function/")["Policies"]]
    assert f"{arns}/job-function/Billing" in [policy["Arn"] for policy in page] and len(page) < 50
    read_only = listed[f"{arns}/ReadOnlyAccess"]
    assert (read_only["Path"], read_only["CreateDate"].year) == ("/", 2015) and read_only["DefaultVersionId"] != "v1"
    [version] = iam.list_policy_versions(PolicyArn=read_only["Arn"])["Versions"]
    got = iam.get_policy_version(PolicyArn=read_only["Arn"], VersionId=version["VersionId"])["PolicyVersion"]
    assert got["IsDefaultVersion"] and "ec2:Describe*" in str(got["Document"]["Statement"])
    assert code(iam.get_policy_version, PolicyArn=read_only["Arn"], VersionId="v1") == "NoSuchEntity"
    assert code(iam.get_policy, PolicyArn=f"{arns}/Unheard") == "NoSuchEntity"
    assert code(iam.create_policy_version, PolicyArn=read_only["Arn"], PolicyDocument=ALLOW) == "AccessDenied"
    assert code(iam.delete_policy, PolicyArn=read_only["Arn"]) == "AccessDenied"

    iam.create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)
    role = f"arn:aws:iam::{tour.ready['account']}:role/reader"
    service_s = f"{arns}/aws-service-role/AutoScalingServiceRolePolicy"
    assert code(iam.attach_role_policy, RoleName="reader", PolicyArn=service_s) == "PolicyNotAttachable"
    assert code(iam.attach_role_policy, RoleName="reader", PolicyArn=f"{arns}/Unheard") == "NoSuchEntity"
    iam.attach_role_policy(RoleName="reader", PolicyArn=read_only["Arn"])
    assert iam.get_policy(PolicyArn=read_only["Arn"])["Policy"]["AttachmentCount"] == 1
    [used] = iam.list_policies(Scope="AWS", OnlyAttached=True, PathPrefix="/", PolicyUsageFilter="PermissionsPolicy",
                               MaxItems=1000)["Policies"][-1:]
    assert used["Arn"] == read_only["Arn"]
    asked = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=["ec2:DescribeInstances", "ec2:RunInstances"])
    assert [one["EvalDecision"] for one in asked["EvaluationResults"]] == ["allowed", "implicitDeny"]
    iam.detach_role_policy(RoleName="reader", PolicyArn=read_only["Arn"])
    iam.delete_role(RoleName="reader")


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
    ec2.create_tags(Resources=[id, id], Tags=[{"Key": "more", "Value": "1"}])
    ec2.delete_tags(Resources=[id], Tags=[{"Key": "Name"}, {"Key": "more", "Value": "2"}])
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


def test_federation(tour, tmp_path):
    iam, sts, account = tour.iam, tour.sts, tour.ready["account"]
    key = Key(tmp_path, "tour", "EC256")
    idp = Idp([key])
    arn = iam.create_open_id_connect_provider(Url=idp.url, ClientIDList=["app"])["OpenIDConnectProviderArn"]
    role = iam.create_role(RoleName="federated", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Federated": arn}, "Action": "sts:AssumeRoleWithWebIdentity"}]}))["Role"]["Arn"]
    token = key.token(idp.claims())
    tour.secrets.append(token)
    given = sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="tour", WebIdentityToken=token)
    assert given["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account}:assumed-role/federated/tour"
    idp.close()
    # It may nothing: EC2 says why, to those who may know.
    credentials = given["Credentials"]
    session = boto3.Session(credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"],
                            tour.ready["region"])
    with pytest.raises(ClientError) as caught:
        tour.client("ec2", session).describe_instances()
    error = caught.value.response["Error"]
    assert error["Code"] == "UnauthorizedOperation"
    message = re.search(r"Encoded authorization failure message: (\S+)$", error["Message"])[1]
    assert code(tour.client("sts", session).decode_authorization_message, EncodedMessage=message) == "AccessDenied"
    decoded = json.loads(sts.decode_authorization_message(EncodedMessage=message)["DecodedMessage"])
    assert (decoded["allowed"], decoded["explicitDeny"]) == (False, False)
    assert decoded["context"]["action"] == "ec2:DescribeInstances"
    assert decoded["context"]["principal"]["arn"] == given["AssumedRoleUser"]["Arn"]
    region = {"key": "aws:requestedregion", "values": {"items": [{"value": tour.ready["region"]}]}}
    assert region in decoded["context"]["conditions"]["items"]
    # An explicit denial names the statement.
    iam.put_role_policy(RoleName="federated", PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Sid": "never", "Effect": "Deny", "Action": "ec2:Describe*", "Resource": "*"}]}))
    with pytest.raises(ClientError) as caught:
        tour.client("ec2", session).describe_instances()
    message = caught.value.response["Error"]["Message"].rsplit(" ", 1)[1]
    decoded = json.loads(sts.decode_authorization_message(EncodedMessage=message)["DecodedMessage"])
    [statement] = decoded["matchedStatements"]["items"]
    assert decoded["explicitDeny"] is True and (statement["statementId"], statement["effect"]) == ("never", "DENY")
    place = len(message) // 2
    tampered = message[:place] + ("A" if message[place] != "A" else "B") + message[place + 1:]
    for wrong in (tampered, "x"):
        assert code(sts.decode_authorization_message, EncodedMessage=wrong) == "InvalidAuthorizationMessageException"
    assert sts.get_federation_token(Name="ann", DurationSeconds=900)["FederatedUser"]["FederatedUserId"] == f"{account}:ann"
    iam.delete_role_policy(RoleName="federated", PolicyName="p")
    iam.delete_role(RoleName="federated")
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=arn)


def test_saml_federation(tour, tmp_path):
    signing = Signing()
    idp = SamlIdp(signing, tmp_path, "tour")
    arn = tour.iam.create_saml_provider(Name="tour", SAMLMetadataDocument=idp.metadata)["SAMLProviderArn"]
    role = tour.iam.create_role(RoleName="by-assertion", AssumeRolePolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Federated": arn}, "Action": "sts:AssumeRoleWithSAML"}]}))["Role"]["Arn"]
    text = base64.b64encode(idp.signed(f"{role},{arn}").encode()).decode()
    signing.close()
    tour.secrets.append(text[-200:])
    given = tour.sts.assume_role_with_saml(RoleArn=role, PrincipalArn=arn, SAMLAssertion=text)
    assert given["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{tour.ready['account']}:assumed-role/by-assertion/ann"
    tour.iam.delete_role(RoleName="by-assertion")
    tour.iam.delete_saml_provider(SAMLProviderArn=arn)


def test_groups(tour):
    iam, account = tour.iam, tour.ready["account"]
    group = iam.create_group(GroupName="tour", Path="/g/")["Group"]
    assert group["Arn"] == f"arn:aws:iam::{account}:group/g/tour" and is_id(group["GroupId"], "AGPA")
    assert code(iam.create_group, GroupName="TOUR") == "EntityAlreadyExists"
    iam.create_user(UserName="member")
    iam.add_user_to_group(GroupName="tour", UserName="member")
    assert [u["UserName"] for u in iam.get_group(GroupName="tour")["Users"]] == ["member"]
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName="member")["Groups"]] == ["tour"]
    assert "tour" in [g["GroupName"] for g in iam.list_groups(PathPrefix="/g/")["Groups"]]
    iam.put_group_policy(GroupName="tour", PolicyName="inline", PolicyDocument=ALLOW)
    assert iam.get_group_policy(GroupName="tour", PolicyName="inline")["PolicyDocument"] == json.loads(ALLOW)
    assert iam.list_group_policies(GroupName="tour")["PolicyNames"] == ["inline"]
    arn = iam.create_policy(PolicyName="tour-group", PolicyDocument=ALLOW, Path="/x/")["Policy"]["Arn"]
    iam.attach_group_policy(GroupName="tour", PolicyArn=arn)
    attached = iam.list_attached_group_policies(GroupName="tour", PathPrefix="/x/")["AttachedPolicies"]
    assert attached == [{"PolicyName": "tour-group", "PolicyArn": arn}]
    assert iam.list_attached_group_policies(GroupName="tour", PathPrefix="/y/")["AttachedPolicies"] == []
    entities = iam.list_entities_for_policy(PolicyArn=arn)
    assert [g["GroupName"] for g in entities["PolicyGroups"]] == ["tour"] and entities["PolicyUsers"] == []
    granting = iam.list_policies_granting_service_access(
        Arn=f"arn:aws:iam::{account}:user/member", ServiceNamespaces=["s3", "sqs"])["PoliciesGrantingServiceAccess"]
    assert {p["PolicyName"] for p in granting[0]["Policies"]} == {"inline", "tour-group"} and granting[1]["Policies"] == []
    # The simulator and the whole account know them too.
    question = dict(ActionNames=["s3:GetObject"], ResourceArns=["arn:aws:s3:::b/k"])
    for source in ("user/member", "group/g/tour"):
        answer = iam.simulate_principal_policy(PolicySourceArn=f"arn:aws:iam::{account}:{source}", **question)
        [result] = answer["EvaluationResults"]
        assert result["EvalDecision"] == "allowed"
        assert "group_tour_inline" in {s["SourcePolicyId"] for s in result["MatchedStatements"]}
    whole = iam.get_account_authorization_details(Filter=["User", "Group"])
    assert [g["GroupName"] for g in whole["GroupDetailList"]] == ["tour"]
    assert [u["GroupList"] for u in whole["UserDetailList"] if u["UserName"] == "member"] == [["tour"]]
    iam.update_group(GroupName="tour", NewGroupName="tour2", NewPath="/h/")
    assert iam.get_group(GroupName="tour2")["Group"]["Path"] == "/h/"
    assert code(iam.delete_group, GroupName="tour2") == "DeleteConflict"
    iam.detach_group_policy(GroupName="tour2", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    iam.delete_group_policy(GroupName="tour2", PolicyName="inline")
    iam.remove_user_from_group(GroupName="tour2", UserName="member")
    iam.delete_group(GroupName="tour2")
    iam.update_user(UserName="member", NewUserName="renamed")
    iam.put_user_permissions_boundary(UserName="renamed", PermissionsBoundary="arn:aws:iam::aws:policy/IAMFullAccess")
    boundary = iam.get_user(UserName="renamed")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    assert boundary.endswith("/IAMFullAccess")
    iam.delete_user_permissions_boundary(UserName="renamed")
    iam.delete_user(UserName="renamed")


def tags_of_it(name, tag, untag, listed, **key):
    tag(Tags=[{"Key": "b", "Value": name}, {"Key": "a", "Value": ""}], **key)
    assert listed(**key)["Tags"] == [{"Key": "a", "Value": ""}, {"Key": "b", "Value": name}]
    untag(TagKeys=["A"], **key)
    assert listed(**key)["Tags"] == [{"Key": "b", "Value": name}]


def test_tags_of_policies_and_profiles(tour):
    iam = tour.iam
    arn = iam.create_policy(PolicyName="tagged", PolicyDocument=ALLOW)["Policy"]["Arn"]
    tags_of_it("policy", iam.tag_policy, iam.untag_policy, iam.list_policy_tags, PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    iam.create_instance_profile(InstanceProfileName="tagged")
    tags_of_it("profile", iam.tag_instance_profile, iam.untag_instance_profile, iam.list_instance_profile_tags,
               InstanceProfileName="tagged")
    iam.delete_instance_profile(InstanceProfileName="tagged")


def test_what_users_prove_themselves_with(tour):
    iam = tour.iam
    iam.create_user(UserName="proof")
    user = {"UserName": "proof"}
    made = iam.create_login_profile(Password="Abcdefg1!", PasswordResetRequired=True, **user)["LoginProfile"]
    assert made["PasswordResetRequired"] is True
    iam.update_login_profile(Password="Abcdefg2!", PasswordResetRequired=False, **user)
    assert iam.get_login_profile(**user)["LoginProfile"]["PasswordResetRequired"] is False
    iam.put_user_policy(PolicyName="own", PolicyDocument=ALLOW.replace("s3:*", "iam:ChangePassword"), **user)
    key = iam.create_access_key(**user)["AccessKey"]
    own = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=tour.ready["region"])
    tour.client("iam", own).change_password(OldPassword="Abcdefg2!", NewPassword="Abcdefg3!")
    assert code(iam.create_login_profile, Password="Abcdefg1!", **user) == "EntityAlreadyExists"
    iam.delete_login_profile(**user)
    used = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    assert (used["UserName"], used["AccessKeyLastUsed"]["ServiceName"]) == ("proof", "iam")
    assert used["AccessKeyLastUsed"]["LastUsedDate"].tzinfo
    iam.delete_access_key(AccessKeyId=key["AccessKeyId"], **user)
    iam.delete_user_policy(PolicyName="own", **user)

    body = (KEYS / "ec.crt").read_text()
    certificate = iam.upload_signing_certificate(CertificateBody=body, **user)["Certificate"]
    assert certificate["CertificateBody"] == body
    iam.update_signing_certificate(CertificateId=certificate["CertificateId"], Status="Inactive", **user)
    assert [c["Status"] for c in iam.list_signing_certificates(**user)["Certificates"]] == ["Inactive"]
    assert code(iam.upload_signing_certificate, CertificateBody=body, **user) == "DuplicateCertificate"
    iam.delete_signing_certificate(CertificateId=certificate["CertificateId"], **user)

    ssh = iam.upload_ssh_public_key(SSHPublicKeyBody=(KEYS / "rsa.ssh").read_text(), **user)["SSHPublicKey"]
    id = {"SSHPublicKeyId": ssh["SSHPublicKeyId"], **user}
    assert iam.get_ssh_public_key(Encoding="PEM", **id)["SSHPublicKey"]["SSHPublicKeyBody"] == (KEYS / "rsa.pub").read_text()
    iam.update_ssh_public_key(Status="Inactive", **id)
    assert [k["Status"] for k in iam.list_ssh_public_keys(**user)["SSHPublicKeys"]] == ["Inactive"]
    iam.delete_ssh_public_key(**id)

    made = iam.create_service_specific_credential(ServiceName="codecommit.amazonaws.com", **user)
    made = made["ServiceSpecificCredential"]
    assert made["ServiceUserName"] == f"proof-at-{tour.ready['account']}" and made["ServicePassword"]
    id = {"ServiceSpecificCredentialId": made["ServiceSpecificCredentialId"], **user}
    again = iam.reset_service_specific_credential(**id)["ServiceSpecificCredential"]
    tour.secrets += [made["ServicePassword"], again["ServicePassword"]]
    assert again["ServicePassword"] != made["ServicePassword"]
    iam.update_service_specific_credential(Status="Inactive", **id)
    [listed] = iam.list_service_specific_credentials(AllUsers=True)["ServiceSpecificCredentials"]
    assert listed["Status"] == "Inactive" and "ServicePassword" not in listed
    iam.delete_service_specific_credential(**id)
    assert code(iam.create_service_specific_credential, ServiceName="x.amazonaws.com", **user) == "NotSupportedService"
    iam.delete_user(**user)


def one_time_code(seed, at):
    key, step = base64.b32decode(seed), struct.pack(">Q", int(at) // 30)
    digest = hmac.digest(key, step, "sha1")
    place = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[place:place + 4])[0] & 0x7fffffff) % 10**6:06}"


def pixels(png):
    """Side and rows of a black and white PNG, its sums checked."""
    place, chunks = 8, {}
    while place < len(png):
        length, kind = struct.unpack(">I4s", png[place:place + 8])
        body = png[place + 8:place + 8 + length]
        assert zlib.crc32(kind + body) == struct.unpack(">I", png[place + 8 + length:place + 12 + length])[0]
        chunks[kind] = body
        place += 12 + length
    side = struct.unpack(">I", chunks[b"IHDR"][:4])[0]
    row = 1 + (side + 7) // 8
    rows = zlib.decompress(chunks[b"IDAT"])
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and len(rows) == side * row
    return side, [rows[at + 1:at + row] for at in range(0, len(rows), row)]


def test_mfa_devices(tour):
    iam, sts = tour.iam, tour.sts
    iam.create_user(UserName="phone-owner")
    user = {"UserName": "phone-owner"}
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName="phone", Path="/m/")["VirtualMFADevice"]
    serial, seed = {"SerialNumber": made["SerialNumber"]}, made["Base32StringSeed"]
    tour.secrets.append(seed.decode())
    assert serial["SerialNumber"] == f"arn:aws:iam::{tour.ready['account']}:mfa/m/phone"
    side, rows = pixels(made["QRCodePNG"])
    assert side > 100 and set(rows[0]) == {0xff} and len(set(rows)) > 10
    tags_of_it("mfa", iam.tag_mfa_device, iam.untag_mfa_device, iam.list_mfa_device_tags, **serial)
    at = time.time()
    codes = {"AuthenticationCode1": one_time_code(seed, at - 30), "AuthenticationCode2": one_time_code(seed, at)}
    iam.enable_mfa_device(**user, **serial, **codes)
    assert [d["SerialNumber"] for d in iam.list_mfa_devices(**user)["MFADevices"]] == [made["SerialNumber"]]
    assert iam.get_mfa_device(**serial)["UserName"] == "phone-owner"
    [listed] = iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"]
    assert listed["User"]["UserName"] == "phone-owner" and "Base32StringSeed" not in listed
    # The next codes are taken without waiting: the device is brought a step or two ahead.
    codes = {"AuthenticationCode1": one_time_code(seed, at + 60), "AuthenticationCode2": one_time_code(seed, at + 90)}
    iam.resync_mfa_device(**user, **serial, **codes)
    key = iam.create_access_key(**user)["AccessKey"]
    own = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=tour.ready["region"])
    iam.put_user_policy(PolicyName="own", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "iam:GetUser", "Resource": "*",
         "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}]}), **user)
    mine = {**serial, "TokenCode": one_time_code(seed, at + 120)}
    given = tour.client("sts", own).get_session_token(**mine)["Credentials"]
    assert code(tour.client("sts", own).get_session_token, **mine) == "AccessDenied", "a code is good once"
    strong = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], tour.ready["region"])
    assert tour.client("iam", strong).get_user()["User"]["UserName"] == "phone-owner"
    assert code(tour.client("iam", own).get_user) == "AccessDenied"
    assert sts.get_caller_identity()
    iam.delete_user_policy(PolicyName="own", **user)
    iam.delete_access_key(AccessKeyId=key["AccessKeyId"], **user)
    assert code(iam.delete_virtual_mfa_device, **serial) == "DeleteConflict"
    iam.deactivate_mfa_device(**user, **serial)
    iam.delete_virtual_mfa_device(**serial)
    iam.delete_user(**user)


def test_server_certificates(tour):
    iam, name = tour.iam, {"ServerCertificateName": "tour"}
    body, key = (KEYS / "rsa.crt").read_text(), (KEYS / "rsa.pk1").read_text()
    made = iam.upload_server_certificate(CertificateBody=body, PrivateKey=key, CertificateChain=body, **name)
    made = made["ServerCertificateMetadata"]
    assert is_id(made["ServerCertificateId"], "ASCA") and made["Expiration"].year == 2036
    got = iam.get_server_certificate(**name)["ServerCertificate"]
    assert got["CertificateBody"] == body == got["CertificateChain"]
    tags_of_it("certificate", iam.tag_server_certificate, iam.untag_server_certificate,
               iam.list_server_certificate_tags, **name)
    iam.update_server_certificate(NewServerCertificateName="tour2", NewPath="/c/", **name)
    listed = iam.list_server_certificates(PathPrefix="/c/")["ServerCertificateMetadataList"]
    assert [c["ServerCertificateName"] for c in listed] == ["tour2"]
    other = (KEYS / "ec.pk8").read_text()
    assert code(iam.upload_server_certificate, CertificateBody=body, PrivateKey=other, **name) == "KeyPairMismatch"
    iam.delete_server_certificate(ServerCertificateName="tour2")


def test_identity_providers(tour):
    iam, account = tour.iam, tour.ready["account"]
    arn = iam.create_open_id_connect_provider(
        Url="https://Example.org/a", ClientIDList=["one"], ThumbprintList=["A" * 40])["OpenIDConnectProviderArn"]
    assert arn == f"arn:aws:iam::{account}:oidc-provider/Example.org/a"
    oidc = {"OpenIDConnectProviderArn": arn}
    assert code(iam.create_open_id_connect_provider, Url="https://example.org/a") == "EntityAlreadyExists"
    assert code(iam.create_open_id_connect_provider, Url="http://example.org") == "ValidationError"
    iam.add_client_id_to_open_id_connect_provider(ClientID="two", **oidc)
    iam.remove_client_id_from_open_id_connect_provider(ClientID="one", **oidc)
    iam.update_open_id_connect_provider_thumbprint(ThumbprintList=["b" * 40], **oidc)
    got = iam.get_open_id_connect_provider(**oidc)
    assert (got["Url"], got["ClientIDList"], got["ThumbprintList"]) == ("Example.org/a", ["two"], ["b" * 40])
    tags_of_it("oidc", iam.tag_open_id_connect_provider, iam.untag_open_id_connect_provider,
               iam.list_open_id_connect_provider_tags, **oidc)
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == [{"Arn": arn}]
    iam.delete_open_id_connect_provider(**oidc)

    metadata = ('<?xml version="1.0"?><md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
                'entityID="https://idp.example.org" validUntil="2040-01-02T03:04:05Z"><!-- ' + "x" * 1000 + ' -->'
                '<md:IDPSSODescriptor/></md:EntityDescriptor>')
    arn = iam.create_saml_provider(Name="idp", SAMLMetadataDocument=metadata)["SAMLProviderArn"]
    saml = {"SAMLProviderArn": arn}
    got = iam.get_saml_provider(**saml)
    assert got["SAMLMetadataDocument"] == metadata and got["ValidUntil"].isoformat() == "2040-01-02T03:04:05+00:00"
    iam.update_saml_provider(SAMLMetadataDocument=metadata.replace("2040", "2041"), **saml)
    [listed] = iam.list_saml_providers()["SAMLProviderList"]
    assert listed["Arn"] == arn and listed["ValidUntil"].year == 2041
    assert code(iam.create_saml_provider, Name="other", SAMLMetadataDocument="x" * 1000) == "InvalidInput"
    tags_of_it("saml", iam.tag_saml_provider, iam.untag_saml_provider, iam.list_saml_provider_tags, **saml)
    iam.delete_saml_provider(**saml)


def test_the_account_as_a_whole(tour):
    iam, account = tour.iam, tour.ready["account"]
    iam.create_account_alias(AccountAlias="tour-house")
    assert iam.list_account_aliases()["AccountAliases"] == ["tour-house"]
    iam.delete_account_alias(AccountAlias="tour-house")
    assert code(iam.get_account_password_policy) == "NoSuchEntity"
    iam.update_account_password_policy(MinimumPasswordLength=12, RequireSymbols=True, MaxPasswordAge=90)
    policy = iam.get_account_password_policy()["PasswordPolicy"]
    assert (policy["MinimumPasswordLength"], policy["ExpirePasswords"], policy["MaxPasswordAge"]) == (12, True, 90)
    assert policy["RequireSymbols"] is True and policy["RequireNumbers"] is False
    iam.delete_account_password_policy()
    iam.set_security_token_service_preferences(GlobalEndpointTokenVersion="v2Token")
    summary = iam.get_account_summary()["SummaryMap"]
    assert summary["GlobalEndpointTokenVersion"] == 2 and summary["Users"] >= 1 and summary["GroupsPerUserQuota"] == 10
    assert code(iam.get_credential_report) == "ReportNotPresent"
    assert iam.generate_credential_report()["State"] == "STARTED"
    assert iam.generate_credential_report()["State"] == "COMPLETE"
    report = iam.get_credential_report()
    lines = list(csv.DictReader(report["Content"].decode().splitlines()))
    assert report["ReportFormat"] == "text/csv" and report["GeneratedTime"].tzinfo
    assert [line["user"] for line in lines][:2] == ["<root_account>", "admin"] and len(lines[0]) == 22
    # Uses of one second are not told apart.
    assert lines[1]["access_key_1_last_used_service"] in ("iam", "sts")
    # When it was last used.
    demo = f"arn:aws:iam::{account}:role/{tour.ready['role']}"
    assert "RoleLastUsed" in iam.get_role(RoleName=tour.ready["role"])["Role"]
    admin = tour.sts.get_caller_identity()["Arn"]
    job = {"JobId": iam.generate_service_last_accessed_details(Arn=admin, Granularity="SERVICE_LEVEL")["JobId"]}
    details = iam.get_service_last_accessed_details(**job)
    assert details["JobStatus"] == "COMPLETED" and details["JobType"] == "SERVICE_LEVEL"
    [used] = [s for s in details["ServicesLastAccessed"] if s["ServiceNamespace"] == "iam"]
    assert used["LastAuthenticatedEntity"] == admin and used["TotalAuthenticatedEntities"] == 1
    entities = iam.get_service_last_accessed_details_with_entities(ServiceNamespace="iam", **job)
    assert [e["EntityInfo"]["Arn"] for e in entities["EntityDetailsList"]] == [admin]
    assert iam.generate_service_last_accessed_details(Arn=demo)["JobId"]


def test_service_linked_roles(tour):
    iam = tour.iam
    role = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com", Description="d")["Role"]
    assert role["RoleName"] == "AWSServiceRoleForECS" and role["Path"] == "/aws-service-role/ecs.amazonaws.com/"
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": ["ecs.amazonaws.com"]}
    assert code(iam.delete_role, RoleName=role["RoleName"]) == "UnmodifiableEntity"
    task = iam.delete_service_linked_role(RoleName=role["RoleName"])["DeletionTaskId"]
    assert iam.get_service_linked_role_deletion_status(DeletionTaskId=task)["Status"] == "SUCCEEDED"


# Nobody may: there is no organization, and nobody who hands out tokens to trade in.
NOBODY = {
    "AssumeRoot": {"TargetPrincipal": "123456789012", "TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"}},
    "GetDelegatedAccessToken": {"TradeInToken": "x"},
}


@pytest.mark.parametrize("operation", NOBODY)
def test_nobody_may(tour, operation):
    assert code(getattr(tour.sts, xform_name(operation)), **NOBODY[operation]) == "AccessDenied"


# There are no organizations: these always refuse, each with this code.
REFUSED = {
    "GenerateOrganizationsAccessReport": ("OrganizationNotFoundException", {"EntityPath": "o-0123456789/r-0123"}),
    "GetOrganizationsAccessReport": ("NoSuchEntity", {"JobId": "01234567-89ab-4cde-8f01-23456789abcd"}),
    "ListOrganizationsFeatures": ("OrganizationNotFoundException", {}),
    "EnableOrganizationsRootCredentialsManagement": ("OrganizationNotFoundException", {}),
    "DisableOrganizationsRootCredentialsManagement": ("OrganizationNotFoundException", {}),
    "EnableOrganizationsRootSessions": ("OrganizationNotFoundException", {}),
    "DisableOrganizationsRootSessions": ("OrganizationNotFoundException", {}),
}


@pytest.mark.parametrize("operation", REFUSED)
def test_there_are_no_organizations(tour, operation):
    expected, parameters = REFUSED[operation]
    assert code(getattr(tour.iam, xform_name(operation)), **parameters) == expected


def test_what_tools_ask_of_an_instance_besides(tour):
    [instance] = tour.ec2.run_instances(ImageId="ami-0", MinCount=1, MaxCount=1, InstanceType="t3.micro",
                                        UserData="#!/bin/sh")["Instances"]
    id = instance["InstanceId"]
    data = tour.ec2.describe_instance_attribute(InstanceId=id, Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(data) == b"#!/bin/sh"
    [credits] = tour.ec2.describe_instance_credit_specifications(InstanceIds=[id])["InstanceCreditSpecifications"]
    assert credits == {"InstanceId": id, "CpuCredits": "unlimited"}
    assert tour.ec2.describe_volumes()["Volumes"] == []
    tour.ec2.terminate_instances(InstanceIds=[id])


def test_tokens_for_services_elsewhere(tour):
    """More in test_outbound.py."""
    issuer = tour.iam.enable_outbound_web_identity_federation()["IssuerIdentifier"]
    info = tour.iam.get_outbound_web_identity_federation_info()
    assert (info["IssuerIdentifier"], info["JwtVendingEnabled"]) == (issuer, True)
    token = tour.sts.get_web_identity_token(Audience=["x"], SigningAlgorithm="RS256")["WebIdentityToken"]
    assert len(token.split(".")) == 3
    tour.secrets.append(token.split(".")[2])
    tour.iam.disable_outbound_web_identity_federation()


@pytest.mark.parametrize("service, operation, parameters", [
    ("iam", "get_human_readable_summary", {"EntityArn": "arn:aws:iam::123456789012:user/x"}),
    ("ec2", "describe_vpcs", {}),
])
def test_what_is_not_built_is_an_invalid_action(tour, service, operation, parameters):
    assert code(getattr(getattr(tour, service), operation), **parameters) == "InvalidAction"


def test_no_secret_is_in_the_records_or_the_store(tour):
    """What the tests before it said and were told in secret."""
    data = Path(tour.ready["data"])
    records = b"".join(file.read_bytes() for file in (data / "audit").rglob("*") if file.is_file())
    assert b"CreateLoginProfile" in records and b"EnableMFADevice" in records and b"BEGIN CERTIFICATE" in records
    for secret in (b"Abcdefg", b"PRIVATE KEY", *(secret.encode() for secret in tour.secrets)):
        assert secret not in records, secret
        assert secret not in (data / "store.redb").read_bytes(), secret


def test_the_tour_called_everything(tour):
    """Last in this file: the tests before it have to have run."""
    assert len(built()) >= 179, "the tables were found"
    assert built() - tour.called - set(REFUSED) - set(NOBODY) == set()
