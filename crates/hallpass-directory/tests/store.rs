//! The directory store through its only door: permitted requests.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use bytes::Bytes;
use hallpass_access::{Caller, CallerKind, Permit};
use hallpass_directory::{Directory, OpenDirectoryError};
use hallpass_policy::PrincipalInfo;
use hallpass_s3route::{S3Head, route};
use hallpass_sigv4::{BodyCheck, BodyOptions, RequestView};
use hallpass_types::{AccountId, Clock, UnixSeconds};
use hallpass_upstream::{ForwardRequest, Upstream, UpstreamError, VerifiedBody, encode_key};
use http::Response;
use http_body_util::{BodyExt, Full, StreamBody};
use std::sync::Arc;

struct Fixed;
impl Clock for Fixed {
    fn now(&self) -> UnixSeconds {
        UnixSeconds(1_440_938_160)
    }
}

struct Lab {
    folder: tempfile::TempDir,
    store: Directory,
}

type Headers<'a> = &'a [(&'a str, &'a str)];

impl Lab {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Directory::open(folder.path(), Arc::new(Fixed)).unwrap();
        let lab = Self { folder, store };
        lab.call("PUT", "/demo", &[], "").await.unwrap();
        lab
    }

    fn request(
        method: &str,
        target: &str,
        headers: Headers<'_>,
        body: VerifiedBody,
        xml: &[u8],
    ) -> ForwardRequest {
        let (path, query) = target
            .split_once('?')
            .map_or((target, None), |(path, query)| (path, Some(query)));
        let view: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_bytes()))
            .collect();
        let mut s3 = route(&S3Head {
            method,
            path,
            query,
            headers: &view,
            host_bucket: None,
        })
        .unwrap();
        if s3.buffers_body() {
            s3.read_body(xml).unwrap();
        }
        let mut head = http::Request::builder().method(method).uri("/");
        for (name, value) in headers {
            head = head.header(*name, *value);
        }
        let account: AccountId = "123456789012".parse().unwrap();
        let caller = Caller {
            account,
            kind: CallerKind::Root,
            principal: PrincipalInfo::root(account),
            user_id: account.to_string(),
            access_key_id: None,
            session: None,
        };
        let permit = Permit::unconditional(Arc::new(caller), "s3:*", "tests of the store, not of policy");
        ForwardRequest::new(
            permit,
            s3,
            head.body(()).unwrap().into_parts().0,
            body,
            "r-1".to_owned(),
            UnixSeconds(0),
        )
    }

    async fn call(
        &self,
        method: &str,
        target: &str,
        headers: Headers<'_>,
        body: impl Into<Bytes>,
    ) -> Result<Answer, UpstreamError> {
        let body = body.into();
        let request = Self::request(
            method,
            target,
            headers,
            VerifiedBody::from_bytes(body.clone()),
            &body,
        );
        let response = self.store.serve(request).await?;
        Ok(Answer::of(response).await)
    }

    async fn put(&self, key: &str, body: impl Into<Bytes>) -> Answer {
        self.call("PUT", &format!("/demo/{}", encode_key(key)), &[], body)
            .await
            .unwrap()
    }

    async fn get(&self, key: &str) -> Result<Answer, UpstreamError> {
        self.call("GET", &format!("/demo/{}", encode_key(key)), &[], "")
            .await
    }

    async fn code(
        &self,
        method: &str,
        target: &str,
        headers: Headers<'_>,
        body: &'static str,
    ) -> (&'static str, u16) {
        let error = self
            .call(method, target, headers, body)
            .await
            .map(|answer| answer.status)
            .unwrap_err();
        (error.code, error.status)
    }

    fn staged(&self) -> usize {
        std::fs::read_dir(self.folder.path().join(".hallpass/staging"))
            .unwrap()
            .count()
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Answer {
    async fn of(response: Response<hallpass_upstream::Body>) -> Self {
        let (head, body) = response.into_parts();
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
    fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).unwrap()
    }
    fn all(&self, element: &str) -> Vec<String> {
        let text = self.text();
        let (open, close) = (format!("<{element}>"), format!("</{element}>"));
        text.split(&open)
            .skip(1)
            .map(|rest| rest.split(&close).next().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn an_object_is_the_file_its_key_says_and_keeps_its_headers() {
    let lab = Lab::new().await;
    let headers = [
        ("content-type", "text/plain"),
        ("x-amz-meta-who", "me"),
        ("x-amz-server-side-encryption", "AES256"),
        ("x-amz-tagging", "a=1"),
        ("content-encoding", "gzip,aws-chunked"),
    ];
    let put = lab.call("PUT", "/demo/a/b.txt", &headers, "hello").await.unwrap();
    assert_eq!(put.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    assert_eq!(put.header("x-amz-server-side-encryption"), "AES256");
    assert_eq!(
        std::fs::read(lab.folder.path().join("demo/a/b.txt")).unwrap(),
        b"hello"
    );
    let get = lab.get("a/b.txt").await.unwrap();
    assert_eq!((get.status, &get.body[..]), (200, &b"hello"[..]));
    for (name, value) in [
        ("content-type", "text/plain"),
        ("x-amz-meta-who", "me"),
        ("x-amz-tagging-count", "1"),
        ("content-encoding", "gzip"),
        ("content-length", "5"),
        ("last-modified", "Sun, 30 Aug 2015 12:36:00 GMT"),
        ("accept-ranges", "bytes"),
    ] {
        assert_eq!(get.header(name), value, "{name}");
    }
    let head = lab.call("HEAD", "/demo/a/b.txt", &[], "").await.unwrap();
    assert_eq!((head.header("content-length"), head.body.len()), ("5", 0));
    assert_eq!(
        lab.call("DELETE", "/demo/a/b.txt", &[], "").await.unwrap().status,
        204
    );
    assert!(
        !lab.folder.path().join("demo/a").exists(),
        "an emptied folder goes"
    );
    assert_eq!(lab.get("a/b.txt").await.unwrap_err().code, "NoSuchKey");
    assert_eq!(
        lab.call("DELETE", "/demo/a/b.txt", &[], "").await.unwrap().status,
        204
    );
}

#[tokio::test]
async fn every_key_is_kept_apart_and_none_leaves_its_bucket() {
    let lab = Lab::new().await;
    let long = "k".repeat(1_024);
    let keys = [
        "a",
        "a/b",
        "a/b/",
        "a//b",
        "/lead",
        "../x",
        "../../etc/x",
        "a/../b",
        ".",
        "..",
        "sp ace",
        "pl+us",
        "p%2Fq",
        "ünï/☃",
        "new\nline",
        ".hallpass/index.redb",
        "<&>\"",
        &long,
    ];
    for key in keys {
        lab.put(key, key.to_owned()).await;
    }
    for key in keys {
        assert_eq!(lab.get(key).await.unwrap().text(), key, "{key}");
    }
    let mut sorted: Vec<String> = keys.iter().map(|key| encode_key(key)).collect();
    sorted.sort_by_key(|key| hallpass_wire_decode(key));
    let listed = lab
        .call("GET", "/demo?list-type=2&encoding-type=url", &[], "")
        .await
        .unwrap();
    assert_eq!(listed.all("Key"), sorted);
    let outside: Vec<_> = std::fs::read_dir(lab.folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(outside.len(), 2, "only .hallpass and the bucket: {outside:?}");
    assert!(!lab.folder.path().parent().unwrap().join("x").exists());
    for key in keys {
        lab.call("DELETE", &format!("/demo/{}", encode_key(key)), &[], "")
            .await
            .unwrap();
    }
    assert_eq!(lab.call("DELETE", "/demo", &[], "").await.unwrap().status, 204);
}

fn hallpass_wire_decode(text: &str) -> Vec<u8> {
    let mut out = vec![];
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            out.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            out.push(byte);
        }
    }
    out
}

#[tokio::test]
async fn links_below_a_bucket_are_never_followed() {
    let lab = Lab::new().await;
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), lab.folder.path().join("demo/link")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), lab.folder.path().join("demo/file")).unwrap();
    for key in ["link/secret", "file"] {
        assert_eq!(lab.get(key).await.unwrap_err().code, "NoSuchKey");
        lab.put(key, "mine").await;
        assert_eq!(lab.get(key).await.unwrap().text(), "mine");
    }
    assert_eq!(
        std::fs::read_to_string(outside.path().join("secret")).unwrap(),
        "secret"
    );
}

