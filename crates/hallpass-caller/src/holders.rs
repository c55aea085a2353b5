use crate::CallerError;
use crate::process_dir::read_text;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// One process that has a given socket open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its effective uid.
    pub uid: u32,
    /// Its real, effective, saved and file-system uid, in this order.
    pub uids: [u32; 4],
    /// Its effective gid.
    pub gid: u32,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
    /// What it runs; absent when that cannot be read.
    pub exe: Option<PathBuf>,
    /// When it started, in clock ticks since boot: with the pid, this names one process and no later one.
    pub start_time: u64,
    /// The descriptor the socket was found at; `None` when the process was looked up by its number.
    pub descriptor: Option<u32>,
}

/// What a walk over all processes found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// Every process seen to hold the socket.
    pub holders: Vec<Holder>,
    /// Processes whose descriptors could not be read: without `CAP_SYS_PTRACE`, those of other users.
    pub uninspected: usize,
}

/// Every process that holds the socket `inode`, by walking `/proc`. Milliseconds on a busy machine: only for answers
/// that need it, see [`crate::Peer`].
///
/// # Errors
/// [`CallerError::Io`] if `/proc` cannot be listed.
pub fn holders_of(inode: u64) -> Result<Scan, CallerError> {
    let wanted = format!("socket:[{inode}]");
    let mut scan = Scan::default();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        match descriptor_of(pid, &wanted, usize::MAX) {
            Ok(None) => {}
            Ok(Some(descriptor)) => {
                // Between the two looks the process may have ended; then it holds nothing any more.
                let Ok(mut holder) = process(pid) else {
                    continue;
                };
                holder.descriptor = Some(descriptor);
                scan.holders.push(holder);
            }
            Err(error) if gone(&error) => {}
            Err(_) => scan.uninspected += 1,
        }
    }
    Ok(scan)
}

/// The facts about process `pid`, all of one and the same process.
///
/// # Errors
/// [`CallerError::ProcessGone`] if it ended meanwhile, even if its number was given away again.
pub fn process(pid: u32) -> Result<Holder, CallerError> {
    let start_time = start_time(pid)?;
    let gone = |_| CallerError::ProcessGone { pid };
    let status = File::open(format!("/proc/{pid}/status"))
        .and_then(read_text)
        .map_err(gone)?;
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok();
    let uids = ids(&status, "Uid:").ok_or(CallerError::Malformed)?;
    let gids = ids(&status, "Gid:").ok_or(CallerError::Malformed)?;
    let groups = field(&status, "Groups:").ok_or(CallerError::Malformed)?;
    let groups = groups
        .split_ascii_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>();
    let groups = groups.map_err(|_| CallerError::Malformed)?;
    if self::start_time(pid)? != start_time {
        return Err(CallerError::ProcessGone { pid });
    }
    Ok(Holder {
        pid,
        uid: uids[1],
        uids,
        gid: gids[1],
        groups,
        exe,
        start_time,
        descriptor: None,
    })
}

/// What process `pid` runs, if it is one of `uid`; absent when that cannot be read. For records: a few microseconds where
/// [`process`] takes some thirty.
///
/// # Errors
/// [`CallerError::ProcessGone`] if there is no process of that number, or none of its uids is `uid`.
pub fn program(pid: u32, uid: u32) -> Result<Option<PathBuf>, CallerError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let gone = |_| CallerError::ProcessGone { pid };
    // The directory is tied to the process, not to its number, and belongs to its effective user. The link is read last:
    // that it can be says that the process was still there when its owner was looked at.
    let directory = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty()).map_err(gone)?;
    let owner = rustix::fs::fstat(&directory).map_err(gone)?.st_uid;
    if owner == uid
        && let Ok(exe) = rustix::fs::readlinkat(&directory, "exe", Vec::with_capacity(256))
    {
        return Ok(Some(PathBuf::from(OsString::from_vec(exe.into_bytes()))));
    }
    let found = process(pid)?;
    if found.uids.contains(&uid) {
        Ok(found.exe)
    } else {
        Err(CallerError::ProcessGone { pid })
    }
}

