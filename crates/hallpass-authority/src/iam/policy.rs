//! Customer managed policies and their versions.

use super::attach::path_of;
use super::{arn_of, aws_policy, tagging, tags_xml, under_path};
use crate::account::{CompiledPolicy, PolicyCounts, policy_arn};
use crate::call::{Ctx, Outcome, Requirement, page_end, with_request_tags, with_resource_tags};
use crate::entity::{ManagedPolicy, PolicyVersion};
use crate::state::{key, put};
use crate::{ApiError, managed, names};
use hallpass_access::ActionOn;
use hallpass_policy::PolicyKind;
use hallpass_reference::managed::ManagedPolicy as AwsPolicy;
use hallpass_session::{IdKind, unique_id};
use hallpass_store::Op;
use hallpass_wire::{XmlWriter, percent_encode};
use std::collections::BTreeMap;
use std::sync::Arc;

const DOCUMENT_CHARS_MAX: usize = 6_144;
const VERSIONS_MAX: usize = 5;

pub(crate) fn requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let arn = ctx.required("PolicyArn")?;
    let on = ActionOn::new(ctx.call.iam_action(), arn);
    let on = match ctx.account.own_policy(arn) {
        Some(own) => with_resource_tags(on, &own.policy.tags),
        None => on,
    };
    Ok(Requirement::Actions(vec![tagging::on_request(ctx, on)?]))
}

pub(crate) fn list_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![ActionOn::new(
        "iam:ListPolicies",
        arn_of(ctx, "policy/"),
    )]))
}

pub(crate) fn create_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let name = ctx.required("PolicyName")?;
    let path = names::path(&ctx.call.params)?;
    let on = ActionOn::new("iam:CreatePolicy", arn_of(ctx, &format!("policy{path}{name}")));
    Ok(Requirement::Actions(vec![with_request_tags(
        on,
        &names::tags(&ctx.call.params)?,
    )]))
}

pub(crate) fn create(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let name = names::name(
        "PolicyName",
        ctx.required("PolicyName")?,
        names::LONG_NAME_CHARS_MAX,
    )?;
    let document = managed_document(ctx)?;
    if ctx.account.policies.contains_key(&name.to_ascii_lowercase()) {
        return Err(ApiError::exists(format!(
            "A policy called {name} already exists. Duplicate names are not allowed."
        )));
    }
    let policy = ManagedPolicy {
        name: name.to_owned(),
        path: names::path(&ctx.call.params)?,
        id: unique_id(IdKind::ManagedPolicy, &*ctx.env.entropy),
        description: ctx.param("Description").map(str::to_owned),
        created: ctx.call.now,
        updated: ctx.call.now,
        versions: BTreeMap::from([(
            1,
            PolicyVersion {
                document,
                created: ctx.call.now,
            },
        )]),
        default_version: 1,
        next_version: 2,
        tags: names::tags(&ctx.call.params)?,
    };
    let mut xml = XmlWriter::new();
    xml.element("Policy", |xml| {
        policy_xml(ctx, xml, &policy, PolicyCounts::default());
        if !policy.tags.is_empty() {
            tags_xml(xml, &policy.tags);
        }
    });
    let arn = policy_arn(ctx.account.id(), &policy);
    Ok(Outcome::made(xml, vec![put_policy(ctx, &policy)])?.noting("policyArn", arn))
}

fn managed_document(ctx: &Ctx<'_>) -> Result<String, ApiError> {
    let document = ctx.required("PolicyDocument")?;
    names::document_size(document, PolicyKind::Identity, DOCUMENT_CHARS_MAX)?;
    hallpass_policy::Policy::parse_managed(document)
        .map(|_| document.to_owned())
        .map_err(|error| ApiError::malformed_policy(error.message))
}

fn put_policy(ctx: &Ctx<'_>, policy: &ManagedPolicy) -> Op {
    put(key(ctx.account.id(), "policy", &policy.name), policy)
}

