//! `hallpass report`: every long-term key, how old it is, when it was last used, and which should go.

use crate::admin::Admin;
use crate::args::Location;
use crate::error::CliError;
use crate::printer::Printer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Args as ClapArgs, ValueEnum};
use hallpass_agent::SystemClock;
use hallpass_types::{Clock as _, UnixSeconds};
use hallpass_wire::XmlNode;
use serde_json::json;

/// A key older than this is due, unless something else is said (CIS benchmark for AWS, "Ensure access keys are rotated
/// every 90 days or less").
pub(crate) const DAYS_MAX: i64 = 90;
const DAY_SECONDS: i64 = 86_400;

#[derive(Debug, ClapArgs)]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    location: Location,
    /// A table, one JSON object a line, or AWS's credential report as it is
    #[arg(long, value_enum, default_value_t = Form::Table)]
    format: Form,
    /// Days after which a key is to be rotated, and one that was not used is to go
    #[arg(long, value_name = "DAYS", default_value_t = DAYS_MAX)]
    days: i64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Form {
    Table,
    Json,
    Csv,
}

/// A long-term key.
struct Key {
    user: String,
    id: String,
    is_active: bool,
    age_days: i64,
    /// When, for which service, in which region.
    last_used: Option<(UnixSeconds, String, String)>,
}

impl Key {
    /// What should be done about it.
    fn findings(&self, now: UnixSeconds, days: i64) -> Vec<&'static str> {
        let mut found = vec![];
        if !self.is_active {
            found.push("inactive: delete it");
            return found;
        }
        if self.age_days > days {
            found.push("never rotated");
        }
        match &self.last_used {
            None if self.age_days > days => found.push("never used: delete it"),
            Some((at, ..)) if now.since(*at) / DAY_SECONDS > days => found.push("unused: delete it"),
            _ => {}
        }
        found
    }
}

pub(crate) async fn run(options: &ReportArgs, printer: &Printer) -> Result<u8, CliError> {
    let admin = Admin::running(&options.location)?;
    if matches!(options.format, Form::Csv) {
        return csv(&admin, printer).await;
    }
    let now = SystemClock.now();
    let mut keys = keys(&admin, now).await?;
    keys.sort_by_key(|key| std::cmp::Reverse(key.age_days));
    if matches!(options.format, Form::Table) {
        printer.data(&format!(
            "{:<20} {:<20} {:>5}  {:<38} findings",
            "user", "key", "days", "last used"
        ));
    }
    let mut due = 0;
    for key in &keys {
        let findings = key.findings(now, options.days);
        due += usize::from(!findings.is_empty());
        match options.format {
            Form::Json => {
                let last = key.last_used.as_ref().map(|(at, service, region)| {
                    json!({ "at": at.iso8601(), "service": service, "region": region })
                });
                let line = json!({
                    "user": key.user, "accessKeyId": key.id, "active": key.is_active, "ageDays": key.age_days,
                    "lastUsed": last, "findings": findings,
                });
                printer.data(&line.to_string());
            }
            _ => {
                let last = key.last_used.as_ref();
                let last = last.map_or_else(
                    || "never".to_owned(),
                    |(at, service, region)| format!("{} {service} {region}", at.iso8601()),
                );
                let row = format!(
                    "{:<20} {:<20} {:>5}  {last:<38} {}",
                    key.user,
                    key.id,
                    key.age_days,
                    findings.join(", ")
                );
                printer.data(row.trim_end());
            }
        }
    }
    if due > 0 {
        printer.say(&format!(
            "{due} of {} keys should be rotated or deleted",
            keys.len()
        ));
        return Ok(1);
    }
    Ok(0)
}

/// How many active keys were not rotated in `days`; for the status page.
pub(crate) async fn due(location: &Location) -> Result<usize, CliError> {
    let admin = Admin::running(location)?;
    let now = SystemClock.now();
    let keys = keys(&admin, now).await?;
    Ok(keys
        .iter()
        .filter(|key| !key.findings(now, DAYS_MAX).is_empty())
        .count())
}

