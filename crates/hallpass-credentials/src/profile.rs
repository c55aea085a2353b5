use crate::NoCredentials;
use hallpass_secret::Secret;
use hallpass_sigv4::SigningCredentials;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// A profile of an AWS credentials file, read again whenever the file changes.
///
/// While the file is momentarily broken (an editor halfway through, a missing profile), the last good credentials
/// stay in use.
pub struct ProfileFile {
    path: PathBuf,
    profile: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: Option<Stamp>,
    good: Option<SigningCredentials>,
}

/// What tells one state of a file from another without reading it.
#[derive(PartialEq, Eq, Clone, Copy)]
struct Stamp {
    modified: (i64, i64),
    size: u64,
    inode: u64,
}

impl ProfileFile {
    /// A profile, such as `default`, of a file, such as `~/.aws/credentials`. Nothing is read yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>, profile: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            profile: profile.into(),
            state: Mutex::new(State::default()),
        }
    }

    fn stamp(&self) -> Option<Stamp> {
        let meta = std::fs::metadata(&self.path).ok()?;
        Some(Stamp {
            modified: (meta.mtime(), meta.mtime_nsec()),
            size: meta.size(),
            inode: meta.ino(),
        })
    }
}

impl fmt::Debug for ProfileFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProfileFile")
            .field("path", &self.path)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

impl ProfileFile {
    /// What the file holds now, or held when it could last be read.
    ///
    /// # Errors
    /// [`NoCredentials`] when it never could.
    pub fn read(&self) -> Result<SigningCredentials, NoCredentials> {
        let mut why_not = "the file cannot be read";
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.stamp();
        if stamp.is_none() || stamp != state.seen {
            match read_file(&self.path, &self.profile) {
                Ok(credentials) => {
                    state.good = Some(credentials);
                    // Taken before reading: a change in between is seen next time.
                    state.seen = stamp;
                }
                Err(why) => {
                    why_not = why;
                    let path = self.path.display();
                    tracing::warn!(%path, profile = %self.profile, why, "credentials unreadable");
                }
            }
        }
        state.good.clone().ok_or_else(|| NoCredentials {
            what: format!("profile {} of `{}`", self.profile, self.path.display()),
            reason: why_not.to_owned(),
        })
    }
}

fn read_file(path: &Path, profile: &str) -> Result<SigningCredentials, &'static str> {
    let text = std::fs::read_to_string(path).map_err(|_| "the file cannot be read")?;
    let text = zeroize_on_drop(text);
    parse(text.expose(), profile)
}

/// The text holds secret keys; this wipes it.
fn zeroize_on_drop(text: String) -> Secret {
    Secret::new(text)
}

fn parse(text: &str, profile: &str) -> Result<SigningCredentials, &'static str> {
    let (mut here, mut found) = (false, false);
    let (mut id, mut secret, mut token) = (None, None, None);
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            // `config` files write `[profile name]`.
            let section = section.trim();
            here = section.strip_prefix("profile ").map_or(section, str::trim) == profile;
            found |= here;
        } else if here && let Some((name, value)) = line.split_once('=') {
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "aws_access_key_id" => id = Some(value),
                "aws_secret_access_key" => secret = Some(value),
                "aws_session_token" => token = Some(value).filter(|token| !token.is_empty()),
                _ => {}
            }
        }
    }
    if !found {
        return Err("the profile is not in the file");
    }
    let (Some(id), Some(secret)) = (id, secret.filter(|secret| !secret.is_empty())) else {
        return Err("the profile lacks aws_access_key_id or aws_secret_access_key");
    };
    Ok(SigningCredentials {
        access_key_id: id.parse().map_err(|_| "aws_access_key_id is not one")?,
        secret: Secret::new(secret),
        session_token: token.map(Secret::new),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# c\n[other]\naws_access_key_id=AKIAIOSFODNN7EXAMPL0\naws_secret_access_key=no\n\
        [default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = a=b/c\n\
        aws_session_token = tok==\n";

    #[test]
    fn the_named_profile_is_read_and_no_other() {
        let read = parse(GOOD, "default").unwrap();
        assert_eq!(read.access_key_id.as_str(), "AKIAIOSFODNN7EXAMPLE");
        assert_eq!(read.secret.expose(), "a=b/c");
        assert_eq!(read.session_token.unwrap().expose(), "tok==");
        assert!(parse(GOOD, "absent").is_err());
        assert!(parse("[default]\naws_access_key_id=x", "default").is_err());
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_is_survived() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let profile = ProfileFile::new(&path, "default");
        assert!(profile.read().unwrap_err().to_string().contains("cannot be read"));
        std::fs::write(&path, GOOD).unwrap();
        assert_eq!(profile.read().unwrap().secret.expose(), "a=b/c");
        std::fs::write(&path, "[default]\naws_access_key_id").unwrap();
        assert_eq!(profile.read().unwrap().secret.expose(), "a=b/c");
        std::fs::write(&path, GOOD.replace("a=b/c", "rotated")).unwrap();
        assert_eq!(profile.read().unwrap().secret.expose(), "rotated");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(profile.read().unwrap().secret.expose(), "rotated");
        assert!(!format!("{profile:?}").contains("rotated"));
    }
}
