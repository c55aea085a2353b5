//! `hallpass agent enrol`: this machine becomes an instance.

use super::config::default_state;
use crate::error::CliError;
use crate::printer::Printer;
use clap::Args as ClapArgs;
use hallpass_credentials::MetadataService;
use hallpass_fleet::{
    EnrolmentError, EnrolmentSecret, IdentityError, InstanceIdentity, NodeFiles, Trusted, enrol, enrol_ec2,
};
use std::path::PathBuf;
use std::time::Duration;

/// Names another metadata service to AWS's clients, and to us.
const METADATA_VARIABLE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const METADATA: &str = "http://169.254.169.254";
/// Off EC2 nothing may answer at all.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, ClapArgs)]
pub(crate) struct EnrolArgs {
    /// The control listener of a server, https://HOST:PORT; may be given several times
    #[arg(long, value_name = "URL", required = true)]
    server: Vec<String>,
    /// Where the machine's key and certificate are kept
    #[arg(long, value_name = "DIR", default_value_os_t = default_state())]
    state: PathBuf,
    /// Show EC2's instance identity document instead of a secret; once, soon after the machine was started
    #[arg(long, requires = "ca", conflicts_with = "secret")]
    ec2: bool,
    /// Whom to show it: the SHA-256 fingerprint of the fleet's certificate authority, or a file with its certificate
    /// (fleet-ca.pem of a server's data)
    #[arg(long, value_name = "FINGERPRINT|FILE", requires = "ec2")]
    ca: Option<String>,
    /// The secret, HPE1-…; `-` reads it from the standard input, where no other user can see it
    #[arg(value_name = "SECRET", required_unless_present = "ec2")]
    secret: Option<String>,
}

pub(crate) async fn run(options: &EnrolArgs, printer: &Printer) -> Result<u8, CliError> {
    let files = NodeFiles::new(&options.state);
    let before = files.instance();
    let tell_before = || {
        if let Some(instance) = &before {
            printer.say(&format!("this machine was {instance} until now"));
        }
    };
    let enrolled = match &options.secret {
        Some(secret) => {
            let secret = read_secret(secret)?;
            tell_before();
            enrol(&secret, &options.server, &files).await
        }
        None => {
            let trusted = trusted(options.ca.as_deref().unwrap_or_default())?;
            let identity = identity().await?;
            tell_before();
            enrol_ec2(&identity, &trusted, &options.server, &files).await
        }
    };
    let instance = enrolled.map_err(|error: EnrolmentError| CliError::failed(error.to_string()))?;
    printer.say(&format!("this machine is {instance} now"));
    Ok(0)
}

fn read_secret(given: &str) -> Result<EnrolmentSecret, CliError> {
    let mut text = given.to_owned();
    if text == "-" {
        text.clear();
        std::io::stdin()
            .read_line(&mut text)
            .map_err(|error| CliError::failed(format!("cannot read the secret: {error}")))?;
    }
    EnrolmentSecret::parse(&text).map_err(|error| CliError::failed(error.to_string()))
}

/// A fingerprint, or what the file of that name has.
fn trusted(given: &str) -> Result<Trusted, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::failed(format!("--ca {given}: {error}"));
    if let Ok(trusted) = Trusted::parse(given) {
        return Ok(trusted);
    }
    let text = std::fs::read_to_string(given).map_err(|error| failed(&error))?;
    Trusted::parse(&text).map_err(|error| failed(&error))
}

async fn identity() -> Result<InstanceIdentity, CliError> {
    let base = std::env::var(METADATA_VARIABLE)
        .ok()
        .filter(|base| !base.is_empty());
    let base = base.as_deref().unwrap_or(METADATA);
    let service = MetadataService::new(base)
        .map_err(|error| CliError::failed(format!("{METADATA_VARIABLE} `{base}`: {error}")))?;
    let failed = |error: IdentityError| CliError::failed(error.to_string());
    tokio::time::timeout(METADATA_TIMEOUT, InstanceIdentity::of(&service))
        .await
        .map_err(|_| CliError::failed(format!("no metadata service answers at {base}: is this EC2?")))?
        .map_err(failed)
}
