mod events;
mod post;

pub use events::EventError;
pub use post::{FormError, PolicyDocumentError, PostLengthError};

use crate::parse::Place;
use hallpass_types::UnixSeconds;

/// An S3 error code and the HTTP status it is sent with.
pub type S3Code = (&'static str, u16);

/// The request carries authentication material that cannot be read, or carries it ambiguously.
///
/// Such a request is never anonymous: whoever sends a broken signature meant to sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// More than one `Authorization` header.
    #[error("the request has more than one authorization header")]
    RepeatedAuthorization,
    /// Authentication both in the `Authorization` header and in the query string.
    #[error("the request is signed both in its header and in its query string")]
    HeaderAndQuery,
    /// A single-valued header of authentication (`x-amz-date`, `x-amz-security-token`, …) appears twice.
    #[error("the header {name} appears more than once")]
    RepeatedHeader {
        /// The header's name.
        name: &'static str,
    },
    /// A query parameter of authentication appears twice.
    #[error("the query parameter {name} appears more than once")]
    RepeatedParameter {
        /// The parameter's name.
        name: &'static str,
    },
    /// Some, but not all, parameters of query authentication are present.
    #[error("query authentication lacks the parameter {name}")]
    MissingParameter {
        /// The missing parameter.
        name: &'static str,
    },
    /// A field of a form's authentication is absent.
    #[error("bucket POST must contain a field named '{name}'")]
    MissingField {
        /// The field's name.
        name: &'static str,
    },
    /// A form gives a field twice, letter case aside.
    #[error("the form gives a field more than once")]
    RepeatedField,
    /// A session token without any signature.
    #[error("a session token is present, but no signature")]
    TokenWithoutSignature,
    /// A part of the authentication is missing or not in its form.
    #[error("the {part} of the {place} authentication is missing or malformed")]
    Malformed {
        /// Header or query string.
        place: Place,
        /// The part's name on the wire, such as `Credential`.
        part: &'static str,
    },
    /// `X-Amz-Expires` is not a number of seconds from 1 to 604800.
    #[error("x-amz-expires must be from 1 to 604800 seconds")]
    Expires,
    /// Neither `x-amz-date` nor `Date`, or the one that counts is not a date.
    #[error("a valid x-amz-date or date header is required")]
    Date,
    /// Signature version 2, which AWS has retired. Its presigned form is read by [`parse_v2_query`](crate::parse_v2_query()) where a
    /// deployment asks for it.
    #[error("signature version 2 is not supported; use AWS4-HMAC-SHA256")]
    SignatureV2,
    /// Signature version 4a (ECDSA), which [`parse_v4a`](crate::parse_v4a()) reads where a caller serves it.
    #[error("signature version 4a is not accepted here")]
    SignatureV4a,
    /// Any other scheme (`Basic`, `Bearer`, …).
    #[error("the authorization scheme is not supported; use AWS4-HMAC-SHA256")]
    UnsupportedAlgorithm,
}

impl ParseError {
    /// The S3 error to answer with.
    #[must_use]
    pub fn s3_code(&self) -> S3Code {
        match self {
            // "Only one auth mechanism allowed", "Unsupported Authorization Type": what S3 answers to these.
            Self::RepeatedAuthorization | Self::HeaderAndQuery | Self::UnsupportedAlgorithm => {
                ("InvalidArgument", 400)
            }
            Self::RepeatedHeader { .. } => ("InvalidRequest", 400),
            Self::RepeatedParameter { .. } | Self::MissingParameter { .. } | Self::Expires => {
                ("AuthorizationQueryParametersError", 400)
            }
            Self::Malformed {
                place: Place::Header, ..
            } => ("AuthorizationHeaderMalformed", 400),
            Self::Malformed {
                place: Place::Query, ..
            } => ("AuthorizationQueryParametersError", 400),
            Self::Malformed {
                place: Place::Form, ..
            } => ("InvalidArgument", 400),
            Self::MissingField { .. } | Self::RepeatedField => ("InvalidArgument", 400),
            Self::TokenWithoutSignature => ("MissingSecurityHeader", 400),
            Self::Date => ("AccessDenied", 403),
            Self::SignatureV2 => ("InvalidRequest", 400),
            Self::SignatureV4a => ("NotImplemented", 501),
        }
    }
}

