//! The part of EC2 that brings a role to a machine: instances, their profiles, tags and metadata options.

use crate::account::profile_arn;
use crate::call::{Action, Ctx, Outcome, Requirement, Service, with_request_tags, with_resource_tags};
use crate::entity::{Instance, InstanceProfile, InstanceState, MetadataOptions};
use crate::iam::pass_role;
use crate::state::{key, put};
use crate::{ApiError, names};
use hallpass_access::ActionOn;
use hallpass_session::{Tag, instance_id, random_hex};
use hallpass_types::Arn;
use hallpass_wire::XmlWriter;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Instances one call may launch.
const LAUNCH_MAX: i64 = 100;
/// User data, in base 64.
const USER_DATA_CHARS_MAX: usize = 21_848;

macro_rules! actions {
    ($($name:literal => $requirement:expr, $run:expr;)*) => {
        &[$(Action { service: Service::Ec2, name: $name, requirement: $requirement, run: $run },)*]
    };
}

pub(crate) const ACTIONS: &[Action] = actions! {
    "RunInstances" => run_requirement, |ctx| dry_run(ctx).and_then(|()| run(ctx));
    "DescribeInstances" => describe_requirement, |ctx| dry_run(ctx).and_then(|()| describe(ctx));
    "TerminateInstances" => instances_requirement, |ctx| dry_run(ctx).and_then(|()| terminate(ctx));
    "AssociateIamInstanceProfile" => associate_requirement, associate;
    "DisassociateIamInstanceProfile" => association_requirement, disassociate;
    "ReplaceIamInstanceProfileAssociation" => replace_requirement, replace;
    "DescribeIamInstanceProfileAssociations" => describe_requirement, describe_associations;
    "ModifyInstanceMetadataOptions" => instances_requirement, modify_metadata_options;
    "CreateTags" => tags_requirement, create_tags;
    "DeleteTags" => tags_requirement, delete_tags;
    "DescribeTags" => describe_requirement, describe_tags;
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

fn tags_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let tags = request_tags(ctx);
    let ids = ctx.call.params.list("ResourceId");
    if ids.is_empty() {
        ctx.required("ResourceId.1")?;
    }
    Ok(Requirement::Actions(
        ids.into_iter()
            .map(|id| with_request_tags(on_instance(ctx, id), &tags))
            .collect(),
    ))
}

fn request_tags(ctx: &Ctx<'_>) -> Vec<Tag> {
    let field = |tag: &mut BTreeMap<String, String>, name| tag.remove(name).unwrap_or_default();
    let tags = ctx.call.params.structures("Tag").into_iter();
    tags.map(|mut tag| Tag {
        key: field(&mut tag, "Key"),
        value: field(&mut tag, "Value"),
    })
    .collect()
}

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

fn run_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
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
    }
    actions.extend(pass_roles(ctx, profile));
    Ok(Requirement::Actions(actions))
}

fn run(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
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

fn reservation_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, instances: &[&Instance]) {
    let reservation = instances
        .first()
        .map(|instance| instance.reservation_id.as_str())
        .unwrap_or_default();
    xml.text("reservationId", reservation)
        .text("ownerId", ctx.account.id().as_str());
    xml.element("groupSet", |_| {});
    xml.list("instancesSet", "item", instances, |xml, instance| {
        instance_xml(ctx, xml, instance)
    });
}

fn state_xml(xml: &mut XmlWriter, name: &str, state: InstanceState) {
    let (code, text) = match state {
        InstanceState::Running => ("16", "running"),
        InstanceState::Terminated => ("48", "terminated"),
    };
    xml.element(name, |xml| {
        xml.text("code", code).text("name", text);
    });
}

fn profile_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, instance: &Instance) {
    if let Some(profile) = instance
        .profile
        .as_deref()
        .and_then(|name| ctx.account.profile(name))
    {
        xml.element("iamInstanceProfile", |xml| {
            xml.text("arn", profile_arn(ctx.account.id(), profile))
                .text("id", &profile.id);
        });
    }
}

