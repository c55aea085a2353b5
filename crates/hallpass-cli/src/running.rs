//! Finding the system that runs here: the ready file in its data directory.

use crate::args::Location;
use crate::data_dir::default_path;
use crate::error::CliError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a running system says of itself; `--ready-file` writes the same.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// `http://127.0.0.1:7400`: every API.
    pub(crate) api: String,
    /// `http://127.0.0.1:7401/`: the metadata service of this machine.
    pub(crate) metadata: String,
    /// The account.
    pub(crate) account: String,
    /// The region.
    pub(crate) region: String,
    /// A credentials file in AWS's form with the profile `admin`.
    pub(crate) admin_credentials: PathBuf,
    /// The bucket made on the first start.
    pub(crate) bucket: String,
    /// The role made on the first start.
    pub(crate) role: String,
    /// This machine's instance.
    pub(crate) instance: String,
    /// The agent's socket.
    pub(crate) agent_socket: PathBuf,
    /// The rules: which process gets which role.
    pub(crate) rules: PathBuf,
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The process.
    pub(crate) pid: u32,
}

/// What of it any server says, a whole system's included.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ApiReady {
    /// Every API.
    pub(crate) api: String,
    /// The first account.
    pub(crate) account: String,
    /// The region.
    pub(crate) region: String,
    /// A credentials file in AWS's form with the profile `admin`.
    pub(crate) admin_credentials: PathBuf,
    /// Where agents ask, if they can.
    #[serde(default)]
    pub(crate) control: Option<String>,
    /// The process.
    pub(crate) pid: u32,
}

/// What a running agent says of itself; of a whole system, the part of it that is the agent's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AgentReady {
    /// Every API, where they are ours.
    pub(crate) api: Option<String>,
    /// The metadata service of this machine; `None`: files and socket only.
    pub(crate) metadata: Option<String>,
    /// The region.
    pub(crate) region: String,
    /// This machine's instance.
    pub(crate) instance: String,
    /// The agent's socket.
    pub(crate) agent_socket: PathBuf,
    /// The rules: which process gets which role.
    pub(crate) rules: PathBuf,
    /// Where its records are, if not with the system's.
    pub(crate) audit: Option<PathBuf>,
    /// The process.
    pub(crate) pid: u32,
}

impl From<Ready> for AgentReady {
    fn from(ready: Ready) -> Self {
        Self {
            api: Some(ready.api),
            metadata: Some(ready.metadata),
            region: ready.region,
            instance: ready.instance,
            agent_socket: ready.agent_socket,
            rules: ready.rules,
            audit: None,
            pid: ready.pid,
        }
    }
}

pub(crate) const AGENT_READY_NAME: &str = "agent.json";
/// Where the agent of a machine says what it is, unless its configuration names another folder.
const AGENT_RUN_DIR: &str = "/run/hallpass";

pub(crate) const READY_NAME: &str = "ready.json";

/// The data directory that is meant.
pub(crate) fn data_path(location: &Location) -> Result<PathBuf, CliError> {
    location.data.clone().map_or_else(default_path, Ok)
}

/// The system that runs on the data directory.
pub(crate) fn find(location: &Location) -> Result<Ready, CliError> {
    let folder = data_path(location)?;
    let not_running = || {
        CliError::failed(format!("no hallpass runs on `{}`", folder.display()))
            .hint("start one with `hallpass dev`, or say which with --data DIR")
    };
    let ready: Ready = read(&folder.join(READY_NAME))?.ok_or_else(not_running)?;
    if is_alive(ready.pid) {
        Ok(ready)
    } else {
        Err(not_running())
    }
}

/// The API of the system or server that runs on the data directory.
pub(crate) fn find_api(location: &Location) -> Result<ApiReady, CliError> {
    let folder = data_path(location)?;
    let ready = read::<ApiReady>(&folder.join(READY_NAME))?.filter(|ready| is_alive(ready.pid));
    ready.ok_or_else(|| {
        CliError::failed(format!("no hallpass runs on `{}`", folder.display()))
            .hint("start one with `hallpass dev` or `hallpass server`, or say which with --data DIR")
    })
}

/// The agent to ask: that of the system on the data directory, or one that runs by itself, with DIR its `run_dir`; if
/// nothing is said, the machine's.
pub(crate) fn find_agent(location: &Location) -> Result<AgentReady, CliError> {
    let folder = data_path(location)?;
    let alone = [
        Some(folder.as_path()),
        location.data.is_none().then_some(Path::new(AGENT_RUN_DIR)),
    ];
    if let Some(ready) = read::<Ready>(&folder.join(READY_NAME))?.filter(|ready| is_alive(ready.pid)) {
        return Ok(ready.into());
    }
    for folder in alone.into_iter().flatten() {
        let ready = read::<AgentReady>(&folder.join(AGENT_READY_NAME))?;
        if let Some(ready) = ready.filter(|ready| is_alive(ready.pid)) {
            return Ok(ready);
        }
    }
    Err(
        CliError::failed(format!("no hallpass runs on `{}`", folder.display()))
            .hint("start one with `hallpass dev` or `hallpass agent run`, or say which with --data DIR"),
    )
}

/// Where the records are: with the system's data, running or not, or where the agent by itself keeps its own.
pub(crate) fn audit_folder(location: &Location) -> Result<PathBuf, CliError> {
    let own = data_path(location)?.join("audit");
    if own.is_dir() {
        return Ok(own);
    }
    Ok(find_agent(location)
        .ok()
        .and_then(|ready| ready.audit)
        .unwrap_or(own))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, CliError> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Ok(None);
    };
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|error| CliError::failed(format!("cannot read `{}`: {error}", path.display())))
}

/// A killed process leaves its file behind; its number may be another's by now, so this only says "not running" when
/// there is certainly nobody.
fn is_alive(pid: u32) -> bool {
    rustix::process::Pid::from_raw(i32::try_from(pid).unwrap_or(0)).is_some_and(|pid| {
        !matches!(
            rustix::process::test_kill_process(pid),
            Err(rustix::io::Errno::SRCH)
        )
    })
}
