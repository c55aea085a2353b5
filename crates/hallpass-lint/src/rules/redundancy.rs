//! Actions, resources and statements that others cover.
//!
//! Comparing all with all would cost the square of the list's length. Almost every wildcard stands at the end, where a
//! look into a table for each of a text's beginnings is enough; of other patterns a limited number is compared.

use crate::catalogue::*;
use crate::document::{Document, Item, List, Statement};
use crate::fix::item_range;
use crate::glob;
use crate::report::{At as _, Report};
use std::collections::{HashMap, HashSet};

/// So many patterns with a wildcard elsewhere than at the end are compared with all others of their list.
const ODD_PATTERNS_MAX: usize = 50;
/// Statements are compared as long as their number, and the number of their actions and resources, is below these.
const STATEMENTS_MAX: usize = 50;
const ITEMS_MAX: usize = 300;

pub(super) fn check(document: &Document<'_>, report: &mut Report) {
    for statement in &document.statements {
        if let Some(list) = &statement.actions {
            let texts: Vec<&str> = list.items.iter().map(|item| item.lower.as_str()).collect();
            redundant(list, &covered(&texts, 0), REDUNDANT_ACTION, report);
        }
        if let Some(list) = &statement.resources {
            let texts: Vec<&str> = list.items.iter().map(|item| item.text).collect();
            redundant(list, &covered(&texts, 5), REDUNDANT_RESOURCE, report);
        }
    }
    statements(document, report);
}

fn redundant(list: &List<'_>, covered: &[Option<usize>], rule: &'static Rule, report: &mut Report) {
    for (item, cover) in list.items.iter().zip(covered) {
        let Some(cover) = cover.and_then(|cover| list.items.get(cover)) else {
            continue;
        };
        let message = if cover.text == item.text {
            format!("`{}` stands twice", item.text)
        } else {
            format!("`{}` is covered by `{}`", item.text, cover.text)
        };
        report.add(rule, item.node, message, "remove it");
        if let Some(range) = item_range(list.nodes, item.index) {
            report.fix(format!("remove `{}`", item.text), vec![(range, String::new())]);
        }
    }
}

/// For each text the index of another one that covers it. Of equal ones the first is kept. A `*` at the end counts as
/// matching anything only after so many colons, before which it belongs to a part of an ARN.
fn covered(texts: &[&str], colons: usize) -> Vec<Option<usize>> {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut starts: HashMap<&str, usize> = HashMap::new();
    let mut lengths: HashSet<usize> = HashSet::new();
    let mut odd: Vec<usize> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        first.entry(text).or_insert(index);
        if !text.contains(['*', '?']) {
            continue;
        }
        match text.strip_suffix('*') {
            Some(start)
                if !start.contains(['*', '?'])
                    && (start.is_empty() || start.matches(':').count() >= colons) =>
            {
                starts.entry(start).or_insert(index);
                lengths.insert(start.len());
            }
            _ if odd.len() < ODD_PATTERNS_MAX => odd.push(index),
            _ => {}
        }
    }
    let mut lengths: Vec<usize> = lengths.into_iter().collect();
    lengths.sort_unstable();
    let find = |(index, text): (usize, &&str)| {
        let same = first.get(text).copied().filter(|other| *other != index);
        let start = || {
            let shorter = lengths.iter().take_while(|length| **length <= text.len());
            let starts = shorter.filter_map(|length| starts.get(text.get(..*length)?));
            starts.copied().find(|other| texts.get(*other) != Some(text))
        };
        let pattern = || {
            let others = odd
                .iter()
                .copied()
                .filter(|other| texts.get(*other) != Some(text));
            others
                .into_iter()
                .find(|other| texts.get(*other).is_some_and(|wide| covers(wide, text, colons)))
        };
        same.or_else(start).or_else(pattern)
    };
    texts.iter().enumerate().map(find).collect()
}