fn instance_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, instance: &Instance) {
    xml.text("instanceId", &instance.id)
        .text("imageId", &instance.image_id);
    state_xml(xml, "instanceState", instance.state);
    xml.text("privateDnsName", "")
        .text("dnsName", "")
        .text("reason", "")
        .text("amiLaunchIndex", "0");
    xml.element("productCodes", |_| {});
    xml.text("instanceType", &instance.instance_type)
        .text("launchTime", instance.launched.iso8601());
    xml.element("placement", |xml| {
        xml.text("availabilityZone", format!("{}a", ctx.env.region))
            .text("groupName", "")
            .text("tenancy", "default");
    });
    xml.element("monitoring", |xml| {
        xml.text("state", "disabled");
    });
    if instance.state == InstanceState::Running {
        xml.text("privateIpAddress", &instance.private_ip);
    }
    xml.element("groupSet", |_| {});
    xml.text("architecture", "x86_64")
        .text("rootDeviceType", "ebs")
        .text("rootDeviceName", "/dev/xvda");
    xml.element("blockDeviceMapping", |_| {});
    xml.text("virtualizationType", "hvm")
        .optional("clientToken", instance.client_token.as_deref());
    tag_set_xml(xml, &instance.tags);
    profile_xml(ctx, xml, instance);
    xml.element("metadataOptions", |xml| {
        metadata_options_xml(xml, &instance.metadata_options);
    });
}

fn tag_set_xml(xml: &mut XmlWriter, tags: &[Tag]) {
    xml.list("tagSet", "item", tags, |xml, tag| {
        xml.text("key", &tag.key).text("value", &tag.value);
    });
}

