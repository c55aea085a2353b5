//! One request to another service than S3, from authenticated to answered: `Authenticated` → `ApiRequest` → `Permit` →
//! `ApiForward`.

mod attributes;
mod leading_keys;
mod own;
mod resource_policy;

pub use leading_keys::TableKeys;
pub use own::permit;

use crate::{Authenticated, Connection, Facts, Gateway, Refusal, RequestHead, request_context};
use bytes::Bytes;
use hallpass_access::{ActionOn, authorize_on};
use hallpass_apiroute::{ApiHead, ApiRequest, route};
use hallpass_types::UnixSeconds;
use hallpass_upstream::{ApiBody, ApiForward, Body};
use std::time::Instant;

/// One request, as the front door hands it over: its body has been read, since the signature is over it, or proves itself
/// event by event.
pub struct Input {
    /// Proof of who sent it.
    pub authenticated: Authenticated,
    /// What it means, as far as the head tells.
    pub request: ApiRequest,
    /// What was signed, and what the upstream's request is made of.
    pub head: RequestHead,
    /// The body, of which the signature holds the hash, or the stream of events that it begins.
    pub body: ApiBody,
    /// How it reached us.
    pub connection: Connection,
    /// When.
    pub now: UnixSeconds,
    /// The id answered to the client.
    pub request_id: String,
}

/// Finds out what a request to `service` means.
///
/// # Errors
/// [`Refusal`] for what AWS's models do not know.
pub fn understand(service: &str, head: &RequestHead) -> Result<ApiRequest, Refusal> {
    let fields = head.fields();
    let head = ApiHead {
        service,
        method: head.method.as_str(),
        path: &head.path,
        query: head.query.as_deref(),
        headers: &fields,
    };
    route(&head).map_err(refused)
}

/// Serves one request.
///
/// # Errors
/// [`Refusal`]: no upstream, unknown request, denied, upstream failed.
pub async fn handle(
    gateway: &Gateway,
    input: Input,
    facts: &mut Facts,
) -> Result<http::Response<Body>, Refusal> {
    let Input {
        authenticated,
        mut request,
        head,
        body,
        connection,
        now,
        request_id,
    } = input;
    let (body, events) = match body {
        ApiBody::Whole(body) => (body, None),
        ApiBody::Events(events) => (Bytes::new(), Some(events)),
    };
    let caller = authenticated.caller();
    let service = request.service();
    // A signature of version 4a is for a set of regions, in which ours is.
    let region = Some(authenticated.verified().scope().region()).filter(|region| !region.is_empty());
    let region = region.unwrap_or(&gateway.region).to_owned();
    request.read_body(&body).map_err(refused)?;
    facts.note_api(&request);
    let Some(upstream) = gateway.upstream_for_api(service, caller) else {
        return Err(not_served(service));
    };
    facts.upstream = Some(upstream.name().to_owned());

    // Where the resource is: the region the request will be signed for.
    let region = upstream.region().map_or(region, str::to_owned);
    let number = upstream.account().unwrap_or(gateway.account);
    let (bundle, role_tags) = gateway.policies.policies_for(caller);
    let mut context = request_context(
        caller,
        Some(authenticated.verified()),
        &head,
        connection,
        &gateway.config.networks,
        &role_tags,
        &region,
        now,
    );
    context.set("aws:ResourceAccount", number.as_str());
    let mut actions = request.actions(&region, number.as_str());
    actions.extend(resource_policy::besides(&request, &body, &actions));
    for action in &mut actions {
        action.resource_account = Some(gateway.account);
    }
    facts.resources = actions.iter().map(|action| action.resource.clone()).collect();
    let on_resource = |action: &ActionOn| Some(gateway.resources.policy(&action.resource)?.group.clone());
    leading_keys::fill(
        gateway,
        upstream.as_ref(),
        &request,
        &mut actions,
        &bundle,
        on_resource,
        caller,
        &region,
        now,
    )
    .await;
    let permit = authorize_on(caller, actions, &context, &bundle, on_resource)?;
    facts.note_permit(&permit);
    let arn = permit
        .actions()
        .first()
        .map_or_else(String::new, |action| action.resource.clone());
    let plan = resource_policy::plan(&request, &body, &arn)?;

    let host = head.header("host").map(str::to_owned);
    let mut parts = head.into_parts();
    // A parameter in a header counts only if the client signed it.
    let signed = |name: &str| authenticated.verified().signed_header(name);
    let unsigned: Vec<_> = parts
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-amz") && !signed(name.as_str()))
        .cloned()
        .collect();
    for name in unsigned {
        parts.headers.remove(name);
    }
    let is_here = plan.as_ref().is_some_and(|plan| plan.body.is_none());
    let body = match &plan {
        Some(plan) => plan.body.clone().unwrap_or(body),
        None => body,
    };
    let body = if is_here {
        // What is kept here is kept for queues and topics that are there.
        resource_policy::probe(&request, &body, &arn, &mut parts)
    } else {
        body
    };
    let forward = ApiForward {
        permit,
        service: service.to_owned(),
        endpoint_prefix: request.endpoint_prefix().to_owned(),
        region,
        head: parts,
        is_repeatable: events.is_none() && !request.is_write(),
        body: events.map_or(ApiBody::Whole(body), ApiBody::Events),
        now,
    };
    let asked = Instant::now();
    let answer = upstream.serve_api(forward).await;
    facts.upstream_took = Some(asked.elapsed());
    let answer = answer.map_err(|error| {
        let mut refusal = Refusal::caller(error.code, error.status, error.message);
        refusal.headers = error.headers;
        refusal
    })?;
    if !answer.status().is_success() {
        return Ok(answer);
    }
    if resource_policy::names_queues(&request)
        && let Some(host) = host
    {
        let scheme = if connection.is_tls { "https" } else { "http" };
        return finish(
            gateway,
            plan,
            service,
            &arn,
            resource_policy::move_queues(answer, &format!("{scheme}://{host}")).await?,
        )
        .await;
    }
    let answer = finish(gateway, plan, service, &arn, answer).await?;
    Ok(if is_here {
        resource_policy::done(&request, &request_id)
    } else {
        answer
    })
}

/// What is to be done here once the upstream has done its part.
async fn finish(
    gateway: &Gateway,
    plan: Option<resource_policy::Plan>,
    service: &str,
    arn: &str,
    answer: http::Response<Body>,
) -> Result<http::Response<Body>, Refusal> {
    let Some(plan) = plan else { return Ok(answer) };
    if plan.deletes
        && let Err(error) = gateway.resources.delete(arn).await
    {
        tracing::error!(%error, arn, "the policy of what was deleted could not be removed");
    }
    if let Some(change) = plan.change {
        resource_policy::apply(&gateway.resources, service, arn, change).await?;
    }
    if plan.tells {
        let kept = gateway.resources.policy(arn);
        return resource_policy::tell(answer, kept.as_ref().map(|kept| kept.text.as_str()), service).await;
    }
    Ok(answer)
}

/// The refusal of a service that no upstream has.
#[must_use]
pub fn not_served(service: &str) -> Refusal {
    let message = format!("No upstream here serves {service}.");
    Refusal::caller("UnknownOperationException", 400, message)
        .with_detail("name the service in an [[upstream]] of hallpass.toml")
}

fn refused(error: hallpass_apiroute::RouteError) -> Refusal {
    let (code, status) = error.code();
    Refusal::caller(code, status, error.to_string())
}
