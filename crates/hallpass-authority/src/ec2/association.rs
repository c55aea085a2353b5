//! Which profile an instance has, and changing it while it runs.

use super::xml::profile_xml;
use super::{
    action, instance, instance_arn, named_profile, on_instance, pass_roles, put_instance, unknown_filter,
};
use crate::ApiError;
use crate::call::{Ctx, Outcome, Requirement};
use crate::entity::{Instance, InstanceProfile, InstanceState};
use hallpass_access::ActionOn;
use hallpass_session::random_hex;
use hallpass_wire::XmlWriter;
use std::sync::Arc;

pub(super) fn associate_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
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

pub(super) fn association_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let on = match associated(ctx) {
        Ok(instance) => on_instance(ctx, &instance.id),
        // Authorized on all instances, so that who may touch none cannot probe for associations.
        Err(_) => ActionOn::new(action(ctx), instance_arn(ctx, "*")),
    };
    Ok(Requirement::Actions(vec![on]))
}

pub(super) fn replace_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
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

pub(super) fn associate(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
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

pub(super) fn disassociate(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut next = Instance::clone(associated(ctx)?);
    let mut xml = XmlWriter::new();
    xml.element("iamInstanceProfileAssociation", |xml| {
        association_xml(ctx, xml, &next, "disassociating")
    });
    next.profile = None;
    next.association_id = None;
    Outcome::made(xml, vec![put_instance(ctx, &next)])
}

pub(super) fn replace(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut next = Instance::clone(associated(ctx)?);
    next.profile = Some(required_profile(ctx)?.name.clone());
    next.association_id = Some(format!("iip-assoc-{}", random_hex(&*ctx.env.entropy, 17)));
    let mut xml = XmlWriter::new();
    xml.element("iamInstanceProfileAssociation", |xml| {
        association_xml(ctx, xml, &next, "associating")
    });
    Outcome::made(xml, vec![put_instance(ctx, &next)])
}

pub(super) fn describe_associations(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
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
