//! `hallpass agent enrol`: this machine becomes an instance.

use super::config::default_state;
use crate::error::CliError;
use crate::printer::Printer;
use clap::Args as ClapArgs;
use hallpass_fleet::{EnrolmentSecret, NodeFiles, enrol};
use std::path::PathBuf;

#[derive(Debug, ClapArgs)]
pub(crate) struct EnrolArgs {
    /// The control listener of a server, https://HOST:PORT; may be given several times
    #[arg(long, value_name = "URL", required = true)]
    server: Vec<String>,
    /// Where the machine's key and certificate are kept
    #[arg(long, value_name = "DIR", default_value_os_t = default_state())]
    state: PathBuf,
    /// The secret, HPE1-…; `-` reads it from the standard input, where no other user can see it
    #[arg(value_name = "SECRET")]
    secret: String,
}

pub(crate) async fn run(options: &EnrolArgs, printer: &Printer) -> Result<u8, CliError> {
    let mut text = options.secret.clone();
    if text == "-" {
        text.clear();
        std::io::stdin()
            .read_line(&mut text)
            .map_err(|error| CliError::failed(format!("cannot read the secret: {error}")))?;
    }
    let failed = |error: hallpass_fleet::EnrolmentError| CliError::failed(error.to_string());
    let secret = EnrolmentSecret::parse(&text).map_err(failed)?;
    let files = NodeFiles::new(&options.state);
    if let Some(instance) = files.instance() {
        printer.say(&format!("this machine was {instance} until now"));
    }
    let instance = enrol(&secret, &options.server, &files).await.map_err(failed)?;
    printer.say(&format!("this machine is {instance} now"));
    Ok(0)
}
