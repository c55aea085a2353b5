//! STS and IAM.

use crate::actions::texts;
use crate::asked::{Asked, Found, is_resource_name, whole_arn};
use hallpass_access::ActionOn;

/// A member and the type of what it names. Roles, users and the like may have a path, which the request does not tell:
/// the ARN is the one without.
const NAMES: &[(&str, &str)] = &[
    ("RoleName", "role"),
    ("UserName", "user"),
    ("GroupName", "group"),
    ("InstanceProfileName", "instance-profile"),
    ("PolicyName", "policy"),
    ("ServerCertificateName", "server-certificate"),
];
const ARNS: &[&str] = &[
    "PolicyArn",
    "OpenIDConnectProviderArn",
    "SAMLProviderArn",
    "PolicySourceArn",
];

/// The role that is assumed.
pub(super) fn assumed(asked: &Asked<'_>) -> Found {
    match asked.body("RoleArn") {
        Some(role) => Found::one(role.text().and_then(|text| whole_arn(text, "iam"))),
        None => Found::Unknown,
    }
}

/// What the operation is about: the first of the names in the operation's own name, with its path when it is made.
pub(super) fn resources(asked: &Asked<'_>) -> Found {
    let operation = asked.operation.name;
    // Inline policies are of the role, the user or the group.
    for (member, kind) in NAMES {
        let is_inline = *member == "PolicyName" && operation != "CreatePolicy";
        if is_inline || asked.body(member).is_none() {
            continue;
        }
        // A role in an instance profile, a user in a group: the action is on the latter.
        let is_member = matches!(
            (*member, operation),
            (
                "RoleName",
                "AddRoleToInstanceProfile" | "RemoveRoleFromInstanceProfile"
            ) | ("UserName", "AddUserToGroup" | "RemoveUserFromGroup")
        );
        if is_member {
            continue;
        }
        let path = match (asked.body("Path"), operation.starts_with("Create")) {
            (Some(path), true) => path.text(),
            _ => Some("/"),
        };
        let name = asked
            .text(member)
            .zip(path)
            .map(|(name, path)| format!("{kind}{path}{name}"));
        let name = name.filter(|name| is_resource_name(name) && !name.contains(' '));
        return Found::one(name.map(|name| asked.arn_in("iam", "", asked.account, &name)));
    }
    for member in ARNS {
        if let Some(arn) = asked.body(member) {
            return Found::one(arn.text().and_then(|text| whole_arn(text, "iam")));
        }
    }
    Found::Generic
}

/// A role that is put in an instance profile is passed to EC2.
pub(super) fn passed_role(asked: &Asked<'_>) -> Vec<ActionOn> {
    if asked.operation.name != "AddRoleToInstanceProfile" {
        return vec![];
    }
    let name = asked
        .text("RoleName")
        .filter(|name| crate::resource::is_plain_name(name));
    let pass = match name {
        Some(name) => ActionOn::new(
            "iam:PassRole",
            asked.arn_in("iam", "", asked.account, &format!("role/{name}")),
        ),
        None => ActionOn::on_unknown_resource("iam:PassRole"),
    };
    vec![pass.with("iam:PassedToService", "ec2.amazonaws.com")]
}

/// STS's own keys.
pub(super) fn keys(asked: &Asked<'_>) -> Vec<(String, Vec<String>)> {
    let mut keys = super::from_members(
        asked,
        &[
            ("RoleSessionName", "sts:RoleSessionName"),
            ("ExternalId", "sts:ExternalId"),
            ("SourceIdentity", "sts:SourceIdentity"),
            ("DurationSeconds", "sts:DurationSeconds"),
        ],
    );
    let transitive: Vec<_> = texts(asked.items("TransitiveTagKeys")).collect();
    if !transitive.is_empty() {
        keys.push(("sts:TransitiveTagKeys".to_owned(), transitive));
    }
    keys
}
