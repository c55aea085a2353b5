//! `hallpass agent token`: what a process shows at the container endpoint.

use crate::args::Location;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::find_agent;
use clap::Args as ClapArgs;
use hallpass_agent::client::Client;
use std::io::Write as _;
use std::os::unix::fs::fchown;
use std::path::{Path, PathBuf};

#[derive(Debug, ClapArgs)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    location: Location,
    /// The role it asks for
    #[arg(long)]
    role: String,
    /// Whose processes may show it; for another than one's own it takes root
    #[arg(long)]
    uid: Option<u32>,
    /// Where it goes: a file of that user's, replaced as a whole
    #[arg(long, value_name = "PATH")]
    file: PathBuf,
}

pub(crate) async fn run(options: &TokenArgs, printer: &Printer) -> Result<u8, CliError> {
    let ready = find_agent(&options.location)?;
    let own = rustix::process::geteuid().as_raw();
    let uid = options.uid.unwrap_or(own);
    let token = Client::new(&ready.agent_socket)
        .container_token_for(&options.role, uid)
        .await
        .map_err(|error| CliError::no(format!("no token for role `{}`: {error}", options.role)))?;
    let shown = options.file.display();
    write(&options.file, token.expose(), (uid != own).then_some(uid))
        .map_err(|error| CliError::failed(format!("cannot write `{shown}`: {error}")))?;
    printer.say(&format!("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE={shown}"));
    Ok(0)
}

/// Replaces the file, for `owner` alone. Root may write in a folder of that user's: a fresh file is made there, never one
/// opened that is there already.
fn write(path: &Path, token: &str, owner: Option<u32>) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    // No line feed at its end: SDKs send one on, or refuse it.
    file.write_all(token.as_bytes())?;
    fchown(file.as_file(), owner, None)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
