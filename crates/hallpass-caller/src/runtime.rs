mod cri;
mod protobuf;

use crate::{ContainerRef, Runtime, Unknown, unix_owner};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// From connecting to the last byte of the answer.
const ASKED_AT_MOST: Duration = Duration::from_millis(500);
const ANSWER_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How long an answer is believed: only a container's name can change.
const KNOWN_FOR: Duration = Duration::from_secs(30);
/// How long a failure is believed, so that a broken runtime is not asked at every request.
const FAILED_FOR: Duration = Duration::from_secs(1);
const CONTAINERS_MAX: usize = 1024;
/// Where what runs Kubernetes' containers listens. A control group does not always tell which of them it is.
const CRI_SOCKETS: [&str; 3] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/k3s/containerd/containerd.sock",
];

/// What its runtime says about a container. Image and labels are chosen by whoever may start containers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContainerInfo {
    /// Its name, without the slash Docker puts before it.
    pub name: String,
    /// The image's name as the container was started with.
    pub image: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// Where container runtimes listen, and what they said.
#[derive(Debug)]
pub struct Runtimes {
    docker: PathBuf,
    podman: PathBuf,
    users: PathBuf,
    cri: Vec<PathBuf>,
    owner: u32,
    known: Mutex<HashMap<Asked, (Instant, Answer)>>,
}

/// Which container, at whose runtime.
type Asked = (String, Runtime, Option<u32>);
type Answer = Result<Arc<ContainerInfo>, Unknown>;

impl Default for Runtimes {
    /// The places of this machine: `/run/docker.sock`, `/run/podman/podman.sock`, those below `/run/user/UID`, and the
    /// sockets of containerd, CRI-O and k3s.
    fn default() -> Self {
        Self::at(
            Path::new("/run/docker.sock"),
            Path::new("/run/podman/podman.sock"),
            Path::new("/run/user"),
            &CRI_SOCKETS.map(Path::new),
            0,
        )
    }
}

#[derive(Deserialize)]
struct Inspected {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Config")]
    config: InspectedConfig,
}

#[derive(Deserialize)]
struct InspectedConfig {
    #[serde(rename = "Image")]
    image: String,
    #[serde(rename = "Labels", default)]
    labels: Option<BTreeMap<String, String>>,
}

impl Runtimes {
    /// The same at other places. `owner` is the uid that must have opened the system's sockets.
    #[must_use]
    pub fn at(docker: &Path, podman: &Path, users: &Path, cri: &[&Path], owner: u32) -> Self {
        Self {
            docker: docker.to_owned(),
            podman: podman.to_owned(),
            users: users.to_owned(),
            cri: cri.iter().map(|path| (*path).to_owned()).collect(),
            owner,
            known: Mutex::default(),
        }
    }

