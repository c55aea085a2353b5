//! Telling of instances, with filters.

use super::xml::reservation_xml;
use super::{instance, unknown_filter};
use crate::ApiError;
use crate::account::profile_arn;
use crate::call::{Ctx, Outcome};
use crate::entity::{Instance, InstanceState};
use hallpass_wire::XmlWriter;
use std::collections::BTreeMap;

pub(super) fn describe(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
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
