//! `hallpass doctor`: numbered checks, each with the one command that mends it.

use crate::args::Location;
use crate::env::BYPASSING;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::{data_path, find};
use rustix::thread::{CapabilitySet, capabilities};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// An fsync slower than this makes every change of an identity feel slow.
const FSYNC_MILLIS_SLOW: u128 = 100;
/// Earlier than this (2026-01-01) a clock cannot be right.
const CLOCK_EARLIEST: u64 = 1_767_225_600;

enum Outcome {
    Good(String),
    /// Works, but not everything.
    Note(String, &'static str),
    Bad(String, String),
}

pub(crate) fn run(location: &Location, printer: &Printer) -> Result<u8, CliError> {
    let checks: [(&str, Outcome); 9] = [
        ("clock", clock()),
        ("data directory", data_directory(location)),
        ("ports", ports(location)),
        ("real metadata address", link_local()),
        ("capabilities", privileges()),
        (
            "nftables",
            command(
                "nft",
                "interception needs it; everything else does not: apt-get install nftables",
            ),
        ),
        ("cgroups", cgroups()),
        ("fuse", fuse()),
        ("environment", environment()),
    ];
    let mut bad = 0;
    for (number, (name, outcome)) in checks.into_iter().enumerate() {
        let number = number + 1;
        match outcome {
            Outcome::Good(what) => printer.data(&format!("{number}. ok    {name}: {what}")),
            Outcome::Note(what, hint) => {
                printer.data(&format!("{number}. note  {name}: {what}"));
                printer.data(&format!("         {hint}"));
            }
            Outcome::Bad(what, mend) => {
                bad += 1;
                printer.data(&format!("{number}. BAD   {name}: {what}"));
                printer.data(&format!("         {mend}"));
            }
        }
    }
    Ok(if bad == 0 { 0 } else { 1 })
}

fn clock() -> Outcome {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    if seconds < CLOCK_EARLIEST {
        return Outcome::Bad(
            "it is set before 2026: every signature will be refused".to_owned(),
            "timedatectl set-ntp true".to_owned(),
        );
    }
    Outcome::Good("plausible; clients may differ by 15 minutes".to_owned())
}

fn data_directory(location: &Location) -> Outcome {
    let path = match data_path(location) {
        Ok(path) => path,
        Err(error) => return Outcome::Bad(error.to_string(), "export HOME=…".to_owned()),
    };
    // The nearest folder that exists tells whether the rest can be made, and how fast its disk is.
    let existing = path
        .ancestors()
        .find(|folder| folder.is_dir())
        .unwrap_or(Path::new("/"));
    let probe = existing.join(format!(".hallpass-doctor-{}", std::process::id()));
    let started = Instant::now();
    let written = std::fs::File::create(&probe).and_then(|mut file| {
        file.write_all(b"probe")?;
        file.sync_all()
    });
    let took = started.elapsed().as_millis();
    // It may never have been made.
    let _ = std::fs::remove_file(&probe);
    match written {
        Err(error) => Outcome::Bad(
            format!("`{}` cannot be written: {error}", path.display()),
            format!(
                "mkdir -p {0} && chown $(id -u) {0}, or use --data DIR",
                path.display()
            ),
        ),
        Ok(()) if took > FSYNC_MILLIS_SLOW => Outcome::Note(
            format!("`{}`, fsync takes {took} ms", path.display()),
            "every change waits for it; put the data on a faster disk with --data DIR",
        ),
        Ok(()) => Outcome::Good(format!("`{}`, fsync takes {took} ms", path.display())),
    }
}

fn ports(location: &Location) -> Outcome {
    if let Ok(ready) = find(location) {
        return Outcome::Good(format!(
            "hallpass answers at {} and {}",
            ready.api, ready.metadata
        ));
    }
    for port in [7400, 7401] {
        if let Err(error) = TcpListener::bind(("127.0.0.1", port)) {
            return Outcome::Bad(
                format!("127.0.0.1:{port} cannot be used: {error}"),
                "hallpass dev --api 127.0.0.1:0 --metadata 127.0.0.1:0".to_owned(),
            );
        }
    }
    Outcome::Good("127.0.0.1:7400 and :7401 are free".to_owned())
}

fn link_local() -> Outcome {
    match TcpListener::bind("169.254.169.254:80") {
        Ok(_) => Outcome::Note(
            "169.254.169.254:80 is on this machine, and nobody serves it".to_owned(),
            "hallpass dev --link-local serves it",
        ),
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => {
            Outcome::Good("169.254.169.254 is free; `hallpass dev --link-local` (root) serves it".to_owned())
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Outcome::Note(
            "169.254.169.254:80 needs root".to_owned(),
            "clients that honour AWS_EC2_METADATA_SERVICE_ENDPOINT do not need it",
        ),
        Err(error) => Outcome::Note(
            format!("169.254.169.254:80 is taken: {error}"),
            "ss -ltnp 'sport = :80' shows by whom",
        ),
    }
}

fn privileges() -> Outcome {
    let Ok(sets) = capabilities(None) else {
        return Outcome::Note(
            "cannot be read".to_owned(),
            "roles for this user's own processes work regardless",
        );
    };
    let wanted = [
        (
            CapabilitySet::NET_ADMIN,
            "CAP_NET_ADMIN (the real metadata address)",
        ),
        (CapabilitySet::NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE (port 80)"),
        (
            CapabilitySet::SYS_PTRACE,
            "CAP_SYS_PTRACE (other users' processes)",
        ),
    ];
    let missing: Vec<&str> = wanted
        .iter()
        .filter(|(capability, _)| !sets.effective.contains(*capability))
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        Outcome::Good("all that any part needs".to_owned())
    } else {
        Outcome::Note(
            format!("without {}", missing.join(", ")),
            "roles for this user's own processes work regardless; the rest needs root",
        )
    }
}

fn command(name: &'static str, hint: &'static str) -> Outcome {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin".into(), "/sbin".into()];
    let found = std::env::split_paths(&folders)
        .chain(extra)
        .map(|folder| folder.join(name))
        .find(|path| path.exists());
    match found {
        Some(path) => Outcome::Good(path.display().to_string()),
        None => Outcome::Note(format!("`{name}` is not installed"), hint),
    }
}

fn cgroups() -> Outcome {
    if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        Outcome::Good("version 2".to_owned())
    } else if Path::new("/sys/fs/cgroup/unified").exists() {
        Outcome::Note(
            "versions 1 and 2 side by side".to_owned(),
            "rules by unit and container will need version 2",
        )
    } else {
        Outcome::Note(
            "version 2 is not mounted".to_owned(),
            "rules by unit and container will need it",
        )
    }
}

fn fuse() -> Outcome {
    match std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/fuse")
    {
        Ok(_) => Outcome::Good("/dev/fuse can be opened".to_owned()),
        Err(error) => Outcome::Note(
            format!("/dev/fuse: {error}"),
            "credentials as files will need it: modprobe fuse",
        ),
    }
}

fn environment() -> Outcome {
    let set: Vec<&str> = BYPASSING
        .iter()
        .copied()
        .filter(|name| std::env::var_os(name).is_some())
        .collect();
    if set.is_empty() {
        return Outcome::Good("no key or profile that SDKs would take instead of the role".to_owned());
    }
    Outcome::Bad(
        format!(
            "{} is set: SDKs take it instead of asking for the role",
            set.join(", ")
        ),
        format!("unset {}", set.join(" ")),
    )
}
