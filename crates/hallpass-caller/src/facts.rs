use crate::{
    Ancestor, Cgroup, ContainerInfo, ContainerRef, ExeHashes, Holder, Pod, ProcessDir, Runtimes, Unknown,
    ancestors, exe_path, pod_of,
};
use std::sync::{Arc, OnceLock};

/// A fact, or why it is not known.
pub type Fact<T> = Result<T, Unknown>;

/// What facts are read from besides `/proc`, and remembered in.
#[derive(Debug, Default)]
pub struct FactSources {
    /// Hashes of programs.
    pub hashes: ExeHashes,
    /// Container runtimes.
    pub runtimes: Runtimes,
}

/// The facts about one process, each read when first asked for and then the same: for one decision.
#[derive(Debug, Default)]
pub struct ProcessFacts {
    pid: u32,
    gids: Vec<u32>,
    process: Option<ProcessDir>,
    sources: Arc<FactSources>,
    exe: OnceLock<Fact<String>>,
    exe_sha256: OnceLock<Fact<String>>,
    said_unit: Option<String>,
    cgroup: OnceLock<Fact<Cgroup>>,
    own_pids: OnceLock<Fact<bool>>,
    info: OnceLock<Fact<Arc<ContainerInfo>>>,
    pod: OnceLock<Fact<Pod>>,
    ancestors: OnceLock<Fact<Vec<Ancestor>>>,
}

/// Facts said rather than read, for tests of rules and for questions about processes that do not exist.
#[derive(Debug, Clone, Default)]
pub struct SaidFacts {
    /// [`ProcessFacts::exe`].
    pub exe: Option<String>,
    /// [`ProcessFacts::exe_sha256`].
    pub exe_sha256: Option<String>,
    /// [`ProcessFacts::unit`], where the rest of the control group is not known.
    pub unit: Option<String>,
    /// [`ProcessFacts::cgroup`].
    pub cgroup: Option<Cgroup>,
    /// [`ProcessFacts::container_info`].
    pub info: Option<ContainerInfo>,
    /// [`ProcessFacts::pod`].
    pub pod: Option<Pod>,
    /// [`ProcessFacts::ancestors`].
    pub ancestors: Option<Vec<Ancestor>>,
}

impl ProcessFacts {
    /// The facts about a process that was seen before: its number must still be its own.
    #[must_use]
    pub fn of(holder: &Holder, sources: &Arc<FactSources>) -> Self {
        let process = ProcessDir::open(holder.pid).ok();
        let mut gids = holder.groups.clone();
        gids.push(holder.gid);
        Self {
            pid: holder.pid,
            gids,
            process: process.filter(|process| process.start_time() == holder.start_time),
            sources: Arc::clone(sources),
            ..Self::default()
        }
    }

    /// The facts `said`; all others are unknown.
    #[must_use]
    pub fn said(pid: u32, gids: &[u32], said: SaidFacts) -> Self {
        fn cell<T>(fact: Option<T>) -> OnceLock<Fact<T>> {
            OnceLock::from(fact.ok_or_else(|| Unknown::new("it was not said")))
        }
        Self {
            pid,
            gids: gids.to_vec(),
            exe: cell(said.exe),
            exe_sha256: cell(said.exe_sha256),
            said_unit: said.unit,
            cgroup: cell(said.cgroup),
            own_pids: cell(Some(true)),
            info: cell(said.info.map(Arc::new)),
            pod: cell(said.pod),
            ancestors: cell(said.ancestors),
            ..Self::default()
        }
    }

    /// The process's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// All of its groups, in no order.
    #[must_use]
    pub fn gids(&self) -> &[u32] {
        &self.gids
    }

    /// Whether it is still the process all of this was read of.
    ///
    /// # Errors
    /// [`Unknown`] if not.
    pub fn still_there(&self) -> Fact<()> {
        Ok(self.process()?.still_there()?)
    }

    /// What it runs, as a path of this machine ([`exe_path`]).
    ///
    /// # Errors
    /// [`Unknown`], as of every fact here.
    pub fn exe(&self) -> Fact<&str> {
        let fact = self.exe.get_or_init(|| exe_path(self.process()?));
        fact.as_deref().map_err(Clone::clone)
    }

    /// SHA-256 of what it runs, in hexadecimal. Seconds for a large program that is seen for the first time.
    ///
    /// # Errors
    /// [`Unknown`].
    pub fn exe_sha256(&self) -> Fact<&str> {
        let read = || self.sources.hashes.of(self.process()?);
        self.exe_sha256.get_or_init(read).as_deref().map_err(Clone::clone)
    }

