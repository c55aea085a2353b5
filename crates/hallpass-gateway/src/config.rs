mod audit;
mod glob;
mod listener;
mod upstream;

pub use audit::{AuditConfig, WhenFull};
pub use glob::glob_matches;
pub use listener::{LimitsConfig, ListenerConfig, RateConfig, SignaturesConfig};
pub use upstream::{AssumeRoleConfig, UpstreamConfig, UpstreamCredentialsConfig};

use hallpass_access::{Caller, CallerKind};
use hallpass_session::Network;
use hallpass_sigv4::RegionSet;
use serde::Deserialize;

/// The gateway's part of `hallpass.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Where buckets live that are not in the directory, and the other services; the first match wins.
    #[serde(default, rename = "upstream")]
    pub upstreams: Vec<UpstreamConfig>,
    /// Networks with a name, for `aws:SourceVpc`.
    #[serde(default, rename = "network")]
    pub networks: Vec<NetworkConfig>,
    /// How requests reach us.
    #[serde(default)]
    pub listener: ListenerConfig,
    /// How much any one caller may ask for.
    #[serde(default)]
    pub limits: LimitsConfig,
    /// Which older forms of signature are taken.
    #[serde(default)]
    pub signatures: SignaturesConfig,
    /// What becomes of the audit log's records.
    #[serde(default)]
    pub audit: AuditConfig,
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

