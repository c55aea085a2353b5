//! The part of EC2 that brings a role to a machine: instances, their profiles, tags and metadata options.

mod association;
mod attribute;
mod describe;
mod launch;
mod tags;
mod xml;

use crate::ApiError;
use crate::account::profile_arn;
use crate::call::{Action, Ctx, Outcome, Requirement, Service, with_resource_tags};
use crate::entity::{Instance, InstanceProfile, MetadataOptions};
use crate::iam::pass_role;
use crate::state::{key, put};
use hallpass_access::ActionOn;
use hallpass_types::Arn;
use hallpass_wire::XmlWriter;
use std::sync::Arc;
use xml::metadata_options_xml;

macro_rules! actions {
    ($($name:literal => $requirement:expr, $run:expr;)*) => {
        &[$(Action {
            service: Service::Ec2,
            name: $name,
            requirement: $requirement,
            // Every action of EC2 knows `DryRun`: one that overlooked it would do what was only asked about.
            run: |ctx| dry_run(ctx).and_then(|()| $run(ctx)),
        },)*]
    };
}

pub(crate) const ACTIONS: &[Action] = actions! {
    "RunInstances" => launch::run_requirement, launch::run;
    "DescribeInstances" => describe_requirement, describe::describe;
    "DescribeInstanceAttribute" => attribute::attribute_requirement, attribute::describe_attribute;
    "DescribeInstanceCreditSpecifications" => describe_requirement, attribute::describe_credits;
    "DescribeVolumes" => describe_requirement, attribute::describe_volumes;
    "TerminateInstances" => instances_requirement, launch::terminate;
    "AssociateIamInstanceProfile" => association::associate_requirement, association::associate;
    "DisassociateIamInstanceProfile" => association::association_requirement, association::disassociate;
    "ReplaceIamInstanceProfileAssociation" => association::replace_requirement, association::replace;
    "DescribeIamInstanceProfileAssociations" => describe_requirement, association::describe_associations;
    "ModifyInstanceMetadataOptions" => instances_requirement, modify_metadata_options;
    "CreateTags" => tags::tags_requirement, tags::create_tags;
    "DeleteTags" => tags::tags_requirement, tags::delete_tags;
    "DescribeTags" => describe_requirement, tags::describe_tags;
};

fn dry_run(ctx: &Ctx<'_>) -> Result<(), ApiError> {
    if ctx
        .param("DryRun")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    {
        return Err(ApiError::new(
            "DryRunOperation",
            412,
            "Request would have succeeded, but DryRun flag is set.",
        ));
    }
    Ok(())
}

fn instance_arn(ctx: &Ctx<'_>, id: &str) -> String {
    Arn::aws(
        "ec2",
        &ctx.env.region,
        ctx.account.id().as_str(),
        &format!("instance/{id}"),
    )
    .to_string()
}

fn action(ctx: &Ctx<'_>) -> String {
    format!("ec2:{}", ctx.call.action)
}

/// Descriptions are not limited to resources (Service Authorization Reference, EC2).
fn describe_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    Ok(Requirement::Actions(vec![ActionOn::new(action(ctx), "*")]))
}

fn on_instance(ctx: &Ctx<'_>, id: &str) -> ActionOn {
    let on = ActionOn::new(action(ctx), instance_arn(ctx, id));
    match ctx.account.instances.get(id) {
        Some(instance) => with_resource_tags(on, &instance.tags),
        None => on,
    }
}

/// The ids named by `InstanceId` or `InstanceId.N`.
fn named_ids<'a>(ctx: &'a Ctx<'_>) -> Vec<&'a str> {
    let mut ids = ctx.call.params.list("InstanceId");
    ids.extend(ctx.param("InstanceId"));
    ids
}

fn instances_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let ids = named_ids(ctx);
    if ids.is_empty() {
        ctx.required("InstanceId")?;
    }
    Ok(Requirement::Actions(
        ids.into_iter().map(|id| on_instance(ctx, id)).collect(),
    ))
}

/// The profile a call names by `….Name` or `….Arn`.
fn named_profile<'a>(ctx: &'a Ctx<'_>) -> Result<Option<&'a Arc<InstanceProfile>>, ApiError> {
    let invalid = |what: &str, value: &str| {
        ApiError::new(
            "InvalidParameterValue",
            400,
            format!(
                "Value ({value}) for parameter iamInstanceProfile.{what} is invalid. Invalid IAM Instance Profile {what}"
            ),
        )
    };
    if let Some(name) = ctx.param("IamInstanceProfile.Name") {
        return ctx
            .account
            .profile(name)
            .map(Some)
            .ok_or_else(|| invalid("name", name));
    }
    if let Some(arn) = ctx.param("IamInstanceProfile.Arn") {
        let found = arn.rsplit('/').next().and_then(|name| ctx.account.profile(name));
        return found
            .filter(|profile| profile_arn(ctx.account.id(), profile) == arn)
            .map(Some)
            .ok_or_else(|| invalid("arn", arn));
    }
    Ok(None)
}

/// Whoever gives a profile to an instance passes its roles.
fn pass_roles(ctx: &Ctx<'_>, profile: Option<&Arc<InstanceProfile>>) -> Vec<ActionOn> {
    profile
        .into_iter()
        .flat_map(|profile| profile.roles.iter())
        .map(|role| pass_role(ctx, role))
        .collect()
}

fn put_instance(ctx: &Ctx<'_>, instance: &Instance) -> hallpass_store::Op {
    put(key(ctx.account.id(), "instance", &instance.id), instance)
}

fn metadata_options(ctx: &Ctx<'_>, prefix: &str, mut options: MetadataOptions) -> MetadataOptions {
    let param = |name: &str| ctx.param(&format!("{prefix}{name}"));
    if let Some(tokens) = param("HttpTokens") {
        options.http_tokens_required = tokens != "optional";
    }
    if let Some(endpoint) = param("HttpEndpoint") {
        options.http_endpoint_enabled = endpoint != "disabled";
    }
    if let Some(limit) = param("HttpPutResponseHopLimit").and_then(|limit| limit.parse().ok()) {
        options.hop_limit = limit;
    }
    if let Some(tags) = param("InstanceMetadataTags") {
        options.instance_tags = tags == "enabled";
    }
    options
}

fn not_found(id: &str) -> ApiError {
    ApiError::new(
        "InvalidInstanceID.NotFound",
        400,
        format!("The instance ID '{id}' does not exist"),
    )
}

fn instance<'a>(ctx: &'a Ctx<'_>, id: &str) -> Result<&'a Arc<Instance>, ApiError> {
    let digits = id.strip_prefix("i-").unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(ApiError::new(
            "InvalidInstanceID.Malformed",
            400,
            format!("Invalid id: \"{id}\""),
        ));
    }
    ctx.account.instances.get(id).ok_or_else(|| not_found(id))
}

fn modify_metadata_options(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut next = Instance::clone(instance(ctx, ctx.required("InstanceId")?)?);
    next.metadata_options = metadata_options(ctx, "", next.metadata_options);
    let mut xml = XmlWriter::new();
    xml.text("instanceId", &next.id);
    xml.element("instanceMetadataOptions", |xml| {
        metadata_options_xml(xml, &next.metadata_options)
    });
    Outcome::made(xml, vec![put_instance(ctx, &next)])
}

fn unknown_filter(name: &str) -> ApiError {
    ApiError::new(
        "InvalidParameterValue",
        400,
        format!("The filter '{name}' is invalid"),
    )
}
