//! `GetAccountAuthorizationDetails`: every entity with its policies, in one list.

use super::{aws_policy, boundary_xml, tags_xml};
use crate::ApiError;
use crate::account::{
    CompiledGroup, CompiledPolicy, CompiledRole, CompiledUser, PolicyCounts, group_arn, policy_arn, role_arn,
    user_arn,
};
use crate::call::{Ctx, Outcome, Requirement, page_end};
use crate::entity::Permissions;
use crate::{managed, principals};
use hallpass_access::ActionOn;
use hallpass_reference::managed::ManagedPolicy as AwsPolicy;
use hallpass_wire::{XmlWriter, percent_encode};

pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let action = ActionOn::new(ctx.call.iam_action(), "*");
    Ok(Requirement::Actions(vec![action]))
}

enum Item<'a> {
    User(&'a CompiledUser),
    Group(&'a CompiledGroup),
    Role(&'a CompiledRole),
    Local(&'a CompiledPolicy),
    Aws(&'static AwsPolicy),
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let filter = ctx.call.params.list("Filter");
    let known = ["User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy"];
    if let Some(other) = filter.iter().find(|entity| !known.contains(entity)) {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '[{other}]' at 'filter' failed to satisfy constraint: Member must \
             satisfy constraint: [Member must satisfy enum value set: [{}]]",
            known.join(", ")
        )));
    }
    let wanted = |entity: &str| filter.is_empty() || filter.contains(&entity);
    let account = ctx.account;
    let counts = account.policy_counts();
    let of = |arn: &str| counts.get(arn).copied().unwrap_or_default();
    let mut items = Vec::new();
    if wanted("User") {
        let users = account.users.iter();
        items.extend(users.map(|(name, user)| (format!("1{name}"), Item::User(user))));
    }
    if wanted("Group") {
        let groups = account.groups.iter();
        items.extend(groups.map(|(name, group)| (format!("5{name}"), Item::Group(group))));
    }
    if wanted("Role") {
        let roles = account.roles.iter();
        items.extend(roles.map(|(name, role)| (format!("2{name}"), Item::Role(role))));
    }
    if wanted("LocalManagedPolicy") {
        let policies = account.policies.iter();
        items.extend(policies.map(|(name, policy)| (format!("3{name}"), Item::Local(policy))));
    }
    if wanted("AWSManagedPolicy") {
        // AWS lists those in use.
        let used = counts.iter().filter(|(_, counts)| counts.attached > 0);
        let used = used.filter_map(|(arn, _)| managed::aws_managed_policy(arn));
        items.extend(used.map(|policy| (format!("4{}", policy.arn()), Item::Aws(policy))));
    }
    items.sort_by(|(left, _), (right, _)| left.cmp(right));
    let (page, marker) = ctx.page(items, |(name, _)| name.clone())?;
    let mut xml = XmlWriter::new();
    let items = || page.iter().map(|(_, item)| item);
    let users = items().filter_map(|item| match item {
        Item::User(user) => Some(*user),
        _ => None,
    });
    xml.list("UserDetailList", "member", users, |xml, user| {
        user_xml(ctx, xml, user)
    });
    let groups = items().filter_map(|item| match item {
        Item::Group(group) => Some(*group),
        _ => None,
    });
    xml.list("GroupDetailList", "member", groups, |xml, group| {
        group_xml(ctx, xml, group)
    });
    let roles = items().filter_map(|item| match item {
        Item::Role(role) => Some(*role),
        _ => None,
    });
    xml.list("RoleDetailList", "member", roles, |xml, role| {
        role_xml(ctx, xml, role)
    });
    let policies = items().filter(|item| matches!(item, Item::Local(_) | Item::Aws(_)));
    xml.list("Policies", "member", policies, |xml, item| match item {
        Item::Local(policy) => local_xml(ctx, xml, policy, of(&policy_arn(account.id(), &policy.policy))),
        Item::Aws(policy) => aws_xml(xml, policy, of(&policy.arn())),
        Item::User(_) | Item::Group(_) | Item::Role(_) => {}
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

fn permissions_xml(xml: &mut XmlWriter, list: &str, permissions: &Permissions) {
    policies_xml(xml, list, permissions);
    boundary_xml(xml, permissions);
    tags_xml(xml, &permissions.tags);
}

fn policies_xml(xml: &mut XmlWriter, list: &str, permissions: &Permissions) {
    xml.list(list, "member", &permissions.inline, |xml, (name, document)| {
        xml.text("PolicyName", name)
            .text("PolicyDocument", percent_encode(document));
    });
    xml.list(
        "AttachedManagedPolicies",
        "member",
        &permissions.attached,
        |xml, arn| {
            xml.text("PolicyName", arn.rsplit('/').next().unwrap_or_default())
                .text("PolicyArn", arn);
        },
    );
}

fn user_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, user: &CompiledUser) {
    let user = &user.user;
    xml.text("Path", &user.path)
        .text("UserName", &user.name)
        .text("UserId", &user.id)
        .text("Arn", user_arn(ctx.account.id(), user))
        .text("CreateDate", user.created.iso8601());
    xml.element("GroupList", |xml| {
        for group in ctx.account.groups_of(user) {
            xml.text("member", &group.group.name);
        }
    });
    permissions_xml(xml, "UserPolicyList", &user.permissions);
}

fn group_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, group: &CompiledGroup) {
    let group = &group.group;
    xml.text("Path", &group.path)
        .text("GroupName", &group.name)
        .text("GroupId", &group.id)
        .text("Arn", group_arn(ctx.account.id(), group))
        .text("CreateDate", group.created.iso8601());
    policies_xml(xml, "GroupPolicyList", &group.permissions);
}

fn role_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, role: &CompiledRole) {
    let role = &role.role;
    xml.text("Path", &role.path)
        .text("RoleName", &role.name)
        .text("RoleId", &role.id)
        .text("Arn", role_arn(ctx.account.id(), role))
        .text("CreateDate", role.created.iso8601())
        .text(
            "AssumeRolePolicyDocument",
            percent_encode(&principals::shown(ctx.state, role)),
        );
    let holds = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case(&role.name));
    let profiles = ctx
        .account
        .profiles
        .values()
        .filter(|profile| holds(&profile.roles));
    xml.list("InstanceProfileList", "member", profiles, |xml, profile| {
        super::profile::profile_xml(ctx, xml, profile);
    });
    permissions_xml(xml, "RolePolicyList", &role.permissions);
    super::role::last_used_xml(ctx, xml, role);
}

fn local_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, policy: &CompiledPolicy, counts: PolicyCounts) {
    let policy = &policy.policy;
    super::policy::policy_xml(ctx, xml, policy, counts);
    xml.optional("Description", policy.description.as_deref());
    xml.list(
        "PolicyVersionList",
        "member",
        &policy.versions,
        |xml, (number, version)| {
            xml.text("Document", percent_encode(&version.document))
                .text("VersionId", format!("v{number}"))
                .text(
                    "IsDefaultVersion",
                    (*number == policy.default_version).to_string(),
                )
                .text("CreateDate", version.created.iso8601());
        },
    );
}

fn aws_xml(xml: &mut XmlWriter, policy: &AwsPolicy, counts: PolicyCounts) {
    aws_policy::policy_xml(xml, policy, counts);
    xml.list("PolicyVersionList", "member", [policy], |xml, policy| {
        aws_policy::version_xml(xml, policy, true);
    });
}
