use crate::error::broken;
use crate::meta::Entry;
use crate::object_ops::{check_version, target};
use crate::respond::{empty, no_such_key, xml};
use crate::store::Store;
use hallpass_s3route::ParsedBody;
use hallpass_upstream::{Body, ForwardParts, UpstreamError};
use http::{Response, StatusCode};

pub(crate) fn get(store: &Store, parts: &ForwardParts) -> Result<Response<Body>, UpstreamError> {
    let (bucket, key) = target(&parts.s3)?;
    store.bucket_folder(bucket)?;
    check_version(parts.s3.version_id())?;
    let found = store.find(bucket, key)?.ok_or_else(|| no_such_key(key))?;
    Ok(xml("Tagging", |xml| {
        xml.list("TagSet", "Tag", &found.meta.tags, |xml, (key, value)| {
            xml.text("Key", key).text("Value", value);
        });
    }))
}

pub(crate) fn put(store: &Store, parts: &ForwardParts) -> Result<Response<Body>, UpstreamError> {
    let Some(ParsedBody::Tags(tags)) = &parts.s3.body else {
        return Err(broken("route", "PutObjectTagging without its body"));
    };
    set(store, parts, tags.clone())?;
    Ok(empty(StatusCode::OK))
}

pub(crate) fn delete(store: &Store, parts: &ForwardParts) -> Result<Response<Body>, UpstreamError> {
    set(store, parts, vec![])?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn set(store: &Store, parts: &ForwardParts, tags: Vec<(String, String)>) -> Result<(), UpstreamError> {
    let (bucket, key) = target(&parts.s3)?;
    store.bucket_folder(bucket)?;
    check_version(parts.s3.version_id())?;
    // Of a file put there by hand this computes the metadata first.
    store.find(bucket, key)?.ok_or_else(|| no_such_key(key))?;
    let _guard = store.lock(bucket, key);
    let (_, meta) = store.find_locked(bucket, key)?.ok_or_else(|| no_such_key(key))?;
    let mut meta = meta.ok_or_else(|| {
        UpstreamError::new(
            "OperationAborted",
            409,
            "A conflicting operation is in progress on this object.",
        )
    })?;
    meta.tags = tags;
    let odd = store.entry(bucket, key)?.is_some_and(|entry| entry.odd);
    let entry = Entry {
        odd,
        candidates: vec![meta],
    };
    store.commit(vec![store.entry_change(bucket, key, &entry)?])
}
