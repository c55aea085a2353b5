//! `hallpass agent run`: the agent of one machine, with AWS itself or a fleet of ours behind it.

use crate::agent::config::{AgentFile, DoorConfig, FleetConfig, Recording};
use crate::agent::passed::Passed;
use crate::agent::self_test;
use crate::auditing::{Auditing, open_log};
use crate::data_dir::{write_atomically, write_private};
use crate::dev::{METADATA_ADDRESSES, bind, link_local_listener, report, serve_metadata, start_log};
use crate::error::CliError;
use crate::files;
use crate::printer::Printer;
use crate::running::{AGENT_READY_NAME, AgentReady};
use crate::signals::Signals;
use hallpass_agent::link_local::{ECS_V4, LoopbackAddress, POD_IDENTITY_V4, POD_IDENTITY_V6, can_have};
use hallpass_agent::redirect::Redirect;
use hallpass_agent::{
    Agent, AgentConfig, ConnectRecord, CredentialSource, MountedFiles, RulesFile, RulesSource, Shutdown,
    ShutdownTrigger, SystemClock, SystemEntropy,
};
use hallpass_cloud::CloudSource;
use hallpass_fleet::{FleetSource, FleetSourceConfig, NodeFiles};
use hallpass_gateway::AuditConfig;
use hallpass_serve::{AgentAudit, LocalDoor, LocalDoorConfig};
use hallpass_types::{Clock, Entropy};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket, UnixListener};
use zeroize::Zeroizing;

/// Connections the kernel keeps for us to accept.
const BACKLOG: u32 = 1_024;

pub(crate) async fn run(path: &Path, printer: &Printer) -> Result<u8, CliError> {
    start_log();
    let passed = Passed::take()?;
    let file = AgentFile::read(path)?;
    let mut running = Running::start(&file, passed).await?;
    running.tell(printer);
    let signals = Signals::catch()?;
    // Whoever waits for the file, or for systemd to call it started, may ask anything.
    running.write_ready()?;
    notify(&[sd_notify::NotifyState::Ready]);
    running.until_stopped(signals, printer).await;
    Ok(0)
}

struct Running {
    ready: AgentReady,
    ready_path: PathBuf,
    socket_is_passed: bool,
    rules: Arc<RulesFile>,
    listens: Vec<String>,
    stop: ShutdownTrigger,
    serving: Vec<tokio::task::JoinHandle<()>>,
    /// What keeps up with the fleet.
    following: Option<tokio::task::JoinHandle<()>>,
    files: Option<MountedFiles>,
    auditing: Option<Auditing>,
    _link_local: Vec<LoopbackAddress>,
}

impl Running {
    async fn start(file: &AgentFile, mut passed: Passed) -> Result<Self, CliError> {
        let failed = |error: &dyn std::fmt::Display| CliError::failed(error.to_string());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let rules = Arc::new(RulesFile::open(&file.rules).map_err(|error| failed(&error))?);
        let (source, following) = source(file, &clock)?;
        make_folder(&file.run_dir, 0o755)?;
        make_folder(&file.audit, 0o700)?;
        let kept = AuditConfig {
            when_full: file.when_full,
            ..AuditConfig::default()
        };
        let audit = open_log(&file.audit, &kept)?;
        // A source that cannot be reached yet is no reason not to start: nothing is served until it can be.
        let machine = source.machine().await;
        if let Err(error) = &machine {
            tracing::warn!(%error, "the source does not answer yet");
        }
        let (instance, account, region) = match machine {
            Ok(machine) => (machine.instance_id, machine.account, machine.region),
            Err(_) => (
                "-".to_owned(),
                "-".to_owned(),
                file.machine.region.clone().unwrap_or_default(),
            ),
        };
        let auditing = Auditing::of_agent(&audit, &clock, &account, &region)?;
        let sink = AgentAudit::new(audit, Arc::clone(&entropy), &account, &region, &instance);
        let bound = file.listen.metadata.iter().map(SocketAddr::ip).collect();
        let agent = Agent::new(AgentConfig {
            bound,
            machine_rules: file.fleet.as_ref().is_some_and(|fleet| fleet.rules_from_tags),
            connect_record: connect_record(file.callers.connect_record)?,
            key: Some(boot_key(&file.run_dir, &*entropy)?),
            ..AgentConfig::new(
                RulesSource::File(Arc::clone(&rules)),
                source,
                Arc::new(sink),
                clock,
                entropy,
            )
        })
        .map_err(|error| failed(&format!("the agent cannot start: {error}")))?;
        let (stop, stopped) = Shutdown::new();
        let mut running = Self {
            ready: AgentReady {
                api: None,
                metadata: None,
                region,
                instance,
                agent_socket: file.run_dir.join("agent.sock"),
                rules: file.rules.clone(),
                audit: Some(file.audit.clone()),
                pid: std::process::id(),
            },
            ready_path: file.run_dir.join(AGENT_READY_NAME),
            socket_is_passed: false,
            rules,
            listens: Vec::new(),
            stop,
            serving: Vec::new(),
            following,
            files: None,
            auditing: Some(auditing),
            _link_local: Vec::new(),
        };
        running.listen(file, &mut passed, &agent, &stopped).await?;
        for socket in passed.left() {
            tracing::warn!(
                socket,
                "systemd passed a socket that the configuration does not name"
            );
        }
        Ok(running)
    }

