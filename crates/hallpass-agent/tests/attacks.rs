//! What processes try that a rule is not meant for, with real processes. Needs root; skipped without.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "helpers of tests outside of test functions"
)]

mod support;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use support::*;
use tokio::process::Command;

/// A slice of control groups of the test's own, at the root of the hierarchy, gone with it.
struct Slice(PathBuf);

impl Slice {
    /// `None` without root, or where no control groups of version 2 are mounted.
    fn make() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let mount = mounts
            .lines()
            .find(|line| line.split(' ').nth(2) == Some("cgroup2"));
        if !root() || mount.is_none() {
            eprintln!("no root or no cgroup2: units were not tried");
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let name = format!("hallpasstest{}x{number}.slice", std::process::id());
        Some(Self(Path::new(mount?.split(' ').nth(1)?).join(name)))
    }

    /// What a user's shell gets in the control group `path` of this slice.
    async fn run(&self, world: &World, path: &str, identity: &[&str], script: &str) -> String {
        let group = self.0.join(path);
        fs::create_dir_all(&group).unwrap();
        world.as_user_in(Some(&group), identity, script).await
    }

    fn name(&self) -> &str {
        self.0.file_name().unwrap().to_str().unwrap()
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        let _ = std::process::Command::new("find")
            .arg(&self.0)
            .args(["-depth", "-type", "d", "-exec", "rmdir", "{}", ";"])
            .status();
    }
}

