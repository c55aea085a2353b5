//! Sockets that systemd holds for the agent: while it is restarted, connections wait in them instead of being refused.

use crate::error::CliError;
use listenfd::ListenFd;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// What was passed and is not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    tcp: Vec<TcpListener>,
    unix: Vec<UnixListener>,
}

impl Passed {
    /// Everything there is. Call it once, before anything else opens descriptors.
    pub(crate) fn take() -> Result<Self, CliError> {
        let cannot =
            |error: std::io::Error| CliError::failed(format!("a socket that systemd passed: {error}"));
        let mut from = ListenFd::from_env();
        let mut passed = Self::default();
        for index in 0..from.len() {
            if let Ok(Some(listener)) = from.take_tcp_listener(index) {
                listener.set_nonblocking(true).map_err(cannot)?;
                passed.tcp.push(listener);
            } else if let Some(listener) = from.take_unix_listener(index).map_err(cannot)? {
                listener.set_nonblocking(true).map_err(cannot)?;
                passed.unix.push(listener);
            }
        }
        Ok(passed)
    }

    /// The listener at `address`, if it was passed.
    pub(crate) fn tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let is_it = |listener: &TcpListener| listener.local_addr().is_ok_and(|local| local == address);
        let at = self.tcp.iter().position(is_it)?;
        Some(self.tcp.swap_remove(at))
    }

    /// The listener at `path`, if it was passed.
    pub(crate) fn unix(&mut self, path: &Path) -> Option<UnixListener> {
        let is_it = |listener: &UnixListener| {
            listener
                .local_addr()
                .is_ok_and(|local| local.as_pathname() == Some(path))
        };
        let at = self.unix.iter().position(is_it)?;
        Some(self.unix.swap_remove(at))
    }

    /// Those that nothing in the configuration asks for, for the log.
    pub(crate) fn left(&self) -> Vec<String> {
        let tcp = self.tcp.iter().filter_map(|listener| listener.local_addr().ok());
        let unix = self.unix.iter().filter_map(|listener| listener.local_addr().ok());
        tcp.map(|address| address.to_string())
            .chain(unix.map(|address| format!("{address:?}")))
            .collect()
    }
}
