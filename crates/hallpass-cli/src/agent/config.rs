use crate::error::CliError;
use hallpass_agent::redirect::CONTAINER_INTERFACES;
use hallpass_cloud::{CloudConfig, MachineConfig, RoleConfig, SourceConfig};
use hallpass_gateway::WhenFull;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `agent.toml`. Relative paths are those of its own folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentFile {
    /// Which process gets which role.
    #[serde(default = "default_rules")]
    pub(crate) rules: PathBuf,
    /// Where the socket is, and what tells of the running agent.
    #[serde(default = "default_run_dir")]
    pub(crate) run_dir: PathBuf,
    /// Where each credential handed out is on record.
    #[serde(default = "default_audit")]
    pub(crate) audit: PathBuf,
    /// What happens to credentials that cannot be recorded there.
    #[serde(default)]
    pub(crate) when_full: WhenFull,
    #[serde(default)]
    pub(crate) listen: ListenConfig,
    #[serde(default)]
    pub(crate) callers: CallersConfig,
    /// The way to a gateway of ours, with this machine's certificate.
    pub(crate) door: Option<DoorConfig>,
    /// Servers of ours as the source, in place of `[machine]`, `[source]` and `[[role]]`.
    pub(crate) fleet: Option<FleetConfig>,
    #[serde(default)]
    pub(crate) machine: MachineConfig,
    #[serde(default)]
    pub(crate) source: SourceConfig,
    #[serde(default, rename = "role")]
    pub(crate) roles: Vec<RoleConfig>,
}

/// The fleet this machine has enrolled with (`hallpass agent enrol`).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FleetConfig {
    /// Where the machine's identity lies.
    #[serde(default = "default_state")]
    pub(crate) state: PathBuf,
    /// Servers to ask besides those the fleet tells of.
    #[serde(default)]
    pub(crate) servers: Vec<String>,
    /// Whether the tags `hallpass:rule…` of this machine's instance are rules, after those of the file.
    #[serde(default)]
    pub(crate) rules_from_tags: bool,
    /// The machine's address as its metadata service tells it; absent: as the servers see it.
    pub(crate) private_ip: Option<std::net::IpAddr>,
}

/// Where the agent is asked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListenConfig {
    /// The metadata and container protocols, beside the addresses below.
    pub(crate) metadata: Option<SocketAddr>,
    /// 169.254.169.254:80 and [fd00:ec2::254]:80 on the loopback interface: off EC2.
    #[serde(default)]
    pub(crate) link_local: bool,
    /// 169.254.170.2:80 on the loopback interface, where ECS's agent is: `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`.
    #[serde(default)]
    pub(crate) ecs: bool,
    /// 169.254.170.23:80 and [fd00:ec2::23]:80 on the loopback interface, where the agent of EKS Pod Identity is.
    #[serde(default)]
    pub(crate) pod_identity: bool,
    /// On EC2: everyone but the agent is led to this port.
    pub(crate) redirect_port: Option<u16>,
    /// Interfaces of containers that are led likewise; absent: the usual names.
    pub(crate) container_interfaces: Option<Vec<String>>,
    /// The roles of the rules' `[[file]]` tables as files: an empty directory that only root can change.
    pub(crate) files: Option<PathBuf>,
    /// `credential.sock` in `run_dir`, for `LoadCredential=` of systemd's units.
    #[serde(default)]
    pub(crate) systemd_credentials: bool,
    /// `/healthz`, `/readyz`, `/metrics`.
    pub(crate) health: Option<SocketAddr>,
    /// How often a process of nobody is sent to try, in seconds; absent: 60.
    pub(crate) self_test_seconds: Option<std::num::NonZeroU32>,
}

/// How callers are found.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallersConfig {
    /// Whether the kernel writes down who connects, so that all processes need not be looked through.
    #[serde(default)]
    pub(crate) connect_record: Recording,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Recording {
    /// Where it can be had.
    #[default]
    Auto,
    /// Or the agent does not start.
    Require,
    Off,
}

/// A local door.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DoorConfig {
    /// Where this machine's processes send their requests; loopback only.
    pub(crate) listen: SocketAddr,
    /// `host` or `host:port`.
    pub(crate) gateway: String,
    /// The machine's certificate, key, and the gateway's authority; absent: those it has as a machine of the fleet.
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
}

impl ListenConfig {
    pub(crate) fn self_test_every(&self) -> Duration {
        Duration::from_secs(self.self_test_seconds.map_or(60, |seconds| seconds.get().into()))
    }

    pub(crate) fn container_interfaces(&self) -> Vec<String> {
        let usual = || {
            CONTAINER_INTERFACES
                .iter()
                .map(|name| (*name).to_owned())
                .collect()
        };
        self.container_interfaces.clone().unwrap_or_else(usual)
    }
}

/// Where a machine's identity lies unless something else is said.
pub(crate) fn default_state() -> PathBuf {
    "/var/lib/hallpass/node".into()
}

fn default_rules() -> PathBuf {
    "rules.toml".into()
}

fn default_run_dir() -> PathBuf {
    "/run/hallpass".into()
}

fn default_audit() -> PathBuf {
    "/var/log/hallpass".into()
}

impl AgentFile {
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| CliError::failed(format!("cannot read `{shown}`: {error}")))?;
        let mut file: Self = toml::from_str(&text)
            .map_err(|error| CliError::failed(format!("`{shown}`: {}", error.to_string().trim_end())))?;
        // Absolute: others read these paths from other folders.
        let path =
            std::path::absolute(path).map_err(|error| CliError::failed(format!("`{shown}`: {error}")))?;
        let folder = path.parent().unwrap_or(Path::new("/"));
        for path in [&mut file.rules, &mut file.run_dir, &mut file.audit] {
            *path = folder.join(&*path);
        }
        if let Some(door) = &mut file.door {
            if !door.listen.ip().is_loopback() {
                return Err(CliError::failed(format!(
                    "`{shown}`: listen of [door] is a loopback address: whoever reaches it is taken for this machine"
                )));
            }
            let files = [&mut door.certificate_file, &mut door.key_file, &mut door.ca_file];
            if file.fleet.is_none() && files.iter().any(|path| path.is_none()) {
                return Err(CliError::failed(format!(
                    "`{shown}`: [door] names certificate_file, key_file and ca_file, unless there is a [fleet]"
                )));
            }
            for path in files.into_iter().flatten() {
                *path = folder.join(&*path);
            }
        }
        for path in [
            &mut file.listen.files,
            &mut file.source.file,
            &mut file.source.container_token_file,
            &mut file.source.web_identity_token_file,
            &mut file.source.ca_file,
        ]
        .into_iter()
        .flatten()
        {
            *path = folder.join(&*path);
        }
        match &mut file.fleet {
            Some(fleet) => {
                fleet.state = folder.join(&fleet.state);
                let is_cloud = file.source != SourceConfig::default()
                    || file.machine != MachineConfig::default()
                    || !file.roles.is_empty();
                if is_cloud {
                    return Err(CliError::failed(format!(
                        "`{shown}`: [fleet] stands in place of [machine], [source] and [[role]]"
                    )));
                }
            }
            None => file
                .cloud()
                .check()
                .map_err(|error| CliError::failed(format!("`{shown}`: {error}")))?,
        }
        Ok(file)
    }

    pub(crate) fn cloud(&self) -> CloudConfig {
        CloudConfig {
            machine: self.machine.clone(),
            source: self.source.clone(),
            roles: self.roles.clone(),
        }
    }
}
