//! `hallpass server`: the authority and the gateway for other machines, alone or one of several on etcd.

pub(crate) mod config;
mod ec2;

use crate::args::ConfigOption;
use crate::auditing::{Auditing, open_log};
use crate::data_dir::{DataDir, write_atomically, write_private};
use crate::dev::{bind, gateway_config_at, last_used, start_log, upstreams};
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::{ApiReady, READY_NAME};
use crate::seed;
use crate::signals::Signals;
use config::{ControlFile, ServerFile};
use hallpass_agent::{Shutdown, ShutdownTrigger, SystemClock, SystemEntropy};
use hallpass_audit::AuditLog;
use hallpass_authority::{Authority, Ec2Trust, Machine};
use hallpass_directory::Directory;
use hallpass_etcd::{EtcdConfig, EtcdStore, OpenEtcdError};
use hallpass_fleet::{Control, ControlConfig, ControlTls, Peers};
use hallpass_gateway::api::TableKeys;
use hallpass_gateway::{Gateway, GatewayConfig};
use hallpass_resource::ResourcePolicies;
use hallpass_serve::{Freshness, FrontDoor, FrontDoorParts, InstanceSource, MintAudit, Policies};
use hallpass_store::{Progress, RedbStore, Store, View, follow};
use hallpass_types::{Clock, Entropy};
use hallpass_upstream::Upstream;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For the state to show everything that was there before the start.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a start waits for etcd; then somebody has to look, or systemd starts us again.
const STORE_TIME_MAX: Duration = Duration::from_secs(60);
/// How often the server's own certificate is made anew; it lives a day.
const IDENTITY_EVERY: Duration = Duration::from_secs(6 * 3_600);

pub(crate) async fn run(options: ConfigOption, printer: &Printer) -> Result<u8, CliError> {
    start_log();
    let file = ServerFile::read(&options.config)?;
    let data = DataDir::open(file.data.clone())?;
    let mut server = Server::open(&file, &data).await?;
    let text =
        serde_json::to_string_pretty(&server.ready).map_err(|error| CliError::failed(error.to_string()))?;
    let signals = Signals::catch()?;
    write_private(&data.file(READY_NAME), (text + "\n").as_bytes())?;
    server.tell(&file, printer);
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::warn!(%error, "cannot notify systemd");
    }
    signals.until_told_to_stop().await;
    server.stop().await;
    // Its store is closed by then: whoever waits for the file to go may start the next one.
    drop(server);
    // A stopped server must not be found.
    let _ = std::fs::remove_file(data.file(READY_NAME));
    Ok(0)
}

/// The root key and, while it is being replaced, the next one: both are tried, the next one is sealed under.
fn root_keys(data: &DataDir, first: [u8; 32]) -> hallpass_authority::RootKeys {
    let (path, next) = (data.file("root.key"), data.file("root.key.next"));
    Box::new(move || {
        let read = |path: &std::path::Path| std::fs::read(path).ok()?.try_into().ok();
        [read(&path).or(Some(first)), read(&next)]
            .into_iter()
            .flatten()
            .collect()
    })
}

struct Server {
    ready: ApiReady,
    control_url: Option<String>,
    admin_was_made: bool,
    stop: ShutdownTrigger,
    serving: Vec<tokio::task::JoinHandle<()>>,
    following: Option<tokio::task::JoinHandle<()>>,
    auditing: Option<Auditing>,
    peers: Arc<Peers>,
}

