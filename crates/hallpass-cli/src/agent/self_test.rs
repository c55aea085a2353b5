//! The self-test: once a minute or so a process of `nobody` asks for credentials at the well-known address, and must hear what
//! the rules say and nothing else. It is what tells that a firewall's restart has opened a way around the agent.

use crate::error::CliError;
use crate::printer::Printer;
use clap::Args as ClapArgs;
use hallpass_agent::{Agent, Shutdown};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;

const DEADLINE: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(3);
/// `nobody` on every Linux system.
const NOBODY: u32 = 65_534;

#[derive(Debug, ClapArgs)]
pub(crate) struct ProbeArgs {
    /// The metadata service's address and port
    #[arg(value_name = "ADDR")]
    address: SocketAddr,
    /// Sent as the client's name
    #[arg(long, default_value = "hallpass-self-test")]
    user_agent: String,
}

/// Prints the status of the role list, or `closed` when nobody answers.
pub(crate) fn probe(options: &ProbeArgs, printer: &Printer) -> Result<u8, CliError> {
    // Started by an agent with rights of its own: what is tried here is what a process without any is told.
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    if let Err(error) = set_capabilities(None, sets) {
        return Err(CliError::failed(format!("cannot give up its rights: {error}")));
    }
    let heard = ask(options.address, &options.user_agent).unwrap_or_else(|_| "closed".to_owned());
    printer.data(&heard);
    Ok(0)
}

fn ask(address: SocketAddr, user_agent: &str) -> std::io::Result<String> {
    let exchange = |head: String| -> std::io::Result<(String, String)> {
        let mut stream = TcpStream::connect_timeout(&address, CONNECT)?;
        stream.set_read_timeout(Some(CONNECT))?;
        stream.write_all(head.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(16 * 1_024).read_to_end(&mut answer)?;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap_or("nothing").to_owned();
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        Ok((status, body.unwrap_or_default()))
    };
    let common = format!("Host: {address}\r\nUser-Agent: {user_agent}\r\nConnection: close\r\n");
    let (status, token) = exchange(format!(
        "PUT /latest/api/token HTTP/1.1\r\n{common}X-aws-ec2-metadata-token-ttl-seconds: 30\r\nContent-Length: 0\r\n\r\n"
    ))?;
    let token = match status.as_str() {
        "200" => format!("X-aws-ec2-metadata-token: {}\r\n", token.trim()),
        _ => String::new(),
    };
    let (status, _) = exchange(format!(
        "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\n{common}{token}\r\n"
    ))?;
    Ok(status)
}

/// Tests `address` now and then again `every` so often, until `shutdown`.
pub(crate) async fn run(agent: Arc<Agent>, address: SocketAddr, every: Duration, mut shutdown: Shutdown) {
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failed = false;
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            () = shutdown.wait() => return,
        }
        let result = test(&agent, address).await;
        match &result {
            Err(reason) => {
                failed = true;
                tracing::error!(%address, reason, "SELF-TEST FAILED: processes may get credentials past the agent");
            }
            Ok(()) if failed => {
                failed = false;
                tracing::warn!(%address, "the self-test passes again");
            }
            Ok(()) => {}
        }
        agent.note_self_test(result);
    }
}

async fn test(agent: &Arc<Agent>, address: SocketAddr) -> Result<(), String> {
    let expected = if agent.would_give(NOBODY).await {
        "200"
    } else {
        "404"
    };
    // By /proc, because nobody may not be able to reach the folder the program lies in.
    let asked = Command::new("/proc/self/exe")
        .args(["agent", "probe", &address.to_string()])
        .env_clear()
        .uid(NOBODY)
        .gid(NOBODY)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(DEADLINE, asked)
        .await
        .map_err(|_| "nobody answered in time".to_owned())?
        .map_err(|error| format!("cannot start a process of nobody: {error}"))?;
    let heard = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if heard == expected {
        Ok(())
    } else if heard == "200" {
        Err("a process of nobody, which no rule gives a role, was offered one".to_owned())
    } else {
        Err(format!("a process of nobody heard `{heard}`, not {expected}"))
    }
}