/// The configuration cannot be read; the text has line and column.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl GatewayConfig {
    /// Reads TOML.
    ///
    /// # Errors
    /// [`ConfigError`]: syntax, unknown fields, wrong types, an upstream with no source of credentials or several, a
    /// certificate without key.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let config: Self =
            toml::from_str(text).map_err(|error| ConfigError(error.to_string().trim_end().to_owned()))?;
        for upstream in &config.upstreams {
            let refuse = |why: &str| ConfigError(format!("upstream `{}`: {why}", upstream.name));
            upstream.credentials.check().map_err(refuse)?;
            let set = upstream.region_set.as_deref();
            if set.is_some_and(|set| RegionSet::parse(set).is_none()) {
                return Err(refuse("region_set is `*`, or regions parted by commas"));
            }
        }
        if config.listener.certificate_file.is_some() != config.listener.key_file.is_some() {
            return Err(ConfigError(
                "listener: certificate_file and key_file go together".to_owned(),
            ));
        }
        config
            .audit
            .check()
            .map_err(|why| ConfigError(format!("audit: {why}")))?;
        Ok(config)
    }

    /// The upstream for a request: of `service`, on `bucket` if it is S3's, by `caller`. `None`: the directory, or
    /// nobody.
    #[must_use]
    pub fn upstream_for(&self, service: &str, bucket: Option<&str>, caller: &Caller) -> Option<usize> {
        let matches = |patterns: &[String], text: &str| patterns.iter().any(|glob| glob_matches(glob, text));
        self.upstreams.iter().position(|upstream| {
            let role = match &caller.kind {
                CallerKind::Role { name } => Some(name.as_str()),
                _ => None,
            };
            matches(&upstream.services, service)
                && bucket.is_none_or(|bucket| matches(&upstream.buckets, bucket))
                && upstream
                    .roles
                    .as_ref()
                    .is_none_or(|roles| role.is_some_and(|role| matches(roles, role)))
                && upstream
                    .accounts
                    .as_ref()
                    .is_none_or(|accounts| accounts.contains(&caller.account))
        })
    }

    /// Patterns of the services whose requests go to the region that the client signed for.
    #[must_use]
    pub fn services_that_follow(&self) -> Vec<String> {
        let free = self.upstreams.iter().filter(|upstream| upstream.region.is_none());
        free.flat_map(|upstream| {
            let follows_for_s3 = upstream.endpoint.contains("{region}");
            let services = upstream.services.iter();
            services.filter(move |service| follows_for_s3 || !glob_matches(service, "s3"))
        })
        .cloned()
        .collect()
    }

    /// Whether some upstream names `service` without a wildcard.
    #[must_use]
    pub fn names_service(&self, service: &str) -> bool {
        self.upstreams
            .iter()
            .any(|upstream| upstream.services.iter().any(|name| name == service))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_policy::PrincipalInfo;
    use hallpass_types::AccountId;

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

    fn upstream(lines: &str) -> String {
        format!("[[upstream]]\nname = \"x\"\nendpoint = \"http://h\"\ncredentials.file = \"f\"\n{lines}\n")
    }

    #[test]
    fn mistakes_are_shown_with_their_place() {
        let error = |text: &str| GatewayConfig::parse(text).unwrap_err().to_string();
        let unknown = error("[[upstream]]\nname = \"x\"\nbukets = []\n");
        assert!(
            unknown.contains("line 3") && unknown.contains("bukets"),
            "{unknown}"
        );
        let none = error("[[upstream]]\nname = \"x\"\nendpoint = \"http://h\"\ncredentials = {}\n");
        assert!(none.contains("`x`") && none.contains("need a source"), "{none}");
        assert!(error(&upstream("credentials.environment = true")).contains("more than one"));
        let web = "[[upstream]]\nname = \"x\"\nendpoint = \"http://h\"\n\
            credentials = { web_identity_token_file = \"t\", assume_role = { role_arn = \"ARN\" } }\n";
        assert!(GatewayConfig::parse(web).is_ok());
        assert!(error(&web.replace("ARN", "a{role}")).contains("{role} has no meaning"));
        assert!(error(&web.replace("\"ARN\"", "\"a\", external_id = \"e\"")).contains("external_id"));
        assert!(error(&upstream("[listener]\nkey_file = \"k\"")).contains("go together"));
    }

    #[test]
    fn the_readme_s_example_is_read() {
        let readme = include_str!("../../../README.md");
        let example = readme
            .split("```toml\n")
            .find(|block| block.starts_with("[[upstream]]"))
            .unwrap();
        let config = GatewayConfig::parse(example.split("```").next().unwrap()).unwrap();
        assert_eq!((config.upstreams.len(), config.networks.len()), (2, 1));
        assert!(
            config.upstreams[1]
                .credentials
                .assume_role
                .as_ref()
                .unwrap()
                .per_caller
        );
    }

    #[test]
    fn the_first_upstream_that_fits_service_bucket_role_and_account_serves() {
        let text = [
            upstream("services = [\"s3\"]\nbuckets = [\"ci-*\"]\nroles = [\"ci-*\"]"),
            upstream("accounts = [\"999999999999\"]"),
            upstream("services = [\"sqs\", \"dynamodb\"]"),
            upstream("buckets = [\"logs\"]"),
        ]
        .concat();
        let config = GatewayConfig::parse(&text).unwrap();
        let root = |account: &str| {
            let account: AccountId = account.parse().unwrap();
            Caller {
                account,
                kind: CallerKind::Root,
                principal: PrincipalInfo::root(account),
                user_id: account.to_string(),
                access_key_id: None,
                session: None,
            }
        };
        let own = root("123456789012");
        let mut role = own.clone();
        role.kind = CallerKind::Role {
            name: "ci-build".to_owned(),
        };
        assert_eq!(config.upstream_for("s3", Some("ci-a"), &role), Some(0));
        assert_eq!(config.upstream_for("s3", Some("ci-a"), &own), None);
        assert_eq!(
            config.upstream_for("s3", Some("ci-a"), &root("999999999999")),
            Some(1)
        );
        assert_eq!(config.upstream_for("sqs", None, &own), Some(2));
        assert_eq!(config.upstream_for("sns", None, &own), None);
        assert_eq!(config.upstream_for("s3", Some("logs"), &own), Some(3));
        assert!(config.names_service("sqs") && !config.names_service("ec2"));
    }
}
