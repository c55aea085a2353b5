//! The connect record, with real processes of real users. Needs root; skipped without.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use hallpass_caller::{CallerError, ConnectRecord, Peer, Proof, SockDiag};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

/// Programs wait before they make their socket: a process that began within the same clock tick is left to the walk.
const START: &str = "import os,socket,sys,time\n\
    time.sleep(0.05)\n\
    to=(sys.argv[1],int(sys.argv[2]))\n\
    def made():\n    return socket.socket(socket.AF_INET6 if ':' in to[0] else socket.AF_INET)\n\
    def client():\n    c=made(); c.connect(to); return c\n\
    def say(word='ready'):\n    print(word,flush=True)\n\
    def wait():\n    sys.stdin.readline()\n\
    def become(uid):\n    os.setgroups([]); os.setresgid(uid,uid,uid); os.setresuid(uid,uid,uid)\n\
    def child(*run):\n    \
        r,w=os.pipe()\n    \
        if os.fork()==0:\n        [f() for f in run]; os.write(w,b'x'); time.sleep(60); os._exit(0)\n    \
        os.read(r,1)\n";

/// A program that has connected to us, and who the record says it is.
struct Client {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    peer: Peer,
    _accepted: std::net::TcpStream,
}

impl Client {
    /// Runs a program up to its `say()`.
    fn start(program: &str) -> Self {
        Self::start_at(&TcpListener::bind("127.0.0.1:0").unwrap(), &[], program)
    }

    fn start_at(listener: &TcpListener, wrapper: &[&str], program: &str) -> Self {
        let record = Arc::new(ConnectRecord::begin().unwrap());
        let here = listener.local_addr().unwrap();
        let script = format!("{START}{program}");
        let (ip, port) = (here.ip().to_string(), here.port().to_string());
        let command = [wrapper, &["/usr/bin/python3", "-c", &script, &ip, &port]].concat();
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{program}");
        let (accepted, peer) = listener.accept().unwrap();
        let peer = Peer::new(Arc::new(SockDiag::open().unwrap()), peer, here, Some(record));
        Self {
            child,
            lines,
            peer,
            _accepted: accepted,
        }
    }

    /// Lets the program go on to its next `say()`.
    fn go_on(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        self.lines.read_line(&mut String::new()).unwrap();
    }

    fn quickly(&self) -> Option<Arc<Proof>> {
        self.peer.prove_quickly().unwrap()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn who_connected_is_proven_without_a_walk() {
    if !root() {
        return;
    }
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).unwrap();
        let client = Client::start_at(&listener, &[], "become(65534)\nc=client()\nsay()\nwait()");
        let proof = client.quickly().expect(address);
        let holder = proof.only_holder().unwrap();
        assert_eq!((proof.owner.uid, holder.uids), (65534, [65534; 4]));
        assert_eq!(holder.pid, client.child.id());
        assert!(client.peer.still_stands(&proof));
        assert!(Arc::ptr_eq(&client.peer.known().unwrap(), &proof));
    }
}

#[test]
fn a_socket_that_speaks_ipv4_by_ipv6_is_its_connectors() {
    if !root() {
        return;
    }
    let program = "c=socket.socket(socket.AF_INET6)\nc.connect(('::ffff:127.0.0.1',to[1]))\nsay()\nwait()";
    let client = Client::start(program);
    assert_eq!(
        client.quickly().unwrap().only_holder().unwrap().pid,
        client.child.id()
    );
}

