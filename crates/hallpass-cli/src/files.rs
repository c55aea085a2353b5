//! Roles as files: where the mount is.

use crate::error::CliError;
use hallpass_agent::{Agent, MountedFiles};
use rustix::thread::{CapabilitySet, capabilities};
use std::path::Path;
use std::sync::Arc;

/// Mounts the files of `agent` at `path`, if that is wanted.
pub(crate) async fn mount(agent: &Arc<Agent>, path: Option<&Path>) -> Result<Option<MountedFiles>, CliError> {
    let Some(path) = path else {
        return Ok(None);
    };
    if !capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::SYS_ADMIN)) {
        return Err(CliError::failed(
            "files are shown by mounting a file system, which needs root or CAP_SYS_ADMIN",
        ));
    }
    let mounted = agent.mount_files(path).await.map_err(|error| {
        CliError::failed(error.to_string())
            .hint("files are shown in an empty directory that only root can change")
    })?;
    Ok(Some(mounted))
}
