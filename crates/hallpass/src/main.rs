//! The `hallpass` binary. Everything is in `hallpass_cli`.

use std::process::ExitCode;

/// Every request makes and frees some hundred small things, on two threads that hand them to each other, which glibc's
/// allocator is slow at.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    hallpass_cli::run(std::env::args_os().collect())
}
