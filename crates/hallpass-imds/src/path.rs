/// A request target in the one normal form that both rules and dispatch use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normal {
    /// The decoded segments, none empty.
    pub segments: Vec<String>,
    /// Whether the path ended in `/`.
    pub trailing_slash: bool,
    /// The authority of an absolute-form target, to be judged like a `Host` header.
    pub authority: Option<String>,
}

/// The target has no normal form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Not `/path` and not `http://authority/path`.
    #[error("the request target is not a path")]
    NotAPath,
    /// A `%` without two hexadecimal digits, or bytes that decode to control characters or not to UTF-8.
    #[error("the request target is badly encoded")]
    BadEncoding,
    /// A `.` or `..` segment, encoded or not.
    #[error("the request target climbs")]
    DotSegment,
}

/// Splits off query and fragment, decodes `%XX` once, collapses `//`, refuses dot segments.
///
/// An encoded slash becomes a slash, here and therefore everywhere; a doubly encoded one stays text that names nothing.
/// # Errors
/// [`PathError`]; the service answers 400.
pub fn normalize(target: &str) -> Result<Normal, PathError> {
    let (authority, path) = match target.strip_prefix("http://") {
        Some(rest) => {
            let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            (Some(rest[..at].to_owned()), &rest[at..])
        }
        None => (None, target),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    if !path.starts_with('/') && authority.is_none() {
        return Err(PathError::NotAPath);
    }
    let decoded = decode(path)?;
    let segments: Vec<String> = decoded
        .split('/')
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    if segments.iter().any(|part| part == "." || part == "..") {
        return Err(PathError::DotSegment);
    }
    Ok(Normal {
        segments,
        trailing_slash: decoded.ends_with('/'),
        authority,
    })
}

fn decode(path: &str) -> Result<String, PathError> {
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let high = bytes.next().and_then(digit).ok_or(PathError::BadEncoding)?;
            let low = bytes.next().and_then(digit).ok_or(PathError::BadEncoding)?;
            high << 4 | low
        } else {
            byte
        };
        if byte < 0x20 || byte == 0x7f {
            return Err(PathError::BadEncoding);
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).map_err(|_| PathError::BadEncoding)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
