//! `hallpass agent redirect`: what the units run early in the boot and when the package goes.

use crate::agent::CONFIG_PATH;
use crate::agent::config::AgentFile;
use crate::error::CliError;
use crate::printer::Printer;
use clap::Subcommand;
use hallpass_agent::redirect::{Redirect, RedirectError};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum RedirectCommand {
    /// Close the real service to everyone but the agent's user, until the agent is there
    Close {
        /// The agent's user
        #[arg(long, default_value = "hallpass")]
        user: String,
    },
    /// Put the redirection in force without starting the agent
    Up {
        /// The agent's configuration
        #[arg(long, value_name = "FILE", default_value = CONFIG_PATH)]
        config: PathBuf,
        /// The agent's user
        #[arg(long, default_value = "hallpass")]
        user: String,
    },
    /// Take it away: the real service is open to everyone again
    Down,
    /// Whether it is in force (exit code 1: it is not)
    Status,
}

pub(crate) fn run(command: &RedirectCommand, printer: &Printer) -> Result<u8, CliError> {
    let cannot = |error: RedirectError| {
        CliError::failed(error.to_string())
            .hint("nftables rules need root, and nft: apt-get install nftables")
    };
    match command {
        RedirectCommand::Close { user } => {
            Redirect::close(uid_of(user)?).map_err(cannot)?;
            printer.say("the metadata service is closed to everyone but the agent");
        }
        RedirectCommand::Up { config, user } => {
            let listen = AgentFile::read(config)?.listen;
            let port = listen.redirect_port.ok_or_else(|| {
                CliError::failed(format!("`{}` has no redirect_port in [listen]", config.display()))
            })?;
            let redirect = Redirect {
                agent_uid: uid_of(user)?,
                port,
                container_interfaces: listen.container_interfaces(),
            };
            redirect.up().map_err(cannot)?;
            printer.say(&format!("everyone but {user} is led to port {port}"));
        }
        RedirectCommand::Down => {
            Redirect::down().map_err(cannot)?;
            printer.say("the metadata service is open to everyone");
        }
        RedirectCommand::Status => {
            let is_up = Redirect::is_up().map_err(|error| cannot(error.into()))?;
            printer.data(if is_up { "in force" } else { "not in force" });
            return Ok(if is_up { 0 } else { 1 });
        }
    }
    Ok(0)
}

fn uid_of(user: &str) -> Result<u32, CliError> {
    let number = user.parse().ok();
    number
        .or_else(|| hallpass_caller::user_id(user))
        .ok_or_else(|| CliError::failed(format!("there is no user `{user}`")))
}
