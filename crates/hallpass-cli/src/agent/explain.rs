//! `hallpass agent explain`: which rule matches, and why the others do not.

use crate::args::Location;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::find_agent;
use clap::{ArgGroup, Args};
use hallpass_agent::Explanation;
use hallpass_agent::client::{Client, ClientError};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whom").required(true)))]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    location: Location,
    /// The agent's socket [default: that of the system that runs on the data directory]
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    socket: Option<PathBuf>,
    /// The process with this number; another user's only as root
    #[arg(long, value_name = "N", group = "whom")]
    pid: Option<u32>,
    /// The process at LOCAL of a TCP connection to PEER, as ss(8) shows it there: 10.0.0.5:41000-169.254.169.254:80
    #[arg(long, value_name = "LOCAL-PEER", group = "whom", value_parser = ends)]
    connection: Option<(SocketAddr, SocketAddr)>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn ends(text: &str) -> Result<(SocketAddr, SocketAddr), String> {
    let address = |text: &str| {
        text.parse()
            .map_err(|_| format!("`{text}` is not an address with a port"))
    };
    let (local, peer) = text
        .split_once('-')
        .ok_or("there is no `-` between two addresses")?;
    Ok((address(local)?, address(peer)?))
}

pub(crate) async fn run(options: &ExplainArgs, printer: &Printer) -> Result<u8, CliError> {
    let socket = match &options.socket {
        Some(socket) => socket.clone(),
        None => find_agent(&options.location)?.agent_socket,
    };
    let client = Client::new(&socket);
    let explained = match options.connection {
        Some((local, peer)) => client.explain_connection(local, peer).await,
        None => client.explain(options.pid).await,
    };
    let explanation = explained.map_err(|error| match error {
        ClientError::Refused { .. } => CliError::no(error.to_string()),
        _ => CliError::failed(error.to_string()),
    })?;
    if options.json {
        printer.data(&json!(explanation).to_string());
    } else {
        print(&explanation, printer);
    }
    Ok(u8::from(explanation.matched.is_none()))
}

fn print(explanation: &Explanation, printer: &Printer) {
    for (name, value) in &explanation.facts {
        printer.data(&format!("{name:<16}{value}"));
    }
    if !explanation.facts.is_empty() {
        printer.data("");
    }
    for report in &explanation.skipped {
        printer.data(&format!("no   {}: {}", report.rule, report.reason));
    }
    match &explanation.matched {
        Some(rule) => {
            printer.data(&format!("yes  {rule}: {}", explanation.roles.join(", ")));
            if explanation.available != explanation.roles {
                let available = explanation.available.join(", ");
                let available = if available.is_empty() { "none" } else { &available };
                printer.data(&format!("     of these the instance profile has: {available}"));
            }
        }
        None => printer.data("no rule matches: there is no role"),
    }
}
