use hallpass_credentials::{CredentialsError, NoCredentials, RolesAnywhereConfig};
use serde::Deserialize;
use std::path::PathBuf;

/// Where an agent's sessions come from.
#[derive(Debug, Clone, Default)]
pub struct CloudConfig {
    /// What is known about the machine.
    pub machine: MachineConfig,
    /// What sessions are asked for with.
    pub source: SourceConfig,
    /// The roles of this machine; none: the one role that the source gives.
    pub roles: Vec<RoleConfig>,
}

/// What the metadata service tells of the machine. With EC2's own behind it, everything absent here is as it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineConfig {
    /// `i-…`; absent: made of this machine's `machine-id`, and the same for good.
    pub instance_id: Option<String>,
    /// Twelve digits; absent: the first role's account.
    pub account: Option<String>,
    /// Absent: `us-east-1`.
    pub region: Option<String>,
    /// Absent: the region's `a`.
    pub availability_zone: Option<String>,
    /// Absent: `127.0.0.1`.
    pub private_ip: Option<String>,
    /// Absent: made of the address, as AWS does.
    pub hostname: Option<String>,
    /// Absent: `hallpass.machine`.
    pub instance_type: Option<String>,
    /// Whether requests without a session token are served.
    #[serde(default)]
    pub v1_allowed: bool,
}

/// What sessions are asked for with: one of `profile`/`file`, `environment`, `metadata`, `container`, `process`,
/// `roles_anywhere`, `web_identity_token_file`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// A credentials file in AWS's form; read again whenever it changes.
    pub file: Option<PathBuf>,
    /// The profile in it, `default` when absent.
    pub profile: Option<String>,
    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, read at the start.
    #[serde(default)]
    pub environment: bool,
    /// EC2's metadata service, such as `http://169.254.169.254`.
    pub metadata: Option<String>,
    /// A container credentials endpoint.
    pub container: Option<String>,
    /// The file of the token to send there.
    pub container_token_file: Option<PathBuf>,
    /// A command line that prints credentials, as `credential_process` of AWS's configuration.
    pub process: Option<String>,
    /// A certificate, exchanged by IAM Roles Anywhere.
    pub roles_anywhere: Option<RolesAnywhere>,
    /// A web identity token's file, read at each exchange.
    pub web_identity_token_file: Option<PathBuf>,
    /// `https://…` of the token service; absent: AWS's of the region.
    pub sts_endpoint: Option<String>,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
}

/// `roles_anywhere` of a [`SourceConfig`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolesAnywhere {
    certificate_file: PathBuf,
    key_file: PathBuf,
    trust_anchor_arn: String,
    profile_arn: String,
    role_arn: String,
    duration_seconds: Option<u32>,
    endpoint: Option<String>,
}

/// A role of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleConfig {
    /// What rules and programs call it.
    pub name: String,
    /// `arn:aws:iam::ACCOUNT:role/NAME`, assumed with the source. Absent: what the source gives is this role.
    pub arn: Option<String>,
    /// What the role's trust policy asks for, if it does.
    pub external_id: Option<String>,
    /// 900 to 43,200, where the rule does not say; absent: 3,600.
    pub duration_seconds: Option<u32>,
}

