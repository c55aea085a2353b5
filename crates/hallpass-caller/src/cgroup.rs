use crate::Unknown;

/// A process's control group and what its path says, which only root and the managers root trusts can make so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cgroup {
    /// The path below the mount of the hierarchy, `/system.slice/web.service`.
    pub path: String,
    /// The unit of the *system* manager (`web.service`, `session-3.scope`), escaped as systemd writes it.
    pub unit: Option<String>,
    /// The unit of a user's manager, below `user@UID.service`: whatever that user likes to call it.
    pub user_unit: Option<String>,
    /// The system manager's slices around it, outermost first.
    pub slices: Vec<String>,
    /// The container, if the path tells one.
    pub container: Option<ContainerRef>,
    /// Some line looks like a container that is not known: then "not in a container" cannot be said either.
    pub maybe_container: bool,
}

/// A container as the path of a control group tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRef {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Who runs it.
    pub runtime: Runtime,
    /// The uid of the pod, with hyphens, for containers of Kubernetes.
    pub pod_uid: Option<String>,
    /// The user in whose delegated tree it is. All that is known of it is then that user's word.
    pub rootless: Option<u32>,
}

/// Who runs a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Runtime {
    /// Docker.
    Docker,
    /// Podman.
    Podman,
    /// Anything behind Kubernetes' CRI: containerd, CRI-O.
    Cri,
}

impl Cgroup {
    /// Reads the text of `/proc/PID/cgroup` (cgroups(7)): the line `0::` of version 2, or that of `name=systemd` where
    /// version 2 is not used.
    ///
    /// # Errors
    /// [`Unknown`] if there is neither, if the two name different groups, if the group was removed, or if it lies
    /// outside of what this process may see.
    pub fn parse(text: &str) -> Result<Self, Unknown> {
        let of = |wanted: &str| {
            text.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let (controllers, path) = rest.split_once(':')?;
                let found = if wanted.is_empty() {
                    line.starts_with("0::")
                } else {
                    controllers == wanted
                };
                found.then_some(path)
            })
        };
        let path = match (of(""), of("name=systemd")) {
            (Some(unified), None) => unified,
            (None | Some("/"), Some(named)) => named,
            (Some(unified), Some("/")) => unified,
            (Some(unified), Some(named)) if unified == named => unified,
            (Some(_), Some(_)) => return Err(Unknown::new("its two control groups differ")),
            (None, None) => return Err(Unknown::new("it has no control group of version 2 or systemd")),
        };
        if path.ends_with(" (deleted)") {
            return Err(Unknown::new("its control group was removed"));
        }
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            return Err(Unknown::new("its control group is outside of the one seen here"));
        }
        let mut group = Self::of_path(path);
        let looks = |line: &str| line.split(['/', '-', '.', ':']).any(is_container_id);
        group.maybe_container = group.container.is_none() && text.lines().any(looks);
        Ok(group)
    }

    /// Takes the path apart, from its root: what a group calls its own children proves nothing.
    fn of_path(path: &str) -> Self {
        let mut group = Self {
            path: path.to_owned(),
            container: container(path),
            ..Self::default()
        };
        let mut parts = path.split('/').filter(|part| !part.is_empty()).map(unescaped);
        for part in parts.by_ref() {
            if part.ends_with(".slice") {
                group.slices.push(part.to_owned());
            } else {
                group.unit = is_unit(part).then(|| part.to_owned());
                break;
            }
        }
        if group.unit.as_deref().and_then(manager_of).is_some() {
            group.user_unit = parts
                .find(|part| !part.ends_with(".slice"))
                .filter(|part| is_unit(part))
                .map(str::to_owned);
        }
        group
    }
}

/// systemd puts `_` before a name that the kernel would take for a file of its own.
fn unescaped(part: &str) -> &str {
    part.strip_prefix('_').unwrap_or(part)
}

/// Kinds of units that have processes (systemd.unit(5)).
fn is_unit(part: &str) -> bool {
    let name = part.rsplit_once('.');
    name.is_some_and(|(name, kind)| {
        !name.is_empty() && matches!(kind, "service" | "scope" | "socket" | "mount" | "swap")
    })
}

/// The user whose manager the unit `user@UID.service` is.
fn manager_of(unit: &str) -> Option<u32> {
    unit.strip_prefix("user@")?.strip_suffix(".service")?.parse().ok()
}

fn is_container_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The outermost container. Every part before it must be one that only a manager makes: a service with a delegated
/// tree, or a container, may call a group of its own like another's container.
fn container(path: &str) -> Option<ContainerRef> {
    let mut rootless = None;
    let mut pod_uid = None;
    let mut parent = "";
    for part in path.split('/').filter(|part| !part.is_empty()) {
        pod_uid = pod(part).or(pod_uid);
        if let Some((id, runtime)) = container_part(part, parent) {
            let runtime = if pod_uid.is_some() { Runtime::Cri } else { runtime };
            return Some(ContainerRef {
                id: id.to_owned(),
                runtime,
                pod_uid,
                rootless,
            });
        }
        match manager_of(part) {
            Some(uid) if rootless.is_none() => rootless = Some(uid),
            _ if is_parent(part) => {}
            _ => return None,
        }
        parent = part;
    }
    None
}

/// Groups under which managers put containers.
fn is_parent(part: &str) -> bool {
    part.ends_with(".slice")
        || pod(part).is_some()
        || matches!(
            part,
            "docker" | "kubepods" | "besteffort" | "burstable" | "guaranteed" | "libpod_parent" | "kubelet"
        )
        || matches!(
            part,
            "docker.service" | "containerd.service" | "k3s.service" | "kubelet.service"
        )
}

/// `docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope`, `crio-ID.scope`; the bare id below a known
/// parent; and containerd's `…slice:cri-containerd:ID`. A monitor (`libpod-conmon-ID`) is not in the container.
fn container_part<'a>(part: &'a str, parent: &str) -> Option<(&'a str, Runtime)> {
    let scoped = part.strip_suffix(".scope").unwrap_or(part);
    for (prefix, runtime) in [
        ("docker-", Runtime::Docker),
        ("libpod-", Runtime::Podman),
        ("cri-containerd-", Runtime::Cri),
        ("crio-", Runtime::Cri),
    ] {
        if let Some(id) = scoped.strip_prefix(prefix).filter(|id| is_container_id(id)) {
            return Some((id, runtime));
        }
    }
    if let Some((_, id)) = part.split_once(":cri-containerd:") {
        return is_container_id(id).then_some((id, Runtime::Cri));
    }
    let runtime = match parent {
        "docker" => Runtime::Docker,
        "libpod_parent" => Runtime::Podman,
        _ if pod(parent).is_some() => Runtime::Cri,
        _ => return None,
    };
    is_container_id(part).then_some((part, runtime))
}

/// The uid in `podUID` or `kubepods[-besteffort]-podUID.slice`, where systemd's form has `_` for `-`.
fn pod(part: &str) -> Option<String> {
    let part = part.split(':').next().unwrap_or(part);
    let uid = match part.strip_suffix(".slice") {
        Some(slice) => slice.strip_prefix("kubepods")?.rsplit_once("-pod")?.1,
        None => part.strip_prefix("pod")?,
    };
    let uid = uid.replace('_', "-");
    let digits = uid.bytes().filter(u8::is_ascii_hexdigit).count();
    let hyphens = uid.bytes().filter(|byte| *byte == b'-').count();
    (digits == 32 && matches!(hyphens, 0 | 4) && digits + hyphens == uid.len()).then_some(uid)
}

#[cfg(test)]
mod tests;
