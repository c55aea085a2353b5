use hallpass_types::AccountId;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;

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
    /// The account whose number stands in ARNs there and in `aws:ResourceAccount`; absent: our own. Who owns what is
    /// there, for decisions across accounts, is our account in any case.
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

fn only_s3() -> Vec<String> {
    vec!["s3".to_owned()]
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

fn yes() -> bool {
    true
}

impl UpstreamCredentialsConfig {
    pub(super) fn check(&self) -> Result<(), &'static str> {
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
