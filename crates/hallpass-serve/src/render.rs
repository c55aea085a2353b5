//! The only place that turns a refusal into a status, headers and a body.

use hallpass_gateway::Refusal;
use hallpass_upstream::Body;
use hallpass_wire::{Protocol, error_document};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use http_body_util::{BodyExt as _, Full};

/// The dialect a request's answers are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    S3 {
        is_head: bool,
    },
    Query {
        protocol: Protocol,
        is_ec2: bool,
    },
    /// Another service's own way to tell errors.
    Api {
        protocol: hallpass_apiroute::Protocol,
        /// Whether the client wants the codes of the query protocol that the service once spoke (`x-amzn-query-mode`).
        wants_query_codes: bool,
    },
}

/// A refusal's code in this dialect, as it is answered and recorded.
pub(crate) fn code_of(dialect: Dialect, refusal: &Refusal) -> (&'static str, u16) {
    match dialect {
        Dialect::S3 { .. } => (refusal.code, refusal.status),
        Dialect::Query { is_ec2, .. } => refusal.query_code(is_ec2),
        Dialect::Api { protocol, .. } => match protocol {
            hallpass_apiroute::Protocol::Query | hallpass_apiroute::Protocol::RestXml => {
                refusal.query_code(false)
            }
            hallpass_apiroute::Protocol::Ec2 => refusal.query_code(true),
            other => refusal.json_code(other == hallpass_apiroute::Protocol::RestJson),
        },
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
        Dialect::Api {
            protocol,
            wants_query_codes,
        } => {
            let mut response = api_refusal(protocol, code, status, refusal, request_id);
            if wants_query_codes {
                add_query_code(&mut response, refusal, is_callers_fault);
            }
            return response;
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

/// A refusal as the protocols of other services tell it (Smithy, "AWS protocols", "Operation error serialization").
fn api_refusal(
    protocol: hallpass_apiroute::Protocol,
    code: &str,
    status: u16,
    refusal: &Refusal,
    request_id: &str,
) -> http::Response<Body> {
    use hallpass_apiroute::Protocol as P;
    let xml = |protocol| {
        let body = error_document(protocol, code, &refusal.message, status < 500, request_id, &[]);
        text(status, "text/xml", body)
    };
    let mut response = match protocol {
        P::Ec2 => return xml(Protocol::Ec2 { namespace: "" }),
        P::Query | P::RestXml => return xml(Protocol::Query { namespace: "" }),
        P::Json10 | P::Json11 | P::RestJson => {
            let body = serde_json::json!({ "__type": code, "message": refusal.message }).to_string();
            let kind = match protocol {
                P::Json10 => "application/x-amz-json-1.0",
                P::Json11 => "application/x-amz-json-1.1",
                _ => "application/json",
            };
            text(status, kind, body)
        }
        P::Cbor => {
            let mut response = text(status, "application/cbor", String::new());
            let body = Full::from(cbor_map(&[("__type", code), ("message", &refusal.message)]));
            *response.body_mut() = body.map_err(|never| match never {}).boxed_unsync();
            let protocol = HeaderValue::from_static("rpc-v2-cbor");
            response
                .headers_mut()
                .insert(HeaderName::from_static("smithy-protocol"), protocol);
            response
        }
    };
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(code) {
        headers.insert(HeaderName::from_static("x-amzn-errortype"), kind);
    }
    response
}

/// Services that once spoke the query protocol keep its codes for their clients (Smithy, `awsQueryCompatible`).
fn add_query_code(response: &mut http::Response<Body>, refusal: &Refusal, is_callers_fault: bool) {
    let (code, _) = refusal.query_code(false);
    let fault = if is_callers_fault { "Sender" } else { "Receiver" };
    if let Ok(code) = HeaderValue::from_str(&format!("{code};{fault}")) {
        let name = HeaderName::from_static("x-amzn-query-error");
        response.headers_mut().insert(name, code);
    }
}

/// A CBOR map of texts (RFC 8949).
fn cbor_map(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = vec![0xbf];
    for (name, value) in pairs {
        for text in [name, value] {
            // Major type 3 with a length of four bytes: not the shortest form, and valid.
            bytes.push(0x7a);
            bytes.extend_from_slice(&u32::try_from(text.len()).unwrap_or(0).to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes.push(0xff);
    bytes
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
