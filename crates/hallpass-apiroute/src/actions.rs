use crate::asked::{Asked, Found};
use crate::request::ApiRequest;
use crate::value::Value;
use crate::{ACTIONS_MAX, operation_actions, resource, services};
use hallpass_access::ActionOn;
use hallpass_types::Arn;

/// Keys of a tag and of its value, as services write them.
const TAG_NAMES: &[(&str, &str)] = &[
    ("Key", "Value"),
    ("key", "value"),
    ("TagKey", "TagValue"),
    ("tagKey", "tagValue"),
];

impl ApiRequest {
    /// The IAM actions of this request, each with its resource and condition keys; never none. All must be allowed.
    ///
    /// `region` and `account` are those of ARNs made from names. For a request that
    /// [buffers its body](Self::buffers_body), call [`read_body`](Self::read_body) first: what is not read is on an unknown
    /// resource, and a query request whose action is not read is one of an action that does not exist.
    #[must_use]
    pub fn actions(&self, region: &str, account: &str) -> Vec<ActionOn> {
        let Some(operation) = self.operation else {
            return Asked::on_unknown(&format!("{}:ActionNotRead", self.service.prefix));
        };
        let asked = Asked {
            request: self,
            operation,
            region,
            account,
        };
        let mut actions = services::whole(&asked).unwrap_or_else(|| one_by_one(&asked));
        let own = keys(&asked);
        for action in &mut actions {
            action.context.extend(own.iter().cloned());
        }
        actions.extend(services::extra(&asked));
        actions.extend(passed_roles(&asked));
        tidy(actions)
    }
}

/// The operation's actions, each on what it is on.
fn one_by_one(asked: &Asked<'_>) -> Vec<ActionOn> {
    let request = asked.request;
    let mut actions = vec![];
    for name in operation_actions::of(request.service, asked.operation, &request.method) {
        let Some(known) = hallpass_reference::action(&name) else {
            actions.push(ActionOn::on_unknown_resource(name));
            continue;
        };
        if known.is_wildcard_only() {
            actions.push(ActionOn::new(name, "*"));
            continue;
        }
        let found = match services::resources(asked, known) {
            Found::Generic => resource::find(asked, known),
            found => found,
        };
        match found {
            Found::Arns(arns) => actions.extend(arns.into_iter().map(|arn| ActionOn::new(&name, arn))),
            Found::Unknown | Found::Generic => actions.push(ActionOn::on_unknown_resource(name)),
        }
    }
    actions
}

/// Every pair once, the owner of each resource, and no more than [`ACTIONS_MAX`].
fn tidy(mut actions: Vec<ActionOn>) -> Vec<ActionOn> {
    let mut seen = std::collections::BTreeSet::new();
    actions.retain(|on| seen.insert((on.action.clone(), on.resource.clone(), on.is_resource_known)));
    for on in &mut actions {
        // A secret by name: its ARN ends in six characters that the name does not tell.
        on.is_resource_exact = !on.resource.ends_with("-??????");
        if let Ok(arn) = on.resource.parse::<Arn>() {
            on.resource_account = arn.account.parse().ok();
        }
    }
    if actions.len() <= ACTIONS_MAX {
        return actions;
    }
    let names: std::collections::BTreeSet<_> = actions.into_iter().map(|on| on.action).collect();
    names.into_iter().map(ActionOn::on_unknown_resource).collect()
}

/// Condition keys of the request: its tags, and the service's own.
fn keys(asked: &Asked<'_>) -> Vec<(String, Vec<String>)> {
    let tags = tags(asked);
    let mut names: Vec<String> = tags.iter().map(|(name, _)| name.clone()).collect();
    let mut keys: Vec<_> = tags
        .into_iter()
        .map(|(name, value)| (format!("aws:RequestTag/{name}"), vec![value]))
        .collect();
    if let Some(member) = asked.operation.body_tag_keys {
        names.extend(texts(asked.items(member)));
    }
    if let Some(name) = asked.operation.query_tag_keys {
        names.extend(asked.query(name).into_iter().map(str::to_owned));
    }
    if !names.is_empty() {
        keys.push(("aws:TagKeys".to_owned(), names));
    }
    keys.extend(services::keys(asked));
    keys
}

pub(crate) fn texts(items: Vec<&Value>) -> impl Iterator<Item = String> {
    items.into_iter().filter_map(Value::text).map(str::to_owned)
}

fn tags(asked: &Asked<'_>) -> Vec<(String, String)> {
    let Some(member) = asked.operation.body_tags else {
        return vec![];
    };
    let Some(value) = asked.body(member) else {
        return vec![];
    };
    if let Value::Map(map) = value
        && !asked.request.protocol.is_query()
        && asked.request.protocol != crate::Protocol::RestXml
    {
        let pairs = map.iter();
        return pairs
            .map(|(name, value)| (name.clone(), value_of(value)))
            .collect();
    }
    let mut tags = vec![];
    for item in value.items() {
        // EC2 nests the tags in one specification for each type of resource.
        match item.get("Tag").or_else(|| item.get("Tags")) {
            Some(inner) => tags.extend(inner.items().into_iter().filter_map(tag)),
            None => tags.extend(tag(item)),
        }
    }
    tags
}

fn tag(item: &Value) -> Option<(String, String)> {
    let (name, value) = TAG_NAMES.iter().find_map(|(key, value)| {
        Some((
            item.get(key)?.text()?.to_owned(),
            item.get(value).map(value_of).unwrap_or_default(),
        ))
    })?;
    Some((name, value))
}

fn value_of(value: &Value) -> String {
    value.text().unwrap_or_default().to_owned()
}

/// `iam:PassRole` for every role that the body hands to a service.
fn passed_roles(asked: &Asked<'_>) -> Vec<ActionOn> {
    if !asked.operation.passes_role || !asked.request.is_write() {
        return vec![];
    }
    let mut roles = vec![];
    if let Some(body) = asked.whole_body() {
        collect_roles(body, false, &mut roles);
    }
    let to = services::passed_to(asked.service());
    let pass = |arn: String| {
        let pass = if arn == "*" {
            ActionOn::on_unknown_resource("iam:PassRole")
        } else {
            ActionOn::new("iam:PassRole", arn)
        };
        match to {
            Some(service) => pass.with("iam:PassedToService", service),
            None => pass,
        }
    };
    roles.into_iter().map(pass).collect()
}

/// Texts of members called a role; the reader has bounded the depth. A name alone does not tell the role's path.
fn collect_roles(value: &Value, is_role: bool, roles: &mut Vec<String>) {
    match value {
        Value::Text(text) if is_role && is_role_arn(text) => roles.push(text.clone()),
        Value::Text(text) if is_role && text.starts_with("arn:") => roles.push("*".to_owned()),
        Value::List(items) => items.iter().for_each(|item| collect_roles(item, is_role, roles)),
        Value::Map(map) => {
            for (name, value) in map {
                let name = name.to_ascii_lowercase().replace(['-', '_'], "");
                let names_role = name == "role"
                    || name == "roles"
                    || name.ends_with("rolearn")
                    || name.ends_with("iamrole");
                // Below a list's number in a form the name is that of the list.
                let inherits = is_role && (name == "member" || name.parse::<u32>().is_ok());
                collect_roles(value, names_role || inherits, roles);
            }
        }
        _ => {}
    }
}

fn is_role_arn(text: &str) -> bool {
    let arn = text.parse::<Arn>();
    arn.is_ok_and(|arn| arn.service == "iam" && arn.resource.starts_with("role/"))
        && !text.contains(['*', '?'])
}
