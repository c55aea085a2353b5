use crate::error::UpstreamError;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Standard headers an S3 request may carry to the upstream.
const STANDARD: &[&str] = &[
    "content-type",
    "content-md5",
    "cache-control",
    "content-disposition",
    "content-language",
    "expires",
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
];

/// `x-amz-*` headers that are the client's signature, its framing or its name: they end here.
const DROPPED: &[&str] = &[
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "x-amz-decoded-content-length",
    "x-amz-trailer",
    "x-amz-user-agent",
    "x-amz-te",
    "x-amz-region-set",
    // Announces a checksum; the checksum itself says as much, and alone this header is an error at AWS.
    "x-amz-sdk-checksum-algorithm",
    // Rebuilt from what was authorized.
    "x-amz-copy-source",
];

/// Families of `x-amz-*` headers that are known here.
const KNOWN_PREFIXES: &[&str] = &[
    "x-amz-meta-",
    "x-amz-checksum-",
    "x-amz-server-side-encryption",
    "x-amz-copy-source-",
    "x-amz-object-lock-",
    "x-amz-grant-",
];

const KNOWN: &[&str] = &[
    "x-amz-acl",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-tagging-directive",
    "x-amz-metadata-directive",
    "x-amz-website-redirect-location",
    "x-amz-request-payer",
    "x-amz-expected-bucket-owner",
    "x-amz-source-expected-bucket-owner",
    "x-amz-mfa",
    "x-amz-bypass-governance-retention",
    "x-amz-bucket-object-lock-enabled",
    "x-amz-bucket-namespace",
    "x-amz-object-ownership",
    "x-amz-object-attributes",
    "x-amz-optional-object-attributes",
    "x-amz-max-parts",
    "x-amz-part-number-marker",
    "x-amz-mp-object-size",
    "x-amz-confirm-remove-self-bucket-access",
    "x-amz-skip-destination-validation",
    "x-amz-transition-default-minimum-object-size",
];

/// Headers that concern one connection only. Source: RFC 9110 §7.6.1, and what predates it.
const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers of an answer that would lead past the gateway or speak in its name.
const NOT_TOLD: &[&str] = &["location", "set-cookie", "alt-svc", "strict-transport-security"];

/// The headers that go upstream, from those of the request and those its query stood in for.
///
/// Not a copy with exceptions but a list: what is not on it does not go. An unknown `x-amz-*` header is refused rather
/// than left out, because leaving it out might make the request mean something else.
pub(crate) fn for_upstream(
    headers: &HeaderMap,
    query_headers: &[(String, String)],
) -> Result<Vec<(HeaderName, HeaderValue)>, UpstreamError> {
    let named = connection_names(headers);
    let mut kept = vec![];
    for (name, value) in headers {
        let text = name.as_str();
        if named.iter().any(|other| other == text) {
            // A client that names an S3 header here wants it gone on the way: then it cannot be meant.
            if text.starts_with("x-amz-") || STANDARD.contains(&text) {
                return Err(UpstreamError::new(
                    "InvalidRequest",
                    400,
                    "Connection may not name this header.",
                ));
            }
            continue;
        }
        if text == "content-encoding" {
            kept.extend(without_aws_chunked(value).map(|value| (name.clone(), value)));
        } else if STANDARD.contains(&text) || amz_goes(text)? {
            kept.push((name.clone(), value.clone()));
        }
    }
    for (name, value) in query_headers {
        if amz_goes(name)? {
            let invalid = || {
                UpstreamError::new(
                    "InvalidArgument",
                    400,
                    "A header given as a parameter is not valid.",
                )
            };
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
            kept.push((
                name,
                HeaderValue::from_bytes(value.as_bytes()).map_err(|_| invalid())?,
            ));
        }
    }
    Ok(kept)
}

/// Standard headers a request to another service may carry.
const API_STANDARD: &[&str] = &[
    "accept",
    "content-type",
    "content-encoding",
    "content-md5",
    "range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "smithy-protocol",
];

/// The headers of a request to another service that go upstream. Its models put parameters into `x-amz…` headers, all
/// of which the client has signed; what is neither those nor on the list does not go.
pub(crate) fn for_api(headers: &HeaderMap) -> Result<Vec<(HeaderName, HeaderValue)>, UpstreamError> {
    let named = connection_names(headers);
    let mut kept = vec![];
    for (name, value) in headers {
        let text = name.as_str();
        let goes = API_STANDARD.contains(&text) || (text.starts_with("x-amz") && !DROPPED.contains(&text));
        if !goes {
            continue;
        }
        if named.iter().any(|other| other == text) {
            return Err(UpstreamError::new(
                "InvalidRequest",
                400,
                "Connection may not name this header.",
            ));
        }
        kept.push((name.clone(), value.clone()));
    }
    Ok(kept)
}

fn amz_goes(name: &str) -> Result<bool, UpstreamError> {
    if !name.starts_with("x-amz-") || DROPPED.contains(&name) {
        return Ok(false);
    }
    if KNOWN.contains(&name) || KNOWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
        return Ok(true);
    }
    Err(UpstreamError::not_implemented(&format!("the header {name}")))
}

/// `Content-Encoding` without the one token that was framing; other codings are part of the object.
fn without_aws_chunked(value: &HeaderValue) -> Option<HeaderValue> {
    let text = value.to_str().ok()?;
    let tokens = text.split(',').map(str::trim).filter(|token| !token.is_empty());
    let kept: Vec<&str> = tokens
        .filter(|token| !token.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    if kept.is_empty() {
        None
    } else {
        HeaderValue::from_str(&kept.join(",")).ok()
    }
}

fn connection_names(headers: &HeaderMap) -> Vec<String> {
    let values = headers
        .get_all("connection")
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}

/// Takes out of a response what is between us and the upstream. `Location` could send the caller past the gateway.
pub(crate) fn filter_response(headers: &mut HeaderMap) {
    let named = connection_names(headers);
    let is_between_us = |name: &HeaderName| {
        let name = name.as_str();
        HOP_BY_HOP.contains(&name) || NOT_TOLD.contains(&name) || named.iter().any(|other| other == name)
    };
    // Most answers have one such header at most: it is cheaper to look at those there are than to ask for each.
    let gone: Vec<_> = headers
        .keys()
        .filter(|name| is_between_us(name))
        .cloned()
        .collect();
    for name in gone {
        headers.remove(name);
    }
}

/// Takes out of a store's answer whom it would let read it: that is for the rules kept here to say.
pub(crate) fn forget_origins(headers: &mut HeaderMap) {
    let is_theirs = |name: &&HeaderName| name.as_str().starts_with("access-control-");
    let gone: Vec<_> = headers.keys().filter(is_theirs).cloned().collect();
    for name in gone {
        headers.remove(name);
    }
}
