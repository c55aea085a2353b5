use hallpass_access::{AuthenticationError, Denied};
use hallpass_session::BindingRefused;
use hallpass_sigv4::{BodyError, ParseError, VerifyError};

/// Who has to change something so that the request succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// Whoever sent the request.
    Caller,
    /// Whoever wrote the policies.
    Policy,
    /// The server or what lies behind it.
    Server,
}

/// A request that was not served, in S3's words. Other protocols translate the code where AWS's differ
/// ([`Refusal::query_code`]).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// S3's error code.
    pub code: &'static str,
    /// S3's status for it.
    pub status: u16,
    /// For the caller to read.
    pub message: String,
    /// Who has to change something.
    pub blame: Blame,
    /// What only the log and `hallpass why` may know.
    pub detail: String,
    /// Further elements of S3's error document (`Region`, `Resource`, …).
    pub extra: Vec<(&'static str, String)>,
    /// Headers that belong to the error, such as `Content-Range` of a 416.
    pub headers: Vec<(&'static str, String)>,
}

impl Refusal {
    /// A refusal that is the caller's to mend.
    #[must_use]
    pub fn caller(code: &'static str, status: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            status,
            message: message.into(),
            blame: Blame::Caller,
            detail: String::new(),
            extra: vec![],
            headers: vec![],
        }
    }

    /// A refusal that is the server's fault.
    #[must_use]
    pub fn server(message: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            code: "InternalError",
            status: 500,
            message: message.into(),
            blame: Blame::Server,
            detail: detail.into(),
            extra: vec![],
            headers: vec![],
        }
    }

    /// The same with a text for the log.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Code and status in the query protocols of IAM and STS (`is_ec2` false) or EC2.
    #[must_use]
    pub fn query_code(&self, is_ec2: bool) -> (&'static str, u16) {
        match (self.code, is_ec2) {
            ("AccessDenied", true) => ("UnauthorizedOperation", 403),
            ("InvalidAccessKeyId" | "InvalidToken" | "SignatureDoesNotMatch", true) => ("AuthFailure", 401),
            ("ExpiredToken", true) => ("RequestExpired", 400),
            ("InvalidAccessKeyId" | "InvalidToken", false) => ("InvalidClientTokenId", 403),
            ("ExpiredToken", false) => ("ExpiredToken", 403),
            ("RequestTimeTooSkewed", _) => ("SignatureDoesNotMatch", 403),
            ("AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError", _) => {
                ("IncompleteSignature", 400)
            }
            ("MissingSecurityHeader", _) => ("MissingAuthenticationToken", 403),
            ("SlowDown", _) => ("Throttling", 400),
            ("InternalError", _) => ("InternalFailure", 500),
            (code, _) => (code, self.status),
        }
    }
}

impl Refusal {
    /// Code and status in the JSON and CBOR protocols. Source: "Common errors" of any service's API reference; services
    /// with REST routes answer 403 where the others answer 400.
    #[must_use]
    pub fn json_code(&self, is_rest: bool) -> (&'static str, u16) {
        let status = if is_rest { 403 } else { 400 };
        match self.code {
            "AccessDenied" => ("AccessDeniedException", status),
            "InvalidAccessKeyId" | "InvalidToken" => ("UnrecognizedClientException", status),
            "SignatureDoesNotMatch" | "RequestTimeTooSkewed" => ("InvalidSignatureException", status),
            "ExpiredToken" => ("ExpiredTokenException", status),
            "MissingSecurityHeader" => ("MissingAuthenticationTokenException", status),
            "AuthorizationHeaderMalformed" | "AuthorizationQueryParametersError" => {
                ("IncompleteSignatureException", status)
            }
            "SlowDown" | "Throttling" => ("ThrottlingException", 400),
            "ServiceUnavailable" => ("ServiceUnavailableException", 503),
            "InternalError" => ("InternalFailure", 500),
            code => (code, self.status),
        }
    }
}

impl From<ParseError> for Refusal {
    fn from(error: ParseError) -> Self {
        let (code, status) = error.s3_code();
        Self::caller(code, status, sentence(&error.to_string()))
    }
}

impl From<VerifyError> for Refusal {
    fn from(error: VerifyError) -> Self {
        let (code, status) = error.s3_code();
        let message = match &error {
            // AWS's sentence: it is what people search for.
            VerifyError::SignatureMismatch => {
                "The request signature we calculated does not match the signature you \
                                               provided. Check your key and signing method."
                    .to_owned()
            }
            VerifyError::Expired { .. } => "Request has expired".to_owned(),
            VerifyError::SkewTooLarge { .. } => {
                format!("The difference between the request time and the current time is too large: {error}")
            }
            other => sentence(&other.to_string()),
        };
        let mut refusal = Self::caller(code, status, message);
        if let VerifyError::WrongRegion { expected, .. } = &error {
            refusal.extra.push(("Region", expected.clone()));
        }
        refusal
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let (code, status) = error.s3_code();
        Self::caller(code, status, sentence(&error.to_string()))
    }
}

impl From<AuthenticationError> for Refusal {
    fn from(error: AuthenticationError) -> Self {
        let refusal = match &error {
            AuthenticationError::Invalid(_) => Self::caller(
                "InvalidAccessKeyId",
                403,
                "The AWS Access Key Id you provided does not exist in our records.",
            ),
            AuthenticationError::Token(_) => Self::caller(
                "InvalidToken",
                400,
                "The provided token is malformed or otherwise invalid.",
            ),
            AuthenticationError::Expired(_) => {
                Self::caller("ExpiredToken", 400, "The provided token has expired.")
            }
            AuthenticationError::Revoked(_) => Self::caller(
                "InvalidToken",
                400,
                "The session of the provided token has been revoked.",
            ),
            AuthenticationError::Stale(_) => Self {
                blame: Blame::Server,
                ..Self::caller(
                    "ServiceUnavailable",
                    503,
                    "This server has lost its store and cannot tell whether the credentials still stand.",
                )
            },
        };
        refusal.with_detail(error.to_string())
    }
}

impl From<BindingRefused> for Refusal {
    fn from(error: BindingRefused) -> Self {
        Self::caller("AccessDenied", 403, format!("Access denied: {error}."))
    }
}

impl From<Box<Denied>> for Refusal {
    fn from(denied: Box<Denied>) -> Self {
        let mut detail = denied
            .decision
            .matched
            .iter()
            .map(|statement| format!("denied by {statement}"))
            .collect::<Vec<_>>();
        detail.extend(
            denied
                .considered
                .iter()
                .map(|considered| format!("{}: {}", considered.statement, considered.outcome)),
        );
        if detail.is_empty() {
            detail.push("no policy applies to this principal".to_owned());
        }
        Self {
            code: "AccessDenied",
            status: 403,
            message: denied.message.clone(),
            blame: Blame::Policy,
            detail: detail.join("; "),
            extra: vec![],
            headers: vec![],
        }
    }
}

/// Our errors are fragments in lower case; AWS's are sentences.
fn sentence(fragment: &str) -> String {
    let mut letters = fragment.chars();
    let first = letters
        .next()
        .map(|letter| letter.to_uppercase().to_string())
        .unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
