use crate::Unknown;
use std::fs;
use std::path::Path;

/// Where the kubelet makes one folder for each pod, `NAMESPACE_NAME_UID`; only root can write there.
const POD_LOGS: &str = "/var/log/pods";

/// A pod as the kubelet of this machine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// The pod with the uid `uid`.
///
/// # Errors
/// [`Unknown`] if the kubelet has no such folder, or two.
pub fn pod_of(uid: &str) -> Result<Pod, Unknown> {
    pod_in(Path::new(POD_LOGS), uid)
}

fn pod_in(folder: &Path, uid: &str) -> Result<Pod, Unknown> {
    let entries = fs::read_dir(folder)
        .map_err(|error| Unknown::new(format!("its pod's name: {}: {error}", folder.display())))?;
    let mut found = None;
    for entry in entries {
        let name = entry.map_err(Unknown::from)?.file_name();
        // Neither a namespace nor a pod's name may hold an underscore.
        let parts: Vec<&str> = name.to_str().unwrap_or_default().split('_').collect();
        let [namespace, name, of] = parts.as_slice() else {
            continue;
        };
        if *of == uid && found.is_some() {
            return Err(Unknown::new("two pods have its pod's uid"));
        }
        if *of == uid {
            found = Some(Pod {
                name: (*name).to_owned(),
                namespace: (*namespace).to_owned(),
            });
        }
    }
    found.ok_or_else(|| Unknown::new("the kubelet does not know its pod"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubelets_folder_names_the_pod() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "shop_web-1_u-1",
            "a_b_u-2",
            "c_d_u-2",
            "odd",
            "too_many_parts_u-3",
        ] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let pod = pod_in(folder.path(), "u-1").unwrap();
        assert_eq!((pod.namespace.as_str(), pod.name.as_str()), ("shop", "web-1"));
        for uid in ["u-2", "u-3", "u-4", ""] {
            pod_in(folder.path(), uid).expect_err(uid);
        }
        pod_in(&folder.path().join("none"), "u-1").unwrap_err();
    }
}
