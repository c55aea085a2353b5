//! The only place that turns a refusal into a status, headers and a body.

use hallpass_gateway::Refusal;
use hallpass_upstream::Body;
use hallpass_wire::{Protocol, error_document};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use http_body_util::{BodyExt as _, Full};

/// The dialect a request's answers are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    S3 { is_head: bool },
    Query { protocol: Protocol, is_ec2: bool },
}

/// A refusal's code in this dialect, as it is answered and recorded.
pub(crate) fn code_of(dialect: Dialect, refusal: &Refusal) -> (&'static str, u16) {
    match dialect {
        Dialect::S3 { .. } => (refusal.code, refusal.status),
        Dialect::Query { is_ec2, .. } => refusal.query_code(is_ec2),
    }
}

pub(crate) fn refusal(dialect: Dialect, refusal: &Refusal, request_id: &str) -> http::Response<Body> {
    let (code, status) = code_of(dialect, refusal);
    let is_callers_fault = status < 500;
    let (content_type, body) = match dialect {
        // A HEAD answer has no body: clients show only the status.
        Dialect::S3 { is_head: true } => ("application/xml", String::new()),
        Dialect::S3 { is_head: false } => {
            let extra: Vec<(&str, &str)> = refusal
                .extra
                .iter()
                .map(|(name, text)| (*name, text.as_str()))
                .collect();
            let body = error_document(
                Protocol::RestXml,
                code,
                &refusal.message,
                is_callers_fault,
                request_id,
                &extra,
            );
            ("application/xml", body)
        }
        Dialect::Query { protocol, .. } => {
            let body = error_document(
                protocol,
                code,
                &refusal.message,
                is_callers_fault,
                request_id,
                &[],
            );
            ("text/xml", body)
        }
    };
    let mut response = text(status, content_type, body);
    for (name, value) in &refusal.extra {
        // Clients that signed for the wrong region read the right one here.
        if *name == "Region"
            && let Ok(value) = HeaderValue::from_str(value)
        {
            response
                .headers_mut()
                .insert(HeaderName::from_static("x-amz-bucket-region"), value);
        }
    }
    response
}

pub(crate) fn text(status: u16, content_type: &'static str, body: String) -> http::Response<Body> {
    let body = Full::from(body).map_err(|never| match never {}).boxed_unsync();
    let mut response = http::Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The headers every answer carries.
pub(crate) fn finish(mut response: http::Response<Body>, request_id: &str) -> http::Response<Body> {
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("hallpass"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(HeaderName::from_static("x-amz-request-id"), id.clone());
        headers.insert(HeaderName::from_static("x-amzn-requestid"), id.clone());
        headers.insert(HeaderName::from_static("x-amz-id-2"), id);
    }
    response
}
