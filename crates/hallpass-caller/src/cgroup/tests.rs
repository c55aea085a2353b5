use super::*;

const ID: &str = "5a3bde0aa63e9a3a4f1b0e54dbb0ee4b9e1b2bbb0d4f9d1a1f0b3c2d4e5f6a7b";
const OTHER: &str = "0000de0aa63e9a3a4f1b0e54dbb0ee4b9e1b2bbb0d4f9d1a1f0b3c2d4e5f0000";

fn at(path: &str) -> Cgroup {
    Cgroup::parse(&format!("0::{}\n", path.replace("ID", ID))).unwrap()
}

#[test]
fn the_unit_is_the_system_managers_own() {
    for (path, unit, slices, user_unit) in [
        (
            "/system.slice/web.service",
            Some("web.service"),
            "system.slice",
            None,
        ),
        ("/web.service", Some("web.service"), "", None),
        ("/init.scope", Some("init.scope"), "", None),
        (
            "/system.slice/system-getty.slice/getty@tty1.service",
            Some("getty@tty1.service"),
            "system.slice system-getty.slice",
            None,
        ),
        (
            "/system.slice/a\\x2db.service",
            Some("a\\x2db.service"),
            "system.slice",
            None,
        ),
        (
            "/system.slice/_cpu.service",
            Some("cpu.service"),
            "system.slice",
            None,
        ),
        // A delegated tree may call its children as it likes.
        (
            "/system.slice/evil.service/web.service",
            Some("evil.service"),
            "system.slice",
            None,
        ),
        (
            "/system.slice/evil.service/system.slice/web.service",
            Some("evil.service"),
            "system.slice",
            None,
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/web.service",
            Some("user@1000.service"),
            "user.slice user-1000.slice",
            Some("web.service"),
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/system.slice/sub.slice/web.service",
            Some("user@1000.service"),
            "user.slice user-1000.slice",
            Some("web.service"),
        ),
        (
            "/user.slice/user-1000.slice/session-3.scope",
            Some("session-3.scope"),
            "user.slice user-1000.slice",
            None,
        ),
        ("/made/by/hand/web.service", None, "", None),
        ("/.service", None, "", None),
        ("/", None, "", None),
    ] {
        let group = at(path);
        assert_eq!(group.unit.as_deref(), unit, "{path}");
        assert_eq!(group.slices.join(" "), slices, "{path}");
        assert_eq!(group.user_unit.as_deref(), user_unit, "{path}");
    }
}

#[test]
fn a_container_is_known_by_the_path_its_manager_made() {
    let uid = "b2a48afe-91ff-4cc3-b0ab-9e8b9e3b6a13";
    let scoped = uid.replace('-', "_");
    for (path, runtime, pod, rootless) in [
        ("/docker/ID".to_owned(), Runtime::Docker, None, None),
        (
            "/system.slice/docker-ID.scope".into(),
            Runtime::Docker,
            None,
            None,
        ),
        (
            "/system.slice/docker-ID.scope/init.scope".into(),
            Runtime::Docker,
            None,
            None,
        ),
        (
            "/machine.slice/libpod-ID.scope/container".into(),
            Runtime::Podman,
            None,
            None,
        ),
        ("/libpod_parent/libpod-ID".into(), Runtime::Podman, None, None),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container".into(),
            Runtime::Podman,
            None,
            Some(1000),
        ),
        (
            format!("/kubepods/burstable/pod{uid}/ID"),
            Runtime::Cri,
            Some(uid),
            None,
        ),
        (
            format!(
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{scoped}.slice/cri-containerd-ID.scope"
            ),
            Runtime::Cri,
            Some(uid),
            None,
        ),
        (
            format!("/kubepods.slice/kubepods-pod{scoped}.slice/crio-ID.scope/container"),
            Runtime::Cri,
            Some(uid),
            None,
        ),
        (
            format!("/kubepods.slice/kubepods-pod{scoped}.slice/docker-ID.scope"),
            Runtime::Cri,
            Some(uid),
            None,
        ),
        (
            format!(
                "/system.slice/containerd.service/kubepods-besteffort-pod{scoped}.slice:cri-containerd:ID"
            ),
            Runtime::Cri,
            Some(uid),
            None,
        ),
    ] {
        let wanted = ContainerRef {
            id: ID.to_owned(),
            runtime,
            pod_uid: pod.map(str::to_owned),
            rootless,
        };
        assert_eq!(at(&path).container, Some(wanted), "{path}");
    }
}

#[test]
fn a_container_named_by_those_it_holds_is_not_believed() {
    let nested = at(&format!("/docker/ID/docker/{OTHER}"));
    assert_eq!(nested.container.unwrap().id, ID);
    for path in [
        "/system.slice/jenkins.service/docker-ID.scope",
        "/user.slice/user-1000.slice/session-3.scope/docker-ID.scope",
        "/machine.slice/libpod-conmon-ID.scope",
        "/mine/ID",
    ] {
        let group = at(path);
        assert_eq!(group.container, None, "{path}");
        assert!(group.maybe_container, "{path}");
    }
    assert!(!at("/system.slice/web.service").maybe_container);
    // What a user calls a container of the system is that user's.
    let lookalike = at("/user.slice/user-1000.slice/user@1000.service/app.slice/docker-ID.scope");
    assert_eq!(lookalike.container.unwrap().rootless, Some(1000));
}

#[test]
fn hybrid_hosts_are_read_and_contradictions_are_not() {
    let named = "9:name=systemd:/system.slice/web.service\n4:memory:/x\n";
    assert_eq!(Cgroup::parse(named).unwrap().unit.as_deref(), Some("web.service"));
    let both = format!("{named}0::/\n");
    assert_eq!(Cgroup::parse(&both).unwrap().unit.as_deref(), Some("web.service"));
    for text in [
        format!("{named}0::/system.slice/other.service\n"),
        "4:memory:/x\n".to_owned(),
        "0::/../outside\n".to_owned(),
        "0::/system.slice/web.service (deleted)\n".to_owned(),
        "0::relative\n".to_owned(),
        String::new(),
    ] {
        Cgroup::parse(&text).expect_err(&text);
    }
    // A container that only a controller of version 1 knows is enough not to say "none".
    let hidden = format!("4:memory:/docker/{ID}\n0::/\n");
    assert!(Cgroup::parse(&hidden).unwrap().maybe_container);
}
