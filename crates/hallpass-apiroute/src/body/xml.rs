use crate::value::Value;
use hallpass_wire::{XmlNode, read_xml};
use std::collections::BTreeMap;

/// Reads an XML document; its root's name does not matter, elements of one name are a list.
pub(super) fn read(body: &[u8]) -> Result<Value, &'static str> {
    let root = read_xml(body).map_err(|_| "it is not well-formed XML")?;
    Ok(match value(root) {
        map @ Value::Map(_) => map,
        _ => Value::Map(BTreeMap::new()),
    })
}

/// The reader has bounded the depth.
fn value(node: XmlNode) -> Value {
    if node.children.is_empty() {
        return Value::Text(node.text);
    }
    let mut map: BTreeMap<String, Value> = BTreeMap::new();
    let mut lists: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for child in node.children {
        lists.entry(child.name.clone()).or_default().push(value(child));
    }
    for (name, mut items) in lists {
        let one = if items.len() == 1 { items.pop() } else { None };
        map.insert(name, one.unwrap_or(Value::List(items)));
    }
    Value::Map(map)
}
