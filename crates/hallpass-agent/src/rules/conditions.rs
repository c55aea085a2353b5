use super::glob::Glob;
use hallpass_caller::{Caller, Fact, ProcessFacts, Unknown};

/// What a rule asks about the caller. The order is that of cost: the kernel's word first, a runtime's last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    User,
    Uid,
    Group,
    Gid,
    Unit,
    Slice,
    Cgroup,
    Container,
    Exe,
    Ancestor,
    Namespace,
    Pod,
    ExeSha256,
    Image,
    Label,
    ContainerName,
}

impl Key {
    pub(crate) const ALL: [Self; 16] = [
        Self::User,
        Self::Uid,
        Self::Group,
        Self::Gid,
        Self::Unit,
        Self::Slice,
        Self::Cgroup,
        Self::Container,
        Self::Exe,
        Self::Ancestor,
        Self::Namespace,
        Self::Pod,
        Self::ExeSha256,
        Self::Image,
        Self::Label,
        Self::ContainerName,
    ];

    /// The key that rules call `name`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Uid => "uid",
            Self::Group => "group",
            Self::Gid => "gid",
            Self::Unit => "unit",
            Self::Slice => "slice",
            Self::Cgroup => "cgroup",
            Self::Container => "container",
            Self::Exe => "exe",
            Self::Ancestor => "ancestor",
            Self::Namespace => "namespace",
            Self::Pod => "pod",
            Self::ExeSha256 => "exe_sha256",
            Self::Image => "image",
            Self::Label => "label",
            Self::ContainerName => "container_name",
        }
    }

    /// Whether the kernel's answer about the connection is enough.
    pub(crate) fn is_kernel(self) -> bool {
        self <= Self::Gid
    }

    /// Whether it says who the caller is, rather than only what it is made of: a program anyone may start.
    pub(crate) fn identifies(self) -> bool {
        self <= Self::Cgroup
    }
}

/// One condition: the caller must have one of the values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) key: Key,
    pub(crate) want: Want,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Want {
    Names(Vec<String>),
    Numbers(Vec<u32>),
    Globs(Vec<Glob>),
    /// Beginnings of a container's id.
    Prefixes(Vec<String>),
    /// `container = false`.
    NoContainer,
}

/// What is known about a caller beyond [`Caller`]: every process that holds its connection.
#[derive(Debug, Default)]
pub struct Evidence {
    /// The facts about each of them; empty when nothing is known of any.
    pub processes: Vec<ProcessFacts>,
    /// The names of all groups that any of them has.
    pub groups: Vec<String>,
}

impl Condition {
    /// Why the condition does not hold; it must hold for every process.
    pub(crate) fn unmet(&self, caller: &Caller, evidence: &Evidence) -> Option<String> {
        if self.key.is_kernel() {
            return (!self.kernel(caller)).then(|| self.kernel_reason(caller));
        }
        if evidence.processes.is_empty() {
            return Some(format!(
                "{} is unknown: the process is not known",
                self.key.name()
            ));
        }
        evidence
            .processes
            .iter()
            .find_map(|process| match values(self.key, process) {
                Ok(values) if self.has(&values) => None,
                Ok(values) => Some(format!(
                    "{} of process {} is {}, not {}",
                    self.key.name(),
                    process.pid(),
                    listed(&values),
                    self.wanted()
                )),
                Err(unknown) => Some(self.unknown(process, &unknown)),
            })
    }

    /// Why a rule that says `not` of this condition does not match: it holds for some process, or cannot be told.
    pub(crate) fn not_ruled_out(&self, caller: &Caller, evidence: &Evidence) -> Option<String> {
        let holds = || {
            Some(format!(
                "{} is {}, which the rule excludes",
                self.key.name(),
                self.wanted()
            ))
        };
        match (self.key, &self.want) {
            (Key::User, _) if caller.user.is_none() => {
                return Some("user is without a name, so it cannot be told apart".to_owned());
            }
            (Key::User | Key::Uid, _) => return if self.kernel(caller) { holds() } else { None },
            _ if evidence.processes.is_empty() => {
                return Some(format!(
                    "{} is unknown: the process is not known",
                    self.key.name()
                ));
            }
            // Any process in the group is enough, so the groups that all of them have do not do.
            (Key::Group, Want::Names(names)) => {
                let has = names.iter().any(|name| evidence.groups.contains(name));
                return if has { holds() } else { None };
            }
            (Key::Gid, Want::Numbers(gids)) => {
                let mut all = evidence.processes.iter().flat_map(ProcessFacts::gids);
                return if all.any(|gid| gids.contains(gid)) {
                    holds()
                } else {
                    None
                };
            }
            _ => {}
        }
        evidence
            .processes
            .iter()
            .find_map(|process| match values(self.key, process) {
                Ok(values) if self.has(&values) => holds(),
                Ok(_) if self.key == Key::Ancestor => unknown_ancestor(process),
                Ok(_) => None,
                Err(unknown) => Some(self.unknown(process, &unknown)),
            })
    }

