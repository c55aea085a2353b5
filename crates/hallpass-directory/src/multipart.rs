use crate::conditions::same_etag;
use crate::copy;
use crate::error::{broken, io};
use crate::folders;
use crate::headers;
use crate::index::{Change, Table, json};
use crate::list_ops::millis;
use crate::meta::{PartMeta, UploadMeta};
use crate::object_ops::{commit, new_meta, target};
use crate::respond::{empty, quoted, set, xml};
use crate::staging::Staged;
use crate::store::Store;
use hallpass_s3route::ParsedBody;
use hallpass_upstream::{Body, ForwardParts, UpstreamError};
use http::{Response, StatusCode};
use md5::{Digest, Md5};
use std::os::fd::OwnedFd;
use std::sync::Arc;

type Answer = Result<Response<Body>, UpstreamError>;

/// All parts but the last have at least this many bytes. Source: S3, "Multipart upload limits".
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
/// More than any upload has parts, so one read gets them all.
const ALL: usize = 20_000;

fn part_key(upload: &str, number: u16) -> String {
    format!("{upload}\0{number:05}")
}

fn no_such_upload() -> UpstreamError {
    UpstreamError::new(
        "NoSuchUpload",
        404,
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
         completed.",
    )
}

/// The upload of a request: its id and what it was begun with. Another key's upload is none.
fn upload<'a>(store: &Store, parts: &'a ForwardParts) -> Result<(&'a str, UploadMeta), UpstreamError> {
    let (bucket, key) = target(&parts.s3)?;
    store.bucket_folder(bucket)?;
    let id = parts.s3.parameter("uploadId").unwrap_or_default();
    // Only ids of the form made here are looked up: the id is a folder's name as well.
    if id.len() != 32 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(no_such_upload());
    }
    let found: Option<UploadMeta> = store
        .index
        .get(Table::Uploads, id)
        .map_err(|error| broken("read upload", error))?;
    match found {
        Some(meta) if meta.bucket == bucket && meta.key == key => Ok((id, meta)),
        _ => Err(no_such_upload()),
    }
}

fn folder(store: &Store, upload: &str) -> Result<OwnedFd, UpstreamError> {
    folders::open_or_make(&store.parts, upload).map_err(io("open upload"))
}

fn stored_parts(store: &Store, upload: &str) -> Result<Vec<(u16, PartMeta)>, UpstreamError> {
    let prefix = format!("{upload}\0");
    let found = store
        .index
        .range(Table::Parts, &prefix, &prefix, ALL)
        .map_err(|error| broken("read parts", error))?;
    found
        .into_iter()
        .map(|(key, value)| {
            let number = key
                .get(prefix.len()..)
                .and_then(|number| number.parse().ok())
                .unwrap_or_default();
            serde_json::from_slice(&value)
                .map(|part| (number, part))
                .map_err(|error| broken("read part", error))
        })
        .collect()
}

pub(crate) fn create(store: &Store, parts: &ForwardParts) -> Answer {
    let (bucket, key) = target(&parts.s3)?;
    store.bucket_folder(bucket)?;
    let id = store.unique_name();
    let meta = UploadMeta {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        initiated: store.now(),
        headers: headers::of_object(parts)?,
        tags: headers::tags(parts)?,
    };
    let value = json(&meta).map_err(|error| broken("write upload", error))?;
    let _buckets = store.share_buckets();
    store.bucket_folder(bucket)?;
    store.commit(vec![(Table::Uploads, id.clone(), Some(value))])?;
    let mut response = xml("InitiateMultipartUploadResult", |xml| {
        xml.text("Bucket", bucket).text("Key", key).text("UploadId", &id);
    });
    for (name, value) in meta
        .headers
        .iter()
        .filter(|(name, _)| name == "x-amz-server-side-encryption")
    {
        set(&mut response, name, value);
    }
    for name in ["x-amz-checksum-algorithm", "x-amz-checksum-type"] {
        if let Some(value) = parts.header(name) {
            set(&mut response, name, &value);
        }
    }
    Ok(response)
}

/// A part's file has a name of its own, so that the part it replaces stays whole until the index says otherwise.
fn keep_part(store: &Store, parts: &ForwardParts, mut staged: Staged) -> Result<PartMeta, UpstreamError> {
    let (id, _) = upload(store, parts)?;
    let number = parts
        .s3
        .parameter("partNumber")
        .and_then(|number| number.parse().ok())
        .unwrap_or_default();
    staged.file.sync_all().map_err(io("sync part"))?;
    let size = staged.file.metadata().map_err(io("stat part"))?.len();
    let mut checksums = headers::checksums(parts);
    checksums.append(&mut staged.checksums);
    let part = PartMeta {
        file: staged.name.clone(),
        etag: staged.md5(),
        size,
        last_modified: store.now(),
        checksums,
    };
    let _guard = store.lock_upload(id);
    // Completed or aborted while the part came in: then it is too late.
    upload(store, parts)?;
    let folder = folder(store, id)?;
    let key = part_key(id, number);
    let replaced: Option<PartMeta> = store
        .index
        .get(Table::Parts, &key)
        .map_err(|error| broken("read part", error))?;
    folders::rename_into(store.staging(), &staged.name, &folder, &part.file).map_err(io("place part"))?;
    staged.keep();
    let value = json(&part).map_err(|error| broken("write part", error))?;
    store.commit(vec![(Table::Parts, key, Some(value))])?;
    if let Some(replaced) = replaced {
        folders::remove_file(&folder, &replaced.file).map_err(io("remove part"))?;
    }
    Ok(part)
}

