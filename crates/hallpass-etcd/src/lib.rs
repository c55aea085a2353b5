//! The store of a fleet: etcd 3.4 or newer, by its JSON gateway, with fail-over between its members.
//!
//! The gateway (`/v3/…`, "etcd gRPC gateway") is on in every etcd unless it was switched off, and needs of us nothing
//! but HTTP and JSON: no protocol compiler at build time, no second HTTP stack in the binary. State changes are few and
//! reads are served from memory, so the text costs nothing that anybody would notice.
//!
//! A write whose answer is lost is not sent again blindly: each writer keeps a marker key beside the data, written in
//! every transaction and compared in every transaction, so that a second try can neither be applied twice nor overtake
//! the first ([`EtcdStore`]).

mod client;
mod error;
mod store;
mod unanswered;
mod watching;
mod wire;

pub use error::OpenEtcdError;
pub use store::{EtcdConfig, EtcdStore, EtcdTls};
