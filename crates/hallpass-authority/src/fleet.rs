//! The other servers that answer for the same store.

use hallpass_types::UnixSeconds;
use hallpass_wire::XmlWriter;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What became of one server's question how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The server's name.
    pub server: String,
    /// After how long it showed the change; `None` if it did not say so.
    pub after: Option<Duration>,
    /// A server that does not confirm has lost the store, or its way to us: from this instant at the latest it refuses
    /// every session.
    pub refuses_from: Option<UnixSeconds>,
}

/// All servers of a fleet.
pub trait Fleet: Send + Sync {
    /// Waits until every server shows `revision`, or is known to refuse everything before long.
    fn confirm(&self, revision: u64) -> Pin<Box<dyn Future<Output = Vec<Confirmation>> + Send + '_>>;
    /// Whether every change is confirmed before it is answered, not only what must be (`consistent`).
    fn confirms_all(&self) -> bool;
}

/// The confirmations as part of an answer.
pub(crate) fn confirmations_xml(confirmations: &[Confirmation]) -> String {
    let mut xml = XmlWriter::new();
    xml.list("Confirmations", "member", confirmations, |xml, confirmation| {
        xml.text("Server", &confirmation.server);
        if let Some(after) = confirmation.after {
            xml.text("Microseconds", after.as_micros().to_string());
        }
        if let Some(from) = confirmation.refuses_from {
            xml.text("RefusesFrom", from.iso8601());
        }
    });
    xml.finish()
}
