use crate::conditions::{Conditions, Span, Verdict, failed, parse_range};
use crate::error::broken;
use crate::file_body::FileBody;
use crate::headers;
use crate::meta::{Identity, ObjectMeta};
use crate::respond::{confirm, describe, empty, no_such_key, set};
use crate::staging::Staged;
use crate::store::{Found, Store};
use hallpass_s3route::{ParsedBody, S3Request};
use hallpass_upstream::{Body, ForwardParts, UpstreamError};
use http::{Response, StatusCode};
use http_body_util::BodyExt;

type Answer = Result<Response<Body>, UpstreamError>;

/// Bucket and key of a request that has both.
pub(crate) fn target(s3: &S3Request) -> Result<(&str, &str), UpstreamError> {
    match (&s3.bucket, &s3.key) {
        (Some(bucket), Some(key)) => Ok((bucket, key)),
        _ => Err(broken("route", "an object operation without a key")),
    }
}

/// There are no versions here; `null` is what S3 calls the one there is.
pub(crate) fn check_version(version: Option<&str>) -> Result<(), UpstreamError> {
    match version {
        None | Some("null") => Ok(()),
        Some(_) => Err(UpstreamError::new(
            "NoSuchVersion",
            404,
            "The specified version does not exist.",
        )),
    }
}

pub(crate) fn get(store: &Store, parts: &ForwardParts, with_body: bool) -> Answer {
    let (bucket, key) = target(&parts.s3)?;
    store.bucket_folder(bucket)?;
    check_version(parts.s3.version_id())?;
    let Found { file, meta } = store.find(bucket, key)?.ok_or_else(|| no_such_key(key))?;
    match Conditions::read("", |name| parts.header(name)).on_read(&meta) {
        Verdict::Proceed => {}
        Verdict::Failed => return Err(failed("If-Match")),
        Verdict::NotModified => {
            let mut response = empty(StatusCode::NOT_MODIFIED);
            describe(&mut response, &meta, false);
            response.headers_mut().remove("content-type");
            return Ok(response);
        }
    }
    let size = meta.size();
    let ranged = span(parts, &meta)?;
    let span = ranged.unwrap_or(Span {
        start: 0,
        length: size,
    });
    let body = if with_body {
        FileBody::new(file, span).boxed_unsync()
    } else {
        hallpass_upstream::full("")
    };
    let mut response = Response::new(body);
    // A checksum is of the whole object; beside a part of it a client would hold it against the wrong bytes.
    let checksums = ranged.is_none()
        && parts
            .header("x-amz-checksum-mode")
            .is_some_and(|mode| mode == "ENABLED");
    describe(&mut response, &meta, checksums);
    set(&mut response, "content-length", &span.length.to_string());
    if ranged.is_some() {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let last = (span.start + span.length).saturating_sub(1);
        set(
            &mut response,
            "content-range",
            &format!("bytes {}-{last}/{size}", span.start),
        );
    }
    if parts.s3.parameter("partNumber").is_some() && !meta.parts.is_empty() {
        set(
            &mut response,
            "x-amz-mp-parts-count",
            &meta.parts.len().to_string(),
        );
    }
    for (parameter, value) in &parts.s3.query {
        if let Some(header) = parameter.strip_prefix("response-") {
            set(&mut response, header, value);
        }
    }
    Ok(response)
}

fn span(parts: &ForwardParts, meta: &ObjectMeta) -> Result<Option<Span>, UpstreamError> {
    let size = meta.size();
    let out_of_range = || {
        UpstreamError::new("InvalidRange", 416, "The requested range is not satisfiable")
            .with("ActualObjectSize", size.to_string())
            .with_header("content-range", format!("bytes */{size}"))
    };
    let range = parts.header("range");
    match (
        parts
            .s3
            .parameter("partNumber")
            .and_then(|number| number.parse::<usize>().ok()),
        range,
    ) {
        (Some(_), Some(_)) => Err(UpstreamError::new(
            "InvalidRequest",
            400,
            "Cannot specify both Range header and partNumber query parameter",
        )),
        (Some(1), None) if meta.parts.is_empty() => Ok((size > 0).then_some(Span {
            start: 0,
            length: size,
        })),
        (Some(number), None) => {
            let length = number
                .checked_sub(1)
                .and_then(|index| meta.parts.get(index))
                .copied();
            let length = length.ok_or_else(|| {
                UpstreamError::new(
                    "InvalidPartNumber",
                    416,
                    "The requested partnumber is not satisfiable",
                )
            })?;
            let start = meta.parts.iter().take(number - 1).sum();
            Ok(Some(Span { start, length }))
        }
        (None, Some(range)) => parse_range(&range, size).map_err(|()| out_of_range()),
        (None, None) => Ok(None),
    }
}

