//! `hallpass backup`, `restore`, `migrate`: the authority's state as a file, and from one store to another.

use crate::admin::Admin;
use crate::args::Location;
use crate::data_dir::DataDir;
use crate::error::CliError;
use crate::printer::Printer;
use crate::server::config::ServerFile;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args as ClapArgs;
use hallpass_etcd::EtcdStore;
use hallpass_store::{KeyValue, RedbStore, Store, backup};
use hallpass_wire::XmlNode;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

#[derive(Debug, ClapArgs)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    location: Location,
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RestoreArgs {
    /// The configuration of the server whose store it is
    #[arg(long, value_name = "FILE", conflicts_with = "data")]
    config: Option<PathBuf>,
    /// The data directory of a system without a configuration
    #[arg(long, value_name = "DIR", required_unless_present = "config")]
    data: Option<PathBuf>,
    /// The backup
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct MigrateArgs {
    /// The configuration of the server whose store is read; it must not run
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// The configuration of the server whose store is filled; it must be empty
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

/// A backup of the running system or server, whatever its store: everything as of one instant.
pub(crate) async fn run(options: &BackupArgs, printer: &Printer) -> Result<u8, CliError> {
    let admin = Admin::running(&options.location)?;
    let shown = options.file.display().to_string();
    let cannot = |error: std::io::Error| CliError::failed(format!("cannot write `{shown}`: {error}"));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&options.file)
        .map_err(cannot)?;
    let written = async {
        let (revision, entries) = exported(&admin).await?;
        let mut to = BufWriter::new(file);
        let keys = backup::write(revision, &entries, &mut to).map_err(cannot)?;
        to.flush().map_err(cannot)?;
        to.get_ref().sync_all().map_err(cannot)?;
        Ok(keys)
    };
    match written.await {
        Ok(keys) => {
            printer.say(&format!(
                "{keys} keys are in `{shown}`. Secrets in it are sealed: keep the root key too, elsewhere"
            ));
            Ok(0)
        }
        Err(error) => {
            // Half a backup is none.
            let _ = std::fs::remove_file(&options.file);
            Err(error)
        }
    }
}

async fn exported(admin: &Admin) -> Result<(u64, Vec<KeyValue>), CliError> {
    let mut entries: Vec<KeyValue> = vec![];
    let mut params: Vec<(String, String)> = vec![];
    loop {
        let page = admin.call("hallpass", "ExportState", &params).await?;
        let text = |node: &XmlNode, name: &str| node.one_text(name).ok().flatten().map(str::to_owned);
        let unreadable = || CliError::failed("the server's answer cannot be read");
        let revision = text(&page, "Revision").ok_or_else(unreadable)?;
        let list = page.children.iter().find(|child| child.name == "Entries");
        for entry in list.into_iter().flat_map(|list| &list.children) {
            let value = text(entry, "Value").unwrap_or_default();
            entries.push(KeyValue {
                key: text(entry, "Key").ok_or_else(unreadable)?,
                value: STANDARD.decode(value).map_err(|_| unreadable())?,
                mod_revision: 0,
            });
        }
        if text(&page, "IsTruncated").as_deref() != Some("true") {
            return Ok((revision.parse().map_err(|_| unreadable())?, entries));
        }
        let last = entries.last().ok_or_else(unreadable)?;
        params = vec![
            ("Revision".to_owned(), revision),
            ("Marker".to_owned(), last.key.clone()),
        ];
    }
}

pub(crate) async fn restore(options: &RestoreArgs, printer: &Printer) -> Result<u8, CliError> {
    let shown = options.file.display();
    let file = File::open(&options.file)
        .map_err(|error| CliError::failed(format!("cannot read `{shown}`: {error}")))?;
    // All of it is read and proven before anything is written.
    let entries = backup::read(BufReader::new(file))
        .map_err(|error| CliError::failed(format!("`{shown}`: {error}")))?;
    let (store, data) = match (&options.config, &options.data) {
        (Some(config), _) => open(&ServerFile::read(config)?).await?,
        (None, Some(data)) => {
            let data = DataDir::open(data.clone())?;
            (redb(&data)?, data)
        }
        (None, None) => return Err(CliError::failed("say which: --config FILE or --data DIR")),
    };
    let keys = fill(&*store, entries).await?;
    printer.say(&format!(
        "{keys} keys are back. The root key of that time belongs into `{}`",
        data.file("root.key").display()
    ));
    Ok(0)
}

pub(crate) async fn migrate(options: &MigrateArgs, printer: &Printer) -> Result<u8, CliError> {
    let (from, to) = (ServerFile::read(&options.from)?, ServerFile::read(&options.to)?);
    let failed = |error: hallpass_store::StoreError| CliError::failed(error.to_string());
    if from.data == to.data && from.store.is_none() && to.store.is_none() {
        return Err(CliError::failed("both are the same store"));
    }
    // One data directory may serve both: the same server, moved to another store.
    let (source, data) = open(&from).await?;
    let listing = source.list("").await.map_err(failed)?;
    let running = |entry: &&KeyValue| entry.key.starts_with("v1/system/server/");
    if let Some(server) = listing.entries.iter().find(running) {
        let name = server.key.rsplit('/').next().unwrap_or_default();
        return Err(
            CliError::failed(format!("server `{name}` runs on the store that is read"))
                .hint("stop every server of it first: what they wrote meanwhile would be lost"),
        );
    }
    let target: Box<dyn Store> = match &to.store {
        Some(shared) => Box::new(
            EtcdStore::open(&shared.etcd(&to.name))
                .await
                .map_err(|error| CliError::failed(error.to_string()))?,
        ),
        None if to.data == from.data => redb(&data)?,
        None => redb(&DataDir::open(to.data.clone())?)?,
    };
    let entries = listing.entries.into_iter().map(|entry| (entry.key, entry.value));
    let keys = fill(&*target, entries.collect()).await?;
    drop(data);
    printer.say(&format!(
        "{keys} keys are moved; what they were read from is as it was"
    ));
    Ok(0)
}

async fn fill(store: &dyn Store, entries: Vec<(String, Vec<u8>)>) -> Result<usize, CliError> {
    backup::restore(store, entries)
        .await
        .map_err(|error| CliError::failed(error.to_string()))
}

/// A server's store, and its data directory, which keeps the server itself from running meanwhile.
async fn open(file: &ServerFile) -> Result<(Box<dyn Store>, DataDir), CliError> {
    let data = DataDir::open(file.data.clone())?;
    let store: Box<dyn Store> = match &file.store {
        Some(shared) => Box::new(
            EtcdStore::open(&shared.etcd(&file.name))
                .await
                .map_err(|error| CliError::failed(error.to_string()))?,
        ),
        None => redb(&data)?,
    };
    Ok((store, data))
}

fn redb(data: &DataDir) -> Result<Box<dyn Store>, CliError> {
    let path: &Path = &data.file("store.redb");
    Ok(Box::new(
        RedbStore::open(path).map_err(|error| CliError::failed(error.to_string()))?,
    ))
}
