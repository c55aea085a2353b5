use crate::meta::ObjectMeta;
use hallpass_upstream::{Body, UpstreamError, full};
use hallpass_wire::{Protocol, XmlWriter, success_document};
use http::{HeaderName, HeaderValue, Response, StatusCode};

/// S3's XML namespace. Source: S3 API reference, any response.
const NAMESPACE: &str = "http://s3.amazonaws.com/doc/2006-03-01/";

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = status;
    response
}

/// A document of S3's.
pub(crate) fn xml(root: &str, content: impl FnOnce(&mut XmlWriter)) -> Response<Body> {
    let mut writer = XmlWriter::new();
    content(&mut writer);
    let body = format!("<{root} xmlns=\"{NAMESPACE}\">{}</{root}>", writer.finish());
    document(&body)
}

/// A document of S3's, as it stands.
pub(crate) fn document(body: &str) -> Response<Body> {
    let mut response = Response::new(full(success_document(Protocol::RestXml, "", "", body)));
    set(&mut response, "content-type", "application/xml");
    response
}

/// Sets a header; one that HTTP cannot carry is left out.
pub(crate) fn set(response: &mut Response<Body>, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (
        HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_bytes(value.as_bytes()),
    ) {
        response.headers_mut().insert(name, value);
    }
}

pub(crate) fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// The headers that describe an object, as GET and HEAD have them.
pub(crate) fn describe(response: &mut Response<Body>, meta: &ObjectMeta, with_checksums: bool) {
    set(response, "etag", &quoted(&meta.etag));
    set(response, "last-modified", &meta.last_modified.http_date());
    set(response, "accept-ranges", "bytes");
    // S3's default, for objects that never were given a type.
    set(response, "content-type", "binary/octet-stream");
    for (name, value) in &meta.headers {
        set(response, name, value);
    }
    if !meta.tags.is_empty() {
        set(response, "x-amz-tagging-count", &meta.tags.len().to_string());
    }
    if with_checksums {
        for (name, value) in &meta.checksums {
            set(response, name, value);
        }
    }
}

/// The headers with which a write repeats what it stored.
pub(crate) fn confirm(response: &mut Response<Body>, meta: &ObjectMeta) {
    set(response, "etag", &quoted(&meta.etag));
    if let Some(encryption) = meta.header("x-amz-server-side-encryption") {
        set(response, "x-amz-server-side-encryption", encryption);
    }
    for (name, value) in &meta.checksums {
        set(response, name, value);
    }
}

pub(crate) fn no_such_key(key: &str) -> UpstreamError {
    UpstreamError::new("NoSuchKey", 404, "The specified key does not exist.").with("Key", key)
}
