//! Tags of trust anchors, profiles and revocation lists.

use super::thing::{Thing, tagged};
use super::{Asked, Planned, as_invalid, done, id_of, invalid, not_found, read};
use crate::entity::{AnywhereProfile, Crl, TrustAnchor};
use crate::{ApiError, names};
use hallpass_session::Tag;
use hallpass_store::Op;
use serde_json::json;
use std::sync::Arc;

const TAG_KEYS_MAX: usize = 200;

/// The tags of a request; none when it gives none.
pub(super) fn given(asked: &Asked<'_>) -> Result<Vec<Tag>, ApiError> {
    let bad = || invalid("tags must be a list of keys and values.");
    let value = &asked.input["tags"];
    if value.is_null() {
        return Ok(vec![]);
    }
    let mut tags = vec![];
    for tag in value.as_array().ok_or_else(bad)? {
        tags.push(Tag {
            key: tag["key"].as_str().ok_or_else(bad)?.to_owned(),
            value: tag["value"].as_str().ok_or_else(bad)?.to_owned(),
        });
    }
    names::check_tags(&tags).map_err(as_invalid)?;
    Ok(tags)
}

/// The resource that an ARN names.
enum Named<'a> {
    Anchor(&'a Arc<TrustAnchor>),
    Profile(&'a Arc<AnywhereProfile>),
    Crl(&'a Arc<Crl>),
}

impl<'a> Named<'a> {
    fn of(asked: &Asked<'a>) -> Result<Self, ApiError> {
        let arn = asked.required("resourceArn")?;
        let own = &asked.account.anywhere;
        let account = asked.account.id();
        let id = |resource| id_of(asked.env, account.as_str(), arn, resource);
        let anchor = id(TrustAnchor::RESOURCE).and_then(|id| own.trust_anchors.get(&id).map(Self::Anchor));
        let profile =
            || id(AnywhereProfile::RESOURCE).and_then(|id| own.profiles.get(&id).map(Self::Profile));
        let crl = || id(Crl::RESOURCE).and_then(|id| own.crls.get(&id).map(Self::Crl));
        let found = anchor.or_else(profile).or_else(crl);
        found.ok_or_else(|| not_found("There is no such resource."))
    }

    fn tags(&self) -> &[Tag] {
        match self {
            Self::Anchor(thing) => &thing.head.tags,
            Self::Profile(thing) => &thing.head.tags,
            Self::Crl(thing) => &thing.head.tags,
        }
    }

    fn with(&self, asked: &Asked<'_>, tags: Vec<Tag>) -> Op {
        match self {
            Self::Anchor(thing) => tagged(asked, thing.as_ref(), tags),
            Self::Profile(thing) => tagged(asked, thing.as_ref(), tags),
            Self::Crl(thing) => tagged(asked, thing.as_ref(), tags),
        }
    }
}

pub(super) fn tag(asked: &Asked<'_>) -> Planned {
    let named = Named::of(asked)?;
    let mut tags = named.tags().to_vec();
    let too_many = |error: ApiError| match error.code {
        "LimitExceeded" => ApiError::new("TooManyTagsException", 400, error.message),
        _ => as_invalid(error),
    };
    names::merge_tags(&mut tags, given(asked)?).map_err(too_many)?;
    done(201, vec![named.with(asked, tags)])
}

pub(super) fn untag(asked: &Asked<'_>) -> Planned {
    let named = Named::of(asked)?;
    let keys = asked.texts("tagKeys", TAG_KEYS_MAX)?;
    let keys = keys.ok_or_else(|| invalid("tagKeys must be given."))?;
    let mut tags = named.tags().to_vec();
    tags.retain(|tag| !keys.contains(&tag.key));
    done(200, vec![named.with(asked, tags)])
}

pub(super) fn list(asked: &Asked<'_>) -> Planned {
    let named = Named::of(asked)?;
    let tags: Vec<_> = named
        .tags()
        .iter()
        .map(|tag| json!({ "key": tag.key, "value": tag.value }))
        .collect();
    read(json!({ "tags": tags }))
}
