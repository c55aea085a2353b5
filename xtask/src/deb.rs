//! `cargo xtask deb [BINARY VERSION]`: a Debian package of the release build, or of another binary.

use crate::{root, run, target_folder};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What goes where, from the root of the sources.
const FILES: &[(&str, &str)] = &[
    (
        "packaging/systemd/hallpass-agent.service",
        "lib/systemd/system/hallpass-agent.service",
    ),
    (
        "packaging/systemd/hallpass-agent.socket",
        "lib/systemd/system/hallpass-agent.socket",
    ),
    (
        "packaging/systemd/hallpass-closed.service",
        "lib/systemd/system/hallpass-closed.service",
    ),
    (
        "packaging/systemd/hallpass-server.service",
        "lib/systemd/system/hallpass-server.service",
    ),
    (
        "packaging/systemd/hallpass.sysusers",
        "usr/lib/sysusers.d/hallpass.conf",
    ),
    ("packaging/etc/agent.toml", "etc/hallpass/agent.toml"),
    ("packaging/etc/rules.toml", "etc/hallpass/rules.toml"),
    ("docs/agent.md", "usr/share/doc/hallpass/agent.md"),
    ("docs/fleet.md", "usr/share/doc/hallpass/fleet.md"),
    ("docs/operations.md", "usr/share/doc/hallpass/operations.md"),
    ("docs/files.md", "usr/share/doc/hallpass/files.md"),
    ("README.md", "usr/share/doc/hallpass/README.md"),
    ("LICENSE", "usr/share/doc/hallpass/copyright"),
];
/// Kept when they were changed, and when the package is removed but not purged.
const CONFIGURATION: &str = "/etc/hallpass/agent.toml\n/etc/hallpass/rules.toml\n";

/// Builds the package in `target/debian` and says where it is.
pub(crate) fn build(binary: Option<&str>, version: Option<&str>) -> Result<(), String> {
    let binary = match binary {
        Some(path) => PathBuf::from(path),
        None => {
            run(
                &root(),
                "cargo",
                ["build", "--release", "--locked", "-p", "hallpass"],
                &[],
            )?;
            target_folder()?.join("release/hallpass")
        }
    };
    let version = version.unwrap_or(env!("CARGO_PKG_VERSION"));
    let architecture = output("dpkg", &["--print-architecture"])?;
    let folder = target_folder()?.join("debian");
    let tree = folder.join("tree");
    let io = |what: &Path, error: std::io::Error| format!("{}: {error}", what.display());
    let _ = fs::remove_dir_all(&tree);
    let place = |from: &Path, to: &Path, mode: u32| -> Result<(), String> {
        let parent = to.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(|error| io(parent, error))?;
        fs::copy(from, to).map_err(|error| io(from, error))?;
        fs::set_permissions(to, fs::Permissions::from_mode(mode)).map_err(|error| io(to, error))
    };
    place(&binary, &tree.join("usr/bin/hallpass"), 0o755)?;
    for (from, to) in FILES {
        place(&root().join(from), &tree.join(to), 0o644)?;
    }
    for script in ["postinst", "prerm", "postrm"] {
        place(
            &root().join("packaging/debian").join(script),
            &tree.join("DEBIAN").join(script),
            0o755,
        )?;
    }
    let control = format!(
        "Package: hallpass\nVersion: {version}\nArchitecture: {architecture}\nSection: admin\nPriority: optional\n\
         Maintainer: Hallpass <hallpass@localhost>\nDepends: libc6, iproute2, passwd\nRecommends: nftables\n\
         Description: a role instead of a key for each process of a machine\n \
         Gives processes short-lived, rotating AWS credentials by who they are: user,\n \
         program, unit, container. Speaks the protocols that AWS's SDKs know already.\n"
    );
    for (name, text) in [("control", control.as_str()), ("conffiles", CONFIGURATION)] {
        let path = tree.join("DEBIAN").join(name);
        fs::write(&path, text).map_err(|error| io(&path, error))?;
    }
    let package = folder.join(format!("hallpass_{version}_{architecture}.deb"));
    let (from, to) = (tree.display().to_string(), package.display().to_string());
    run(
        &root(),
        "dpkg-deb",
        ["--root-owner-group", "-Zxz", "-z1", "--build", &from, &to],
        &[],
    )?;
    eprintln!("{to}");
    Ok(())
}

fn output(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .output()
        .map_err(|error| format!("{program}: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
