use super::*;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicUsize, Ordering};

const ID: &str = "5a3bde0aa63e9a3a4f1b0e54dbb0ee4b9e1b2bbb0d4f9d1a1f0b3c2d4e5f6a7b";

fn container(runtime: Runtime, rootless: Option<u32>) -> ContainerRef {
    ContainerRef {
        id: ID.to_owned(),
        runtime,
        pod_uid: None,
        rootless,
    }
}

/// A runtime that answers every connection with `answer`, and how often it was asked.
fn scripted(answer: &'static str) -> (tempfile::TempDir, Runtimes, Arc<AtomicUsize>) {
    let folder = tempfile::tempdir().unwrap();
    let (docker, podman) = (
        folder.path().join("docker.sock"),
        folder.path().join("podman.sock"),
    );
    let listener = UnixListener::bind(&docker).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let mut request = [0; 512];
            let length = stream.read(&mut request).unwrap();
            let wanted = format!("GET /containers/{ID}/json HTTP/1.0\r\n");
            assert!(request[..length].starts_with(wanted.as_bytes()));
            stream.write_all(answer.as_bytes()).unwrap();
            if answer.is_empty() {
                kept.push(stream);
            }
        }
    });
    let owner = rustix::process::geteuid().as_raw();
    let runtimes = Runtimes::at(&docker, &podman, folder.path(), &[], owner);
    (folder, runtimes, asked)
}

const GOOD: &str = concat!(
    "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n",
    "{\"Id\":\"5a3bde0aa63e9a3a4f1b0e54dbb0ee4b9e1b2bbb0d4f9d1a1f0b3c2d4e5f6a7b\",\"Name\":\"/web\",\"State\":{},",
    "\"Config\":{\"Image\":\"shop/web:3\",\"Labels\":{\"team\":\"a\"}}}"
);

#[test]
fn image_name_and_labels_come_from_the_runtime_and_are_remembered() {
    let (_folder, runtimes, asked) = scripted(GOOD);
    for _ in 0..3 {
        let info = runtimes.ask(&container(Runtime::Docker, None)).unwrap();
        assert_eq!((info.name.as_str(), info.image.as_str()), ("web", "shop/web:3"));
        assert_eq!(info.labels["team"], "a");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn no_runtime_a_wrong_answer_and_a_silent_one_are_unknown() {
    for answer in [
        "HTTP/1.0 404 Not Found\r\n\r\n{}",
        "HTTP/1.0 200 OK\r\n\r\n{}",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\n\r\n{\"Id\":\"other\",\"Name\":\"/web\",\"Config\":{\"Image\":\"i\"}}",
        "nonsense",
        "",
    ] {
        let (_folder, runtimes, asked) = scripted(answer);
        let one = container(Runtime::Docker, None);
        runtimes.ask(&one).expect_err(answer);
        runtimes.ask(&one).expect_err(answer);
        assert_eq!(
            asked.load(Ordering::SeqCst),
            1,
            "a failure is believed for a moment"
        );
    }
    let (_folder, runtimes, _) = scripted(GOOD);
    runtimes.ask(&container(Runtime::Podman, None)).unwrap_err();
    runtimes.ask(&container(Runtime::Cri, None)).unwrap_err();
}

#[test]
fn a_users_container_is_never_asked_about_at_the_systems_runtime() {
    let (folder, runtimes, asked) = scripted(GOOD);
    let mine = rustix::process::geteuid().as_raw();
    let theirs = mine + 1;
    runtimes.ask(&container(Runtime::Docker, Some(mine))).unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    // The right place, served by someone else than that user.
    let home = folder.path().join(theirs.to_string());
    std::fs::create_dir(&home).unwrap();
    let _listener = UnixListener::bind(home.join("docker.sock")).unwrap();
    let error = runtimes
        .ask(&container(Runtime::Docker, Some(theirs)))
        .unwrap_err();
    assert!(error.to_string().contains("is served by uid"), "{error}");
}
