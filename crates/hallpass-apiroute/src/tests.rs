//! Requests as clients send them, and what they must come to.

mod bad;
mod coverage;
mod protocols;
mod resources;

use crate::{ApiHead, ApiRequest, Protocol, RouteError, route};

type Headers<'a> = &'a [(&'a str, &'a [u8])];

const JSON: &[u8] = b"application/x-amz-json-1.0";
const FORM: &[u8] = b"application/x-www-form-urlencoded; charset=utf-8";

fn send(
    service: &str,
    method: &str,
    target: &str,
    headers: Headers<'_>,
    body: &[u8],
) -> Result<ApiRequest, RouteError> {
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    let mut request = route(&ApiHead {
        service,
        method,
        path,
        query,
        headers,
    })?;
    if request.buffers_body() {
        request.read_body(body)?;
    }
    Ok(request)
}

fn json(service: &str, target: &str, body: &str) -> Result<ApiRequest, RouteError> {
    let headers: Headers<'_> = &[("x-amz-target", target.as_bytes()), ("content-type", JSON)];
    send(service, "POST", "/", headers, body.as_bytes())
}

fn form(service: &str, body: &str) -> Result<ApiRequest, RouteError> {
    send(service, "POST", "/", &[("content-type", FORM)], body.as_bytes())
}

fn rest(service: &str, method: &str, target: &str, body: &str) -> Result<ApiRequest, RouteError> {
    send(service, method, target, &[], body.as_bytes())
}

/// Actions and resources; `?` for one that is not known.
fn told(request: Result<ApiRequest, RouteError>) -> String {
    let request = request.unwrap();
    let all = request.actions("us-east-1", "123456789012");
    let all: Vec<_> = all
        .iter()
        .map(|on| {
            let resource = if on.is_resource_known {
                on.resource.as_str()
            } else {
                "?"
            };
            format!(
                "{} {}",
                on.action,
                resource.replace(":us-east-1:123456789012:", ":R:A:")
            )
        })
        .collect();
    all.join(", ")
}

/// The condition keys of the first action.
fn keys(request: Result<ApiRequest, RouteError>) -> String {
    let all = request.unwrap().actions("us-east-1", "123456789012");
    let keys: Vec<_> = all[0]
        .context
        .iter()
        .map(|(key, values)| format!("{key}={}", values.join("|")))
        .collect();
    keys.join(", ")
}
