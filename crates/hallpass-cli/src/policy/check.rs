//! `hallpass policy check`: what `hallpass-lint` finds, printed, and on request mended.

mod account;

use super::account::{
    AccountSource, CREDENTIAL_REPORT_HEAD, EntityKind, REPORT_BYTES_MAX, credential_report, load,
};
use super::options::PolicyType;
use crate::error::CliError;
use crate::printer::Printer;
use clap::{Args as ClapArgs, ValueEnum};
use hallpass_agent::SystemClock;
use hallpass_lint::{Finding, Level, Options, render};
use hallpass_policy::json::{self, Json, Node};
use hallpass_policy::{DOCUMENT_BYTES_MAX, PolicyKind};
use hallpass_types::Clock as _;
use std::io::Write as _;
use std::path::Path;

/// Fixes can uncover what others hid; so often the result is checked and mended again.
const ROUNDS_MAX: usize = 10;

#[derive(Debug, ClapArgs)]
pub(crate) struct CheckArgs {
    /// The documents; `-` is standard input. With --live or --account, a credential report (CSV) too
    #[arg(required_unless_present_any = ["live", "account"], value_name = "FILE")]
    files: Vec<String>,
    /// Check the running server's whole account: every policy, what each entity's policies open together, and the ages
    /// of access keys
    #[arg(long, conflicts_with_all = ["account", "kind", "fix"])]
    live: bool,
    #[command(flatten)]
    source: AccountSource,
    /// Where they are attached [default: told by their contents]
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<PolicyType>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Apply the fixes to the files, then print what is left
    #[arg(long)]
    fix: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One object
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions
    Github,
}

/// A document and what was found in it.
struct Checked {
    name: String,
    text: String,
    findings: Vec<Finding>,
}

pub(crate) async fn run(options: &CheckArgs, printer: &Printer) -> Result<u8, CliError> {
    if options.source.account.is_some() && (options.fix || options.kind.is_some()) {
        return Err(
            CliError::failed("an account's documents have their types, and are not fixed here")
                .hint("leave --type and --fix out"),
        );
    }
    if options.fix && options.files.iter().any(|file| file == "-") {
        return Err(CliError::failed("cannot fix standard input").hint("name a file"));
    }
    let mut checked = Vec::new();
    let mut unread = false;
    // All input errors at once, and the findings of what could be read.
    if options.live || options.source.account.is_some() {
        let account = load(&options.source, true).await?;
        checked.extend(account::documents(&account));
        checked.extend(account::keys(&account.keys, SystemClock.now()));
        printer.say(&format!(
            "account {}: {}, {}",
            account.id,
            counted(account::entities(&account, EntityKind::User), "user"),
            counted(account::entities(&account, EntityKind::Role), "role"),
        ));
    }
    for file in &options.files {
        match check(options, file, printer) {
            Ok(found) => checked.extend(found),
            Err(error) => {
                printer.error(&error);
                unread = true;
            }
        }
    }
    print(options.format, &checked, printer);
    let findings = || checked.iter().flat_map(|file| &file.findings);
    let count = |level| findings().filter(|finding| finding.level == level).count();
    printer.say(&format!(
        "{}: {}, {}, {}, {}",
        counted(checked.len(), "document"),
        counted(count(Level::Error), "error"),
        counted(count(Level::SecurityWarning), "security warning"),
        counted(count(Level::Warning), "warning"),
        counted(count(Level::Suggestion), "suggestion"),
    ));
    let weighty = findings().any(|finding| finding.level != Level::Suggestion);
    Ok(match (unread, weighty) {
        (true, _) => 2,
        (false, true) => 1,
        (false, false) => 0,
    })
}

fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

