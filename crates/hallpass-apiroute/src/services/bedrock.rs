//! Bedrock's models.

use crate::asked::{Asked, Found, whole_arn};

/// The model: an ARN, the id of a foundation model, or the id of an inference profile, which begins with a region's
/// group (`us.anthropic.…`).
///
/// Source: Bedrock User Guide, "Supported foundation models", "Prerequisites for inference profiles".
pub(super) fn model(asked: &Asked<'_>) -> Found {
    let Some(id) = asked.label("modelId").or_else(|| asked.text("modelId")) else {
        return Found::Generic;
    };
    if id.starts_with("arn:") {
        return Found::one(whole_arn(id, "bedrock"));
    }
    let fits = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
    let is_profile = ["us", "us-gov", "eu", "apac", "jp", "au", "ca", "global"]
        .iter()
        .any(|group| id.strip_prefix(group).is_some_and(|rest| rest.starts_with('.')));
    let arn = if is_profile {
        asked.arn("bedrock", &format!("inference-profile/{id}"))
    } else {
        asked.arn_in("bedrock", asked.region, "", &format!("foundation-model/{id}"))
    };
    Found::one(fits.then_some(arn))
}