/// A folder all users can look into, with a copy of curl called `name`.
fn curl(folder: &tempfile::TempDir, name: &str, mode: u32) -> String {
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join(name);
    let copied = std::process::Command::new("cp")
        .arg("/usr/bin/curl")
        .arg(&path)
        .status();
    assert!(copied.unwrap().success());
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Asks for the list with another program than `curl`; the token is any process's of the user.
fn list_with(program: &str) -> String {
    format!("{program} -s -m 5 -w ' %{{http_code}}' -H \"X-aws-ec2-metadata-token: $T\" $U{LIST}")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_unit_of_one_user_gets_its_own_and_no_lookalike_does() {
    let Some(slice) = Slice::make() else { return };
    let world = world(rules(
        "[[rule]]\nuser = 'www-data'\nunit = 'web.service'\nroles = ['app']\n\
         [[rule]]\nunit = 'db@*.service'\nroles = ['ops']\n",
    ))
    .await;
    let list = format!("get {LIST}");
    for (path, wanted) in [
        ("web.service", "app 200"),
        ("web.service/workers", "app 200"),
        ("db@1.service", "ops 200"),
        ("other.service", " 404"),
        // What a delegated tree, or a user's manager, calls its own.
        ("evil.service/web.service", " 404"),
        ("evil.service/system.slice/web.service", " 404"),
        ("user-33.slice/user@33.service/app.slice/web.service", " 404"),
        ("byhand/web.service", " 404"),
    ] {
        assert_eq!(slice.run(&world, path, &WWW_DATA, &list).await, wanted, "{path}");
    }
    assert_eq!(world.as_user(&WWW_DATA, &list).await, " 404");
    assert_eq!(slice.run(&world, "web.service", &NOBODY, &list).await, " 404");
    // A token of one unit is worth nothing in another of the same user.
    let token = slice.run(&world, "web.service", &WWW_DATA, "echo $T").await;
    let replay = format!("T={}; {list}", token.trim());
    assert_eq!(
        slice.run(&world, "web.service", &WWW_DATA, &replay).await,
        "app 200"
    );
    assert!(
        slice
            .run(&world, "other.service", &WWW_DATA, &replay)
            .await
            .ends_with(" 401")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_was_removed_or_moved_out_of_is_no_unit() {
    let Some(slice) = Slice::make() else { return };
    let world = world(rules(&format!(
        "[[rule]]\nunit = 'web.service'\nroles = ['app']\n[[rule]]\nslice = '{}'\nroles = ['ops']\n",
        slice.name()
    )))
    .await;
    let list = format!("get {LIST}");
    let outside = slice.0.parent().unwrap().join("cgroup.procs");
    let other = slice.0.join("other.service");
    fs::create_dir_all(&other).unwrap();
    // Root moves the shell while it runs: who it is, is asked anew each time.
    let moving = |to: &Path| format!("get {LIST}; echo; echo $$ > {}; get {LIST}", to.display());
    let all = ["--reuid=0"];
    let moved = slice
        .run(&world, "web.service", &all, &moving(&other.join("cgroup.procs")))
        .await;
    assert!(
        moved.starts_with("app 200\n") && moved.ends_with(" 401"),
        "{moved}"
    );
    let renewed = format!(
        "echo $$ > {}; T=$(curl -s -X PUT -H '{TTL}: 60' $U/latest/api/token); {list}",
        outside.display()
    );
    assert_eq!(slice.run(&world, "web.service", &all, &renewed).await, " 404");
    assert_eq!(slice.run(&world, "other.service", &all, &list).await, "ops 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_program_itself_is_the_program() {
    if !root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let app = curl(&folder, "app", 0o755);
    let world = world_where(
        rules(&format!(
            "[[rule]]\nuser = 'www-data'\nexe = '{app}'\nroles = ['app']\n\
             [[rule]]\nuser = 'games'\nnot = {{ exe = '/usr/bin/**' }}\nroles = ['ops']\n"
        )),
        true,
    )
    .await;
    assert_eq!(world.as_user(&WWW_DATA, &list_with(&app)).await, "app 200");
    assert_eq!(world.as_user(&NOBODY, &list_with(&app)).await, " 404");
    assert_eq!(world.as_user(&WWW_DATA, &list_with("curl")).await, " 404");
    // Called like it, but another file; and the loader, which runs it without being it.
    let named = format!("/bin/bash -c 'exec -a \"$0\" curl \"$@\"' {app}");
    assert_eq!(world.as_user(&WWW_DATA, &list_with(&named)).await, " 404");
    let loader = "$(ls /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1 2>/dev/null | head -1)";
    assert_eq!(
        world
            .as_user(&WWW_DATA, &list_with(&format!("{loader} {app}")))
            .await,
        " 404"
    );
    let games = ["--reuid=5", "--regid=60", "--clear-groups"];
    assert_eq!(world.as_user(&games, &list_with(&app)).await, "ops 200");
    assert_eq!(world.as_user(&games, &list_with("curl")).await, " 404");

    // Mounted over, in a mount namespace of its own: the same path, another file.
    let evil = curl(&folder, "evil", 0o755);
    let script = format!(
        "mount --bind {evil} {app}; exec setpriv {} sh -c '{app} -s -m 5 -w \" %{{http_code}}\" {}{LIST}'",
        WWW_DATA.join(" "),
        format_args!("http://{}", world.address)
    );
    assert_eq!(
        run(Command::new("unshare").args(["--mount", "sh", "-c", &script])).await,
        " 404"
    );
    // Replaced while it is in use, as an upgrade does.
    fs::remove_file(&app).unwrap();
    curl(&folder, "app", 0o755);
    assert_eq!(world.as_user(&WWW_DATA, &list_with(&app)).await, "app 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_becomes_another_keeps_the_connection_but_not_the_role() {
    if !root() {
        return;
    }
    let shell = fs::canonicalize("/bin/bash").unwrap();
    let world = world_where(
        rules(&format!(
            "[[rule]]\nuser = 'www-data'\nexe = '{}'\nroles = ['app']\n",
            shell.display()
        )),
        true,
    )
    .await;
    let ask =
        format!("printf 'GET {LIST} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3");
    let connect = format!("exec 3<>/dev/tcp/127.0.0.1/{}", world.address.port());
    let as_bash = |script: String| {
        let mut command = Command::new("setpriv");
        command
            .args(WWW_DATA)
            .args([shell.to_str().unwrap(), "-c", &script]);
        command
    };
    // Read by bash itself: a second process would hold the connection too.
    let read = "while IFS= read -r -u 3 line; do echo \"$line\"; done";
    let own = run(&mut as_bash(format!("{connect}; {ask}; {read}"))).await;
    assert!(own.starts_with("HTTP/1.1 200"), "{own}");
    let other = run(&mut as_bash(format!(
        "{connect}; exec python3 -c 'import os; os.write(3,b\"GET {LIST} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n\"); \
         print(os.read(3,99).decode())'"
    )))
    .await;
    assert!(other.starts_with("HTTP/1.1 404"), "{other}");
    // Held by another program as well: every holder must satisfy the rule.
    let both = run(&mut as_bash(format!(
        // Until it is another program, it is the shell.
        "{connect}; sleep 60 & until [ \"$(< /proc/$!/comm)\" = sleep ]; do :; done; {ask}; {read}; kill %1"
    )))
    .await;
    assert!(both.starts_with("HTTP/1.1 404"), "{both}");
}

#[tokio::test(flavor = "multi_thread")]
async fn root_by_setuid_or_by_user_namespace_is_not_root() {
    if !root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let helper = curl(&folder, "helper", 0o4755);
    let world = world_where(rules("[[rule]]\nuid = 0\nroles = ['mine']\n"), true).await;
    let plain = format!("{helper} -s -m 5 -w ' %{{http_code}}' $U{LIST}");
    assert_eq!(world.as_user(&NOBODY, &plain).await, " 404");
    assert!(
        world.refusals()[0].contains("made by uid 0 but process"),
        "{:?}",
        world.refusals()
    );
    let inside = format!(
        "export T U; unshare -Ur sh -c 'id -u; {}' || echo none",
        list_with("curl").replace('\'', "\"")
    );
    let answer = world.as_user(&NOBODY, &inside).await;
    assert!(answer == "0\n 404" || answer == "none\n", "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_named_by_what_is_known_of_the_caller() {
    let Some(slice) = Slice::make() else { return };
    let world = world(rules(
        "[[rule]]\nuser = 'www-data'\nroles = ['app']\nsession_name = '{unit}'\ntags = { uid = '{uid}' }\n\
         [[rule]]\nuser = 'nobody'\nroles = ['app']\nsession_name = '{user}@{instance}'\n",
    ))
    .await;
    let get = format!("get {LIST}app");
    for unit in ["a.service", "b.service", "a.service"] {
        assert!(slice.run(&world, unit, &WWW_DATA, &get).await.ends_with(" 200"));
    }
    // Without a unit there is no name, so there is no session, rather than one under another name.
    assert!(world.as_user(&WWW_DATA, &get).await.ends_with(" 404"));
    assert!(world.as_user(&NOBODY, &get).await.ends_with(" 200"));
    let asked = world.source.sessions.lock().unwrap().clone();
    let names: Vec<&str> = asked
        .iter()
        .filter_map(|session| session.session_name.as_deref())
        .collect();
    assert_eq!(names, ["a.service", "b.service", "nobody@i-1"]);
    assert_eq!(asked[0].tags, [("uid".to_owned(), "33".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_behind_a_bridge_is_its_user_and_its_token_stays_inside() {
    if !root() {
        return;
    }
    let tag = std::process::id() % 9999;
    let script = format!(
        "ip netns add hpa{tag}; ip link add hpa{tag}o type veth peer name eth0 netns hpa{tag}
         ip addr add 10.215.0.1/24 dev hpa{tag}o; ip link set hpa{tag}o up
         ip -n hpa{tag} addr add 10.215.0.2/24 dev eth0; ip -n hpa{tag} link set eth0 up"
    );
    struct Gone(u32);
    impl Drop for Gone {
        fn drop(&mut self) {
            let name = format!("hpa{}", self.0);
            let _ = std::process::Command::new("ip")
                .args(["netns", "del", &name])
                .status();
        }
    }
    let _gone = Gone(tag);
    assert!(
        std::process::Command::new("sh")
            .args(["-ec", &script])
            .status()
            .unwrap()
            .success()
    );
    let address = "10.215.0.1:0".parse().unwrap();
    let world = world_at(
        rules("[[rule]]\nuser = 'www-data'\nroles = ['app']\n"),
        false,
        address,
    )
    .await;
    let inside = |identity: &[&str], script: &str| {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/hpa{tag}"))
            .arg("setpriv")
            .args(identity);
        command.args(["sh", "-c", &world.prepared(script)]);
        command
    };
    let list = format!("get {LIST}");
    assert_eq!(run(&mut inside(&WWW_DATA, &list)).await, "app 200");
    assert_eq!(run(&mut inside(&NOBODY, &list)).await, " 404");
    let token = run(&mut inside(&WWW_DATA, "echo $T")).await;
    let replay = format!("T={}; {list}", token.trim());
    assert_eq!(run(&mut inside(&WWW_DATA, &replay)).await, "app 200");
    assert!(
        world.as_user(&WWW_DATA, &replay).await.ends_with(" 401"),
        "another namespace"
    );
}
