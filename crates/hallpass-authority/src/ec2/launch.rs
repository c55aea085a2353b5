//! Launching and terminating.

use super::xml::{reservation_xml, state_xml};
use super::{instance, instance_arn, metadata_options, named_ids, named_profile, pass_roles, put_instance};
use crate::account::profile_arn;
use crate::call::{Ctx, Outcome, Requirement, with_request_tags};
use crate::entity::{Instance, InstanceState, MetadataOptions};
use crate::{ApiError, names};
use hallpass_access::ActionOn;
use hallpass_session::{Tag, instance_id, random_hex};
use hallpass_types::Arn;
use hallpass_wire::XmlWriter;

/// Instances one call may launch.
const LAUNCH_MAX: i64 = 100;
/// User data, in base 64.
const USER_DATA_CHARS_MAX: usize = 21_848;

/// Tags given at launch for the instance: `TagSpecification.N.ResourceType=instance`, `….Tag.M.Key`.
fn launch_tags(ctx: &Ctx<'_>) -> Result<Vec<Tag>, ApiError> {
    let mut tags = vec![];
    for specification in ctx.call.params.structures("TagSpecification") {
        if specification.get("ResourceType").map(String::as_str) != Some("instance") {
            continue;
        }
        for number in 1.. {
            let Some(key) = specification.get(&format!("Tag.{number}.Key")) else {
                break;
            };
            let value = specification
                .get(&format!("Tag.{number}.Value"))
                .cloned()
                .unwrap_or_default();
            tags.push(Tag {
                key: key.clone(),
                value,
            });
        }
    }
    names::check_tags(&tags)?;
    Ok(tags)
}

pub(super) fn run_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let tags = launch_tags(ctx)?;
    let instance_type = ctx.param("InstanceType").unwrap_or("m1.small");
    let mut on_instances =
        ActionOn::new("ec2:RunInstances", instance_arn(ctx, "*")).with("ec2:InstanceType", instance_type);
    let profile = named_profile(ctx)?;
    if let Some(profile) = profile {
        on_instances = on_instances.with("ec2:InstanceProfile", profile_arn(ctx.account.id(), profile));
    }
    if let Some(tokens) = ctx.param("MetadataOptions.HttpTokens") {
        on_instances = on_instances.with("ec2:MetadataHttpTokens", tokens);
    }
    let image = Arn::aws(
        "ec2",
        &ctx.env.region,
        "",
        &format!("image/{}", ctx.required("ImageId")?),
    );
    let mut actions = vec![
        with_request_tags(on_instances, &tags),
        ActionOn::new("ec2:RunInstances", image.to_string()),
    ];
    if !tags.is_empty() {
        let tagging =
            ActionOn::new("ec2:CreateTags", instance_arn(ctx, "*")).with("ec2:CreateAction", "RunInstances");
        actions.push(with_request_tags(tagging, &tags));
        if super::tags::decide_something(&tags) {
            let resource = instance_arn(ctx, "*");
            actions.push(ActionOn::new("ec2:ModifyInstanceAttribute", resource));
        }
    }
    actions.extend(pass_roles(ctx, profile));
    Ok(Requirement::Actions(actions))
}

pub(super) fn run(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let count = |name: &str| -> Result<i64, ApiError> {
        ctx.required(name)?.parse().map_err(|_| {
            ApiError::new(
                "InvalidParameterValue",
                400,
                format!("Value for parameter {name} is invalid."),
            )
        })
    };
    let (least, most) = (count("MinCount")?, count("MaxCount")?);
    if !(1..=LAUNCH_MAX).contains(&most) || !(1..=most).contains(&least) {
        return Err(ApiError::new(
            "InvalidParameterValue",
            400,
            format!(
                "MinCount and MaxCount must lie between 1 and {LAUNCH_MAX}, MinCount not above MaxCount."
            ),
        ));
    }
    let user_data = ctx.param("UserData").map(str::to_owned);
    if user_data
        .as_ref()
        .is_some_and(|data| data.len() > USER_DATA_CHARS_MAX)
    {
        return Err(ApiError::new(
            "InvalidParameterValue",
            400,
            "User data is limited to 16384 bytes",
        ));
    }
    let client_token = ctx.param("ClientToken").map(str::to_owned);
    if client_token.is_some() {
        // The same token again: the same instances, not new ones.
        let earlier: Vec<&Instance> = ctx
            .account
            .instances
            .values()
            .map(|i| &**i)
            .filter(|i| i.client_token == client_token)
            .collect();
        if !earlier.is_empty() {
            let mut xml = XmlWriter::new();
            reservation_xml(ctx, &mut xml, &earlier);
            return Outcome::read(xml);
        }
    }
    let profile = named_profile(ctx)?;
    let entropy = &*ctx.env.entropy;
    let reservation_id = format!("r-{}", random_hex(entropy, 17));
    let launched: Vec<Instance> = (0..most)
        .map(|_| Instance {
            id: instance_id(entropy),
            account: ctx.account.id(),
            image_id: ctx.param("ImageId").unwrap_or_default().to_owned(),
            instance_type: ctx.param("InstanceType").unwrap_or("m1.small").to_owned(),
            state: InstanceState::Running,
            launched: ctx.call.now,
            terminated: None,
            private_ip: ctx.env.machine.private_ip.clone(),
            networks: ctx.env.machine.networks.clone(),
            binding: hallpass_session::BindingMode::Enforce,
            profile: profile.map(|profile| profile.name.clone()),
            association_id: profile.map(|_| format!("iip-assoc-{}", random_hex(entropy, 17))),
            reservation_id: reservation_id.clone(),
            user_data: user_data.clone(),
            client_token: client_token.clone(),
            tags: launch_tags(ctx).unwrap_or_default(),
            metadata_options: metadata_options(ctx, "MetadataOptions.", MetadataOptions::default()),
            revoked_before: None,
            node: None,
        })
        .collect();
    let ops = launched
        .iter()
        .map(|instance| put_instance(ctx, instance))
        .collect();
    let mut xml = XmlWriter::new();
    reservation_xml(ctx, &mut xml, &launched.iter().collect::<Vec<_>>());
    let ids = launched
        .iter()
        .map(|instance| instance.id.as_str())
        .collect::<Vec<_>>()
        .join(",");
    Ok(Outcome::made(xml, ops)?.noting("instanceIds", ids))
}

pub(super) fn terminate(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut ops = vec![];
    let mut changed = vec![];
    for id in named_ids(ctx) {
        let mut next = Instance::clone(instance(ctx, id)?);
        let before = next.state;
        if before == InstanceState::Running {
            next.state = InstanceState::Terminated;
            next.terminated = Some(ctx.call.now);
            next.association_id = None;
            ops.push(put_instance(ctx, &next));
        }
        changed.push((id.to_owned(), before));
    }
    let mut xml = XmlWriter::new();
    xml.list("instancesSet", "item", changed, |xml, (id, before)| {
        xml.text("instanceId", id);
        state_xml(xml, "currentState", InstanceState::Terminated);
        state_xml(xml, "previousState", before);
    });
    Outcome::made(xml, ops)
}
