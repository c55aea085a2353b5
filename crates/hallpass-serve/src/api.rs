//! Calls of IAM, STS and EC2: parameters in, authorized by policy like everything else, XML out.

use crate::denial;
use crate::entry::Entry;
use bytes::{Bytes, BytesMut};
use hallpass_access::{Caller, CallerKind, Denied, Permit, authorize, authorize_assume};
use hallpass_authority::{ApiError, Authority, Call, Requirement, Service};
use hallpass_gateway::{Blame, Connection, NetworkConfig, Refusal, RequestHead, request_context};
use hallpass_sigv4::Verified;
use hallpass_types::UnixSeconds;
use hallpass_upstream::Body;
use hallpass_wire::{QueryParams, success_document};
use http_body_util::BodyExt as _;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Bytes of a query request's body: a policy document at its largest, encoded, and room to spare.
pub(crate) const QUERY_BODY_BYTES_MAX: usize = 1_024 * 1_024;
/// Bytes of the body of a call to another service: DynamoDB's largest batch is 16 MiB, Bedrock's requests 25 MB.
pub(crate) const API_BODY_BYTES_MAX: usize = 32 * 1_024 * 1_024;
const QUERY_BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// Sets aside room for a query body: its announced length, or the most there may be when none is announced. Strangers
/// can send bodies on any number of connections and streams; without this each of them would be held.
pub(crate) async fn room_for<'a>(
    room: &'a Semaphore,
    head: &RequestHead,
    bytes_max: usize,
) -> Result<SemaphorePermit<'a>, Refusal> {
    let announced = head
        .header("content-length")
        .and_then(|length| length.parse::<usize>().ok());
    let bytes = announced.unwrap_or(bytes_max).min(bytes_max);
    let waiting = room.acquire_many(u32::try_from(bytes).unwrap_or(u32::MAX));
    match tokio::time::timeout(QUERY_BODY_TIME_MAX, waiting).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Refusal::caller("Throttling", 400, "Rate exceeded")),
    }
}

/// Reads a body whole; it is hashed before its signature can be judged.
pub(crate) async fn read_body(mut body: Body, bytes_max: usize) -> Result<Bytes, Refusal> {
    let reading = async {
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame
                .map_err(|_| Refusal::caller("IncompleteBody", 400, "The request body ended too early."))?;
            if let Ok(data) = frame.into_data() {
                if whole.len() + data.len() > bytes_max {
                    return Err(Refusal::caller(
                        "RequestEntityTooLarge",
                        413,
                        "The request body is too large.",
                    ));
                }
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(QUERY_BODY_TIME_MAX, reading)
        .await
        .unwrap_or_else(|_| {
            Err(Refusal::caller(
                "RequestTimeout",
                400,
                "The request body did not arrive in time.",
            ))
        })
}

/// The action and parameters of a query request, from its target and its body.
pub(crate) fn parameters(head: &RequestHead, body: &Bytes) -> Result<QueryParams, Refusal> {
    let malformed = |why: String| Refusal::caller("MalformedQueryString", 400, why);
    let body =
        std::str::from_utf8(body).map_err(|_| malformed("The request body is not UTF-8.".to_owned()))?;
    let form = match (&head.query, body.is_empty()) {
        (Some(query), true) => query.clone(),
        (Some(query), false) => format!("{query}&{body}"),
        (None, _) => body.to_owned(),
    };
    QueryParams::parse(&form).map_err(|error| malformed(format!("The request is malformed: {error}.")))
}

/// What [`handle`] needs besides the call.
pub(crate) struct ApiEnv<'a> {
    pub(crate) authority: &'a Authority,
    pub(crate) networks: &'a [NetworkConfig],
    pub(crate) region: &'a str,
}

/// Who calls, and the signature that proves it; none for the bearer of a verified token or assertion.
#[derive(Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) caller: &'a Arc<Caller>,
    pub(crate) verified: Option<&'a Verified>,
}

