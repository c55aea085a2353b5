//! `hallpass dev`: the whole system in one process.

mod endpoints;
pub(crate) mod last_used;
mod network;
pub(crate) mod upstreams;

use crate::args::DevArgs;
use crate::auditing::{Auditing, open_log};
use crate::data_dir::{DataDir, default_path, write_atomically, write_private};
use crate::error::CliError;
use crate::files;
use crate::printer::Printer;
use crate::running::{READY_NAME, Ready};
use crate::seed;
use crate::signals::Signals;
use endpoints::Endpoints;
use hallpass_agent::link_local::{LoopbackAddress, METADATA_V4, METADATA_V6, listen_on_loopback};
use hallpass_agent::{
    Agent, AgentConfig, MountedFiles, RulesFile, RulesSource, Shutdown, ShutdownTrigger, SystemClock,
    SystemEntropy,
};
use hallpass_authority::{Authority, Machine};
use hallpass_directory::Directory;
use hallpass_gateway::api::TableKeys;
use hallpass_gateway::{Gateway, GatewayConfig};
use hallpass_resource::ResourcePolicies;
use hallpass_serve::{AgentAudit, FrontDoor, FrontDoorParts, InstanceSource, Policies};
use hallpass_store::{RedbStore, Store};
use hallpass_types::{Clock, Entropy};
use hallpass_upstream::Upstream;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, UnixListener};

pub(crate) async fn run(options: DevArgs, printer: &Printer) -> Result<u8, CliError> {
    start_log();
    let data = match (&options.location.data, options.ephemeral) {
        (_, true) => DataDir::ephemeral()?,
        (Some(path), _) => DataDir::open(absolute(path)?)?,
        (None, _) => DataDir::open(default_path()?)?,
    };
    let mut system = System::open(&options, &data).await?;
    let ready = system.ready(&data);
    let text =
        serde_json::to_string_pretty(&ready).map_err(|error| CliError::failed(error.to_string()))? + "\n";
    let signals = Signals::catch()?;
    write_private(&data.file(READY_NAME), text.as_bytes())?;
    greet(&ready, &system, &options, printer);
    if let Some(path) = &options.ready_file {
        // Last of all: whoever waits for it may ask anything.
        write_atomically(path, text.as_bytes(), 0o644)?;
    }
    system.until_stopped(signals, printer).await;
    // Its store is closed by then: whoever waits for the file to go may start the next one.
    drop(system);
    // A stopped system must not be found. If it cannot be removed, its process id says that nobody is there.
    let _ = std::fs::remove_file(data.file(READY_NAME));
    Ok(0)
}

/// The well-known ones.
pub(crate) const METADATA_ADDRESSES: [std::net::IpAddr; 2] = [METADATA_V4, METADATA_V6];

fn absolute(path: &Path) -> Result<PathBuf, CliError> {
    std::path::absolute(path).map_err(|error| CliError::failed(format!("`{}`: {error}", path.display())))
}

