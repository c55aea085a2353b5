//! The agent: hands short-lived credentials to exactly the local processes that may have them.
//!
//! [`Rules`] say who may have what; [`Agent`] answers on four doors: the EC2 metadata protocol and the ECS container
//! protocol over TCP ([`Agent::serve_metadata`]), a unix socket for the command line ([`Agent::serve_socket`]), and files
//! ([`Agent::mount_files`]).
//! Credentials come from a [`CredentialSource`], are kept in memory as one lease per role, and are renewed ahead. Every
//! credential handed out and every refusal of one is recorded by the [`AuditSink`] *before* it is answered; if it
//! cannot be recorded, it is refused.
//!
//! Decided per request, never per connection: the rules, the machine's profile and the caller may all have changed
//! since the last one.

mod agent;
mod audit;
mod callers;
pub mod client;
mod clock;
mod connection;
mod container;
mod file_rule;
mod files;
mod health;
mod lease;
pub mod link_local;
mod machine;
mod metadata;
pub mod redirect;
mod rules;
mod rules_file;
mod rules_parse;
pub mod run_endpoint;
mod shutdown;
mod socket;
mod source;
mod status;
mod tag_rules;
mod unit_door;

pub use agent::{Agent, AgentConfig, RulesSource};
pub use audit::{AgentEvent, AuditDoor, AuditSink, CallerFacts, EventOutcome, NoAudit};
pub use clock::{DrawnAhead, SystemClock, SystemEntropy};
pub use files::MountedFiles;
pub use hallpass_caller::{Caller, CallerError, ConnectRecord, ConnectRecordError, SockDiag};
pub use rules::{Decision, Evidence, Explanation, NoMatch, RuleReport, Rules, SessionShape};
pub use rules_file::{RulesFile, RulesFileError};
pub use rules_parse::{RulesError, RulesProblem};
pub use shutdown::{Shutdown, ShutdownTrigger};
pub use source::{BoxFuture, CredentialSource, Issued, Machine, SessionRequest, SourceError};
pub use status::{AgentStatus, FilesStatus, LeaseStatus};
pub use tag_rules::rule_tags;
