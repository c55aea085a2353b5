use crate::credentials::document;
use hallpass_types::UnixSeconds;
use std::collections::BTreeMap;

/// What the service tells everyone on the machine about it. Absent values are absent paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceView {
    /// `i-…`
    pub instance_id: String,
    /// Twelve digits.
    pub account: String,
    /// `eu-central-1`
    pub region: String,
    /// `eu-central-1a`
    pub availability_zone: String,
    /// The machine's address.
    pub private_ip: String,
    /// `ami-…`
    pub image_id: String,
    /// `t3.micro`, or what the operator calls such a machine.
    pub instance_type: String,
    /// `x86_64` or `arm64`.
    pub architecture: String,
    /// The machine's name; without one it is made from the address, as AWS does.
    pub hostname: Option<String>,
    /// `0e:49:61:0f:c3:11`; without one there are no interfaces in the tree.
    pub mac: Option<String>,
    /// `subnet-…`
    pub subnet_id: Option<String>,
    /// `vpc-…`
    pub vpc_id: Option<String>,
    /// `r-…`
    pub reservation_id: Option<String>,
    /// Names of security groups.
    pub security_groups: Vec<String>,
    /// The profile's ARN and id, for `iam/info`.
    pub profile: Option<(String, String)>,
    /// When the instance was launched: `pendingTime`, and `Last-Modified` of everything that never changes.
    pub launched: UnixSeconds,
    /// Tags to show, if the instance's options allow tags in metadata.
    pub tags: Option<BTreeMap<String, String>>,
    /// The user data; absent means 404.
    pub user_data: Option<Vec<u8>>,
}

/// An [`InstanceView`] laid out as paths, once per change of it.
#[derive(Debug, Clone)]
pub struct Tree {
    leaves: BTreeMap<String, String>,
    view: InstanceView,
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    Leaf(&'a str),
    List(String),
}

impl Tree {
    /// Lays `view` out. Tag keys that cannot be path segments are left out, as AWS forbids them in metadata.
    #[must_use]
    pub fn new(view: InstanceView) -> Self {
        let mut leaves = BTreeMap::new();
        for (path, value) in machine_leaves(&view).into_iter().chain(interface_leaves(&view)) {
            if let Some(value) = value {
                leaves.insert(format!("meta-data/{path}"), value);
            }
        }
        for (key, value) in view.tags.iter().flatten() {
            let plain =
                !key.is_empty() && key != "." && key != ".." && key != "_index" && !key.contains(['/', ' ']);
            if plain {
                leaves.insert(format!("meta-data/tags/instance/{key}"), value.clone());
            }
        }
        leaves.insert(
            "dynamic/fws/instance-monitoring".to_owned(),
            "disabled".to_owned(),
        );
        leaves.insert(
            "dynamic/instance-identity/document".to_owned(),
            identity_document(&view),
        );
        Self { leaves, view }
    }

    /// What it was made of.
    #[must_use]
    pub fn view(&self) -> &InstanceView {
        &self.view
    }

    /// What is at `segments` below a version. `iam` adds the directory to `meta-data`'s list.
    pub(crate) fn at(&self, segments: &[&str], iam: bool) -> Option<Node<'_>> {
        let path = segments.join("/");
        if let Some(value) = self.leaves.get(&path) {
            return Some(Node::Leaf(value));
        }
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}/")
        };
        let mut names: Vec<String> = Vec::new();
        for leaf in self.leaves.range(prefix.clone()..).map(|(leaf, _)| leaf) {
            let Some(below) = leaf.strip_prefix(&prefix) else {
                break;
            };
            let name = match below.split_once('/') {
                Some((directory, _)) => format!("{directory}/"),
                None => below.to_owned(),
            };
            if names.last() != Some(&name) {
                names.push(name);
            }
        }
        if names.is_empty() {
            return None;
        }
        if iam && path == "meta-data" {
            names.push("iam/".to_owned());
            names.sort();
        }
        Some(Node::List(names.join("\n")))
    }
}

fn machine_leaves(view: &InstanceView) -> Vec<(String, Option<String>)> {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let hostname = hostname(view);
    [
        ("ami-id", some(&view.image_id)),
        ("ami-launch-index", some("0")),
        ("ami-manifest-path", some("(unknown)")),
        ("block-device-mapping/ami", some("/dev/xvda")),
        ("block-device-mapping/root", some("/dev/xvda")),
        ("events/maintenance/history", some("[]")),
        ("events/maintenance/scheduled", some("[]")),
        ("hostname", some(&hostname)),
        ("instance-action", some("none")),
        ("instance-id", some(&view.instance_id)),
        ("instance-life-cycle", some("on-demand")),
        ("instance-type", some(&view.instance_type)),
        ("local-hostname", some(&hostname)),
        ("local-ipv4", some(&view.private_ip)),
        ("mac", view.mac.clone()),
        ("placement/availability-zone", some(&view.availability_zone)),
        ("placement/region", some(&view.region)),
        ("profile", some("default-hvm")),
        ("reservation-id", view.reservation_id.clone()),
        ("security-groups", some(&view.security_groups.join("\n"))),
        ("services/domain", some("amazonaws.com")),
        ("services/partition", some("aws")),
        ("system", some("nitro")),
    ]
    .into_iter()
    .map(|(path, value)| (path.to_owned(), value))
    .collect()
}

fn interface_leaves(view: &InstanceView) -> Vec<(String, Option<String>)> {
    let Some(mac) = &view.mac else {
        return Vec::new();
    };
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    [
        ("device-number", some("0")),
        ("local-hostname", some(&hostname(view))),
        ("local-ipv4s", some(&view.private_ip)),
        ("mac", some(mac)),
        ("owner-id", some(&view.account)),
        ("security-groups", some(&view.security_groups.join("\n"))),
        ("subnet-id", view.subnet_id.clone()),
        ("vpc-id", view.vpc_id.clone()),
    ]
    .into_iter()
    .map(|(leaf, value)| (format!("network/interfaces/macs/{mac}/{leaf}"), value))
    .collect()
}

fn hostname(view: &InstanceView) -> String {
    match &view.hostname {
        Some(name) => name.clone(),
        // us-east-1 alone has the short form.
        None if view.region == "us-east-1" => {
            format!("ip-{}.ec2.internal", view.private_ip.replace('.', "-"))
        }
        None => format!(
            "ip-{}.{}.compute.internal",
            view.private_ip.replace(['.', ':'], "-"),
            view.region
        ),
    }
}

fn identity_document(view: &InstanceView) -> String {
    document(&[
        ("accountId", Some(&view.account)),
        ("architecture", Some(&view.architecture)),
        ("availabilityZone", Some(&view.availability_zone)),
        ("billingProducts", None),
        ("devpayProductCodes", None),
        ("marketplaceProductCodes", None),
        ("imageId", Some(&view.image_id)),
        ("instanceId", Some(&view.instance_id)),
        ("instanceType", Some(&view.instance_type)),
        ("kernelId", None),
        ("pendingTime", Some(&view.launched.iso8601())),
        ("privateIp", Some(&view.private_ip)),
        ("ramdiskId", None),
        ("region", Some(&view.region)),
        ("version", Some("2017-09-30")),
    ])
}