/// Authorizes and executes one call; the text is the answer's document.
#[expect(
    clippy::too_many_arguments,
    reason = "the request's parts and what is filled on the way"
)]
pub(crate) async fn handle(
    env: &ApiEnv<'_>,
    asker: Asker<'_>,
    head: &RequestHead,
    connection: Connection,
    service: Service,
    params: QueryParams,
    now: UnixSeconds,
    entry: &mut Entry,
) -> Result<String, Refusal> {
    let action = params.get("Action").map(str::to_owned).ok_or_else(|| {
        Refusal::caller(
            "MissingAction",
            400,
            "The request is missing an action or a required parameter.",
        )
    })?;
    entry.read_only = env
        .authority
        .action_info(service, &action)
        .is_none_or(|info| info.read_only);
    let Asker { caller, verified } = asker;
    let call = Call {
        service,
        action,
        params,
        caller: Arc::clone(caller),
        now,
    };
    let requirement = env.authority.requirement(&call).map_err(refused)?;
    let (bundle, role_tags) = env.authority.policies_for(caller);
    let mut context = request_context(
        caller,
        verified,
        head,
        connection,
        env.networks,
        &role_tags,
        env.region,
        now,
    );
    context.set("aws:ResourceAccount", caller.account.as_str());
    let permit = match requirement {
        Requirement::Actions(actions) => {
            entry.resources = actions.iter().map(|action| action.resource.clone()).collect();
            authorize(caller, actions, &context, &bundle).map_err(|denied| {
                let encoded = (service == Service::Ec2)
                    .then(|| denial::document(caller, &denied, &context).to_string())
                    .and_then(|why| env.authority.encoded_denial(caller.account, &why, now));
                not_allowed(denied, encoded)
            })?
        }
        Requirement::Trust(actions, trust) => {
            entry.resources = actions
                .iter()
                .map(|action| action.resource.clone())
                .take(1)
                .collect();
            authorize_assume(caller, actions, &context, trust.as_ref(), &bundle)
                .map_err(|denied| not_assumed(caller, denied))?
        }
        Requirement::Nothing(source) => Permit::unconditional(Arc::clone(caller), &call.iam_action(), source),
    };
    let statements: Vec<String> = permit
        .decisions()
        .iter()
        .flat_map(|decision| decision.matched.iter().map(ToString::to_string))
        .collect();
    entry.note("allowedBy", json!(statements));
    if !permit.decisions().is_empty() {
        let actions = permit.actions().iter();
        entry.note_authorized(actions.map(|action| (action.action.clone(), action.resource.clone())));
    }
    let answer = env.authority.execute(&permit, &call).await.map_err(refused)?;
    if !answer.made.is_empty() {
        entry.made = answer
            .made
            .into_iter()
            .map(|(name, value)| (name, json!(value)))
            .collect();
    }
    Ok(success_document(
        service.protocol(),
        &call.action,
        &entry.request_id,
        &answer.xml,
    ))
}

/// EC2 tells the reasons sealed: those who may know have them decoded.
fn not_allowed(denied: Box<Denied>, encoded: Option<String>) -> Refusal {
    let mut refusal = Refusal::from(denied);
    if let Some(encoded) = encoded {
        refusal.message = format!(
            "You are not authorized to perform this operation. {}. Encoded authorization failure message: {encoded}",
            refusal.message
        );
    }
    refusal
}

/// To the bearer of a token or an assertion AWS says no more than that it may not.
fn not_assumed(caller: &Caller, denied: Box<Denied>) -> Refusal {
    let mut refusal = Refusal::from(denied);
    let action = match caller.kind {
        CallerKind::WebIdentity(_) => "AssumeRoleWithWebIdentity",
        CallerKind::Saml(_) => "AssumeRoleWithSAML",
        _ => return refusal,
    };
    refusal.message = format!("Not authorized to perform sts:{action}");
    refusal
}

pub(crate) fn refused(error: ApiError) -> Refusal {
    let blame = if error.is_callers_fault() {
        Blame::Caller
    } else {
        Blame::Server
    };
    Refusal {
        blame,
        ..Refusal::caller(error.code, error.status, error.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(length: Option<&str>) -> RequestHead {
        let mut request = http::Request::post("/");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        RequestHead::new(request.body(()).unwrap().into_parts().0)
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_do_not_fit_wait_and_are_then_told_to_come_again() {
        let room = Semaphore::new(QUERY_BODY_BYTES_MAX);
        let small = room_for(&room, &head(Some("1000")), QUERY_BODY_BYTES_MAX)
            .await
            .unwrap();
        // No length announced: as much as there may be.
        assert_eq!(
            room_for(&room, &head(None), QUERY_BODY_BYTES_MAX)
                .await
                .unwrap_err()
                .code,
            "Throttling"
        );
        assert!(
            room_for(&room, &head(Some("1000")), QUERY_BODY_BYTES_MAX)
                .await
                .is_ok()
        );
        drop(small);
        assert!(
            room_for(&room, &head(Some("99999999999")), QUERY_BODY_BYTES_MAX)
                .await
                .is_ok()
        );
    }
}
