//! XML in, strictly: what no identity provider writes is refused rather than understood.

use crate::SamlError;
use crate::names::{XML, XMLNS};
use crate::tree::{Attribute, Element, Node, is_space};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

const DEPTH_MAX: usize = 64;
const ATTRIBUTES_MAX: usize = 64;
/// Prefixes that are declared in one place of the document.
const PREFIXES_MAX: usize = 64;

/// What a document may be.
#[derive(Clone, Copy)]
pub(crate) struct Rules {
    /// Elements and attributes.
    pub(crate) nodes_max: usize,
    /// Skipped when they may be there. In an assertion a comment would cut a name in two for some readers.
    pub(crate) has_comments: bool,
}

/// An identity provider's answer: some twenty elements, and one for each value of an attribute.
pub(crate) const RESPONSE: Rules = Rules {
    nodes_max: 10_000,
    has_comments: false,
};

type Scope = Rc<BTreeMap<String, String>>;

fn unreadable<T>(why: &'static str) -> Result<T, SamlError> {
    Err(SamlError::Unreadable(why))
}

/// The root of the document.
pub(crate) fn parse(text: &str, rules: Rules) -> Result<Element, SamlError> {
    if !text.chars().all(is_xml_char) {
        return unreadable("a character that XML has not");
    }
    let mut reader = Reader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut parsing = Parsing {
        open: vec![],
        root: None,
        nodes: 0,
        rules,
    };
    let mut is_first = true;
    loop {
        let Ok(event) = reader.read_event() else {
            return unreadable("it is not well-formed");
        };
        match event {
            Event::Start(start) => {
                let (element, scope) = parsing.started(&start)?;
                if parsing.open.len() >= DEPTH_MAX {
                    return unreadable("it is too deep");
                }
                parsing.open.push((element, scope));
            }
            Event::Empty(start) => {
                let (element, _) = parsing.started(&start)?;
                parsing.ended(element);
            }
            Event::End(_) => match parsing.open.pop() {
                Some((element, _)) => parsing.ended(element),
                None => return unreadable("it is not well-formed"),
            },
            Event::Text(piece) if piece.contains("]]>") => return unreadable("it is not well-formed"),
            Event::Text(piece) => parsing.text(&with_line_feeds(&piece))?,
            Event::CData(piece) => parsing.text(&with_line_feeds(&piece))?,
            Event::GeneralRef(name) => parsing.text(referred(&name)?.encode_utf8(&mut [0; 4]))?,
            Event::Decl(declaration) if is_first => {
                let is_utf8 = match declaration.encoding() {
                    None => true,
                    Some(Ok(name)) => name.eq_ignore_ascii_case("utf-8"),
                    Some(Err(_)) => false,
                };
                if !is_utf8 || !declaration.version().is_ok_and(|version| version == "1.0") {
                    return unreadable("it is not XML 1.0 in UTF-8");
                }
            }
            Event::Comment(_) if rules.has_comments => {}
            Event::Comment(_) => return unreadable("comments are not taken"),
            Event::DocType(_) => return unreadable("document types are not taken"),
            Event::PI(_) | Event::Decl(_) => return unreadable("processing instructions are not taken"),
            Event::Eof => break,
        }
        is_first = false;
    }
    match parsing.root {
        Some(root) if parsing.open.is_empty() => Ok(root),
        _ => unreadable("it is not well-formed"),
    }
}

struct Parsing {
    /// The elements around, with the prefixes that are declared inside each.
    open: Vec<(Element, Scope)>,
    root: Option<Element>,
    nodes: usize,
    rules: Rules,
}

