//! A world around an agent: a source that counts, an audit that remembers, a clock that stands still.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers of tests; each test file uses its part"
)]

use hallpass_agent::*;
use hallpass_secret::Secret;
use hallpass_types::{Clock, UnixSeconds};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub const TTL: &str = "X-aws-ec2-metadata-token-ttl-seconds";
pub const LIST: &str = "/latest/meta-data/iam/security-credentials/";

pub struct FixedClock(pub AtomicI64);
impl Clock for FixedClock {
    fn now(&self) -> UnixSeconds {
        UnixSeconds(self.0.load(Ordering::SeqCst))
    }
}

pub struct Source {
    pub machine: Mutex<Result<Machine, SourceError>>,
    pub calls: AtomicUsize,
    pub sessions: Mutex<Vec<SessionRequest>>,
    pub fail: Mutex<Option<SourceError>>,
    pub life: AtomicI64,
    /// Whether it never answers.
    pub hangs: AtomicBool,
    pub clock: Arc<FixedClock>,
}

impl CredentialSource for Source {
    fn machine(&self) -> BoxFuture<'_, Result<Machine, SourceError>> {
        Box::pin(async { self.machine.lock().unwrap().clone() })
    }
    fn issue<'a>(&'a self, session: &'a SessionRequest) -> BoxFuture<'a, Result<Issued, SourceError>> {
        let role = session.role.clone();
        self.sessions.lock().unwrap().push(session.clone());
        Box::pin(async move {
            let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            tokio::task::yield_now().await;
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if let Some(error) = self.fail.lock().unwrap().clone() {
                return Err(error);
            }
            let now = self.clock.now();
            Ok(Issued {
                access_key_id: format!("ASIA{role}{call}"),
                secret: Secret::new("the-secret"),
                token: Secret::new("the-session-token"),
                issued_at: now,
                expires_at: now.plus(self.life.load(Ordering::SeqCst)),
                account: "123456789012".into(),
                role_arn: format!("arn:aws:iam::123456789012:role/{role}"),
            })
        })
    }
}

#[derive(Default)]
pub struct Audit {
    pub events: Mutex<Vec<AgentEvent>>,
    pub broken: AtomicBool,
    pub added: tokio::sync::Notify,
}

impl AuditSink for Audit {
    fn record(&self, event: AgentEvent) -> BoxFuture<'_, Result<(), String>> {
        self.events.lock().unwrap().push(event);
        self.added.notify_one();
        let broken = self.broken.load(Ordering::SeqCst);
        Box::pin(std::future::ready(if broken {
            Err("disk full".into())
        } else {
            Ok(())
        }))
    }
}

pub struct World {
    pub agent: Arc<Agent>,
    pub source: Arc<Source>,
    pub audit: Arc<Audit>,
    pub clock: Arc<FixedClock>,
    pub address: SocketAddr,
    pub stop: ShutdownTrigger,
    pub shutdown: Shutdown,
}

pub fn parts() -> (Arc<Source>, Arc<Audit>, Arc<FixedClock>) {
    let clock = Arc::new(FixedClock(AtomicI64::new(1_900_000_000)));
    let mut machine = Machine::new(
        "i-1",
        "123456789012",
        "eu-central-1",
        "10.0.0.1",
        UnixSeconds(1_800_000_000),
    );
    machine.roles = vec!["app".into(), "ops".into(), "mine".into()];
    let source = Source {
        machine: Mutex::new(Ok(machine)),
        calls: AtomicUsize::new(0),
        sessions: Mutex::default(),
        fail: Mutex::new(None),
        life: AtomicI64::new(3600),
        hangs: AtomicBool::new(false),
        clock: Arc::clone(&clock),
    };
    (Arc::new(source), Arc::default(), clock)
}

pub async fn world(rules: RulesSource) -> World {
    world_where(rules, false).await
}

/// A world whose machine takes requests without a token, or not. Said before the agent starts, which remembers it.
pub async fn world_where(rules: RulesSource, v1_allowed: bool) -> World {
    world_at(rules, v1_allowed, "127.0.0.1:0".parse().unwrap()).await
}

