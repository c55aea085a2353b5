//! A SAML metadata document, as far as IAM looks at it when it is uploaded.

use hallpass_types::UnixSeconds;
use quick_xml::Reader;
use quick_xml::events::Event;

/// Deeper documents are refused.
const DEPTH_MAX: usize = 64;

/// Whether `document` is an identity provider's metadata, and until when it says it is good. `None` when it is not one.
/// Document types are refused: nothing that signs metadata needs one, and entities expand.
pub(super) fn valid_until(document: &str) -> Option<Option<UnixSeconds>> {
    let mut reader = Reader::from_str(document);
    let mut depth = 0usize;
    let (mut is_root_seen, mut is_provider, mut until) = (false, false, None);
    loop {
        let event = reader.read_event().ok()?;
        match &event {
            Event::Start(start) | Event::Empty(start) => {
                let name = start.name();
                let local = name.0.rsplit(':').next().unwrap_or_default();
                match depth {
                    0 if is_root_seen || local != "EntityDescriptor" => return None,
                    0 => {
                        is_root_seen = true;
                        if let Some(attribute) = start.try_get_attribute("validUntil").ok()? {
                            until = Some(UnixSeconds::from_rfc3339(&attribute.value).ok()?);
                        }
                    }
                    1 => is_provider |= local == "IDPSSODescriptor",
                    _ => {}
                }
                if matches!(event, Event::Start(_)) {
                    depth += 1;
                    if depth > DEPTH_MAX {
                        return None;
                    }
                }
            }
            Event::End(_) => depth = depth.checked_sub(1)?,
            Event::DocType(_) => return None,
            Event::Text(text) if depth == 0 && !text.xml10_content().trim().is_empty() => return None,
            Event::Eof => break,
            _ => {}
        }
    }
    (depth == 0 && is_provider).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(document: &str) -> Option<Option<String>> {
        valid_until(document).map(|until| until.map(UnixSeconds::iso8601))
    }

    #[test]
    fn prefixes_comments_and_declarations_are_no_hindrance() {
        let document = "<?xml version=\"1.0\"?><!-- made by x --><md:EntityDescriptor xmlns:md=\"urn:x\" \
                        validUntil=\"2036-01-02T03:04:05Z\"><md:IDPSSODescriptor/></md:EntityDescriptor>";
        assert_eq!(read(document), Some(Some("2036-01-02T03:04:05Z".to_owned())));
        assert_eq!(
            read("<EntityDescriptor><IDPSSODescriptor></IDPSSODescriptor></EntityDescriptor>"),
            Some(None)
        );
    }

    #[test]
    fn what_is_no_identity_provider_is_refused() {
        for document in [
            "",
            "words",
            "<EntityDescriptor/>",
            "<EntityDescriptor><SPSSODescriptor/></EntityDescriptor>",
            "<EntityDescriptor><a><IDPSSODescriptor/></a></EntityDescriptor>",
            "<EntityDescriptor><IDPSSODescriptor/>",
            "<EntityDescriptor validUntil=\"tomorrow\"><IDPSSODescriptor/></EntityDescriptor>",
            "<!DOCTYPE x [<!ENTITY a \"b\">]><EntityDescriptor><IDPSSODescriptor/></EntityDescriptor>",
            "<EntityDescriptor><IDPSSODescriptor/></EntityDescriptor><more/>",
        ] {
            assert_eq!(read(document), None, "{document}");
        }
        let deep = "<a>".repeat(100) + &"</a>".repeat(100);
        let document = format!("<EntityDescriptor><IDPSSODescriptor/>{deep}</EntityDescriptor>");
        assert_eq!(read(&document), None);
    }
}
