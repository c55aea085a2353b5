//! The command line.

use clap::{Args as ClapArgs, Parser, Subcommand};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A role instead of a key: IAM roles for any Linux machine.
#[derive(Debug, Parser)]
#[command(name = "hallpass", version, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole system on this machine: IAM, STS, metadata and S3
    Dev(DevArgs),
    /// The authority and the gateway for other machines, alone or one of several on etcd
    Server(ConfigOption),
    /// Take back a session, or all of a role, an instance, a key, a user; every server confirms
    Revoke(crate::revoke::RevokeArgs),
    /// Make a machine an instance: launches one and prints the secret its agent enrols with
    Enrol(crate::enrol::EnrolArgs),
    /// Everything the authority keeps, of one instant, in a file; while it runs
    Backup(crate::backup::BackupArgs),
    /// Bring a backup back into an empty store
    Restore(crate::backup::RestoreArgs),
    /// Move everything from one store to another: redb to etcd, or back
    Migrate(crate::backup::MigrateArgs),
    /// Every long-term key: its age, its last use, and which should go
    Report(crate::report::ReportArgs),
    /// The keys of the authority: their age, rotation
    Keys(crate::keys::KeysArgs),
    /// The whole story in a few seconds, against a throw-away system
    Demo(DemoArgs),
    /// Run a command with a role
    Run(RunArgs),
    /// Print the settings that point AWS clients of a shell here: eval "$(hallpass env)"
    Env(Location),
    /// Print a role's credentials in the form of credential_process
    Credentials(CredentialsArgs),
    /// What is running, and who holds what
    Status(StatusArgs),
    /// Check this machine, and say how to mend what is wrong
    Doctor(Location),
    /// Explain an answer or a refusal by its request id
    Why(WhyArgs),
    /// The agent of a machine: run it, check its rules, ask what they say of a process
    Agent {
        #[command(subcommand)]
        command: crate::agent::AgentCommand,
    },
    /// Questions about policies
    Policy {
        #[command(subcommand)]
        command: crate::policy::PolicyCommand,
    },
    /// The audit log: what happened, whether it is what was written, what a credential did
    Audit {
        #[command(subcommand)]
        command: crate::audit::AuditCommand,
    },
}

/// Which system is meant.
#[derive(Debug, Clone, Default, ClapArgs)]
pub(crate) struct Location {
    /// The data directory of the system [default: the XDG state directory]
    #[arg(long, value_name = "DIR", env = "HALLPASS_DATA")]
    pub(crate) data: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DevArgs {
    #[command(flatten)]
    pub(crate) location: Location,
    /// Keep nothing: a fresh directory, removed at the end
    #[arg(long, conflicts_with = "data")]
    pub(crate) ephemeral: bool,
    /// Where AWS's APIs are served; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7400")]
    pub(crate) api: SocketAddr,
    /// Where the metadata service is served; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7401")]
    pub(crate) metadata: SocketAddr,
    /// Serve metadata at 169.254.169.254:80 and [fd00:ec2::254]:80 too (root)
    #[arg(long)]
    pub(crate) link_local: bool,
    /// Show the roles of the rules' [[file]] tables as files in that empty directory (root)
    #[arg(long, value_name = "DIR")]
    pub(crate) files: Option<PathBuf>,
    /// Written once everything answers: addresses and names as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// Upstreams and named networks [default: hallpass.toml in the data directory, if there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Which process gets which role [default: rules.toml in the data directory]
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    /// The region served; AWS's own clients presign with version 4 in the default one
    #[arg(long, default_value = "eu-central-1")]
    pub(crate) region: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct ConfigOption {
    /// The server's configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/hallpass/server.toml")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct DemoArgs {
    /// Break the named step on purpose (for tests)
    #[arg(long, value_name = "STEP", hide = true)]
    pub(crate) break_step: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) location: Location,
    /// The role to run with
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct CredentialsArgs {
    #[command(flatten)]
    pub(crate) location: Location,
    /// The role
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: String,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) location: Location,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    pub(crate) location: Location,
    /// The request id of the answer (x-amz-request-id), or an event id
    #[arg(value_name = "REQUEST-ID")]
    pub(crate) request_id: String,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}