#[test]
fn a_socket_made_by_root_and_connected_by_another_is_refused() {
    if !root() {
        return;
    }
    let client = Client::start("c=made()\nbecome(1001)\nc.connect(to)\nsay()\nwait()");
    for error in [
        client.peer.prove_quickly().unwrap_err(),
        client.peer.prove().unwrap_err(),
    ] {
        assert!(
            matches!(
                error,
                CallerError::OtherConnector {
                    socket_uid: 0,
                    uid: 1001,
                    ..
                }
            ),
            "{error}"
        );
    }
    // With root's real uid still there, the walk finds that the holder is not root alone.
    let client = Client::start("c=made()\nos.seteuid(1001)\nc.connect(to)\nsay()\nwait()");
    assert!(client.quickly().is_none());
    let error = client.peer.prove().unwrap_err();
    assert!(
        matches!(
            error,
            CallerError::MixedHolders {
                socket_uid: 0,
                uid: 1001,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_fork_after_the_connection_leaves_it_to_the_walk_which_finds_both() {
    if !root() {
        return;
    }
    let mut client = Client::start("c=client()\nsay()\nwait()\nchild()\nsay()\nwait()");
    let before = client.quickly().unwrap();
    assert!(client.peer.still_stands(&before));
    client.go_on();
    assert!(!client.peer.still_stands(&before));
    assert!(client.quickly().is_none());
    let both = client.peer.prove().unwrap();
    assert_eq!(both.holders.len(), 2);
    assert!(client.peer.still_stands(&both));
}

#[test]
fn a_fork_between_making_and_connecting_leaves_it_to_the_walk() {
    if !root() {
        return;
    }
    let client = Client::start("c=made()\nchild()\nc.connect(to)\nsay()\nwait()");
    assert!(client.quickly().is_none());
    assert_eq!(client.peer.prove().unwrap().holders.len(), 2);
    // Of two users, nobody.
    let client = Client::start("c=made()\nchild(lambda:become(1001))\nc.connect(to)\nsay()\nwait()");
    assert!(client.quickly().is_none());
    let error = client.peer.prove().unwrap_err();
    assert!(
        matches!(error, CallerError::MixedHolders { uid: 1001, .. }),
        "{error}"
    );
}

#[test]
fn a_new_holder_ends_what_a_walk_found() {
    if !root() {
        return;
    }
    let mut client = Client::start("c=made()\nchild()\nc.connect(to)\nsay()\nwait()\nchild()\nsay()\nwait()");
    let walked = client.peer.prove().unwrap();
    assert!(client.peer.still_stands(&walked));
    client.go_on();
    assert!(!client.peer.still_stands(&walked));
}

#[test]
fn threads_are_no_forks() {
    if !root() {
        return;
    }
    let program = "import threading\nc=made()\nt=threading.Thread(target=c.connect,args=(to,))\nt.start(); t.join()\n\
                   say()\nwait()";
    let client = Client::start(program);
    assert_eq!(
        client.quickly().unwrap().only_holder().unwrap().pid,
        client.child.id()
    );
}

#[test]
fn a_process_that_shares_its_descriptors_is_left_to_the_walk_for_good() {
    if !root() {
        return;
    }
    // clone(2) with CLONE_FILES and SIGCHLD, and no memory in common: another process with the same descriptors.
    let program = "import ctypes\nl=ctypes.CDLL(None)\nif l.syscall({'x86_64':56}.get(os.uname().machine,220),0x400|17,0,0,0,0)==0:\n    time.sleep(60)\n    \
                   os._exit(0)\nc=client()\nsay()\nwait()";
    let client = Client::start(program);
    assert!(client.quickly().is_none());
    assert_eq!(client.peer.prove().unwrap().holders.len(), 2);
}

#[test]
fn another_program_in_the_same_process_is_seen_as_it_is_now() {
    if !root() {
        return;
    }
    let mut client = Client::start(
        "c=client()\nos.set_inheritable(c.fileno(),True)\nsay()\nwait()\n\
         os.execv('/bin/sh',['sh','-c','echo next; read -r line'])",
    );
    let before = client.quickly().unwrap();
    client.go_on();
    assert!(!client.peer.still_stands(&before));
    let after = client.quickly().unwrap();
    let exe = |proof: &Proof| proof.only_holder().unwrap().exe.clone().unwrap();
    assert_ne!(exe(&before), exe(&after));
    assert_eq!(after.only_holder().unwrap().pid, client.child.id());
}

#[test]
fn a_socket_whose_connector_is_gone_is_its_holders() {
    if !root() {
        return;
    }
    let pass = |receiver: &str| {
        format!(
            "a,b=socket.socketpair()\nif os.fork()==0:\n    become(33)\n    time.sleep(0.05)\n    c=client()\n    \
             socket.send_fds(a,[b'x'],[c.fileno()])\n    os._exit(0)\nos.wait()\nbecome({receiver})\n\
             _,fds,_,_=socket.recv_fds(b,1,1)\nsay()\nwait()"
        )
    };
    let client = Client::start(&pass("33"));
    assert!(client.quickly().is_none());
    let proof = client.peer.prove().unwrap();
    assert_eq!(proof.only_holder().unwrap().pid, client.child.id());
    let client = Client::start(&pass("1001"));
    assert!(client.quickly().is_none());
    let error = client.peer.prove().unwrap_err();
    assert!(
        matches!(
            error,
            CallerError::MixedHolders {
                socket_uid: 33,
                uid: 1001,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_socket_older_than_the_record_is_left_to_the_walk() {
    if !root() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    let client = std::net::TcpStream::connect(here).unwrap();
    let record = Arc::new(ConnectRecord::begin().unwrap());
    let diag = Arc::new(SockDiag::open().unwrap());
    let peer = Peer::new(diag, client.local_addr().unwrap(), here, Some(record));
    assert!(peer.prove_quickly().unwrap().is_none());
    assert!(
        peer.prove()
            .unwrap()
            .holders
            .iter()
            .any(|holder| holder.pid == std::process::id())
    );
}

#[test]
fn a_caller_of_another_network_namespace_is_in_the_record() {
    if !root() {
        return;
    }
    let namespace = Command::new("unshare")
        .args(["--net", "sh", "-c", "ip link set lo up; echo up; exec sleep 60"])
        .stdout(Stdio::piped())
        .spawn();
    let mut sleeper = namespace.unwrap();
    let mut lines = BufReader::new(sleeper.stdout.take().unwrap());
    lines.read_line(&mut String::new()).unwrap();
    let path = format!("/proc/{}/ns/net", sleeper.id());
    let enter = format!("--net={path}");
    // The listener is in there too: loopback is enough to connect by.
    let opened = std::fs::File::open(&path).unwrap();
    let listener = std::thread::scope(|scope| {
        let bind = || {
            use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&opened), kind).unwrap();
            TcpListener::bind("127.0.0.1:0").unwrap()
        };
        scope.spawn(bind).join().unwrap()
    });
    let client = Client::start_at(
        &listener,
        &["nsenter", &enter],
        "become(65534)\nc=client()\nsay()\nwait()",
    );
    assert!(client.peer.prove_quickly().is_err(), "not in this one");
    let inside = Arc::new(SockDiag::open_in(&opened).unwrap());
    let peer: SocketAddr = client.peer.client();
    let found = client.peer.in_namespace(inside);
    assert_eq!(found.client(), peer);
    let proof = found.prove_quickly().unwrap().expect("in the record");
    assert_eq!(
        (proof.owner.uid, proof.only_holder().unwrap().pid),
        (65534, client.child.id())
    );
    let _ = sleeper.kill();
    let _ = sleeper.wait();
}
