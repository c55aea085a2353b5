//! XML in: whole small documents, read strictly.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// Deeper than any S3 document (a lifecycle rule's filter has six levels).
const DEPTH_MAX: usize = 16;
/// Above the largest legitimate document: 10,000 parts of up to eight elements.
const NODES_MAX: usize = 100_000;

/// A document that is not XML, or uses what no AWS document uses. Which of the two is of no use to its sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the XML is not well-formed")]
pub struct XmlError;

/// An element: either text or children, never both.
#[derive(Debug, Default)]
pub struct XmlNode {
    /// Its name, without a prefix.
    pub name: String,
    /// Its text, with entities resolved; empty when it has children.
    pub text: String,
    /// The elements inside.
    pub children: Vec<Node>,
}

type Node = XmlNode;

impl XmlNode {
    /// The only child of that name; several are refused, because readers differ in which one they take.
    ///
    /// # Errors
    /// [`XmlError`] when there are several.
    pub fn one(&self, name: &str) -> Result<Option<&Node>, XmlError> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        let first = found.next();
        if found.next().is_some() {
            Err(XmlError)
        } else {
            Ok(first)
        }
    }

    /// The text of the only child of that name.
    ///
    /// # Errors
    /// [`XmlError`] when there are several, or it has children.
    pub fn one_text(&self, name: &str) -> Result<Option<&str>, XmlError> {
        match self.one(name)? {
            Some(child) if child.children.is_empty() => Ok(Some(&child.text)),
            Some(_) => Err(XmlError),
            None => Ok(None),
        }
    }

    /// Refuses children of any other name.
    ///
    /// # Errors
    /// [`XmlError`] when there is one.
    pub fn only(&self, names: &[&str]) -> Result<(), XmlError> {
        let known = self
            .children
            .iter()
            .all(|child| names.contains(&child.name.as_str()));
        if known { Ok(()) } else { Err(XmlError) }
    }
}

/// Reads a document strictly: what an upstream would read from the same bytes must be what was read here.
///
/// Refused: document types, entities other than XML's own five and character references, comments and processing
/// instructions, names with a prefix, text beside elements, more than one root.
///
/// # Errors
/// [`XmlError`].
pub fn read_xml(bytes: &[u8]) -> Result<XmlNode, XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Node> = vec![];
    let mut root = None;
    let mut nodes = 0usize;
    loop {
        match reader.read_event().map_err(|_| XmlError)? {
            Event::Start(start) => {
                nodes += 1;
                if root.is_some() || open.len() >= DEPTH_MAX || nodes > NODES_MAX {
                    return Err(XmlError);
                }
                open.push(named(&start)?);
            }
            Event::Empty(start) => {
                nodes += 1;
                if nodes > NODES_MAX || root.is_some() {
                    return Err(XmlError);
                }
                close(named(&start)?, &mut open, &mut root)?;
            }
            Event::End(_) => {
                let node = open.pop().ok_or(XmlError)?;
                close(node, &mut open, &mut root)?;
            }
            Event::Text(piece) => push(&mut open, &piece.xml10_content())?,
            Event::CData(piece) => push(&mut open, &piece.xml10_content())?,
            Event::GeneralRef(reference) => {
                let character = match &*reference {
                    "lt" => '<',
                    "gt" => '>',
                    "amp" => '&',
                    "quot" => '"',
                    "apos" => '\'',
                    _ => reference
                        .resolve_char_ref()
                        .ok()
                        .flatten()
                        .filter(|character| *character != '\0')
                        .ok_or(XmlError)?,
                };
                let node = open.last_mut().ok_or(XmlError)?;
                node.text.push(character);
            }
            Event::Decl(_) if root.is_none() && open.is_empty() => {}
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {
                return Err(XmlError);
            }
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err(XmlError);
    }
    root.ok_or(XmlError)
}

fn named(start: &BytesStart<'_>) -> Result<Node, XmlError> {
    let name = start.name().0;
    if name.contains(':') {
        return Err(XmlError);
    }
    Ok(Node {
        name: name.to_owned(),
        ..Node::default()
    })
}

fn push(open: &mut [Node], text: &str) -> Result<(), XmlError> {
    match open.last_mut() {
        Some(node) => node.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err(XmlError),
    }
    Ok(())
}

fn close(mut node: Node, open: &mut [Node], root: &mut Option<Node>) -> Result<(), XmlError> {
    if !node.children.is_empty() {
        if !node.text.trim().is_empty() {
            return Err(XmlError);
        }
        node.text.clear();
    }
    match open.last_mut() {
        Some(parent) => parent.children.push(node),
        None => *root = Some(node),
    }
    Ok(())
}
