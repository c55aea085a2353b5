//! On EC2: everyone but the agent is led from the real metadata service to the agent, by nftables.
//!
//! One table of our own, replaced in one transaction, so that it coexists with other people's tables and can be set up
//! any number of times. Whoever had a connection to the real service is cut off: translation alone would let it go on.
//! If the agent dies the table stays, and what it leads to refuses: closed, not open. Forwarded packets (containers) are
//! led likewise where they come from one of the named interfaces, and dropped where not.
//!
//! Source: nft(8); that a reject must look at the direction, and translation at connections that are older, was found
//! by trying.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::process::{Command, Stdio};

use crate::link_local::{METADATA_V4, METADATA_V6};

/// Its name; nobody else's table is touched.
const TABLE: &str = "inet hallpass_agent";
/// Interfaces behind which containers usually are.
pub const CONTAINER_INTERFACES: [&str; 6] = ["docker0", "br-*", "podman*", "cni*", "lxc*", "virbr*"];

/// What is led where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The uid that reaches the real service: the agent's own, and nobody else's.
    pub agent_uid: u32,
    /// The port the agent listens on, at every address; only connections led here reach it.
    pub port: u16,
    /// Interfaces of containers, each a name that may end in `*`.
    pub container_interfaces: Vec<String>,
}

/// Why there is no redirection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// Root's other processes would be let through as well.
    #[error(
        "the agent runs as root: give it a user of its own, or every process of root reaches the real service"
    )]
    Root,
    /// Not the name of an interface.
    #[error("`{0}` is not an interface's name: letters, digits, `.`, `_`, `-`, and perhaps `*` at its end")]
    Interface(String),
    /// nft could not be run.
    #[error("cannot run nft: {0}")]
    Run(#[from] io::Error),
    /// nft said no; nothing was changed.
    #[error("nft refuses: {0}")]
    Refused(String),
}

impl Redirect {
    /// Puts the rules in force, all or nothing, replacing those that were there.
    ///
    /// # Errors
    /// [`RedirectError`]; what was in force before then still is.
    pub fn up(&self) -> Result<(), RedirectError> {
        nft(&self.ruleset()?)
    }

    /// Takes our rules away: the real service is open to everyone again.
    ///
    /// # Errors
    /// [`RedirectError::Run`] and [`RedirectError::Refused`]. That there are none is no error.
    pub fn down() -> Result<(), RedirectError> {
        // Made first, so that deleting it cannot fail.
        nft(&format!("table {TABLE}\ndelete table {TABLE}\n"))
    }

    /// Closes the real service to everyone but `agent_uid`, until [`up`](Self::up): for early in the boot.
    ///
    /// # Errors
    /// [`RedirectError`].
    pub fn close(agent_uid: u32) -> Result<(), RedirectError> {
        if agent_uid == 0 {
            return Err(RedirectError::Root);
        }
        nft(&format!(
            "table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n{}{}}}\n",
            output_filter(agent_uid),
            forward_filter()
        ))
    }

    /// Whether our rules are in force.
    ///
    /// # Errors
    /// If nft cannot be run.
    pub fn is_up() -> io::Result<bool> {
        let mut words = TABLE.split(' ');
        let (family, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let listed = Command::new("nft")
            .args(["list", "chain", family, name, "nat_output"])
            .stdin(Stdio::null())
            .output()?;
        Ok(listed.status.success())
    }

    fn ruleset(&self) -> Result<String, RedirectError> {
        if self.agent_uid == 0 {
            return Err(RedirectError::Root);
        }
        for name in &self.container_interfaces {
            let bare = name.strip_suffix('*').unwrap_or(name);
            let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if !(1..=15).contains(&bare.len()) || !bare.bytes().all(fine) {
                return Err(RedirectError::Interface(name.clone()));
            }
        }
        let (uid, port) = (self.agent_uid, self.port);
        let mut text = format!("table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n");
        let mut chain = |name: &str, hook: &str, rules: &str| {
            // Writing to a string cannot fail.
            let _ = write!(text, "chain {name} {{\ntype {hook}; policy accept;\n{rules}}}\n");
        };
        let mut lead = String::new();
        for address in [METADATA_V4, METADATA_V6] {
            let _ = writeln!(
                lead,
                "{} tcp dport 80 meta skuid != {uid} redirect to :{port}",
                to(address)
            );
        }
        chain("nat_output", "nat hook output priority -100", &lead);
        let mut lead = String::new();
        for interface in &self.container_interfaces {
            for address in [METADATA_V4, METADATA_V6] {
                let to = to(address);
                let _ = writeln!(
                    lead,
                    "iifname \"{interface}\" {to} tcp dport 80 redirect to :{port}"
                );
            }
        }
        chain("nat_prerouting", "nat hook prerouting priority -100", &lead);
        // What was not led here has no business at this port: neighbours on the network above all.
        let guard = format!("tcp dport {port} ct status & dnat == 0 drop\n");
        chain("input_guard", "filter hook input priority 0", &guard);
        text.push_str(&output_filter(uid));
        text.push_str(&forward_filter());
        text.push_str("}\n");
        Ok(text)
    }
}

fn to(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => format!("ip daddr {v4}"),
        IpAddr::V6(v6) => format!("ip6 daddr {v6}"),
    }
}

/// Only what the agent sends may go on to the real service. Answers to it would match, too, without the direction.
fn output_filter(uid: u32) -> String {
    let mut rules =
        String::from("chain output_guard {\ntype filter hook output priority 0; policy accept;\n");
    for address in [METADATA_V4, METADATA_V6] {
        let to = to(address);
        let _ = writeln!(
            rules,
            "{to} ct direction original meta skuid != {uid} meta l4proto tcp reject with tcp reset"
        );
        let _ = writeln!(rules, "{to} ct direction original meta skuid != {uid} drop");
    }
    rules.push_str("}\n");
    rules
}

fn forward_filter() -> String {
    let mut rules =
        String::from("chain forward_guard {\ntype filter hook forward priority 0; policy accept;\n");
    for address in [METADATA_V4, METADATA_V6] {
        let to = to(address);
        let _ = writeln!(rules, "{to} meta l4proto tcp reject with tcp reset");
        let _ = writeln!(rules, "{to} drop");
    }
    rules.push_str("}\n");
    rules
}

fn nft(ruleset: &str) -> Result<(), RedirectError> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(ruleset.as_bytes())?;
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(RedirectError::Refused(
            said.lines().next().unwrap_or_default().to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redirect(interfaces: &[&str]) -> Redirect {
        Redirect {
            agent_uid: 990,
            port: 1338,
            container_interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    #[test]
    fn nothing_but_an_interface_s_name_gets_into_the_rules() {
        assert!(redirect(&CONTAINER_INTERFACES).ruleset().is_ok());
        for bad in [
            "",
            "*",
            "a b",
            "eth0\" accept",
            "a;b",
            "**",
            "averyveryverylongname",
            "a*b",
        ] {
            let told = redirect(&[bad]).ruleset().unwrap_err().to_string();
            assert!(told.contains("not an interface"), "{bad}: {told}");
        }
    }

    #[test]
    fn root_is_not_let_through() {
        let root = Redirect {
            agent_uid: 0,
            ..redirect(&[])
        };
        assert!(matches!(root.ruleset(), Err(RedirectError::Root)));
        assert!(matches!(Redirect::close(0), Err(RedirectError::Root)));
    }
}
