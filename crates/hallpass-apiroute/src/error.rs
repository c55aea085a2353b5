use crate::Protocol;

/// The request means nothing the models know, or it could mean two things.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// No model signs with this name.
    #[error("The service `{0}` is not known here.")]
    UnknownService(String),
    /// `X-Amz-Target`, or the path of an RPC call, names no operation of this service.
    #[error("The operation is not known here.")]
    UnknownOperation,
    /// No operation has this method and path.
    #[error("No operation of this service has this method and path.")]
    UnknownRoute,
    /// `Action` names no operation.
    #[error("The action {0} is not valid for this web service.")]
    InvalidAction(String),
    /// A query request without `Action`.
    #[error("The request must contain the parameter Action.")]
    MissingAction,
    /// Several services that sign with this name have such an operation, and the host does not tell them apart.
    #[error(
        "Several services have such an operation; the host must begin with one service's endpoint prefix."
    )]
    Ambiguous,
    /// The path or the query is not what a client sends: bad escapes, dot segments, empty segments.
    #[error("The path or the query is not valid.")]
    Uri,
    /// A header that decides the meaning has a value that cannot be meant.
    #[error("The value of the header `{0}` is not valid.")]
    Header(&'static str),
    /// Something that may be given once is given twice.
    #[error("`{0}` may be given only once.")]
    Repeated(String),
    /// The request carries the marks of two protocols, or parameters in two places.
    #[error("The request can be read in two ways: {0}.")]
    Mixed(&'static str),
    /// The body is not a document of the protocol.
    #[error("The body is not valid: {1}.")]
    Body(Protocol, &'static str),
    /// The body exceeds [`crate::BODY_BYTES_MAX`].
    #[error("The request body is too large.")]
    BodyTooLarge,
}

impl RouteError {
    /// The error to answer with in AWS's words: code and HTTP status.
    #[must_use]
    pub fn code(&self) -> (&'static str, u16) {
        match self {
            Self::UnknownOperation => ("UnknownOperationException", 400),
            Self::UnknownService(_) | Self::UnknownRoute | Self::Ambiguous => {
                ("UnknownOperationException", 404)
            }
            Self::InvalidAction(_) => ("InvalidAction", 400),
            Self::MissingAction => ("MissingAction", 400),
            Self::Body(protocol, _) if protocol.is_query() => ("MalformedQueryString", 400),
            Self::Body(..) => ("SerializationException", 400),
            Self::Uri | Self::Header(_) | Self::Repeated(_) | Self::Mixed(_) => ("ValidationException", 400),
            Self::BodyTooLarge => ("RequestEntityTooLargeException", 413),
        }
    }
}
