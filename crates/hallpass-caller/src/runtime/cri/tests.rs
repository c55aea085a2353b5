use crate::{ContainerRef, Runtime, Runtimes};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::path::{Path, PathBuf};

const ID: &str = "5a3bde0aa63e9a3a4f1b0e54dbb0ee4b9e1b2bbb0d4f9d1a1f0b3c2d4e5f6a7b";

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let length = content.len();
    if length > 127 {
        field.push(u8::try_from(length & 127).unwrap() | 128);
        field.push(u8::try_from(length >> 7).unwrap());
    } else {
        field.push(u8::try_from(length).unwrap());
    }
    field.extend(content);
    field
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    body
}

/// As containerd 1.6 answers, with the numbers and texts between that nobody here asks for.
fn status(id: &str) -> Vec<u8> {
    let label = |key: &str, value: &str| {
        field(
            12,
            &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat(),
        )
    };
    let status = [
        field(1, id.as_bytes()),
        field(2, &field(1, b"web")),
        vec![3 << 3, 1],
        field(8, &field(1, b"shop/web:3")),
        field(9, b"sha256:00"),
        label("team", "a"),
        field(12, &field(1, b"plain")),
    ];
    field(1, &status.concat())
}

/// A runtime that answers everything with `body` and `status`; silent without a status.
fn runtime(path: PathBuf, body: Vec<u8>, status: Option<&'static str>) {
    let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let body = body.clone();
                let answer = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                    let body = Bytes::from(body.clone());
                    async move {
                        assert_eq!(request.uri().path(), "/runtime.v1.RuntimeService/ContainerStatus");
                        let asked = request.into_body().collect().await.unwrap().to_bytes();
                        assert_eq!(asked, framed(&field(1, ID.as_bytes())));
                        let Some(status) = status else {
                            return std::future::pending().await;
                        };
                        let mut trailers = http::HeaderMap::new();
                        trailers.insert("grpc-status", status.parse().unwrap());
                        let body = Full::new(body).with_trailers(async { Some(Ok(trailers)) });
                        Ok::<_, Infallible>(http::Response::new(body))
                    }
                });
                let serving = http2::Builder::new(TokioExecutor::new());
                tokio::spawn(serving.serve_connection(TokioIo::new(stream), answer));
            }
        });
    });
}

fn ask(
    sockets: &[&Path],
    rootless: Option<u32>,
) -> Result<std::sync::Arc<crate::ContainerInfo>, crate::Unknown> {
    let nowhere = Path::new("/nowhere");
    let owner = rustix::process::geteuid().as_raw();
    Runtimes::at(nowhere, nowhere, nowhere, sockets, owner).ask(&ContainerRef {
        id: ID.to_owned(),
        runtime: Runtime::Cri,
        pod_uid: None,
        rootless,
    })
}

#[test]
fn image_name_and_labels_come_from_the_runtime_that_knows_it() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    runtime(at("stranger"), Vec::new(), Some("5"));
    runtime(at("knows"), framed(&status(ID)), Some("0"));
    let info = ask(&[&at("absent"), &at("stranger"), &at("knows")], None).unwrap();
    assert_eq!((info.name.as_str(), info.image.as_str()), ("web", "shop/web:3"));
    let labels: Vec<_> = info
        .labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    assert_eq!(labels, [("plain", ""), ("team", "a")]);
    ask(&[&at("knows")], Some(1000)).expect_err("a user's own tree");
}

#[test]
fn what_is_not_its_status_is_unknown() {
    let whole = status(ID);
    let without = |number: u8| {
        let inner = [
            field(1, ID.as_bytes()),
            field(2, &field(1, b"web")),
            field(8, &field(1, b"i")),
        ];
        let kept: Vec<u8> = inner
            .into_iter()
            .filter(|field| field[0] >> 3 != number)
            .flatten()
            .collect();
        framed(&field(1, &kept))
    };
    let compressed = [&[1][..], &framed(&whole)[1..]].concat();
    for (case, body, status) in [
        ("refused after all", framed(&whole), Some("2")),
        (
            "another container",
            framed(&status(&ID.replace('5', "6"))),
            Some("0"),
        ),
        ("cut", framed(&whole[..whole.len() - 1]), Some("0")),
        ("shorter than said", framed(&whole)[..40].to_vec(), Some("0")),
        ("longer than said", [framed(&whole), vec![0]].concat(), Some("0")),
        ("compressed", compressed, Some("0")),
        (
            "two of it",
            framed(&[whole.clone(), whole.clone()].concat()),
            Some("0"),
        ),
        ("no id", without(1), Some("0")),
        ("no name", without(2), Some("0")),
        ("no image", without(8), Some("0")),
        ("nothing", Vec::new(), Some("0")),
        ("endless", vec![0; 5 << 20], Some("0")),
        ("silent", Vec::new(), None),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        runtime(socket.clone(), body, status);
        ask(&[&socket], None).expect_err(case);
    }
    // The parts that are left out above are all that is needed.
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    runtime(socket.clone(), without(99), Some("0"));
    ask(&[&socket], None).unwrap();
}

#[tokio::test]
async fn it_may_be_asked_from_wherever() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    runtime(socket.clone(), framed(&status(ID)), Some("0"));
    ask(&[&socket], None).unwrap();
}
