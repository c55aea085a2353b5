/// Which of AWS's XML dialects a service speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// IAM, STS: `<XResponse><XResult>…</XResult><ResponseMetadata><RequestId>`, errors in `<ErrorResponse>`.
    Query {
        /// The service's XML namespace.
        namespace: &'static str,
    },
    /// EC2: fields directly in `<XResponse>` after `<requestId>`, errors in `<Response><Errors>`.
    Ec2 {
        /// The service's XML namespace.
        namespace: &'static str,
    },
    /// S3: errors in a bare `<Error>`.
    RestXml,
}

/// Writes well-formed XML: every text is escaped, every element closed by the closure that opened it.
#[derive(Debug, Default)]
pub struct XmlWriter {
    out: String,
}

impl XmlWriter {
    /// An empty document fragment.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// `<name>…</name>` around whatever `content` writes.
    pub fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) -> &mut Self {
        self.tag("<", name);
        content(self);
        self.tag("</", name);
        self
    }

    /// `<name>text</name>`.
    pub fn text(&mut self, name: &str, text: impl AsRef<str>) -> &mut Self {
        self.tag("<", name);
        escape_into(text.as_ref(), &mut self.out);
        self.tag("</", name);
        self
    }

    /// `<name>text</name>`, or nothing when there is no text.
    pub fn optional(&mut self, name: &str, text: Option<impl AsRef<str>>) -> &mut Self {
        if let Some(text) = text {
            self.text(name, text);
        }
        self
    }

    /// `<name><member>…</member>…</name>`, one member per item; `<item>` for EC2.
    pub fn list<T>(
        &mut self,
        name: &str,
        member: &str,
        items: impl IntoIterator<Item = T>,
        mut content: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.element(name, |xml| {
            for item in items {
                xml.element(member, |xml| content(xml, item));
            }
        })
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }

    fn tag(&mut self, open: &str, name: &str) {
        self.out.push_str(open);
        self.out.push_str(name);
        self.out.push('>');
    }

    fn raw(&mut self, text: &str) -> &mut Self {
        self.out.push_str(text);
        self
    }
}

/// Escapes text for element content and attribute values. Characters XML 1.0 cannot carry become U+FFFD.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape_into(text, &mut out);
    out
}

