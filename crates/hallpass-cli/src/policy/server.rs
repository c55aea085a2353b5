//! The running system's account, asked as its administrator.

use crate::args::Location;
use crate::error::CliError;
use crate::running::{Ready, find};
use crate::signed_client::{Credentials, SignedClient};
use hallpass_wire::{XmlNode, read_xml};

/// The running system's IAM.
pub(super) struct Server {
    ready: Ready,
    client: SignedClient,
    credentials: Credentials,
}

impl Server {
    /// The account of the system that runs on the data directory.
    pub(super) fn running(location: &Location) -> Result<Self, CliError> {
        let ready = find(location)?;
        let credentials = Credentials::from_file(&ready.admin_credentials)?;
        let client = SignedClient::new(&ready.api, &ready.region, None);
        Ok(Self {
            ready,
            client,
            credentials,
        })
    }

    /// The ARN that `principal` means: an ARN as it is, `role/NAME` and `user/NAME` in this account.
    pub(super) fn arn(&self, principal: &str) -> String {
        if principal.starts_with("arn:") {
            principal.to_owned()
        } else {
            format!("arn:aws:iam::{}:{principal}", self.ready.account)
        }
    }

    /// A call of IAM that must succeed: its result.
    pub(super) async fn iam(&self, action: &str, params: &[(String, String)]) -> Result<XmlNode, CliError> {
        let params = params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let params = params.collect::<Vec<_>>();
        let answer = self
            .client
            .call(&self.credentials, "iam", action, &params)
            .await?;
        let unreadable = || CliError::failed(format!("the answer to {action} cannot be read"));
        let root = read_xml(answer.body.as_bytes()).map_err(|_| unreadable())?;
        let child = |name: &str| root.children.iter().find(|child| child.name == name);
        if answer.status == 200 {
            let result = format!("{action}Result");
            let at = root.children.iter().position(|child| child.name == result);
            let mut children = root.children;
            return at.map(|at| children.swap_remove(at)).ok_or_else(unreadable);
        }
        let why = child("Error").and_then(|error| error.one_text("Message").ok().flatten());
        let why = why.unwrap_or("no reason was given");
        Err(CliError::failed(format!("{action} was refused: {why}")))
    }
}
