//! Where the rules put what they find.

use crate::catalogue::Rule;
use crate::finding::{Finding, Fix};
use crate::place;
use hallpass_policy::json::{Key, Node};
use std::ops::Range;

/// A place in the document.
pub(crate) type Span = Range<usize>;

/// What can be pointed at.
pub(crate) trait At {
    /// The bytes it takes up.
    fn span(&self) -> Span;
}

impl At for Node {
    fn span(&self) -> Span {
        self.offset..self.end
    }
}

impl At for Key {
    fn span(&self) -> Span {
        self.offset..self.end
    }
}

impl At for Span {
    fn span(&self) -> Span {
        self.clone()
    }
}

struct Found {
    rule: &'static Rule,
    span: Span,
    message: String,
    help: String,
    fix: Option<Fix>,
}

/// Collects findings.
#[derive(Default)]
pub(crate) struct Report {
    found: Vec<Found>,
}

impl Report {
    pub(crate) fn add(
        &mut self,
        rule: &'static Rule,
        at: &impl At,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.found.push(Found {
            rule,
            span: at.span(),
            message: message.into(),
            help: help.into(),
            fix: None,
        });
    }

    /// Gives the latest finding a fix.
    pub(crate) fn fix(&mut self, title: impl Into<String>, mut edits: Vec<(Span, String)>) {
        edits.sort_by_key(|(span, _)| span.start);
        if let Some(found) = self.found.last_mut().filter(|_| !edits.is_empty()) {
            found.fix = Some(Fix {
                title: title.into(),
                edits,
            });
        }
    }

    /// The findings in the order of the text; of several at one place the weightier first.
    pub(crate) fn finish(mut self, text: &str) -> Vec<Finding> {
        self.found.sort_by(|a, b| {
            (a.span.start, a.rule.code, a.span.end).cmp(&(b.span.start, b.rule.code, b.span.end))
        });
        self.found
            .dedup_by(|b, a| a.rule == b.rule && a.span == b.span && a.message == b.message);
        let offsets = self
            .found
            .iter()
            .flat_map(|found| [found.span.start, found.span.end]);
        let places = place::positions(text, offsets.collect());
        let place = |offset: usize| {
            places.get(&offset).copied().unwrap_or(hallpass_policy::Position {
                line: 1,
                column: 1,
                offset: 0,
            })
        };
        self.found
            .into_iter()
            .map(|found| Finding {
                code: found.rule.code,
                rule: found.rule,
                level: found.rule.level,
                message: found.message,
                start: place(found.span.start),
                end: place(found.span.end),
                help: found.help,
                fix: found.fix,
            })
            .collect()
    }
}
