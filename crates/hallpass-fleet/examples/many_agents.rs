//! Many machines at one server, for `bench/agents.py`. `… make DATA COUNT FILE` writes COUNT instances into the store of a
//! stopped server, which has one to copy, and their certificates into FILE; `… run CONTROL FILE SECONDS HOURLY` is their agents:
//! each waits for changes on a connection of its own, as an agent does, and HOURLY times an hour each asks for a session on
//! another.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement stops when it cannot go on, and prints"
)]

use hallpass_agent::SystemEntropy;
use hallpass_authority::{Authority, Instance, Machine, Node};
use hallpass_store::{Op, RedbStore, Store as _, TXN_OPS_MAX, Txn};
use hallpass_types::UnixSeconds;
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// As many as one address has ports for, with some to spare.
const PER_ADDRESS: usize = 20_000;
/// Handshakes under way at once.
const CONNECTING: usize = 64;

#[derive(Serialize, Deserialize)]
struct Fleet {
    key: Vec<u8>,
    authorities: Vec<Vec<u8>>,
    certificates: Vec<Vec<u8>>,
}

fn address(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, u8::try_from(1 + number / PER_ADDRESS).unwrap())
}

fn now() -> UnixSeconds {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UnixSeconds(i64::try_from(since.as_secs()).unwrap())
}

async fn make(data: &Path, count: usize, file: &str) {
    let store = Arc::new(RedbStore::open(&data.join("store.redb")).unwrap());
    let listed = store.list("v1/").await.unwrap().entries;
    let template = listed
        .iter()
        .find(|entry| entry.key.contains("/instance/"))
        .unwrap();
    let template: Instance = serde_json::from_slice(&template.value).unwrap();
    // All have one key: what is measured does not depend on it.
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let digest = Sha256::digest(key.subject_public_key_info());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let instances: Vec<Instance> = (0..count)
        .map(|number| Instance {
            id: format!("i-{number:017x}"),
            private_ip: address(number).to_string(),
            networks: vec![address(number).to_string().parse().unwrap()],
            node: Some(Node {
                key: digest.clone(),
                enrolled: now(),
                not_after: now().plus(86_400),
            }),
            ..template.clone()
        })
        .collect();
    for batch in instances.chunks(TXN_OPS_MAX) {
        let put = |instance: &Instance| {
            let key = format!("v1/{}/instance/{}", instance.account, instance.id);
            Op::Put(key, serde_json::to_vec(instance).unwrap())
        };
        let txn = Txn {
            compares: vec![],
            ops: batch.iter().map(put).collect(),
        };
        store.commit(txn).await.unwrap();
    }
    let root: [u8; 32] = std::fs::read(data.join("root.key")).unwrap().try_into().unwrap();
    let machine = Machine {
        private_ip: "127.0.0.1".to_owned(),
        networks: vec![],
    };
    let roots = Box::new(move || vec![root]);
    let authority = Authority::open(store, roots, "eu-central-1", machine, Arc::new(SystemEntropy));
    let authority = authority.await.unwrap();
    let request = CertificateParams::default().serialize_request(&key).unwrap();
    let certificate = |instance: &Instance| {
        authority
            .renew(instance, request.der(), now())
            .unwrap()
            .certificate
    };
    let fleet = Fleet {
        key: key.serialize_der(),
        authorities: authority.certificate_authorities(),
        certificates: instances.iter().map(certificate).collect(),
    };
    std::fs::write(file, serde_json::to_vec(&fleet).unwrap()).unwrap();
}

struct Agents {
    server: SocketAddr,
    fleet: Fleet,
    roots: Arc<RootCertStore>,
    role: String,
    connecting: tokio::sync::Semaphore,
    connected: AtomicU64,
    answered: AtomicU64,
    sessions: AtomicU64,
    failed: AtomicU64,
}

