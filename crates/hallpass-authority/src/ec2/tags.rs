//! Tags of instances.

use super::{instance, on_instance, put_instance, unknown_filter};
use crate::call::{Ctx, Outcome, Requirement, with_request_tags};
use crate::entity::{DECIDING_TAGS, Instance};
use crate::{ApiError, names};
use hallpass_access::ActionOn;
use hallpass_session::Tag;
use hallpass_wire::XmlWriter;
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn tags_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let tags = request_tags(ctx);
    let ids = ctx.call.params.list("ResourceId");
    if ids.is_empty() {
        ctx.required("ResourceId.1")?;
    }
    let mut actions = vec![];
    for id in ids {
        let tagging = with_request_tags(on_instance(ctx, id), &tags);
        let resource = tagging.resource.clone();
        actions.push(tagging);
        if decide_something(&tags) {
            actions.push(ActionOn::new("ec2:ModifyInstanceAttribute", resource));
        }
    }
    Ok(Requirement::Actions(actions))
}

/// Whether some of these tags are read by Hallpass itself: tagging alone must not change where sessions may be used.
pub(super) fn decide_something(tags: &[Tag]) -> bool {
    tags.iter().any(|tag| tag.key.starts_with(DECIDING_TAGS))
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

fn change_tags(
    ctx: &Ctx<'_>,
    change: impl Fn(&mut Vec<Tag>) -> Result<(), ApiError>,
) -> Result<Outcome, ApiError> {
    let mut ops = vec![];
    // A resource that is named twice is written once.
    for id in BTreeSet::from_iter(ctx.call.params.list("ResourceId")) {
        let mut next = Instance::clone(instance(ctx, id)?);
        change(&mut next.tags)?;
        ops.push(put_instance(ctx, &next));
    }
    let mut xml = XmlWriter::new();
    xml.text("return", "true");
    Outcome::made(xml, ops)
}

pub(super) fn create_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    change_tags(ctx, |tags| names::merge_tags(tags, request_tags(ctx)))
}

/// A tag that is named with a value goes only if it has that value; without any named, all go but those that decide
/// something here (EC2 API reference, DeleteTags).
pub(super) fn delete_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let named = ctx.call.params.structures("Tag");
    let is_named = |tag: &Tag| {
        named.iter().any(|one| {
            one.get("Key") == Some(&tag.key) && one.get("Value").is_none_or(|value| *value == tag.value)
        })
    };
    change_tags(ctx, |tags| {
        tags.retain(|tag| match named.is_empty() {
            true => tag.key.starts_with(DECIDING_TAGS),
            false => !is_named(tag),
        });
        Ok(())
    })
}

pub(super) fn describe_tags(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
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