/// The signature does not prove the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The scope names another region than the one served here.
    #[error("the region '{presented}' is wrong; expecting '{expected}'")]
    WrongRegion {
        /// The region of the presented scope.
        presented: String,
        /// The region to sign for; S3's error carries it in `<Region>`.
        expected: String,
    },
    /// The scope names another service than the one served here.
    #[error("the service '{presented}' is wrong; expecting '{expected}'")]
    WrongService {
        /// The service of the presented scope.
        presented: String,
        /// The service to sign for.
        expected: String,
    },
    /// The scope's day is not the day of the request's date.
    #[error("the date of the credential scope is not the day of the request")]
    ScopeDate {
        /// Header or query string.
        place: Place,
    },
    /// Header authentication more than fifteen minutes from our clock.
    #[error("the request's time {request} differs too much from the server's {server}")]
    SkewTooLarge {
        /// When the request says it was signed.
        request: UnixSeconds,
        /// Our clock.
        server: UnixSeconds,
    },
    /// A presigned request past its life.
    #[error("request has expired")]
    Expired {
        /// The first instant at which it is no longer valid.
        expired_at: UnixSeconds,
        /// Our clock.
        server: UnixSeconds,
    },
    /// A presigned request dated more than fifteen minutes ahead.
    #[error("request is not valid yet")]
    NotYetValid {
        /// When the request says it was signed.
        valid_from: UnixSeconds,
        /// Our clock.
        server: UnixSeconds,
    },
    /// `host` is not among the signed headers.
    #[error("the host header must be signed")]
    HostNotSigned,
    /// An `x-amz-*` header is present, but not signed: someone on the way may have added it.
    #[error("the header {name} is present but not signed")]
    HeaderNotSigned {
        /// The header's name.
        name: String,
    },
    /// A query parameter that signature version 2 does not cover, and that is none of the harmless ones.
    #[error("the query parameter {name} is not covered by the signature")]
    ParameterNotSigned {
        /// The parameter's name.
        name: String,
    },
    /// An `x-amz-*` or `content-*` value stands both in the query string and in a header, or twice.
    #[error("the header {name} is given more than once")]
    RepeatedHeader {
        /// The header's name.
        name: String,
    },
    /// A header is listed as signed, but absent.
    #[error("the header {name} is listed as signed but absent")]
    SignedHeaderMissing {
        /// The header's name.
        name: String,
    },
    /// S3 header authentication without `x-amz-content-sha256`.
    // S3's own words, which people search for.
    #[error("missing required header for this request: x-amz-content-sha256")]
    ContentHashMissing,
    /// `x-amz-content-sha256` is none of the known forms, or appears twice.
    #[error("x-amz-content-sha256 must be a sha-256 in hexadecimal or one of the payload keywords")]
    ContentHashInvalid,
    /// Chunks said to be signed with another version of the signature than the request.
    #[error("the chunks are signed with another algorithm than the request")]
    EcdsaPayload,
    /// `x-amz-content-sha256` is not the hash of the body.
    #[error("x-amz-content-sha256 does not match the body")]
    ContentHashMismatch,
    /// Method or header holds a byte that HTTP does not allow there; the canonical form would be ambiguous.
    #[error("the request holds a byte that cannot be signed")]
    Unsignable,
    /// A form's policy is not a policy document.
    #[error(transparent)]
    PolicyDocument(#[from] PolicyDocumentError),
    /// A form's policy is past its expiration.
    // These three are S3's own words, which people search for.
    #[error("Invalid according to Policy: Policy expired.")]
    PolicyExpired,
    /// A form does not meet a condition of its policy.
    #[error("Invalid according to Policy: Policy Condition failed: {condition}")]
    PolicyCondition {
        /// The condition, as `["eq", "$acl", "private"]`.
        condition: String,
    },
    /// A form holds a field that its policy does not speak of.
    #[error("Invalid according to Policy: Extra input fields: {name}")]
    ExtraField {
        /// The field's name, lower-case.
        name: String,
    },
    /// The signature is not the one our key makes.
    #[error("the request signature does not match")]
    SignatureMismatch,
}