#[tokio::test]
async fn ranges_and_conditions_follow_the_rules() {
    let lab = Lab::new().await;
    lab.put("r", "0123456789").await;
    for (range, status, body) in [
        ("bytes=2-4", 206, "234"),
        ("bytes=-2", 206, "89"),
        ("bytes=8-", 206, "89"),
        ("bytes=4-1", 200, "0123456789"),
    ] {
        let got = lab.call("GET", "/demo/r", &[("range", range)], "").await.unwrap();
        assert_eq!((got.status, got.text().as_str()), (status, body), "{range}");
    }
    let got = lab
        .call("GET", "/demo/r", &[("range", "bytes=2-4")], "")
        .await
        .unwrap();
    assert_eq!(got.header("content-range"), "bytes 2-4/10");
    assert_eq!(
        lab.code("GET", "/demo/r", &[("range", "bytes=10-")], "").await,
        ("InvalidRange", 416)
    );
    let etag = got.header("etag").to_owned();
    assert_eq!(
        lab.call("GET", "/demo/r", &[("if-none-match", &etag)], "")
            .await
            .unwrap()
            .status,
        304
    );
    assert_eq!(
        lab.code("GET", "/demo/r", &[("if-match", "\"x\"")], "").await,
        ("PreconditionFailed", 412)
    );
    let since = [("if-modified-since", "Sun, 30 Aug 2015 12:36:00 GMT")];
    assert_eq!(lab.call("GET", "/demo/r", &since, "").await.unwrap().status, 304);
    assert_eq!(
        lab.code("PUT", "/demo/r", &[("if-none-match", "*")], "n").await,
        ("PreconditionFailed", 412)
    );
    assert_eq!(
        lab.code("PUT", "/demo/r", &[("if-match", "\"x\"")], "n").await,
        ("PreconditionFailed", 412)
    );
    assert_eq!(
        lab.code("PUT", "/demo/none", &[("if-match", "\"x\"")], "n").await,
        ("NoSuchKey", 404)
    );
    assert_eq!(
        lab.call("PUT", "/demo/r", &[("if-match", &etag)], "n")
            .await
            .unwrap()
            .status,
        200
    );
    let got = lab
        .call("GET", "/demo/r?response-content-type=a%2Fb", &[], "")
        .await
        .unwrap();
    assert_eq!(got.header("content-type"), "a/b");
    assert_eq!(lab.staged(), 0);
}

