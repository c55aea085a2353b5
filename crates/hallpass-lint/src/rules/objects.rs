//! Policies that reach every object in S3, whoever stored it: what the managed policy for Systems Manager once did.

use super::grants::{Grants, arn, narrowed, on};
use crate::catalogue::*;
use crate::report::Report;

pub(super) fn check(grants: &Grants<'_, '_>, report: &mut Report) {
    // One finding for each statement, at the first words that say so.
    let reads = ["s3:getobject", "s3:getobjectversion"];
    let writes = ["s3:putobject", "s3:deleteobject", "s3:deleteobjectversion"];
    for (rule, actions, verb) in [
        (READS_EVERY_OBJECT, &reads[..], "read"),
        (WRITES_EVERY_OBJECT, &writes[..], "written or deleted"),
    ] {
        let mut told = Vec::new();
        for action in actions {
            for grant in grants.of(action) {
                let statement = grant.statement;
                if !told.contains(&statement.index) && on(statement, every_object) && !narrowed(statement) {
                    told.push(statement.index);
                    let message = format!("every object in every bucket can be {verb}");
                    let help = "name the buckets: `arn:aws:s3:::bucket/*`";
                    report.add(rule, &grant.span, message, help);
                }
            }
        }
    }
}

fn every_object(text: &str) -> bool {
    matches!(text, "*" | "arn:*")
        || arn(text).is_some_and(|(service, path)| {
            service == "s3" && path.bytes().all(|byte| matches!(byte, b'*' | b'/'))
        })
}
