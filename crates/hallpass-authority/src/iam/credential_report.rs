//! The credential report ("Getting credential reports for your AWS account").

use super::put;
use crate::ApiError;
use crate::call::{Ctx, Outcome};
use crate::entity::{AccessKey, CredentialReport, User};
use crate::state::key;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_types::UnixSeconds;
use hallpass_wire::XmlWriter;
use std::sync::Arc;

/// A report younger than this is not made anew.
const FRESH_SECONDS: i64 = 4 * 3_600;
const DAY_SECONDS: i64 = 86_400;
const COLUMNS: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
     password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
     access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
     access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
     cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
const NONE: &str = "N/A";

fn report<'a>(ctx: &'a Ctx<'_>) -> Option<&'a Arc<CredentialReport>> {
    ctx.account.reports.get("")
}

fn is_fresh(ctx: &Ctx<'_>, report: &CredentialReport) -> bool {
    ctx.call.now.since(report.generated) < FRESH_SECONDS
}

pub(crate) fn generate(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let mut xml = XmlWriter::new();
    if report(ctx).is_some_and(|report| is_fresh(ctx, report)) {
        xml.text("State", "COMPLETE");
        return Outcome::read(xml);
    }
    let made = CredentialReport {
        generated: ctx.call.now,
        csv: csv(ctx),
    };
    xml.text("State", "STARTED").text(
        "Description",
        "No report exists. Starting a new report generation task",
    );
    Outcome::made(xml, vec![put(key(ctx.account.id(), "report", ""), &made)])
}

pub(crate) fn get(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let report = report(ctx).ok_or_else(|| {
        ApiError::new(
            "ReportNotPresent",
            410,
            "No credential report exists. Generate one first.",
        )
    })?;
    if !is_fresh(ctx, report) {
        let message = "The credential report has expired. Generate a new one.";
        return Err(ApiError::new("ReportExpired", 410, message));
    }
    let mut xml = XmlWriter::new();
    xml.text("Content", STANDARD.encode(&report.csv))
        .text("ReportFormat", "text/csv")
        .text("GeneratedTime", report.generated.iso8601());
    Outcome::read(xml)
}

/// As the report writes instants: with an offset, unlike the API.
fn instant(at: UnixSeconds) -> String {
    at.iso8601().replace('Z', "+00:00")
}

fn quoted(text: &str) -> String {
    match text.contains([',', '"']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

fn csv(ctx: &Ctx<'_>) -> String {
    let mut lines = vec![COLUMNS.to_owned(), root_line(ctx)];
    lines.extend(ctx.account.users.values().map(|user| user_line(ctx, &user.user)));
    lines.join("\n")
}

fn root_line(ctx: &Ctx<'_>) -> String {
    let mut fields = vec![
        "<root_account>".to_owned(),
        super::arn_of(ctx, "root"),
        instant(ctx.account.account.created),
        "not_supported".to_owned(),
        NONE.to_owned(),
        "not_supported".to_owned(),
        "not_supported".to_owned(),
        false.to_string(),
    ];
    fields.extend(key_fields(ctx, None));
    fields.extend(["false", NONE, "false", NONE].map(str::to_owned));
    fields.join(",")
}

fn user_line(ctx: &Ctx<'_>, user: &User) -> String {
    let login = user.credentials.login.as_ref();
    let policy = ctx.account.settings().password_policy.as_ref();
    let rotation = policy.and_then(|policy| policy.max_age_days);
    let next = login
        .zip(rotation)
        .map(|(login, days)| instant(login.changed.plus(days.saturating_mul(DAY_SECONDS))));
    let or_none = |text: Option<String>| text.unwrap_or_else(|| NONE.to_owned());
    let mut fields = vec![
        quoted(&user.name),
        quoted(&crate::account::user_arn(ctx.account.id(), user)),
        instant(user.created),
        login.is_some().to_string(),
        // Nothing takes passwords, so none was ever used.
        or_none(login.map(|_| "no_information".to_owned())),
        or_none(login.map(|login| instant(login.changed))),
        or_none(next),
        ctx.account.mfa_devices_of(&user.id).next().is_some().to_string(),
    ];
    fields.extend(key_fields(ctx, Some(&user.name)));
    let mut certificates = user.credentials.signing_certificates.iter();
    for _ in 0..2 {
        let certificate = certificates.next();
        fields.push(certificate.is_some_and(|one| one.is_active).to_string());
        fields.push(or_none(certificate.map(|one| instant(one.uploaded))));
    }
    fields.join(",")
}

/// Five fields for each of two keys.
fn key_fields(ctx: &Ctx<'_>, user: Option<&str>) -> Vec<String> {
    let keys = ctx.state.keys_of(ctx.account.id(), user);
    let fields = |key: Option<&Arc<AccessKey>>| {
        let Some(key) = key else {
            return ["false", NONE, NONE, NONE, NONE].map(str::to_owned);
        };
        let used = ctx.last_use(key.id.as_str());
        let (date, region, service) = match used.latest() {
            Some((service, used)) => (instant(used.at), used.region.clone(), service.to_owned()),
            None => (NONE.to_owned(), NONE.to_owned(), NONE.to_owned()),
        };
        [
            key.is_active.to_string(),
            instant(key.created),
            date,
            region,
            service,
        ]
    };
    [fields(keys.first()), fields(keys.get(1))].concat()
}
