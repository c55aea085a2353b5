//! `hallpass why`: what was decided about a request, and what would change it.

use crate::args::WhyArgs;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::audit_folder;
use serde_json::Value;

pub(crate) fn run(options: &WhyArgs, printer: &Printer) -> Result<u8, CliError> {
    let folder = audit_folder(&options.location)?;
    let records = hallpass_audit::find(&folder, &options.request_id)
        .map_err(|error| CliError::failed(error.to_string()))?;
    if records.is_empty() {
        return Err(
            CliError::no(format!("no request `{}` is on record", options.request_id))
                .hint("the id is in the answer's x-amz-request-id header, and in `hallpass audit tail`"),
        );
    }
    for record in &records {
        if options.json {
            printer.data(&record.to_string());
        } else {
            explain(record, printer);
        }
    }
    Ok(0)
}

fn explain(record: &Value, printer: &Printer) {
    let text = |pointer: &str| {
        record
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let detail = |name: &str| {
        record
            .pointer(&format!("/additionalEventData/hallpass/{name}"))
            .cloned()
    };
    let who = match text("/userIdentity/arn") {
        arn if arn.is_empty() => format!("unknown (key {})", or_dash(text("/userIdentity/accessKeyId"))),
        arn => arn,
    };
    let refused = !text("/errorCode").is_empty();
    let mut lines = vec![
        ("request", text("/requestID")),
        ("time", text("/eventTime")),
        ("who", who),
        ("from", text("/sourceIPAddress")),
        (
            "asked",
            format!("{} ({})", text("/eventName"), text("/eventSource")),
        ),
    ];
    let resources = record
        .get("resources")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    lines.extend(
        resources
            .iter()
            .filter_map(|r| r["ARN"].as_str())
            .map(|arn| ("on", arn.to_owned())),
    );
    lines.push((
        "decision",
        if refused {
            format!("refused: {}", text("/errorCode"))
        } else {
            "allowed".to_owned()
        },
    ));
    if refused {
        lines.push(("answer", text("/errorMessage")));
    }
    if let Some(allowed) = detail("allowedBy").as_ref().and_then(Value::as_array) {
        lines.extend(
            allowed
                .iter()
                .filter_map(Value::as_str)
                .map(|statement| ("allowed by", statement.to_owned())),
        );
    }
    if let Some(reason) = detail("reason").as_ref().and_then(Value::as_str) {
        lines.extend(reason.split("; ").map(|part| ("because", part.to_owned())));
    }
    for name in ["uid", "user", "pid", "exe", "rule", "door", "role"] {
        if let Some(value) = detail(name).filter(|value| !value.is_null()) {
            lines.push((
                name,
                value.as_str().map_or_else(|| value.to_string(), str::to_owned),
            ));
        }
    }
    for (name, value) in lines {
        printer.data(&format!("{name:<11}{value}"));
    }
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".to_owned() } else { text }
}