impl Agents {
    async fn connect(&self, number: usize) -> Option<TlsStream<tokio::net::TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots))
            .with_client_auth_cert(
                vec![CertificateDer::from(self.fleet.certificates[number].clone())],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.fleet.key.clone())),
            )
            .unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(address(number).into(), 0)).ok()?;
        let stream = socket.connect(self.server).await.ok()?;
        let connector = TlsConnector::from(Arc::new(config));
        connector
            .connect(ServerName::from(IpAddr::from([127, 0, 0, 1])), stream)
            .await
            .ok()
    }

    /// One question; the answer's body.
    async fn ask(stream: &mut TlsStream<tokio::net::TcpStream>, path: &str, body: &str) -> Option<String> {
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await.ok()?;
        stream.flush().await.ok()?;
        let mut text = vec![];
        loop {
            let mut chunk = [0; 4_096];
            let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
            text.extend_from_slice(&chunk[..read]);
            let said = String::from_utf8_lossy(&text);
            let Some((head, body)) = said.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head.to_ascii_lowercase();
            let length = length
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return head.starts_with("HTTP/1.1 200").then(|| body.to_owned());
            }
        }
    }

    async fn agent(self: Arc<Self>, number: usize) {
        let mut known = String::new();
        loop {
            let one = self.connecting.acquire().await.unwrap();
            let Some(mut stream) = self.connect(number).await else {
                self.failed.fetch_add(1, Ordering::Relaxed);
                drop(one);
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            drop(one);
            self.connected.fetch_add(1, Ordering::Relaxed);
            loop {
                let question =
                    serde_json::json!({ "known": known, "private_ip": address(number).to_string() });
                let Some(answer) = Self::ask(&mut stream, "/v1/machine", &question.to_string()).await else {
                    break;
                };
                let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
                known = answer["digest"].as_str().unwrap_or_default().to_owned();
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            self.connected.fetch_sub(1, Ordering::Relaxed);
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn renew(&self, number: usize) {
        let question = serde_json::json!({ "role": self.role }).to_string();
        let issued = match self.connect(number).await {
            Some(mut stream) => Self::ask(&mut stream, "/v1/session", &question).await,
            None => None,
        };
        let counter = if issued.is_some() {
            &self.sessions
        } else {
            &self.failed
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn tell(&self, what: &str, since: Instant) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        println!(
            "{what} seconds={:.1} connected={} answered={} sessions={} failed={}",
            since.elapsed().as_secs_f64(),
            count(&self.connected),
            count(&self.answered),
            count(&self.sessions),
            count(&self.failed)
        );
    }
}

async fn run(server: &str, file: &str, seconds: u64, hourly: f64) {
    let fleet: Fleet = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut roots = RootCertStore::empty();
    for authority in &fleet.authorities {
        roots.add(CertificateDer::from(authority.clone())).unwrap();
    }
    let count = fleet.certificates.len();
    let agents = Arc::new(Agents {
        server: server.trim_start_matches("https://").parse().unwrap(),
        fleet,
        roots: Arc::new(roots),
        role: "web".to_owned(),
        connecting: tokio::sync::Semaphore::new(CONNECTING),
        connected: AtomicU64::new(0),
        answered: AtomicU64::new(0),
        sessions: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    });
    let began = Instant::now();
    for number in 0..count {
        tokio::spawn(Arc::clone(&agents).agent(number));
    }
    while agents.connected.load(Ordering::Relaxed) < u64::try_from(count).unwrap() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if began.elapsed().as_secs().is_multiple_of(10) {
            agents.tell("connecting", began);
        }
    }
    agents.tell("connected", began);
    let (steady, mut next) = (Instant::now(), 0);
    #[expect(clippy::cast_precision_loss, reason = "a rate")]
    let pause = Duration::from_secs_f64(3_600.0 / (count as f64 * hourly));
    let mut due = tokio::time::interval(pause);
    while steady.elapsed().as_secs() < seconds {
        due.tick().await;
        let renewing = Arc::clone(&agents);
        tokio::spawn(async move { renewing.renew(next % count).await });
        next += 1;
    }
    agents.tell("done", steady);
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words {
        ["make", data, count, file] => make(Path::new(data), count.parse().unwrap(), file).await,
        ["run", control, file, seconds, hourly] => {
            run(control, file, seconds.parse().unwrap(), hourly.parse().unwrap()).await;
        }
        _ => println!("many_agents make DATA COUNT FILE | run CONTROL FILE SECONDS HOURLY"),
    }
}
