use crate::CallerError;
use crate::holders::stat_field;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{self, Read};

/// More of a file in `/proc` than this is not a fact about a process.
const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// Few of them are longer.
const FILE_BYTES_USUAL: usize = 4096;

/// The `/proc` directory of one process, opened once.
///
/// The kernel ties the open directory to the process, not to its number: once the process is gone every reading
/// through it fails, whoever has the number then. The start time is compared as well, before and after.
#[derive(Debug)]
pub struct ProcessDir {
    dir: OwnedFd,
    pid: u32,
    start_time: u64,
}

impl ProcessDir {
    /// Opens the directory of process `pid`.
    ///
    /// # Errors
    /// [`CallerError::ProcessGone`] if there is no such process.
    pub fn open(pid: u32) -> Result<Self, CallerError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty())
            .map_err(|_| CallerError::ProcessGone { pid })?;
        let mut opened = Self {
            dir,
            pid,
            start_time: 0,
        };
        opened.start_time = opened.stat(22)?;
        Ok(opened)
    }

    /// The process's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// When the process started, in clock ticks since boot.
    #[must_use]
    pub fn start_time(&self) -> u64 {
        self.start_time
    }

    /// The number of the process's parent now; 0 for the first process of all.
    ///
    /// # Errors
    /// [`CallerError::ProcessGone`].
    pub fn parent(&self) -> Result<u32, CallerError> {
        u32::try_from(self.stat(4)?).map_err(|_| CallerError::Malformed)
    }

    /// Says that the process is still there, after something was read.
    ///
    /// # Errors
    /// [`CallerError::ProcessGone`].
    pub fn still_there(&self) -> Result<(), CallerError> {
        if self.stat(22)? == self.start_time {
            Ok(())
        } else {
            Err(CallerError::ProcessGone { pid: self.pid })
        }
    }

    /// The text of one of its files, at most 1 MiB.
    ///
    /// # Errors
    /// What the system says; `InvalidData` for what is not UTF-8 or too long.
    pub fn read(&self, name: &str) -> io::Result<String> {
        read_text(File::from(self.at(name, OFlags::RDONLY)?))
    }

    /// Where one of its links leads, as text.
    ///
    /// # Errors
    /// What the system says; `InvalidData` for what is not UTF-8.
    pub fn link(&self, name: &str) -> io::Result<String> {
        let target = rustix::fs::readlinkat(&self.dir, name, Vec::new())?;
        target
            .into_string()
            .map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// Opens one of its files or what one of its links leads to.
    ///
    /// # Errors
    /// What the system says.
    pub fn at(&self, name: &str, flags: OFlags) -> io::Result<OwnedFd> {
        Ok(rustix::fs::openat(
            &self.dir,
            name,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
        )?)
    }

    /// The number of one of its namespaces (`net`, `mnt`, `pid`).
    ///
    /// # Errors
    /// What the system says; another user's needs `CAP_SYS_PTRACE`.
    pub fn namespace(&self, kind: &str) -> io::Result<u64> {
        namespace_number(&self.link(&format!("ns/{kind}"))?)
    }

    fn stat(&self, field: usize) -> Result<u64, CallerError> {
        let gone = |_| CallerError::ProcessGone { pid: self.pid };
        let stat = self.read("stat").map_err(gone)?;
        stat_field(&stat, field).ok_or(CallerError::Malformed)
    }
}

impl AsFd for ProcessDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }
}

/// The text of a file in `/proc`, at most 1 MiB. Those of a process are short and have no size: with room from the start
/// the kernel is asked twice instead of seven times.
pub(crate) fn read_text(file: File) -> io::Result<String> {
    let mut bytes = Vec::with_capacity(FILE_BYTES_USUAL);
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// `net:[4026531840]`, as the links of `/proc/PID/ns` read.
pub(crate) fn namespace_number(link: &str) -> io::Result<u64> {
    let number = link.split_once(":[").and_then(|(_, rest)| rest.strip_suffix(']'));
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn nothing_is_read_of_a_process_that_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let dir = ProcessDir::open(child.id()).unwrap();
        dir.still_there().unwrap();
        assert_eq!(dir.parent().unwrap(), std::process::id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(matches!(dir.still_there(), Err(CallerError::ProcessGone { .. })));
        dir.read("cgroup").unwrap_err();
        dir.link("exe").unwrap_err();
    }

    #[test]
    fn namespaces_are_numbers() {
        let here = ProcessDir::open(std::process::id()).unwrap();
        assert_eq!(here.namespace("net").unwrap(), crate::namespace_id().unwrap());
        namespace_number("net:[x]").unwrap_err();
        namespace_number("").unwrap_err();
    }
}