fn metadata_options_xml(xml: &mut XmlWriter, options: &MetadataOptions) {
    let switch = |on: bool| if on { "enabled" } else { "disabled" };
    xml.text("state", "applied")
        .text(
            "httpTokens",
            if options.http_tokens_required {
                "required"
            } else {
                "optional"
            },
        )
        .text("httpPutResponseHopLimit", options.hop_limit.to_string())
        .text("httpEndpoint", switch(options.http_endpoint_enabled))
        .text("instanceMetadataTags", switch(options.instance_tags));
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

fn describe(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let ids = ctx.call.params.list("InstanceId");
    for id in &ids {
        instance(ctx, id)?;
    }
    let mut reservations: BTreeMap<&str, Vec<&Instance>> = BTreeMap::new();
    for instance in ctx.account.instances.values() {
        let named = ids.is_empty() || ids.contains(&instance.id.as_str());
        if named && passes_filters(ctx, instance)? {
            reservations
                .entry(&instance.reservation_id)
                .or_default()
                .push(instance);
        }
    }
    let mut xml = XmlWriter::new();
    xml.list(
        "reservationSet",
        "item",
        reservations.values(),
        |xml, instances| reservation_xml(ctx, xml, instances),
    );
    Outcome::read(xml)
}

fn passes_filters(ctx: &Ctx<'_>, instance: &Instance) -> Result<bool, ApiError> {
    for filter in ctx.call.params.structures("Filter") {
        let name = filter.get("Name").map(String::as_str).unwrap_or_default();
        let values: Vec<&str> = filter
            .iter()
            .filter(|(key, _)| key.starts_with("Value."))
            .map(|(_, value)| value.as_str())
            .collect();
        let own: Vec<String> = match name {
            "instance-id" => vec![instance.id.clone()],
            "image-id" => vec![instance.image_id.clone()],
            "instance-type" => vec![instance.instance_type.clone()],
            "reservation-id" => vec![instance.reservation_id.clone()],
            "private-ip-address" => vec![instance.private_ip.clone()],
            "client-token" => instance.client_token.iter().cloned().collect(),
            "instance-state-name" => vec![match instance.state {
                InstanceState::Running => "running".to_owned(),
                InstanceState::Terminated => "terminated".to_owned(),
            }],
            "iam-instance-profile.arn" => instance
                .profile
                .as_deref()
                .and_then(|name| ctx.account.profile(name))
                .map(|profile| profile_arn(ctx.account.id(), profile))
                .into_iter()
                .collect(),
            "iam-instance-profile.name" => instance.profile.iter().cloned().collect(),
            "tag-key" => instance.tags.iter().map(|tag| tag.key.clone()).collect(),
            _ => match name.strip_prefix("tag:") {
                Some(key) => instance
                    .tags
                    .iter()
                    .filter(|tag| tag.key == key)
                    .map(|tag| tag.value.clone())
                    .collect(),
                None => {
                    return Err(unknown_filter(name));
                }
            },
        };
        if !own.iter().any(|own| values.contains(&own.as_str())) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn terminate(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
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

fn associate_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let id = ctx.required("InstanceId")?;
    let mut actions = vec![on_instance(ctx, id)];
    actions.extend(pass_roles(ctx, named_profile(ctx)?));
    Ok(Requirement::Actions(actions))
}

fn associated<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<Instance>, ApiError> {
    let id = ctx.required("AssociationId")?;
    ctx.account
        .instances
        .values()
        .find(|instance| instance.association_id.as_deref() == Some(id))
        .ok_or_else(|| {
            ApiError::new(
                "InvalidAssociationID.NotFound",
                400,
                format!("An invalid association-id of '{id}' was given"),
            )
        })
}

fn association_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let on = match associated(ctx) {
        Ok(instance) => on_instance(ctx, &instance.id),
        // Authorized on all instances, so that who may touch none cannot probe for associations.
        Err(_) => ActionOn::new(action(ctx), instance_arn(ctx, "*")),
    };
    Ok(Requirement::Actions(vec![on]))
}

fn replace_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let Requirement::Actions(mut actions) = association_requirement(ctx)? else {
        return association_requirement(ctx);
    };
    actions.extend(pass_roles(ctx, named_profile(ctx)?));
    Ok(Requirement::Actions(actions))
}

fn association_xml(ctx: &Ctx<'_>, xml: &mut XmlWriter, instance: &Instance, state: &str) {
    xml.text(
        "associationId",
        instance.association_id.as_deref().unwrap_or_default(),
    )
    .text("instanceId", &instance.id);
    profile_xml(ctx, xml, instance);
    xml.text("state", state).text("timestamp", ctx.call.now.iso8601());
}

fn required_profile<'a>(ctx: &'a Ctx<'_>) -> Result<&'a Arc<InstanceProfile>, ApiError> {
    named_profile(ctx)?.ok_or_else(|| {
        ApiError::new(
            "MissingParameter",
            400,
            "The request must contain the parameter IamInstanceProfile",
        )
    })
}

fn associate(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut next = Instance::clone(instance(ctx, ctx.required("InstanceId")?)?);
    let profile = required_profile(ctx)?;
    if next.state != InstanceState::Running {
        return Err(incorrect_state(
            &next.id,
            "The instance is not in the 'running' state",
        ));
    }
    if next.profile.is_some() {
        return Err(incorrect_state(
            &next.id,
            "There is an existing association for instance",
        ));
    }
    next.profile = Some(profile.name.clone());
    next.association_id = Some(format!("iip-assoc-{}", random_hex(&*ctx.env.entropy, 17)));
    let mut xml = XmlWriter::new();
    xml.element("iamInstanceProfileAssociation", |xml| {
        association_xml(ctx, xml, &next, "associating")
    });
    Outcome::made(xml, vec![put_instance(ctx, &next)])
}

fn incorrect_state(id: &str, why: &str) -> ApiError {
    ApiError::new("IncorrectState", 400, format!("{why} {id}"))
}

fn disassociate(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut next = Instance::clone(associated(ctx)?);
    let mut xml = XmlWriter::new();
    xml.element("iamInstanceProfileAssociation", |xml| {
        association_xml(ctx, xml, &next, "disassociating")
    });
    next.profile = None;
    next.association_id = None;
    Outcome::made(xml, vec![put_instance(ctx, &next)])
}

fn replace(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut next = Instance::clone(associated(ctx)?);
    next.profile = Some(required_profile(ctx)?.name.clone());
    next.association_id = Some(format!("iip-assoc-{}", random_hex(&*ctx.env.entropy, 17)));
    let mut xml = XmlWriter::new();
    xml.element("iamInstanceProfileAssociation", |xml| {
        association_xml(ctx, xml, &next, "associating")
    });
    Outcome::made(xml, vec![put_instance(ctx, &next)])
}

fn describe_associations(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let ids = ctx.call.params.list("AssociationId");
    let mut wanted_instances: Vec<String> = vec![];
    for filter in ctx.call.params.structures("Filter") {
        match filter.get("Name").map(String::as_str) {
            Some("instance-id") => {
                wanted_instances.extend(
                    filter
                        .iter()
                        .filter(|(key, _)| key.starts_with("Value."))
                        .map(|(_, id)| id.clone()),
                );
            }
            Some("state") => {}
            other => {
                return Err(unknown_filter(other.unwrap_or_default()));
            }
        }
    }
    let found = ctx.account.instances.values().filter(|instance| {
        let Some(association) = instance.association_id.as_deref() else {
            return false;
        };
        (ids.is_empty() || ids.contains(&association))
            && (wanted_instances.is_empty() || wanted_instances.contains(&instance.id))
    });
    let mut xml = XmlWriter::new();
    xml.list(
        "iamInstanceProfileAssociationSet",
        "item",
        found,
        |xml, instance| {
            association_xml(ctx, xml, instance, "associated");
        },
    );
    Outcome::read(xml)
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

fn change_tags(
    ctx: &Ctx<'_>,
    change: impl Fn(&mut Vec<Tag>) -> Result<(), ApiError>,
) -> Result<Outcome, ApiError> {
    let mut ops = vec![];
    for id in ctx.call.params.list("ResourceId") {
        let mut next = Instance::clone(instance(ctx, id)?);
        change(&mut next.tags)?;
        ops.push(put_instance(ctx, &next));
    }
    let mut xml = XmlWriter::new();
    xml.text("return", "true");
    Outcome::made(xml, ops)
}

fn create_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    change_tags(ctx, |tags| names::merge_tags(tags, request_tags(ctx)))
}

fn delete_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let gone = request_tags(ctx);
    change_tags(ctx, |tags| {
        tags.retain(|tag| !gone.iter().any(|gone| gone.key == tag.key));
        Ok(())
    })
}

