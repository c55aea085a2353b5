//! `--files`: roles as files.

use crate::args::DevArgs;
use crate::error::CliError;
use hallpass_agent::{Agent, MountedFiles};
use std::sync::Arc;

pub(super) async fn mount(agent: &Arc<Agent>, options: &DevArgs) -> Result<Option<MountedFiles>, CliError> {
    let Some(path) = &options.files else {
        return Ok(None);
    };
    if !rustix::process::geteuid().is_root() {
        return Err(CliError::failed("--files mounts a file system, which needs root"));
    }
    let mounted = agent.mount_files(path).await.map_err(|error| {
        CliError::failed(error.to_string()).hint("--files takes an empty directory that only root can change")
    })?;
    Ok(Some(mounted))
}
