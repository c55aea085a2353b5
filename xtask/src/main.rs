//! Development tasks: `cargo xtask test [unit|interop [PYTEST-ARGS…]]`, `cargo xtask lint`,
//! `cargo xtask fuzz [TARGET [SECONDS]]`, `cargo xtask generate [NAME | --check]`, `cargo xtask deb [BINARY VERSION]`,
//! `cargo xtask ci`.
//!
//! `test` installs what the tests need (Debian packages, Python, npm and Go clients, all pinned) and passes them all.
//! Downloads and builds are kept in one cache folder outside the clone, so that a second run is quick.

#![expect(
    clippy::print_stderr,
    reason = "a task runner talks to the person who runs it"
)]

mod clients;
mod deb;
mod debian;
mod fuzz;
mod generate;
mod rules;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["test"] => unit().and_then(|()| generate::check()).and_then(|()| interop(&[])),
        ["test", "unit"] => unit(),
        ["test", "interop", rest @ ..] => interop(rest),
        ["setup"] => clients::install().map(|_| ()),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["lint"] => lint(),
        ["deb"] => deb::build(None, None),
        ["deb", binary, version] => deb::build(Some(binary), Some(version)),
        ["generate"] => generate::write(None),
        ["generate", "--check"] => generate::check(),
        ["generate", name] => generate::write(Some(name)),
        ["ci"] => lint()
            .and_then(|()| unit())
            .and_then(|()| generate::check())
            .and_then(|()| interop(&[])),
        _ => Err("usage: cargo xtask test [unit | interop [PYTEST-ARGS…]] | setup | lint | deb [BINARY VERSION] | fuzz [TARGET [SECONDS]] | generate [NAME | --check] | ci".to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
        .to_owned()
}

/// Downloads and foreign builds: `HALLPASS_CACHE`, else the user's cache folder.
pub(crate) fn cache() -> PathBuf {
    let named = std::env::var_os("HALLPASS_CACHE").map(PathBuf::from);
    let xdg = || std::env::var_os("XDG_CACHE_HOME").map(|cache| PathBuf::from(cache).join("hallpass"));
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/hallpass"));
    named
        .or_else(xdg)
        .or_else(home)
        .unwrap_or_else(|| std::env::temp_dir().join("hallpass-cache"))
}

/// Runs one command in `folder`, showing it; fails when it fails.
pub(crate) fn run<I, S>(folder: &Path, program: &str, args: I, env: &[(&str, &OsStr)]) -> Result<(), String>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let args: Vec<S> = args.into_iter().collect();
    let shown: Vec<_> = args
        .iter()
        .map(|arg| arg.as_ref().to_string_lossy().into_owned())
        .collect();
    eprintln!("+ {program} {}", shown.join(" "));
    let started = Instant::now();
    let mut command = Command::new(program);
    command.current_dir(folder).args(&args).envs(env.iter().copied());
    let status = command
        .status()
        .map_err(|error| format!("cannot run `{program}`: {error}"))?;
    eprintln!("  ({:.0} s)", started.elapsed().as_secs_f32());
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{program} {}` failed: {status}", shown.join(" ")))
    }
}

fn cargo(args: &[&str]) -> Result<(), String> {
    run(&root(), "cargo", args, &[])
}

fn lint() -> Result<(), String> {
    cargo(&["fmt", "--all", "--check"])?;
    rules::check()?;
    cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ])?;
    run(
        &root(),
        "cargo",
        ["doc", "--workspace", "--no-deps", "--locked"],
        &[("RUSTDOCFLAGS", OsStr::new("--deny warnings"))],
    )
}

fn unit() -> Result<(), String> {
    rules::check()?;
    // Some of them make network namespaces and packet filters, or become other users.
    debian::install()?;
    cargo(&["test", "--workspace", "--locked"])
}

/// Real clients against the real binary. `rest` goes to pytest: `-k aws`, a file's name.
fn interop(rest: &[&str]) -> Result<(), String> {
    let tools = clients::install()?;
    cargo(&["build", "--release", "--locked"])?;
    // Decides many cases in one process, for the comparison with other engines.
    let decide = ["-p", "hallpass-policy", "--example", "decide"];
    cargo(&[&["build", "--release", "--locked"], &decide[..]].concat())?;
    let binary = target_folder()?.join("release/hallpass");
    let pytest = tools.python.join("bin/python");
    let mut args = vec!["-m", "pytest", "-q", "--durations=15"];
    args.extend(rest);
    let env = [
        ("HALLPASS_BINARY", binary.as_os_str()),
        ("HALLPASS_TOOLS", tools.folder.as_os_str()),
    ];
    run(&root().join("interop"), &pytest.to_string_lossy(), args, &env)
}

pub(crate) fn target_folder() -> Result<PathBuf, String> {
    let metadata = rules::metadata()?;
    metadata["target_directory"]
        .as_str()
        .map(PathBuf::from)
        .ok_or_else(|| "cargo names no target folder".to_owned())
}
