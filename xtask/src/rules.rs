//! Rules over the dependency graph, checked on `cargo metadata`: which way the arrows point, what must not appear,
//! under which licences.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

/// Each of our crates and what it may use of ours. Arrows point at what is used; never upward.
const LAYERS: &[(&str, &[&str])] = &[
    ("hallpass-types", &[]),
    ("hallpass-secret", &[]),
    ("hallpass-wire", &["types"]),
    ("hallpass-saml", &["types"]),
    ("hallpass-sigv4", &["types", "secret"]),
    ("hallpass-policy", &["types"]),
    ("hallpass-reference", &[]),
    ("hallpass-lint", &["types", "policy", "reference"]),
    ("hallpass-session", &["types", "secret"]),
    ("hallpass-store", &[]),
    ("hallpass-etcd", &["store"]),
    ("hallpass-audit", &["types"]),
    ("hallpass-resource", &["policy", "store"]),
    ("hallpass-access", &["types", "secret", "session", "policy"]),
    ("hallpass-s3route", &["types", "wire", "access"]),
    ("hallpass-apiroute", &["types", "wire", "access", "reference"]),
    ("hallpass-credentials", &["types", "secret", "wire", "sigv4"]),
    (
        "hallpass-upstream",
        &[
            "types",
            "secret",
            "wire",
            "session",
            "sigv4",
            "access",
            "s3route",
            "credentials",
        ],
    ),
    (
        "hallpass-directory",
        &["types", "wire", "access", "s3route", "upstream"],
    ),
    ("hallpass-caller", &["types"]),
    ("hallpass-imds", &["types", "secret"]),
    ("hallpass-rolefs", &["types", "secret"]),
    ("hallpass-agent", &["types", "secret", "caller", "imds", "rolefs"]),
    ("hallpass-cloud", &["types", "secret", "credentials", "agent"]),
    (
        "hallpass-authority",
        &[
            "types",
            "secret",
            "wire",
            "saml",
            "session",
            "policy",
            "reference",
            "access",
            "store",
        ],
    ),
    (
        "hallpass-fleet",
        &["types", "secret", "store", "credentials", "agent", "authority"],
    ),
    (
        "hallpass-gateway",
        &[
            "types", "secret", "wire", "session", "sigv4", "policy", "access", "resource", "s3route",
            "apiroute", "upstream",
        ],
    ),
    (
        "hallpass-serve",
        &[
            "types",
            "secret",
            "wire",
            "session",
            "sigv4",
            "policy",
            "access",
            "resource",
            "s3route",
            "apiroute",
            "upstream",
            "audit",
            "agent",
            "authority",
            "credentials",
            "fleet",
            "gateway",
            "imds",
            "store",
            "caller",
        ],
    ),
];

/// Crates that do no I/O, read no clock and draw no randomness; none of these may be among their dependencies.
const PURE: &[&str] = &[
    "hallpass-types",
    "hallpass-secret",
    "hallpass-wire",
    "hallpass-saml",
    "hallpass-sigv4",
    "hallpass-policy",
    "hallpass-reference",
    "hallpass-lint",
    "hallpass-session",
    "hallpass-access",
    "hallpass-s3route",
    "hallpass-apiroute",
];
const IMPURE: &[&str] = &[
    "tokio",
    "hyper",
    "hyper-util",
    "rustix",
    "nix",
    "netlink-sys",
    "rand",
    "redb",
];

/// Never in the tree of the shipped binary, each with its reason.
const BANNED: &[(&str, &str)] = &[
    ("ring", "one cryptographic provider: aws-lc-rs"),
    ("openssl", "a C library the binary would depend on at run time"),
    ("aws-sigv4", "a test oracle, never a run-time part"),
    ("rustables", "GPL-3.0"),
    ("reqwest", "hides the connect step that the egress guard must own"),
];

/// Licences accepted in dependencies.
const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "ISC",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Unlicense",
    "CDLA-Permissive-2.0",
    "0BSD",
    "Zlib",
    "Unicode-3.0",
    "Apache-2.0 WITH LLVM-exception",
    "MIT-0",
    "OpenSSL",
    "CC0-1.0",
    "BSL-1.0",
];

