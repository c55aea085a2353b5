use serde::{Deserialize, Serialize};

/// The rules one bucket may have. Source: S3 API reference, `CORSConfiguration`.
pub const CORS_RULES_MAX: usize = 100;
/// The longest configuration, in bytes of XML. Source: S3 API reference, `PutBucketCors`.
pub const CORS_BYTES_MAX: usize = 64 * 1_024;

/// The longest id of a rule, in characters. Source: S3 API reference, `CORSRule`.
const ID_CHARS_MAX: usize = 255;
/// Headers one request may ask for. A preflight is nobody's, and each header is held against each pattern; beyond this
/// no rule allows it.
const ASKED_HEADERS_MAX: usize = 128;
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

/// One rule: which pages may send what. Source: S3 API reference, `CORSRule`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    /// Its name.
    pub id: Option<String>,
    /// Origins, each with at most one `*`. Their case counts.
    pub allowed_origins: Vec<String>,
    /// Of `GET`, `PUT`, `HEAD`, `POST` and `DELETE`.
    pub allowed_methods: Vec<String>,
    /// Names of request headers, each with at most one `*`. Their case does not count.
    pub allowed_headers: Vec<String>,
    /// Names of the answer's headers that a script may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may remember the answer to a preflight, in seconds.
    pub max_age_seconds: Option<u32>,
}

/// Why rules are refused, in S3's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CorsError {
    /// No rule or too many, or one without an origin or a method: S3's `MalformedXML`.
    #[error("The XML you provided was not well-formed or did not validate against our published schema")]
    Schema,
    /// A method that is none of the five.
    #[error("Found unsupported HTTP method in CORS config. Unsupported method is {0}")]
    Method(String),
    /// Two wildcards.
    #[error("{element} \"{value}\" can not have more than one wildcard.")]
    Wildcards {
        /// `AllowedOrigin` or `AllowedHeader`.
        element: &'static str,
        /// What it says.
        value: String,
    },
    /// A wildcard where there may be none.
    #[error("ExposeHeader \"{0}\" contains wildcard. We currently do not support wildcard for ExposeHeader.")]
    Expose(String),
    /// What cannot stand in a header of the answer.
    #[error("ExposeHeader \"{0}\" is not the name of a header.")]
    ExposeName(String),
    /// The id is too long.
    #[error("ID length should not exceed allowed limit of 255")]
    Id,
}

/// A request of a page that came from somewhere else, or the question whether it may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsRequest<'a> {
    /// `Origin`.
    pub origin: &'a str,
    /// `Access-Control-Request-Method` where it is given, else the request's method.
    pub method: &'a str,
    /// The names of `Access-Control-Request-Headers`, in lower case.
    pub headers: Vec<String>,
}

/// The rules of a bucket, which are valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsConfiguration(Vec<CorsRule>);

impl CorsConfiguration {
    /// Takes the rules in their order, in which they are asked.
    ///
    /// # Errors
    /// [`CorsError`].
    pub fn new(rules: Vec<CorsRule>) -> Result<Self, CorsError> {
        if rules.is_empty() || rules.len() > CORS_RULES_MAX {
            return Err(CorsError::Schema);
        }
        rules.iter().try_for_each(check)?;
        Ok(Self(rules))
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &[CorsRule] {
        &self.0
    }

    /// The headers by which a browser learns that it may, by the first rule that matches; `None` when none does.
    ///
    /// # Source
    /// S3 User Guide, "Using cross-origin resource sharing" and "Testing CORS".
    #[must_use]
    pub fn headers_for(&self, asked: &CorsRequest<'_>) -> Option<Vec<(&'static str, String)>> {
        if asked.headers.len() > ASKED_HEADERS_MAX {
            return None;
        }
        self.0
            .iter()
            .find(|rule| rule.matches(asked))
            .map(|rule| rule.headers_for(asked))
    }
}

/// Whether a browser may ask for this method.
#[must_use]
pub fn is_cors_method(method: &str) -> bool {
    METHODS.contains(&method)
}

impl CorsRule {
    fn matches(&self, asked: &CorsRequest<'_>) -> bool {
        let of_origin = |pattern: &String| matches_pattern(pattern, asked.origin, PartialEq::eq);
        let is_allowed = |name: &String| {
            let of_name = |pattern: &String| matches_pattern(pattern, name, <[u8]>::eq_ignore_ascii_case);
            self.allowed_headers.iter().any(of_name)
        };
        self.allowed_methods.iter().any(|method| method == asked.method)
            && self.allowed_origins.iter().any(of_origin)
            && asked.headers.iter().all(is_allowed)
    }

    fn headers_for(&self, asked: &CorsRequest<'_>) -> Vec<(&'static str, String)> {
        let anyone = self.allowed_origins.iter().any(|origin| origin == "*");
        let origin = if anyone { "*" } else { asked.origin };
        let mut headers = vec![
            ("access-control-allow-origin", origin.to_owned()),
            ("access-control-allow-methods", self.allowed_methods.join(", ")),
        ];
        if !asked.headers.is_empty() {
            headers.push(("access-control-allow-headers", asked.headers.join(", ")));
        }
        if !self.expose_headers.is_empty() {
            headers.push(("access-control-expose-headers", self.expose_headers.join(", ")));
        }
        if let Some(seconds) = self.max_age_seconds {
            headers.push(("access-control-max-age", seconds.to_string()));
        }
        // Browsers take no cookie along to everyone's.
        if !anyone {
            headers.push(("access-control-allow-credentials", "true".to_owned()));
        }
        let vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
        headers.push(("vary", vary.to_owned()));
        headers
    }
}

/// A `*` stands for any characters, or none.
fn matches_pattern(pattern: &str, text: &str, is_same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    let text = text.as_bytes();
    let Some((start, end)) = pattern.split_once('*') else {
        return is_same(pattern.as_bytes(), text);
    };
    let begins = text.split_at_checked(start.len());
    begins.is_some_and(|(begin, rest)| {
        let ends = rest.len().checked_sub(end.len()).and_then(|at| rest.get(at..));
        is_same(start.as_bytes(), begin) && ends.is_some_and(|rest| is_same(end.as_bytes(), rest))
    })
}

fn check(rule: &CorsRule) -> Result<(), CorsError> {
    if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
        return Err(CorsError::Schema);
    }
    if let Some(method) = rule.allowed_methods.iter().find(|method| !is_cors_method(method)) {
        return Err(CorsError::Method(method.clone()));
    }
    for (element, values) in [
        ("AllowedOrigin", &rule.allowed_origins),
        ("AllowedHeader", &rule.allowed_headers),
    ] {
        if let Some(value) = values.iter().find(|value| value.matches('*').count() > 1) {
            let value = value.clone();
            return Err(CorsError::Wildcards { element, value });
        }
    }
    for name in &rule.expose_headers {
        if name.contains('*') {
            return Err(CorsError::Expose(name.clone()));
        }
        if !name.bytes().all(|byte| byte.is_ascii_graphic()) || name.is_empty() {
            return Err(CorsError::ExposeName(name.clone()));
        }
    }
    let id_chars = rule.id.as_ref().map_or(0, |id| id.chars().count());
    if id_chars > ID_CHARS_MAX {
        return Err(CorsError::Id);
    }
    Ok(())
}