    fn unknown(&self, process: &ProcessFacts, unknown: &Unknown) -> String {
        format!(
            "{} of process {} is unknown: {unknown}",
            self.key.name(),
            process.pid()
        )
    }

    fn kernel(&self, caller: &Caller) -> bool {
        match (self.key, &self.want) {
            (Key::User, Want::Names(users)) => users.iter().any(|user| caller.user.as_ref() == Some(user)),
            (Key::Uid, Want::Numbers(uids)) => uids.contains(&caller.uid),
            (Key::Group, Want::Names(groups)) => groups.iter().any(|group| caller.groups.contains(group)),
            (Key::Gid, Want::Numbers(gids)) => gids.iter().any(|gid| caller.gids.contains(gid)),
            _ => false,
        }
    }

    fn kernel_reason(&self, caller: &Caller) -> String {
        let wanted = self.wanted();
        match self.key {
            Key::User => {
                let is = caller.user.as_deref().unwrap_or("without a name");
                format!("user is {is}, not {wanted}")
            }
            Key::Uid => format!("uid is {}, not {wanted}", caller.uid),
            Key::Gid => format!("the caller is not in group number {wanted}"),
            _ => format!("the caller is not in group {wanted}"),
        }
    }

    fn has(&self, values: &[String]) -> bool {
        match &self.want {
            Want::Globs(globs) => values
                .iter()
                .any(|value| globs.iter().any(|glob| glob.matches(value))),
            Want::Prefixes(prefixes) => values
                .iter()
                .any(|value| prefixes.iter().any(|prefix| value.starts_with(prefix.as_str()))),
            Want::NoContainer => values.is_empty(),
            Want::Names(names) => values.iter().any(|value| names.contains(value)),
            Want::Numbers(_) => false,
        }
    }

    fn wanted(&self) -> String {
        let texts: Vec<String> = match &self.want {
            Want::Names(names) | Want::Prefixes(names) => names.clone(),
            Want::Numbers(numbers) => numbers.iter().map(u32::to_string).collect(),
            Want::Globs(globs) => globs.iter().map(|glob| glob.text().to_owned()).collect(),
            Want::NoContainer => vec!["none".to_owned()],
        };
        texts.join(" or ")
    }
}

/// The values a process has for a key: none, one, or several of which any will do.
pub(crate) fn values(key: Key, process: &ProcessFacts) -> Fact<Vec<String>> {
    let one = |value: &str| vec![value.to_owned()];
    Ok(match key {
        Key::User | Key::Uid | Key::Group | Key::Gid => vec![],
        Key::Unit => process.unit()?.map(str::to_owned).into_iter().collect(),
        Key::Slice => process.cgroup()?.slices.clone(),
        Key::Cgroup => one(&process.cgroup()?.path),
        Key::Container => process
            .container()?
            .iter()
            .map(|found| found.id.clone())
            .collect(),
        Key::Exe => one(process.exe()?),
        Key::ExeSha256 => one(process.exe_sha256()?),
        Key::Ancestor => {
            let known = process
                .ancestors()?
                .iter()
                .filter_map(|ancestor| ancestor.exe.as_ref().ok());
            known.cloned().collect()
        }
        // Without a container there is none of these: that is known, not unknown.
        Key::Image | Key::Label | Key::ContainerName | Key::Namespace | Key::Pod
            if process.container()?.is_none() =>
        {
            vec![]
        }
        Key::Image => one(&process.container_info()?.image),
        Key::ContainerName => one(&process.container_info()?.name),
        Key::Label => {
            let labels = process.container_info()?.labels.iter();
            labels.map(|(key, value)| format!("{key}={value}")).collect()
        }
        Key::Namespace => one(&process.pod()?.namespace),
        Key::Pod => one(&process.pod()?.name),
    })
}

fn unknown_ancestor(process: &ProcessFacts) -> Option<String> {
    let ancestors = process.ancestors().ok()?;
    let (pid, unknown) = ancestors
        .iter()
        .find_map(|ancestor| ancestor.exe.as_ref().err().map(|unknown| (ancestor.pid, unknown)))?;
    Some(format!("the program of ancestor {pid} is unknown: {unknown}"))
}

fn listed(values: &[String]) -> String {
    if values.is_empty() {
        "none".to_owned()
    } else {
        values.join(", ")
    }
}
