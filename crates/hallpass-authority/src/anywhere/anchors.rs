//! Trust anchors: whose certificates are believed.

use super::thing::{self, Thing, answer, changed, found, kept, new_head, rename};
use super::{Asked, Planned, chain, invalid};
use crate::ApiError;
use crate::account::AccountState;
use crate::entity::{Crl, Head, TrustAnchor};
use crate::state::key;
use hallpass_store::Op;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Of the service's model.
const CERTIFICATES_CHARS_MAX: usize = 204_800;

impl Thing for TrustAnchor {
    const KIND: &'static str = "trust-anchor";
    const RESOURCE: &'static str = "trust-anchor";
    const MEMBERS: (&'static str, &'static str) = ("trustAnchor", "trustAnchors");
    const COUNT_MAX: usize = 50;

    fn all(account: &AccountState) -> &BTreeMap<String, Arc<Self>> {
        &account.anywhere.trust_anchors
    }

    fn head(&self) -> &Head {
        &self.head
    }

    fn head_mut(&mut self) -> &mut Head {
        &mut self.head
    }

    fn json(&self, asked: &Asked<'_>) -> Value {
        let mut told = thing::head_json(asked, self);
        told["source"] = json!({
            "sourceType": "CERTIFICATE_BUNDLE",
            "sourceData": { "x509CertificateData": self.certificates },
        });
        told
    }
}

/// The certificates of the request, if it gives a source.
fn source(asked: &Asked<'_>) -> Result<Option<String>, ApiError> {
    let source = &asked.input["source"];
    if source.is_null() {
        return Ok(None);
    }
    match source["sourceType"].as_str() {
        Some("CERTIFICATE_BUNDLE") => {}
        Some(other) => {
            return Err(invalid(format!(
                "The source {other} does not exist here: only CERTIFICATE_BUNDLE does."
            )));
        }
        None => return Err(invalid("source.sourceType must be given.")),
    }
    let text = source["sourceData"]["x509CertificateData"]
        .as_str()
        .filter(|text| text.len() <= CERTIFICATES_CHARS_MAX)
        .ok_or_else(|| invalid("source.sourceData.x509CertificateData must be given, in PEM."))?;
    chain::check_anchor(text).map_err(invalid)?;
    Ok(Some(text.to_owned()))
}

pub(super) fn create(asked: &Asked<'_>) -> Planned {
    let made = TrustAnchor {
        certificates: source(asked)?.ok_or_else(|| invalid("source must be given."))?,
        head: new_head::<TrustAnchor>(asked)?,
    };
    Ok(((201, answer(asked, &made)), vec![kept(asked, &made)]))
}

pub(super) fn update(asked: &Asked<'_>) -> Planned {
    let mut anchor = TrustAnchor::clone(found::<TrustAnchor>(asked)?);
    rename(asked, &mut anchor.head)?;
    if let Some(certificates) = source(asked)? {
        anchor.certificates = certificates;
    }
    changed(asked, anchor)
}

/// With the revocation lists that are for it: nothing else could ever ask them.
pub(super) fn delete(asked: &Asked<'_>) -> Planned {
    let (answer, mut ops) = thing::delete::<TrustAnchor>(asked)?;
    let arn = asked.arn(TrustAnchor::RESOURCE, &found::<TrustAnchor>(asked)?.head.id);
    let lists = asked.account.anywhere.crls.values();
    let lists = lists.filter(|crl| crl.trust_anchor == arn);
    ops.extend(lists.map(|crl| Op::Delete(key(asked.account.id(), Crl::KIND, &crl.head.id))));
    Ok((answer, ops))
}