#[tokio::test]
async fn listings_page_through_thousands_of_keys_in_order() {
    let lab = Lab::new().await;
    let bucket = lab.folder.path().join("demo");
    for folder in 0..25 {
        std::fs::create_dir(bucket.join(format!("d{folder:02}"))).unwrap();
        for file in 0..101 {
            std::fs::write(bucket.join(format!("d{folder:02}/f{file:03}")), "x").unwrap();
        }
    }
    lab.put("d03//odd", "o").await;
    lab.put("d03", "file beside a folder").await;
    let mut keys = vec![];
    let mut token = String::new();
    loop {
        let page = lab
            .call("GET", &format!("/demo?list-type=2{token}"), &[], "")
            .await
            .unwrap();
        keys.extend(page.all("Key"));
        match page.all("NextContinuationToken").first() {
            Some(next) => token = format!("&continuation-token={next}"),
            None => break,
        }
    }
    assert_eq!(keys.len(), 25 * 101 + 2);
    assert!(keys.is_sorted() && keys.contains(&"d03//odd".to_owned()));
    let top = lab
        .call("GET", "/demo?delimiter=/&max-keys=4", &[], "")
        .await
        .unwrap();
    assert_eq!(top.all("CommonPrefixes").len() + top.all("Key").len(), 4);
    assert_eq!(top.all("NextMarker"), ["d03"], "{}", top.text());
    let rest = lab
        .call("GET", "/demo?delimiter=/&marker=d03", &[], "")
        .await
        .unwrap();
    assert_eq!(rest.all("CommonPrefixes").len(), 22);
    assert_eq!(rest.all("Prefix")[1], "d03/");
    let inner = lab
        .call("GET", "/demo?list-type=2&prefix=d24/f09&delimiter=/", &[], "")
        .await
        .unwrap();
    assert_eq!(inner.all("Key").len(), 10);
    let none = lab.call("GET", "/demo?max-keys=0", &[], "").await.unwrap();
    assert_eq!(none.all("IsTruncated"), ["false"]);
    let after = lab
        .call("GET", "/demo?list-type=2&start-after=d24/f099", &[], "")
        .await
        .unwrap();
    assert_eq!(after.all("Key"), ["d24/f100"]);
}

