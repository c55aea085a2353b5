use crate::body::ParsedBody;
use crate::copy_source::CopySource;
use crate::error::RouteError;
use crate::head::S3Head;
use crate::operation::Operation;
use crate::table::Row;
use crate::{XML_BODY_BYTES_MAX, body};

/// One S3 request, understood.
#[derive(Debug, Clone)]
pub struct S3Request {
    /// What is asked for.
    pub operation: Operation,
    /// The bucket, unless all buckets are meant.
    pub bucket: Option<String>,
    /// The key, decoded exactly once; it may hold `//`, `..` and a trailing `/`.
    pub key: Option<String>,
    /// The query decoded, without what is authentication, decoration or a header in disguise.
    pub query: Vec<(String, String)>,
    /// `x-amz-*` headers a presigned request carries as query parameters; names are lower-case.
    pub query_headers: Vec<(String, String)>,
    /// The source of a copy.
    pub copy_source: Option<CopySource>,
    /// What the body says, once [`read_body`](Self::read_body) has seen it.
    pub body: Option<ParsedBody>,
    pub(crate) row: Row,
}

impl S3Request {
    /// The operation's API name.
    #[must_use]
    pub fn operation_name(&self) -> &'static str {
        self.operation.name()
    }

    /// Whether the request changes anything.
    #[must_use]
    pub fn is_write(&self) -> bool {
        match self.row.method {
            "GET" | "HEAD" => false,
            _ => self.operation != Operation::SelectObjectContent,
        }
    }

    /// Whether CloudTrail would call it a data event: everything on objects, and the listing of them.
    #[must_use]
    pub fn is_data_event(&self) -> bool {
        use Operation::{
            DeleteObjects, HeadBucket, ListMultipartUploads, ListObjectVersions, ListObjects, ListObjectsV2,
        };
        self.key.is_some()
            || matches!(
                self.operation,
                DeleteObjects
                    | HeadBucket
                    | ListMultipartUploads
                    | ListObjectVersions
                    | ListObjects
                    | ListObjectsV2
            )
    }

    /// Whether the body is a document to be read in full before the request can be decided on, rather than data to
    /// stream.
    #[must_use]
    pub fn buffers_body(&self) -> bool {
        use Operation::{
            AbortMultipartUpload, CopyObject, CreateMultipartUpload, PutObject, PutObjectAnnotation,
            UploadPart, UploadPartCopy,
        };
        match self.row.method {
            "PUT" | "POST" => !matches!(
                self.operation,
                PutObject
                    | CopyObject
                    | UploadPart
                    | UploadPartCopy
                    | CreateMultipartUpload
                    | AbortMultipartUpload
                    | PutObjectAnnotation
            ),
            _ => false,
        }
    }

    /// Reads the body of an operation that [buffers](Self::buffers_body) it; its contents then count in
    /// [`actions`](Self::actions).
    ///
    /// # Errors
    /// [`RouteError::MalformedXml`] and its like.
    pub fn read_body(&mut self, xml: &[u8]) -> Result<(), RouteError> {
        if xml.len() > XML_BODY_BYTES_MAX {
            return Err(RouteError::BodyTooLarge);
        }
        self.body = Some(body::read(self.operation, xml)?);
        Ok(())
    }

    /// The value of a query parameter. Absent and empty differ.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_str())
    }

    /// `versionId`.
    #[must_use]
    pub fn version_id(&self) -> Option<&str> {
        self.parameter("versionId")
    }

    /// A header's value, wherever the request carries it. For `x-amz-*` headers a presigned request's query counts.
    #[must_use]
    pub fn header(&self, head: &S3Head<'_>, name: &str) -> Option<String> {
        head.header(name).or_else(|| {
            let found = self.query_headers.iter().find(|(other, _)| other == name);
            found.map(|(_, value)| value.trim().to_owned())
        })
    }
}
