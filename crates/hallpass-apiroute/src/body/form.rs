use crate::value::Value;
use hallpass_wire::QueryParams;
use std::collections::BTreeMap;

/// Deeper names than any model's (`A.member.1.B.member.1.C`).
const PARTS_MAX: usize = 24;

/// The parameters of a query request.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) action: Option<String>,
    pub(crate) version: Option<String>,
    /// All of them as a tree: `A.member.1` is `A` → `member` → `1`.
    pub(crate) value: Value,
}

/// Reads a form; every name once, in any case.
pub(super) fn read(body: &[u8]) -> Result<Form, &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not text")?;
    let params =
        QueryParams::parse(text).map_err(|_| "it is not a form with every name once, within the limits")?;
    let mut root = BTreeMap::new();
    let mut names: Vec<String> = vec![];
    for (name, value) in params.iter() {
        // What authenticates, and decides nothing.
        if name.to_ascii_lowercase().starts_with("x-amz-") {
            continue;
        }
        names.push(name.to_ascii_lowercase());
        let parts: Vec<_> = name.split('.').take(PARTS_MAX + 1).collect();
        if parts.len() > PARTS_MAX {
            return Err("a name has too many parts");
        }
        insert(&mut root, &parts, value).ok_or("a name is both a value and a structure")?;
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    if names.len() != count {
        return Err("two names differ in case only");
    }
    Ok(Form {
        action: params.get("Action").map(str::to_owned),
        version: params.get("Version").map(str::to_owned),
        value: Value::Map(root),
    })
}

fn insert(map: &mut BTreeMap<String, Value>, parts: &[&str], value: &str) -> Option<()> {
    let (first, rest) = parts.split_first()?;
    if rest.is_empty() {
        let old = map.insert((*first).to_owned(), Value::Text(value.to_owned()));
        return old.is_none().then_some(());
    }
    let inner = map
        .entry((*first).to_owned())
        .or_insert_with(|| Value::Map(BTreeMap::new()));
    match inner {
        Value::Map(inner) => insert(inner, rest, value),
        _ => None,
    }
}
