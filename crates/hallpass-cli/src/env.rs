//! `hallpass env`: what points a shell's AWS clients at the system that runs here, with no key anywhere.

use crate::args::Location;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::{AgentReady, find_agent};

/// Keys and profiles that SDKs would take before they ask the metadata service.
pub(crate) const BYPASSING: &[&str] = &[
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// What points AWS clients here, except for where their credentials come from.
pub(crate) fn common(ready: &AgentReady) -> Vec<(&'static str, String)> {
    let no_proxy = "127.0.0.1,localhost,::1,169.254.169.254,169.254.170.2,169.254.170.23,fd00:ec2::254";
    let mut variables = vec![
        // boto 3 reads one name of the region, other SDKs the other.
        ("AWS_REGION", ready.region.clone()),
        ("AWS_DEFAULT_REGION", ready.region.clone()),
        // A profile in these files would come before the role.
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
        ("NO_PROXY", no_proxy.to_owned()),
        ("no_proxy", no_proxy.to_owned()),
    ];
    // Without APIs of ours, AWS's are meant.
    if let Some(api) = &ready.api {
        // The second is s5cmd's name for it.
        variables.extend(["AWS_ENDPOINT_URL", "S3_ENDPOINT_URL"].map(|name| (name, api.clone())));
    }
    variables
}

pub(crate) fn run(location: &Location, printer: &Printer) -> Result<u8, CliError> {
    let ready = find_agent(location)?;
    let metadata = ready.metadata.as_deref().ok_or_else(|| {
        CliError::failed("the agent that runs here has no metadata service")
            .hint("use `hallpass run --role ROLE -- CMD`, or give it one in [listen] of its configuration")
    })?;
    printer.data(&format!("unset {}", BYPASSING.join(" ")));
    for (name, value) in common(&ready) {
        printer.data(&format!("export {name}='{}'", value.replace('\'', "'\\''")));
    }
    printer.data(&format!("export AWS_EC2_METADATA_SERVICE_ENDPOINT='{metadata}'"));
    Ok(0)
}
