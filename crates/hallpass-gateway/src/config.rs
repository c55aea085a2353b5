use hallpass_session::Network;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;

/// The gateway's part of `hallpass.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Where buckets live that are not in the directory; the first match wins.
    #[serde(default, rename = "upstream")]
    pub upstreams: Vec<UpstreamConfig>,
    /// Networks with a name, for `aws:SourceVpc`.
    #[serde(default, rename = "network")]
    pub networks: Vec<NetworkConfig>,
}

/// An S3-compatible endpoint that requests are re-signed for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// For records and messages.
    pub name: String,
    /// Names of buckets, `*` and `?` allowed.
    pub buckets: Vec<String>,
    /// `http://…` or `https://…`
    pub endpoint: String,
    /// The region to sign for.
    #[serde(default = "default_region")]
    pub region: String,
    /// Bucket in the path (the default) or in the host name.
    #[serde(default = "default_path_style")]
    pub path_style: bool,
    /// Buckets that have another name there: name here = name there.
    #[serde(default)]
    pub bucket_names: HashMap<String, String>,
    /// The real credentials.
    pub credentials: UpstreamCredentialsConfig,
}

/// Where an upstream's credentials come from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamCredentialsConfig {
    /// A credentials file in AWS's form; read again whenever it changes.
    pub file: PathBuf,
    /// The profile in it.
    #[serde(default = "default_profile")]
    pub profile: String,
}

/// A network with a name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkConfig {
    /// Its addresses.
    pub cidr: Network,
    /// `vpc-…`: `aws:SourceVpc` of requests from there.
    pub vpc: String,
    /// `vpce-…`: `aws:SourceVpce`.
    pub vpce: Option<String>,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn default_path_style() -> bool {
    true
}

fn default_profile() -> String {
    "default".to_owned()
}

/// The configuration cannot be read; the text has line and column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl GatewayConfig {
    /// Reads TOML.
    ///
    /// # Errors
    /// [`ConfigError`]: syntax, unknown fields, wrong types.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| ConfigError(error.to_string().trim_end().to_owned()))
    }

    /// The upstream that holds `bucket`, if it is not the directory.
    #[must_use]
    pub fn upstream_for(&self, bucket: &str) -> Option<usize> {
        self.upstreams.iter().position(|upstream| {
            upstream
                .buckets
                .iter()
                .any(|pattern| glob_matches(pattern, bucket))
        })
    }
}

/// Whether `text` matches `pattern`, in which `*` stands for any run of characters and `?` for one.
#[must_use]
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on after a mismatch: just after the last star, one character later.
    let mut retry: Option<(usize, usize)> = None;
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(expected) if *expected == b'?' || expected == byte => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    p = after_star;
                    t = from + 1;
                    retry = Some((after_star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_a_shell_user_expects() {
        for (pattern, text, expect) in [
            ("*", "", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*-logs", "x-logs-logs", true),
            ("legacy-*", "legacy", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(glob_matches(pattern, text), expect, "{pattern} {text}");
        }
    }

    #[test]
    fn mistakes_are_shown_with_their_place() {
        let error = GatewayConfig::parse("[[upstream]]\nname = \"x\"\nbukets = []\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 3") && error.contains("bukets"), "{error}");
    }
}
