//! A browser's upload (`multipart/form-data`), taken as the PutObject it amounts to: a form cannot be signed anew as it
//! is, so its fields become headers and its file the body, and from there on it is a request like any other.

mod answer;
mod form;

use crate::{Authenticator, Connection, Refusal, RequestHead, Requester};
use answer::Wish;
use bytes::Bytes;
use form::{Form, closing_bytes};
use hallpass_access::Caller;
use hallpass_sigv4::{FormDecoder, FormError, parse_post, substitute_filename};
use hallpass_types::UnixSeconds;
use hallpass_upstream::{Body, encode_key};
use hallpass_wire::{percent_encode, read_xml};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use std::sync::Arc;

/// Fields that become headers of the same name. Source: S3 API, "POST Object".
const HEADERS: &[&str] = &[
    "cache-control",
    "content-type",
    "content-disposition",
    "content-encoding",
    "expires",
];

/// An upload as a PutObject, and how its sender wants to be answered.
#[derive(Debug)]
pub struct Upload {
    /// Who sent it.
    pub requester: Requester,
    /// The PutObject's head.
    pub head: RequestHead,
    /// The file.
    pub body: Body,
    answer: Wish,
}

/// Whether a request is a form's upload to a bucket.
#[must_use]
pub fn is_upload(head: &RequestHead) -> bool {
    head.method == Method::POST
        && head.query.as_deref().unwrap_or_default().is_empty()
        && head.header("content-type").is_some_and(|kind| {
            kind.get(..19)
                .is_some_and(|start| start.eq_ignore_ascii_case("multipart/form-data"))
        })
}

