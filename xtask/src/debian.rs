//! What the interop tests take from Debian: its versions are the distribution's.

use crate::clients::{is_fresh, stamp};
use crate::{root, run};
use std::ffi::OsStr;
use std::path::Path;

/// Packages that are installed.
const DEBIAN: &[&str] = &[
    "awscli",
    "ruby-fog-aws",
    "python3-venv",
    "iproute2",
    "curl",
    "nodejs",
    "golang-go",
    "procps",
    "rclone",
    "restic",
    "s3cmd",
    "s3fs",
    "ruby-aws-sdk-s3",
    "make",
    "gcc",
    "libc6-dev",
    "openssl",
    "default-jdk-headless",
    "maven",
    "nftables",
    "podman",
    "runc",
    "etcd-server",
    "etcd-client",
    "containerd",
    "libfaketime",
];
/// Programs whose presence makes a package's installation needless.
const PROGRAMS: &[(&str, &str)] = &[
    ("awscli", "/usr/bin/aws"),
    (
        "ruby-fog-aws",
        "/usr/share/rubygems-integration/all/specifications/fog-aws-3.15.0.gemspec",
    ),
    ("iproute2", "/usr/sbin/ip"),
    ("procps", "/usr/bin/ps"),
    ("rclone", "/usr/bin/rclone"),
    ("restic", "/usr/bin/restic"),
    ("s3cmd", "/usr/bin/s3cmd"),
    ("s3fs", "/usr/bin/s3fs"),
    (
        "ruby-aws-sdk-s3",
        "/usr/share/rubygems-integration/all/specifications/aws-sdk-s3-1.117.2.gemspec",
    ),
    ("make", "/usr/bin/make"),
    ("gcc", "/usr/bin/cc"),
    ("libc6-dev", "/usr/include/stdio.h"),
    ("openssl", "/usr/bin/openssl"),
    ("default-jdk-headless", "/usr/bin/javac"),
    ("maven", "/usr/bin/mvn"),
    ("nftables", "/usr/sbin/nft"),
    ("podman", "/usr/bin/podman"),
    ("runc", "/usr/sbin/runc"),
    ("etcd-server", "/usr/bin/etcd"),
    ("etcd-client", "/usr/bin/etcdctl"),
    ("containerd", "/usr/bin/containerd"),
    (
        "libfaketime",
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    ),
];

/// cloud-init and the Python packages it needs. Unpacked and never installed: an installed one is started by the next boot.
const CLOUD_INIT: &[&str] = &[
    "cloud-init",
    "python3-attr",
    "python3-certifi",
    "python3-chardet",
    "python3-configobj",
    "python3-idna",
    "python3-jinja2",
    "python3-json-pointer",
    "python3-jsonpatch",
    "python3-jsonschema",
    "python3-markupsafe",
    "python3-netifaces",
    "python3-oauthlib",
    "python3-pyrsistent",
    "python3-requests",
    "python3-serial",
    "python3-six",
    "python3-urllib3",
    "python3-yaml",
];

fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).exists())
}

/// Installs what is missing of them.
pub(crate) fn install() -> Result<(), String> {
    let missing: Vec<&str> = DEBIAN
        .iter()
        .copied()
        .filter(|package| match *package {
            "curl" => !on_path("curl"),
            "nodejs" => !(on_path("node") && on_path("npm")),
            "golang-go" => !on_path("go"),
            "python3-venv" => !venv_works(),
            other => PROGRAMS
                .iter()
                .any(|(name, file)| *name == other && !Path::new(file).exists()),
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let noninteractive = [("DEBIAN_FRONTEND", OsStr::new("noninteractive"))];
    run(&root(), "apt-get", ["update", "-q"], &noninteractive)?;
    let mut args = vec!["install", "-y", "-q", "--no-install-recommends"];
    args.extend(
        missing
            .iter()
            .map(|package| if *package == "nodejs" { "npm" } else { package }),
    );
    run(&root(), "apt-get", args, &noninteractive)
}

fn venv_works() -> bool {
    std::process::Command::new("python3")
        .args(["-c", "import venv, ensurepip"])
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// cloud-init's modules in `debian-cloud-init`, for Debian's own Python.
pub(crate) fn cloud_init(tools: &Path) -> Result<(), String> {
    let folder = tools.join("debian-cloud-init");
    let made_from = CLOUD_INIT.join("\n");
    if is_fresh(&folder, &made_from) {
        return Ok(());
    }
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    run(&root(), "apt-get", ["update", "-q"], &[])?;
    let words = ["download", "-q"].iter().chain(CLOUD_INIT);
    run(&folder, "apt-get", words, &[])?;
    let entries = std::fs::read_dir(&folder).map_err(|error| error.to_string())?;
    for package in entries.filter_map(Result::ok).map(|entry| entry.path()) {
        if package.extension().is_some_and(|extension| extension == "deb") {
            run(
                &folder,
                "dpkg-deb",
                [OsStr::new("-x"), package.as_os_str(), OsStr::new(".")],
                &[],
            )?;
            std::fs::remove_file(&package).map_err(|error| error.to_string())?;
        }
    }
    stamp(&folder, &made_from)
}