/// What every answer tells of a policy; its description and tags are for some only.
pub(super) fn policy_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, policy: &ManagedPolicy, counts: PolicyCounts) {
    let arn = policy_arn(ctx.account.id(), policy);
    xml.text("PolicyName", &policy.name)
        .text("PolicyId", &policy.id)
        .text("Arn", &arn)
        .text("Path", &policy.path)
        .text("DefaultVersionId", format!("v{}", policy.default_version));
    aws_policy::counts_xml(xml, counts);
    xml.text("IsAttachable", "true")
        .text("CreateDate", policy.created.iso8601())
        .text("UpdateDate", policy.updated.iso8601());
}

/// The policy, if the ARN is one of AWS's.
fn aws(arn: &str) -> Result<Option<&'static AwsPolicy>, ApiError> {
    match managed::aws_managed_policy(arn) {
        None if managed::is_aws(arn) => Err(ApiError::no_such_entity(format!("Policy {arn} was not found."))),
        found => Ok(found),
    }
}

fn own<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<CompiledPolicy>, ApiError> {
    let arn = ctx.required("PolicyArn")?;
    if !arn.starts_with("arn:") {
        return Err(ApiError::validation("Invalid ARN:  Could not be parsed!"));
    }
    if managed::is_aws(arn) {
        return Err(ApiError::new(
            "AccessDenied",
            403,
            "AWS managed policies cannot be changed.",
        ));
    }
    ctx.account
        .own_policy(arn)
        .ok_or_else(|| ApiError::no_such_entity(format!("Policy {arn} was not found.")))
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let arn = ctx.required("PolicyArn")?;
    let mut xml = XmlWriter::new();
    let counts = ctx.account.policy_counts_of(arn);
    if let Some(policy) = aws(arn)? {
        xml.element("Policy", |xml| {
            aws_policy::policy_xml(xml, policy, counts);
            tags_xml(xml, &[]);
        });
    } else {
        let policy = &own(ctx)?.policy;
        xml.element("Policy", |xml| {
            policy_xml(ctx, xml, policy, counts);
            xml.optional("Description", policy.description.as_deref());
            // Here, as nowhere else, an empty list is told.
            tags_xml(xml, &policy.tags);
        });
    }
    Outcome::read(xml)
}

