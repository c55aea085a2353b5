//! The signals a service is steered with.

use crate::error::CliError;
use crate::printer::Printer;
use hallpass_agent::RulesFile;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Caught from the moment this exists: make it before anyone is told that the service runs.
pub(crate) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn catch() -> Result<Self, CliError> {
        let cannot = |error: std::io::Error| CliError::failed(format!("cannot wait for signals: {error}"));
        Ok(Self {
            hangup: signal(SignalKind::hangup()).map_err(cannot)?,
            terminate: signal(SignalKind::terminate()).map_err(cannot)?,
            interrupt: signal(SignalKind::interrupt()).map_err(cannot)?,
        })
    }

    /// Returns at Ctrl-C or SIGTERM.
    pub(crate) async fn until_told_to_stop(mut self) {
        loop {
            tokio::select! {
                // There is nothing to read again: certificates are, whenever they change.
                _ = self.hangup.recv() => {}
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
            }
        }
    }

    /// Returns at Ctrl-C or SIGTERM; until then, SIGHUP takes the rules over at once.
    pub(crate) async fn until_stopped(&mut self, rules: &RulesFile, printer: &Printer) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => match rules.reload() {
                    Ok(_) => printer.say("the rules are in force"),
                    Err(error) => printer.say(&format!("the old rules stay in force: {error}")),
                },
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
            }
        }
    }
}
