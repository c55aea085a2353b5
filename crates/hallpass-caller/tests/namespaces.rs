//! Callers in network namespaces of their own, with real namespaces. Needs root; skipped without.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use hallpass_caller::{CallerError, Namespaces, SockDiag, original_destination, prove};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

/// A namespace with an address of its own behind a pair of links, as a bridge's container has it.
struct Container {
    sleeper: Child,
    outside: String,
    server: String,
}

impl Container {
    fn start(number: u8) -> Self {
        let mut sleeper = Command::new("unshare")
            .args(["--net", "sh", "-c", "echo in; exec sleep 120"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut word = [0; 3];
        sleeper.stdout.as_mut().unwrap().read_exact(&mut word).unwrap();
        let (outside, inside) = (
            format!("hp{}o{number}", std::process::id() % 9999),
            format!("hpi{number}"),
        );
        let pid = sleeper.id();
        let (server, client) = (format!("10.213.{number}.1"), format!("10.213.{number}.2"));
        sh(&format!(
            "ip link add {outside} type veth peer name {inside} netns {pid}
             ip addr add {server}/24 dev {outside}; ip link set {outside} up
             N='nsenter --net=/proc/{pid}/ns/net'; $N ip addr add {client}/24 dev {inside}
             $N ip link set {inside} up; $N ip link set lo up; $N ip route add default via {server}"
        ));
        Self {
            sleeper,
            outside,
            server,
        }
    }

    /// A process inside, as `uid`, that connects to `to` and says when it has.
    fn client(&self, uid: u32, to: SocketAddr) -> Child {
        let script = format!(
            "import socket,time\ns=socket.create_connection(('{}',{}))\nprint('ok',flush=True)\ns.recv(1)",
            to.ip(),
            to.port()
        );
        Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", self.sleeper.id()))
            .args([
                "setpriv",
                &format!("--reuid={uid}"),
                "--clear-groups",
                "/usr/bin/python3",
                "-c",
                &script,
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["link", "del", &self.outside]).status();
        let _ = self.sleeper.kill();
        let _ = self.sleeper.wait();
    }
}

fn sh(script: &str) {
    assert!(
        Command::new("sh")
            .args(["-ec", script])
            .status()
            .unwrap()
            .success(),
        "{script}"
    );
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn a_caller_behind_a_bridge_is_found_in_its_namespace_and_proven() {
    if !root() {
        return;
    }
    let (one, _other) = (Container::start(1), Container::start(2));
    let listener = TcpListener::bind(format!("{}:0", one.server)).unwrap();
    let here = listener.local_addr().unwrap();
    let client = one.client(65534, here);
    let (accepted, peer) = listener.accept().unwrap();
    let home = SockDiag::open().unwrap();
    assert!(matches!(
        home.tcp_owner(peer, here),
        Err(CallerError::NoSuchSocket)
    ));

    let namespaces = Namespaces::default();
    let diag = namespaces.find(&home, peer, here).unwrap();
    assert_ne!(diag.namespace(), home.namespace());
    let proof = prove(&diag, peer, here).unwrap();
    assert_eq!(
        (proof.owner.uid, proof.only_holder().unwrap().pid),
        (65534, client.id())
    );
    assert!(proof.still_stands(&diag, peer, here));
    assert_eq!(original_destination(&accepted, here), None);
    end(client);
    assert!(!proof.still_stands(&diag, peer, here));
}

#[test]
fn nobody_is_found_for_a_stranger_or_for_loopback() {
    if !root() {
        return;
    }
    let home = SockDiag::open().unwrap();
    let namespaces = Namespaces::default();
    let stranger = namespaces.find(
        &home,
        "192.0.2.1:5".parse().unwrap(),
        "192.0.2.2:6".parse().unwrap(),
    );
    assert!(matches!(stranger, Err(CallerError::NoSuchSocket)));

    // Another namespace's loopback connection with the very addresses asked for is not this caller's.
    let inside = Container::start(3);
    let script = "import socket\nl=socket.socket()\nl.bind(('127.0.0.1',5))\nl.listen()\ns=socket.socket()\n\
                  s.bind(('127.0.0.1',7))\ns.connect(('127.0.0.1',5))\nprint('ok',flush=True)\ns.recv(1)";
    let mut victim = Command::new("nsenter")
        .arg(format!("--net=/proc/{}/ns/net", inside.sleeper.id()))
        .args(["/usr/bin/python3", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut word = [0; 3];
    victim.stdout.as_mut().unwrap().read_exact(&mut word).unwrap();
    let found = namespaces.find(
        &home,
        "127.0.0.1:7".parse().unwrap(),
        "127.0.0.1:5".parse().unwrap(),
    );
    assert!(matches!(found, Err(CallerError::NoSuchSocket)));
    end(victim);
}

#[test]
fn two_namespaces_with_the_same_connection_are_refused() {
    if !root() {
        return;
    }
    // Both namespaces have a connection of their own between the same two addresses.
    let make = "ip link set lo up; ip addr add 10.214.0.1/32 dev lo; ip addr add 10.214.0.2/32 dev lo; exec \
                /usr/bin/python3 -c \"import socket\nl=socket.socket()\nl.bind(('10.214.0.1',80))\nl.listen()\n\
                s=socket.socket()\ns.bind(('10.214.0.2',7777))\ns.connect(('10.214.0.1',80))\n\
                print('ok',flush=True)\ns.recv(1)\"";
    let start = || {
        let mut child = Command::new("unshare")
            .args(["--net", "sh", "-c", make])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut word = [0; 3];
        child.stdout.as_mut().unwrap().read_exact(&mut word).unwrap();
        child
    };
    let home = SockDiag::open().unwrap();
    let (peer, local) = (
        "10.214.0.2:7777".parse().unwrap(),
        "10.214.0.1:80".parse().unwrap(),
    );
    let one = start();
    Namespaces::default().find(&home, peer, local).unwrap();
    let other = start();
    let found = Namespaces::default().find(&home, peer, local);
    assert!(matches!(found, Err(CallerError::SeveralNamespaces)));
    end(one);
    end(other);
}

#[test]
fn a_redirected_connection_is_known_by_where_it_was_going() {
    if !root() {
        return;
    }
    let inside = Container::start(4);
    let listener = TcpListener::bind(format!("{}:0", inside.server)).unwrap();
    let here = listener.local_addr().unwrap();
    let table = format!("hallpass_test_{}", std::process::id());
    let rule = format!(
        "nft 'table ip {table} {{ chain pre {{ type nat hook prerouting priority -100; \
         ip saddr 10.213.4.2 ip daddr 169.254.169.254 tcp dport 80 dnat to {here}; }}; }}'"
    );
    if !Command::new("sh").args(["-c", &rule]).status().unwrap().success() {
        eprintln!("nft cannot redirect here: the redirected connection was not tried");
        return;
    }
    let going = "169.254.169.254:80".parse().unwrap();
    let client = inside.client(65534, going);
    let (mut accepted, peer) = listener.accept().unwrap();
    let original = original_destination(&accepted, here);
    let home = SockDiag::open().unwrap();
    let namespaces = Namespaces::default();
    let by_local = namespaces.find(&home, peer, here);
    let diag = namespaces.find(&home, peer, going);
    sh(&format!("nft delete table ip {table}"));
    assert_eq!(original, Some(going));
    assert!(matches!(by_local, Err(CallerError::NoSuchSocket)));
    let proof = prove(&diag.unwrap(), peer, going).unwrap();
    assert_eq!(proof.owner.uid, 65534);
    accepted.write_all(b"x").unwrap();
    end(client);
}
