//! The running system or server, asked as its administrator.

use crate::args::Location;
use crate::error::CliError;
use crate::running::{ApiReady, find_api};
use crate::signed_client::{Credentials, SignedClient};
use hallpass_wire::{XmlNode, read_xml};

/// What its administrator can ask.
pub(crate) struct Admin {
    pub(crate) ready: ApiReady,
    client: SignedClient,
    credentials: Credentials,
}

impl Admin {
    /// The account of the system that runs on the data directory.
    pub(crate) fn running(location: &Location) -> Result<Self, CliError> {
        let ready = find_api(location)?;
        let credentials = Credentials::from_file(&ready.admin_credentials)?;
        let client = SignedClient::new(&ready.api, &ready.region, None)?;
        Ok(Self {
            ready,
            client,
            credentials,
        })
    }

    /// The ARN that `principal` means: an ARN as it is, `role/NAME` and `user/NAME` in this account.
    pub(crate) fn arn(&self, principal: &str) -> String {
        if principal.starts_with("arn:") {
            principal.to_owned()
        } else {
            format!("arn:aws:iam::{}:{principal}", self.ready.account)
        }
    }

    /// A call of IAM that must succeed: its result.
    pub(crate) async fn iam(&self, action: &str, params: &[(String, String)]) -> Result<XmlNode, CliError> {
        self.call("iam", action, params).await
    }

    /// A call that must succeed: its result; of EC2, the whole answer.
    pub(crate) async fn call(
        &self,
        service: &str,
        action: &str,
        params: &[(String, String)],
    ) -> Result<XmlNode, CliError> {
        let params = params.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let params = params.collect::<Vec<_>>();
        let answer = self
            .client
            .call(&self.credentials, service, action, &params)
            .await?;
        let unreadable = || CliError::failed(format!("the answer to {action} cannot be read"));
        let root = read_xml(answer.body.as_bytes()).map_err(|_| unreadable())?;
        let child = |name: &str| root.children.iter().find(|child| child.name == name);
        if answer.status == 200 && service == "ec2" {
            return Ok(root);
        }
        if answer.status == 200 {
            let result = format!("{action}Result");
            let at = root.children.iter().position(|child| child.name == result);
            let mut children = root.children;
            return at.map(|at| children.swap_remove(at)).ok_or_else(unreadable);
        }
        let nested = child("Errors").and_then(|errors| errors.children.first());
        let why = child("Error").or(nested);
        let why = why.and_then(|error| error.one_text("Message").ok().flatten());
        let why = why.unwrap_or("no reason was given");
        Err(CliError::failed(format!("{action} was refused: {why}")))
    }
}
