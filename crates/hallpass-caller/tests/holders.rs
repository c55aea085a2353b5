//! Sockets that change hands, with real processes of real users. Needs root; skipped without.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test")]

use hallpass_caller::{CallerError, Proof, SockDiag, prove};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

const START: &str = "import os,socket,sys\n\
    def client():\n    return socket.create_connection(('127.0.0.1',int(sys.argv[1])))\n\
    def say():\n    print('ready',flush=True)\n\
    def become(uid):\n    os.setgroups([]); os.setresgid(uid,uid,uid); os.setresuid(uid,uid,uid)\n";

/// Runs a program up to its `say()`, and proves who is behind its connection then.
fn proven(program: &str) -> Result<Proof, CallerError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", &format!("{START}{program}"), &here.port().to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n", "{program}");
    let (accepted, peer) = listener.accept().unwrap();
    let proof = prove(&SockDiag::open().unwrap(), peer, here);
    drop(accepted);
    end(child);
    proof
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_socket_in_flight_is_nobodys() {
    let program = "a,b=socket.socketpair()\nc=client()\nsocket.send_fds(a,[b'x'],[c.fileno()])\nc.close()\nsay()\n\
                   sys.stdin.read()";
    let error = proven(program).expect_err("nobody holds it");
    assert!(matches!(error, CallerError::NoHolder), "{error}");
}

#[test]
fn a_socket_handed_to_another_user_is_nobodys() {
    if !root() {
        return;
    }
    let program = "a,b=socket.socketpair()\nif os.fork()==0:\n    become(33)\n    c=client()\n    \
                   socket.send_fds(a,[b'x'],[c.fileno()])\n    os._exit(0)\nos.wait()\nbecome(65534)\n\
                   _,fds,_,_=socket.recv_fds(b,1,1)\nsay()\nsys.stdin.read()";
    let error = proven(program).expect_err("its holder is another");
    assert!(
        matches!(
            error,
            CallerError::MixedHolders {
                socket_uid: 33,
                uid: 65534,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn roots_socket_in_the_hands_of_who_it_became_is_nobodys() {
    if !root() {
        return;
    }
    for become_whom in ["become(65534)", "os.setresuid(65534,0,0)", "os.seteuid(65534)"] {
        let error =
            proven(&format!("c=client()\n{become_whom}\nsay()\nsys.stdin.read()")).expect_err(become_whom);
        assert!(matches!(error, CallerError::MixedHolders { .. }), "{error}");
    }
}

#[test]
fn two_holders_of_one_user_are_both_told() {
    let program = "c=client()\nr,w=os.pipe()\nif os.fork()==0:\n    os.close(r)\n    os.write(w,b'x')\n    \
                   sys.stdin.read()\n    os._exit(0)\nos.read(r,1)\nsay()\nsys.stdin.read()";
    let proof = proven(program).unwrap();
    assert_eq!(proof.holders.len(), 2);
    assert!(proof.only_holder().is_none());
}

#[test]
fn unusual_sources_and_protocols_are_their_owners() {
    let bound = "c=socket.socket()\nc.bind(('127.0.0.9',0))\nc.connect(('127.0.0.1',int(sys.argv[1])))\nsay()\n\
                 sys.stdin.read()";
    let own = rustix::process::geteuid().as_raw();
    assert_eq!(proven(bound).unwrap().owner.uid, own);
    // 262 is IPPROTO_MPTCP; where the kernel has none, plain TCP it is.
    let multipath = "try:\n    c=socket.socket(socket.AF_INET,socket.SOCK_STREAM,262)\nexcept OSError:\n    \
                     c=socket.socket()\nc.connect(('127.0.0.1',int(sys.argv[1])))\nsay()\nsys.stdin.read()";
    let proof = proven(multipath);
    assert!(
        matches!(&proof, Ok(proof) if proof.owner.uid == own) || matches!(proof, Err(CallerError::NoHolder)),
        "{proof:?}"
    );
}
