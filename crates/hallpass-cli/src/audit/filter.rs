//! Which records are wanted.

use crate::error::CliError;
use crate::instant::instant;
use clap::Args as ClapArgs;
use hallpass_gateway::glob_matches;
use hallpass_session::Network;
use hallpass_types::UnixSeconds;
use serde_json::Value;
use std::net::IpAddr;

#[derive(Debug, Clone, Default, ClapArgs)]
pub(super) struct FilterArgs {
    /// From when on: RFC 3339, a date, or how long ago (7d, 12h, 30m)
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// Until when
    #[arg(long, value_name = "T")]
    until: Option<String>,
    /// Of an IAM user, or of a user of this machine that got a credential
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Of a role's sessions
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// Of an access key, or of what made it
    #[arg(long, value_name = "KEY-ID")]
    key: Option<String>,
    /// The action, with * and ?: s3:Get*, iam:*, AssumeRole
    #[arg(long, value_name = "GLOB")]
    action: Option<String>,
    /// What was touched, by ARN, with * and ?
    #[arg(long, value_name = "GLOB")]
    resource: Option<String>,
    /// The error code, with * and ?; '*' is any error
    #[arg(long, value_name = "GLOB")]
    error: Option<String>,
    /// Where it came from: an address or a network (10.0.0.0/8)
    #[arg(long, value_name = "ADDR")]
    source_ip: Option<String>,
    /// How it ended: served, refused or issued
    #[arg(long, value_name = "WORD", value_parser = ["served", "refused", "issued"])]
    decision: Option<String>,
}

/// The same, understood.
pub(super) struct Filter {
    pub(super) since: Option<UnixSeconds>,
    until: Option<UnixSeconds>,
    source: Option<Network>,
    args: FilterArgs,
}

impl FilterArgs {
    pub(super) fn read(&self, now: UnixSeconds) -> Result<Filter, CliError> {
        let time =
            |text: &Option<String>, flag| text.as_deref().map(|text| instant(text, now, flag)).transpose();
        let network = |text: &String| {
            text.parse::<IpAddr>()
                .map(Network::from)
                .or_else(|_| text.parse::<Network>())
                .map_err(|error| CliError::failed(format!("--source-ip {text}: {error}")))
        };
        let mut args = self.clone();
        args.action = args.action.map(|action| action.to_ascii_lowercase());
        Ok(Filter {
            since: time(&self.since, "--since")?,
            until: time(&self.until, "--until")?,
            source: self.source_ip.as_ref().map(network).transpose()?,
            args,
        })
    }
}

fn text<'a>(record: &'a Value, pointer: &str) -> &'a str {
    record
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

impl Filter {
    /// Whether a record can be in a file of that day: none is in one of an earlier day than its own.
    pub(super) fn may_be_in(&self, day: &str) -> bool {
        self.since
            .is_none_or(|since| since.iso8601().get(..10).is_none_or(|first| day >= first))
    }

    pub(super) fn wants(&self, record: &Value) -> bool {
        let is = |wanted: &Option<String>, pointers: &[&str]| {
            wanted
                .as_ref()
                .is_none_or(|wanted| pointers.iter().any(|pointer| text(record, pointer) == wanted))
        };
        self.is_in_time(record)
            && is(
                &self.args.user,
                &["/userIdentity/userName", "/additionalEventData/hallpass/user"],
            )
            && is(
                &self.args.role,
                &[
                    "/userIdentity/sessionContext/sessionIssuer/userName",
                    "/requestParameters/role",
                ],
            )
            && is(
                &self.args.key,
                &["/userIdentity/accessKeyId", "/responseElements/accessKeyId"],
            )
            && is(&self.args.decision, &["/additionalEventData/hallpass/decision"])
            && self
                .args
                .action
                .as_ref()
                .is_none_or(|glob| is_action(glob, record))
            && self.args.error.as_ref().is_none_or(|glob| {
                let code = text(record, "/errorCode");
                !code.is_empty() && glob_matches(glob, code)
            })
            && self.args.resource.as_ref().is_none_or(|glob| {
                let touched = record["resources"]
                    .as_array()
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                touched.iter().any(|one| glob_matches(glob, text(one, "/ARN")))
            })
            && self.source.is_none_or(|network| {
                let address = text(record, "/sourceIPAddress").parse::<IpAddr>();
                address.is_ok_and(|address| network.contains(address))
            })
    }

    fn is_in_time(&self, record: &Value) -> bool {
        if self.since.is_none() && self.until.is_none() {
            return true;
        }
        let Ok(time) = UnixSeconds::from_rfc3339(text(record, "/eventTime")) else {
            return false;
        };
        self.since.is_none_or(|since| since <= time) && self.until.is_none_or(|until| time <= until)
    }
}

/// Actions are written in any case, as in policies.
fn is_action(glob: &str, record: &Value) -> bool {
    let name = text(record, "/eventName").to_ascii_lowercase();
    if !glob.contains(':') {
        return glob_matches(glob, &name);
    }
    let source = text(record, "/eventSource");
    let service = source.split('.').next().unwrap_or_default();
    glob_matches(glob, &format!("{service}:{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_filter_takes_what_fits_and_nothing_else() {
        let record = json!({
            "eventTime": "2026-01-31T12:00:00Z",
            "eventSource": "s3.amazonaws.com",
            "eventName": "GetObject",
            "errorCode": "AccessDenied",
            "sourceIPAddress": "10.1.2.3",
            "userIdentity": {"accessKeyId": "ASIAX", "sessionContext": {"sessionIssuer": {"userName": "app"}}},
            "resources": [{"ARN": "arn:aws:s3:::b/k"}],
            "additionalEventData": {"hallpass": {"decision": "refused", "user": "ana"}},
        });
        let some = |text: &str| Some(text.to_owned());
        type Set = fn(&mut FilterArgs, Option<String>);
        let cases: [(Set, &str, &str); 10] = [
            (|args, value| args.since = value, "2026-01-31", "2026-02-01"),
            (|args, value| args.until = value, "2026-02-01", "2026-01-31"),
            (|args, value| args.user = value, "ana", "an"),
            (|args, value| args.role = value, "app", "ap*"),
            (|args, value| args.key = value, "ASIAX", "ASIAY"),
            (|args, value| args.action = value, "S3:get*", "iam:*"),
            (|args, value| args.resource = value, "*:::b/*", "*:::c/*"),
            (|args, value| args.error = value, "*", "NoSuch*"),
            (|args, value| args.source_ip = value, "10.0.0.0/8", "10.1.2.4"),
            (|args, value| args.decision = value, "refused", "served"),
        ];
        for (set, fits, fails) in cases {
            for (value, expect) in [(fits, true), (fails, false)] {
                let mut args = FilterArgs::default();
                set(&mut args, some(value));
                let filter = args.read(UnixSeconds(0)).unwrap();
                assert_eq!(filter.wants(&record), expect, "{value}");
            }
        }
        let args = FilterArgs {
            source_ip: some("here"),
            ..FilterArgs::default()
        };
        assert!(args.read(UnixSeconds(0)).is_err());
    }
}
