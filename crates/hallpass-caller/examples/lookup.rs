//! What finding a caller costs: `cargo run --release -p hallpass-caller --example lookup [SOCKETS]`, as root for the record.
//! That many connections are open meanwhile, all of them of one child, so that a walk has their descriptors to look at.

use hallpass_caller::{ConnectRecord, Peer, SockDiag, prove};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_else(|| "10000".to_owned());
    let maximum = getrlimit(Resource::Nofile).maximum;
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, most)?;
    if first == "hold" {
        return hold(arguments);
    }
    let sockets: usize = first.parse().map_err(io::Error::other)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    let record = ConnectRecord::begin().map(Arc::new).ok();
    let own = std::env::current_exe()?;
    let start = |count: usize| {
        Command::new(&own)
            .args(["hold", &server.to_string(), &count.to_string()])
            .stdin(Stdio::piped())
            .spawn()
    };
    let mut child = start(sockets)?;
    let accept = |count: usize| {
        (0..count)
            .map(|_| listener.accept())
            .collect::<io::Result<Vec<_>>>()
    };
    let held = accept(sockets)?;
    let mut caller = start(1)?;
    let one = accept(1)?;
    let client = one.first().map_or(server, |(_, client)| *client);

    let diag = Arc::new(SockDiag::open()?);
    let mut out = io::stdout();
    writeln!(out, "{sockets} connections, record: {}", record.is_some())?;
    let peer = || Peer::new(Arc::clone(&diag), client, server, record.clone());
    let mut at = 0;
    let each = times(20_000, || {
        at = (at + 7_919) % held.len();
        held.get(at)
            .is_some_and(|(_, client)| diag.tcp_owner(*client, server).is_ok())
    });
    writeln!(out, "exact look-up, uid and control group: {each}")?;
    let each = times(200, || prove(&diag, client, server).is_ok());
    writeln!(out, "proof by a walk: {each}")?;
    let each = times(5_000, || {
        peer().prove_quickly().is_ok_and(|proof| proof.is_some())
    });
    writeln!(out, "proof by the record: {each}")?;
    let known = peer();
    let _ = known.prove();
    let each = times(20_000, || known.known().is_some());
    writeln!(out, "proof known already, looked at anew every 20 ms: {each}")?;
    for process in [&mut child, &mut caller] {
        process.kill()?;
        process.wait()?;
    }
    Ok(())
}

/// The child: opens connections and keeps them until its input ends.
fn hold(mut arguments: impl Iterator<Item = String>) -> io::Result<()> {
    let missing = || io::Error::other("an address and a number are missing");
    let server: SocketAddr = arguments
        .next()
        .ok_or_else(missing)?
        .parse()
        .map_err(io::Error::other)?;
    let count: usize = arguments
        .next()
        .ok_or_else(missing)?
        .parse()
        .map_err(io::Error::other)?;
    // The record leaves a process to the walk that began in the same clock tick.
    std::thread::sleep(Duration::from_millis(30));
    let held = (0..count)
        .map(|_| TcpStream::connect(server))
        .collect::<io::Result<Vec<_>>>()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(held);
    Ok(())
}

fn times(count: usize, mut work: impl FnMut() -> bool) -> String {
    let mut failed = 0;
    let mut each: Vec<Duration> = (0..count)
        .map(|_| {
            let started = Instant::now();
            failed += usize::from(!work());
            started.elapsed()
        })
        .collect();
    each.sort_unstable();
    let at = |share: usize| each.get(count * share / 100).copied().unwrap_or_default();
    format!("p50 {:?}, p99 {:?}, failed {failed} of {count}", at(50), at(99))
}
