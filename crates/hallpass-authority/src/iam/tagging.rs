//! Tags of whatever has some: the same three actions for each kind.

use super::tags_xml;
use crate::call::{Ctx, Outcome, page_end, with_request_tags};
use crate::{ApiError, names};
use hallpass_access::ActionOn;
use hallpass_session::Tag;
use hallpass_store::Op;
use hallpass_wire::XmlWriter;

/// `action` with the condition keys of the tags, or of the tag keys, that the request names.
pub(super) fn on_request(ctx: &Ctx<'_>, action: ActionOn) -> Result<ActionOn, ApiError> {
    let keys = ctx.call.params.list("TagKeys");
    if !keys.is_empty() {
        let keys = keys.into_iter().map(str::to_owned).collect();
        return Ok(action.with_many("aws:TagKeys", keys));
    }
    Ok(with_request_tags(action, &names::tags(&ctx.call.params)?))
}

/// Adds the request's tags to an entity.
pub(super) fn tag<E>(
    ctx: &Ctx<'_>,
    mut entity: E,
    tags: fn(&mut E) -> &mut Vec<Tag>,
    put: fn(&Ctx<'_>, &E) -> Op,
) -> Result<Outcome, ApiError> {
    names::merge_tags(tags(&mut entity), names::tags(&ctx.call.params)?)?;
    Outcome::wrote(vec![put(ctx, &entity)])
}

/// Takes the request's tag keys from an entity; those it has not are no error.
pub(super) fn untag<E>(
    ctx: &Ctx<'_>,
    mut entity: E,
    tags: fn(&mut E) -> &mut Vec<Tag>,
    put: fn(&Ctx<'_>, &E) -> Op,
) -> Result<Outcome, ApiError> {
    let keys = ctx.call.params.list("TagKeys");
    tags(&mut entity).retain(|tag| !keys.iter().any(|key| key.eq_ignore_ascii_case(&tag.key)));
    Outcome::wrote(vec![put(ctx, &entity)])
}

/// A page of an entity's tags, by key.
pub(super) fn list(ctx: &Ctx<'_>, tags: &[Tag]) -> Result<Outcome, ApiError> {
    let mut tags = tags.to_vec();
    tags.sort_by(|left, right| left.key.cmp(&right.key));
    let (tags, marker) = ctx.page(tags, |tag| tag.key.clone())?;
    let mut xml = XmlWriter::new();
    tags_xml(&mut xml, &tags);
    page_end(&mut xml, marker);
    Outcome::read(xml)
}