    async fn listen(
        &mut self,
        file: &AgentFile,
        passed: &mut Passed,
        agent: &Arc<Agent>,
        stopped: &Shutdown,
    ) -> Result<(), CliError> {
        let mut tested = None;
        if let Some(address) = file.listen.metadata {
            let listener = self::listener(passed, address, "metadata in [listen]").await?;
            let address = listener
                .local_addr()
                .map_err(|error| CliError::failed(error.to_string()))?;
            tested = Some(address);
            self.metadata(format!("http://{address}/"));
            self.serving.push(serve_metadata(agent, listener, stopped));
        }
        if file.listen.link_local {
            for address in METADATA_ADDRESSES {
                self.well_known(address, passed, agent, stopped)?;
            }
            tested = Some(SocketAddr::new(METADATA_ADDRESSES[0], 80));
            self.metadata("http://169.254.169.254/".to_owned());
        }
        if file.listen.ecs {
            self.well_known(ECS_V4, passed, agent, stopped)?;
            self.listens.push(format!("ecs       http://{ECS_V4}/"));
        }
        if file.listen.pod_identity {
            for address in [POD_IDENTITY_V4, POD_IDENTITY_V6] {
                self.well_known(address, passed, agent, stopped)?;
            }
            self.listens
                .push(format!("pods      http://{POD_IDENTITY_V4}/v1/credentials"));
        }
        if let Some(port) = file.listen.redirect_port {
            // First the listener, then the way to it; if the second fails, the first goes with the process.
            let listener = match passed.tcp(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)) {
                Some(listener) => tokio_listener(listener)?,
                None => everywhere(port)?,
            };
            self.serving.push(serve_metadata(agent, listener, stopped));
            let redirect = Redirect {
                agent_uid: rustix::process::geteuid().as_raw(),
                port,
                container_interfaces: file.listen.container_interfaces(),
            };
            redirect.up().map_err(|error| {
                CliError::failed(error.to_string())
                    .hint("run it as a user of its own with CAP_NET_ADMIN, as the package's unit does")
            })?;
            tested = Some(SocketAddr::new(METADATA_ADDRESSES[0], 80));
            self.metadata("http://169.254.169.254/".to_owned());
        }
        let socket = self.ready.agent_socket.clone();
        let listener = match passed.unix(&socket) {
            Some(listener) => {
                self.socket_is_passed = true;
                UnixListener::from_std(listener).map_err(|error| {
                    CliError::failed(format!("cannot serve `{}`: {error}", socket.display()))
                })?
            }
            // Everyone may ask; who asks is the kernel's to say.
            None => open_socket(&socket, 0o666)?,
        };
        let (own, own_stopped) = (Arc::clone(agent), stopped.clone());
        self.serving.push(tokio::spawn(async move {
            report(
                "the agent's socket",
                own.serve_socket(listener, own_stopped).await,
            );
        }));
        if file.listen.systemd_credentials {
            let path = file.run_dir.join("credential.sock");
            let listener = match passed.unix(&path) {
                Some(listener) => UnixListener::from_std(listener).map_err(|error| {
                    CliError::failed(format!("cannot serve `{}`: {error}", path.display()))
                })?,
                // For root, which may always.
                None => open_socket(&path, 0o600)?,
            };
            self.listens
                .push(format!("systemd   LoadCredential=ROLE:{}", path.display()));
            let (own, own_stopped) = (Arc::clone(agent), stopped.clone());
            self.serving.push(tokio::spawn(async move {
                report(
                    "the socket for systemd",
                    own.serve_units(listener, own_stopped).await,
                );
            }));
        }
        if let Some(door) = &file.door {
            self.open_door(door, file.fleet.as_ref(), passed, stopped).await?;
        }
        self.files = files::mount(agent, file.listen.files.as_deref()).await?;
        if let Some(path) = &file.listen.files {
            self.listens.push(format!("files     {}", path.display()));
        }
        if let Some(address) = file.listen.health {
            let listener = self::listener(passed, address, "health in [listen]").await?;
            let address = listener
                .local_addr()
                .map_err(|error| CliError::failed(error.to_string()))?;
            self.listens.push(format!("health    http://{address}/readyz"));
            let (own, own_stopped) = (Arc::clone(agent), stopped.clone());
            self.serving.push(tokio::spawn(async move {
                report(
                    "the health listener",
                    own.serve_health(listener, own_stopped).await,
                );
            }));
        }
        if let Some(address) = tested.filter(|_| may_become_nobody()) {
            self.serving.push(tokio::spawn(self_test::run(
                Arc::clone(agent),
                address,
                file.listen.self_test_every(),
                stopped.clone(),
            )));
        }
        self.serving.push(tokio::spawn(keep_watchdog(stopped.clone())));
        Ok(())
    }

    /// Serves one of AWS's own addresses, on the loopback interface; not where IPv6 is off and it is one of those.
    fn well_known(
        &mut self,
        address: IpAddr,
        passed: &mut Passed,
        agent: &Arc<Agent>,
        stopped: &Shutdown,
    ) -> Result<(), CliError> {
        let listener = match passed.tcp(SocketAddr::new(address, 80)) {
            // Whoever made the socket sees to the address, and to the device it is bound to.
            Some(listener) => tokio_listener(listener)?,
            None if !can_have(address) => {
                tracing::warn!(%address, "not served: IPv6 is off on this machine");
                return Ok(());
            }
            None => {
                let (held, listener) = link_local_listener(address)?;
                self._link_local.push(held);
                listener
            }
        };
        self.serving.push(serve_metadata(agent, listener, stopped));
        Ok(())
    }

    async fn open_door(
        &mut self,
        config: &DoorConfig,
        fleet: Option<&FleetConfig>,
        passed: &mut Passed,
        stopped: &Shutdown,
    ) -> Result<(), CliError> {
        let node = fleet.map(|fleet| NodeFiles::new(&fleet.state));
        let file = |given: &Option<PathBuf>, own: fn(&NodeFiles) -> PathBuf| {
            let own = || node.as_ref().map(own);
            given.clone().or_else(own).unwrap_or_default()
        };
        let door = LocalDoor::new(&LocalDoorConfig {
            gateway: config.gateway.clone(),
            certificate_file: file(&config.certificate_file, NodeFiles::certificate_file),
            key_file: file(&config.key_file, NodeFiles::key_file),
            ca_file: file(&config.ca_file, NodeFiles::ca_file),
        })
        .map_err(|error| CliError::failed(format!("door: {error}")))?;
        let listener = listener(passed, config.listen, "listen in [door]").await?;
        let address = listener
            .local_addr()
            .map_err(|error| CliError::failed(error.to_string()))?;
        self.listens
            .push(format!("door      http://{address} to {}", config.gateway));
        self.ready.api = Some(format!("http://{address}"));
        let mut stopped = stopped.clone();
        self.serving.push(tokio::spawn(async move {
            Arc::new(door)
                .serve(listener, async move { stopped.wait().await })
                .await;
        }));
        Ok(())
    }

    fn metadata(&mut self, url: String) {
        self.listens.push(format!("metadata  {url}"));
        self.ready.metadata = Some(url);
    }

    fn tell(&self, printer: &Printer) {
        for line in &self.listens {
            printer.say(line);
        }
        printer.say(&format!("socket    {}", self.ready.agent_socket.display()));
        printer.say(&format!("rules     {}", self.ready.rules.display()));
        printer.say(&format!("instance  {}", self.ready.instance));
    }

    fn write_ready(&self) -> Result<(), CliError> {
        let text =
            serde_json::to_string_pretty(&self.ready).map_err(|error| CliError::failed(error.to_string()))?;
        write_atomically(&self.ready_path, (text + "\n").as_bytes(), 0o644)
    }

    async fn until_stopped(&mut self, mut signals: Signals, printer: &Printer) {
        signals.until_stopped(&self.rules, printer).await;
        notify(&[sd_notify::NotifyState::Stopping]);
        self.stop.trigger();
        if let Some(files) = self.files.take() {
            files.stop().await;
        }
        for task in self.serving.drain(..) {
            // A task that panicked has nothing left to end.
            let _ = task.await;
        }
        if let Some(following) = self.following.take() {
            following.abort();
        }
        if let Some(auditing) = self.auditing.take() {
            auditing.stop().await;
        }
        // The redirection stays: what it leads to is closed now, not open.
        if !self.socket_is_passed {
            let _ = std::fs::remove_file(&self.ready.agent_socket);
        }
        let _ = std::fs::remove_file(&self.ready_path);
    }
}

