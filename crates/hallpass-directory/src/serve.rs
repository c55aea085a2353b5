use crate::staging::{Staged, blocking};
use crate::store::Store;
use crate::{bucket_ops, copy, headers, list_ops, multipart, object_ops, settings, tagging};
use hallpass_s3route::Operation;
use hallpass_upstream::{Body, ForwardRequest, UpstreamError, VerifiedBody};
use http::Response;
use std::sync::Arc;

/// Receives the body, then does the work on a thread that may block. Work that has begun is finished even if the
/// client goes away, so that locks and files are never left in between.
pub(crate) async fn serve(
    store: Arc<Store>,
    request: ForwardRequest,
) -> Result<Response<Body>, UpstreamError> {
    use Operation as Op;
    let mut parts = request.into_parts();
    let mut body = std::mem::replace(&mut parts.body, VerifiedBody::empty());
    let trailers = body.prove_empty().await?;
    let operation = parts.s3.operation;
    let (checked, parts) = {
        let store = Arc::clone(&store);
        blocking(move || {
            let owner = match parts.s3.bucket.as_deref() {
                Some(bucket) => store.bucket(bucket)?.and_then(|meta| meta.owner),
                None => None,
            };
            let checked = headers::refuse_unserved(&parts, owner);
            // Of a bucket that is not there no body is received.
            let checked = checked.and_then(|()| match parts.s3.bucket.as_deref() {
                Some(bucket) if operation != Op::CreateBucket => store.bucket_folder(bucket).map(drop),
                _ => Ok(()),
            });
            Ok((checked, parts))
        })
        .await?
    };
    checked?;
    if matches!(operation, Op::PutObject | Op::UploadPart) {
        let mut staged = Staged::receive(&store, body).await?;
        for (name, value) in &trailers.unwrap_or_default() {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            staged.checksums.push((name.as_str().to_owned(), value));
        }
        return blocking(move || match operation {
            Op::PutObject => object_ops::put(&store, &parts, staged),
            _ => multipart::put_part(&store, &parts, staged),
        })
        .await;
    }
    // Any other body has been read before the request was allowed, or means nothing.
    drop(body);
    blocking(move || match operation {
        Op::ListBuckets => bucket_ops::list_all(&store, &parts),
        Op::CreateBucket => bucket_ops::create(&store, &parts),
        Op::DeleteBucket => bucket_ops::delete(&store, &parts),
        Op::HeadBucket => bucket_ops::head(&store, &parts),
        Op::GetBucketLocation => bucket_ops::location(&store, &parts),
        Op::GetBucketVersioning => bucket_ops::versioning(&store, &parts),
        Op::ListObjects => list_ops::version_1(&store, &parts),
        Op::ListObjectsV2 => list_ops::version_2(&store, &parts),
        Op::GetObject => object_ops::get(&store, &parts, true),
        Op::HeadObject => object_ops::get(&store, &parts, false),
        Op::DeleteObject => object_ops::delete(&store, &parts),
        Op::DeleteObjects => object_ops::delete_many(&store, &parts),
        Op::CopyObject => copy::copy(&store, &parts),
        Op::GetObjectTagging => tagging::get(&store, &parts),
        Op::PutObjectTagging => tagging::put(&store, &parts),
        Op::DeleteObjectTagging => tagging::delete(&store, &parts),
        Op::CreateMultipartUpload => multipart::create(&store, &parts),
        Op::UploadPartCopy => multipart::copy_part(&store, &parts),
        Op::CompleteMultipartUpload => multipart::complete(&store, &parts),
        Op::AbortMultipartUpload => multipart::abort(&store, &parts),
        Op::ListParts => multipart::list_parts(&store, &parts),
        Op::ListMultipartUploads => multipart::list_uploads(&store, &parts),
        _ => settings::read(&store, &parts),
    })
    .await
}
