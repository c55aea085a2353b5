use crate::error::{broken, io};
use crate::folders;
use crate::index::{Table, json};
use crate::list_ops::millis;
use crate::listing::{Wanted, list};
use crate::meta::BucketMeta;
use crate::multipart;
use crate::respond::{document, empty, set, xml};
use crate::store::Store;
use hallpass_s3route::ParsedBody;
use hallpass_types::UnixSeconds;
use hallpass_upstream::{Body, ForwardParts, UpstreamError};
use http::{Response, StatusCode};
use std::os::fd::OwnedFd;

type Answer = Result<Response<Body>, UpstreamError>;

fn name(parts: &ForwardParts) -> &str {
    parts.s3.bucket.as_deref().unwrap_or_default()
}

/// The caller's buckets, and those made by hand, which are nobody's.
pub(crate) fn list_all(store: &Store, parts: &ForwardParts) -> Answer {
    let caller = parts.permit.caller().account;
    let mut names = folders::entries(store.root()).map_err(io("list buckets"))?;
    names.sort_unstable();
    let prefix = parts.s3.parameter("prefix").unwrap_or_default();
    let mut buckets = vec![];
    for (name, is_folder) in names {
        if !is_folder || !name.starts_with(prefix) {
            continue;
        }
        if let Some(meta) = store.bucket(&name)?
            && meta.owner.is_none_or(|owner| owner == caller)
        {
            buckets.push((name, meta.created.unwrap_or(UnixSeconds(0))));
        }
    }
    Ok(xml("ListAllMyBucketsResult", |xml| {
        xml.element("Owner", |xml| {
            xml.text("ID", caller.as_str());
        });
        xml.list("Buckets", "Bucket", buckets, |xml, (name, created)| {
            xml.text("Name", name)
                .text("CreationDate", millis(created.iso8601()));
        });
    }))
}

pub(crate) fn create(store: &Store, parts: &ForwardParts) -> Answer {
    let name = name(parts);
    let owner = parts.permit.caller().account;
    let location = match &parts.s3.body {
        Some(ParsedBody::CreateBucket { location, .. }) => location.clone(),
        _ => None,
    };
    let _buckets = store.own_buckets();
    if let Some(meta) = store.bucket(name)? {
        let (code, message) = if meta.owner == Some(owner) {
            (
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own it.",
            )
        } else {
            (
                "BucketAlreadyExists",
                "The requested bucket name is not available.",
            )
        };
        return Err(UpstreamError::new(code, 409, message).with("BucketName", name));
    }
    // The owner first: a folder without one would be everybody's.
    let meta = BucketMeta {
        owner: Some(owner),
        created: Some(store.now()),
        location,
    };
    let value = json(&meta).map_err(|error| broken("write bucket", error))?;
    store.commit(vec![(Table::Buckets, name.to_owned(), Some(value))])?;
    folders::open_or_make(store.root(), name).map_err(io("create bucket"))?;
    let mut response = empty(StatusCode::OK);
    set(&mut response, "location", &format!("/{name}"));
    Ok(response)
}

pub(crate) fn delete(store: &Store, parts: &ForwardParts) -> Answer {
    let name = name(parts);
    let _buckets = store.own_buckets();
    let folder = store.bucket_folder(name)?;
    let wanted = Wanted {
        max: 1,
        ..Wanted::default()
    };
    let not_empty = || {
        UpstreamError::new(
            "BucketNotEmpty",
            409,
            "The bucket you tried to delete is not empty",
        )
        .with("BucketName", name)
    };
    if !list(store, name, &wanted)?.keys.is_empty() {
        return Err(not_empty());
    }
    multipart::abort_all(store, name)?;
    remove_empty_folders(&folder).map_err(io("delete bucket"))?;
    // Links and other things that are no objects keep the folder; they are somebody's.
    if !folders::remove_folder(store.root(), name) {
        return Err(not_empty());
    }
    store.remove_odd_folder(name);
    store.commit(vec![(Table::Buckets, name.to_owned(), None)])?;
    Ok(empty(StatusCode::NO_CONTENT))
}

fn remove_empty_folders(folder: &OwnedFd) -> std::io::Result<()> {
    for (name, is_folder) in folders::entries(folder)? {
        if is_folder {
            remove_empty_folders(&folders::open(folder, &name)?)?;
            folders::remove_folder(folder, &name);
        }
    }
    Ok(())
}

pub(crate) fn head(store: &Store, parts: &ForwardParts) -> Answer {
    store.bucket_folder(name(parts))?;
    Ok(empty(StatusCode::OK))
}

pub(crate) fn location(store: &Store, parts: &ForwardParts) -> Answer {
    store.bucket_folder(name(parts))?;
    let meta = store.bucket(name(parts))?.unwrap_or_default();
    // `us-east-1` is the empty constraint.
    let region = meta
        .location
        .filter(|region| region != "us-east-1")
        .unwrap_or_default();
    let region = hallpass_wire::escape(&region);
    let body = format!(
        "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{region}</LocationConstraint>"
    );
    Ok(document(&body))
}

/// Never versioned.
pub(crate) fn versioning(store: &Store, parts: &ForwardParts) -> Answer {
    store.bucket_folder(name(parts))?;
    Ok(xml("VersioningConfiguration", |_| {}))
}