/// The kernel's record of who connects, if it is wanted and can be had.
fn connect_record(wanted: Recording) -> Result<Option<Arc<ConnectRecord>>, CliError> {
    if wanted == Recording::Off {
        return Ok(None);
    }
    match ConnectRecord::begin() {
        Ok(record) => Ok(Some(Arc::new(record))),
        Err(error) if wanted == Recording::Require => {
            let hint = "it takes Linux 5.8 and CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON; `auto` in [callers] goes without";
            Err(CliError::failed(format!("there is no connect record: {error}")).hint(hint))
        }
        Err(error) => {
            tracing::warn!(%error, "no connect record: all processes are looked through for each new connection");
            Ok(None)
        }
    }
}

/// A source, and the task that keeps up with it.
type Sourced = (Arc<dyn CredentialSource>, Option<tokio::task::JoinHandle<()>>);

/// Where sessions come from, and the task that keeps up with it where there is one.
fn source(file: &AgentFile, clock: &Arc<dyn Clock>) -> Result<Sourced, CliError> {
    let failed = |error: &dyn std::fmt::Display| CliError::failed(error.to_string());
    let Some(fleet) = &file.fleet else {
        let source = CloudSource::new(file.cloud(), Arc::clone(clock)).map_err(|error| failed(&error))?;
        source.prefetch();
        return Ok((Arc::new(source), None));
    };
    let config = FleetSourceConfig {
        files: NodeFiles::new(&fleet.state),
        servers: fleet.servers.clone(),
        private_ip: fleet.private_ip.map(|ip| ip.to_string()).unwrap_or_default(),
    };
    let source = FleetSource::open(config, Arc::clone(clock)).map_err(|error| {
        failed(&error).hint("a machine enrols once: `hallpass enrol` on a server prints the command for it")
    })?;
    let following = tokio::spawn(Arc::clone(&source).follow());
    Ok((source, Some(following)))
}

