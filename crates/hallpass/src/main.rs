//! The `hallpass` binary. Everything is in `hallpass_cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    hallpass_cli::run(std::env::args_os().collect())
}
