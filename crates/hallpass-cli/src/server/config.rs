//! `server.toml`. Relative paths are those of its own folder.

use super::ec2::Ec2File;
use crate::error::CliError;
use hallpass_etcd::{EtcdConfig, EtcdTls};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Keys of a fleet begin so in etcd unless something else is said.
const PREFIX: &str = "/hallpass/";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ServerFile {
    /// What the others call it; no two servers of a fleet have the same.
    pub(crate) name: String,
    /// The region served.
    #[serde(default = "default_region")]
    pub(crate) region: String,
    /// Where root key, log and, without etcd, everything else lies.
    pub(crate) data: PathBuf,
    /// Upstreams, listener and limits, as for `dev --config`.
    pub(crate) gateway: Option<PathBuf>,
    /// Every change is answered when all servers show it.
    #[serde(default)]
    pub(crate) consistent: bool,
    /// Beyond this without word from the store, every credential is refused.
    #[serde(default = "default_staleness")]
    pub(crate) staleness_max_seconds: u64,
    pub(crate) api: ApiConfig,
    pub(crate) control: Option<ControlFile>,
    pub(crate) store: Option<StoreFile>,
}

/// Where AWS's APIs are served.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiConfig {
    pub(crate) listen: SocketAddr,
}

/// Where agents and the other servers ask.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ControlFile {
    pub(crate) listen: SocketAddr,
    /// The names and addresses it is reached by; the first is told to agents.
    pub(crate) hosts: Vec<String>,
    /// Which machines of EC2 enrol by their identity document.
    #[serde(default)]
    pub(crate) ec2: Vec<Ec2File>,
}

/// A store that several servers share.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoreFile {
    pub(crate) etcd: Vec<String>,
    #[serde(default = "default_prefix")]
    pub(crate) prefix: String,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) certificate_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
}

fn default_region() -> String {
    "eu-central-1".to_owned()
}

fn default_prefix() -> String {
    PREFIX.to_owned()
}

fn default_staleness() -> u64 {
    60
}

impl ServerFile {
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let shown = path.display();
        let wrong = |why: &str| CliError::failed(format!("`{shown}`: {why}"));
        let text = std::fs::read_to_string(path)
            .map_err(|error| CliError::failed(format!("cannot read `{shown}`: {error}")))?;
        let mut file: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string().trim_end()))?;
        let absolute = std::path::absolute(path).map_err(|error| wrong(&error.to_string()))?;
        let folder = absolute.parent().unwrap_or(Path::new("/"));
        file.data = folder.join(&file.data);
        let paths = file.store.iter_mut().flat_map(|store| {
            [
                &mut store.ca_file,
                &mut store.certificate_file,
                &mut store.key_file,
            ]
        });
        for path in paths.chain([&mut file.gateway]).flatten() {
            *path = folder.join(&*path);
        }
        let ec2 = file.control.iter_mut().flat_map(|control| &mut control.ec2);
        for path in ec2.flat_map(|ec2| &mut ec2.certificates) {
            *path = folder.join(&*path);
        }
        let is_name = |text: &str| {
            !text.is_empty()
                && text.len() <= 63
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
        };
        if !is_name(&file.name) {
            return Err(wrong("name is 1 to 63 letters, digits, `-`, `.` and `_`"));
        }
        if file.staleness_max_seconds == 0 {
            return Err(wrong("staleness_max_seconds is at least 1"));
        }
        if file
            .control
            .as_ref()
            .is_some_and(|control| control.hosts.is_empty())
        {
            return Err(wrong("control: hosts names what agents reach this server by"));
        }
        for ec2 in file.control.iter().flat_map(|control| &control.ec2) {
            ec2.check().map_err(|why| wrong(&format!("control.ec2: {why}")))?;
        }
        if file.store.is_some() && file.control.is_none() {
            return Err(wrong(
                "servers that share a store confirm revocations to each other: give [control]",
            ));
        }
        if let Some(store) = &file.store {
            if store.certificate_file.is_some() != store.key_file.is_some() {
                return Err(wrong("store: certificate_file and key_file go together"));
            }
            if store.ca_file.is_none() && store.etcd.iter().any(|one| one.starts_with("https")) {
                return Err(wrong("store: https needs ca_file"));
            }
        }
        Ok(file)
    }
}

impl StoreFile {
    pub(crate) fn etcd(&self, writer: &str) -> EtcdConfig {
        EtcdConfig {
            endpoints: self.etcd.clone(),
            prefix: self.prefix.clone(),
            writer: writer.to_owned(),
            tls: self.ca_file.clone().map(|ca_file| EtcdTls {
                ca_file,
                client: self.certificate_file.clone().zip(self.key_file.clone()),
            }),
        }
    }
}