/// One line of a list.
enum Listed<'a> {
    Own(&'a ManagedPolicy),
    Aws(&'static AwsPolicy),
}

pub(crate) fn list(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let scope = ctx.param("Scope").unwrap_or("All");
    let only_attached = ctx.param("OnlyAttached") == Some("true");
    let counts = ctx.account.policy_counts();
    let of = |arn: &str| counts.get(arn).copied().unwrap_or_default();
    let mut found: Vec<(String, Listed<'_>)> = vec![];
    if scope != "AWS" {
        let own = ctx.account.policies.values().map(|policy| &policy.policy);
        found.extend(own.map(|policy| (policy_arn(ctx.account.id(), policy), Listed::Own(policy))));
    }
    if scope != "Local" {
        let aws = managed::aws_managed_policies().iter();
        found.extend(aws.map(|policy| (policy.arn(), Listed::Aws(policy))));
    }
    found.retain(|(arn, _)| {
        let counts = of(arn);
        under_path(ctx, path_of(arn))
            && (!only_attached || counts.attached > 0)
            && match ctx.param("PolicyUsageFilter") {
                Some("PermissionsBoundary") => counts.boundary > 0,
                Some(_) => counts.attached > 0,
                None => true,
            }
    });
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    let (found, marker) = ctx.page(found, |(arn, _)| arn.clone())?;
    let mut xml = XmlWriter::new();
    xml.list("Policies", "member", found, |xml, (arn, policy)| match policy {
        Listed::Own(policy) => policy_xml(ctx, xml, policy, of(&arn)),
        Listed::Aws(policy) => aws_policy::policy_xml(xml, policy, of(&arn)),
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

pub(crate) fn delete(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let policy = &own(ctx)?.policy;
    let arn = policy_arn(ctx.account.id(), policy);
    let counts = ctx.account.policy_counts_of(&arn);
    if counts.attached + counts.boundary > 0 {
        return Err(ApiError::delete_conflict(
            "Cannot delete a policy attached to entities.",
        ));
    }
    if policy.versions.len() > 1 {
        return Err(ApiError::delete_conflict(
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. \
             The default version is deleted with the policy.",
        ));
    }
    Outcome::wrote(vec![Op::Delete(key(ctx.account.id(), "policy", &policy.name))])
}

pub(crate) fn create_version(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut policy = own(ctx)?.policy.clone();
    let document = managed_document(ctx)?;
    if policy.versions.len() >= VERSIONS_MAX {
        return Err(ApiError::limit(
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
        ));
    }
    let number = policy.next_version;
    policy.next_version += 1;
    policy.versions.insert(
        number,
        PolicyVersion {
            document,
            created: ctx.call.now,
        },
    );
    if ctx.param("SetAsDefault") == Some("true") {
        policy.default_version = number;
    }
    policy.updated = ctx.call.now;
    let mut xml = XmlWriter::new();
    xml.element("PolicyVersion", |xml| version_xml(xml, &policy, number, false));
    Outcome::made(xml, vec![put_policy(ctx, &policy)])
}

fn version_xml(xml: &mut XmlWriter, policy: &ManagedPolicy, number: u32, with_document: bool) {
    if let Some(version) = policy.versions.get(&number) {
        if with_document {
            xml.text("Document", percent_encode(&version.document));
        }
        xml.text("VersionId", format!("v{number}"))
            .text("IsDefaultVersion", (policy.default_version == number).to_string())
            .text("CreateDate", version.created.iso8601());
    }
}

fn version_number(ctx: &Ctx<'_>, policy: &ManagedPolicy) -> Result<u32, ApiError> {
    let text = ctx.required("VersionId")?;
    text.strip_prefix('v')
        .and_then(|number| number.parse().ok())
        .filter(|number| policy.versions.contains_key(number))
        .ok_or_else(|| {
            ApiError::no_such_entity(format!(
                "Policy {} version {text} does not exist or is not attachable.",
                policy_arn(ctx.account.id(), policy)
            ))
        })
}

pub(crate) fn get_version(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    if let Some(policy) = aws(ctx.required("PolicyArn")?)? {
        return aws_policy::get_version(ctx, policy);
    }
    let mut xml = XmlWriter::new();
    let policy = &own(ctx)?.policy;
    let number = version_number(ctx, policy)?;
    xml.element("PolicyVersion", |xml| version_xml(xml, policy, number, true));
    Outcome::read(xml)
}

pub(crate) fn list_versions(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    if let Some(policy) = aws(ctx.required("PolicyArn")?)? {
        return aws_policy::list_versions(policy);
    }
    let policy = &own(ctx)?.policy;
    let mut xml = XmlWriter::new();
    xml.list(
        "Versions",
        "member",
        policy.versions.keys().rev(),
        |xml, number| {
            version_xml(xml, policy, *number, false);
        },
    );
    page_end(&mut xml, None);
    Outcome::read(xml)
}

pub(crate) fn delete_version(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut policy = own(ctx)?.policy.clone();
    let number = version_number(ctx, &policy)?;
    if number == policy.default_version {
        return Err(ApiError::delete_conflict(
            "Cannot delete the default version of a policy.",
        ));
    }
    policy.versions.remove(&number);
    Outcome::wrote(vec![put_policy(ctx, &policy)])
}

pub(crate) fn set_default_version(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut policy = own(ctx)?.policy.clone();
    policy.default_version = version_number(ctx, &policy)?;
    policy.updated = ctx.call.now;
    Outcome::wrote(vec![put_policy(ctx, &policy)])
}

pub(crate) fn tag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::tag(
        ctx,
        own(ctx)?.policy.clone(),
        |policy| &mut policy.tags,
        put_policy,
    )
}

pub(crate) fn untag(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::untag(
        ctx,
        own(ctx)?.policy.clone(),
        |policy| &mut policy.tags,
        put_policy,
    )
}

pub(crate) fn list_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    tagging::list(ctx, &own(ctx)?.policy.tags)
}