pub(crate) fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("HALLPASS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    // Fails only when a log was started before, which then goes on.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}

struct System {
    api: SocketAddr,
    is_tls: bool,
    metadata: SocketAddr,
    account: String,
    region: String,
    instance: String,
    is_first_start: bool,
    rules: Arc<RulesFile>,
    rules_path: PathBuf,
    socket: PathBuf,
    stop: ShutdownTrigger,
    serving: Vec<tokio::task::JoinHandle<()>>,
    endpoints: Endpoints,
    files: Option<MountedFiles>,
    auditing: Option<Auditing>,
    _link_local: Vec<LoopbackAddress>,
}

impl System {
    async fn open(options: &DevArgs, data: &DataDir) -> Result<Self, CliError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
        let failed = |error: &dyn std::fmt::Display| CliError::failed(error.to_string());
        let now = clock.now();

        let config = gateway_config(options, data)?;
        // Ports first: the likeliest thing to be wrong, found before anything is written.
        let api_listener = bind(options.api, "--api").await?;
        let metadata_listener = bind(options.metadata, "--metadata").await?;
        let api = api_listener.local_addr().map_err(|error| failed(&error))?;
        let metadata = metadata_listener.local_addr().map_err(|error| failed(&error))?;

        let root = data.root_key(|| hallpass_session::EpochKey::generate(&*entropy))?;
        let store: Arc<dyn Store> =
            Arc::new(RedbStore::open(&data.file("store.redb")).map_err(|e| failed(&e))?);
        let audit = open_log(&data.file("audit"), &config.audit)?;
        let directory: Arc<dyn Upstream> = Arc::new(
            Directory::open(&data.file("buckets"), Arc::clone(&clock)).map_err(|error| failed(&error))?,
        );
        let (private_ip, networks) = network::own_addresses(api.ip());
        let machine = Machine {
            private_ip: private_ip.to_string(),
            networks: networks.clone(),
        };
        let authority = Authority::open(
            Arc::clone(&store),
            Box::new(move || vec![root]),
            &options.region,
            machine,
            Arc::clone(&entropy),
        )
        .await;
        let authority = Arc::new(authority.map_err(|error| failed(&error))?);

        let (account, is_first_start) = seed::account(&authority, data, now).await?;
        let rules_path = match &options.rules {
            Some(path) => absolute(path)?,
            None => data.file("rules.toml"),
        };
        let instance = match seed::administrator(&authority, data, now) {
            Ok(admin) => {
                // The machine is what is made last: without it a first start was cut short.
                if is_first_start || seed::existing_machine(&authority).is_none() {
                    seed::demo_role(&authority, &admin, now).await?;
                    let (bundle, _) = authority.policies_for(&admin);
                    seed::bucket(&*directory, &admin, &bundle, now).await?;
                }
                seed::machine(&authority, &admin, private_ip, networks, now).await?
            }
            // An administrator who rotated the first key away has a machine already.
            Err(error) => seed::existing_machine(&authority).ok_or(error)?,
        };
        if !rules_path.exists() {
            write_private(&rules_path, first_rules().as_bytes())?;
        }
        let rules = Arc::new(RulesFile::open(&rules_path).map_err(|error| failed(&error))?);

        let resources = ResourcePolicies::open(Arc::clone(&store)).await;
        let resources = Arc::new(resources.map_err(|error| failed(&error))?);
        let listening = upstreams::listening(&config.listener)?;
        let is_tls = listening.tls.is_some();
        authority.is_reached_at(&upstreams::public_url(&config.listener, api)?);
        let gateway = Gateway {
            policies: Arc::new(Policies(Arc::clone(&authority))),
            resources,
            table_keys: TableKeys::default(),
            account,
            directory,
            upstreams: upstreams::open(&config).await?,
            config,
            region: options.region.clone(),
        };
        let auditing = Auditing::of_gateway(&audit, &gateway, &clock, &entropy)?;
        let door = Arc::new(FrontDoor::new(FrontDoorParts {
            authority: Arc::clone(&authority),
            gateway,
            audit: Arc::clone(&audit),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            freshness: None,
        }));
        let (stop, stopped) = Shutdown::new();
        let make_agent = {
            let (authority, audit, rules) = (Arc::clone(&authority), Arc::clone(&audit), Arc::clone(&rules));
            let (clock, entropy) = (Arc::clone(&clock), Arc::clone(&entropy));
            let (account, region) = (account.to_string(), options.region.clone());
            move |instance: &str| {
                let source = InstanceSource::new(Arc::clone(&authority), Arc::clone(&clock), instance);
                let sink = AgentAudit::new(
                    Arc::clone(&audit),
                    Arc::clone(&entropy),
                    &account,
                    &region,
                    instance,
                );
                Agent::new(AgentConfig {
                    bound: vec![metadata.ip()],
                    ..AgentConfig::new(
                        RulesSource::File(Arc::clone(&rules)),
                        Arc::new(source),
                        Arc::new(sink),
                        Arc::clone(&clock),
                        Arc::clone(&entropy),
                    )
                })
            }
        };
        let own_agent =
            make_agent(&instance).map_err(|error| failed(&format!("the agent cannot start: {error}")))?;

        let files = files::mount(&own_agent, options.files.as_deref()).await?;

        let mut serving = vec![];
        let mut api_stopped = stopped.clone();
        serving.push(tokio::spawn(hallpass_serve::serve(
            api_listener,
            listening,
            door,
            async move { api_stopped.wait().await },
        )));
        serving.push(last_used::keep(&authority, &stopped));
        serving.push(serve_metadata(&own_agent, metadata_listener, &stopped));
        let mut link_local = vec![];
        if options.link_local {
            for address in METADATA_ADDRESSES {
                let (held, listener) = link_local_listener(address)?;
                link_local.push(held);
                serving.push(serve_metadata(&own_agent, listener, &stopped));
            }
        }
        let socket = data.file("agent.sock");
        // Ours is the only process on this directory, so a socket found here is a leftover.
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).map_err(|error| {
            CliError::failed(format!("cannot listen at `{}`: {error}", socket.display()))
                .hint("a socket's path may have 107 bytes; choose a shorter --data DIR")
        })?;
        let socket_stopped = stopped.clone();
        let socket_agent = Arc::clone(&own_agent);
        serving.push(tokio::spawn(async move {
            report(
                "the agent's socket",
                socket_agent.serve_socket(listener, socket_stopped).await,
            );
        }));

        let endpoints = Endpoints::start(authority, instance.clone(), Box::new(make_agent), stopped).await;
        Ok(Self {
            api,
            is_tls,
            metadata,
            account: account.to_string(),
            region: options.region.clone(),
            instance,
            is_first_start,
            rules,
            rules_path,
            socket,
            stop,
            serving,
            endpoints,
            files,
            auditing: Some(auditing),
            _link_local: link_local,
        })
    }

    fn ready(&self, data: &DataDir) -> Ready {
        Ready {
            api: format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.api),
            // With the final slash: Debian's aws 2.9 joins without one.
            metadata: format!("http://{}/", self.metadata),
            account: self.account.clone(),
            region: self.region.clone(),
            admin_credentials: seed::credentials_path(data),
            bucket: seed::BUCKET.to_owned(),
            role: seed::ROLE.to_owned(),
            instance: self.instance.clone(),
            agent_socket: self.socket.clone(),
            rules: self.rules_path.clone(),
            data: data.path().to_owned(),
            pid: std::process::id(),
        }
    }

    async fn until_stopped(&mut self, mut signals: Signals, printer: &Printer) {
        signals.until_stopped(&self.rules, printer).await;
        if let Some(files) = self.files.take() {
            files.stop().await;
        }
        self.stop.trigger();
        self.endpoints.stop().await;
        for task in self.serving.drain(..) {
            // A task that panicked has nothing left to end.
            let _ = task.await;
        }
        if let Some(auditing) = self.auditing.take() {
            auditing.stop().await;
        }
        // The socket would be taken for a leftover at the next start anyway.
        let _ = std::fs::remove_file(&self.socket);
    }
}

