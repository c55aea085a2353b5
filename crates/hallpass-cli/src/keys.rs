//! `hallpass keys`: the authority's own keys, and their rotation while everything runs.

use crate::admin::Admin;
use crate::args::Location;
use crate::data_dir::write_private;
use crate::error::CliError;
use crate::printer::Printer;
use crate::revoke::tell_confirmations;
use clap::{Args as ClapArgs, Subcommand, ValueEnum};
use hallpass_agent::SystemEntropy;
use hallpass_types::Entropy as _;
use hallpass_wire::XmlNode;
use std::path::Path;
use zeroize::Zeroizing;

#[derive(Debug, ClapArgs)]
pub(crate) struct KeysArgs {
    #[command(flatten)]
    location: Location,
    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Their generations and ages
    Show,
    /// A new generation: known to every server, then used
    Rotate {
        /// Which
        kind: Kind,
    },
    /// Give up generations that nothing living was made with
    Retire,
    /// Write a new root key to FILE, for `rotate root`: every server has it as root.key.next first
    NewRoot {
        /// Where
        file: std::path::PathBuf,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// What session tokens are sealed under
    Epoch,
    /// What session tokens are signed with
    Mint,
    /// What long-term secrets are sealed under in the store
    Secrets,
    /// What the certificates of servers and machines are of
    Ca,
    /// What tokens for services elsewhere are signed with
    Tokens,
    /// What all of these are sealed under
    Root,
}

pub(crate) async fn run(options: KeysArgs, printer: &Printer) -> Result<u8, CliError> {
    if let KeysCommand::NewRoot { file } = &options.command {
        return new_root(file, printer);
    }
    let admin = Admin::running(&options.location)?;
    match options.command {
        KeysCommand::Show => show(&admin, printer).await,
        KeysCommand::Rotate { kind } => rotate(&admin, kind, printer).await,
        KeysCommand::Retire => {
            let answer = admin.call("hallpass", "RetireKeys", &[]).await?;
            let gone = answer.children.iter().find(|child| child.name == "GivenUp");
            for key in gone.into_iter().flat_map(|list| &list.children) {
                printer.data(&format!("gave up {}", text(key, "Key")));
            }
            confirmed(&answer, printer)
        }
        KeysCommand::NewRoot { .. } => Ok(0),
    }
}

fn text(node: &XmlNode, name: &str) -> String {
    node.one_text(name).ok().flatten().unwrap_or_default().to_owned()
}

fn confirmed(answer: &XmlNode, printer: &Printer) -> Result<u8, CliError> {
    if tell_confirmations(answer, printer) {
        return Ok(0);
    }
    Err(CliError::no("not every server confirmed it")
        .hint("bring the server back, or stop it for good, and run the command again"))
}

fn new_root(file: &Path, printer: &Printer) -> Result<u8, CliError> {
    if file.exists() {
        return Err(CliError::failed(format!("`{}` is there already", file.display())));
    }
    let mut key = Zeroizing::new([0_u8; 32]);
    SystemEntropy.fill(key.as_mut_slice());
    write_private(file, key.as_slice())?;
    printer.say(&format!(
        "a new root key is in `{}`: put it into every server's data directory as root.key.next, then `hallpass keys rotate root`",
        file.display()
    ));
    Ok(0)
}

async fn show(admin: &Admin, printer: &Printer) -> Result<u8, CliError> {
    let answer = admin.call("hallpass", "DescribeKeys", &[]).await?;
    let keys = answer.children.iter().find(|child| child.name == "Keys");
    for key in keys.into_iter().flat_map(|list| &list.children) {
        let made = text(key, "Made");
        printer.data(&format!(
            "{:<8} {:>3}  {:<20}  {}",
            text(key, "Kind"),
            text(key, "Generation"),
            if made.is_empty() {
                "at the first start"
            } else {
                &made
            },
            if text(key, "Current") == "true" {
                "in use"
            } else {
                "for reading"
            },
        ));
    }
    let left = text(&answer, "SecretsToReseal");
    if left != "0" {
        printer.data(&format!("{left} secrets are sealed under an older generation"));
    }
    Ok(0)
}

async fn rotate(admin: &Admin, kind: Kind, printer: &Printer) -> Result<u8, CliError> {
    let name = match kind {
        Kind::Epoch => "epoch",
        Kind::Mint => "mint",
        Kind::Secrets => "secrets",
        Kind::Ca => "ca",
        Kind::Tokens => "tokens",
        Kind::Root => {
            let answer = admin.call("hallpass", "ResealKeyring", &[]).await?;
            confirmed(&answer, printer)?;
            printer.say("sealed under the newest root key: move root.key.next over root.key on every server");
            return Ok(0);
        }
    };
    let kind = [("Kind".to_owned(), name.to_owned())];
    let added = admin.call("hallpass", "AddKey", &kind).await?;
    let generation = text(&added, "Generation");
    printer.say(&format!("generation {generation} of {name} is made"));
    // Used before everyone knows it, what it makes would be refused somewhere.
    confirmed(&added, printer)?;
    let [kind] = kind;
    let used = [kind, ("Generation".to_owned(), generation.clone())];
    let used = admin.call("hallpass", "UseKey", &used).await?;
    confirmed(&used, printer)?;
    if name == "secrets" {
        loop {
            let answer = admin.call("hallpass", "ResealSecrets", &[]).await?;
            if text(&answer, "Left").parse::<u64>().unwrap_or(0) == 0 {
                break;
            }
        }
    }
    printer.say(&format!("generation {generation} of {name} is in use"));
    Ok(0)
}