    /// What the runtime says about `container`: Docker's HTTP API, which Podman speaks too, or Kubernetes' CRI. Takes up to
    /// half a second.
    ///
    /// A container in a user's own tree is asked about at that user's runtime and nowhere else: a user may call its
    /// groups like a container of the system.
    ///
    /// # Errors
    /// [`Unknown`] if the runtime is not there, is not who it should be, is slow, or does not know the container.
    pub fn ask(&self, container: &ContainerRef) -> Answer {
        let key = (container.id.clone(), container.runtime, container.rootless);
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, answer)) = known.get(&key) {
                let believed = if answer.is_ok() { KNOWN_FOR } else { FAILED_FOR };
                if at.elapsed() < believed {
                    return answer.clone();
                }
            }
        }
        let answer = self.fetch(container).map(Arc::new);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= CONTAINERS_MAX {
            known.clear();
        }
        known.insert(key, (Instant::now(), answer.clone()));
        answer
    }

    fn fetch(&self, container: &ContainerRef) -> Result<ContainerInfo, Unknown> {
        let (path, owner) = match (container.runtime, container.rootless) {
            (Runtime::Docker, None) => (self.docker.clone(), self.owner),
            (Runtime::Podman, None) => (self.podman.clone(), self.owner),
            (Runtime::Docker, Some(uid)) => (self.users.join(format!("{uid}/docker.sock")), uid),
            (Runtime::Podman, Some(uid)) => (self.users.join(format!("{uid}/podman/podman.sock")), uid),
            (Runtime::Cri, None) => return self.fetch_by_cri(&container.id),
            (Runtime::Cri, Some(_)) => {
                return Err(Unknown::new(
                    "a user's own Kubernetes is not asked about containers",
                ));
            }
        };
        let deadline = Instant::now() + ASKED_AT_MOST;
        let mut stream = served_by(&path, owner)?;
        // HTTP/1.0: the answer ends with the connection and has no chunks.
        let request = format!(
            "GET /containers/{}/json HTTP/1.0\r\nHost: localhost\r\nAccept: application/json\r\n\r\n",
            container.id
        );
        stream.set_write_timeout(Some(ASKED_AT_MOST))?;
        stream.write_all(request.as_bytes())?;
        let answer = read_until(&mut stream, deadline)?;
        let body = body(&answer).ok_or_else(|| Unknown::new("its runtime does not know it"))?;
        let found: Inspected = serde_json::from_slice(body)
            .map_err(|_| Unknown::new("its runtime's answer is not understood"))?;
        if found.id != container.id {
            return Err(Unknown::new("its runtime speaks of another container"));
        }
        Ok(ContainerInfo {
            name: found.name.trim_start_matches('/').to_owned(),
            image: found.config.image,
            labels: found.config.labels.unwrap_or_default(),
        })
    }

    /// Asks each that is there: ids are random, so no two know the same.
    fn fetch_by_cri(&self, id: &str) -> Result<ContainerInfo, Unknown> {
        let deadline = Instant::now() + ASKED_AT_MOST;
        let mut told = Unknown::new("neither containerd nor CRI-O is on this machine");
        for path in self.cri.iter().filter(|path| path.exists()) {
            match served_by(path, self.owner).and_then(|stream| cri::ask(stream, id, deadline)) {
                Ok(info) => return Ok(info),
                Err(unknown) => told = unknown,
            }
        }
        Err(told)
    }
}

/// Connects to `path`, if `owner` opened it.
fn served_by(path: &Path, owner: u32) -> Result<UnixStream, Unknown> {
    let stream = connect(path)?;
    let listener = unix_owner(&stream)?.uid;
    if listener != owner {
        return Err(Unknown::new(format!(
            "{} is served by uid {listener}, not {owner}",
            path.display()
        )));
    }
    Ok(stream)
}

/// Connects without waiting: a listener whose queue is full is as good as none.
fn connect(path: &Path) -> Result<UnixStream, Unknown> {
    let said = |errno| Unknown::new(format!("{}: {}", path.display(), std::io::Error::from(errno)));
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    let address = SocketAddrUnix::new(path).map_err(said)?;
    rustix::net::connect(&socket, &address).map_err(said)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn read_until(stream: &mut UnixStream, deadline: Instant) -> Result<Vec<u8>, Unknown> {
    let mut answer = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unknown::new("its runtime is too slow"));
        }
        stream.set_read_timeout(Some(left))?;
        let length = match stream.read(&mut buffer) {
            Ok(0) => return Ok(answer),
            Ok(length) => length,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return Err(Unknown::new("its runtime is too slow"));
            }
            Err(error) => return Err(error.into()),
        };
        answer.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if answer.len() as u64 > ANSWER_BYTES_MAX {
            return Err(Unknown::new("its runtime's answer is too long"));
        }
    }
}

/// The body of a 200 that is not chunked.
fn body(answer: &[u8]) -> Option<&[u8]> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?;
    let chunked = lines.any(|line| line.to_ascii_lowercase().starts_with("transfer-encoding:"));
    (status == "200" && !chunked).then(|| answer.get(end + 4..))?
}

#[cfg(test)]
mod tests;