impl Server {
    async fn open(file: &ServerFile, data: &DataDir) -> Result<Self, CliError> {
        let failed = |error: &dyn std::fmt::Display| CliError::failed(error.to_string());
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let config = match &file.gateway {
            Some(path) => gateway_config_at(path)?,
            None => GatewayConfig::default(),
        };
        let ec2_files = file.control.as_ref().map_or(&[][..], |control| &control.ec2);
        let ec2_files = ec2::read(ec2_files)?;
        // Ports first: the likeliest thing to be wrong, found before anything is written.
        let api_listener = bind(file.api.listen, "listen in [api]").await?;
        let api = api_listener.local_addr().map_err(|error| failed(&error))?;
        let control_listener = match &file.control {
            Some(control) => Some(bind(control.listen, "listen in [control]").await?),
            None => None,
        };
        let root = data.root_key(|| hallpass_session::EpochKey::generate(&*entropy))?;
        let store: Arc<dyn Store> = match &file.store {
            Some(shared) => {
                let opened = opened(&shared.etcd(&file.name)).await;
                Arc::new(opened.map_err(|error| failed(&error))?)
            }
            None => Arc::new(RedbStore::open(&data.file("store.redb")).map_err(|error| failed(&error))?),
        };
        let audit = open_log(&data.file("audit"), &config.audit)?;
        let directory: Arc<dyn Upstream> = Arc::new(
            Directory::open(&data.file("buckets"), Arc::clone(&clock)).map_err(|error| failed(&error))?,
        );
        let machine = Machine {
            private_ip: "0.0.0.0".to_owned(),
            // Nowhere, until the machine has enrolled and was seen.
            networks: vec![],
        };
        let authority = Authority::open(
            Arc::clone(&store),
            root_keys(data, root),
            &file.region,
            machine,
            Arc::clone(&entropy),
        )
        .await
        .map_err(|error| root_key_hint(failed(&error), file))?;
        let authority = Arc::new(authority);
        let resources = ResourcePolicies::open(Arc::clone(&store)).await;
        let resources = Arc::new(resources.map_err(|error| failed(&error))?);

        let progress = Arc::new(Progress::at(authority.revision()));
        let staleness_max = Duration::from_secs(file.staleness_max_seconds);
        let peers = Arc::new(Peers::new(
            &file.name,
            Arc::clone(&store),
            Arc::clone(&progress),
            Arc::clone(&clock),
            staleness_max,
            file.consistent,
        ));
        authority.follows(Arc::clone(&progress));
        authority.join(Arc::clone(&peers) as _);
        let views: Vec<Arc<dyn View>> = vec![
            Arc::clone(&authority) as _,
            Arc::clone(&resources) as _,
            Arc::clone(&peers) as _,
        ];
        let listing = store
            .list("v1/system/server/")
            .await
            .map_err(|error| failed(&error))?;
        peers.reset(&listing).map_err(|error| failed(&error))?;
        let following = tokio::spawn(follow(Arc::clone(&store), views, Arc::clone(&progress)));

        // What was written while the state was read.
        let head = store.head().await.map_err(|error| failed(&error))?;
        if !progress.reached(head, CATCH_UP_TIMEOUT).await {
            return Err(CliError::failed("the store tells of changes that do not come"));
        }
        let now = clock.now();
        let (account, admin_was_made) = seed::account(&authority, data, now).await?;
        let (stop, stopped) = Shutdown::new();
        let mut serving = vec![last_used::keep(&authority, &stopped)];
        let mut control_url = None;
        if let (Some(control), Some(listener)) = (&file.control, control_listener) {
            authority
                .ensure_certificate_authority(now)
                .await
                .map_err(|error| failed(&error))?;
            write_authorities(&authority, data)?;
            let address = listener.local_addr().map_err(|error| failed(&error))?;
            let url = advertised(control, address);
            let parts = ControlParts {
                ec2: ec2::trusts(ec2_files, &authority)?,
                authority: Arc::clone(&authority),
                peers: Arc::clone(&peers),
                progress: Arc::clone(&progress),
                log: Arc::clone(&audit),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                staleness_max,
            };
            serving.extend(parts.serve(file, control, listener, &stopped)?);
            peers.register(&url).await.map_err(|error| failed(&error))?;
            control_url = Some(url);
        }
        let listening = upstreams::listening(&config.listener)?;
        let scheme = if listening.tls.is_some() { "https" } else { "http" };
        authority.is_reached_at(&upstreams::public_url(&config.listener, api)?);
        let gateway = Gateway {
            policies: Arc::new(Policies(Arc::clone(&authority))),
            resources,
            table_keys: TableKeys::default(),
            account,
            directory,
            upstreams: upstreams::open(&config).await?,
            config,
            region: file.region.clone(),
        };
        let auditing = Auditing::of_gateway(&audit, &gateway, &clock, &entropy)?;
        let door = Arc::new(FrontDoor::new(FrontDoorParts {
            authority: Arc::clone(&authority),
            gateway,
            audit,
            clock,
            entropy,
            freshness: Some(Freshness {
                progress,
                staleness_max,
            }),
        }));
        let mut api_stopped = stopped;
        serving.push(tokio::spawn(hallpass_serve::serve(
            api_listener,
            listening,
            door,
            async move { api_stopped.wait().await },
        )));
        Ok(Self {
            ready: ApiReady {
                api: format!("{scheme}://{api}"),
                account: account.to_string(),
                region: file.region.clone(),
                admin_credentials: seed::credentials_path(data),
                control: control_url.clone(),
                pid: std::process::id(),
            },
            control_url,
            admin_was_made,
            stop,
            serving,
            following: Some(following),
            auditing: Some(auditing),
            peers,
        })
    }

    fn tell(&self, file: &ServerFile, printer: &Printer) {
        if self.admin_was_made {
            printer.say(&format!(
                "Made account {} and its administrator.",
                self.ready.account
            ));
            printer.say(&format!(
                "The administrator's key: {} (profile admin)",
                self.ready.admin_credentials.display()
            ));
        }
        printer.say(&format!("server    {}", file.name));
        printer.say(&format!("api       {}", self.ready.api));
        if let Some(url) = &self.control_url {
            printer.say(&format!("control   {url}"));
        }
        let store = match &file.store {
            Some(shared) => shared.etcd.join(", "),
            None => file.data.join("store.redb").display().to_string(),
        };
        printer.say(&format!("store     {store}"));
    }

    async fn stop(&mut self) {
        self.stop.trigger();
        for task in self.serving.drain(..) {
            // A task that panicked has nothing left to end.
            let _ = task.await;
        }
        if let Some(auditing) = self.auditing.take() {
            auditing.stop().await;
        }
        // Nobody has to wait for a server that answers no more.
        if let Err(error) = self.peers.leave().await {
            tracing::warn!(%error, "the fleet is not told that this server stopped");
        }
        if let Some(following) = self.following.take() {
            following.abort();
        }
    }
}

