//! Who has a managed policy, and which policies say anything about a service.

use super::under_path;
use crate::account::{group_arn, role_arn, user_arn};
use crate::call::{Ctx, Outcome, Requirement, page_end};
use crate::entity::Permissions;
use crate::{ApiError, managed};
use hallpass_access::ActionOn;
use hallpass_wire::XmlWriter;
use serde_json::Value;
use std::collections::BTreeSet;

/// An entity that may have policies: kind, name, id, path, what it has.
pub(super) struct Holder<'a> {
    pub(super) kind: &'static str,
    pub(super) name: &'a str,
    pub(super) id: &'a str,
    pub(super) path: &'a str,
    pub(super) permissions: &'a Permissions,
}

/// Every user, role and group, in the order of their names within each kind.
pub(super) fn holders<'a>(ctx: &'a Ctx<'_>) -> impl Iterator<Item = Holder<'a>> {
    let groups = ctx
        .account
        .groups
        .values()
        .map(|group| &group.group)
        .map(|group| Holder {
            kind: "GROUP",
            name: &group.name,
            id: &group.id,
            path: &group.path,
            permissions: &group.permissions,
        });
    let users = ctx
        .account
        .users
        .values()
        .map(|user| &user.user)
        .map(|user| Holder {
            kind: "USER",
            name: &user.name,
            id: &user.id,
            path: &user.path,
            permissions: &user.permissions,
        });
    let roles = ctx
        .account
        .roles
        .values()
        .map(|role| &role.role)
        .map(|role| Holder {
            kind: "ROLE",
            name: &role.name,
            id: &role.id,
            path: &role.path,
            permissions: &role.permissions,
        });
    groups.chain(users).chain(roles)
}

pub(crate) fn entities(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let arn = ctx.required("PolicyArn")?;
    if ctx.account.managed_policy(arn).is_none() {
        return Err(ApiError::no_such_entity(format!("Policy {arn} was not found.")));
    }
    let usage = ctx.param("PolicyUsageFilter");
    let has = |permissions: &Permissions| {
        let attached = permissions.attached.iter().any(|other| other == arn);
        let bounds = permissions.boundary.as_deref() == Some(arn);
        (attached && usage != Some("PermissionsBoundary")) || (bounds && usage != Some("PermissionsPolicy"))
    };
    // The two values that name no kind of entity filter nothing.
    let kinds = |filter: &&str| ["User", "Role", "Group"].contains(filter);
    let wanted = ctx
        .param("EntityFilter")
        .filter(kinds)
        .map(str::to_ascii_uppercase);
    let all = holders(ctx)
        .filter(|holder| wanted.as_deref().is_none_or(|wanted| wanted == holder.kind))
        .filter(|holder| under_path(ctx, holder.path) && has(holder.permissions));
    let (page, marker) = ctx.page(all.collect(), |holder| {
        format!("{}/{}", holder.kind, holder.name.to_ascii_lowercase())
    })?;
    let mut xml = XmlWriter::new();
    for (list, kind, word) in [
        ("PolicyGroups", "GROUP", "Group"),
        ("PolicyUsers", "USER", "User"),
        ("PolicyRoles", "ROLE", "Role"),
    ] {
        let of_kind = page.iter().filter(|holder| holder.kind == kind);
        xml.list(list, "member", of_kind, |xml, holder| {
            xml.text(&format!("{word}Name"), holder.name)
                .text(&format!("{word}Id"), holder.id);
        });
    }
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

/// On the entity asked about.
pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let arn = ctx.required("Arn")?;
    Ok(Requirement::Actions(vec![ActionOn::new(
        ctx.call.iam_action(),
        arn,
    )]))
}

