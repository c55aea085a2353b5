//! What containerd and CRI-O say about a container: `runtime.v1.RuntimeService/ContainerStatus`, gRPC over HTTP/2.
//!
//! Source: k8s.io/cri-api, `pkg/apis/runtime/v1/api.proto`; grpc.io, "gRPC over HTTP2".

use super::protobuf::{Broken, Fields, Value, with_text};
use super::{ANSWER_BYTES_MAX, ContainerInfo};
use crate::Unknown;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::collections::BTreeMap;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

const STATUS: &str = "http://localhost/runtime.v1.RuntimeService/ContainerStatus";
/// Before a gRPC message: whether it is compressed, and how long it is.
const PREFIX_BYTES: usize = 5;

/// Asks the runtime behind `stream` about the container `id`, until `deadline`.
pub(super) fn ask(stream: UnixStream, id: &str, deadline: Instant) -> Result<ContainerInfo, Unknown> {
    stream.set_nonblocking(true)?;
    // A thread of its own: one that serves others already cannot wait for what HTTP/2 does beside the request.
    let message = std::thread::scope(|scope| {
        let asking =
            std::thread::Builder::new().spawn_scoped(scope, || wait_for_answer(stream, id, deadline))?;
        let gone = |_| Err(Unknown::new("its runtime's answer is not understood"));
        asking.join().unwrap_or_else(gone)
    })?;
    read(&message, id)
}

fn wait_for_answer(stream: UnixStream, id: &str, deadline: Instant) -> Result<Bytes, Unknown> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let left = deadline.saturating_duration_since(Instant::now());
    runtime.block_on(within(left, exchange(stream, id)))
}

async fn within<T>(left: Duration, work: impl Future<Output = Result<T, Unknown>>) -> Result<T, Unknown> {
    match tokio::time::timeout(left, work).await {
        Ok(result) => result,
        Err(_) => Err(Unknown::new("its runtime is too slow")),
    }
}

/// The answer's message, if the runtime has one.
async fn exchange(stream: UnixStream, id: &str) -> Result<Bytes, Unknown> {
    let broken = |error: &dyn std::fmt::Display| Unknown::new(format!("its runtime's answer: {error}"));
    let stream = TokioIo::new(tokio::net::UnixStream::from_std(stream)?);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
        .await
        .map_err(|error| broken(&error))?;
    tokio::spawn(connection);
    let asked = with_text(id);
    let length = u32::try_from(asked.len()).unwrap_or_default();
    let mut body = vec![0];
    body.extend(length.to_be_bytes());
    body.extend(asked);
    let request = http::Request::post(STATUS)
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| broken(&error))?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| broken(&error))?;
    if answer.status() != http::StatusCode::OK {
        return Err(Unknown::new(format!("its runtime answers {}", answer.status())));
    }
    let limit = usize::try_from(ANSWER_BYTES_MAX).unwrap_or(usize::MAX);
    // A refusal has its status in the head, and no body.
    let refused = grpc_status(answer.headers()).is_some_and(|status| status != "0");
    let body = Limited::new(answer.into_body(), limit)
        .collect()
        .await
        .map_err(|error| broken(&error))?;
    let done = body.trailers().and_then(grpc_status) == Some("0");
    if refused || !done {
        return Err(Unknown::new("its runtime does not know it"));
    }
    message(body.to_bytes()).ok_or_else(|| Unknown::new("its runtime's answer is not understood"))
}

fn grpc_status(headers: &http::HeaderMap) -> Option<&str> {
    headers.get("grpc-status")?.to_str().ok()
}

/// The one message of an answer, which nobody asked to compress.
fn message(body: Bytes) -> Option<Bytes> {
    let (prefix, rest) = body.split_at_checked(PREFIX_BYTES)?;
    let (compressed, length) = prefix.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    let whole = *compressed == 0 && usize::try_from(length) == Ok(rest.len());
    whole.then(|| body.slice(PREFIX_BYTES..))
}

/// `ContainerStatusResponse`: its `status` is field 1; in that `id` is 1, `metadata` 2 (`name` 1), `image` 8 (`image` 1),
/// `labels` 12.
fn read(answer: &[u8], id: &str) -> Result<ContainerInfo, Unknown> {
    let status = one(answer, 1).and_then(|status| {
        Some((
            text(status, 1)?,
            ContainerInfo {
                name: text(one(status, 2)?, 1)?,
                image: text(one(status, 8)?, 1)?,
                labels: labels(status)?,
            },
        ))
    });
    match status {
        None => Err(Unknown::new("its runtime's answer is not understood")),
        Some((of, _)) if of != id => Err(Unknown::new("its runtime speaks of another container")),
        Some((_, info)) => Ok(info),
    }
}

/// The field `number` where it is there exactly once.
fn one(message: &[u8], number: u64) -> Option<&[u8]> {
    let mut found = None;
    for field in Fields::of(message) {
        match field {
            Ok((field, Value::Bytes(bytes))) if field == number && found.is_none() => found = Some(bytes),
            Ok((field, _)) if field != number => {}
            Ok(_) | Err(Broken) => return None,
        }
    }
    found
}

fn text(message: &[u8], number: u64) -> Option<String> {
    let text = std::str::from_utf8(one(message, number)?).ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}

fn labels(status: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for field in Fields::of(status) {
        let entry = match field {
            Ok((12, Value::Bytes(entry))) => entry,
            Ok((12, _)) | Err(Broken) => return None,
            Ok(_) => continue,
        };
        // An empty value may be left out.
        labels.insert(text(entry, 1)?, text(entry, 2).unwrap_or_default());
    }
    Some(labels)
}

#[cfg(test)]
mod tests;
