//! Pages about the server itself.

use super::FrontDoor;
use crate::{hops, render};
use hallpass_gateway::Connection;
use hallpass_upstream::Body;

impl FrontDoor {
    /// Pages about the server itself. No bucket's name begins with `_`. The metrics are for the machine itself and for
    /// whoever the operator names.
    pub(super) fn own_page(&self, path: &str, connection: Connection) -> Option<http::Response<Body>> {
        let page = path.strip_prefix("/_hallpass/")?;
        let networks = &self.parts.gateway.config.listener.metrics_from;
        let may_see =
            connection.peer.ip().to_canonical().is_loopback() || hops::is_in(networks, connection.peer.ip());
        Some(match page {
            "healthz" => render::text(200, "text/plain", self.health()),
            "metrics" if may_see => {
                let upstreams = self.parts.gateway.upstreams.iter();
                let text = self.metrics.render(
                    upstreams.map(|upstream| (upstream.name(), upstream.health())),
                    self.parts.audit.health(),
                );
                render::text(200, "text/plain; version=0.0.4", text)
            }
            _ => match self.parts.authority.issuer_document(path) {
                Some(document) => render::text(200, "application/json", document),
                None => render::text(404, "text/plain", "there is no such page\n".to_owned()),
            },
        })
    }

    /// `ok`, and what an operator should know although requests are served.
    fn health(&self) -> String {
        let audit = self.parts.audit.health();
        let mut text = "ok\n".to_owned();
        if audit.lost() > 0 {
            text += &format!("audit: {} records lost\n", audit.lost());
        }
        if audit.is_failing() {
            text += "audit: records cannot be written\n";
        }
        if audit.delivery_failures() > 0 {
            text += "audit: records cannot be delivered\n";
        }
        text
    }
}
