use hallpass_access::{Caller, CallerKind};
use hallpass_session::Network;
use hallpass_sigv4::RegionSet;
use hallpass_types::AccountId;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;

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
}

/// An AWS-compatible endpoint that requests are re-signed for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// For records and messages.
    pub name: String,
    /// Services by their signing name (`s3`, `sqs`, `dynamodb`, …), `*` and `?` allowed; S3 when none is given. IAM and
    /// STS are always answered here, and EC2 unless it is named without a wildcard.
    #[serde(default = "only_s3")]
    pub services: Vec<String>,
    /// Names of buckets, `*` and `?` allowed; all when none is given. Other services have no buckets.
    #[serde(default = "all")]
    pub buckets: Vec<String>,
    /// Names of callers' roles, `*` and `?` allowed; absent: whoever asks.
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// Accounts of callers; absent: all.
    #[serde(default)]
    pub accounts: Option<Vec<AccountId>>,
    /// `http://…` or `https://…`; `{service}` and `{region}` stand for the request's.
    pub endpoint: String,
    /// The region to sign for. Absent: the one the client signed for, but for S3 at an endpoint without `{region}`,
    /// where it is `us-east-1`: what stores that know no regions expect.
    #[serde(default)]
    pub region: Option<String>,
    /// Signs with version 4a (ECDSA) for these regions: `*`, or names and patterns parted by commas, as multi-region
    /// access points want.
    #[serde(default)]
    pub region_set: Option<String>,
    /// The account that owns what is there; absent: the caller's own.
    #[serde(default)]
    pub account: Option<AccountId>,
    /// Bucket in the path (the default) or in the host name.
    #[serde(default = "yes")]
    pub path_style: bool,
    /// Buckets that have another name there: name here = name there.
    #[serde(default)]
    pub bucket_names: HashMap<String, String>,
    /// A file of certificates (PEM) to trust instead of the system's.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Whether it understands checksums that follow the body, as S3 does. Where it does not, they end here, proven.
    #[serde(default = "yes")]
    pub trailing_checksums: bool,
    /// The real credentials.
    pub credentials: UpstreamCredentialsConfig,
}

/// Where an upstream's credentials come from: one of the sources, and perhaps a role to assume with them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamCredentialsConfig {
    /// A credentials file in AWS's form; read again whenever it changes.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// The profile in it, `default` when absent.
    #[serde(default)]
    pub profile: Option<String>,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, read at the start.
    #[serde(default)]
    pub environment: bool,
    /// An instance metadata service, such as `http://169.254.169.254`; asked by IMDSv2.
    #[serde(default)]
    pub metadata: Option<String>,
    /// A container credentials endpoint, as `AWS_CONTAINER_CREDENTIALS_FULL_URI` has it.
    #[serde(default)]
    pub container: Option<String>,
    /// The file of the token to send there, as `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` has it.
    #[serde(default)]
    pub container_token_file: Option<PathBuf>,
    /// A web identity token's file, read at each exchange.
    #[serde(default)]
    pub web_identity_token_file: Option<PathBuf>,
    /// A role to assume with what the source gives. `{role}` in its ARN stands for the caller's role.
    #[serde(default)]
    pub assume_role: Option<AssumeRoleConfig>,
}

/// A role of the upstream's account to assume.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssumeRoleConfig {
    /// `arn:aws:iam::ACCOUNT:role/NAME`; `{role}` stands for the name of the caller's role here.
    pub role_arn: String,
    /// Where STS is; absent: `https://sts.{region}.amazonaws.com` of the upstream's region.
    #[serde(default)]
    pub sts_endpoint: Option<String>,
    /// 900 to 43,200 seconds; 3,600 when absent, which is the most AWS gives to a role assumed by another role.
    #[serde(default)]
    pub duration_seconds: Option<u32>,
    /// What the role's trust policy asks for, if it does.
    #[serde(default)]
    pub external_id: Option<String>,
    /// Whether each caller has a session of its own, with its session name, source identity and session tags, so that
    /// the cloud's log names it. Otherwise one session serves all.
    #[serde(default = "yes")]
    pub per_caller: bool,
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