/// Reads the fields of a form, verifies its signature and its policy, and makes the PutObject of it.
///
/// # Errors
/// [`Refusal`] as S3 answers; nothing of the file has been read then.
#[expect(
    clippy::too_many_arguments,
    reason = "the request's parts and what judges them"
)]
pub async fn read(
    authenticator: &Authenticator,
    nobody: Arc<Caller>,
    head: &RequestHead,
    bucket: &str,
    body: Body,
    connection: Connection,
    now: UnixSeconds,
    mut on_caller: impl FnMut(&Arc<Caller>),
) -> Result<Upload, Refusal> {
    let kind = head.header("content-type").unwrap_or_default();
    let decoder = FormDecoder::for_content_type(kind).map_err(|error| malformed(&error))?;
    let closing = closing_bytes(kind);
    let length = head
        .header("content-length")
        .and_then(|text| text.parse::<u64>().ok());
    let mut form = Form {
        body,
        decoder: Some(decoder),
        ready: Bytes::new(),
        read: 0,
        sent: 0,
        limits: None,
    };
    form.read_fields().await?;
    let decoder = form
        .decoder
        .as_ref()
        .ok_or_else(|| malformed(&FormError::FileMissing))?;
    let filename = decoder.filename().map(str::to_owned);
    let fields: Vec<(String, String)> = decoder
        .fields()
        .iter()
        .map(|(name, value)| {
            let is_policy = name.eq_ignore_ascii_case("policy");
            let value = if is_policy {
                value.clone()
            } else {
                substitute_filename(value, filename.as_deref())
            };
            (name.to_ascii_lowercase(), value)
        })
        .collect();
    let requester = if fields.iter().any(|(name, _)| name == "policy") {
        let presented = parse_post(&fields)?;
        let (signed, limits) = authenticator.verify_post(presented, &fields, bucket, now)?;
        on_caller(signed.caller());
        form.limits = Some(limits);
        Requester::Signed(Box::new(signed.bind(connection)?))
    } else if fields
        .iter()
        .any(|(name, _)| name.starts_with("x-amz-sign") || name == "signature" || name == "awsaccesskeyid")
    {
        return Err(Refusal::caller(
            "MalformedPOSTRequest",
            400,
            "The form is signed, but has no policy.",
        ));
    } else {
        on_caller(&nobody);
        Requester::Anonymous(nobody)
    };
    let field = |name: &str| {
        fields
            .iter()
            .find(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
    };
    let key = field("key").filter(|key| !key.is_empty()).ok_or_else(|| {
        Refusal::caller(
            "InvalidArgument",
            400,
            "Bucket POST must contain a field named 'key'.",
        )
    })?;
    // Where the bucket is the host, it is no part of the path, or it would be the start of the key.
    let path = match head.path.trim_matches('/') {
        "" => format!("/{}", encode_key(key)),
        bucket => format!("/{bucket}/{}", encode_key(key)),
    };
    let answer = Wish {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        path: path.clone(),
        host: format!(
            "{}://{}",
            if connection.is_tls { "https" } else { "http" },
            head.header("host").unwrap_or_default()
        ),
        redirect: field("success_action_redirect")
            .or(field("redirect"))
            .map(str::to_owned),
        status: field("success_action_status").map(str::to_owned),
    };

    let (body, length) = form.into_file(length, closing).await?;
    let mut headers = headers_of(&fields)?;
    headers.insert(http::header::CONTENT_LENGTH, HeaderValue::from(length));
    for name in ["host", "user-agent", "referer"] {
        if let Some(value) = head.headers.get(name) {
            headers.insert(HeaderName::from_static(name), value.clone());
        }
    }
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = Method::PUT;
    parts.headers = headers;
    parts.uri = path
        .parse()
        .map_err(|_| Refusal::caller("InvalidURI", 400, "Couldn't parse the specified URI."))?;
    Ok(Upload {
        requester,
        head: RequestHead::new(parts),
        body,
        answer,
    })
}

fn malformed(error: &FormError) -> Refusal {
    let (code, status) = error.s3_code();
    Refusal::caller(
        code,
        status,
        format!("The body of your POST request is not well-formed: {error}."),
    )
}

/// The fields that mean headers of a PutObject.
fn headers_of(fields: &[(String, String)]) -> Result<HeaderMap, Refusal> {
    const SIGNATURE: &[&str] = &[
        "x-amz-algorithm",
        "x-amz-credential",
        "x-amz-date",
        "x-amz-signature",
        "x-amz-security-token",
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let (name, value) = match name.as_str() {
            "acl" => ("x-amz-acl", value.clone()),
            "tagging" => ("x-amz-tagging", tagging_header(value)?),
            name if HEADERS.contains(&name) => (name, value.clone()),
            name if name.starts_with("x-amz-") && !SIGNATURE.contains(&name) => (name, value.clone()),
            _ => continue,
        };
        let invalid = || Refusal::caller("InvalidArgument", 400, format!("The field {name} is not valid."));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        let value = HeaderValue::from_bytes(value.trim().as_bytes()).map_err(|_| invalid())?;
        if headers.insert(header, value).is_some() {
            return Err(invalid());
        }
    }
    Ok(headers)
}

/// The `tagging` field is the XML of a tag set; the header of a PutObject has it form-encoded.
fn tagging_header(xml: &str) -> Result<String, Refusal> {
    let invalid = || Refusal::caller("MalformedXML", 400, "The field tagging is not a tag set.");
    let root = read_xml(xml.as_bytes()).map_err(|_| invalid())?;
    let set = root.one("TagSet").map_err(|_| invalid())?.ok_or_else(invalid)?;
    let tags = set.children.iter().map(|tag| {
        let text = |name: &str| tag.one_text(name).ok().flatten().ok_or_else(invalid);
        Ok(format!(
            "{}={}",
            percent_encode(text("Key")?),
            percent_encode(text("Value")?)
        ))
    });
    Ok(tags.collect::<Result<Vec<_>, Refusal>>()?.join("&"))
}

impl Upload {
    /// What to call for the answer to the form, once the object is there.
    pub fn answer_with(&self) -> impl FnOnce(Response<Body>) -> Response<Body> + Send + 'static {
        let wish = self.answer.clone();
        move |stored| wish.answer(stored)
    }
}
