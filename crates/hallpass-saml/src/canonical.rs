//! Exclusive XML Canonicalization 1.0 without comments: the bytes that a signature is over.

use crate::tree::{Element, Node};
use std::collections::BTreeMap;

type Prefixes<'a> = BTreeMap<&'a str, &'a str>;

/// `apex` and what is in it, as canonical text. `around` are the elements it is in, the outermost first: the prefixes of
/// `inclusive` (`InclusiveNamespaces`; empty for the default one) are declared as they are there. `omitted` is left out,
/// which is what the transform of an enveloped signature means.
pub(crate) fn canonical(
    apex: &Element,
    around: &[&Element],
    inclusive: &[String],
    omitted: Option<&Element>,
) -> String {
    let mut scope = Prefixes::new();
    for element in around {
        declare(element, &mut scope);
    }
    let mut writer = Writer {
        out: String::new(),
        inclusive,
        omitted,
    };
    writer.element(apex, &scope, &Prefixes::new());
    writer.out
}

fn declare<'a>(element: &'a Element, scope: &mut Prefixes<'a>) {
    for (prefix, uri) in &element.declares {
        scope.insert(prefix, uri);
    }
}

struct Writer<'a> {
    out: String,
    inclusive: &'a [String],
    omitted: Option<&'a Element>,
}

impl Writer<'_> {
    /// `scope`: what is declared around the element. `written`: what is, in the text that was written around it. Never
    /// deeper than a document that was read.
    fn element(&mut self, element: &Element, scope: &Prefixes<'_>, written: &Prefixes<'_>) {
        let (mut scope, mut written) = (scope.clone(), written.clone());
        declare(element, &mut scope);
        let mut used = Prefixes::new();
        for prefix in self.inclusive {
            match scope.get(prefix.as_str()) {
                Some(uri) => used.insert(prefix, uri),
                None if prefix.is_empty() => used.insert("", ""),
                None => None,
            };
        }
        used.insert(&element.prefix, &element.namespace);
        for attribute in element.attributes.iter().filter(|it| !it.prefix.is_empty()) {
            used.insert(&attribute.prefix, &attribute.namespace);
        }
        let name = if element.prefix.is_empty() {
            element.local.clone()
        } else {
            format!("{}:{}", element.prefix, element.local)
        };
        self.out.push('<');
        self.out.push_str(&name);
        for (prefix, uri) in used {
            // Before anything is written there is no default namespace, and `xml` is never declared.
            if prefix == "xml" || written.get(prefix).copied().unwrap_or_default() == uri {
                continue;
            }
            self.out
                .push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.out.push_str(prefix);
            self.value(uri);
            written.insert(prefix, uri);
        }
        let mut attributes: Vec<_> = element.attributes.iter().collect();
        attributes.sort_by(|a, b| (&a.namespace, &a.local).cmp(&(&b.namespace, &b.local)));
        for attribute in attributes {
            self.out.push(' ');
            if !attribute.prefix.is_empty() {
                self.out.push_str(&attribute.prefix);
                self.out.push(':');
            }
            self.out.push_str(&attribute.local);
            self.value(&attribute.value);
        }
        self.out.push('>');
        for child in &element.children {
            match child {
                Node::Element(child) if self.omitted.is_some_and(|it| std::ptr::eq(it, child)) => {}
                Node::Element(child) => self.element(child, &scope, &written),
                Node::Text(text) => self.text(text),
            }
        }
        self.out.push_str("</");
        self.out.push_str(&name);
        self.out.push('>');
    }

    fn value(&mut self, value: &str) {
        self.out.push_str("=\"");
        for letter in value.chars() {
            match letter {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '"' => self.out.push_str("&quot;"),
                '\t' => self.out.push_str("&#x9;"),
                '\n' => self.out.push_str("&#xA;"),
                '\r' => self.out.push_str("&#xD;"),
                other => self.out.push(other),
            }
        }
        self.out.push('"');
    }

    fn text(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '\r' => self.out.push_str("&#xD;"),
                other => self.out.push(other),
            }
        }
    }
}

#[cfg(test)]
mod tests;
