//! `hallpass agent`: the agent of a machine by itself, its rules, and what they say of a process.

mod check;
mod config;
mod enrol;
mod explain;
mod passed;
mod redirect;
mod run;
mod self_test;
mod token;

use crate::error::CliError;
use crate::printer::Printer;
use clap::{Args as ClapArgs, Subcommand};
use std::path::PathBuf;

/// Where the agent's configuration is when nothing else is said.
const CONFIG_PATH: &str = "/etc/hallpass/agent.toml";

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Give this machine's processes their roles, with AWS itself or a fleet of ours as the source
    Run(ConfigArgs),
    /// Become the instance that `hallpass enrol` made for this machine
    Enrol(enrol::EnrolArgs),
    /// Look for mistakes in a rules file. Exits 0 if there are none, 1 if there are
    Check(check::CheckArgs),
    /// Which rule a process or connection matches, and why the others do not
    Explain(explain::ExplainArgs),
    /// Write a file for AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: it names a role and a user; the rules decide at each use
    Token(token::TokenArgs),
    /// Lead every process but the agent from EC2's metadata service to the agent
    Redirect {
        #[command(subcommand)]
        command: redirect::RedirectCommand,
    },
    /// Ask a metadata service for its roles, as an SDK does, and print the status (the self-test starts itself so)
    #[command(hide = true)]
    Probe(self_test::ProbeArgs),
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigArgs {
    /// The agent's configuration
    #[arg(long, value_name = "FILE", default_value = CONFIG_PATH)]
    pub(crate) config: PathBuf,
}

pub(crate) async fn run(command: AgentCommand, printer: &Printer) -> Result<u8, CliError> {
    match command {
        AgentCommand::Run(options) => run::run(&options.config, printer).await,
        AgentCommand::Enrol(options) => enrol::run(&options, printer).await,
        AgentCommand::Check(options) => check::run(&options, printer),
        AgentCommand::Explain(options) => explain::run(&options, printer).await,
        AgentCommand::Token(options) => token::run(&options, printer).await,
        AgentCommand::Redirect { command } => redirect::run(&command, printer),
        AgentCommand::Probe(options) => self_test::probe(&options, printer),
    }
}
