use crate::parse::SignedHeaderNames;
use crate::payload::PayloadMode;
use crate::query;
use std::cmp::Ordering;

/// A request as both sides canonicalise it: the bytes on the wire, neither decoded nor normalised by anyone.
#[derive(Debug, Clone, Copy)]
pub struct RequestView<'a> {
    /// The method, such as `GET`.
    pub method: &'a str,
    /// The raw path of the request target, percent-encoding and dot segments included; empty counts as `/`.
    pub path: &'a str,
    /// The raw query string without its `?`. `None` and empty are the same.
    pub query: Option<&'a str>,
    /// Name (lower-case) and value of every header, repeated ones in their order. HTTP/2's `:authority` is given as
    /// `host`.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl<'a> RequestView<'a> {
    /// The values of the header `name`.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |(other, _)| *other == name)
            .map(|(_, value)| *value)
    }

    /// The only value of the header `name`; `Err` when there are several.
    pub(crate) fn single(&self, name: &str) -> Result<Option<&'a [u8]>, ()> {
        let mut values = self.values(name);
        let first = values.next();
        if values.next().is_some() {
            Err(())
        } else {
            Ok(first)
        }
    }
}

/// How a service canonicalises the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathStyle {
    /// S3: decoded once, encoded once, nothing normalised: `//`, `.` and `..` are part of an object's key.
    S3,
    /// Every other service: dot segments and empty segments removed, then the path as sent encoded once more.
    Normalized,
}

impl PathStyle {
    /// The style of `service`, the scope's service name. Source: botocore and `aws-sigv4` signer settings.
    #[must_use]
    pub fn for_service(service: &str) -> Self {
        match service {
            "s3" | "s3express" | "s3-object-lambda" | "s3-outposts" => Self::S3,
            _ => Self::Normalized,
        }
    }
}

/// HTTP/2's name for the host, which some clients sign in place of `host`. Its value is that of `host`: whoever reads
/// HTTP/2 sets the one from the other.
pub(crate) const AUTHORITY: &str = ":authority";

/// Which text stands in the path's line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathForm {
    Styled(PathStyle),
    /// The path as sent. Some clients sign `@ : ( ) ! * ' $ ,` bare although AWS encodes them.
    AsSent,
}

/// Why there is no canonical form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CanonicalError {
    Missing(String),
    Unsignable,
}

/// The headers of a request ordered by name, repeated ones in their order.
///
/// Ordered once, so that many headers times many signed names stays far from quadratic.
pub(crate) struct SortedHeaders<'a>(Vec<(&'a str, &'a [u8])>);

impl<'a> SortedHeaders<'a> {
    pub(crate) fn new(headers: &[(&'a str, &'a [u8])]) -> Self {
        Self::from_vec(headers.to_vec())
    }

    pub(crate) fn from_vec(mut headers: Vec<(&'a str, &'a [u8])>) -> Self {
        headers.sort_by(|(left, _), (right, _)| order(left, right));
        Self(headers)
    }

    /// What stands in `:authority` of a request that came over HTTP/2.
    fn only_host(&self) -> Result<&'a [u8], CanonicalError> {
        let mut values = self.0.iter().filter(|(name, _)| *name == "host");
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Ok(value),
            (None, _) => Err(CanonicalError::Missing(AUTHORITY.to_owned())),
            (Some(_), Some(_)) => Err(CanonicalError::Unsignable),
        }
    }

    /// The distinct names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0
            .chunk_by(|left, right| left.0 == right.0)
            .filter_map(|group| group.first())
            .map(|(name, _)| *name)
    }
}

/// The order of two header names, told by their first eight bytes where those differ: a comparison of whole texts is a
/// call, and a request takes dozens.
fn order(left: &str, right: &str) -> Ordering {
    let head = |name: &str| {
        name.as_bytes()
            .first_chunk()
            .map(|bytes| u64::from_be_bytes(*bytes))
    };
    match (head(left), head(right)) {
        (Some(first), Some(second)) if first != second => first.cmp(&second),
        _ => left.cmp(right),
    }
}

