//! Finding the system that runs here: the ready file in its data directory.

use crate::args::Location;
use crate::data_dir::default_path;
use crate::error::CliError;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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

pub(crate) const READY_NAME: &str = "ready.json";

/// The data directory that is meant.
pub(crate) fn data_path(location: &Location) -> Result<PathBuf, CliError> {
    location.data.clone().map_or_else(default_path, Ok)
}

/// The system that runs on the data directory.
pub(crate) fn find(location: &Location) -> Result<Ready, CliError> {
    let path = data_path(location)?.join(READY_NAME);
    let not_running = || {
        CliError::failed(format!(
            "no hallpass runs on `{}`",
            path.parent().unwrap_or(&path).display()
        ))
        .hint("start one with `hallpass dev`, or say which with --data DIR")
    };
    let text = std::fs::read_to_string(&path).map_err(|_| not_running())?;
    let ready: Ready = serde_json::from_str(&text)
        .map_err(|error| CliError::failed(format!("cannot read `{}`: {error}", path.display())))?;
    // A killed process leaves the file behind; its number may be another's by now, so this only says "not running"
    // when there is certainly nobody.
    let alive = rustix::process::Pid::from_raw(i32::try_from(ready.pid).unwrap_or(0)).is_some_and(|pid| {
        !matches!(
            rustix::process::test_kill_process(pid),
            Err(rustix::io::Errno::SRCH)
        )
    });
    if alive { Ok(ready) } else { Err(not_running()) }
}
