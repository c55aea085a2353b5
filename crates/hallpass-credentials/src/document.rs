use crate::error::FetchError;
use crate::refreshed::Fetched;
use hallpass_secret::Secret;
use hallpass_sigv4::SigningCredentials;
use hallpass_types::UnixSeconds;
use serde::Deserialize;

/// Credentials as the metadata service and the container endpoints show them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    /// Of the metadata service only.
    code: Option<String>,
    access_key_id: Option<String>,
    secret_access_key: Option<Secret>,
    token: Option<Secret>,
    expiration: Option<String>,
}

/// Reads a document of credentials.
///
/// # Errors
/// What is wrong, without the words of the document.
pub(crate) fn read(text: &Secret) -> Result<Fetched, FetchError> {
    let document: Document = serde_json::from_str(text.expose())
        .map_err(|_| FetchError::Answer("the answer is not a document of credentials"))?;
    if document.code.is_some_and(|code| code != "Success") {
        return Err(FetchError::Answer("the answer's Code is not Success"));
    }
    let expires_at = match document.expiration.filter(|text| !text.is_empty()) {
        Some(text) => Some(expiry(&text)?),
        None => None,
    };
    credentials(
        document.access_key_id,
        document.secret_access_key,
        document.token,
        expires_at,
    )
}

/// An expiry as every protocol here writes it.
pub(crate) fn expiry(text: &str) -> Result<UnixSeconds, FetchError> {
    UnixSeconds::from_rfc3339(text.trim())
        .map_err(|_| FetchError::Answer("the answer's Expiration is no date"))
}

/// Credentials from their parts; the session token may be absent.
pub(crate) fn credentials(
    id: Option<impl AsRef<str>>,
    secret: Option<Secret>,
    token: Option<Secret>,
    expires_at: Option<UnixSeconds>,
) -> Result<Fetched, FetchError> {
    let missing = FetchError::Answer("the answer lacks AccessKeyId or SecretAccessKey");
    let (Some(id), Some(secret)) = (id, secret.filter(|secret| !secret.expose().is_empty())) else {
        return Err(missing);
    };
    let access_key_id = id
        .as_ref()
        .parse()
        .map_err(|_| FetchError::Answer("the answer's AccessKeyId is not one"))?;
    Ok(Fetched {
        credentials: SigningCredentials {
            access_key_id,
            secret,
            session_token: token.filter(|token| !token.expose().is_empty()),
        },
        expires_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Fetched, String> {
        read(&Secret::new(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn both_services_documents_are_read() {
        let metadata = r#"{"Code":"Success","LastUpdated":"x","Type":"AWS-HMAC","AccessKeyId":"ASIAIOSFODNN7EXAMPLE",
            "SecretAccessKey":"s","Token":"t","Expiration":"2015-08-30T12:36:00Z"}"#;
        let fetched = check(metadata).unwrap();
        assert_eq!(fetched.expires_at, Some(UnixSeconds(1_440_938_160)));
        assert_eq!(fetched.credentials.session_token.unwrap().expose(), "t");
        let container =
            r#"{"RoleArn":"r","AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"s","Token":""}"#;
        let fetched = check(container).unwrap();
        assert!(fetched.expires_at.is_none() && fetched.credentials.session_token.is_none());
    }

    #[test]
    fn a_document_that_is_none_is_refused_without_its_words() {
        for (text, why) in [
            ("hush", "not a document"),
            (r#"{"SecretAccessKey":"hush"}"#, "lacks"),
            (
                r#"{"SecretAccessKey":["hush"],"AccessKeyId":1}"#,
                "not a document",
            ),
            (r#"{"Code":"hush"}"#, "Code"),
            (
                r#"{"AccessKeyId":"hush","SecretAccessKey":"hush"}"#,
                "AccessKeyId",
            ),
            (
                r#"{"AccessKeyId":"AKIAIOSFODNN7EXAMPLE","SecretAccessKey":"hush","Expiration":"hush"}"#,
                "Expiration",
            ),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.contains(why) && !error.contains("hush"), "{text}: {error}");
        }
    }
}