/// Whether `holder` is still the same process, with the same ids, and still has `inode` at the same descriptor.
pub(crate) fn still_holds(holder: &Holder, inode: u64) -> bool {
    let Some(descriptor) = holder.descriptor else {
        return false;
    };
    let wanted = format!("socket:[{inode}]");
    let link = fs::read_link(format!("/proc/{}/fd/{descriptor}", holder.pid));
    // A shell has it under a second number while it redirects to it.
    let same_socket = link.is_ok_and(|link| link.as_os_str() == wanted.as_str())
        || descriptor_of(holder.pid, &wanted, usize::MAX).is_ok_and(|found| found.is_some());
    same_socket
        && process(holder.pid).is_ok_and(|now| {
            now.start_time == holder.start_time
                && now.uids == holder.uids
                && now.gid == holder.gid
                && now.groups == holder.groups
                && now.exe == holder.exe
        })
}

/// The descriptor at which process `pid` has the socket `inode`, if it is among the first `most` it has.
pub(crate) fn descriptor_among(pid: u32, inode: u64, most: usize) -> io::Result<Option<u32>> {
    descriptor_of(pid, &format!("socket:[{inode}]"), most)
}

fn descriptor_of(pid: u32, wanted: &str, most: usize) -> io::Result<Option<u32>> {
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.take(most) {
        let entry = entry?;
        // A descriptor closed between the listing and the look is not held.
        if fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == wanted) {
            return Ok(entry.file_name().to_str().and_then(|name| name.parse().ok()));
        }
    }
    Ok(None)
}

fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

/// Field 22 of `/proc/PID/stat`. The name in field 2 may hold spaces and parentheses, so counting starts at the last.
fn start_time(pid: u32) -> Result<u64, CallerError> {
    let stat = File::open(format!("/proc/{pid}/stat")).and_then(read_text);
    let stat = stat.map_err(|_| CallerError::ProcessGone { pid })?;
    stat_field(&stat, 22).ok_or(CallerError::Malformed)
}

/// A numeric field of a `stat` file by its number in proc_pid_stat(5), which counts from 1 and must be above 3.
pub(crate) fn stat_field(stat: &str, number: usize) -> Option<u64> {
    let after_name = stat.rsplit_once(')')?.1;
    after_name
        .split_ascii_whitespace()
        .nth(number.checked_sub(3)?)?
        .parse()
        .ok()
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name))
}

fn ids(status: &str, name: &str) -> Option<[u32; 4]> {
    let mut numbers = field(status, name)?
        .split_ascii_whitespace()
        .map(|number| number.parse().ok());
    Some([
        numbers.next()??,
        numbers.next()??,
        numbers.next()??,
        numbers.next()??,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn this_process_holds_its_own_socket() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let inode = fs::metadata(format!("/proc/self/fd/{}", listener.as_raw_fd()))
            .unwrap()
            .ino();
        let scan = holders_of(inode).unwrap();
        assert!(scan.holders.iter().any(|holder| holder.pid == std::process::id()));
        assert!(still_holds(&scan.holders[0], inode));
        assert!(!still_holds(&scan.holders[0], inode + 1));
    }

    #[test]
    fn an_inode_nobody_has_has_no_holder() {
        assert_eq!(holders_of(u64::MAX).unwrap().holders, []);
    }

    #[test]
    fn a_program_is_told_of_a_process_of_that_user_only() {
        let own = rustix::process::geteuid().as_raw();
        let program = program(std::process::id(), own).unwrap();
        assert_eq!(program, Some(std::env::current_exe().unwrap()));
        let other = super::program(std::process::id(), own + 1);
        assert!(matches!(other, Err(CallerError::ProcessGone { .. })));
    }

    #[test]
    fn a_process_that_never_was_is_gone() {
        assert!(matches!(process(u32::MAX), Err(CallerError::ProcessGone { .. })));
        assert!(matches!(
            program(u32::MAX, 0),
            Err(CallerError::ProcessGone { .. })
        ));
    }
}
