use super::S3Code;

/// The body of a form is not `multipart/form-data` as S3 takes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// `Content-Type` is not `multipart/form-data` with a boundary of 1 to 70 allowed characters.
    #[error("the content type names no usable boundary")]
    Boundary,
    /// A delimiter, a line end or a header line is not where it must be, or bytes follow the end.
    #[error("the form is not well-formed multipart/form-data")]
    Framing,
    /// The headers of one part are longer than the limit.
    #[error("the headers of a part are longer than {limit_bytes} bytes")]
    HeadersTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// A part without exactly one readable `Content-Disposition: form-data` with a name, or in a transfer encoding.
    #[error("a part has no usable content-disposition")]
    Disposition,
    /// A field's name or value is not UTF-8.
    #[error("a field is not text")]
    NotText,
    /// More fields, or more bytes of fields, than the limit, before the file or after it.
    #[error("the form's fields are more than {limit_count} or longer than {limit_bytes} bytes")]
    FieldsTooLarge {
        /// The limit on their number.
        limit_count: usize,
        /// The limit on their bytes.
        limit_bytes: usize,
    },
    /// The form ended without a field named `file`.
    #[error("POST requires exactly one file upload per request")]
    FileMissing,
    /// The body stopped before the closing delimiter.
    #[error("the form ended before its closing delimiter")]
    Incomplete,
}

impl FormError {
    /// The S3 error to answer with.
    #[must_use]
    pub fn s3_code(&self) -> S3Code {
        match self {
            Self::Boundary
            | Self::Framing
            | Self::HeadersTooLarge { .. }
            | Self::Disposition
            | Self::NotText
            | Self::Incomplete => ("MalformedPOSTRequest", 400),
            Self::FieldsTooLarge { .. } => ("MaxPostPreDataLengthExceeded", 400),
            Self::FileMissing => ("IncorrectNumberOfFilesInPostRequest", 400),
        }
    }
}

/// A POST policy is not a policy document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyDocumentError {
    /// Not base64 of JSON of a bearable depth.
    #[error("Invalid Policy: Invalid JSON")]
    Json,
    /// Not an object of `expiration` and `conditions` alone.
    #[error("Invalid Policy: expecting an object with expiration and conditions")]
    Shape,
    /// `expiration` is no ISO 8601 instant.
    #[error("Invalid Policy: Invalid 'expiration' value")]
    Expiration,
    /// A condition of no known form.
    #[error("Invalid Policy: Invalid condition")]
    Condition,
}

/// A form's file is shorter or longer than its policy allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostLengthError {
    /// Longer than `content-length-range` allows.
    #[error("your proposed upload exceeds the maximum allowed size of {length_max} bytes")]
    TooLarge {
        /// The most bytes allowed.
        length_max: u64,
    },
    /// Shorter than `content-length-range` allows.
    #[error("your proposed upload is smaller than the minimum allowed size of {length_min} bytes")]
    TooSmall {
        /// The fewest bytes allowed.
        length_min: u64,
    },
}

impl PostLengthError {
    /// The S3 error to answer with.
    #[must_use]
    pub fn s3_code(&self) -> S3Code {
        match self {
            Self::TooLarge { .. } => ("EntityTooLarge", 400),
            Self::TooSmall { .. } => ("EntityTooSmall", 400),
        }
    }
}
