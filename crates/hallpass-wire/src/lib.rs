//! Codecs for AWS's query protocols: form parameters in, XML out. Bytes in, values out; nothing else.

mod query;
mod xml;
mod xml_reader;

pub use query::{QUERY_PARAMS_MAX, QueryError, QueryParams, percent_decode, percent_encode};
pub use xml::{Protocol, XmlWriter, error_document, escape, success_document};
pub use xml_reader::{XmlError, XmlNode, read_xml};
