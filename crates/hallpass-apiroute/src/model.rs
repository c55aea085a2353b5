//! Reads `data/apis.txt`.
//!
//! ```text
//! service NAME SIGNING-NAME ENDPOINT-PREFIX IAM-PREFIX PROTOCOL,… API-VERSION [TARGET-PREFIX]
//! OPERATION [METHOD URI] TOKEN…    an operation; method and URI for REST only
//!   m:NAME,…  q:NAME,…             members of the body, of the query, that may name the resource
//!   lm:NAME,… lq:NAME,…            members whose presence makes the resource unknown: lists and structures of names
//!   tm:NAME   tq:NAME              the member that holds tags
//!   km:NAME   kq:NAME              the member that holds tag keys
//!   p                              some member of the body may pass a role
//!   e                              the body may be a stream of signed events
//!   b                              the body of a REST request must be read
//! ```

use crate::Protocol;
use crate::routes::Routes;
use std::sync::{LazyLock, OnceLock};

static MODELS: LazyLock<Models> = LazyLock::new(|| read(include_str!("../data/apis.txt")));

struct Models {
    /// By signing name.
    services: Vec<Service>,
}

/// One service of the models.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: &'static str,
    pub(crate) signing: &'static str,
    pub(crate) endpoint: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) protocols: Vec<Protocol>,
    pub(crate) version: &'static str,
    pub(crate) target: Option<&'static str>,
    text: &'static str,
    operations: OnceLock<Operations>,
}

/// The operations of a service, read when it is first asked for.
#[derive(Debug)]
pub(crate) struct Operations {
    /// By name.
    pub(crate) list: Vec<Operation>,
    pub(crate) routes: Routes,
}

/// One operation.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    pub(crate) method: &'static str,
    pub(crate) uri: &'static str,
    pub(crate) body_names: Vec<&'static str>,
    pub(crate) query_names: Vec<&'static str>,
    pub(crate) body_several: Vec<&'static str>,
    pub(crate) query_several: Vec<&'static str>,
    pub(crate) body_tags: Option<&'static str>,
    pub(crate) query_tags: Option<&'static str>,
    pub(crate) body_tag_keys: Option<&'static str>,
    pub(crate) query_tag_keys: Option<&'static str>,
    pub(crate) passes_role: bool,
    pub(crate) takes_events: bool,
    pub(crate) needs_body: bool,
}

/// The services that sign with this name.
pub(crate) fn signing_as(name: &str) -> impl Iterator<Item = &'static Service> + use<> {
    let services = MODELS.services.as_slice();
    let start = services.partition_point(|service| service.signing < name);
    let end = services.partition_point(|service| service.signing <= name);
    services.get(start..end).unwrap_or_default().iter()
}

/// All services, by signing name.
#[cfg(test)]
pub(crate) fn services() -> impl Iterator<Item = &'static Service> {
    MODELS.services.iter()
}

impl Service {
    pub(crate) fn operations(&self) -> &Operations {
        self.operations.get_or_init(|| {
            let list: Vec<_> = self.text.lines().map(operation).collect();
            let routes = Routes::of(&list);
            Operations { list, routes }
        })
    }

    pub(crate) fn operation(&self, name: &str) -> Option<&Operation> {
        let list = &self.operations().list;
        let found = list.binary_search_by(|operation| operation.name.cmp(name));
        found.ok().and_then(|index| list.get(index))
    }

    pub(crate) fn speaks(&self, wanted: impl Fn(Protocol) -> bool) -> Option<Protocol> {
        self.protocols.iter().copied().find(|protocol| wanted(*protocol))
    }
}

fn read(text: &'static str) -> Models {
    // What comes before the first is the comment.
    let mut services: Vec<_> = text.split("\nservice ").skip(1).filter_map(service).collect();
    services.sort_by_key(|service| service.signing);
    Models { services }
}

fn service(block: &'static str) -> Option<Service> {
    let (head, text) = block.split_once('\n').unwrap_or((block, ""));
    let mut words = head.split(' ');
    let service = Service {
        name: words.next()?,
        signing: words.next()?,
        endpoint: words.next()?,
        prefix: words.next()?,
        protocols: words.next()?.split(',').filter_map(Protocol::parse).collect(),
        version: words.next()?,
        target: words.next(),
        text,
        operations: OnceLock::new(),
    };
    Some(service)
}

fn operation(line: &'static str) -> Operation {
    let mut words = line.split(' ').peekable();
    let mut operation = Operation {
        name: words.next().unwrap_or_default(),
        ..Operation::default()
    };
    if let Some(method) = words.next_if(|word| word.bytes().all(|byte| byte.is_ascii_uppercase())) {
        operation.method = method;
        operation.uri = words.next().unwrap_or_default();
    }
    for word in words {
        let (kind, names) = word.split_once(':').unwrap_or((word, ""));
        let list = || names.split(',').collect();
        match kind {
            "m" => operation.body_names = list(),
            "q" => operation.query_names = list(),
            "lm" => operation.body_several = list(),
            "lq" => operation.query_several = list(),
            "tm" => operation.body_tags = Some(names),
            "tq" => operation.query_tags = Some(names),
            "km" => operation.body_tag_keys = Some(names),
            "kq" => operation.query_tag_keys = Some(names),
            "p" => operation.passes_role = true,
            "e" => operation.takes_events = true,
            "b" => operation.needs_body = true,
            _ => {}
        }
    }
    operation
}
