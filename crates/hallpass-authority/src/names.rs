//! Names, paths and documents as IAM's model constrains them.

use crate::ApiError;
use crate::entity::Permissions;
use crate::model::shown;
use hallpass_policy::{Policy, PolicyKind};
use hallpass_session::Tag;
use hallpass_wire::QueryParams;

/// Role, user and session names (IAM and STS quotas).
pub(crate) const NAME_CHARS_MAX: usize = 64;
/// Names of sessions and source identities.
const SESSION_NAME_CHARS_MIN: usize = 2;
/// Policy and instance profile names.
pub(crate) const LONG_NAME_CHARS_MAX: usize = 128;
/// Tags on one entity.
const TAGS_MAX: usize = 50;
const PATH_CHARS_MAX: usize = 512;

/// One of `[\w+=,.@-]`.
fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

/// A name as STS takes it, of `2` to `chars_max` characters. STS names every constraint that does not hold, and has no
/// sentence of its own for the letters, as IAM has.
pub(crate) fn session_name<'a>(
    parameter: &str,
    text: &'a str,
    chars_max: usize,
) -> Result<&'a str, ApiError> {
    let length = text.chars().count();
    let mut broken = vec![];
    if !text.bytes().all(is_of_name) {
        broken.push(r"Member must satisfy regular expression pattern: [\w+=,.@-]*".to_owned());
    }
    if length < SESSION_NAME_CHARS_MIN {
        broken.push(format!(
            "Member must have length greater than or equal to {SESSION_NAME_CHARS_MIN}"
        ));
    }
    if length > chars_max {
        broken.push(format!(
            "Member must have length less than or equal to {chars_max}"
        ));
    }
    if broken.is_empty() {
        return Ok(text);
    }
    let plural = if broken.len() == 1 { "" } else { "s" };
    let at = format!("{} at '{}'", shown(text), lower_first(parameter));
    let violations: Vec<_> = broken
        .iter()
        .map(|constraint| format!("{at} failed to satisfy constraint: {constraint}"))
        .collect();
    Err(ApiError::validation(format!(
        "{} validation error{plural} detected: {}",
        broken.len(),
        violations.join("; ")
    )))
}

/// `[\w+=,.@-]+`
pub(crate) fn name<'a>(parameter: &str, text: &'a str, chars_max: usize) -> Result<&'a str, ApiError> {
    let lower = lower_first(parameter);
    if text.is_empty() {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '' at '{lower}' failed to satisfy constraint: \
             Member must have length greater than or equal to 1"
        )));
    }
    if text.chars().count() > chars_max {
        return Err(ApiError::validation(format!(
            "1 validation error detected: {} at '{lower}' failed to satisfy constraint: \
             Member must have length less than or equal to {chars_max}",
            shown(text)
        )));
    }
    if !text.bytes().all(is_of_name) {
        return Err(ApiError::validation(format!(
            "The specified value for {lower} is invalid. It must contain only alphanumeric characters and/or the \
             following: +=,.@_-"
        )));
    }
    Ok(text)
}

/// `/` or `/…/`, printable ASCII.
pub(crate) fn path(params: &QueryParams) -> Result<String, ApiError> {
    let path = params.get("Path").unwrap_or("/");
    let sound = path.len() <= PATH_CHARS_MAX
        && path.starts_with('/')
        && path.ends_with('/')
        && !path.contains("//")
        && path.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
    if sound {
        Ok(path.to_owned())
    } else {
        Err(ApiError::validation(
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
             characters and/or / characters.",
        ))
    }
}

pub(crate) fn tags(params: &QueryParams) -> Result<Vec<Tag>, ApiError> {
    let tags: Vec<Tag> = params
        .structures("Tags")
        .into_iter()
        .map(|mut tag| Tag {
            key: tag.remove("Key").unwrap_or_default(),
            value: tag.remove("Value").unwrap_or_default(),
        })
        .collect();
    check_tags(&tags)?;
    Ok(tags)
}

pub(crate) fn check_tags(tags: &[Tag]) -> Result<(), ApiError> {
    for (index, tag) in tags.iter().enumerate() {
        let key_fits = (1..=128).contains(&tag.key.chars().count()) && tag.value.chars().count() <= 256;
        if !key_fits || tag.key.to_ascii_lowercase().starts_with("aws:") {
            return Err(ApiError::validation(format!(
                "1 validation error detected: Value '{}' at 'tags.{}.member.key' failed to satisfy constraint: \
                 Member must have length between 1 and 128 and must not begin with aws:",
                tag.key,
                index + 1
            )));
        }
        if tags
            .iter()
            .take(index)
            .any(|other| other.key.eq_ignore_ascii_case(&tag.key))
        {
            return Err(ApiError::new(
                "InvalidInput",
                400,
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ));
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(ApiError::limit(format!(
            "The number of tags has reached the maximum limit of {TAGS_MAX}."
        )));
    }
    Ok(())
}

/// Adds `new` to `tags`, replacing those of the same key (ignoring case).
pub(crate) fn merge_tags(tags: &mut Vec<Tag>, new: Vec<Tag>) -> Result<(), ApiError> {
    for tag in new {
        match tags.iter_mut().find(|old| old.key.eq_ignore_ascii_case(&tag.key)) {
            Some(old) => *old = tag,
            None => tags.push(tag),
        }
    }
    check_tags(tags)
}

/// Parses a policy document as it is about to be stored.
pub(crate) fn document(text: &str, kind: PolicyKind, chars_max: usize) -> Result<Policy, ApiError> {
    document_size(text, kind, chars_max)?;
    Policy::parse(text, kind).map_err(|error| ApiError::malformed_policy(error.message))
}

/// The size of a document that is parsed elsewhere.
pub(crate) fn document_size(text: &str, kind: PolicyKind, chars_max: usize) -> Result<(), ApiError> {
    // Sizes ignore white space (IAM quotas).
    let size = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .count();
    if size > chars_max {
        let what = match kind {
            PolicyKind::Trust => "ACLSizePerRole",
            _ => "PolicySize",
        };
        return Err(ApiError::limit(format!(
            "Cannot exceed quota for {what}: {chars_max}"
        )));
    }
    Ok(())
}

/// The aggregate size of an entity's inline policies.
pub(crate) fn inline_quota(
    permissions: &Permissions,
    entity: &str,
    chars_max: usize,
) -> Result<(), ApiError> {
    let size: usize = permissions
        .inline
        .values()
        .map(|document| {
            document
                .chars()
                .filter(|character| !character.is_whitespace())
                .count()
        })
        .sum();
    if size > chars_max {
        return Err(ApiError::limit(format!(
            "Maximum policy size of {chars_max} bytes exceeded for {entity}"
        )));
    }
    Ok(())
}

pub(crate) fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().to_string())
        .unwrap_or_default()
        + letters.as_str()
}
