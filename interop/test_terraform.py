"""Terraform's provider for AWS keeps identities and an instance here: made, found as they are, changed, destroyed."""
import json

import pytest

from house import TOOLS

TERRAFORM = TOOLS / "python-terraform/lib/terraform"
PLUGINS = TOOLS / "client-terraform-provider-aws"

IDENTITIES = '''
variable "hours" { default = 1 }
variable "bucket" { default = "reports" }
variable "team" { default = "blue" }

data "aws_caller_identity" "me" {}

data "aws_iam_policy_document" "machines" {
  statement {
    actions = ["sts:AssumeRole"]
    principals { type = "Service" identifiers = ["ec2.amazonaws.com"] }
  }
}

data "aws_iam_policy_document" "reading" {
  statement {
    sid       = "Read"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["arn:aws:s3:::${var.bucket}/*"]
    condition { test = "StringEquals" variable = "aws:PrincipalTag/team" values = ["${var.team}", "red"] }
  }
}

resource "aws_iam_role" "web" {
  name                 = "web"
  path                 = "/app/"
  description          = "Grüße & <you>"
  assume_role_policy   = "${data.aws_iam_policy_document.machines.json}"
  max_session_duration = "${var.hours * 3600}"
  permissions_boundary = "${aws_iam_policy.reading.arn}"
  tags                 = { team = "${var.team}", stage = "test" }
}

resource "aws_iam_policy" "reading" {
  name        = "reading"
  path        = "/app/"
  description = "reads"
  policy      = "${data.aws_iam_policy_document.reading.json}"
}

resource "aws_iam_role_policy" "own" {
  name   = "own"
  role   = "${aws_iam_role.web.id}"
  policy = "${data.aws_iam_policy_document.reading.json}"
}

resource "aws_iam_role_policy_attachment" "web" {
  role       = "${aws_iam_role.web.name}"
  policy_arn = "${aws_iam_policy.reading.arn}"
}

resource "aws_iam_instance_profile" "web" {
  name = "web"
  path = "/app/"
  role = "${aws_iam_role.web.name}"
}

resource "aws_iam_user" "ann" {
  name          = "ann"
  path          = "/people/"
  force_destroy = true
  tags          = { team = "${var.team}" }
}

resource "aws_iam_user_policy" "own" {
  name   = "own"
  user   = "${aws_iam_user.ann.name}"
  policy = "${data.aws_iam_policy_document.reading.json}"
}

resource "aws_iam_user_policy_attachment" "ann" {
  user       = "${aws_iam_user.ann.name}"
  policy_arn = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
}

resource "aws_iam_access_key" "ann" { user = "${aws_iam_user.ann.name}" }

resource "aws_iam_group" "staff" { name = "staff" path = "/people/" }

resource "aws_iam_group_policy" "own" {
  name   = "own"
  group  = "${aws_iam_group.staff.id}"
  policy = "${data.aws_iam_policy_document.reading.json}"
}

resource "aws_iam_group_policy_attachment" "staff" {
  group      = "${aws_iam_group.staff.name}"
  policy_arn = "${aws_iam_policy.reading.arn}"
}

resource "aws_iam_user_group_membership" "ann" {
  user   = "${aws_iam_user.ann.name}"
  groups = ["${aws_iam_group.staff.name}"]
}

resource "aws_iam_openid_connect_provider" "builds" {
  url             = "https://builds.example.com"
  client_id_list  = ["sts.amazonaws.com", "builds"]
  thumbprint_list = ["${sha1(var.team)}"]
}

resource "aws_iam_account_alias" "ours" { account_alias = "terraformed" }

resource "aws_iam_account_password_policy" "ours" {
  minimum_password_length        = "${var.hours + 11}"
  require_numbers                = true
  allow_users_to_change_password = true
  max_password_age               = 90
}

resource "aws_iam_service_linked_role" "scaling" {
  aws_service_name = "autoscaling.amazonaws.com"
  description      = "for ${var.team}"
}

data "aws_iam_role" "web" { name = "${aws_iam_role.web.name}" }

output "account" { value = "${data.aws_caller_identity.me.account_id}" }
output "key" { value = "${aws_iam_access_key.ann.id}" }
output "secret" { value = "${aws_iam_access_key.ann.secret}" sensitive = true }
output "role" { value = "${data.aws_iam_role.web.unique_id}" }
'''

INSTANCE = '''
resource "aws_instance" "machine" {
  ami                  = "ami-0123456789abcdef0"
  instance_type        = "m5.large"
  iam_instance_profile = "${aws_iam_instance_profile.web.name}"
  user_data            = "#!/bin/sh\\necho up\\n"
  tags                 = { Name = "machine", team = "${var.team}" }
  # `dev` tells there where the instance's metadata are (D-105).
  lifecycle { ignore_changes = ["tags.%", "tags.hallpass:metadata"] }
}

output "machine" { value = "${aws_instance.machine.id}" }
'''