/// A policy that an entity has, itself or through a group.
struct Had {
    name: String,
    /// `None`: inline, and then in `holder`.
    arn: Option<String>,
    holder: (&'static str, String),
    document: String,
}

fn of(ctx: &Ctx<'_>, kind: &'static str, name: &str, permissions: &Permissions) -> Vec<Had> {
    let holder = (kind, name.to_owned());
    let inline = permissions.inline.iter().map(|(policy, document)| Had {
        name: policy.clone(),
        arn: None,
        holder: holder.clone(),
        document: document.clone(),
    });
    let attached = permissions.attached.iter().map(|arn| Had {
        name: arn.rsplit('/').next().unwrap_or_default().to_owned(),
        arn: Some(arn.clone()),
        holder: holder.clone(),
        document: document_of(ctx, arn),
    });
    inline.chain(attached).collect()
}

/// The document of a managed policy as it stands.
fn document_of(ctx: &Ctx<'_>, arn: &str) -> String {
    if let Some(policy) = managed::aws_managed_policy(arn) {
        return policy.document();
    }
    let policy = ctx.account.own_policy(arn).map(|policy| &policy.policy);
    let version = policy.and_then(|policy| policy.versions.get(&policy.default_version));
    version.map_or_else(String::new, |version| version.document.clone())
}

/// The documents of every policy in `permissions`.
pub(super) fn documents_of(ctx: &Ctx<'_>, permissions: &Permissions) -> Vec<String> {
    let attached = permissions.attached.iter().map(|arn| document_of(ctx, arn));
    permissions.inline.values().cloned().chain(attached).collect()
}

/// The services that documents allow something of by name. One that allows everything names none.
pub(super) fn named_services(documents: impl IntoIterator<Item = String>) -> BTreeSet<String> {
    let mut services = BTreeSet::new();
    for document in documents {
        let Ok(document) = serde_json::from_str::<Value>(&document) else {
            continue;
        };
        let statements = listed(&document["Statement"]).into_iter();
        for statement in statements.filter(|statement| statement["Effect"].as_str() == Some("Allow")) {
            let actions = listed(&statement["Action"]).into_iter().filter_map(Value::as_str);
            let prefixes = actions.filter_map(|action| Some(action.split_once(':')?.0.to_ascii_lowercase()));
            services.extend(prefixes.filter(|prefix| !prefix.contains(['*', '?'])));
        }
    }
    services
}

pub(crate) fn granting(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let arn = ctx.required("Arn")?;
    let name = arn.rsplit('/').next().unwrap_or_default();
    let id = ctx.account.id();
    let mut had = vec![];
    if let Some(user) = ctx
        .account
        .user(name)
        .filter(|user| user_arn(id, &user.user) == arn)
    {
        had.extend(of(ctx, "USER", &user.user.name, &user.user.permissions));
        for group in ctx.account.groups_of(&user.user) {
            had.extend(of(ctx, "GROUP", &group.group.name, &group.group.permissions));
        }
    } else if let Some(role) = ctx
        .account
        .role(name)
        .filter(|role| role_arn(id, &role.role) == arn)
    {
        had.extend(of(ctx, "ROLE", &role.role.name, &role.role.permissions));
    } else if let Some(group) = ctx
        .account
        .group(name)
        .filter(|group| group_arn(id, &group.group) == arn)
    {
        had.extend(of(ctx, "GROUP", &group.group.name, &group.group.permissions));
    } else {
        return Err(ApiError::no_such_entity(format!("ARN {arn} cannot be found.")));
    }
    let mut xml = XmlWriter::new();
    let services = ctx.call.params.list("ServiceNamespaces");
    xml.list(
        "PoliciesGrantingServiceAccess",
        "member",
        services,
        |xml, service| {
            xml.text("ServiceNamespace", service);
            let granting = had.iter().filter(|one| grants(&one.document, service));
            xml.list("Policies", "member", granting, |xml, one| {
                let kind = if one.arn.is_some() { "MANAGED" } else { "INLINE" };
                xml.text("PolicyName", &one.name).text("PolicyType", kind);
                match &one.arn {
                    Some(arn) => {
                        xml.text("PolicyArn", arn);
                    }
                    None => {
                        xml.text("EntityType", one.holder.0)
                            .text("EntityName", &one.holder.1);
                    }
                }
            });
        },
    );
    page_end(&mut xml, None);
    Outcome::read(xml)
}

/// JSON of policies has a list, or the only member of it.
fn listed(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Null => vec![],
        one => vec![one],
    }
}

/// Whether some statement of a document allows some action of a service. Conditions and resources are not looked at, as
/// AWS's answer does not.
fn grants(document: &str, service: &str) -> bool {
    let Ok(document) = serde_json::from_str::<Value>(document) else {
        return false;
    };
    let covers = |pattern: &Value| {
        let pattern = pattern.as_str().unwrap_or_default();
        let prefix = pattern.split(':').next().unwrap_or_default();
        pattern == "*" || prefix.eq_ignore_ascii_case(service)
    };
    listed(&document["Statement"]).into_iter().any(|statement| {
        let is_allow = statement["Effect"].as_str() == Some("Allow");
        let all_but = statement.get("NotAction");
        let whole = format!("{service}:*");
        let spared = |pattern: &Value| {
            let pattern = pattern.as_str().unwrap_or_default();
            pattern == "*" || pattern.eq_ignore_ascii_case(&whole)
        };
        is_allow
            && (listed(&statement["Action"]).into_iter().any(covers)
                || all_but.is_some_and(|but| !listed(but).into_iter().any(spared)))
    })
}

#[cfg(test)]
mod tests {
    use super::grants;

    #[test]
    fn a_document_grants_a_service_by_any_allowed_action_of_it() {
        let statement =
            |rest: &str| format!(r#"{{"Version":"2012-10-17","Statement":{{{rest},"Resource":"*"}}}}"#);
        let allow = statement(r#""Effect":"Allow","Action":["S3:Get*","iam:PassRole"]"#);
        assert!(grants(&allow, "s3") && grants(&allow, "iam") && !grants(&allow, "ec2"));
        assert!(!grants(&statement(r#""Effect":"Deny","Action":"s3:*""#), "s3"));
        assert!(grants(&statement(r#""Effect":"Allow","Action":"*""#), "s3"));
        let but = statement(r#""Effect":"Allow","NotAction":["s3:*","iam:PassRole"]"#);
        assert!(!grants(&but, "s3") && grants(&but, "iam"));
        assert!(!grants("no document", "s3"));
    }
}
