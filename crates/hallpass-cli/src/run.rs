//! `hallpass run --role R -- CMD`: a metadata service of the command's own, on loopback, that knows one role. No root;
//! any number at once.

use crate::args::RunArgs;
use crate::env::{BYPASSING, common};
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::find_agent;
use hallpass_agent::run_endpoint::RunEndpoint;
use std::os::unix::process::ExitStatusExt as _;
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

pub(crate) async fn run(options: RunArgs, printer: &Printer) -> Result<u8, CliError> {
    let ready = find_agent(&options.location)?;
    let endpoint = RunEndpoint::start(&ready.agent_socket, &options.role)
        .await
        .map_err(|error| {
            CliError::no(format!("cannot run with role `{}`: {error}", options.role)).hint(format!(
                "which process gets which role is in `{}`",
                ready.rules.display()
            ))
        })?;
    let Some((program, arguments)) = options.command.split_first() else {
        return Err(CliError::failed("there is no command to run"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for name in BYPASSING {
        command.env_remove(name);
    }
    command.envs(common(&ready));
    command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &endpoint.metadata_url);
    // Both protocols: some SDKs speak only one of them, and where both are spoken the token names the caller. The token
    // goes by value and by file: some know only the one, some only the other, and each prefers another.
    let token = token_file(endpoint.token.expose())?;
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &endpoint.container_url);
    command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN", endpoint.token.expose());
    command.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.path());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            // As the shell has it: 127 not found, 126 found but not to be run.
            let code = if error.kind() == std::io::ErrorKind::NotFound {
                127
            } else {
                126
            };
            printer.error(&CliError::failed(format!(
                "cannot run `{}`: {error}",
                program.to_string_lossy()
            )));
            return Ok(code);
        }
    };
    // The terminal sends Ctrl-C to the whole group: the command decides, this program waits for it.
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| CliError::failed(error.to_string()))?;
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| CliError::failed(error.to_string()))?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {
                if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw) {
                    // It may have ended meanwhile.
                    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
                }
            }
        }
    };
    let status = status.map_err(|error| CliError::failed(format!("cannot wait for the command: {error}")))?;
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(u8::try_from(code).unwrap_or(1))
}

/// A file with the token that goes when this value goes. No line feed at its end: SDKs send one on, or refuse it.
fn token_file(token: &str) -> Result<tempfile::NamedTempFile, CliError> {
    use std::io::Write as _;
    let cannot = |error: std::io::Error| CliError::failed(format!("cannot write the token's file: {error}"));
    let mut file = tempfile::Builder::new()
        .prefix("hallpass-token-")
        .tempfile()
        .map_err(cannot)?;
    file.write_all(token.as_bytes())
        .and_then(|()| file.flush())
        .map_err(cannot)?;
    Ok(file)
}