pub(crate) fn metadata() -> Result<Value, String> {
    let output = Command::new("cargo")
        .current_dir(crate::root())
        .args(["metadata", "--format-version", "1", "--locked"])
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// Checks every rule and reports all that are broken.
pub(crate) fn check() -> Result<(), String> {
    let broken = violations(&metadata()?, &compiled);
    if broken.is_empty() {
        Ok(())
    } else {
        Err(format!("dependency rules broken:\n  {}", broken.join("\n  ")))
    }
}

/// What is really compiled into a package. `cargo metadata` names optional dependencies that no feature asks for.
fn compiled(package: &str) -> BTreeSet<String> {
    let args = [
        "tree",
        "--locked",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--package",
        package,
    ];
    let output = Command::new("cargo")
        .current_dir(crate::root())
        .args(args)
        .output();
    let text = output
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default();
    let names: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    // A tree without its own root was not read; every rule then fails rather than passes.
    if names.contains(package) {
        names
    } else {
        BTreeSet::from(["(cargo tree failed)".to_owned()])
    }
}

fn violations(metadata: &Value, reach: &dyn Fn(&str) -> BTreeSet<String>) -> Vec<String> {
    let graph = Graph::read(metadata);
    let mut broken = vec![];
    for name in graph.ours() {
        let Some((_, allowed)) = LAYERS.iter().find(|(known, _)| *known == name) else {
            if !matches!(name, "hallpass" | "hallpass-cli" | "xtask" | "hallpass-bench") {
                broken.push(format!("{name} has no layer: give it one in xtask/src/rules.rs"));
            }
            continue;
        };
        for used in graph.direct(name).filter(|used| used.starts_with("hallpass")) {
            if !allowed
                .iter()
                .any(|allowed| used == format!("hallpass-{allowed}"))
            {
                broken.push(format!(
                    "{name} uses {used}: the arrow points the wrong way (xtask/src/rules.rs)"
                ));
            }
        }
    }
    for name in PURE {
        let reached = reach(name);
        for impure in IMPURE.iter().filter(|impure| reached.contains(**impure)) {
            broken.push(format!("{name} is pure and must not reach {impure}"));
        }
    }
    let shipped = reach("hallpass");
    for (name, reason) in BANNED.iter().filter(|(name, _)| shipped.contains(*name)) {
        broken.push(format!("{name} is in the tree: {reason}"));
    }
    for name in &shipped {
        let licence = graph.licences.get(name).map(String::as_str).unwrap_or_default();
        let accepted = licence
            .split(" OR ")
            .flat_map(|choice| choice.split('/'))
            .any(|choice| {
                let parts = choice.trim().trim_matches(['(', ')']);
                parts
                    .split(" AND ")
                    .all(|part| LICENCES.contains(&part.trim().trim_matches(['(', ')'])))
            });
        if !accepted {
            broken.push(format!("{name} is under `{licence}`, which is not accepted"));
        }
    }
    broken
}

struct Graph {
    /// Package name → names of its normal and build dependencies.
    uses: BTreeMap<String, BTreeSet<String>>,
    members: BTreeSet<String>,
    licences: BTreeMap<String, String>,
}

impl Graph {
    fn read(metadata: &Value) -> Self {
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let packages = list(&metadata["packages"]);
        let names: BTreeMap<String, String> = packages
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let licences = packages
            .iter()
            .map(|package| (text(&package["name"]), text(&package["license"])))
            .collect();
        let members = list(&metadata["workspace_members"])
            .iter()
            .filter_map(|id| names.get(&text(id)).cloned())
            .collect();
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in list(&metadata["resolve"]["nodes"]) {
            let Some(name) = names.get(&text(&node["id"])) else {
                continue;
            };
            let entry = uses.entry(name.clone()).or_default();
            for dependency in list(&node["deps"]) {
                // `kind` is null for normal dependencies, "dev" for those of tests.
                let shipped = list(&dependency["dep_kinds"])
                    .iter()
                    .any(|kind| kind["kind"] != "dev");
                if let Some(used) = names.get(&text(&dependency["pkg"])).filter(|_| shipped) {
                    entry.insert(used.clone());
                }
            }
        }
        Self {
            uses,
            members,
            licences,
        }
    }

    fn ours(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(String::as_str)
    }

    fn direct(&self, name: &str) -> impl Iterator<Item = &str> {
        self.uses.get(name).into_iter().flatten().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Everything a package of made-up metadata uses, directly or not.
    fn reach_in(metadata: &Value) -> impl Fn(&str) -> BTreeSet<String> {
        let graph = Graph::read(metadata);
        move |name| {
            let mut reached = BTreeSet::new();
            let mut open = vec![name.to_owned()];
            while let Some(next) = open.pop() {
                open.extend(
                    graph
                        .direct(&next)
                        .filter(|used| reached.insert((*used).to_owned()))
                        .map(str::to_owned),
                );
            }
            reached
        }
    }

    fn metadata_of(edges: &[(&str, &[&str])]) -> Value {
        let id = |name: &&str| json!(name);
        json!({
            "packages": edges.iter().map(|(name, _)| json!({"id": name, "name": name, "license": "MIT"})).collect::<Vec<_>>(),
            "workspace_members": edges.iter().map(|(name, _)| id(name)).collect::<Vec<_>>(),
            "resolve": {"nodes": edges.iter().map(|(name, uses)| json!({
                "id": name,
                "deps": uses.iter().map(|used| json!({"pkg": used, "dep_kinds": [{"kind": null}]})).collect::<Vec<_>>(),
            })).collect::<Vec<_>>()},
        })
    }

    #[test]
    fn the_workspace_keeps_its_own_rules() {
        assert_eq!(violations(&metadata().unwrap(), &compiled), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_that_points_upward_is_found() {
        let metadata = metadata_of(&[("hallpass-types", &["hallpass-policy"]), ("hallpass-policy", &[])]);
        let broken = violations(&metadata, &reach_in(&metadata));
        assert!(broken.iter().any(|line| line.contains("wrong way")), "{broken:?}");
    }

    #[test]
    fn a_pure_crate_that_reaches_a_runtime_is_found() {
        let metadata = metadata_of(&[
            ("hallpass-policy", &["helper"]),
            ("helper", &["tokio"]),
            ("tokio", &[]),
        ]);
        let broken = violations(&metadata, &reach_in(&metadata));
        assert!(
            broken.iter().any(|line| line.contains("must not reach tokio")),
            "{broken:?}"
        );
    }

    #[test]
    fn a_banned_crate_in_the_binary_is_found() {
        let metadata = metadata_of(&[("hallpass", &["ring"]), ("ring", &[])]);
        let broken = violations(&metadata, &reach_in(&metadata));
        assert!(
            broken.iter().any(|line| line.contains("ring is in the tree")),
            "{broken:?}"
        );
    }
}
