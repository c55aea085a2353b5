//! What a request's head says before anything about it is proved: whether it can be read in one way only, and in which
//! dialect its sender wants to be told an error.

use crate::render::Dialect;
use hallpass_authority::Service;
use hallpass_gateway::{Blame, Refusal, RequestHead};
use hallpass_wire::Protocol;

/// HTTP/2 has the host in `:authority`; clients sign it as the header it is in HTTP/1.1.
pub(super) fn name_host(parts: &mut http::request::Parts) {
    if parts.headers.contains_key(http::header::HOST) {
        return;
    }
    if let Some(host) = parts.uri.authority()
        && let Ok(host) = http::HeaderValue::from_str(host.as_str())
    {
        parts.headers.insert(http::header::HOST, host);
    }
}

pub(super) fn query_dialect(service: Service) -> Dialect {
    let protocol = service.protocol();
    Dialect::Query {
        protocol,
        is_ec2: matches!(protocol, Protocol::Ec2 { .. }),
    }
}

/// How errors are told while it is not known what a request means: by what it looks like.
pub(super) fn guessed_dialect(head: &RequestHead) -> Dialect {
    use hallpass_apiroute::Protocol as P;
    let kind = head.header("content-type").unwrap_or_default();
    let protocol = if head.headers.contains_key("smithy-protocol") {
        P::Cbor
    } else if kind.starts_with("application/x-amz-json-1.0") {
        P::Json10
    } else if head.headers.contains_key("x-amz-target") {
        P::Json11
    } else if is_form(head) {
        P::Query
    } else {
        P::RestJson
    };
    api_dialect(head, protocol)
}

pub(super) fn api_dialect(head: &RequestHead, protocol: hallpass_apiroute::Protocol) -> Dialect {
    let wants_query_codes = head.headers.contains_key("x-amzn-query-mode");
    Dialect::Api {
        protocol,
        wants_query_codes,
    }
}

pub(super) fn is_form(head: &RequestHead) -> bool {
    head.method == http::Method::POST
        && head
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

/// Whether the body is declared to be a stream of signed events.
pub(super) fn is_stream_of_events(head: &RequestHead) -> bool {
    head.header("x-amz-content-sha256")
        .is_some_and(|declared| declared == hallpass_sigv4::STREAM_OF_EVENTS)
}

pub(super) fn unsigned(is_query: bool) -> Refusal {
    if is_query {
        return Refusal::caller(
            "MissingSecurityHeader",
            403,
            "Request is missing Authentication Token",
        );
    }
    Refusal {
        blame: Blame::Policy,
        ..Refusal::caller(
            "AccessDenied",
            403,
            "Access Denied: the request is not signed, and no policy lets anyone in.",
        )
    }
}

/// Headers of which a second one would leave open which of the two a check looked at.
const SINGLE_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "range",
    "expect",
];

pub(super) fn refuse_ambiguity(head: &RequestHead) -> Result<(), Refusal> {
    for name in SINGLE_HEADERS {
        if head.headers.get_all(*name).iter().count() > 1 {
            return Err(Refusal::caller(
                "InvalidRequest",
                400,
                format!("The header {name} is given more than once."),
            ));
        }
    }
    if head.headers.contains_key("content-length") && head.headers.contains_key("transfer-encoding") {
        return Err(Refusal::caller(
            "InvalidRequest",
            400,
            "Content-Length and Transfer-Encoding must not be given together.",
        ));
    }
    // `x-amz-acl` and `x_amz_acl` are one header to some servers behind us.
    if let Some(name) = head.headers.keys().find(|name| name.as_str().contains('_')) {
        return Err(Refusal::caller(
            "InvalidRequest",
            400,
            format!("The header name {name} is not accepted."),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_http_2_is_the_header_that_was_signed() {
        let host_of = |request: http::request::Builder| {
            let (mut parts, ()) = request.body(()).unwrap().into_parts();
            name_host(&mut parts);
            parts
                .headers
                .get("host")
                .map(|host| host.to_str().unwrap().to_owned())
        };
        let request = || http::Request::builder();
        assert_eq!(
            host_of(request().uri("http://h:7400/k")),
            Some("h:7400".to_owned())
        );
        assert_eq!(
            host_of(request().uri("/k").header("host", "own")),
            Some("own".to_owned())
        );
        assert_eq!(host_of(request().uri("/k")), None);
    }
}
