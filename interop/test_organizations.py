"""Several accounts: made, entered by a role of theirs, and limited by service control policies."""
import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from house import House


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


@pytest.fixture(scope="module")
def company():
    house = House()
    text = Path(house.ready["admin_credentials"]).read_text()
    session = boto3.Session(aws_access_key_id=re.search(r"_key_id = (\S+)", text)[1],
                            aws_secret_access_key=re.search(r"access_key = (\S+)", text)[1], region_name="eu-central-1")

    class Company:
        def client(self, service, key=None):
            keys = {} if key is None else {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key[
                "SecretAccessKey"], "aws_session_token": key.get("SessionToken")}
            return session.client(service, endpoint_url=company.house.api, config=Config(retries={"max_attempts": 0}), **keys)

        def hallpass(self, key, action):
            """A call of the service that only we have, signed by hand."""
            request = AWSRequest("POST", house.api, data=f"Action={action}&Kind=epoch", headers={
                "content-type": "application/x-www-form-urlencoded"})
            credentials = Credentials(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])
            SigV4Auth(credentials, "hallpass", "eu-central-1").add_auth(request)
            prepared = request.prepare()
            try:
                return urllib.request.urlopen(urllib.request.Request(
                    prepared.url, prepared.body.encode() if isinstance(prepared.body, str) else prepared.body,
                    dict(prepared.headers))).read().decode()
            except urllib.error.HTTPError as error:
                return error.read().decode()

        def account(self, name):
            made = self.org.create_account(Email=f"{name}@example.com", AccountName=name)["CreateAccountStatus"]
            assert made["State"] == "SUCCEEDED"
            again = self.org.describe_create_account_status(CreateAccountRequestId=made["Id"])["CreateAccountStatus"]
            assert again["AccountId"] == made["AccountId"]
            return made["AccountId"]

        def enter(self, account, role="OrganizationAccountAccessRole"):
            return self.client("sts").assume_role(RoleArn=f"arn:aws:iam::{account}:role/{role}",
                                                  RoleSessionName="boss")["Credentials"]

    company = Company()
    company.house = house
    company.org = company.client("organizations")
    company.organization = company.org.create_organization(FeatureSet="ALL")["Organization"]
    company.root = company.org.list_roots()["Roots"][0]["Id"]
    yield company
    house.close()


def code(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"]


def test_an_account_is_made_with_a_role_to_enter_it_by(company):
    account = company.account("workshop")
    inside = company.enter(account)
    identity = company.client("sts", inside).get_caller_identity()
    assert identity["Account"] == account
    iam = company.client("iam", inside)
    iam.create_user(UserName="ann")
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["ann"]
    assert "ann" not in [user["UserName"] for user in company.client("iam").list_users()["Users"]]
    listed = {one["Id"]: one for one in company.org.list_accounts()["Accounts"]}
    assert listed[account]["Name"] == "workshop" and listed[account]["Status"] == "ACTIVE"
    assert company.organization["MasterAccountId"] in listed
    # A long-term key of another account is that account's.
    key = iam.create_access_key(UserName="ann")["AccessKey"]
    assert company.client("sts", key).get_caller_identity()["Account"] == account
    assert company.client("sts").get_access_key_info(AccessKeyId=key["AccessKeyId"])["Account"] == account


def test_accounts_are_apart_until_both_sides_let_in(company):
    one, two = company.account("one"), company.account("two")
    there = company.client("iam", company.enter(two))
    trust = policy({"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{one}:user/bob"}, "Action": "sts:AssumeRole",
                    "Condition": {"StringEquals": {"sts:ExternalId": "agreed"}}})
    here = company.client("iam", company.enter(one))
    here.create_user(UserName="bob")
    key = here.create_access_key(UserName="bob")["AccessKey"]
    there.create_role(RoleName="guest", AssumeRolePolicyDocument=trust)
    bob = company.client("sts", key)
    ask = {"RoleArn": f"arn:aws:iam::{two}:role/guest", "RoleSessionName": "bob", "ExternalId": "agreed"}
    assert code(bob.assume_role, **ask) == "AccessDenied", "bob's own account does not let him"
    here.put_user_policy(UserName="bob", PolicyName="go", PolicyDocument=policy(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ask["RoleArn"]}))
    assert bob.assume_role(**ask)["AssumedRoleUser"]["Arn"].startswith(f"arn:aws:sts::{two}:")
    assert code(bob.assume_role, **{**ask, "ExternalId": "guessed"}) == "AccessDenied"
    # As AWS: who the role trusts is a person, not a name.
    here.delete_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"])
    assert code(bob.assume_role, **ask) == "InvalidClientTokenId"