fn check(options: &CheckArgs, file: &str, printer: &Printer) -> Result<Vec<Checked>, CliError> {
    let mut text = read(file)?;
    if text.starts_with(CREDENTIAL_REPORT_HEAD) {
        let failed = |error| CliError::failed(format!("`{file}`: {error}"));
        let keys = credential_report(&text).map_err(failed)?;
        return Ok(account::keys(&keys, SystemClock.now()));
    }
    let kind = match options.kind {
        Some(kind) => kind.into(),
        None => guess(&text),
    };
    let name = if file == "-" { "<stdin>" } else { file };
    let mut findings = hallpass_lint::check(&text, &Options { kind });
    if options.fix {
        let before = text.clone();
        for _ in 0..ROUNDS_MAX {
            let (fixed, titles) = hallpass_lint::apply(&text, &findings);
            if titles.is_empty() {
                break;
            }
            for title in titles {
                printer.say(&format!("{name}: {title}"));
            }
            text = fixed;
            findings = hallpass_lint::check(&text, &Options { kind });
        }
        if text != before {
            write(Path::new(file), &text)?;
        }
    }
    // Who reads "missing principal" must know that a principal was expected because of a guess.
    let matters = findings.iter().any(|finding| {
        ["PRINCIPAL", "UNSUPPORTED_ELEMENT", "UNSUPPORTED_ACTION"]
            .iter()
            .any(|part| finding.rule.name.contains(part))
    });
    if options.kind.is_none() && options.format == Format::Text && matters {
        let guess = match kind {
            PolicyKind::Trust => "trust",
            PolicyKind::Resource => "resource",
            _ => "identity",
        };
        printer.say(&format!("{name}: checked as `--type {guess}`, by its contents"));
    }
    Ok(vec![Checked {
        name: name.to_owned(),
        text,
        findings,
    }])
}

/// Reads a document, or a credential report. Longer than IAM takes it a document may be, so that the finding can say
/// so, but not without end.
fn read(file: &str) -> Result<String, CliError> {
    const MOST: usize = 8 * DOCUMENT_BYTES_MAX;
    let text = super::read_text(Path::new(file), REPORT_BYTES_MAX)?;
    if text.len() > MOST && !text.starts_with(CREDENTIAL_REPORT_HEAD) {
        return Err(CliError::failed(format!(
            "cannot read `{file}`: it is longer than {MOST} bytes, and no policy is longer than {DOCUMENT_BYTES_MAX}"
        )));
    }
    Ok(text)
}

/// Replaces the file's contents at once, under its old permissions; a link is followed.
fn write(file: &Path, text: &str) -> Result<(), CliError> {
    let failed =
        |error: std::io::Error| CliError::failed(format!("cannot write `{}`: {error}", file.display()));
    let target = std::fs::canonicalize(file).map_err(failed)?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    let mut fresh = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    fresh.write_all(text.as_bytes()).map_err(failed)?;
    let permissions = std::fs::metadata(&target).map_err(failed)?.permissions();
    fresh.as_file().set_permissions(permissions).map_err(failed)?;
    fresh.as_file().sync_all().map_err(failed)?;
    fresh.persist(&target).map_err(|error| failed(error.error))?;
    Ok(())
}

/// What kind of policy a document is: one that names principals is attached to a resource, and to a role when it
/// speaks of nothing but STS.
fn guess(text: &str) -> PolicyKind {
    let Ok(root) = json::parse(text) else {
        return PolicyKind::Identity;
    };
    let statements = member(&root, "Statement").map_or(&[][..], items);
    let principal = |node: &Node| {
        member(node, "Principal")
            .or(member(node, "NotPrincipal"))
            .is_some()
    };
    if !statements.iter().any(principal) {
        return PolicyKind::Identity;
    }
    let actions = statements
        .iter()
        .filter_map(|statement| member(statement, "Action"));
    let mut actions = actions.flat_map(items).peekable();
    let sts = |node: &Node| matches!(&node.value, Json::String(text) if text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("sts:")));
    if actions.peek().is_some() && actions.all(sts) {
        PolicyKind::Trust
    } else {
        PolicyKind::Resource
    }
}

fn member<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    match &node.value {
        Json::Object(members) => members
            .iter()
            .find(|(key, _)| key.text == name)
            .map(|(_, value)| value),
        _ => None,
    }
}

fn items(node: &Node) -> &[Node] {
    match &node.value {
        Json::Array(items) => items,
        _ => std::slice::from_ref(node),
    }
}

fn print(format: Format, checked: &[Checked], printer: &Printer) {
    match format {
        Format::Text => {
            for file in checked {
                for finding in &file.findings {
                    printer.data(&render::text::finding(&file.name, &file.text, finding));
                }
            }
        }
        Format::Github => {
            for file in checked {
                for finding in &file.findings {
                    printer.data(&render::github::annotation(&file.name, finding));
                }
            }
        }
        Format::Json => {
            let files = checked
                .iter()
                .map(|file| (file.name.as_str(), file.findings.as_slice()));
            printer.data(&render::json::document(files).to_string());
        }
        Format::Sarif => {
            let files = checked
                .iter()
                .map(|file| (file.name.as_str(), file.text.as_str(), file.findings.as_slice()));
            printer.data(&render::sarif::log(env!("CARGO_PKG_VERSION"), files).to_string());
        }
    }
}
