//! Every command of `hallpass`. Data goes to stdout, words to stderr; 0 is yes or done, 1 is no, 2 is could not
//! answer; `run` gives its command's own exit code.

mod admin;
mod agent;
mod args;
mod audit;
mod auditing;
mod backup;
mod credentials;
mod data_dir;
mod demo;
mod dev;
mod doctor;
mod enrol;
mod env;
mod error;
mod files;
mod instant;
mod keys;
mod policy;
mod printer;
mod report;
mod revoke;
mod run;
mod running;
mod seed;
mod server;
mod signals;
mod signed_client;
mod status;
mod why;

use args::{Args, Command};
use clap::Parser as _;
use error::CliError;
use printer::Printer;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs one command line to its end.
#[must_use]
pub fn run(args: Vec<OsString>) -> ExitCode {
    let printer = Printer;
    let args = match Args::try_parse_from(args) {
        Ok(args) => args,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // Where to print and whether to colour is clap's business.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.error(&CliError::failed(format!("cannot start: {error}")));
            return ExitCode::from(2);
        }
    };
    match runtime.block_on(dispatch(args, &printer)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            printer.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

async fn dispatch(args: Args, printer: &Printer) -> Result<u8, CliError> {
    match args.command {
        Command::Dev(options) => dev::run(options, printer).await,
        Command::Server(options) => server::run(options, printer).await,
        Command::Revoke(options) => revoke::run(options, printer).await,
        Command::Enrol(options) => enrol::run(options, printer).await,
        Command::Backup(options) => backup::run(&options, printer).await,
        Command::Restore(options) => backup::restore(&options, printer).await,
        Command::Migrate(options) => backup::migrate(&options, printer).await,
        Command::Report(options) => report::run(&options, printer).await,
        Command::Keys(options) => keys::run(options, printer).await,
        Command::Demo(options) => demo::run(options, printer).await,
        Command::Run(options) => run::run(options, printer).await,
        Command::Env(options) => env::run(&options, printer),
        Command::Credentials(options) => credentials::run(options, printer).await,
        Command::Status(options) => status::run(&options, printer).await,
        Command::Doctor(options) => doctor::run(&options, printer),
        Command::Why(options) => why::run(&options, printer),
        Command::Agent { command } => agent::run(command, printer).await,
        Command::Policy { command } => policy::run(command, printer).await,
        Command::Audit { command } => audit::run(command, printer).await,
    }
}
