//! The engine decides as the slow reference, and the index as the scan.
#![no_main]

use arbitrary::Unstructured;
use hallpass_fuzz::reference::{self, Asked, Documents};
use hallpass_fuzz::{ACCOUNT, OTHER, action, context, document, group, principal, resource};
use hallpass_policy::*;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let _ = run(&mut Unstructured::new(bytes));
});

fn some(bytes: &mut Unstructured<'_>, max: usize, with_principal: bool) -> arbitrary::Result<Vec<Value>> {
    let count = bytes.int_in_range(0..=max)?;
    (0..count)
        .map(|_| document(bytes, with_principal, false))
        .collect()
}

fn run(bytes: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let who = principal(bytes)?;
    let context = context(bytes, &who)?;
    let documents = Documents {
        trust: if bytes.ratio(1, 8)? {
            Some(document(bytes, true, true)?)
        } else {
            None
        },
        session: if bytes.ratio(1, 4)? {
            Some(some(bytes, 2, false)?)
        } else {
            None
        },
        boundary: if bytes.ratio(1, 4)? {
            Some(document(bytes, false, false)?)
        } else {
            None
        },
        service_control: if bytes.ratio(1, 4)? {
            Some(vec![some(bytes, 2, false)?])
        } else {
            None
        },
        resource_control: some(bytes, 1, true)?,
        resource: some(bytes, 2, true)?,
        identity: some(bytes, 4, false)?,
    };
    let stated = *bytes.choose(&[None, Some(ACCOUNT), Some(OTHER)])?;
    let action = if documents.trust.is_some() {
        "sts:AssumeRole".to_owned()
    } else {
        action(bytes)?
    };
    let resource = resource(bytes)?;
    let all = || {
        let one = |document: &Option<Value>, kind| match document {
            Some(document) => group(kind, std::slice::from_ref(document)).map(Some),
            None => Some(None),
        };
        let levels = match &documents.service_control {
            Some(levels) => Some(
                levels
                    .iter()
                    .map(|level| group(PolicyKind::ServiceControl, level))
                    .collect::<Option<Vec<_>>>()?,
            ),
            None => None,
        };
        let session = match &documents.session {
            Some(session) => Some(group(PolicyKind::Session, session)?),
            None => None,
        };
        Some((
            group(PolicyKind::Identity, &documents.identity)?,
            group(PolicyKind::Resource, &documents.resource)?,
            group(PolicyKind::ResourceControl, &documents.resource_control)?,
            one(&documents.boundary, PolicyKind::Boundary)?,
            one(&documents.trust, PolicyKind::Trust)?,
            session,
            levels,
        ))
    };
    let Some((identity, resources, control, boundary, trust, session, levels)) = all() else {
        return Ok(());
    };
    let set = PolicySet {
        identity: Some(&identity),
        resource: Some(&resources).filter(|group| !group.is_empty()),
        session: session.as_ref(),
        boundary: boundary.as_ref(),
        service_control: levels.as_deref(),
        resource_control: Some(&control),
    };
    let request = Request {
        principal: &who,
        action: &action,
        resource: &resource,
        resource_account: stated,
        context: &context,
    };
    let asked = Asked {
        principal: &who,
        action: &action,
        resource: &resource,
        resource_account: stated,
        context: &context,
    };
    let (fast, explained) = match &trust {
        Some(trust) => (
            evaluate_trust(&request, trust, &set),
            evaluate_trust_explained(&request, trust, &set).0,
        ),
        None => (evaluate(&request, &set), evaluate_explained(&request, &set).0),
    };
    assert_eq!(fast, explained);
    assert_eq!(
        fast.effect,
        reference::decide(&documents, &asked),
        "{action} on {resource} by {who:?} with {context:?}: {documents:?}"
    );
    Ok(())
}
