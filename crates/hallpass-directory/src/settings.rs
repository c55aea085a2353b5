//! Settings of buckets and objects that are never made here, read as S3 reads them where none was made: clients ask
//! for them in passing (s3cmd's `info`, Terraform's refresh) and take an unknown answer for a broken store.

use crate::object_ops::{check_version, target};
use crate::respond::{document, no_such_key, xml};
use crate::store::Store;
use hallpass_s3route::Operation;
use hallpass_types::AccountId;
use hallpass_upstream::{Body, ForwardParts, UpstreamError};
use http::Response;

type Answer = Result<Response<Body>, UpstreamError>;

/// The answer to a read of a setting; [`UpstreamError::not_implemented`] to everything else. The bucket is there.
///
/// # Errors
/// What S3 answers where nothing is set (S3 API reference, each operation and "Error responses").
pub(crate) fn read(store: &Store, parts: &ForwardParts) -> Answer {
    use Operation as Op;
    let unset = |code, message| Err(UpstreamError::new(code, 404, message));
    match parts.s3.operation {
        Op::GetBucketAcl | Op::GetObjectAcl => acl(store, parts),
        Op::GetBucketRequestPayment => Ok(xml("RequestPaymentConfiguration", |xml| {
            xml.text("Payer", "BucketOwner");
        })),
        Op::GetBucketLogging => Ok(xml("BucketLoggingStatus", |_| {})),
        Op::GetBucketNotificationConfiguration => Ok(xml("NotificationConfiguration", |_| {})),
        Op::GetBucketAccelerateConfiguration => Ok(xml("AccelerateConfiguration", |_| {})),
        Op::GetBucketLifecycleConfiguration => unset(
            "NoSuchLifecycleConfiguration",
            "The lifecycle configuration does not exist",
        ),
        Op::GetBucketTagging => unset("NoSuchTagSet", "The TagSet does not exist"),
        Op::GetBucketWebsite => unset(
            "NoSuchWebsiteConfiguration",
            "The specified bucket does not have a website configuration",
        ),
        Op::GetBucketReplication => unset(
            "ReplicationConfigurationNotFoundError",
            "The replication configuration was not found",
        ),
        Op::GetBucketEncryption => unset(
            "ServerSideEncryptionConfigurationNotFoundError",
            "The server side encryption configuration was not found",
        ),
        Op::GetObjectLockConfiguration => unset(
            "ObjectLockConfigurationNotFoundError",
            "Object Lock configuration does not exist for this bucket",
        ),
        other => Err(UpstreamError::not_implemented(other.name())),
    }
}

/// All is the owner's and nobody else's.
fn acl(store: &Store, parts: &ForwardParts) -> Answer {
    let bucket = parts.s3.bucket.as_deref().unwrap_or_default();
    if parts.s3.operation == Operation::GetObjectAcl {
        let (bucket, key) = target(&parts.s3)?;
        check_version(parts.s3.version_id())?;
        store.find(bucket, key)?.ok_or_else(|| no_such_key(key))?;
    }
    let owner = store.bucket(bucket)?.and_then(|meta| meta.owner);
    let owner: AccountId = owner.unwrap_or(parts.permit.caller().account);
    let owner = owner.as_str();
    Ok(document(&format!(
        "<AccessControlPolicy xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Owner><ID>{owner}</ID></Owner>\
         <AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xsi:type=\"CanonicalUser\"><ID>{owner}</ID></Grantee><Permission>FULL_CONTROL</Permission></Grant>\
         </AccessControlList></AccessControlPolicy>"
    )))
}
