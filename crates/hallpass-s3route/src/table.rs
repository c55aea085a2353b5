use crate::operation::Operation::{self, *};

/// One line of the map: a sub-resource and a method are an operation, and that an IAM action.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) sub: &'static str,
    pub(crate) method: &'static str,
    pub(crate) operation: Operation,
    pub(crate) action: &'static str,
    /// The action when `versionId` is given; the same action where versions have none of their own.
    pub(crate) versioned: &'static str,
}

const fn row(sub: &'static str, method: &'static str, operation: Operation, action: &'static str) -> Row {
    Row {
        sub,
        method,
        operation,
        action,
        versioned: action,
    }
}

const fn versioned(
    sub: &'static str,
    method: &'static str,
    operation: Operation,
    action: &'static str,
    versioned: &'static str,
) -> Row {
    Row {
        sub,
        method,
        operation,
        action,
        versioned,
    }
}

/// On a bucket; the empty sub-resource is the bucket itself. Several actions are not named like their operation.
///
/// Source: AWS service authorization reference for S3, and the permission texts of botocore's S3 model.
pub(crate) const BUCKET: &[Row] = &[
    row("", "PUT", CreateBucket, "s3:CreateBucket"),
    row("", "DELETE", DeleteBucket, "s3:DeleteBucket"),
    row("", "HEAD", HeadBucket, "s3:ListBucket"),
    row("", "GET", ListObjects, "s3:ListBucket"),
    row("versions", "GET", ListObjectVersions, "s3:ListBucketVersions"),
    row(
        "uploads",
        "GET",
        ListMultipartUploads,
        "s3:ListBucketMultipartUploads",
    ),
    row("delete", "POST", DeleteObjects, "s3:DeleteObject"),
    row("location", "GET", GetBucketLocation, "s3:GetBucketLocation"),
    row("session", "GET", CreateSession, "s3express:CreateSession"),
    row("acl", "GET", GetBucketAcl, "s3:GetBucketAcl"),
    row("acl", "PUT", PutBucketAcl, "s3:PutBucketAcl"),
    row("abac", "GET", GetBucketAbac, "s3:GetBucketAbac"),
    row("abac", "PUT", PutBucketAbac, "s3:PutBucketAbac"),
    row(
        "accelerate",
        "GET",
        GetBucketAccelerateConfiguration,
        "s3:GetAccelerateConfiguration",
    ),
    row(
        "accelerate",
        "PUT",
        PutBucketAccelerateConfiguration,
        "s3:PutAccelerateConfiguration",
    ),
    row(
        "analytics",
        "GET",
        GetBucketAnalyticsConfiguration,
        "s3:GetAnalyticsConfiguration",
    ),
    row(
        "analytics",
        "PUT",
        PutBucketAnalyticsConfiguration,
        "s3:PutAnalyticsConfiguration",
    ),
    row(
        "analytics",
        "DELETE",
        DeleteBucketAnalyticsConfiguration,
        "s3:PutAnalyticsConfiguration",
    ),
    row("cors", "GET", GetBucketCors, "s3:GetBucketCORS"),
    row("cors", "PUT", PutBucketCors, "s3:PutBucketCORS"),
    row("cors", "DELETE", DeleteBucketCors, "s3:PutBucketCORS"),
    row(
        "encryption",
        "GET",
        GetBucketEncryption,
        "s3:GetEncryptionConfiguration",
    ),
    row(
        "encryption",
        "PUT",
        PutBucketEncryption,
        "s3:PutEncryptionConfiguration",
    ),
    row(
        "encryption",
        "DELETE",
        DeleteBucketEncryption,
        "s3:PutEncryptionConfiguration",
    ),
    row(
        "intelligent-tiering",
        "GET",
        GetBucketIntelligentTieringConfiguration,
        "s3:GetIntelligentTieringConfiguration",
    ),
    row(
        "intelligent-tiering",
        "PUT",
        PutBucketIntelligentTieringConfiguration,
        "s3:PutIntelligentTieringConfiguration",
    ),
    row(
        "intelligent-tiering",
        "DELETE",
        DeleteBucketIntelligentTieringConfiguration,
        "s3:PutIntelligentTieringConfiguration",
    ),
    row(
        "inventory",
        "GET",
        GetBucketInventoryConfiguration,
        "s3:GetInventoryConfiguration",
    ),
    row(
        "inventory",
        "PUT",
        PutBucketInventoryConfiguration,
        "s3:PutInventoryConfiguration",
    ),
    row(
        "inventory",
        "DELETE",
        DeleteBucketInventoryConfiguration,
        "s3:PutInventoryConfiguration",
    ),
    row(
        "lifecycle",
        "GET",
        GetBucketLifecycleConfiguration,
        "s3:GetLifecycleConfiguration",
    ),
    row(
        "lifecycle",
        "PUT",
        PutBucketLifecycleConfiguration,
        "s3:PutLifecycleConfiguration",
    ),
    row(
        "lifecycle",
        "DELETE",
        DeleteBucketLifecycle,
        "s3:PutLifecycleConfiguration",
    ),
    row("logging", "GET", GetBucketLogging, "s3:GetBucketLogging"),
    row("logging", "PUT", PutBucketLogging, "s3:PutBucketLogging"),
    row(
        "notification",
        "GET",
        GetBucketNotificationConfiguration,
        "s3:GetBucketNotification",
    ),
    row(
        "notification",
        "PUT",
        PutBucketNotificationConfiguration,
        "s3:PutBucketNotification",
    ),
    row(
        "requestPayment",
        "GET",
        GetBucketRequestPayment,
        "s3:GetBucketRequestPayment",
    ),
    row(
        "requestPayment",
        "PUT",
        PutBucketRequestPayment,
        "s3:PutBucketRequestPayment",
    ),
    row("versioning", "GET", GetBucketVersioning, "s3:GetBucketVersioning"),
    row("versioning", "PUT", PutBucketVersioning, "s3:PutBucketVersioning"),
    row(
        "metrics",
        "GET",
        GetBucketMetricsConfiguration,
        "s3:GetMetricsConfiguration",
    ),
    row(
        "metrics",
        "PUT",
        PutBucketMetricsConfiguration,
        "s3:PutMetricsConfiguration",
    ),
    row(
        "metrics",
        "DELETE",
        DeleteBucketMetricsConfiguration,
        "s3:PutMetricsConfiguration",
    ),
    row(
        "object-lock",
        "GET",
        GetObjectLockConfiguration,
        "s3:GetBucketObjectLockConfiguration",
    ),
    row(
        "object-lock",
        "PUT",
        PutObjectLockConfiguration,
        "s3:PutBucketObjectLockConfiguration",
    ),
    row(
        "ownershipControls",
        "GET",
        GetBucketOwnershipControls,
        "s3:GetBucketOwnershipControls",
    ),
    row(
        "ownershipControls",
        "PUT",
        PutBucketOwnershipControls,
        "s3:PutBucketOwnershipControls",
    ),
    row(
        "ownershipControls",
        "DELETE",
        DeleteBucketOwnershipControls,
        "s3:PutBucketOwnershipControls",
    ),
    row("policy", "GET", GetBucketPolicy, "s3:GetBucketPolicy"),
    row("policy", "PUT", PutBucketPolicy, "s3:PutBucketPolicy"),
    row("policy", "DELETE", DeleteBucketPolicy, "s3:DeleteBucketPolicy"),
    row(
        "policyStatus",
        "GET",
        GetBucketPolicyStatus,
        "s3:GetBucketPolicyStatus",
    ),
    row(
        "publicAccessBlock",
        "GET",
        GetPublicAccessBlock,
        "s3:GetBucketPublicAccessBlock",
    ),
    row(
        "publicAccessBlock",
        "PUT",
        PutPublicAccessBlock,
        "s3:PutBucketPublicAccessBlock",
    ),
    row(
        "publicAccessBlock",
        "DELETE",
        DeletePublicAccessBlock,
        "s3:PutBucketPublicAccessBlock",
    ),
    row(
        "replication",
        "GET",
        GetBucketReplication,
        "s3:GetReplicationConfiguration",
    ),
    row(
        "replication",
        "PUT",
        PutBucketReplication,
        "s3:PutReplicationConfiguration",
    ),
    row(
        "replication",
        "DELETE",
        DeleteBucketReplication,
        "s3:PutReplicationConfiguration",
    ),
    row("tagging", "GET", GetBucketTagging, "s3:GetBucketTagging"),
    row("tagging", "PUT", PutBucketTagging, "s3:PutBucketTagging"),
    row("tagging", "DELETE", DeleteBucketTagging, "s3:PutBucketTagging"),
    row("website", "GET", GetBucketWebsite, "s3:GetBucketWebsite"),
    row("website", "PUT", PutBucketWebsite, "s3:PutBucketWebsite"),
    row("website", "DELETE", DeleteBucketWebsite, "s3:DeleteBucketWebsite"),
    row(
        "metadataConfiguration",
        "GET",
        GetBucketMetadataConfiguration,
        "s3:GetBucketMetadataTableConfiguration",
    ),
    row(
        "metadataConfiguration",
        "POST",
        CreateBucketMetadataConfiguration,
        "s3:CreateBucketMetadataTableConfiguration",
    ),
    row(
        "metadataConfiguration",
        "DELETE",
        DeleteBucketMetadataConfiguration,
        "s3:DeleteBucketMetadataTableConfiguration",
    ),
    row(
        "metadataTable",
        "GET",
        GetBucketMetadataTableConfiguration,
        "s3:GetBucketMetadataTableConfiguration",
    ),
    row(
        "metadataTable",
        "POST",
        CreateBucketMetadataTableConfiguration,
        "s3:CreateBucketMetadataTableConfiguration",
    ),
    row(
        "metadataTable",
        "DELETE",
        DeleteBucketMetadataTableConfiguration,
        "s3:DeleteBucketMetadataTableConfiguration",
    ),
    row(
        "metadataInventoryTable",
        "PUT",
        UpdateBucketMetadataInventoryTableConfiguration,
        "s3:UpdateBucketMetadataInventoryTableConfiguration",
    ),
    row(
        "metadataJournalTable",
        "PUT",
        UpdateBucketMetadataJournalTableConfiguration,
        "s3:UpdateBucketMetadataJournalTableConfiguration",
    ),
    row(
        "metadataAnnotationTable",
        "PUT",
        UpdateBucketMetadataAnnotationTableConfiguration,
        "s3:UpdateBucketMetadataAnnotationTableConfiguration",
    ),
];

