use crate::RouteError;
use hallpass_wire::{QUERY_PARAMS_MAX, percent_decode};

/// Query parameters that authenticate; their values are not part of what is asked for.
const AUTHENTICATION: &[&str] = &[
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// The query string, decoded, without what authenticates. Repeated names stay: REST lists are sent so.
pub(crate) fn read(raw: Option<&str>) -> Result<Vec<(String, String)>, RouteError> {
    let mut found = vec![];
    for piece in raw
        .unwrap_or_default()
        .split('&')
        .filter(|piece| !piece.is_empty())
    {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        // The signature is over a plus decoded as a space, so a space is what it means.
        let decode = |text: &str| percent_decode(&text.replace('+', " ")).ok_or(RouteError::Uri);
        let (name, value) = (decode(name)?, decode(value)?);
        if name.contains(['\0', '\r', '\n']) || found.len() >= QUERY_PARAMS_MAX {
            return Err(RouteError::Uri);
        }
        let lower = name.to_ascii_lowercase();
        if lower == "x-amz-target" || lower == "smithy-protocol" {
            return Err(RouteError::Mixed("the operation's name is in the query"));
        }
        if !AUTHENTICATION.contains(&lower.as_str()) {
            found.push((name, value));
        }
    }
    Ok(found)
}
