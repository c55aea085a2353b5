//! `hallpass revoke`: takes back what was handed out, and says when every server knows.

use crate::admin::Admin;
use crate::args::Location;
use crate::error::CliError;
use crate::printer::Printer;
use clap::{Args as ClapArgs, Subcommand};
use hallpass_wire::XmlNode;

#[derive(Debug, ClapArgs)]
pub(crate) struct RevokeArgs {
    #[command(flatten)]
    location: Location,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// One session, and every session that came of it
    Session {
        /// Its access key, ASIA…
        #[arg(value_name = "KEY-ID")]
        key: String,
    },
    /// Every session of a role issued until now
    Role {
        /// The role
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Every session of an instance issued until now, and its certificate: it has to enrol again
    Instance {
        /// i-…
        #[arg(value_name = "ID")]
        id: String,
        /// It never may again
        #[arg(long)]
        terminate: bool,
    },
    /// A long-term key and every session that came of it
    Key {
        /// AKIA…
        #[arg(value_name = "KEY-ID")]
        key: String,
    },
    /// All keys of a user and every session that came of them
    User {
        /// The user
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// A server that is gone for good: nobody waits for its word any more
    Server {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
    },
}

impl What {
    fn call(&self) -> (&'static str, Vec<(String, String)>) {
        let one = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        match self {
            Self::Session { key } => ("RevokeSession", one("AccessKeyId", key)),
            Self::Role { name } => ("RevokeRole", one("RoleName", name)),
            Self::Key { key } => ("RevokeAccessKey", one("AccessKeyId", key)),
            Self::User { name } => ("RevokeUser", one("UserName", name)),
            Self::Server { name } => ("ForgetServer", one("Server", name)),
            Self::Instance { id, terminate } => {
                let mut params = one("InstanceId", id);
                if *terminate {
                    params.extend(one("Terminate", "true"));
                }
                ("RevokeInstance", params)
            }
        }
    }
}

pub(crate) async fn run(options: RevokeArgs, printer: &Printer) -> Result<u8, CliError> {
    let admin = Admin::running(&options.location)?;
    let (action, params) = options.what.call();
    let answer = admin.call("hallpass", action, &params).await?;
    if let What::Server { name } = &options.what {
        printer.say(&format!(
            "{name} is forgotten; were it alive, it would come back by itself"
        ));
        return Ok(0);
    }
    let confirmed = tell_confirmations(&answer, printer);
    let what = params.first().map_or("", |(_, value)| value.as_str());
    if confirmed {
        printer.say(&format!("{what} is revoked everywhere"));
        Ok(0)
    } else {
        printer.say(&format!("{what} is revoked, but not every server confirmed it"));
        Ok(1)
    }
}

/// A line for each server; whether all of them confirmed. A system of one process has nobody to ask.
pub(crate) fn tell_confirmations(answer: &XmlNode, printer: &Printer) -> bool {
    let servers = answer.children.iter().find(|child| child.name == "Confirmations");
    let mut all = true;
    for server in servers.into_iter().flat_map(|list| &list.children) {
        let text = |name: &str| {
            server
                .one_text(name)
                .ok()
                .flatten()
                .unwrap_or_default()
                .to_owned()
        };
        let name = text("Server");
        match text("Microseconds").parse::<f64>() {
            Ok(microseconds) => {
                printer.data(&format!(
                    "{name:<20} confirmed after {:.1} ms",
                    microseconds / 1_000.0
                ));
            }
            Err(_) => {
                all = false;
                let from = text("RefusesFrom");
                printer.data(&format!(
                    "{name:<20} DID NOT CONFIRM: without the store it refuses everything from {from} at the latest"
                ));
            }
        }
    }
    all
}
