//! Calls of other services than IAM, STS and EC2 that are served here: understood and authorized like those that pass.

use crate::{Authenticated, Connection, Facts, Gateway, Refusal, RequestHead, request_context};
use hallpass_access::{Permit, authorize};
use hallpass_apiroute::ApiRequest;
use hallpass_types::UnixSeconds;

/// Asks policy about a call whose body has been read. What it touches is in the region served and the caller's account.
///
/// # Errors
/// [`Refusal`]: denied, or the body is not what AWS's model says.
#[expect(
    clippy::too_many_arguments,
    reason = "the request's parts and what is filled on the way"
)]
pub fn permit(
    gateway: &Gateway,
    authenticated: &Authenticated,
    request: &mut ApiRequest,
    body: &[u8],
    head: &RequestHead,
    connection: Connection,
    now: UnixSeconds,
    facts: &mut Facts,
) -> Result<Permit, Refusal> {
    request.read_body(body).map_err(super::refused)?;
    facts.note_api(request);
    let caller = authenticated.caller();
    let (bundle, role_tags) = gateway.policies.policies_for(caller);
    let mut context = request_context(
        caller,
        Some(authenticated.verified()),
        head,
        connection,
        &gateway.config.networks,
        &role_tags,
        &gateway.region,
        now,
    );
    context.set("aws:ResourceAccount", caller.account.as_str());
    let actions = request.actions(&gateway.region, caller.account.as_str());
    facts.resources = actions.iter().map(|action| action.resource.clone()).collect();
    let permit = authorize(caller, actions, &context, &bundle)?;
    facts.note_permit(&permit);
    Ok(permit)
}
