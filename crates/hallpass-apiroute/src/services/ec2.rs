//! EC2: ids tell their type.

use crate::asked::{Asked, Found};
use hallpass_access::ActionOn;

/// How an id begins, and the type of the resource in its ARN.
const TYPES: &[(&str, &str)] = &[
    ("i-", "instance"),
    ("vol-", "volume"),
    ("snap-", "snapshot"),
    ("sg-", "security-group"),
    ("subnet-", "subnet"),
    ("vpc-", "vpc"),
    ("eni-", "network-interface"),
    ("rtb-", "route-table"),
    ("igw-", "internet-gateway"),
    ("nat-", "natgateway"),
    ("acl-", "network-acl"),
    ("eipalloc-", "elastic-ip"),
    ("lt-", "launch-template"),
    ("vpce-", "vpc-endpoint"),
    ("ami-", "image"),
];

/// Operations that act on what these members name, and on nothing else.
const ON: &[(&str, &[&str])] = &[
    ("StartInstances", &["InstanceId"]),
    ("StopInstances", &["InstanceId"]),
    ("RebootInstances", &["InstanceId"]),
    ("TerminateInstances", &["InstanceId"]),
    ("AttachVolume", &["InstanceId", "VolumeId"]),
    ("DetachVolume", &["InstanceId", "VolumeId"]),
    ("DeleteVolume", &["VolumeId"]),
    ("DeleteSnapshot", &["SnapshotId"]),
    ("DeleteVpc", &["VpcId"]),
    ("DeleteSubnet", &["SubnetId"]),
    ("DeleteRouteTable", &["RouteTableId"]),
    ("DeleteInternetGateway", &["InternetGatewayId"]),
    ("DeleteNetworkInterface", &["NetworkInterfaceId"]),
    ("CreateTags", &["ResourceId"]),
    ("DeleteTags", &["ResourceId"]),
    ("AuthorizeSecurityGroupIngress", &["GroupId"]),
    ("AuthorizeSecurityGroupEgress", &["GroupId"]),
    ("RevokeSecurityGroupIngress", &["GroupId"]),
    ("RevokeSecurityGroupEgress", &["GroupId"]),
    ("DeleteSecurityGroup", &["GroupId"]),
];

/// What the ids name; unknown for operations on more than ids tell.
pub(super) fn resources(asked: &Asked<'_>) -> Found {
    let Some((_, members)) = ON.iter().find(|(name, _)| *name == asked.operation.name) else {
        return Found::Generic;
    };
    // A group by name, or rules by their ids, are further resources.
    if asked.body("GroupName").is_some() || asked.body("SecurityGroupRuleId").is_some() {
        return Found::Unknown;
    }
    let mut found = vec![];
    for member in *members {
        let Some(value) = asked.body(member) else { continue };
        match value.text() {
            Some(id) => found.push(arn(asked, id)),
            None => found.extend(
                value
                    .items()
                    .into_iter()
                    .map(|item| item.text().and_then(|id| arn(asked, id))),
            ),
        }
    }
    Found::all(found)
}

fn arn(asked: &Asked<'_>, id: &str) -> Option<String> {
    let (start, kind) = TYPES.iter().find(|(start, _)| id.starts_with(start))?;
    let rest = id.strip_prefix(start)?;
    if rest.is_empty() || !rest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let account = if *kind == "image" || *kind == "snapshot" {
        ""
    } else {
        asked.account
    };
    Some(asked.arn_in("ec2", asked.region, account, &format!("{kind}/{id}")))
}

/// The role of an instance profile is passed to the instance. Which role that is, the request does not tell.
pub(super) fn passed_profile(asked: &Asked<'_>) -> Vec<ActionOn> {
    let passes = matches!(
        asked.operation.name,
        "RunInstances"
            | "AssociateIamInstanceProfile"
            | "ReplaceIamInstanceProfileAssociation"
            | "RequestSpotInstances"
    );
    let named = asked.body("IamInstanceProfile").is_some()
        || asked
            .body("LaunchSpecification")
            .is_some_and(|it| it.get("IamInstanceProfile").is_some());
    if !passes || !named {
        return vec![];
    }
    vec![ActionOn::on_unknown_resource("iam:PassRole").with("iam:PassedToService", "ec2.amazonaws.com")]
}
