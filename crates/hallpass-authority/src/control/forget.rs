//! A server that is gone for good: nobody waits for its word any more.

use crate::ApiError;
use crate::call::{Ctx, Outcome};
use hallpass_store::Op;
use hallpass_wire::XmlWriter;

/// One that lives writes itself down again as soon as it sees that it is forgotten: only the dead stay so.
pub(super) fn server(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let name = ctx.required("Server")?;
    let key = format!("v1/system/server/{name}");
    if !ctx.state.revisions.contains_key(&key) {
        return Err(ApiError::no_such_entity(format!("There is no server {name}.")));
    }
    let mut xml = XmlWriter::new();
    xml.text("Server", name);
    Outcome::made(xml, vec![Op::Delete(key)])
}
