//! `hallpass status`: what is running, and who holds what.

use crate::args::{Location, StatusArgs};
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::{AgentReady, audit_folder, find, find_agent};
use hallpass_agent::client::Client;
use serde_json::json;

pub(crate) async fn run(options: &StatusArgs, printer: &Printer) -> Result<u8, CliError> {
    let ready = find_agent(&options.location)?;
    let agent = Client::new(&ready.agent_socket)
        .status()
        .await
        .map_err(|error| CliError::failed(format!("the agent does not answer: {error}")))?;
    // Of a whole system there is more to tell.
    let system = find(&options.location)
        .ok()
        .filter(|system| system.agent_socket == ready.agent_socket);
    if options.json {
        let document = match &system {
            Some(system) => json!({ "system": system, "agent": agent }),
            None => json!({ "system": ready, "agent": agent }),
        };
        printer.data(&document.to_string());
        return Ok(0);
    }
    let AgentReady {
        metadata,
        region,
        instance,
        rules,
        ..
    } = ready;
    let account = system.as_ref().map(|system| system.account.clone());
    for (name, value) in [
        ("api", ready.api),
        ("metadata", metadata),
        ("account", account),
        ("region", Some(region)),
        ("instance", Some(instance)),
        (
            "data",
            system.as_ref().map(|system| system.data.display().to_string()),
        ),
        (
            "rules",
            Some(format!("{} ({} in force)", rules.display(), agent.rules)),
        ),
    ] {
        if let Some(value) = value {
            printer.data(&format!("{name:<10}{value}"));
        }
    }
    let callers = if agent.connect_record {
        "by the connect record"
    } else {
        "by looking through all processes"
    };
    printer.data(&format!("callers   {callers}"));
    if let Some(files) = &agent.files {
        let problem = files.problem.as_ref();
        let problem = problem.map_or(String::new(), |problem| format!(", WARNING: {problem}"));
        let (path, file_system) = (files.path.display(), &files.file_system);
        printer.data(&format!("files     {path} ({file_system}){problem}"));
    }
    if let Some(error) = &agent.rules_error {
        printer.data(&format!("WARNING   the rules file is not in force: {error}"));
    }
    if let Some(error) = &agent.last_error {
        printer.data(&format!("WARNING   {error}"));
    }
    if let Some(line) = audit_line(&options.location) {
        printer.data(&line);
    }
    if system.is_some()
        && let Ok(due @ 1..) = crate::report::due(&options.location).await
    {
        printer.data(&format!(
            "WARNING   {due} access keys should be rotated or deleted: `hallpass report`"
        ));
    }
    printer.data(&format!("roles     {}", agent.roles.join(", ")));
    for lease in &agent.leases {
        let holders: Vec<String> = lease
            .issued_to
            .iter()
            .map(|(uid, since)| format!("uid {uid} since {since}"))
            .collect();
        let holders = if holders.is_empty() {
            "nobody yet".to_owned()
        } else {
            holders.join(", ")
        };
        printer.data(&format!(
            "lease     {} {} until {}: {holders}",
            lease.role, lease.access_key_id, lease.expires_at
        ));
    }
    Ok(0)
}

/// The newest record, and how far delivery has got where there is any. Nothing to tell is no error here.
fn audit_line(location: &Location) -> Option<String> {
    let folder = audit_folder(location).ok()?;
    let newest = hallpass_audit::latest(&folder, 1).ok()?.pop()?;
    let newest = newest["hallpassChain"]["n"].as_u64()?;
    let Some(state) = hallpass_audit::ShippingState::read(&folder).ok()? else {
        return Some(format!("audit     {newest} records"));
    };
    let problem = state
        .error
        .map_or(String::new(), |error| format!(", WARNING: {error}"));
    Some(format!(
        "audit     {newest} records, {} delivered{problem}",
        state.delivered
    ))
}