class Stack:
    """One configuration and its state."""

    def __init__(self, house, folder, text):
        self.house, self.folder = house, folder
        self.env = house.admin_env(CHECKPOINT_DISABLE="1", TF_IN_AUTOMATION="1", TF_CLI_CONFIG_FILE="/dev/null")
        # That old a provider knows no variable for endpoints; and the platforms of EC2 are of a time before VPCs.
        (folder / "main.tf").write_text(f'''
provider "aws" {{
  region                  = "{house.ready['region']}"
  skip_metadata_api_check = true
  skip_get_ec2_platforms  = true
  endpoints {{ iam = "{house.api}" sts = "{house.api}" ec2 = "{house.api}" }}
}}
{text}''')
        self.terraform("init", "-input=false", f"-plugin-dir={PLUGINS}")

    def terraform(self, *words, codes=(0,)):
        result = self.house.run([TERRAFORM, *words, "-no-color"], env=self.env, cwd=self.folder, check=False)
        assert result.returncode in codes, result.stdout + result.stderr
        return result

    def apply(self, *words):
        said = self.terraform("apply", "-auto-approve", "-input=false", *words).stdout
        drift = self.drift(*words)
        assert not drift, f"the second plan finds other than the first made:\n{drift}"
        return said

    def drift(self, *words):
        """What Terraform would change now."""
        plan = self.terraform("plan", "-detailed-exitcode", "-input=false", *words, codes=(0, 2))
        return plan.stdout if plan.returncode == 2 else ""

    def outputs(self):
        return {name: told["value"] for name, told in json.loads(self.terraform("output", "-json").stdout).items()}


@pytest.fixture
def stack(house, tmp_path):
    return lambda text: Stack(house, tmp_path, text)


def test_what_is_applied_is_found_again_changed_in_place_and_destroyed(house, stack):
    before = house.aws("iam", "get-account-authorization-details")
    stack = stack(IDENTITIES + INSTANCE)
    stack.apply()
    made = stack.outputs()
    assert made["account"] == house.ready["account"]

    # The key that Terraform was given is one.
    keyed = house.env(AWS_ACCESS_KEY_ID=made["key"], AWS_SECRET_ACCESS_KEY=made["secret"])
    arn = house.aws("sts", "get-caller-identity", env=keyed)["Arn"]
    assert arn == f"arn:aws:iam::{house.ready['account']}:user/people/ann"
    role = house.aws("iam", "get-role", "--role-name", "web")["Role"]
    assert role["RoleId"] == made["role"] and role["Description"] == "Grüße & <you>"
    machine = house.boto("ec2").describe_instances(InstanceIds=[made["machine"]])["Reservations"][0]["Instances"][0]
    assert machine["IamInstanceProfile"]["Arn"].endswith("/app/web")

    said = stack.apply("-var", "hours=2", "-var", "bucket=letters", "-var", "team=green")
    assert " 0 added, " in said and " 0 destroyed" in said, said
    # In place: who they are has not changed.
    assert stack.outputs() == made
    role = house.aws("iam", "get-role", "--role-name", "web")["Role"]
    assert role["MaxSessionDuration"] == 7200
    assert {tag["Key"]: tag["Value"] for tag in role["Tags"]} == {"team": "green", "stage": "test"}

    stack.terraform("destroy", "-auto-approve", "-var", "hours=2")
    after = house.aws("iam", "get-account-authorization-details")
    assert after == before
    state = house.boto("ec2").describe_instances(InstanceIds=[made["machine"]])["Reservations"][0]["Instances"][0]["State"]
    assert state["Name"] == "terminated"
    assert "InvalidClientTokenId" in house.aws("sts", "get-caller-identity", env=keyed, check=False).stderr


def test_a_change_behind_terraforms_back_is_drift_and_is_put_right(house, stack):
    stack = stack(IDENTITIES)
    stack.apply()
    house.aws("iam", "update-role", "--role-name", "web", "--max-session-duration", "7200")
    house.aws("iam", "detach-role-policy", "--role-name", "web", "--policy-arn",
              f"arn:aws:iam::{house.ready['account']}:policy/app/reading")
    house.aws("iam", "untag-user", "--user-name", "ann", "--tag-keys", "team")
    plan = stack.drift()
    changed = [words[-1] for words in map(str.split, plan.splitlines()) if len(words) == 2 and words[1].startswith("aws_")]
    assert sorted(changed) == ["aws_iam_role.web", "aws_iam_role_policy_attachment.web", "aws_iam_user.ann"], plan
    stack.apply()
    assert house.aws("iam", "get-role", "--role-name", "web")["Role"]["MaxSessionDuration"] == 3600


def test_what_exists_is_imported_as_it_is(house, stack):
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    house.aws("iam", "create-role", "--role-name", "old", "--assume-role-policy-document", json.dumps(trust),
              "--tags", "Key=team,Value=blue")
    stack = stack(f"""
resource "aws_iam_role" "old" {{
  name               = "old"
  tags               = {{ team = "blue" }}
  assume_role_policy = <<END
{json.dumps(trust)}
END
}}""")
    stack.terraform("import", "aws_iam_role.old", "old")
    # What only the configuration knows is no change of the role.
    stack.terraform("apply", "-auto-approve", "-input=false")
    assert stack.drift() == ""


def test_a_refusal_says_what_was_missing(house, stack):
    env = house.user("limited", {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["iam:Get*", "iam:List*"], "Resource": "*"}]})
    stack = stack('resource "aws_iam_user" "bob" { name = "bob" }')
    stack.env = house.env(**env, CHECKPOINT_DISABLE="1", TF_IN_AUTOMATION="1", TF_CLI_CONFIG_FILE="/dev/null",
                          AWS_EC2_METADATA_DISABLED="true")
    result = stack.terraform("apply", "-auto-approve", "-input=false", codes=(1,))
    assert "AccessDenied" in result.stderr and "is not authorized to perform: iam:CreateUser" in result.stderr