impl Parsing {
    fn started(&mut self, start: &BytesStart<'_>) -> Result<(Element, Scope), SamlError> {
        if self.root.is_some() {
            return unreadable("it is not well-formed");
        }
        let mut given = vec![];
        for attribute in start.attributes().with_checks(false) {
            let Ok(attribute) = attribute else {
                return unreadable("it is not well-formed");
            };
            let (prefix, local) = name_of(attribute.key.0)?;
            given.push((prefix, local, attribute_value(&attribute.value)?));
            if given.len() > ATTRIBUTES_MAX {
                return unreadable("an element has too many attributes");
            }
        }
        self.nodes += 1 + given.len();
        if self.nodes > self.rules.nodes_max {
            return unreadable("it is too large");
        }
        let mut element = Element::default();
        let outer = self.open.last().map(|(_, scope)| Rc::clone(scope));
        let mut scope = outer.unwrap_or_default();
        let declares =
            |prefix: &str, local: &str| prefix == "xmlns" || (prefix.is_empty() && local == "xmlns");
        for (prefix, local, uri) in given.iter().filter(|(prefix, local, _)| declares(prefix, local)) {
            let declared = if prefix.is_empty() { "" } else { local };
            if declared == "xml" && uri == XML {
                continue;
            }
            let is_reserved = matches!(declared, "xml" | "xmlns") || uri == XML || uri == XMLNS;
            if is_reserved || (uri.is_empty() && !declared.is_empty()) {
                return unreadable("a namespace is declared that must not be");
            }
            if element.declares.iter().any(|(prefix, _)| prefix == declared) {
                return unreadable("an attribute is there twice");
            }
            element.declares.push((declared.to_owned(), uri.clone()));
            Rc::make_mut(&mut scope).insert(declared.to_owned(), uri.clone());
        }
        if scope.len() > PREFIXES_MAX {
            return unreadable("too many prefixes are declared");
        }
        let resolve = |prefix: &str| match (prefix, scope.get(prefix)) {
            ("xml", _) => Ok(XML.to_owned()),
            (_, Some(uri)) => Ok(uri.clone()),
            ("", None) => Ok(String::new()),
            (_, None) => unreadable("a prefix is not declared"),
        };
        let (prefix, local) = name_of(start.name().0)?;
        if prefix == "xmlns" {
            return unreadable("a prefix is not declared");
        }
        element.namespace = resolve(prefix)?;
        element.prefix = prefix.to_owned();
        element.local = local.to_owned();
        let mut names = BTreeSet::new();
        for (prefix, local, value) in given.iter().filter(|(prefix, local, _)| !declares(prefix, local)) {
            let namespace = if prefix.is_empty() {
                String::new()
            } else {
                resolve(prefix)?
            };
            if !names.insert((namespace.clone(), *local)) {
                return unreadable("an attribute is there twice");
            }
            element.attributes.push(Attribute {
                prefix: (*prefix).to_owned(),
                local: (*local).to_owned(),
                namespace,
                value: value.clone(),
            });
        }
        Ok((element, scope))
    }

    fn ended(&mut self, element: Element) {
        match self.open.last_mut() {
            Some((parent, _)) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), SamlError> {
        let Some((parent, _)) = self.open.last_mut() else {
            return match text.trim_matches(is_space) {
                "" => Ok(()),
                _ => unreadable("it is not well-formed"),
            };
        };
        match parent.children.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ if text.is_empty() => {}
            _ => parent.children.push(Node::Text(text.to_owned())),
        }
        Ok(())
    }
}

/// Prefix and local part. Letters beyond ASCII are in no name of SAML's.
fn name_of(name: &str) -> Result<(&str, &str), SamlError> {
    let (prefix, local) = name.split_once(':').unwrap_or(("", name));
    let is_name = |part: &str| {
        part.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    if is_name(local) && (is_name(prefix) || !name.contains(':')) {
        Ok((prefix, local))
    } else {
        unreadable("a name is not one")
    }
}

/// An attribute's value: white space that is written as such is blanks (XML 1.0 §3.3.3).
fn attribute_value(raw: &str) -> Result<String, SamlError> {
    if raw.contains('<') {
        return unreadable("it is not well-formed");
    }
    let mut pieces = raw.split('&');
    let blank = |text: &str| text.replace("\r\n", " ").replace(['\t', '\r', '\n'], " ");
    let mut value = blank(pieces.next().unwrap_or_default());
    for piece in pieces {
        let Some((name, rest)) = piece.split_once(';') else {
            return unreadable("it is not well-formed");
        };
        value.push(referred(name)?);
        value.push_str(&blank(rest));
    }
    Ok(value)
}

/// The character that `&name;` stands for: one of the five, or one by number.
fn referred(name: &str) -> Result<char, SamlError> {
    let by_number = |digits: &str, radix| {
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(digits, radix).ok().filter(|_| is_number)?;
        char::from_u32(number).filter(|letter| is_xml_char(*letter))
    };
    let letter = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match (name.strip_prefix("#x"), name.strip_prefix('#')) {
            (Some(digits), _) => by_number(digits, 16),
            (None, Some(digits)) => by_number(digits, 10),
            (None, None) => None,
        },
    };
    letter.ok_or(SamlError::Unreadable("an entity is not one of XML's own"))
}

/// Ends of lines as a reader of XML sees them (XML 1.0 §2.11).
fn with_line_feeds(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn is_xml_char(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests;
