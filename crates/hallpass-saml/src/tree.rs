//! A document as elements and text, with every name's namespace resolved.

use crate::SamlError;

/// An element, with what canonical form needs to write it again.
#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) prefix: String,
    pub(crate) local: String,
    /// Empty when it is in none.
    pub(crate) namespace: String,
    /// The namespaces it declares: prefix (empty for the default one) and URI, each prefix once.
    pub(crate) declares: Vec<(String, String)>,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) children: Vec<Node>,
}

#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) prefix: String,
    pub(crate) local: String,
    /// Empty without a prefix.
    pub(crate) namespace: String,
    pub(crate) value: String,
}

#[derive(Debug)]
pub(crate) enum Node {
    Element(Element),
    /// With entities resolved; never two in a row.
    Text(String),
}

impl Element {
    pub(crate) fn is(&self, namespace: &str, local: &str) -> bool {
        self.namespace == namespace && self.local == local
    }

    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    pub(crate) fn all<'a>(&'a self, namespace: &'a str, local: &'a str) -> impl Iterator<Item = &'a Element> {
        self.elements().filter(move |child| child.is(namespace, local))
    }

    /// The child of that name; several are refused, because readers differ in which one they take.
    pub(crate) fn optional(&self, namespace: &str, local: &str) -> Result<Option<&Element>, SamlError> {
        let mut found = self.elements().filter(|child| child.is(namespace, local));
        let first = found.next();
        match found.next() {
            Some(_) => Err(SamlError::unfit(format!("There is more than one {local}"))),
            None => Ok(first),
        }
    }

    pub(crate) fn only(&self, namespace: &str, local: &str) -> Result<&Element, SamlError> {
        self.optional(namespace, local)?
            .ok_or_else(|| SamlError::unfit(format!("There is no {local}")))
    }

    /// The value of an attribute without a namespace.
    pub(crate) fn attribute(&self, local: &str) -> Option<&str> {
        let mut own = self.attributes.iter().filter(|it| it.namespace.is_empty());
        own.find(|it| it.local == local).map(|it| it.value.as_str())
    }

    /// What is written in it; `None` when there are elements in it.
    pub(crate) fn exact_text(&self) -> Option<&str> {
        match self.children.as_slice() {
            [] => Some(""),
            [Node::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The same, without the white space around.
    pub(crate) fn text(&self) -> Option<&str> {
        self.exact_text().map(|text| text.trim_matches(is_space))
    }

    /// Itself and everything in it.
    pub(crate) fn walk(&self) -> impl Iterator<Item = &Element> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            let next = waiting.pop()?;
            waiting.extend(next.elements());
            Some(next)
        })
    }
}

/// XML's white space.
pub(crate) fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}