    /// Its control group.
    ///
    /// # Errors
    /// [`Unknown`].
    pub fn cgroup(&self) -> Fact<&Cgroup> {
        let read = || {
            let process = self.process()?;
            let text = process.read("cgroup")?;
            process.still_there()?;
            Cgroup::parse(&text)
        };
        self.cgroup.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// The unit of the system manager that it belongs to, or that it belongs to none.
    ///
    /// # Errors
    /// [`Unknown`].
    pub fn unit(&self) -> Fact<Option<&str>> {
        match &self.said_unit {
            Some(unit) => Ok(Some(unit)),
            None => Ok(self.cgroup()?.unit.as_deref()),
        }
    }

    /// Its container, or that it is in none.
    ///
    /// # Errors
    /// [`Unknown`] also for what looks like a container without being one that is known, and for a process without one
    /// whose numbers are of another namespace.
    pub fn container(&self) -> Fact<Option<&ContainerRef>> {
        let group = self.cgroup()?;
        if group.container.is_some() {
            return Ok(group.container.as_ref());
        }
        if group.maybe_container {
            return Err(Unknown::new("its control group may be a container's"));
        }
        let read = || {
            let own = ProcessDir::open(std::process::id())?.namespace("pid")?;
            Ok(self.process()?.namespace("pid")? == own)
        };
        match self.own_pids.get_or_init(read) {
            Ok(true) => Ok(None),
            Ok(false) => Err(Unknown::new(
                "it has process numbers of its own, so it may be in a container",
            )),
            Err(unknown) => Err(unknown.clone()),
        }
    }

    /// What the runtime says about its container. Up to half a second.
    ///
    /// # Errors
    /// [`Unknown`], also when it is in none.
    pub fn container_info(&self) -> Fact<&ContainerInfo> {
        let read = || {
            let container = self.container()?;
            let container = container.ok_or_else(|| Unknown::new("it is not in a container"))?;
            self.sources.runtimes.ask(container)
        };
        let fact = self.info.get_or_init(read);
        fact.as_ref().map(AsRef::as_ref).map_err(Clone::clone)
    }

    /// Its pod.
    ///
    /// # Errors
    /// [`Unknown`], also when it is in none.
    pub fn pod(&self) -> Fact<&Pod> {
        let read = || {
            let container = self.container()?.filter(|container| container.rootless.is_none());
            let uid = container.and_then(|container| container.pod_uid.as_deref());
            pod_of(uid.ok_or_else(|| Unknown::new("it is not in a pod"))?)
        };
        self.pod.get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// What it descends from, parent first.
    ///
    /// # Errors
    /// [`Unknown`].
    pub fn ancestors(&self) -> Fact<&[Ancestor]> {
        let fact = self.ancestors.get_or_init(|| ancestors(self.process()?));
        fact.as_deref().map_err(Clone::clone)
    }

    fn process(&self) -> Fact<&ProcessDir> {
        self.process
            .as_ref()
            .ok_or_else(|| Unknown::new(format!("process {} is gone", self.pid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process;

    #[test]
    fn a_number_that_was_given_away_again_has_no_facts() {
        let mut holder = process(std::process::id()).unwrap();
        let sources = Arc::default();
        let own = std::env::current_exe().unwrap();
        assert_eq!(
            ProcessFacts::of(&holder, &sources).exe().unwrap(),
            own.to_str().unwrap()
        );
        holder.start_time += 1;
        let facts = ProcessFacts::of(&holder, &sources);
        facts.exe().unwrap_err();
        facts.exe_sha256().unwrap_err();
        facts.cgroup().unwrap_err();
        facts.container().unwrap_err();
        facts.container_info().unwrap_err();
        facts.pod().unwrap_err();
        facts.ancestors().unwrap_err();
        facts.still_there().unwrap_err();
    }

    #[test]
    fn a_process_with_numbers_of_its_own_is_not_said_to_be_outside_of_containers() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let mut inside = std::process::Command::new("unshare")
            .args(["--pid", "--fork", "--kill-child", "sleep", "60"])
            .spawn()
            .unwrap();
        let children = format!("/proc/{0}/task/{0}/children", inside.id());
        let child = loop {
            let text = std::fs::read_to_string(&children).unwrap_or_default();
            if let Ok(pid) = text.trim().parse() {
                break pid;
            }
        };
        let facts = ProcessFacts::of(&process(child).unwrap(), &Arc::default());
        facts.container().unwrap_err();
        inside.kill().unwrap();
        inside.wait().unwrap();
    }
}