async fn csv(admin: &Admin, printer: &Printer) -> Result<u8, CliError> {
    admin.iam("GenerateCredentialReport", &[]).await?;
    let answer = admin.iam("GetCredentialReport", &[]).await?;
    let content = answer.one_text("Content").ok().flatten().unwrap_or_default();
    let text = STANDARD
        .decode(content.trim())
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| CliError::failed("the credential report cannot be read"))?;
    printer.data(text.trim_end());
    Ok(0)
}

fn text(node: &XmlNode, name: &str) -> Option<String> {
    node.one_text(name).ok().flatten().map(str::to_owned)
}

/// Every member of a list, page after page.
async fn all(
    admin: &Admin,
    action: &str,
    list: &str,
    params: &[(String, String)],
) -> Result<Vec<XmlNode>, CliError> {
    let (mut found, mut marker) = (vec![], None::<String>);
    loop {
        let mut params = params.to_vec();
        params.extend(marker.take().map(|marker| ("Marker".to_owned(), marker)));
        let mut page = admin.iam(action, &params).await?;
        marker = text(&page, "Marker");
        if let Some(at) = page.children.iter().position(|child| child.name == list) {
            found.append(&mut page.children.swap_remove(at).children);
        }
        if marker.is_none() {
            return Ok(found);
        }
    }
}

async fn keys(admin: &Admin, now: UnixSeconds) -> Result<Vec<Key>, CliError> {
    let mut keys = vec![];
    for user in all(admin, "ListUsers", "Users", &[]).await? {
        let name = text(&user, "UserName").unwrap_or_default();
        let of_user = [("UserName".to_owned(), name.clone())];
        for key in all(admin, "ListAccessKeys", "AccessKeyMetadata", &of_user).await? {
            let id = text(&key, "AccessKeyId").unwrap_or_default();
            let asked = [("AccessKeyId".to_owned(), id.clone())];
            let answer = admin.iam("GetAccessKeyLastUsed", &asked).await?;
            let last = answer
                .children
                .iter()
                .find(|child| child.name == "AccessKeyLastUsed");
            let last_used = last.and_then(|last| {
                let at = UnixSeconds::from_rfc3339(&text(last, "LastUsedDate")?).ok()?;
                Some((
                    at,
                    text(last, "ServiceName").unwrap_or_default(),
                    text(last, "Region").unwrap_or_default(),
                ))
            });
            let made = text(&key, "CreateDate").and_then(|at| UnixSeconds::from_rfc3339(&at).ok());
            keys.push(Key {
                user: name.clone(),
                id,
                is_active: text(&key, "Status").as_deref() == Some("Active"),
                age_days: made.map_or(0, |made| now.since(made) / DAY_SECONDS),
                last_used,
            });
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_due_by_its_age_and_by_its_use() {
        let now = UnixSeconds(1_800_000_000);
        let key = |age_days: i64, used_days_ago: Option<i64>, is_active: bool| Key {
            user: "ann".to_owned(),
            id: "AKIA".to_owned(),
            is_active,
            age_days,
            last_used: used_days_ago
                .map(|days| (now.plus(-days * DAY_SECONDS), String::new(), String::new())),
        };
        let found = |key: Key| key.findings(now, 90);
        assert!(found(key(90, Some(1), true)).is_empty());
        assert!(found(key(10, None, true)).is_empty());
        assert_eq!(found(key(91, Some(1), true)), ["never rotated"]);
        assert_eq!(
            found(key(91, None, true)),
            ["never rotated", "never used: delete it"]
        );
        assert_eq!(
            found(key(400, Some(91), true)),
            ["never rotated", "unused: delete it"]
        );
        assert_eq!(found(key(400, None, false)), ["inactive: delete it"]);
    }
}