def test_a_role_trusts_an_organization_or_a_unit_of_it(company):
    inside, outside = company.account("inside"), company.account("beside")
    unit = company.org.create_organizational_unit(ParentId=company.root, Name="trusted")["OrganizationalUnit"]["Id"]
    company.org.move_account(AccountId=inside, SourceParentId=company.root, DestinationParentId=unit)
    whole = company.org.describe_organization()["Organization"]["Id"]
    home = company.client("iam")

    def asks(role, account):
        arn = home.get_role(RoleName=role)["Role"]["Arn"]
        try:
            company.client("sts", company.enter(account)).assume_role(RoleArn=arn, RoleSessionName="visit")
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "yes"

    for role, condition in {"for-all": {"StringEquals": {"aws:PrincipalOrgID": whole}},
                            "for-unit": {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{whole}/{company.root}/{unit}/*"}},
                            "for-others": {"StringEquals": {"aws:PrincipalOrgID": "o-0000000000"}}}.items():
        home.create_role(RoleName=role, AssumeRolePolicyDocument=policy(
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": condition}))
    assert (asks("for-all", inside), asks("for-all", outside)) == ("yes", "yes")
    assert (asks("for-unit", inside), asks("for-unit", outside)) == ("yes", "AccessDenied")
    assert asks("for-others", inside) == "AccessDenied"
    # Where it is now, not where it was.
    company.org.move_account(AccountId=inside, SourceParentId=unit, DestinationParentId=company.root)
    assert asks("for-unit", inside) == "AccessDenied"


def test_a_service_control_policy_holds_for_everyone_below_it_and_at_once(company):
    account = company.account("lab")
    unit = company.org.create_organizational_unit(ParentId=company.root, Name="labs")["OrganizationalUnit"]["Id"]
    company.org.move_account(AccountId=account, SourceParentId=company.root, DestinationParentId=unit)
    assert company.org.list_parents(ChildId=account)["Parents"] == [{"Id": unit, "Type": "ORGANIZATIONAL_UNIT"}]
    inside = company.enter(account)
    iam = company.client("iam", inside)
    iam.create_user(UserName="before")
    no_users = company.org.create_policy(
        Name="no users", Description="", Type="SERVICE_CONTROL_POLICY",
        Content=policy({"Effect": "Deny", "Action": "iam:CreateUser", "Resource": "*"}))["Policy"]["PolicySummary"]["Id"]
    company.org.attach_policy(PolicyId=no_users, TargetId=unit)
    with pytest.raises(ClientError) as denied:
        iam.create_user(UserName="after")
    assert "service control policy" in denied.value.response["Error"]["Message"]
    iam.list_users()
    # Not the management account, and nobody outside of the unit.
    company.client("iam").create_user(UserName="boss")
    company.client("iam", company.enter(company.account("elsewhere"))).create_user(UserName="free")
    company.org.detach_policy(PolicyId=no_users, TargetId=unit)
    iam.create_user(UserName="after")


def test_what_no_level_allows_is_denied(company):
    account = company.account("narrow")
    iam = company.client("iam", company.enter(account))
    only = company.org.create_policy(
        Name="only reading", Description="", Type="SERVICE_CONTROL_POLICY",
        Content=policy({"Effect": "Allow", "Action": ["iam:List*", "iam:Get*"], "Resource": "*"}))
    only = only["Policy"]["PolicySummary"]["Id"]
    company.org.attach_policy(PolicyId=only, TargetId=account)
    iam.create_user(UserName="still")
    company.org.detach_policy(PolicyId="p-FullAWSAccess", TargetId=account)
    assert code(iam.create_user, UserName="nobody") == "AccessDenied"
    iam.list_users()
    assert code(company.org.detach_policy, PolicyId=only, TargetId=account) == "ConstraintViolationException"
    assert code(company.org.delete_policy, PolicyId=only) == "PolicyInUseException"
    targets = company.org.list_targets_for_policy(PolicyId=only)["Targets"]
    assert [(target["TargetId"], target["Type"]) for target in targets] == [(account, "ACCOUNT")]


def test_a_member_does_not_manage(company):
    account = company.account("curious")
    org = company.client("organizations", company.enter(account))
    assert org.describe_organization()["Organization"]["Id"] == company.organization["Id"]
    for call, parameters in ((org.list_accounts, {}), (org.create_account, {"Email": "a@b.cd", "AccountName": "a"}),
                             (org.list_roots, {})):
        assert code(call, **parameters) == "AccessDeniedException"
    # Nor does its administrator reach the system's own keys, or what other accounts have.
    for action in ("ExportState", "AddKey", "RetireKeys", "DescribeKeys"):
        said = company.hallpass(company.enter(account), action)
        assert "<Code>AccessDenied</Code>" in said, said
    # Nor who may not in the management account.
    iam = company.client("iam")
    iam.create_user(UserName="clerk")
    key = iam.create_access_key(UserName="clerk")["AccessKey"]
    assert "AccessDenied" in code(company.client("organizations", key).list_accounts)


def test_what_is_wrong_is_told_in_awss_words(company):
    org = company.org
    assert code(org.create_organization) == "AlreadyInOrganizationException"
    assert code(org.describe_account, AccountId="999999999999") == "AccountNotFoundException"
    assert code(org.create_organizational_unit, ParentId="r-none", Name="x") == "ParentNotFoundException"
    assert code(org.attach_policy, PolicyId="p-00000000", TargetId=company.root) == "PolicyNotFoundException"
    assert code(org.attach_policy, PolicyId="p-FullAWSAccess", TargetId="ou-none-00000000") == "TargetNotFoundException"
    assert code(org.create_policy, Name="bad", Description="", Type="SERVICE_CONTROL_POLICY",
                Content='{"Statement": 1}') == "MalformedPolicyDocumentException"
    unit = org.create_organizational_unit(ParentId=company.root, Name="full")["OrganizationalUnit"]["Id"]
    org.create_organizational_unit(ParentId=unit, Name="inner")
    assert code(org.create_organizational_unit, ParentId=unit, Name="inner") == "DuplicateOrganizationalUnitException"
    assert code(org.delete_organizational_unit, OrganizationalUnitId=unit) == "OrganizationalUnitNotEmptyException"
    deep = unit
    for level in range(4):
        deep = org.create_organizational_unit(ParentId=deep, Name=f"level{level}")["OrganizationalUnit"]["Id"]
    assert code(org.create_organizational_unit, ParentId=deep, Name="deeper") == "ConstraintViolationException"


def test_it_is_all_there_after_a_restart(company):
    before = company.org.list_accounts()["Accounts"]
    company.house.stop()
    company.house.start()
    org = company.client("organizations")
    assert org.list_accounts()["Accounts"] == before
    narrow = next(one["Id"] for one in before if one["Name"] == "narrow")
    iam = company.client("iam", company.enter(narrow))
    assert code(iam.create_user, UserName="nobody") == "AccessDenied"
