macro_rules! operations {
    ($($name:ident),* $(,)?) => {
        /// An S3 operation by its API name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Operation {
            $(
                #[doc = concat!("`", stringify!($name), "`.")]
                $name,
            )*
        }

        impl Operation {
            /// The name as in AWS's API reference and CloudTrail's `eventName`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

operations! {
    ListBuckets, CreateBucket, DeleteBucket, HeadBucket, ListObjects, ListObjectsV2, ListObjectVersions,
    ListMultipartUploads, DeleteObjects, GetBucketLocation, CreateSession,
    GetObject, HeadObject, PutObject, CopyObject, DeleteObject, GetObjectAttributes, GetObjectTorrent,
    GetObjectAcl, PutObjectAcl, GetObjectTagging, PutObjectTagging, DeleteObjectTagging,
    GetObjectRetention, PutObjectRetention, GetObjectLegalHold, PutObjectLegalHold,
    RestoreObject, SelectObjectContent, UpdateObjectEncryption, RenameObject,
    GetObjectAnnotation, ListObjectAnnotations, PutObjectAnnotation, DeleteObjectAnnotation,
    CreateMultipartUpload, UploadPart, UploadPartCopy, CompleteMultipartUpload, AbortMultipartUpload, ListParts,
    GetBucketAcl, PutBucketAcl, GetBucketAbac, PutBucketAbac,
    GetBucketAccelerateConfiguration, PutBucketAccelerateConfiguration,
    GetBucketAnalyticsConfiguration, ListBucketAnalyticsConfigurations, PutBucketAnalyticsConfiguration,
    DeleteBucketAnalyticsConfiguration,
    GetBucketCors, PutBucketCors, DeleteBucketCors,
    GetBucketEncryption, PutBucketEncryption, DeleteBucketEncryption,
    GetBucketIntelligentTieringConfiguration, ListBucketIntelligentTieringConfigurations,
    PutBucketIntelligentTieringConfiguration, DeleteBucketIntelligentTieringConfiguration,
    GetBucketInventoryConfiguration, ListBucketInventoryConfigurations, PutBucketInventoryConfiguration,
    DeleteBucketInventoryConfiguration,
    GetBucketLifecycleConfiguration, PutBucketLifecycleConfiguration, DeleteBucketLifecycle,
    GetBucketLogging, PutBucketLogging,
    GetBucketNotificationConfiguration, PutBucketNotificationConfiguration,
    GetBucketRequestPayment, PutBucketRequestPayment, GetBucketVersioning, PutBucketVersioning,
    GetBucketMetricsConfiguration, ListBucketMetricsConfigurations, PutBucketMetricsConfiguration,
    DeleteBucketMetricsConfiguration,
    GetObjectLockConfiguration, PutObjectLockConfiguration,
    GetBucketOwnershipControls, PutBucketOwnershipControls, DeleteBucketOwnershipControls,
    GetBucketPolicy, PutBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus,
    GetPublicAccessBlock, PutPublicAccessBlock, DeletePublicAccessBlock,
    GetBucketReplication, PutBucketReplication, DeleteBucketReplication,
    GetBucketTagging, PutBucketTagging, DeleteBucketTagging,
    GetBucketWebsite, PutBucketWebsite, DeleteBucketWebsite,
    GetBucketMetadataConfiguration, CreateBucketMetadataConfiguration, DeleteBucketMetadataConfiguration,
    GetBucketMetadataTableConfiguration, CreateBucketMetadataTableConfiguration,
    DeleteBucketMetadataTableConfiguration,
    UpdateBucketMetadataInventoryTableConfiguration, UpdateBucketMetadataJournalTableConfiguration,
    UpdateBucketMetadataAnnotationTableConfiguration,
}

impl Operation {
    /// The operation that answers the list of configurations, where this one answers the one with an `id`.
    pub(crate) fn without_id(self) -> Self {
        match self {
            Self::GetBucketAnalyticsConfiguration => Self::ListBucketAnalyticsConfigurations,
            Self::GetBucketIntelligentTieringConfiguration => {
                Self::ListBucketIntelligentTieringConfigurations
            }
            Self::GetBucketInventoryConfiguration => Self::ListBucketInventoryConfigurations,
            Self::GetBucketMetricsConfiguration => Self::ListBucketMetricsConfigurations,
            other => other,
        }
    }
}