/// The fleet's certificate authorities as PEM, for `client_ca_file` of the gateway's listener.
fn write_authorities(authority: &Authority, data: &DataDir) -> Result<(), CliError> {
    let authorities = authority.certificate_authorities();
    let pem: String = authorities
        .iter()
        .map(|der| hallpass_fleet::certificate_pem(der))
        .collect();
    write_atomically(&data.file("fleet-ca.pem"), pem.as_bytes(), 0o644)
}

/// The store in etcd, waited for: after a power cut its members come up at the same time as we, and have to agree first.
async fn opened(config: &EtcdConfig) -> Result<EtcdStore, OpenEtcdError> {
    let given_up = Instant::now() + STORE_TIME_MAX;
    loop {
        match EtcdStore::open(config).await {
            Err(error @ OpenEtcdError::Unreachable(_)) if Instant::now() < given_up => {
                tracing::warn!(%error, "etcd does not answer yet; trying on");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            opened => return opened,
        }
    }
}

/// What agents and peers are told: the first host, with the port that is listened at.
fn advertised(control: &ControlFile, address: SocketAddr) -> String {
    let host = control.hosts.first().map_or("localhost", String::as_str);
    let host = match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    };
    format!("https://{host}:{}", address.port())
}

fn root_key_hint(error: CliError, file: &ServerFile) -> CliError {
    if file.store.is_some() && error.to_string().contains("root key") {
        return error.hint("servers of one fleet have the same root.key: copy it from the first one's data");
    }
    error
}

struct ControlParts {
    ec2: Vec<Ec2Trust>,
    authority: Arc<Authority>,
    peers: Arc<Peers>,
    progress: Arc<Progress>,
    log: Arc<AuditLog>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    staleness_max: Duration,
}

impl ControlParts {
    /// The listener, and what keeps its certificate young.
    fn serve(
        self,
        file: &ServerFile,
        control: &ControlFile,
        listener: tokio::net::TcpListener,
        stopped: &Shutdown,
    ) -> Result<[tokio::task::JoinHandle<()>; 3], CliError> {
        let failed = |error: &dyn std::fmt::Display| CliError::failed(format!("control: {error}"));
        let (name, hosts) = (file.name.clone(), control.hosts.clone());
        let identity = |authority: &Authority, clock: &dyn Clock| {
            let made = authority.server_identity(&name, &hosts, clock.now());
            made.map_err(|error| failed(&error))
        };
        let first = identity(&self.authority, &*self.clock)?;
        self.peers.identify(&first).map_err(|error| failed(&error))?;
        let tls = Arc::new(ControlTls::new(first).map_err(|error| failed(&error))?);
        let source = {
            let (authority, clock) = (Arc::clone(&self.authority), Arc::clone(&self.clock));
            move |instance: &str| {
                let source = InstanceSource::new(Arc::clone(&authority), Arc::clone(&clock), instance);
                Box::new(source) as Box<dyn hallpass_agent::CredentialSource>
            }
        };
        let answering = Control::new(ControlConfig {
            authority: Arc::clone(&self.authority),
            source_of: Box::new(source),
            log: Arc::new(MintAudit::new(
                self.log,
                Arc::clone(&self.clock),
                self.entropy,
                &file.region,
            )),
            ec2: self.ec2,
            peers: Arc::clone(&self.peers),
            progress: self.progress,
            staleness_max: self.staleness_max,
            clock: Arc::clone(&self.clock),
        });
        let mut serve_stopped = stopped.clone();
        let serving = tokio::spawn(answering.serve(listener, Arc::clone(&tls), async move {
            serve_stopped.wait().await;
        }));
        let (staying, mut staying_stopped) = (Arc::clone(&self.peers), stopped.clone());
        let staying = tokio::spawn(async move {
            tokio::select! {
                () = staying.stay() => {}
                () = staying_stopped.wait() => {}
            }
        });
        let (authority, peers, clock) = (self.authority, self.peers, self.clock);
        let (name, hosts) = (file.name.clone(), control.hosts.clone());
        let mut stopped = stopped.clone();
        let renewing = tokio::spawn(async move {
            let mut changes = authority.changes();
            let mut known = authority.certificate_authorities();
            let mut made = tokio::time::Instant::now();
            loop {
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(IDENTITY_EVERY) => {}
                    () = stopped.wait() => return,
                }
                let authorities = authority.certificate_authorities();
                if authorities == known && made.elapsed() < IDENTITY_EVERY {
                    continue;
                }
                let renewed = authority.server_identity(&name, &hosts, clock.now());
                let renewed = renewed.map_err(|error| error.to_string()).and_then(|identity| {
                    peers.identify(&identity).map_err(|error| error.to_string())?;
                    tls.replace(identity).map_err(|error| error.to_string())
                });
                match renewed {
                    Ok(()) => {
                        known = authorities;
                        made = tokio::time::Instant::now();
                    }
                    Err(error) => tracing::error!(error, "the server's certificate stays as it was"),
                }
            }
        });
        Ok([serving, renewing, staying])
    }
}