pub(crate) async fn bind(address: SocketAddr, flag: &str) -> Result<TcpListener, CliError> {
    TcpListener::bind(address).await.map_err(|error| {
        CliError::failed(format!("cannot listen at {address}: {error}")).hint(format!(
            "choose another address with {flag}, port 0 for any free one; `ss -ltnp` shows who has it"
        ))
    })
}

pub(crate) fn serve_metadata(
    agent: &Arc<Agent>,
    listener: TcpListener,
    stopped: &Shutdown,
) -> tokio::task::JoinHandle<()> {
    let (agent, stopped) = (Arc::clone(agent), stopped.clone());
    tokio::spawn(async move {
        report(
            "the metadata service",
            agent.serve_metadata(listener, stopped).await,
        )
    })
}

/// A part that ends before it is told to is an error for the log; the others go on.
pub(crate) fn report(part: &str, result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::error!(%error, "{part} ended");
    }
}

pub(crate) fn link_local_listener(
    address: std::net::IpAddr,
) -> Result<(LoopbackAddress, TcpListener), CliError> {
    let cannot = |error: std::io::Error| {
        CliError::failed(format!("cannot serve {address} port 80: {error}"))
            .hint("AWS's own addresses need root, and nobody else at them; `hallpass doctor` tells")
    };
    let held = LoopbackAddress::add(address).map_err(cannot)?;
    let listener = listen_on_loopback(SocketAddr::new(address, 80)).map_err(cannot)?;
    Ok((held, listener))
}