/// Whether a pattern covers another, part by part.
fn covers(wide: &str, narrow: &str, colons: usize) -> bool {
    if wide == "*" {
        return true;
    }
    let parts = |text: &str| {
        text.splitn(colons + 1, ':')
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (wide, narrow) = (parts(wide), parts(narrow));
    wide.len() == narrow.len()
        && wide.len() == colons + 1
        && wide
            .iter()
            .zip(&narrow)
            .all(|(wide, narrow)| glob::covers(wide, narrow))
}

fn statements(document: &Document<'_>, report: &mut Report) {
    let statements = &document.statements;
    let items = |list: &Option<List<'_>>| list.as_ref().map_or(0, |list| list.items.len());
    let small =
        |statement: &&Statement<'_>| items(&statement.actions) + items(&statement.resources) <= ITEMS_MAX;
    let compared: Vec<&Statement<'_>> = statements.iter().filter(small).take(STATEMENTS_MAX).collect();
    let mut redundant: HashSet<usize> = HashSet::new();
    for narrow in &compared {
        let wide = compared.iter().find(|wide| {
            wide.index != narrow.index
                && !redundant.contains(&wide.index)
                && statement_covers(document, wide, narrow)
        });
        let Some(wide) = wide else {
            continue;
        };
        redundant.insert(narrow.index);
        let name = match wide.sid {
            Some((sid, _)) if !sid.is_empty() => format!("`{sid}`"),
            _ => format!("number {}", wide.index + 1),
        };
        let message = format!("the statement is covered by statement {name}");
        let start = narrow.node.offset..narrow.node.offset + 1;
        report.add(REDUNDANT_STATEMENT, &start, message, "remove it");
        let list = crate::document::members(document.root)
            .iter()
            .find(|(key, _)| key.text == "Statement");
        let nodes = list.map_or(&[][..], |(_, node)| crate::document::nodes(node));
        if let Some(range) = item_range(nodes, narrow.index) {
            let title = format!("remove statement number {}", narrow.index + 1);
            report.fix(title, vec![(range, String::new())]);
        }
    }
}

fn statement_covers(document: &Document<'_>, wide: &Statement<'_>, narrow: &Statement<'_>) -> bool {
    let source = |span: std::ops::Range<usize>| {
        let text = document.text.get(span).unwrap_or_default();
        text.chars()
            .filter(|char| !char.is_whitespace())
            .collect::<String>()
    };
    let element = |element: Option<(&hallpass_policy::json::Key, &hallpass_policy::json::Node)>| {
        element.map(|(key, node)| (key.text.clone(), source(node.span())))
    };
    wide.effect.is_some()
        && wide.effect == narrow.effect
        && element(wide.principal) == element(narrow.principal)
        && (wide.condition.is_none() || element(wide.condition) == element(narrow.condition))
        && list_covers(wide.actions.as_ref(), narrow.actions.as_ref(), 0, |item| {
            &item.lower
        })
        && list_covers(wide.resources.as_ref(), narrow.resources.as_ref(), 5, |item| {
            item.text
        })
}

/// Whether a list takes in all of another. Of lists that are negated, whether they are the same.
pub(super) fn list_covers<'a>(
    wide: Option<&'a List<'a>>,
    narrow: Option<&'a List<'a>>,
    colons: usize,
    text: impl Fn(&'a Item<'a>) -> &'a str,
) -> bool {
    let (wide, narrow) = match (wide, narrow) {
        (None, None) => return true,
        (Some(wide), Some(narrow)) => (wide, narrow),
        _ => return false,
    };
    if wide.negated || narrow.negated {
        let texts = |list: &'a List<'a>| list.items.iter().map(&text).collect::<HashSet<_>>();
        return wide.negated == narrow.negated && texts(wide) == texts(narrow);
    }
    !narrow.items.is_empty()
        && narrow.items.iter().all(|item| {
            let item = text(item);
            wide.items.iter().any(|wide| {
                let wide = text(wide);
                wide == item || covers(wide, item, colons)
            })
        })
}
