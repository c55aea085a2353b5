/// The request means nothing the map knows, or contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The path or the query is not valid percent-encoded UTF-8, or holds a NUL.
    #[error("Couldn't parse the specified URI.")]
    Uri,
    /// Not a name a bucket can have.
    #[error("The specified bucket is not valid.")]
    BucketName,
    /// The key exceeds [`crate::KEY_BYTES_MAX`].
    #[error("Your key is too long")]
    KeyTooLong,
    /// The method does not exist on this resource.
    #[error("The specified method is not allowed against this resource.")]
    Method,
    /// A query parameter the map does not know; it might change what the request means.
    #[error("The query parameter `{0}` is not known here, so the request is refused.")]
    UnknownParameter(String),
    /// Two sub-resources, or one that does not go with the other parameters.
    #[error("The query parameters of this request do not go together.")]
    Combination,
    /// A parameter or header that may be given once is given twice.
    #[error("`{0}` may be given only once.")]
    Repeated(String),
    /// A parameter or header has a value that cannot be meant.
    #[error("The value of `{0}` is not valid.")]
    Argument(&'static str),
    /// The tag set breaks S3's rules.
    #[error("The tag set is not valid: {0}.")]
    Tag(&'static str),
    /// The operation exists in S3 and is not served here.
    #[error("A header or operation you requested implies functionality that is not implemented: {0}.")]
    NotImplemented(&'static str),
    /// The body is not the XML document the operation takes.
    #[error("The XML you provided was not well-formed or did not validate against our published schema")]
    MalformedXml,
    /// The body exceeds [`crate::XML_BODY_BYTES_MAX`].
    #[error("Your proposed upload exceeds the maximum allowed size.")]
    BodyTooLarge,
}

impl RouteError {
    /// The S3 error to answer with: code and HTTP status.
    #[must_use]
    pub fn s3_code(&self) -> (&'static str, u16) {
        match self {
            Self::Uri => ("InvalidURI", 400),
            Self::BucketName => ("InvalidBucketName", 400),
            Self::KeyTooLong => ("KeyTooLongError", 400),
            Self::Method => ("MethodNotAllowed", 405),
            Self::UnknownParameter(_) | Self::NotImplemented(_) => ("NotImplemented", 501),
            Self::Combination => ("InvalidRequest", 400),
            Self::Repeated(_) | Self::Argument(_) => ("InvalidArgument", 400),
            Self::Tag(_) => ("InvalidTag", 400),
            Self::MalformedXml => ("MalformedXML", 400),
            Self::BodyTooLarge => ("EntityTooLarge", 400),
        }
    }
}

impl From<hallpass_wire::XmlError> for RouteError {
    fn from(_: hallpass_wire::XmlError) -> Self {
        Self::MalformedXml
    }
}