fn gateway_config(options: &DevArgs, data: &DataDir) -> Result<GatewayConfig, CliError> {
    match &options.config {
        Some(path) => gateway_config_at(path),
        None if data.file("hallpass.toml").exists() => gateway_config_at(&data.file("hallpass.toml")),
        None => Ok(GatewayConfig::default()),
    }
}

pub(crate) fn gateway_config_at(path: &Path) -> Result<GatewayConfig, CliError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| CliError::failed(format!("cannot read `{}`: {error}", path.display())))?;
    GatewayConfig::parse(&text).map_err(|error| CliError::failed(format!("`{}`: {error}", path.display())))
}

/// Whoever starts the system gets its role; nobody else does.
fn first_rules() -> String {
    format!(
        "# Which process gets which role on this machine. The first rule that fits wins; where none fits, there is no role.\n\
         # Every key of a rule must hold: user, uid, group, gid (a value or a list of them).\n\
         # Taken over when the file changes; a mistake leaves the old rules in force (`hallpass status` shows it).\n\n\
         [[rule]]\nname = \"whoever started hallpass dev\"\nuid = {}\nroles = [\"{}\"]\n",
        rustix::process::geteuid().as_raw(),
        seed::ROLE
    )
}

fn greet(ready: &Ready, system: &System, options: &DevArgs, printer: &Printer) {
    if system.is_first_start {
        printer.say(&format!(
            "Made account {}, administrator, role {}, its instance profile, instance {} and bucket {}.",
            ready.account, ready.role, ready.instance, ready.bucket
        ));
        printer.say(&format!(
            "The administrator's key: {} (profile admin)",
            ready.admin_credentials.display()
        ));
    }
    printer.say(&format!("api       {}", ready.api));
    printer.say(&format!("metadata  {}", ready.metadata));
    if options.link_local {
        printer.say("          http://169.254.169.254/ and http://[fd00:ec2::254]/ on this machine");
    }
    printer.say(&format!("rules     {}", ready.rules.display()));
    if let Some(files) = &options.files {
        printer.say(&format!("files     {}", files.display()));
    }
    printer.say(&format!(
        "data      {}{}",
        ready.data.display(),
        if options.ephemeral {
            " (goes at the end)"
        } else {
            ""
        }
    ));
    if !system.api.ip().is_loopback() && !system.is_tls {
        printer.say(
            "WARNING   the API is reachable from the network, without TLS: requests can be read on the way",
        );
    }
    let at = match (&options.location.data, options.ephemeral) {
        (None, false) => String::new(),
        _ => format!("--data {} ", ready.data.display()),
    };
    printer.say("");
    printer.say(&format!(
        "Next, in another terminal:  hallpass run {at}--role {} -- aws s3 ls s3://{}",
        ready.role, ready.bucket
    ));
    printer.say(&format!(
        "or for the whole shell:     eval \"$(hallpass env{})\"",
        if at.is_empty() {
            String::new()
        } else {
            format!(" {}", at.trim_end())
        }
    ));
}
