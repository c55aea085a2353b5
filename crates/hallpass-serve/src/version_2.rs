//! What is left of a version 2 presigned request once its signature is proven.

use hallpass_gateway::{Refusal, RequestHead};
use hallpass_wire::percent_decode;
use http::{HeaderName, HeaderValue};

/// Parameters that authenticated the request and mean nothing after that.
const AUTHENTICATION: &[&str] = &["AWSAccessKeyId", "Expires", "Signature", "x-amz-security-token"];

/// Takes the authentication out of the query, and makes headers of the `content-…` parameters, which version 2 signs
/// and S3 reads as such. `x-amz-…` parameters stay: they are read as headers wherever they stand.
///
/// # Errors
/// [`Refusal`] for a header given twice, or that none can be made of.
pub(crate) fn settle(head: &mut RequestHead) -> Result<(), Refusal> {
    let invalid = |name: &str| {
        Refusal::caller(
            "InvalidArgument",
            400,
            format!("The parameter {name} is not valid."),
        )
    };
    let query = head.query.take().unwrap_or_default();
    let mut kept = vec![];
    for piece in query.split('&').filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let decode = |text: &str| percent_decode(&text.replace('+', " "));
        let name = decode(name).ok_or_else(|| invalid(name))?;
        if AUTHENTICATION.contains(&name.as_str()) {
            continue;
        }
        let lower = name.to_ascii_lowercase();
        let value = decode(value).ok_or_else(|| invalid(&name))?;
        if !lower.starts_with("content-") {
            // boto3 signs a header it sends as a parameter as well; said twice the same, it is said once.
            let is_repeated = head
                .headers
                .get(&lower)
                .is_some_and(|given| given.as_bytes() == value.as_bytes());
            if !(lower.starts_with("x-amz-") && is_repeated) {
                kept.push(piece);
            }
            continue;
        }
        let header = HeaderName::from_bytes(lower.as_bytes()).map_err(|_| invalid(&name))?;
        let value = HeaderValue::from_str(&value).map_err(|_| invalid(&name))?;
        if head.headers.get(&header).is_some_and(|given| *given != value) {
            return Err(invalid(&name));
        }
        head.headers.insert(header, value);
    }
    let joined = kept.join("&");
    head.query = Some(joined).filter(|query| !query.is_empty());
    Ok(())
}
