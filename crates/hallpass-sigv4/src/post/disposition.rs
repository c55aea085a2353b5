use crate::error::FormError;

/// What a part's headers say of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Disposition {
    pub(super) name: String,
    pub(super) filename: Option<String>,
}

/// Reads the headers of one part, without the empty line after them.
pub(super) fn read(headers: &[u8]) -> Result<Disposition, FormError> {
    let text = std::str::from_utf8(headers).map_err(|_| FormError::NotText)?;
    let mut found = None;
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or(FormError::Framing)?;
        if line.bytes().any(|byte| matches!(byte, b'\n' | b'\r' | 0)) || name.trim() != name {
            return Err(FormError::Framing);
        }
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-disposition") {
            if found.replace(parameters(value)?).is_some() {
                return Err(FormError::Disposition);
            }
        } else if name.eq_ignore_ascii_case("content-transfer-encoding")
            && !["7bit", "8bit", "binary"]
                .iter()
                .any(|plain| value.eq_ignore_ascii_case(plain))
        {
            // The bytes would not be the ones meant.
            return Err(FormError::Disposition);
        }
    }
    found.ok_or(FormError::Disposition)
}

fn parameters(value: &str) -> Result<Disposition, FormError> {
    let (kind, mut rest) = value.split_once(';').ok_or(FormError::Disposition)?;
    if !kind.trim().eq_ignore_ascii_case("form-data") {
        return Err(FormError::Disposition);
    }
    let (mut name, mut filename) = (None, None);
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let (key, after) = rest.split_once('=').ok_or(FormError::Disposition)?;
        let (text, after) = parameter_value(after).ok_or(FormError::Disposition)?;
        let slot = match key.trim().to_ascii_lowercase().as_str() {
            "name" => Some(&mut name),
            "filename" => Some(&mut filename),
            // `filename*` must not be used in forms (RFC 7578 §4.2), and nothing else means anything.
            _ => None,
        };
        if slot.is_some_and(|slot| slot.replace(text).is_some()) {
            return Err(FormError::Disposition);
        }
        let after = after.trim_start();
        rest = match after.strip_prefix(';') {
            Some(next) => next,
            None if after.is_empty() => after,
            None => return Err(FormError::Disposition),
        };
    }
    match name {
        Some(name) if !name.is_empty() => Ok(Disposition { name, filename }),
        _ => Err(FormError::Disposition),
    }
}

/// A token or a quoted text, and what follows it. Only `\"` and `\\` are escapes: older browsers send whole Windows
/// paths bare.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, after) = text.split_at(end);
        return Some((value.trim().to_owned(), after));
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices().peekable();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, quoted.get(index + 1..)?)),
            '\\' => match letters.next_if(|(_, next)| matches!(next, '"' | '\\')) {
                Some((_, next)) => value.push(next),
                None => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    None
}

/// Replaces `${filename}` in a field's value, as S3 does with `key`. Of a path, only what follows its last slash or
/// backslash counts; a form whose file has no name gives the empty one.
#[must_use]
pub fn substitute_filename(value: &str, filename: Option<&str>) -> String {
    let name = filename.unwrap_or_default();
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default();
    value.replace("${filename}", name)
}
