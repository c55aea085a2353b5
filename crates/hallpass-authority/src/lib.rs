//! The authority: keeps identities, mints sessions. IAM, STS and the EC2 actions that bring a role to a machine.
//!
//! Knows no HTTP: a call is an action's name and its parameters, an answer is XML or an [`ApiError`].
//! A call is executed only with the [`hallpass_access::Permit`] for it; [`Authority::requirement`] says what that takes.
//!
//! Reads come from a snapshot in memory that follows the store; a write returns when the store has it on disk
//! and the snapshot shows it.

mod account;
mod anywhere;
mod authority;
mod bundle;
mod call;
mod certificates;
mod control;
mod ec2;
mod entity;
mod error;
mod federation;
mod fleet;
mod following;
mod iam;
mod identity_document;
mod keyring;
mod last_used;
mod managed;
mod model;
mod names;
mod organizations;
mod outbound;
mod password;
mod principals;
mod qr;
mod sessions;
mod state;
mod sts;
mod totp;
mod tree;
mod waiting;
mod x509;

pub use anywhere::{
    CertificateHolder, CertificateKey, CertificateSession, CertificateSessionRequest, signed_by,
};
pub use authority::{Authority, Bootstrap, Machine, OpenAuthorityError, RootKeys};
pub use call::{ActionInfo, Answer, Call, Requirement, Service};
pub use certificates::{CertificateError, NodeName, ServerIdentity};
pub use control::{EnrolError, Enrolled};
pub use entity::{Instance, InstanceState, MetadataOptions, Node};
pub use error::ApiError;
pub use federation::{IdentityKeys, IdentityKeysError};
pub use fleet::{Confirmation, Fleet};
pub use identity_document::{
    CertificateFileError, Ec2Trust, IdentityDocument, IdentityDocumentError, ShownDocument,
    TrustedCertificate,
};
pub use keyring::{KeyKind, Keyring, KeyringError, RootKey};
pub use sessions::{InstanceSession, InstanceSessionError, InstanceSessionRequest};
pub use waiting::InstanceChanges;