pub async fn world_at(rules: RulesSource, v1_allowed: bool, address: SocketAddr) -> World {
    let (source, audit, clock) = parts();
    source.machine.lock().unwrap().as_mut().unwrap().v1_allowed = v1_allowed;
    let mut config = AgentConfig::new(
        rules,
        source.clone(),
        audit.clone(),
        clock.clone(),
        Arc::new(SystemEntropy),
    );
    config.bound = vec![address.ip()];
    // See `with_record.rs`.
    if module_path!().starts_with("with_record::") && root() {
        config.connect_record = Some(Arc::new(ConnectRecord::begin().unwrap()));
    }
    let agent = Agent::new(config).unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, shutdown) = Shutdown::new();
    let (serving, until) = (agent.clone(), shutdown.clone());
    tokio::spawn(async move { serving.serve_metadata(listener, until).await });
    World {
        agent,
        source,
        audit,
        clock,
        address,
        stop,
        shutdown,
    }
}

pub fn rules(text: &str) -> RulesSource {
    RulesSource::Fixed(Arc::new(Rules::parse(text).unwrap()))
}

impl World {
    pub fn refusals(&self) -> Vec<String> {
        let events = self.audit.events.lock().unwrap();
        events
            .iter()
            .filter_map(|event| match &event.outcome {
                EventOutcome::Refused { reason, .. } => Some(reason.clone()),
                EventOutcome::Issued { .. } => None,
            })
            .collect()
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let (address, text) = (self.address, request(method, target, headers, true));
        tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            let (status, _, body) = read_answer(&mut stream);
            (status, body)
        })
        .await
        .unwrap()
    }

    pub async fn token(&self) -> String {
        self.ask("PUT", "/latest/api/token", &[(TTL, "60")]).await.1
    }

    pub async fn get(&self, target: &str) -> (u16, String) {
        let token = self.token().await;
        self.ask("GET", target, &[("X-aws-ec2-metadata-token", &token)])
            .await
    }

    /// A shell's script with `$T`, its session token, `$U`, the endpoint, and `get PATH`.
    pub fn prepared(&self, script: &str) -> String {
        format!(
            "U=http://{}; T=$(curl -s -m 5 -X PUT -H '{TTL}: 60' $U/latest/api/token); \
             get() {{ curl -s -m 5 -w ' %{{http_code}}' -H \"X-aws-ec2-metadata-token: $T\" \"$U$1\"; }}; {script}",
            self.address
        )
    }

    /// What a shell of another user gets.
    pub async fn as_user(&self, identity: &[&str], script: &str) -> String {
        self.as_user_in(None, identity, script).await
    }

    /// The same in a control group.
    pub async fn as_user_in(&self, group: Option<&Path>, identity: &[&str], script: &str) -> String {
        let mut command = tokio::process::Command::new("sh");
        let enter = group.map(|group| format!("echo $$ > {}/cgroup.procs && ", group.display()));
        let enter = enter.unwrap_or_default() + "exec setpriv \"$@\"";
        command.args(["-c", &enter, "sh"]).args(identity);
        run(command.args(["sh", "-c", &self.prepared(script)])).await
    }
}

pub async fn run(command: &mut tokio::process::Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

pub const WWW_DATA: [&str; 3] = ["--reuid=33", "--regid=33", "--clear-groups"];
pub const NOBODY: [&str; 3] = ["--reuid=65534", "--regid=65534", "--clear-groups"];

pub fn root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn request(method: &str, target: &str, headers: &[(&str, &str)], close: bool) -> String {
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| *name == "Host") {
        text.push_str("Host: 127.0.0.1\r\n");
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if close {
        text.push_str("Connection: close\r\n");
    }
    text + "\r\n"
}

/// Status, head and body, by `Content-Length`.
pub fn read_answer(stream: &mut TcpStream) -> (u16, String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).unwrap() == 0 {
            return (0, String::new(), String::new());
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let status = head[9..12].parse().unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (status, head, String::from_utf8(body).unwrap())
}
