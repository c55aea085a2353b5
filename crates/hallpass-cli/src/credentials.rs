//! `hallpass credentials`: for `credential_process` in AWS's configuration.

use crate::args::CredentialsArgs;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::find_agent;
use hallpass_agent::client::Client;
use serde_json::json;

pub(crate) async fn run(options: CredentialsArgs, printer: &Printer) -> Result<u8, CliError> {
    let ready = find_agent(&options.location)?;
    let issued = Client::new(&ready.agent_socket)
        .credentials(&options.role)
        .await
        .map_err(|error| {
            CliError::no(format!("no credentials for role `{}`: {error}", options.role)).hint(format!(
                "which process gets which role is in `{}`",
                ready.rules.display()
            ))
        })?;
    // The one place where a secret belongs on stdout: the protocol asks for it there.
    let document = json!({
        "Version": 1,
        "AccessKeyId": issued.access_key_id,
        "SecretAccessKey": issued.secret.expose(),
        "SessionToken": issued.token.expose(),
        "Expiration": issued.expires_at.iso8601(),
        "AccountId": issued.account,
    });
    printer.data(&document.to_string());
    Ok(0)
}