fn describe_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut found = vec![];
    for instance in ctx.account.instances.values() {
        for tag in &instance.tags {
            if tag_passes_filters(ctx, instance, tag)? {
                found.push((instance, tag));
            }
        }
    }
    let mut xml = XmlWriter::new();
    xml.list("tagSet", "item", found, |xml, (instance, tag)| {
        xml.text("resourceId", &instance.id)
            .text("resourceType", "instance")
            .text("key", &tag.key)
            .text("value", &tag.value);
    });
    Outcome::read(xml)
}

fn tag_passes_filters(ctx: &Ctx<'_>, instance: &Instance, tag: &Tag) -> Result<bool, ApiError> {
    for filter in ctx.call.params.structures("Filter") {
        let name = filter.get("Name").map(String::as_str).unwrap_or_default();
        let own = match name {
            "resource-id" => instance.id.as_str(),
            "resource-type" => "instance",
            "key" | "tag-key" => &tag.key,
            "value" | "tag-value" => &tag.value,
            _ => match name.strip_prefix("tag:") {
                Some(key) if key == tag.key => &tag.value,
                // Another tag than the one asked for.
                Some(_) => return Ok(false),
                None => return Err(unknown_filter(name)),
            },
        };
        let mut values = filter.iter().filter(|(key, _)| key.starts_with("Value."));
        if !values.any(|(_, value)| value == own) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn unknown_filter(name: &str) -> ApiError {
    ApiError::new(
        "InvalidParameterValue",
        400,
        format!("The filter '{name}' is invalid"),
    )
}
