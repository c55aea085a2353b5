use crate::conditions::{Conditions, Span, Verdict, failed, parse_range};
use crate::error::{broken, io};
use crate::headers;
use crate::object_ops::{check_version, commit, new_meta, target};
use crate::respond::{no_such_key, quoted, set, xml};
use crate::staging::{PIECE_BYTES, Staged};
use crate::store::{Found, Store};
use hallpass_upstream::{Body, ForwardParts, UpstreamError};
use http::Response;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Opens the source of a copy and checks the conditions on it.
pub(crate) fn source(store: &Store, parts: &ForwardParts) -> Result<Found, UpstreamError> {
    let source = parts
        .s3
        .copy_source
        .as_ref()
        .ok_or_else(|| broken("route", "a copy without its source"))?;
    store.bucket_folder(&source.bucket)?;
    check_version(source.version_id.as_deref())?;
    let found = store
        .find(&source.bucket, &source.key)?
        .ok_or_else(|| no_such_key(&source.key))?;
    match Conditions::read("x-amz-copy-source-", |name| parts.header(name)).on_read(&found.meta) {
        Verdict::Proceed => Ok(found),
        Verdict::NotModified | Verdict::Failed => Err(failed("x-amz-copy-source-If-Match")),
    }
}

/// Copies a span of an object to a staged file.
pub(crate) fn stage(store: &Arc<Store>, found: &Found, span: Span) -> Result<Staged, UpstreamError> {
    let mut staged = Staged::create(store)?;
    let mut piece = vec![0; PIECE_BYTES];
    let (mut at, mut left) = (span.start, span.length);
    while left > 0 {
        let want = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
        let room = piece.get_mut(..want).unwrap_or_default();
        let read = found.file.read_at(room, at).map_err(io("read copy source"))?;
        if read == 0 {
            return Err(broken("read copy source", "the file became shorter"));
        }
        staged.write(piece.get(..read).unwrap_or_default())?;
        at += read as u64;
        left -= read as u64;
    }
    Ok(staged)
}

/// The span `x-amz-copy-source-range` names; the whole object without it.
pub(crate) fn source_span(parts: &ForwardParts, size: u64) -> Result<Span, UpstreamError> {
    let Some(range) = parts.header("x-amz-copy-source-range") else {
        return Ok(Span {
            start: 0,
            length: size,
        });
    };
    match parse_range(&range, size) {
        Ok(Some(span)) => Ok(span),
        _ => Err(UpstreamError::new(
            "InvalidArgument",
            400,
            "The x-amz-copy-source-range value is not valid.",
        )),
    }
}

pub(crate) fn copy(store: &Arc<Store>, parts: &ForwardParts) -> Result<Response<Body>, UpstreamError> {
    let (bucket, key) = target(&parts.s3)?;
    store.bucket_folder(bucket)?;
    let found = source(store, parts)?;
    let replaces = |name: &str| match parts.header(name).as_deref() {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(_) => Err(UpstreamError::new(
            "InvalidArgument",
            400,
            "Unknown metadata or tagging directive.",
        )),
    };
    let new_headers = replaces("x-amz-metadata-directive")?;
    let new_tags = replaces("x-amz-tagging-directive")?;
    let storage = headers::storage(parts)?;
    let itself = parts
        .s3
        .copy_source
        .as_ref()
        .is_some_and(|source| source.bucket == bucket && source.key == key);
    if itself && !new_headers && storage.is_empty() {
        return Err(UpstreamError::new(
            "InvalidRequest",
            400,
            "This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let mut staged = stage(
        store,
        &found,
        Span {
            start: 0,
            length: found.meta.size(),
        },
    )?;
    let headers = if new_headers {
        headers::of_object(parts)?
    } else {
        let own = |name: &str| name == "x-amz-server-side-encryption" || name == "x-amz-storage-class";
        let kept = found.meta.headers.iter().filter(|(name, _)| !own(name)).cloned();
        kept.chain(storage).collect()
    };
    let mut meta = new_meta(store, staged.md5(), headers);
    meta.tags = if new_tags {
        headers::tags(parts)?
    } else {
        found.meta.tags.clone()
    };
    // Of a multipart upload the checksum may be one of its parts' checksums, which the copy does not have.
    if found.meta.parts.is_empty() {
        meta.checksums = found.meta.checksums.clone();
    }
    let meta = commit(store, parts, &mut staged, meta)?;
    let mut response = xml("CopyObjectResult", |xml| {
        xml.text("LastModified", meta.last_modified.iso8601())
            .text("ETag", quoted(&meta.etag));
    });
    if let Some(encryption) = meta.header("x-amz-server-side-encryption") {
        set(&mut response, "x-amz-server-side-encryption", encryption);
    }
    Ok(response)
}
