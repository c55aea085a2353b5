//! A browser's upload (`multipart/form-data`), taken as the PutObject it amounts to: a form cannot be signed anew as it
//! is, so its fields become headers and its file the body, and from there on it is a request like any other.

use crate::{Authenticator, Connection, Refusal, RequestHead, Requester};
use bytes::{Bytes, BytesMut};
use hallpass_access::Caller;
use hallpass_sigv4::{FormDecoder, FormError, PostLimits, parse_post, substitute_filename};
use hallpass_types::UnixSeconds;
use hallpass_upstream::{Body, BodyFailure, encode_key, full};
use hallpass_wire::{percent_encode, read_xml};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Forms whose length is this much at most are read whole; of longer ones the end is computed.
const SMALL_BYTES: u64 = 1_024 * 1_024;

/// The largest object one request may make, in bytes. Source: S3, "Uploading objects".
const FILE_BYTES_MAX: u64 = 5 * 1_024 * 1_024 * 1_024;

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
    pub parts: http::request::Parts,
    /// The file.
    pub body: Body,
    answer: Wish,
}

#[derive(Debug)]
struct Wish {
    bucket: String,
    key: String,
    /// Of the object's URL.
    path: String,
    host: String,
    redirect: Option<String>,
    status: Option<String>,
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
        host: head.header("host").unwrap_or_default().to_owned(),
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
        parts,
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

/// What follows the last byte of a file that is the form's last part: delimiter, two dashes, the end of the line.
fn closing_bytes(kind: &str) -> u64 {
    let boundary = kind
        .split(';')
        .filter_map(|part| part.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
        .map_or("", |(_, value)| value.trim().trim_matches('"'));
    boundary.len() as u64 + 8
}

/// The form's body on its way through the decoder.
struct Form {
    body: Body,
    decoder: Option<FormDecoder>,
    /// Read, and not yet decoded.
    ready: Bytes,
    read: u64,
    sent: u64,
    limits: Option<PostLimits>,
}

impl Form {
    async fn read_fields(&mut self) -> Result<(), Refusal> {
        while let Some(decoder) = &mut self.decoder {
            let taken = decoder
                .push(&self.ready, &mut |_: &[u8]| {})
                .map_err(|error| malformed(&error))?;
            let _ = self.ready.split_to(taken.min(self.ready.len()));
            if decoder.is_at_file() {
                return Ok(());
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.read += data.len() as u64;
                        self.ready = data;
                    }
                }
                Some(Err(failure)) => {
                    return Err(Refusal::caller(failure.code, failure.status, failure.message));
                }
                None => return Err(malformed(&FormError::FileMissing)),
            }
        }
        Err(malformed(&FormError::FileMissing))
    }

    /// The file as a body of known length.
    ///
    /// An upstream must be told the length before the end of the form is seen. Small files are read whole; of longer
    /// ones the length follows from the form's, as browsers, curl and SDKs end it. One that ends otherwise fails at its
    /// last byte, which is held back until then.
    async fn into_file(mut self, length: Option<u64>, closing: u64) -> Result<(Body, u64), Refusal> {
        let before = self.read - self.ready.len() as u64;
        let rest = length.map(|length| length.saturating_sub(before));
        if rest.is_none_or(|rest| rest <= SMALL_BYTES) {
            let mut whole = BytesMut::new();
            while let Some(frame) = self.frame().await {
                let frame = frame
                    .map_err(|failure| Refusal::caller(failure.code, failure.status, failure.message))?;
                if let Ok(data) = frame.into_data() {
                    whole.extend_from_slice(&data);
                    if whole.len() as u64 > SMALL_BYTES {
                        return Err(Refusal::caller(
                            "MissingContentLength",
                            411,
                            "You must provide the Content-Length HTTP header.",
                        ));
                    }
                }
            }
            let length = whole.len() as u64;
            return Ok((full(whole.freeze()), length));
        }
        let file = rest.unwrap_or_default().saturating_sub(closing);
        if file > FILE_BYTES_MAX {
            return Err(Refusal::caller(
                "EntityTooLarge",
                400,
                "Your proposed upload exceeds the maximum allowed size",
            ));
        }
        if let Some(limits) = &self.limits {
            limits.check(file).map_err(|error| {
                let (code, status) = error.s3_code();
                Refusal::caller(code, status, error.to_string())
            })?;
        }
        Ok((self.boxed_unsync(), file))
    }

