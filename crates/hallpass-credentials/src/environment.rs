use crate::error::CredentialsError;
use hallpass_secret::Secret;
use hallpass_sigv4::SigningCredentials;

/// The credentials in `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if set, `AWS_SESSION_TOKEN`.
pub(crate) fn read(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<SigningCredentials, CredentialsError> {
    let given = |name: &'static str| variable(name).filter(|value| !value.is_empty());
    let needed = |name: &'static str| given(name).ok_or(CredentialsError::Environment(name));
    const ID: &str = "AWS_ACCESS_KEY_ID";
    Ok(SigningCredentials {
        access_key_id: needed(ID)?
            .parse()
            .map_err(|_| CredentialsError::Environment(ID))?,
        secret: Secret::new(needed("AWS_SECRET_ACCESS_KEY")?),
        session_token: given("AWS_SESSION_TOKEN").map(Secret::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_and_no_value_shown() {
        let check = |id: &str, secret: &str, token: &str| {
            read(|name| match name {
                "AWS_ACCESS_KEY_ID" => Some(id.to_owned()),
                "AWS_SECRET_ACCESS_KEY" => Some(secret.to_owned()),
                _ => Some(token.to_owned()),
            })
        };
        let good = check("AKIAIOSFODNN7EXAMPLE", "s", "").unwrap();
        assert!(good.session_token.is_none());
        let with_token = check("AKIAIOSFODNN7EXAMPLE", "s", "t").unwrap();
        assert_eq!(with_token.session_token.unwrap().expose(), "t");
        for (id, secret, name) in [
            ("", "s", "AWS_ACCESS_KEY_ID"),
            ("hush", "s", "AWS_ACCESS_KEY_ID"),
            ("AKIAIOSFODNN7EXAMPLE", "", "AWS_SECRET_ACCESS_KEY"),
        ] {
            let error = check(id, secret, "hush").unwrap_err().to_string();
            assert!(error.contains(name) && !error.contains("hush"), "{error}");
        }
    }
}