/// What is known of an object once its bytes are staged; the identity comes with its place.
pub(crate) fn new_meta(store: &Store, etag: String, headers: Vec<(String, String)>) -> ObjectMeta {
    ObjectMeta {
        identity: Identity {
            inode: 0,
            modified: (0, 0),
            size: 0,
        },
        etag,
        last_modified: store.now(),
        headers,
        checksums: vec![],
        tags: vec![],
        parts: vec![],
    }
}

/// Puts a staged file in place if the conditions of the request allow it at that moment.
pub(crate) fn commit(
    store: &Store,
    parts: &ForwardParts,
    staged: &mut Staged,
    meta: ObjectMeta,
) -> Result<ObjectMeta, UpstreamError> {
    let (bucket, key) = target(&parts.s3)?;
    let conditions = Conditions::read("", |name| parts.header(name));
    // A file changed by hand gets its metadata first: computing it takes the lock itself.
    store.bucket_folder(bucket)?;
    if parts.header("if-match").is_some() {
        store.find(bucket, key)?;
    }
    let _buckets = store.share_buckets();
    let _guard = store.lock(bucket, key);
    let current = store.find_locked(bucket, key)?;
    let exists = current.is_some();
    let current = current.and_then(|(_, meta)| meta);
    let unknown = new_meta(store, String::new(), vec![]);
    let seen = if exists {
        Some(current.as_ref().unwrap_or(&unknown))
    } else {
        None
    };
    conditions.on_write(key, seen)?;
    store.place(bucket, key, staged, meta, current)
}

pub(crate) fn put(store: &Store, parts: &ForwardParts, mut staged: Staged) -> Answer {
    let mut meta = new_meta(store, staged.md5(), headers::of_object(parts)?);
    meta.checksums = headers::checksums(parts);
    meta.checksums.append(&mut staged.checksums);
    meta.tags = headers::tags(parts)?;
    let meta = commit(store, parts, &mut staged, meta)?;
    let mut response = empty(StatusCode::OK);
    confirm(&mut response, &meta);
    Ok(response)
}

pub(crate) fn delete(store: &Store, parts: &ForwardParts) -> Answer {
    let (bucket, key) = target(&parts.s3)?;
    store.bucket_folder(bucket)?;
    let if_match = parts.header("if-match");
    match delete_one(store, bucket, key, parts.s3.version_id(), if_match.as_deref()) {
        // Deleting what is not there has succeeded.
        Ok(()) => Ok(empty(StatusCode::NO_CONTENT)),
        Err(error) => Err(error),
    }
}

fn delete_one(
    store: &Store,
    bucket: &str,
    key: &str,
    version: Option<&str>,
    if_match: Option<&str>,
) -> Result<(), UpstreamError> {
    if check_version(version).is_err() {
        return Ok(());
    }
    if if_match.is_some() {
        store.find(bucket, key)?;
    }
    let _guard = store.lock(bucket, key);
    if let Some(tags) = if_match {
        let current = store.find_locked(bucket, key)?.and_then(|(_, meta)| meta);
        let given = Conditions::read("", |name| (name == "if-match").then(|| tags.to_owned()));
        given.on_write(key, current.as_ref())?;
    }
    store.remove(bucket, key)
}

pub(crate) fn delete_many(store: &Store, parts: &ForwardParts) -> Answer {
    let bucket = parts.s3.bucket.as_deref().unwrap_or_default();
    store.bucket_folder(bucket)?;
    let Some(ParsedBody::Delete { quiet, keys }) = &parts.s3.body else {
        return Err(broken("route", "DeleteObjects without its body"));
    };
    let results: Vec<_> = keys
        .iter()
        .map(|key| {
            (
                key,
                delete_one(
                    store,
                    bucket,
                    &key.key,
                    key.version_id.as_deref(),
                    key.etag.as_deref(),
                ),
            )
        })
        .collect();
    Ok(crate::respond::xml("DeleteResult", |xml| {
        for (key, result) in &results {
            match result {
                Ok(()) if *quiet => {}
                Ok(()) => {
                    xml.element("Deleted", |xml| {
                        xml.text("Key", &key.key)
                            .optional("VersionId", key.version_id.as_ref());
                    });
                }
                Err(error) => {
                    xml.element("Error", |xml| {
                        xml.text("Key", &key.key)
                            .text("Code", error.code)
                            .text("Message", &error.message);
                    });
                }
            }
        }
    }))
}