impl VerifyError {
    /// The S3 error to answer with.
    #[must_use]
    pub fn s3_code(&self) -> S3Code {
        match self {
            Self::WrongRegion { .. } | Self::WrongService { .. } => ("AuthorizationHeaderMalformed", 400),
            Self::ScopeDate { place: Place::Header } => ("AuthorizationHeaderMalformed", 400),
            Self::ScopeDate { place: Place::Query } => ("AuthorizationQueryParametersError", 400),
            Self::ScopeDate { place: Place::Form } => ("InvalidArgument", 400),
            Self::SkewTooLarge { .. } => ("RequestTimeTooSkewed", 403),
            Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::HostNotSigned
            | Self::HeaderNotSigned { .. }
            | Self::ParameterNotSigned { .. }
            | Self::PolicyExpired
            | Self::PolicyCondition { .. }
            | Self::ExtraField { .. }
            | Self::SignedHeaderMissing { .. } => ("AccessDenied", 403),
            Self::ContentHashMissing => ("InvalidRequest", 400),
            Self::ContentHashInvalid => ("InvalidArgument", 400),
            Self::EcdsaPayload => ("InvalidArgument", 400),
            Self::ContentHashMismatch => ("XAmzContentSHA256Mismatch", 400),
            Self::Unsignable | Self::RepeatedHeader { .. } => ("InvalidRequest", 400),
            Self::PolicyDocument(_) => ("InvalidPolicyDocument", 400),
            Self::SignatureMismatch => ("SignatureDoesNotMatch", 403),
        }
    }
}

/// A request cannot be signed as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// No `host` header to sign.
    #[error("the request has no host header")]
    HostMissing,
    /// The request already carries a header or parameter that signing sets.
    #[error("the request already carries {name}")]
    AlreadySigned {
        /// The header or parameter.
        name: &'static str,
    },
    /// Life of a presigned request outside 1 to 604800 seconds.
    #[error("a presigned request lives from 1 to 604800 seconds")]
    Expires,
    /// Method or header holds a byte that HTTP does not allow there.
    #[error("the request holds a byte that cannot be signed")]
    Unsignable,
}

/// A chunk-framed body is broken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// The framing needs a verifier and has none, or the payload is not framed.
    #[error("the payload mode does not fit chunked framing")]
    Mode,
    /// The line before a chunk is longer than the limit.
    #[error("a chunk size line is longer than {limit_bytes} bytes")]
    SizeLineTooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// The line before a chunk is not `hex[;chunk-signature=…]`, or a chunk does not end in CR LF.
    #[error("the chunk framing is malformed")]
    Framing,
    /// One chunk is larger than the limit.
    #[error("a chunk is larger than {limit_bytes} bytes")]
    ChunkTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// The chunks hold more or fewer bytes than `x-amz-decoded-content-length` says, or the body stops early.
    #[error("the body is not of the declared length of {declared} bytes")]
    Length {
        /// The declared length of the decoded body.
        declared: u64,
    },
    /// The signature of a chunk does not match.
    #[error("a chunk signature does not match")]
    ChunkSignature,
    /// The signature of the trailers is missing or does not match.
    #[error("the trailer signature is missing or does not match")]
    TrailerSignature,
    /// A trailer is malformed, repeated, or not announced in `x-amz-trailer`.
    #[error("a trailer is malformed, repeated or was not announced")]
    Trailer,
    /// A trailer announced in `x-amz-trailer` did not come.
    #[error("the trailer {name} was announced and did not come")]
    TrailerMissing {
        /// The announced name.
        name: String,
    },
    /// More trailers, or more bytes of trailers, than the limit.
    #[error("the trailers are more than {limit_count} or longer than {limit_bytes} bytes")]
    TrailersTooLarge {
        /// The limit on their number.
        limit_count: usize,
        /// The limit on their bytes.
        limit_bytes: usize,
    },
    /// Bytes after the end of the body.
    #[error("bytes follow the end of the body")]
    TrailingBytes,
}

