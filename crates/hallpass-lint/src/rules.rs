//! The rules, one file per subject, and the order in which they look.

mod actions;
mod buckets;
mod conditions;
mod escalation;
mod grants;
mod mfa;
mod objects;
mod operators;
mod principals;
mod redundancy;
mod refusal;
mod resources;
mod statements;
mod style;
mod tags;
mod trust;
mod variables;

use crate::Options;
use crate::catalogue::{JSON_SYNTAX_ERROR, POLICY_SIZE_EXCEEDED};
use crate::document::Document;
use crate::finding::Finding;
use crate::report::Report;
use hallpass_policy::{DOCUMENT_BYTES_MAX, Policy, json};

/// Everything that can be said about a document, in the order of its text.
///
/// A document that [`Policy::parse`] refuses has at least one error, where the parser found it and in AWS's words, and
/// one that it takes has none. A document that is too long, or no JSON, has that error alone.
#[must_use]
pub fn check(text: &str, options: &Options) -> Vec<Finding> {
    let mut report = Report::default();
    let refused = Policy::parse(text, options.kind).err();
    if text.len() > DOCUMENT_BYTES_MAX {
        let message = refused.map(|error| error.message).unwrap_or_default();
        let help = "split the document, or shorten its lists with wildcards";
        report.add(POLICY_SIZE_EXCEEDED, &(0..0), message, help);
        return report.finish(text);
    }
    let root = match json::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let message = refused.map(|error| error.message).unwrap_or_default();
            let end = text.get(error.offset..).and_then(|rest| rest.chars().next());
            let span = error.offset..error.offset + end.map_or(0, char::len_utf8);
            let help = "correct the JSON from here on: a comma, a quote, a brace, or a key that stands twice";
            report.add(JSON_SYNTAX_ERROR, &span, message, help);
            return report.finish(text);
        }
    };
    let document = Document::new(text, &root, options.kind);
    if let Some(error) = refused {
        refusal::check(&document, &error, &mut report);
    }
    style::check(&document, &mut report);
    for statement in &document.statements {
        statements::check(statement, &mut report);
        actions::check(&document, statement, &mut report);
        resources::check(&document, statement, &mut report);
        conditions::check(&document, statement, &mut report);
        operators::check(statement, &mut report);
        variables::check(&document, statement, &mut report);
        principals::check(&document, statement, &mut report);
        trust::check(&document, statement, &mut report);
    }
    mfa::check(&document, &mut report);
    redundancy::check(&document, &mut report);
    let denied = grants::Grants::new(&document);
    grants::check(&denied, &mut report);
    objects::check(&denied, &mut report);
    buckets::check(&denied, &mut report);
    escalation::check(&denied, &mut report);
    tags::check(&document, &mut report);
    report.finish(text)
}
