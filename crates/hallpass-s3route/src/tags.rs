use crate::error::RouteError;
use hallpass_wire::percent_decode;

/// Tags on one object. Source: S3, "Categorizing your storage using tags".
const OBJECT_TAGS_MAX: usize = 10;
const KEY_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 256;

/// Reads `x-amz-tagging`: a form-encoded list, so a `+` is a space here.
///
/// # Errors
/// [`RouteError`] when it is not one, or breaks the rules of tags.
pub fn parse_tagging_header(value: &str) -> Result<Vec<(String, String)>, RouteError> {
    let decode =
        |text: &str| percent_decode(&text.replace('+', " ")).ok_or(RouteError::Argument("x-amz-tagging"));
    let mut tags = vec![];
    for piece in value.split('&').filter(|piece| !piece.is_empty()) {
        let (key, value) = piece.split_once('=').unwrap_or((piece, ""));
        tags.push((decode(key)?, decode(value)?));
    }
    check_tags(&tags, OBJECT_TAGS_MAX)?;
    Ok(tags)
}

pub(crate) fn check_object_tags(tags: &[(String, String)]) -> Result<(), RouteError> {
    check_tags(tags, OBJECT_TAGS_MAX)
}

/// A bucket may have fifty tags. Source: S3, "Using cost allocation S3 bucket tags".
pub(crate) fn check_bucket_tags(tags: &[(String, String)]) -> Result<(), RouteError> {
    check_tags(tags, 50)
}

fn check_tags(tags: &[(String, String)], max: usize) -> Result<(), RouteError> {
    if tags.len() > max {
        return Err(RouteError::Tag("too many tags"));
    }
    for (index, (key, value)) in tags.iter().enumerate() {
        if key.is_empty() || key.chars().count() > KEY_CHARS_MAX || value.chars().count() > VALUE_CHARS_MAX {
            return Err(RouteError::Tag("a key or value is too short or too long"));
        }
        if tags.iter().take(index).any(|(other, _)| other == key) {
            return Err(RouteError::Tag("a key is given twice"));
        }
    }
    Ok(())
}