/// The configuration cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloudConfigError {
    /// None of the sources is given, or several are.
    #[error(
        "source: give one of file, environment, metadata, container, process, roles_anywhere, web_identity_token_file"
    )]
    NotOneSource,
    /// A long-term key would be handed out.
    #[error("role `{0}` needs an arn: {1} tells no expiry, and a long-term key is never handed out")]
    NeedsArn(String, &'static str),
    /// Two roles of one name.
    #[error("role `{0}` is there twice")]
    Twice(String),
    /// Two roles would both be what the source gives.
    #[error("role `{0}` needs an arn: the source gives one role, and another without an arn is there")]
    NotTheOnlyOne(String),
    /// Not an ARN of a role.
    #[error("role `{0}`: arn is arn:aws:iam::ACCOUNT:role/NAME")]
    Arn(String),
    /// Not a duration STS takes.
    #[error("role `{0}`: duration_seconds is 900 to 43200")]
    Duration(String),
    /// There would be no role.
    #[error("there is no role: add one with [[role]], name and arn")]
    NoRole,
    /// The source cannot be set up.
    #[error("source: {0}")]
    Source(#[from] CredentialsError),
    /// The profile cannot be read.
    #[error("source: {0}")]
    Profile(#[from] NoCredentials),
}

impl SourceConfig {
    fn given(&self) -> usize {
        [
            self.file.is_some() || self.profile.is_some(),
            self.environment,
            self.metadata.is_some(),
            self.container.is_some(),
            self.process.is_some(),
            self.roles_anywhere.is_some(),
            self.web_identity_token_file.is_some(),
        ]
        .into_iter()
        .filter(|given| *given)
        .count()
    }

    /// What to call a source whose credentials have no expiry of their own.
    fn undated(&self) -> Option<&'static str> {
        if self.file.is_some() || self.profile.is_some() {
            Some("a profile")
        } else if self.environment {
            Some("the environment")
        } else if self.web_identity_token_file.is_some() {
            Some("a web identity")
        } else {
            None
        }
    }
}

impl RolesAnywhere {
    pub(crate) fn to_config(&self, ca_file: Option<&PathBuf>) -> RolesAnywhereConfig {
        RolesAnywhereConfig {
            certificate_file: self.certificate_file.clone(),
            key_file: self.key_file.clone(),
            trust_anchor_arn: self.trust_anchor_arn.clone(),
            profile_arn: self.profile_arn.clone(),
            role_arn: self.role_arn.clone(),
            duration_seconds: self.duration_seconds,
            endpoint: self.endpoint.clone(),
            ca_file: ca_file.cloned(),
        }
    }
}

impl CloudConfig {
    /// Checks what can be known before anything is asked.
    ///
    /// # Errors
    /// [`CloudConfigError`], the first there is.
    pub fn check(&self) -> Result<(), CloudConfigError> {
        if self.source.given() != 1 {
            return Err(CloudConfigError::NotOneSource);
        }
        for (index, role) in self.roles.iter().enumerate() {
            let name = || role.name.clone();
            let same = |other: &RoleConfig| other.name == role.name;
            if self.roles.iter().take(index).any(same) {
                return Err(CloudConfigError::Twice(name()));
            }
            let also = |other: &RoleConfig| other.arn.is_none() && role.arn.is_none();
            if self.roles.iter().take(index).any(also) {
                return Err(CloudConfigError::NotTheOnlyOne(name()));
            }
            match (&role.arn, self.source.undated()) {
                (None, Some(source)) => return Err(CloudConfigError::NeedsArn(name(), source)),
                (Some(arn), _) if account_of(arn).is_none() => return Err(CloudConfigError::Arn(name())),
                _ => {}
            }
            let seconds = role.duration_seconds.unwrap_or(3_600);
            if !(900..=43_200).contains(&seconds) {
                return Err(CloudConfigError::Duration(name()));
            }
        }
        // EC2 says what its role is called; nobody else does.
        if self.roles.is_empty() && self.source.metadata.is_none() {
            return Err(CloudConfigError::NoRole);
        }
        Ok(())
    }
}

/// The account in a role's ARN, of any partition.
pub(crate) fn account_of(arn: &str) -> Option<&str> {
    let mut fields = arn.splitn(6, ':');
    let is_role = fields.next() == Some("arn")
        && fields
            .next()
            .is_some_and(|partition| partition.starts_with("aws"))
        && fields.next() == Some("iam")
        && fields.next() == Some("");
    let account = fields.next()?;
    let role = fields.next()?.strip_prefix("role/")?;
    let is_account = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    (is_role && is_account && !role.is_empty() && !role.ends_with('/')).then_some(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), String> {
        #[derive(Deserialize)]
        struct File {
            #[serde(default)]
            source: SourceConfig,
            #[serde(default, rename = "role")]
            roles: Vec<RoleConfig>,
        }
        let file: File = toml::from_str(text).unwrap();
        let config = CloudConfig {
            machine: MachineConfig::default(),
            source: file.source,
            roles: file.roles,
        };
        config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_work_is_told_at_the_start() {
        const ROLE: &str = "[[role]]\nname = 'app'\narn = 'arn:aws:iam::123456789012:role/path/app'\n";
        for (text, told) in [
            (format!("[source]\nprofile = 'base'\n{ROLE}"), ""),
            (
                format!("[source]\nmetadata = 'http://169.254.169.254'\n{ROLE}"),
                "",
            ),
            ("[source]\nmetadata = 'http://169.254.169.254'\n".to_owned(), ""),
            ("[source]\nprocess = 'x'\n[[role]]\nname = 'app'\n".to_owned(), ""),
            (ROLE.to_owned(), "give one of"),
            (
                format!("[source]\nprofile = 'base'\nprocess = 'x'\n{ROLE}"),
                "give one of",
            ),
            (
                "[source]\nprofile = 'base'\n[[role]]\nname = 'app'\n".to_owned(),
                "never handed out",
            ),
            ("[source]\nprocess = 'x'\n".to_owned(), "no role"),
            (format!("[source]\nprofile = 'base'\n{ROLE}{ROLE}"), "twice"),
            (
                "[source]\nprocess = 'x'\n[[role]]\nname = 'a'\n[[role]]\nname = 'b'\n".to_owned(),
                "needs an arn",
            ),
            (
                format!("[source]\nprofile = 'base'\n{}", ROLE.replace("iam::", "s3::")),
                "arn is",
            ),
            (
                format!("[source]\nprofile = 'base'\n{ROLE}duration_seconds = 60\n"),
                "900",
            ),
        ] {
            match check(&text) {
                Ok(()) => assert_eq!(told, "", "{text}"),
                Err(error) => assert!(!told.is_empty() && error.contains(told), "{text}: {error}"),
            }
        }
    }
}