/// What needs no escape is copied in runs: session tokens and policy documents are long.
fn escape_into(text: &str, out: &mut String) {
    // U+FFFE and U+FFFF begin with 0xef; every byte named begins a character.
    let is_special = |byte| matches!(byte, 0..=0x1f | b'&' | b'<' | b'>' | b'"' | 0xef);
    let mut rest = text;
    while let Some((plain, special)) = rest
        .bytes()
        .position(is_special)
        .and_then(|at| rest.split_at_checked(at))
    {
        out.push_str(plain);
        let mut characters = special.chars();
        match characters.next() {
            Some('&') => out.push_str("&amp;"),
            Some('<') => out.push_str("&lt;"),
            Some('>') => out.push_str("&gt;"),
            Some('"') => out.push_str("&quot;"),
            // A bare CR would be normalised to LF by the reader and change a key's name.
            Some('\r') => out.push_str("&#13;"),
            Some(kept @ ('\t' | '\n')) => out.push(kept),
            Some('\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            Some(kept) => out.push(kept),
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

const PROLOG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// Actions whose result has no fields but is there all the same (AWS's models: an output with a result wrapper and no
/// members). boto fails without the element.
const EMPTY_RESULTS: &[&str] = &["PutAccountProperties", "UpdateRole"];

/// The answer to `action`, with `body` as its result fields.
#[must_use]
pub fn success_document(protocol: Protocol, action: &str, request_id: &str, body: &str) -> String {
    let mut xml = XmlWriter::new();
    match protocol {
        Protocol::Query { namespace } => {
            xml.raw(PROLOG)
                .raw(&format!("<{action}Response xmlns=\"{namespace}\">"));
            // Actions without a result have no result element (as AWS answers them).
            if !body.is_empty() || EMPTY_RESULTS.contains(&action) {
                xml.raw(&format!("<{action}Result>{body}</{action}Result>"));
            }
            xml.element("ResponseMetadata", |xml| {
                xml.text("RequestId", request_id);
            });
            xml.raw(&format!("</{action}Response>"));
        }
        Protocol::Ec2 { namespace } => {
            xml.raw(PROLOG)
                .raw(&format!("<{action}Response xmlns=\"{namespace}\">"));
            xml.text("requestId", request_id);
            xml.raw(body).raw(&format!("</{action}Response>"));
        }
        Protocol::RestXml => {
            xml.raw(PROLOG).raw(body);
        }
    }
    xml.finish()
}

/// An error in the shape of the protocol. `extra` are further elements S3 puts in its errors.
#[must_use]
pub fn error_document(
    protocol: Protocol,
    code: &str,
    message: &str,
    is_callers_fault: bool,
    request_id: &str,
    extra: &[(&str, &str)],
) -> String {
    let mut xml = XmlWriter::new();
    xml.raw(PROLOG);
    let error = |xml: &mut XmlWriter| {
        xml.text("Code", code).text("Message", message);
    };
    match protocol {
        Protocol::Query { namespace } => {
            xml.raw(&format!("<ErrorResponse xmlns=\"{namespace}\">"));
            xml.element("Error", |xml| {
                xml.text("Type", if is_callers_fault { "Sender" } else { "Receiver" });
                error(xml);
            });
            xml.text("RequestId", request_id).raw("</ErrorResponse>");
        }
        Protocol::Ec2 { .. } => {
            xml.element("Response", |xml| {
                xml.element("Errors", |xml| {
                    xml.element("Error", error);
                });
                xml.text("RequestID", request_id);
            });
        }
        Protocol::RestXml => {
            xml.element("Error", |xml| {
                error(xml);
                for (name, text) in extra {
                    xml.text(name, text);
                }
                xml.text("RequestId", request_id).text("HostId", request_id);
            });
        }
    }
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_error_shapes_are_aws_s() {
        let iam = Protocol::Query {
            namespace: "https://iam.amazonaws.com/doc/2010-05-08/",
        };
        let shown = error_document(iam, "NoSuchEntity", "a < b", true, "r-1", &[]);
        assert!(shown.ends_with(
            "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
             <Code>NoSuchEntity</Code><Message>a &lt; b</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
        ));
        let ec2 = error_document(
            Protocol::Ec2 { namespace: "" },
            "AuthFailure",
            "m",
            true,
            "r",
            &[],
        );
        assert!(ec2.ends_with(
            "<Response><Errors><Error><Code>AuthFailure</Code><Message>m</Message></Error></Errors>\
             <RequestID>r</RequestID></Response>"
        ));
        let s3 = error_document(Protocol::RestXml, "NoSuchKey", "m", true, "r", &[("Key", "a&b")]);
        assert!(
            s3.contains("<Error><Code>NoSuchKey</Code><Message>m</Message><Key>a&amp;b</Key><RequestId>r<")
        );
    }

    #[test]
    fn a_result_without_fields_is_there_where_aws_has_one() {
        let iam = Protocol::Query { namespace: "n" };
        let answer = |action| success_document(iam, action, "r", "");
        assert!(answer("UpdateRole").contains("<UpdateRoleResult></UpdateRoleResult>"));
        assert!(!answer("DeleteRole").contains("Result"));
    }

    #[test]
    fn no_text_can_break_out_of_its_element() {
        assert_eq!(
            escape("</a>&\"\u{0}\r\u{8}"),
            "&lt;/a&gt;&amp;&quot;\u{fffd}&#13;\u{fffd}"
        );
    }

    #[test]
    fn what_xml_can_carry_stays_and_only_the_two_that_are_no_characters_go() {
        // The first two share their first byte with those that go.
        let text = "\u{fffd}\u{ff46}é\t\n plain 🦀";
        assert_eq!(escape(text), text);
        assert_eq!(
            escape("a\u{fffe}b\u{ffff}\u{ffff}<"),
            "a\u{fffd}b\u{fffd}\u{fffd}&lt;"
        );
        assert_eq!(escape(""), "");
    }
}