    fn end(&mut self) -> Option<Result<Frame<Bytes>, BodyFailure>> {
        let decoder = self.decoder.take()?;
        let failure = |(code, status): (&'static str, u16), message: String| {
            Some(Err(BodyFailure::new(code, status, message)))
        };
        match decoder.finish() {
            Err(error) => failure(error.s3_code(), error.to_string()),
            Ok(length) => match self.limits.as_ref().map(|limits| limits.check(length)) {
                Some(Err(error)) => failure(error.s3_code(), error.to_string()),
                _ => None,
            },
        }
    }
}

impl http_body::Body for Form {
    type Data = Bytes;
    type Error = BodyFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailure>>> {
        loop {
            let this = &mut *self;
            let Some(decoder) = &mut this.decoder else {
                return Poll::Ready(None);
            };
            if !this.ready.is_empty() {
                let mut file = BytesMut::new();
                let pushed = decoder.push(&this.ready, &mut |bytes: &[u8]| file.extend_from_slice(bytes));
                match pushed {
                    Ok(taken) => drop(this.ready.split_to(taken.min(this.ready.len()))),
                    Err(error) => {
                        this.decoder = None;
                        let (code, status) = error.s3_code();
                        return Poll::Ready(Some(Err(BodyFailure::new(code, status, error.to_string()))));
                    }
                }
                if !file.is_empty() {
                    this.sent += file.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(file.freeze()))));
                }
                continue;
            }
            match std::task::ready!(Pin::new(&mut this.body).poll_frame(context)) {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.ready = data;
                    }
                }
                Some(Err(failure)) => {
                    this.decoder = None;
                    return Poll::Ready(Some(Err(failure)));
                }
                None => return Poll::Ready(this.end()),
            }
        }
    }
}

impl Upload {
    /// What to call for the answer to the form, once the object is there.
    pub fn answer_with(&self) -> impl FnOnce(Response<Body>) -> Response<Body> + Send + 'static {
        let wish = Wish {
            bucket: self.answer.bucket.clone(),
            key: self.answer.key.clone(),
            path: self.answer.path.clone(),
            host: self.answer.host.clone(),
            redirect: self.answer.redirect.clone(),
            status: self.answer.status.clone(),
        };
        move |stored| wish.answer(stored)
    }
}

impl Wish {
    fn answer(&self, stored: Response<Body>) -> Response<Body> {
        if !stored.status().is_success() {
            return stored;
        }
        let etag = stored.headers().get(http::header::ETAG).cloned();
        let etag_text = etag
            .as_ref()
            .and_then(|etag| etag.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let location = format!("http://{}{}", self.host, self.path);
        let mut response = stored.map(|_| full(Bytes::new()));
        response.headers_mut().remove(http::header::CONTENT_LENGTH);
        let redirect = self
            .redirect
            .as_deref()
            .and_then(|to| self.redirect_to(to, &etag_text));
        *response.status_mut() = match (&redirect, self.status.as_deref()) {
            (Some(_), _) => StatusCode::SEE_OTHER,
            (None, Some("200")) => StatusCode::OK,
            (None, Some("201")) => StatusCode::CREATED,
            _ => StatusCode::NO_CONTENT,
        };
        if response.status() == StatusCode::CREATED {
            let text = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>{}</Location><Bucket>{}</Bucket>\
                 <Key>{}</Key><ETag>{}</ETag></PostResponse>",
                escaped(&location),
                escaped(&self.bucket),
                escaped(&self.key),
                escaped(&etag_text)
            );
            *response.body_mut() = full(text);
            response.headers_mut().insert(
                http::header::CONTENT_TYPE,
                HeaderValue::from_static("application/xml"),
            );
        }
        let location = redirect.or_else(|| HeaderValue::from_str(&location).ok());
        if let Some(location) = location {
            response.headers_mut().insert(http::header::LOCATION, location);
        }
        response
    }

    /// Where the form sends the browser afterwards; what is no web address is ignored, as S3 does.
    fn redirect_to(&self, to: &str, etag: &str) -> Option<HeaderValue> {
        let uri: http::Uri = to.parse().ok()?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return None;
        }
        let joint = if uri.query().is_some() { '&' } else { '?' };
        let target = format!(
            "{to}{joint}bucket={}&key={}&etag={}",
            percent_encode(&self.bucket),
            percent_encode(&self.key),
            percent_encode(etag)
        );
        HeaderValue::from_str(&target).ok()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