/// A listener at `address`: the one that was passed, or a new one.
async fn listener(passed: &mut Passed, address: SocketAddr, what: &str) -> Result<TcpListener, CliError> {
    match passed.tcp(address) {
        Some(listener) => tokio_listener(listener),
        None => bind(address, what).await,
    }
}

fn tokio_listener(listener: std::net::TcpListener) -> Result<TcpListener, CliError> {
    TcpListener::from_std(listener)
        .map_err(|error| CliError::failed(format!("a socket that systemd passed: {error}")))
}

fn open_socket(path: &Path, mode: u32) -> Result<UnixListener, CliError> {
    // A leftover of an agent that was killed; a second one running would hold the ports.
    let _ = std::fs::remove_file(path);
    let cannot =
        |error: std::io::Error| CliError::failed(format!("cannot listen at `{}`: {error}", path.display()));
    let listener = UnixListener::bind(path).map_err(cannot)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(cannot)?;
    Ok(listener)
}

/// What tokens are made with, kept as long as the boot: the folder is on a tmpfs. A client that holds a token does not
/// notice that the agent was replaced.
fn boot_key(folder: &Path, entropy: &dyn Entropy) -> Result<Zeroizing<[u8; 32]>, CliError> {
    let path = folder.join("token.key");
    let mut key = Zeroizing::new([0_u8; 32]);
    if let Ok(bytes) = std::fs::read(&path).map(Zeroizing::new)
        && bytes.len() == key.len()
    {
        key.copy_from_slice(&bytes);
        return Ok(key);
    }
    entropy.fill(key.as_mut_slice());
    write_private(&path, key.as_slice())?;
    Ok(key)
}

/// One listener for both families: translated connections arrive at whatever address their interface has.
fn everywhere(port: u16) -> Result<TcpListener, CliError> {
    let address = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
    let listen = || -> std::io::Result<_> {
        let socket = TcpSocket::new_v6()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| CliError::failed(format!("cannot listen at port {port}: {error}")))
}

fn make_folder(path: &Path, mode: u32) -> Result<(), CliError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|error| CliError::failed(format!("cannot make `{}`: {error}", path.display())))
}

fn may_become_nobody() -> bool {
    use rustix::thread::{CapabilitySet, capabilities};
    capabilities(None).is_ok_and(|sets| {
        sets.effective
            .contains(CapabilitySet::SETUID | CapabilitySet::SETGID)
    })
}

/// Without systemd there is nobody to notify.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "cannot notify systemd");
    }
}

/// Tells systemd's watchdog that the runtime still turns.
async fn keep_watchdog(mut stopped: Shutdown) {
    let Some(every) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut tick = tokio::time::interval(every / 2);
    loop {
        tokio::select! {
            _ = tick.tick() => notify(&[sd_notify::NotifyState::Watchdog]),
            () = stopped.wait() => return,
        }
    }
}