#[tokio::test]
async fn an_upload_in_parts_becomes_one_object() {
    let lab = Lab::new().await;
    let begun = lab
        .call("POST", "/demo/big?uploads", &[("x-amz-meta-a", "b")], "")
        .await
        .unwrap();
    let id = begun.all("UploadId").remove(0);
    let part = |n: u8, size: usize| {
        let (lab, id) = (&lab, id.clone());
        async move {
            let body = vec![n; size];
            let target = format!("/demo/big?partNumber={n}&uploadId={id}");
            lab.call("PUT", &target, &[], body)
                .await
                .unwrap()
                .header("etag")
                .to_owned()
        }
    };
    let (one, two, three) = (part(1, 5 << 20).await, part(2, 100).await, part(3, 7).await);
    let target = format!("/demo/big?uploadId={id}");
    let listed = lab.call("GET", &target, &[], "").await.unwrap();
    assert_eq!(listed.all("PartNumber"), ["1", "2", "3"]);
    let xml = |parts: &[(u8, &str)]| {
        let parts = parts
            .iter()
            .map(|(n, etag)| format!("<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>"));
        format!(
            "<CompleteMultipartUpload>{}</CompleteMultipartUpload>",
            parts.collect::<String>()
        )
    };
    for (body, code) in [
        (xml(&[(2, &two), (1, &one)]), "InvalidPartOrder"),
        (xml(&[(1, "\"00\"")]), "InvalidPart"),
        (xml(&[(1, &one), (2, &two), (3, &three)]), "EntityTooSmall"),
    ] {
        assert_eq!(lab.call("POST", &target, &[], body).await.unwrap_err().code, code);
    }
    let done = lab
        .call("POST", &target, &[], xml(&[(1, &one), (3, &three)]))
        .await
        .unwrap();
    assert!(done.all("ETag")[0].ends_with("-2&quot;"), "{}", done.text());
    let got = lab.get("big").await.unwrap();
    assert_eq!((got.body.len(), got.header("x-amz-meta-a")), ((5 << 20) + 7, "b"));
    assert_eq!(lab.code("GET", &target, &[], "").await, ("NoSuchUpload", 404));
    let second = lab.call("GET", "/demo/big?partNumber=2", &[], "").await.unwrap();
    assert_eq!(
        (
            second.status,
            second.body.len(),
            second.header("x-amz-mp-parts-count")
        ),
        (206, 7, "2")
    );
    let again = lab
        .call("POST", "/demo/big?uploads", &[], "")
        .await
        .unwrap()
        .all("UploadId")
        .remove(0);
    assert_eq!(
        lab.call("GET", "/demo?uploads", &[], "")
            .await
            .unwrap()
            .all("UploadId"),
        std::slice::from_ref(&again)
    );
    let copied = [
        ("x-amz-copy-source", "/demo/big"),
        ("x-amz-copy-source-range", "bytes=0-9"),
    ];
    let target = format!("/demo/big?partNumber=1&uploadId={again}");
    assert_eq!(
        lab.call("PUT", &target, &copied, "")
            .await
            .unwrap()
            .all("ETag")
            .len(),
        1
    );
    lab.call("DELETE", &format!("/demo/big?uploadId={again}"), &[], "")
        .await
        .unwrap();
    assert_eq!(
        std::fs::read_dir(lab.folder.path().join(".hallpass/parts"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn a_body_that_fails_leaves_the_old_object_and_nothing_else() {
    let lab = Lab::new().await;
    lab.put("k", "old").await;
    let wrong = "0".repeat(64);
    let check = |length: &str| {
        let headers: Vec<(&str, &[u8])> = vec![
            ("content-length", length.as_bytes()),
            ("x-amz-content-sha256", wrong.as_bytes()),
        ];
        let view = RequestView {
            method: "PUT",
            path: "/demo/k",
            query: None,
            headers: &headers,
        };
        BodyCheck::for_request(&view, None, &BodyOptions::default()).unwrap()
    };
    let big = Bytes::from(vec![7; 700_000]);
    let lies = VerifiedBody::new(check("700000"), Full::new(big.clone()));
    let frames = [
        Ok(http_body::Frame::data(big)),
        Err(std::io::Error::other("gone")),
    ];
    let stops = VerifiedBody::new(check("900000"), StreamBody::new(Frames(frames.into())));
    let empty = VerifiedBody::new(check("0"), Full::new(Bytes::new()));
    for (body, code) in [
        (lies, "XAmzContentSHA256Mismatch"),
        (stops, "IncompleteBody"),
        (empty, "XAmzContentSHA256Mismatch"),
    ] {
        let error = lab
            .store
            .serve(Lab::request("PUT", "/demo/k", &[], body, b""))
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(error.code, code);
        assert_eq!(lab.get("k").await.unwrap().text(), "old");
        assert_eq!(lab.staged(), 0);
    }
}

struct Frames(std::collections::VecDeque<Result<http_body::Frame<Bytes>, std::io::Error>>);
impl futures_util::Stream for Frames {
    type Item = Result<http_body::Frame<Bytes>, std::io::Error>;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.pop_front())
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening_and_hand_made_files_are_too() {
    let Lab { folder, store } = Lab::new().await;
    let lab = Lab { folder, store };
    lab.call("PUT", "/demo/kept", &[("x-amz-meta-a", "b")], "x")
        .await
        .unwrap();
    lab.put("a//odd", "odd").await;
    assert!(matches!(
        Directory::open(lab.folder.path(), Arc::new(Fixed)),
        Err(OpenDirectoryError::InUse(_))
    ));
    let Lab { folder, store } = lab;
    drop(store);
    std::fs::write(folder.path().join(".hallpass/staging/rubbish"), "x").unwrap();
    std::fs::write(folder.path().join("demo/by hand"), "hello").unwrap();
    let lab = Lab {
        store: Directory::open(folder.path(), Arc::new(Fixed)).unwrap(),
        folder,
    };
    assert_eq!(lab.staged(), 0);
    assert_eq!(lab.get("kept").await.unwrap().header("x-amz-meta-a"), "b");
    assert_eq!(lab.get("a//odd").await.unwrap().text(), "odd");
    let hand = lab.get("by hand").await.unwrap();
    assert_eq!(hand.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    // An edit in place is a new object: the old metadata must not go with it.
    std::fs::write(folder_of(&lab).join("demo/kept"), "edited").unwrap();
    let edited = lab.get("kept").await.unwrap();
    assert_eq!(
        (edited.text().as_str(), edited.header("x-amz-meta-a")),
        ("edited", "")
    );
    let Lab { folder, store } = lab;
    drop(store);
    let index = folder.path().join(".hallpass/index.redb");
    std::fs::write(&index, "not a database at all, and long enough to be read as one").unwrap();
    assert!(matches!(
        Directory::open(folder.path(), Arc::new(Fixed)),
        Err(OpenDirectoryError::Corrupt { .. })
    ));
    assert!(std::fs::read(&index).unwrap().starts_with(b"not a"));
}

fn folder_of(lab: &Lab) -> &std::path::Path {
    lab.folder.path()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_concurrent_writes_to_one_key_one_wins_whole() {
    let lab = Arc::new(Lab::new().await);
    let writers: Vec<_> = (0..16u8)
        .map(|n| {
            let lab = Arc::clone(&lab);
            tokio::spawn(async move {
                let meta = n.to_string();
                lab.call("PUT", "/demo/k", &[("x-amz-meta-n", &meta)], vec![n; 300_000])
                    .await
                    .unwrap();
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let got = lab.get("k").await.unwrap();
    let n: u8 = got.header("x-amz-meta-n").parse().unwrap();
    assert!(got.body.len() == 300_000 && got.body.iter().all(|byte| *byte == n));
    let claims = (0..8).map(|_| {
        let lab = Arc::clone(&lab);
        tokio::spawn(async move {
            lab.call("PUT", "/demo/once", &[("if-none-match", "*")], "x")
                .await
                .is_ok()
        })
    });
    let mut won = 0;
    for claim in claims.collect::<Vec<_>>() {
        won += usize::from(claim.await.unwrap());
    }
    assert_eq!((won, lab.staged()), (1, 0));
}

#[tokio::test]
async fn copies_tags_deletes_and_buckets_behave_as_s3_does() {
    let lab = Lab::new().await;
    let headers = [
        ("x-amz-meta-a", "1"),
        ("x-amz-tagging", "t=1"),
        ("content-type", "a/b"),
    ];
    lab.call("PUT", "/demo/src", &headers, "data").await.unwrap();
    let from = ("x-amz-copy-source", "demo/src");
    lab.call("PUT", "/demo/dst", &[from], "").await.unwrap();
    assert_eq!(lab.get("dst").await.unwrap().header("x-amz-meta-a"), "1");
    assert_eq!(
        lab.code("PUT", "/demo/src", &[from], "").await,
        ("InvalidRequest", 400)
    );
    let replace = [
        from,
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-meta-b", "2"),
    ];
    lab.call("PUT", "/demo/src", &replace, "").await.unwrap();
    let got = lab.get("src").await.unwrap();
    assert_eq!(
        (
            got.header("x-amz-meta-a"),
            got.header("x-amz-meta-b"),
            got.text().as_str()
        ),
        ("", "2", "data")
    );
    let stale = [from, ("x-amz-copy-source-if-match", "\"x\"")];
    assert_eq!(
        lab.code("PUT", "/demo/c", &stale, "").await,
        ("PreconditionFailed", 412)
    );
    assert_eq!(
        lab.call("GET", "/demo/dst?tagging", &[], "")
            .await
            .unwrap()
            .all("Key"),
        ["t"]
    );
    let tags = "<Tagging><TagSet><Tag><Key>n</Key><Value>v</Value></Tag></TagSet></Tagging>";
    lab.call("PUT", "/demo/dst?tagging", &[], tags).await.unwrap();
    assert_eq!(
        lab.call("GET", "/demo/dst?tagging", &[], "")
            .await
            .unwrap()
            .all("Key"),
        ["n"]
    );
    lab.call("DELETE", "/demo/dst?tagging", &[], "").await.unwrap();
    assert!(
        lab.call("GET", "/demo/dst?tagging", &[], "")
            .await
            .unwrap()
            .all("Key")
            .is_empty()
    );
    assert_eq!(
        lab.code("DELETE", "/demo", &[], "").await,
        ("BucketNotEmpty", 409)
    );
    assert_eq!(
        lab.code("PUT", "/demo", &[], "").await,
        ("BucketAlreadyOwnedByYou", 409)
    );
    assert_eq!(lab.call("GET", "/", &[], "").await.unwrap().all("Name"), ["demo"]);
    assert_eq!(lab.store.bucket_owner("demo").unwrap().as_str(), "123456789012");
    let delete = "<Delete><Object><Key>src</Key></Object><Object><Key>dst</Key></Object><Object><Key>no</Key></Object></Delete>";
    let deleted = lab.call("POST", "/demo?delete", &[], delete).await.unwrap();
    assert_eq!(deleted.all("Key"), ["src", "dst", "no"]);
    for (method, target, headers, code) in [
        (
            "PUT",
            "/demo/k",
            &[("x-amz-server-side-encryption", "aws:kms")][..],
            "NotImplemented",
        ),
        (
            "PUT",
            "/demo/k",
            &[("x-amz-server-side-encryption-customer-algorithm", "AES256")],
            "NotImplemented",
        ),
        (
            "PUT",
            "/demo/k",
            &[("x-amz-acl", "public-read")],
            "NotImplemented",
        ),
        ("GET", "/demo?lifecycle", &[], "NoSuchLifecycleConfiguration"),
        ("GET", "/demo?website", &[], "NoSuchWebsiteConfiguration"),
        ("GET", "/absent?website", &[], "NoSuchBucket"),
        ("GET", "/demo/absent?acl", &[], "NoSuchKey"),
        ("GET", "/demo?metrics", &[], "NotImplemented"),
        ("GET", "/absent/k", &[], "NoSuchBucket"),
        ("PUT", "/absent/k", &[], "NoSuchBucket"),
        ("HEAD", "/absent", &[], "NoSuchBucket"),
    ] {
        assert_eq!(
            lab.code(method, target, headers, "").await.0,
            code,
            "{method} {target}"
        );
    }
    let payer = lab.call("GET", "/demo?requestPayment", &[], "").await.unwrap();
    assert_eq!(payer.all("Payer"), ["BucketOwner"]);
    lab.put("k", "x").await;
    for target in ["/demo?acl", "/demo/k?acl"] {
        let acl = lab.call("GET", target, &[], "").await.unwrap();
        assert_eq!(acl.all("Permission"), ["FULL_CONTROL"], "{target}");
        assert_eq!(acl.all("ID"), ["123456789012"; 2], "{target}");
    }
    lab.call("DELETE", "/demo/k", &[], "").await.unwrap();
    assert_eq!(lab.call("DELETE", "/demo", &[], "").await.unwrap().status, 204);
    assert_eq!(lab.code("GET", "/demo", &[], "").await, ("NoSuchBucket", 404));
}
