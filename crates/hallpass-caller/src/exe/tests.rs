use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command};

struct Running(Child);

impl Running {
    fn start(program: &Path) -> Self {
        Self(Command::new(program).arg("60").spawn().unwrap())
    }

    fn dir(&self) -> ProcessDir {
        ProcessDir::open(self.0.id()).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A copy of `sleep` at a path of its own.
fn copy(folder: &Path, name: &str) -> std::path::PathBuf {
    let sleep = fs::canonicalize("/usr/bin/sleep").unwrap();
    let path = folder.join(name);
    // Through another process: a descriptor of ours inherited by a parallel test's child would make exec fail.
    assert!(
        Command::new("cp")
            .arg(sleep)
            .arg(&path)
            .status()
            .unwrap()
            .success()
    );
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn the_path_is_the_running_files_and_the_hash_its_contents() {
    let folder = tempfile::tempdir().unwrap();
    let path = copy(folder.path(), "app");
    let running = Running::start(&path);
    assert_eq!(exe_path(&running.dir()).unwrap(), path.to_str().unwrap());
    let hashes = ExeHashes::default();
    let wanted = hex::encode(Sha256::digest(fs::read(&path).unwrap()));
    assert_eq!(hashes.of(&running.dir()).unwrap(), wanted);
    assert_eq!(hashes.of(&running.dir()).unwrap(), wanted);
    assert_eq!(hashes.0.lock().unwrap().len(), 1);
}

#[test]
fn a_deleted_program_has_no_path_even_when_another_took_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = copy(folder.path(), "app");
    let running = Running::start(&path);
    fs::remove_file(&path).unwrap();
    exe_path(&running.dir()).unwrap_err();
    copy(folder.path(), "app");
    exe_path(&running.dir()).unwrap_err();
    // A file really called that does not help.
    copy(folder.path(), "app (deleted)");
    exe_path(&running.dir()).unwrap_err();
}

#[test]
fn a_program_of_another_mount_namespace_is_known_only_if_it_is_the_same_file() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (good, evil) = (copy(folder.path(), "good"), copy(folder.path(), "evil"));
    let ready = folder.path().join("ready");
    let start = |script: String| {
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .stdout(std::process::Stdio::piped())
            .spawn();
        Running(child.unwrap())
    };
    let wait_for = |running: &Running, name: &str| {
        while !running.dir().link("exe").is_ok_and(|exe| exe.ends_with(name)) {
            std::thread::yield_now();
        }
    };
    let honest = start(format!("exec {} 60", good.display()));
    wait_for(&honest, "/good");
    assert_eq!(exe_path(&honest.dir()).unwrap(), good.to_str().unwrap());

    let masked = start(format!(
        "mount --bind {} {} && : > {} && exec {} 60",
        evil.display(),
        good.display(),
        ready.display(),
        good.display()
    ));
    wait_for(&masked, "/good");
    assert!(ready.exists());
    let error = exe_path(&masked.dir()).unwrap_err();
    assert!(error.to_string().contains("another file"), "{error}");
}

#[test]
fn a_program_in_memory_has_no_path() {
    let script = "import os\nfd=os.memfd_create('/usr/bin/app')\nos.write(fd,open('/usr/bin/sleep','rb').read())\n\
                  os.execve(fd,['app','60'],{})";
    let running = Running(Command::new("python3").args(["-c", script]).spawn().unwrap());
    while !running
        .dir()
        .link("exe")
        .is_ok_and(|exe| exe.starts_with("/memfd:"))
    {
        std::thread::yield_now();
    }
    exe_path(&running.dir()).unwrap_err();
}
