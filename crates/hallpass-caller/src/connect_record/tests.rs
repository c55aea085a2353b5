use super::*;
use crate::SockDiag;
use std::net::{TcpListener, TcpStream};

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

fn connected() -> (TcpListener, TcpStream, TcpOwner) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let owner = SockDiag::open()
        .unwrap()
        .tcp_owner(client.local_addr().unwrap(), listener.local_addr().unwrap())
        .unwrap();
    (listener, client, owner)
}

/// This process as an honest record has it: it began long before the socket was made.
fn honest(record: &ConnectRecord) -> Seen {
    let own = process(std::process::id()).unwrap();
    Seen {
        maker: own.pid,
        connector: own.pid,
        uid: own.uid,
        gid: own.gid,
        made: u64::MAX,
        forks: record.slot(own.pid).unwrap(),
    }
}

#[test]
fn nothing_that_does_not_add_up_is_believed() {
    if !root() {
        return;
    }
    let record = ConnectRecord::begin().unwrap();
    let (_listener, _client, owner) = connected();
    let own = process(std::process::id()).unwrap();
    let tells = |seen: Seen| {
        let key = owner.cookie.to_ne_bytes();
        record.sockets.set(&key, &seen.bytes()).unwrap();
        record.holder(&owner, usize::MAX)
    };
    // Other tests of this process start programs, which counts: believed in some moment without.
    let (holder, _) = std::iter::repeat_with(|| tells(honest(&record)))
        .find_map(|told| told.unwrap())
        .unwrap();
    assert_eq!(holder.pid, own.pid);

    let later_than = |made| Seen {
        made,
        ..honest(&record)
    };
    let tick = NANOSECONDS / ticks_per_second();
    for unlike in [
        // The number was another's when the socket was made, or may have been.
        later_than(own.start_time * tick - 1),
        later_than((own.start_time + 1) * tick - 1),
        Seen {
            maker: 1,
            ..honest(&record)
        },
        Seen {
            connector: 0,
            ..honest(&record)
        },
        Seen {
            forks: honest(&record).forks + 1,
            ..honest(&record)
        },
        Seen {
            forks: honest(&record).forks | SHARES,
            ..honest(&record)
        },
        // A process that is there and does not hold the socket.
        Seen {
            maker: 1,
            connector: 1,
            ..honest(&record)
        },
    ] {
        assert!(matches!(tells(unlike), Ok(None)), "{unlike:?}");
    }
    let error = tells(Seen {
        uid: own.uid + 1,
        ..honest(&record)
    });
    assert!(matches!(error, Err(CallerError::OtherConnector { .. })));
    assert!(matches!(
        record.holder(&TcpOwner { cookie: 1, ..owner }, 9),
        Ok(None)
    ));
}

#[test]
fn a_record_ends_with_its_descriptors() {
    if !root() {
        return;
    }
    let record = ConnectRecord::begin().unwrap();
    let sockets = record.sockets.again().unwrap();
    let (_one, _client, before) = connected();
    assert!(sockets.get(&before.cookie.to_ne_bytes()).unwrap().is_some());
    drop(record);
    let (_two, _client, after) = connected();
    assert_eq!(sockets.get(&after.cookie.to_ne_bytes()).unwrap(), None);
}

#[test]
fn the_tree_is_found_by_its_root() {
    let line = "38 31 0:31 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw";
    assert_eq!(cgroup_root_in(line), Some(Path::new("/sys/fs/cgroup/unified")));
    // The tree of a container is not the machine's, and other trees have no such programs.
    for other in [
        "38 31 0:31 /../box /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
        "32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu",
        "",
    ] {
        assert_eq!(cgroup_root_in(other), None);
    }
}
