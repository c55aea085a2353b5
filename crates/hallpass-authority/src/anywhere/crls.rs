//! Certificate revocation lists, as their authorities publish them. They are imported; nothing is fetched.

use super::thing::{self, Thing, answer, changed, found, kept, new_head, rename};
use super::{Asked, Planned, chain, id_of, invalid, not_found};
use crate::ApiError;
use crate::account::AccountState;
use crate::entity::{Crl, Head, TrustAnchor};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of the service's model, decoded.
const DATA_BYTES_MAX: usize = 300_000;
/// All of them are asked for each session.
const PER_ANCHOR_MAX: usize = 10;

impl Thing for Crl {
    const KIND: &'static str = "crl";
    const RESOURCE: &'static str = "crl";
    const MEMBERS: (&'static str, &'static str) = ("crl", "crls");
    const COUNT_MAX: usize = 100;

    fn all(account: &AccountState) -> &BTreeMap<String, Arc<Self>> {
        &account.anywhere.crls
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    fn json(&self, asked: &Asked<'_>) -> Value {
        let mut told = thing::head_json(asked, self);
        told["crlData"] = json!(self.data);
        told["trustAnchorArn"] = json!(self.trust_anchor);
        told
    }
}

/// The list of the request, if it gives one.
fn data(asked: &Asked<'_>) -> Result<Option<String>, ApiError> {
    let Some(text) = asked.text("crlData")? else {
        return Ok(None);
    };
    let bytes = STANDARD
        .decode(text)
        .map_err(|_| invalid("crlData must be base 64."))?;
    if bytes.len() > DATA_BYTES_MAX {
        return Err(invalid(format!("crlData has at most {DATA_BYTES_MAX} bytes.")));
    }
    chain::check_crl(&bytes).map_err(invalid)?;
    Ok(Some(text.to_owned()))
}

pub(super) fn import(asked: &Asked<'_>) -> Planned {
    let arn = asked.required("trustAnchorArn")?;
    let own = &asked.account.anywhere;
    let account = asked.account.id();
    id_of(asked.env, account.as_str(), arn, TrustAnchor::RESOURCE)
        .filter(|id| own.trust_anchors.contains_key(id))
        .ok_or_else(|| not_found("There is no such trust anchor."))?;
    let of_anchor = own.crls.values().filter(|crl| crl.trust_anchor == arn);
    if of_anchor.count() >= PER_ANCHOR_MAX {
        return Err(invalid(format!(
            "The trust anchor has {PER_ANCHOR_MAX} revocation lists already."
        )));
    }
    let made = Crl {
        head: new_head::<Crl>(asked)?,
        trust_anchor: arn.to_owned(),
        data: data(asked)?.ok_or_else(|| invalid("crlData must be given."))?,
    };
    Ok(((201, answer(asked, &made)), vec![kept(asked, &made)]))
}

pub(super) fn update(asked: &Asked<'_>) -> Planned {
    let mut crl = Crl::clone(found::<Crl>(asked)?);
    rename(asked, &mut crl.head)?;
    if let Some(data) = data(asked)? {
        crl.data = data;
    }
    changed(asked, crl)
}