impl ChunkError {
    /// The S3 error to answer with.
    #[must_use]
    pub fn s3_code(&self) -> S3Code {
        match self {
            Self::Mode => ("InvalidRequest", 400),
            Self::SizeLineTooLong { .. } | Self::Framing | Self::TrailingBytes => ("InvalidRequest", 400),
            Self::ChunkTooLarge { .. } => ("InvalidChunkSizeError", 403),
            Self::Length { .. } => ("IncompleteBody", 400),
            Self::ChunkSignature | Self::TrailerSignature => ("SignatureDoesNotMatch", 403),
            Self::Trailer | Self::TrailerMissing { .. } | Self::TrailersTooLarge { .. } => {
                ("MalformedTrailerError", 400)
            }
        }
    }
}

/// The body is not the one the request promised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The chunk framing is broken.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// The length of the body is not told: no `Content-Length`, or no `x-amz-decoded-content-length` when framed.
    #[error("the length of the body must be declared")]
    LengthMissing,
    /// A length header is repeated or not a number.
    #[error("the declared length is not a number")]
    LengthInvalid,
    /// More or fewer bytes than declared.
    #[error("the body is not of the declared length of {declared} bytes")]
    Length {
        /// The declared length.
        declared: u64,
    },
    /// `x-amz-content-sha256` is not the hash of the body.
    #[error("x-amz-content-sha256 does not match the body")]
    ContentHash,
    /// `x-amz-content-sha256` of an unsigned request is no known form, or needs a signature.
    #[error("x-amz-content-sha256 is not usable on this request")]
    ContentHashInvalid,
    /// `Content-MD5` is repeated or not base64 of sixteen bytes.
    #[error("content-md5 is malformed")]
    Md5Invalid,
    /// `Content-MD5` is not the hash of the body.
    #[error("content-md5 does not match the body")]
    Md5,
    /// An `x-amz-checksum-*` value is not base64 of the right length.
    #[error("the value of {name} is malformed")]
    ChecksumInvalid {
        /// The header or trailer.
        name: &'static str,
    },
    /// An `x-amz-checksum-*` value is not the checksum of the body.
    #[error("{name} does not match the body")]
    Checksum {
        /// The header or trailer.
        name: &'static str,
    },
    /// More than one checksum is declared.
    #[error("only one x-amz-checksum value may be given")]
    ChecksumRepeated,
    /// A checksum of an algorithm not implemented here: letting it pass would promise a check nobody made.
    #[error("the checksum {name} is not supported")]
    ChecksumUnsupported {
        /// The header or trailer.
        name: String,
    },
    /// `x-amz-trailer` on a body without trailers, or naming something other than a checksum.
    #[error("x-amz-trailer does not fit the request")]
    TrailerHeader,
}

impl BodyError {
    /// The S3 error to answer with.
    #[must_use]
    pub fn s3_code(&self) -> S3Code {
        match self {
            Self::Chunk(error) => error.s3_code(),
            Self::LengthMissing => ("MissingContentLength", 411),
            Self::LengthInvalid => ("InvalidArgument", 400),
            Self::Length { .. } => ("IncompleteBody", 400),
            Self::ContentHash => ("XAmzContentSHA256Mismatch", 400),
            Self::ContentHashInvalid => ("InvalidArgument", 400),
            Self::Md5Invalid => ("InvalidDigest", 400),
            Self::Md5 | Self::Checksum { .. } => ("BadDigest", 400),
            Self::ChecksumInvalid { .. }
            | Self::ChecksumRepeated
            | Self::ChecksumUnsupported { .. }
            | Self::TrailerHeader => ("InvalidRequest", 400),
        }
    }
}