/// Writes the canonical request.
///
/// `host` replaces the value of the `host` header, for callers known under several names.
///
/// # Source
/// AWS SigV4, "Create a canonical request".
pub(crate) fn write_request(
    out: &mut Vec<u8>,
    view: &RequestView<'_>,
    form: PathForm,
    headers: &SortedHeaders<'_>,
    signed: &SignedHeaderNames,
    host: Option<&[u8]>,
    payload: PayloadMode,
) -> Result<(), CanonicalError> {
    // A line feed in the method could move the following lines, so that one hash stood for two requests.
    if view.method.is_empty() || !view.method.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(CanonicalError::Unsignable);
    }
    out.extend_from_slice(view.method.as_bytes());
    out.push(b'\n');
    match form {
        PathForm::Styled(PathStyle::S3) => write_s3_path(out, view.path),
        PathForm::Styled(PathStyle::Normalized) => write_normalized_path(out, view.path),
        PathForm::AsSent => out.extend_from_slice(view.path.as_bytes()),
    }
    out.push(b'\n');
    query::write_canonical(out, view.query.unwrap_or_default());
    out.push(b'\n');
    let mut rest = headers.0.as_slice();
    for name in signed.iter() {
        if name == AUTHORITY {
            let value = match host {
                Some(host) => host,
                None => headers.only_host()?,
            };
            out.extend_from_slice(b":authority:");
            write_value(out, value)?;
            out.push(b'\n');
            continue;
        }
        // Clients sign every header they send, so the next one is mostly the one named.
        if rest.first().is_none_or(|(other, _)| *other != name) {
            let start = rest.partition_point(|(other, _)| *other < name);
            rest = rest.get(start..).unwrap_or_default();
        }
        let end = rest.iter().take_while(|(other, _)| *other == name).count();
        let (values, after) = rest.split_at(end);
        rest = after;
        if values.is_empty() {
            return Err(CanonicalError::Missing(name.to_owned()));
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        match (name, host) {
            ("host", Some(host)) => write_value(out, host)?,
            _ => {
                for (index, (_, value)) in values.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_value(out, value)?;
                }
            }
        }
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed.as_str().as_bytes());
    out.push(b'\n');
    payload.with_text(|text| out.extend_from_slice(text.as_bytes()));
    Ok(())
}

/// Trims, folds inner runs of spaces to one, refuses what HTTP forbids (an unfolded line would forge a header).
fn write_value(out: &mut Vec<u8>, value: &[u8]) -> Result<(), CanonicalError> {
    // Most values are one word, which stands for itself. Without early exits, so that the compiler takes many bytes at
    // a time.
    if !value.iter().fold(false, |found, byte| found | (*byte <= b' ')) {
        out.extend_from_slice(value);
        return Ok(());
    }
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|byte| !blank(byte))
        .map_or(start, |last| last + 1);
    let value = value.get(start..end).unwrap_or_default();
    let forbidden = value.iter().fold(false, |found, byte| {
        found | (*byte == b'\n') | (*byte == b'\r') | (*byte == 0)
    });
    let followers = value.iter().zip(value.iter().skip(1));
    let doubled = followers.fold(false, |found, (left, right)| {
        found | ((*left == b' ') & (*right == b' '))
    });
    if forbidden {
        return Err(CanonicalError::Unsignable);
    }
    if !doubled {
        out.extend_from_slice(value);
        return Ok(());
    }
    let mut previous = 0u8;
    for byte in value {
        if !(previous == b' ' && *byte == b' ') {
            out.push(*byte);
        }
        previous = *byte;
    }
    Ok(())
}

/// Whether a byte stands bare in every canonical form (RFC 3986 unreserved).
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// `byte`, encoded unless unreserved. Upper-case hex.
pub(crate) fn write_encoded(out: &mut Vec<u8>, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    if is_unreserved(byte) {
        out.push(byte);
    } else {
        out.extend_from_slice(&[
            b'%',
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    }
}

/// The byte at the head of `text`, `%XX` decoded, and what follows. A `%` without two hex digits stands for itself.
pub(crate) fn next_decoded(text: &[u8]) -> Option<(u8, &[u8])> {
    if let [b'%', high, low, rest @ ..] = text
        && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
        && let Ok(byte) = u8::try_from(high * 16 + low)
    {
        return Some((byte, rest));
    }
    text.split_first().map(|(byte, rest)| (*byte, rest))
}

/// Whether the path holds a byte that some clients sign bare while the canonical form encodes it.
pub(crate) fn has_bare_reserved(path: &str) -> bool {
    path.bytes().any(|byte| {
        matches!(
            byte,
            b'@' | b':' | b'(' | b')' | b'!' | b'*' | b'\'' | b'$' | b',' | b'&' | b'=' | b';' | b'+'
        )
    })
}

fn write_path_byte(out: &mut Vec<u8>, byte: u8) {
    if byte == b'/' {
        out.push(byte);
    } else {
        write_encoded(out, byte);
    }
}

fn write_s3_path(out: &mut Vec<u8>, path: &str) {
    if path.is_empty() {
        out.push(b'/');
        return;
    }
    if path.bytes().all(|byte| byte == b'/' || is_unreserved(byte)) {
        out.extend_from_slice(path.as_bytes());
        return;
    }
    let mut rest = path.as_bytes();
    while let Some((byte, after)) = next_decoded(rest) {
        write_path_byte(out, byte);
        rest = after;
    }
}

/// RFC 3986 §5.2.4 on the path as sent, then the second encoding: the first one is the wire's, so every `%` becomes
/// `%25` and every byte sent bare is encoded once.
fn write_normalized_path(out: &mut Vec<u8>, path: &str) {
    let start = out.len();
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    for segment in &kept {
        out.push(b'/');
        for byte in segment.bytes() {
            write_encoded(out, byte);
        }
    }
    let directory = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    if out.len() == start || directory {
        out.push(b'/');
    }
}