pub(crate) fn put_part(store: &Store, parts: &ForwardParts, staged: Staged) -> Answer {
    let part = keep_part(store, parts, staged)?;
    let mut response = empty(StatusCode::OK);
    set(&mut response, "etag", &quoted(&part.etag));
    for (name, value) in &part.checksums {
        set(&mut response, name, value);
    }
    Ok(response)
}

pub(crate) fn copy_part(store: &Arc<Store>, parts: &ForwardParts) -> Answer {
    upload(store, parts)?;
    let found = copy::source(store, parts)?;
    let span = copy::source_span(parts, found.meta.size())?;
    let part = keep_part(store, parts, copy::stage(store, &found, span)?)?;
    Ok(xml("CopyPartResult", |xml| {
        xml.text("LastModified", millis(part.last_modified.iso8601()))
            .text("ETag", quoted(&part.etag));
    }))
}

pub(crate) fn complete(store: &Arc<Store>, parts: &ForwardParts) -> Answer {
    let (bucket, key) = target(&parts.s3)?;
    let (id, begun) = upload(store, parts)?;
    let Some(ParsedBody::Parts(wanted)) = &parts.s3.body else {
        return Err(broken("route", "CompleteMultipartUpload without its body"));
    };
    let guard = store.lock_upload(id);
    let have = stored_parts(store, id)?;
    let mut chosen = vec![];
    let mut previous = 0;
    for part in wanted {
        if part.number <= previous {
            return Err(UpstreamError::new(
                "InvalidPartOrder",
                400,
                "The list of parts was not in ascending order. Parts must be ordered by part number.",
            ));
        }
        previous = part.number;
        let found = have
            .iter()
            .find(|(number, have)| *number == part.number && same_etag(&part.etag, &have.etag));
        let (_, found) = found.ok_or_else(|| {
            UpstreamError::new("InvalidPart", 400, "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
                .with("PartNumber", part.number.to_string())
        })?;
        chosen.push(found);
    }
    if let Some((_, all_but_last)) = chosen.split_last()
        && all_but_last.iter().any(|part| part.size < PART_BYTES_MIN)
    {
        return Err(UpstreamError::new(
            "EntityTooSmall",
            400,
            "Your proposed upload is smaller than the minimum allowed size",
        ));
    }
    let folder = folder(store, id)?;
    let mut staged = Staged::create(store)?;
    let mut etag = Md5::new();
    for part in &chosen {
        let file = folders::open_file(&folder, &part.file).map_err(io("open part"))?;
        let mut file = file.ok_or_else(|| broken("open part", "the file is gone"))?;
        let copied = std::io::copy(&mut file, &mut staged.file).map_err(io("join parts"))?;
        if copied != part.size {
            return Err(broken("join parts", "a part has changed its size"));
        }
        etag.update(hex::decode(&part.etag).map_err(|error| broken("read part", error))?);
    }
    let etag = format!("{}-{}", hex::encode(etag.finalize()), chosen.len());
    let mut meta = new_meta(store, etag, begun.headers);
    meta.tags = begun.tags;
    meta.parts = chosen.iter().map(|part| part.size).collect();
    let meta = commit(store, parts, &mut staged, meta)?;
    // After the object: should this be the last thing done, completing again makes the same object.
    forget(store, id)?;
    drop(guard);
    let mut response = xml("CompleteMultipartUploadResult", |xml| {
        xml.text(
            "Location",
            format!("/{bucket}/{}", hallpass_upstream::encode_key(key)),
        )
        .text("Bucket", bucket)
        .text("Key", key)
        .text("ETag", quoted(&meta.etag));
    });
    if let Some(encryption) = meta.header("x-amz-server-side-encryption") {
        set(&mut response, "x-amz-server-side-encryption", encryption);
    }
    Ok(response)
}

/// Removes an upload: first from the index, so that what a crash leaves is files nobody knows, not parts without.
fn forget(store: &Store, id: &str) -> Result<(), UpstreamError> {
    let mut changes: Vec<Change> = vec![(Table::Uploads, id.to_owned(), None)];
    for (number, _) in stored_parts(store, id)? {
        changes.push((Table::Parts, part_key(id, number), None));
    }
    store.commit(changes)?;
    if let Ok(folder) = folders::open(&store.parts, id) {
        for (name, _) in folders::entries(&folder).map_err(io("remove parts"))? {
            folders::remove_file(&folder, &name).map_err(io("remove parts"))?;
        }
        folders::remove_folder(&store.parts, id);
    }
    Ok(())
}

pub(crate) fn abort(store: &Store, parts: &ForwardParts) -> Answer {
    let (id, _) = upload(store, parts)?;
    let _guard = store.lock_upload(id);
    forget(store, id)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn uploads(store: &Store, bucket: &str) -> Result<Vec<(String, UploadMeta)>, UpstreamError> {
    let found = store
        .index
        .range(Table::Uploads, "", "", usize::MAX)
        .map_err(|error| broken("read uploads", error))?;
    let mut uploads = vec![];
    for (id, value) in found {
        let meta: UploadMeta =
            serde_json::from_slice(&value).map_err(|error| broken("read upload", error))?;
        if meta.bucket == bucket {
            uploads.push((id, meta));
        }
    }
    uploads.sort_by(|(left_id, left), (right_id, right)| (&left.key, left_id).cmp(&(&right.key, right_id)));
    Ok(uploads)
}

pub(crate) fn abort_all(store: &Store, bucket: &str) -> Result<(), UpstreamError> {
    for (id, _) in uploads(store, bucket)? {
        forget(store, &id)?;
    }
    Ok(())
}

fn page_size(parts: &ForwardParts, name: &str) -> usize {
    parts
        .s3
        .parameter(name)
        .and_then(|max| max.parse::<usize>().ok())
        .map_or(1_000, |max| max.min(1_000))
}

pub(crate) fn list_parts(store: &Store, parts: &ForwardParts) -> Answer {
    let (bucket, key) = target(&parts.s3)?;
    let (id, _) = upload(store, parts)?;
    let marker = parts
        .s3
        .parameter("part-number-marker")
        .and_then(|marker| marker.parse::<u64>().ok())
        .unwrap_or(0);
    let max = page_size(parts, "max-parts");
    let mut found = stored_parts(store, id)?;
    found.retain(|(number, _)| u64::from(*number) > marker);
    let truncated = found.len() > max;
    found.truncate(max);
    Ok(xml("ListPartsResult", |xml| {
        xml.text("Bucket", bucket).text("Key", key).text("UploadId", id);
        xml.text("PartNumberMarker", marker.to_string());
        if let (true, Some((last, _))) = (truncated, found.last()) {
            xml.text("NextPartNumberMarker", last.to_string());
        }
        xml.text("MaxParts", max.to_string())
            .text("IsTruncated", if truncated { "true" } else { "false" });
        for (number, part) in &found {
            xml.element("Part", |xml| {
                xml.text("PartNumber", number.to_string())
                    .text("LastModified", millis(part.last_modified.iso8601()))
                    .text("ETag", quoted(&part.etag))
                    .text("Size", part.size.to_string());
            });
        }
        xml.text("StorageClass", "STANDARD");
    }))
}

pub(crate) fn list_uploads(store: &Store, parts: &ForwardParts) -> Answer {
    let bucket = parts.s3.bucket.as_deref().unwrap_or_default();
    store.bucket_folder(bucket)?;
    if parts
        .s3
        .parameter("delimiter")
        .is_some_and(|delimiter| !delimiter.is_empty())
    {
        return Err(UpstreamError::not_implemented(
            "a delimiter in ListMultipartUploads",
        ));
    }
    let prefix = parts.s3.parameter("prefix").unwrap_or_default();
    let key_marker = parts.s3.parameter("key-marker").unwrap_or_default();
    let id_marker = parts.s3.parameter("upload-id-marker").unwrap_or_default();
    let encode = parts.s3.parameter("encoding-type") == Some("url");
    let text = |key: &str| {
        if encode {
            hallpass_upstream::encode_key(key)
        } else {
            key.to_owned()
        }
    };
    let max = page_size(parts, "max-uploads");
    let mut found = uploads(store, bucket)?;
    found.retain(|(id, meta)| {
        let after = key_marker.is_empty()
            || meta.key.as_str() > key_marker
            || (meta.key == key_marker && !id_marker.is_empty() && id.as_str() > id_marker);
        meta.key.starts_with(prefix) && after
    });
    let truncated = found.len() > max;
    found.truncate(max);
    Ok(xml("ListMultipartUploadsResult", |xml| {
        xml.text("Bucket", bucket)
            .text("KeyMarker", text(key_marker))
            .text("UploadIdMarker", id_marker);
        xml.text("Prefix", text(prefix));
        if let (true, Some((id, meta))) = (truncated, found.last()) {
            xml.text("NextKeyMarker", text(&meta.key))
                .text("NextUploadIdMarker", id);
        }
        xml.optional("EncodingType", encode.then_some("url"));
        xml.text("MaxUploads", max.to_string())
            .text("IsTruncated", if truncated { "true" } else { "false" });
        for (id, meta) in &found {
            xml.element("Upload", |xml| {
                xml.text("Key", text(&meta.key))
                    .text("UploadId", id)
                    .text("Initiated", millis(meta.initiated.iso8601()))
                    .text("StorageClass", "STANDARD");
            });
        }
    }))
}
