use hallpass_secret::Secret;
use hallpass_types::UnixSeconds;
use zeroize::Zeroizing;

/// One session's credentials, to be shown in files. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleCredentials {
    /// The access key id; not secret.
    pub access_key_id: String,
    /// The secret access key.
    pub secret: Secret,
    /// The session token.
    pub token: Secret,
    /// When they were issued: the files' modification time.
    pub issued_at: UnixSeconds,
    /// When they end.
    pub expires_at: UnixSeconds,
    /// The account, twelve digits.
    pub account: String,
}

/// One of the files in a role's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// `credentials`: AWS's shared credentials file with the profile `default`.
    Ini,
    /// `credentials.json`: what a `credential_process` prints.
    Json,
    /// `env`: lines for a shell to read in.
    Env,
}

/// A value holds characters that the file's form cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the credentials hold control characters, which no credentials file can carry")]
pub struct Unprintable;

impl FileKind {
    /// In the order of the directory.
    pub const ALL: [Self; 3] = [Self::Ini, Self::Json, Self::Env];

    /// The name in the directory.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ini => "credentials",
            Self::Json => "credentials.json",
            Self::Env => "env",
        }
    }
}

impl RoleCredentials {
    /// The content of a file. It wipes itself.
    ///
    /// # Errors
    /// [`Unprintable`]: with a line end in a value, whoever chose it could write further lines.
    pub fn render(&self, kind: FileKind) -> Result<Zeroizing<Vec<u8>>, Unprintable> {
        let expires = self.expires_at.iso8601();
        let (id, secret, token) = (&*self.access_key_id, self.secret.expose(), self.token.expose());
        if [id, secret, token, &*self.account]
            .iter()
            .any(|value| value.chars().any(char::is_control))
        {
            return Err(Unprintable);
        }
        // Room for every character escaped: a buffer that grows leaves its old self behind, unwiped.
        let room = 512 + 4 * (id.len() + secret.len() + token.len() + self.account.len() + expires.len());
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        let parts: &[&str] = match kind {
            FileKind::Ini => &["# until ", &expires, "\n[default]\n"],
            FileKind::Json => &["{\"Version\":1"],
            FileKind::Env => &[],
        };
        parts
            .iter()
            .for_each(|part| text.extend_from_slice(part.as_bytes()));
        let fields: &[(&str, &str)] = match kind {
            FileKind::Ini => &[
                ("aws_access_key_id", id),
                ("aws_secret_access_key", secret),
                ("aws_session_token", token),
            ],
            FileKind::Json => &[
                ("AccessKeyId", id),
                ("SecretAccessKey", secret),
                ("SessionToken", token),
                ("Expiration", &expires),
                ("AccountId", &self.account),
            ],
            FileKind::Env => &[
                ("AWS_ACCESS_KEY_ID", id),
                ("AWS_SECRET_ACCESS_KEY", secret),
                ("AWS_SESSION_TOKEN", token),
                ("AWS_CREDENTIAL_EXPIRATION", &expires),
            ],
        };
        for (name, value) in fields {
            let (before, equals, after): (&str, &str, &str) = match kind {
                FileKind::Ini => ("", " = ", "\n"),
                FileKind::Json => (",\"", "\":\"", "\""),
                FileKind::Env => ("export ", "='", "'\n"),
            };
            text.extend_from_slice(before.as_bytes());
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(equals.as_bytes());
            for byte in value.bytes() {
                match (kind, byte) {
                    (FileKind::Json, b'"' | b'\\') => text.extend_from_slice(&[b'\\', byte]),
                    // The quote ends, a quoted quote, the quote goes on.
                    (FileKind::Env, b'\'') => text.extend_from_slice(b"'\\''"),
                    _ => text.push(byte),
                }
            }
            text.extend_from_slice(after.as_bytes());
        }
        if kind == FileKind::Json {
            text.extend_from_slice(b"}\n");
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(secret: &str) -> RoleCredentials {
        RoleCredentials {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret: Secret::new(secret),
            token: Secret::new("to/ken+=="),
            issued_at: UnixSeconds(0),
            expires_at: UnixSeconds(3600),
            account: "111122223333".to_owned(),
        }
    }

    fn text(kind: FileKind, secret: &str) -> String {
        String::from_utf8(credentials(secret).render(kind).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn each_form_is_as_its_readers_want_it() {
        assert_eq!(
            text(FileKind::Ini, "s/e+c"),
            "# until 1970-01-01T01:00:00Z\n[default]\naws_access_key_id = ASIAEXAMPLE\n\
             aws_secret_access_key = s/e+c\naws_session_token = to/ken+==\n"
        );
        assert_eq!(
            text(FileKind::Json, "s\"\\c"),
            "{\"Version\":1,\"AccessKeyId\":\"ASIAEXAMPLE\",\"SecretAccessKey\":\"s\\\"\\\\c\",\
             \"SessionToken\":\"to/ken+==\",\"Expiration\":\"1970-01-01T01:00:00Z\",\"AccountId\":\"111122223333\"}\n"
        );
        assert_eq!(
            text(FileKind::Env, "a'b $(id)"),
            "export AWS_ACCESS_KEY_ID='ASIAEXAMPLE'\nexport AWS_SECRET_ACCESS_KEY='a'\\''b $(id)'\n\
             export AWS_SESSION_TOKEN='to/ken+=='\nexport AWS_CREDENTIAL_EXPIRATION='1970-01-01T01:00:00Z'\n"
        );
    }

    #[test]
    fn a_value_cannot_write_further_lines() {
        for bad in ["a\nb", "a\rb", "a\0b", "a\u{85}b"] {
            for kind in FileKind::ALL {
                assert_eq!(credentials(bad).render(kind), Err(Unprintable), "{bad:?}");
            }
        }
    }

    #[test]
    fn the_buffer_never_grows() {
        let worst = credentials(&"'".repeat(5000));
        for kind in FileKind::ALL {
            let text = worst.render(kind).unwrap();
            assert!(text.len() <= 512 + 4 * 6000);
            assert!(text.capacity() >= text.len());
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", credentials("very-secret"));
        assert!(
            !shown.contains("very-secret") && !shown.contains("to/ken"),
            "{shown}"
        );
    }
}