/// How requests reach us.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerConfig {
    /// The certificate chain (PEM); with `key_file` the listener speaks TLS. Read again when it changes.
    pub certificate_file: Option<PathBuf>,
    /// Its private key (PEM).
    pub key_file: Option<PathBuf>,
    /// The authorities (PEM) of clients' certificates. Clients need not show one; what they show must be good, and
    /// sessions bound to a certificate need it.
    pub client_ca_file: Option<PathBuf>,
    /// Proxies whose PROXY protocol header says who is behind them; they must send one, nobody else may.
    pub proxy_protocol_from: Vec<Network>,
    /// Proxies whose `X-Forwarded-For` is believed, from the right to the first address that is none of them.
    pub trusted_hops: Vec<Network>,
    /// Who may read the metrics, besides the machine itself.
    pub metrics_from: Vec<Network>,
    /// Host names under which a bucket may stand in front of ours, such as `s3.example.com`.
    pub domains: Vec<String>,
    /// Host names that are a bucket: name = bucket.
    pub bucket_domains: HashMap<String, String>,
    /// How long a sender may be silent in the middle of a body, in seconds; 30 when absent, 1 at least. One that keeps
    /// us waiting for twice that in all must have sent 1 KiB for each second.
    pub body_timeout_seconds: u32,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            proxy_protocol_from: vec![],
            trusted_hops: vec![],
            metrics_from: vec![],
            domains: vec![],
            bucket_domains: HashMap::new(),
            body_timeout_seconds: 30,
        }
    }
}

/// How much any one caller may ask for; absent: as much as there is. What is beyond is answered 503 `SlowDown`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Of one session or key.
    #[serde(default)]
    pub per_session: RateConfig,
    /// Of all sessions of one role, or all keys of one user.
    #[serde(default)]
    pub per_role: RateConfig,
}

/// A limit of rates; what was not used is saved up for one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// Requests a second.
    #[serde(default)]
    pub requests_per_second: Option<u32>,
    /// Bytes a second of bodies, both ways together.
    #[serde(default)]
    pub bytes_per_second: Option<u64>,
    /// Requests under way at once.
    #[serde(default)]
    pub concurrent_requests: Option<u32>,
}

/// Which older forms of signature are taken.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignaturesConfig {
    /// Presigned URLs of Signature Version 2, which boto3 and aws cli v1 still make for some regions. Off unless asked
    /// for: it signs fewer headers and by SHA-1.
    #[serde(default)]
    pub version_2_presigned: bool,
}

fn only_s3() -> Vec<String> {
    vec!["s3".to_owned()]
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

fn yes() -> bool {
    true
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

impl UpstreamCredentialsConfig {
    fn check(&self) -> Result<(), &'static str> {
        let sources = [
            self.file.is_some(),
            self.environment,
            self.metadata.is_some(),
            self.container.is_some(),
            self.web_identity_token_file.is_some(),
        ];
        match sources.iter().filter(|given| **given).count() {
            1 => {}
            0 => {
                return Err("credentials need a source: \
                file, environment, metadata, container or web_identity_token_file");
            }
            _ => return Err("credentials have more than one source"),
        }
        if self.profile.is_some() && self.file.is_none() {
            return Err("profile goes with file");
        }
        if self.container_token_file.is_some() && self.container.is_none() {
            return Err("container_token_file goes with container");
        }
        match &self.assume_role {
            None if self.web_identity_token_file.is_some() => {
                Err("a web identity is exchanged for a role: give assume_role")
            }
            Some(role)
                if role
                    .duration_seconds
                    .is_some_and(|seconds| !(900..=43_200).contains(&seconds)) =>
            {
                Err("assume_role: duration_seconds is 900 to 43200")
            }
            Some(role) if self.web_identity_token_file.is_some() && role.role_arn.contains("{role}") => {
                Err("assume_role: a web identity has one role for all, so {role} has no meaning")
            }
            Some(role) if self.web_identity_token_file.is_some() && role.external_id.is_some() => {
                Err("assume_role: external_id has no meaning with a web identity")
            }
            _ => Ok(()),
        }
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
    use hallpass_policy::PrincipalInfo;

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