/// On an object. `uploadId` stands here as a sub-resource, because it changes what every method means.
pub(crate) const OBJECT: &[Row] = &[
    versioned("", "GET", GetObject, "s3:GetObject", "s3:GetObjectVersion"),
    versioned("", "HEAD", HeadObject, "s3:GetObject", "s3:GetObjectVersion"),
    row("", "PUT", PutObject, "s3:PutObject"),
    versioned(
        "",
        "DELETE",
        DeleteObject,
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
    ),
    versioned(
        "attributes",
        "GET",
        GetObjectAttributes,
        "s3:GetObjectAttributes",
        "s3:GetObjectVersionAttributes",
    ),
    versioned(
        "acl",
        "GET",
        GetObjectAcl,
        "s3:GetObjectAcl",
        "s3:GetObjectVersionAcl",
    ),
    versioned(
        "acl",
        "PUT",
        PutObjectAcl,
        "s3:PutObjectAcl",
        "s3:PutObjectVersionAcl",
    ),
    versioned(
        "tagging",
        "GET",
        GetObjectTagging,
        "s3:GetObjectTagging",
        "s3:GetObjectVersionTagging",
    ),
    versioned(
        "tagging",
        "PUT",
        PutObjectTagging,
        "s3:PutObjectTagging",
        "s3:PutObjectVersionTagging",
    ),
    versioned(
        "tagging",
        "DELETE",
        DeleteObjectTagging,
        "s3:DeleteObjectTagging",
        "s3:DeleteObjectVersionTagging",
    ),
    row("retention", "GET", GetObjectRetention, "s3:GetObjectRetention"),
    row("retention", "PUT", PutObjectRetention, "s3:PutObjectRetention"),
    row("legal-hold", "GET", GetObjectLegalHold, "s3:GetObjectLegalHold"),
    row("legal-hold", "PUT", PutObjectLegalHold, "s3:PutObjectLegalHold"),
    versioned(
        "torrent",
        "GET",
        GetObjectTorrent,
        "s3:GetObjectTorrent",
        "s3:GetObjectVersionTorrent",
    ),
    row("restore", "POST", RestoreObject, "s3:RestoreObject"),
    row("select", "POST", SelectObjectContent, "s3:GetObject"),
    row(
        "encryption",
        "PUT",
        UpdateObjectEncryption,
        "s3:UpdateObjectEncryption",
    ),
    row("renameObject", "PUT", RenameObject, "s3express:CreateSession"),
    row("annotation", "GET", GetObjectAnnotation, "s3:GetObjectAnnotation"),
    row("annotation", "PUT", PutObjectAnnotation, "s3:PutObjectAnnotation"),
    row(
        "annotation",
        "DELETE",
        DeleteObjectAnnotation,
        "s3:DeleteObjectAnnotation",
    ),
    row("uploads", "POST", CreateMultipartUpload, "s3:PutObject"),
    row("uploadId", "GET", ListParts, "s3:ListMultipartUploadParts"),
    row("uploadId", "PUT", UploadPart, "s3:PutObject"),
    row("uploadId", "POST", CompleteMultipartUpload, "s3:PutObject"),
    row(
        "uploadId",
        "DELETE",
        AbortMultipartUpload,
        "s3:AbortMultipartUpload",
    ),
];

/// Parameters that refine an operation and are none, of ListBuckets.
pub(crate) const SERVICE_PARAMETERS: &[&str] =
    &["max-buckets", "continuation-token", "prefix", "bucket-region"];

/// Parameters that refine an operation on a bucket.
pub(crate) const BUCKET_PARAMETERS: &[&str] = &[
    "prefix",
    "delimiter",
    "max-keys",
    "marker",
    "encoding-type",
    "list-type",
    "continuation-token",
    "start-after",
    "fetch-owner",
    "key-marker",
    "version-id-marker",
    "upload-id-marker",
    "max-uploads",
    "id",
];

/// Parameters that refine an operation on an object.
pub(crate) const OBJECT_PARAMETERS: &[&str] = &[
    "versionId",
    "partNumber",
    "max-parts",
    "part-number-marker",
    "select-type",
    "annotationName",
    "annotation-prefix",
    "max-annotation-results",
    "continuation-token",
    "response-content-type",
    "response-content-language",
    "response-expires",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
];
