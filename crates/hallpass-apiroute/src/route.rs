use crate::body::{Form, read_form};
use crate::model::{Operation, Service, signing_as};
use crate::request::{ApiRequest, Body};
use crate::{ApiHead, Protocol, RouteError, query, routes, services};
use hallpass_types::AccountId;

/// Finds out what a request asks for.
///
/// # Errors
/// [`RouteError`] for anything the models do not know, and for what could be read in two ways; see
/// [`RouteError::code`].
pub fn route(head: &ApiHead<'_>) -> Result<ApiRequest, RouteError> {
    let services: Vec<_> = signing_as(head.service).collect();
    if services.is_empty() {
        return Err(RouteError::UnknownService(head.service.to_owned()));
    }
    let query = query::read(head.query)?;
    let target = head.only("x-amz-target")?;
    let smithy = head.only("smithy-protocol")?;
    let host = head.only("host")?.unwrap_or_default().to_ascii_lowercase();
    let content_type = head
        .only("content-type")?
        .unwrap_or_default()
        .to_ascii_lowercase();
    let (content_type, parameters) = content_type.split_once(';').unwrap_or((&content_type, ""));
    let content_type = content_type.trim();
    // A peer that decodes another character set reads other names.
    if parameters.contains("charset") && !parameters.contains("utf-8") {
        return Err(RouteError::Header("content-type"));
    }
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        if head.only(name)?.is_some() {
            return Err(RouteError::Mixed("a header that stands for another method"));
        }
    }
    let is_form = content_type == "application/x-www-form-urlencoded";
    let names_action = query.iter().any(|(name, _)| name.eq_ignore_ascii_case("action"));
    let mixed = is_form || names_action;
    if let Some(smithy) = smithy {
        if target.is_some() || mixed {
            return Err(RouteError::Mixed(
                "`smithy-protocol` and the marks of another protocol",
            ));
        }
        return cbor(head, &services, &host, smithy, content_type, &query);
    }
    if let Some(target) = target {
        if mixed {
            return Err(RouteError::Mixed("`x-amz-target` and a form or `Action`"));
        }
        return json(head, &services, &host, target, content_type, &query);
    }
    let spoken: Vec<_> = speaking(&services, Protocol::is_query);
    let rest: Vec<_> = speaking(&services, Protocol::is_rest);
    if !spoken.is_empty() && (mixed || rest.is_empty()) {
        return form(head, spoken, &host, query, is_form);
    }
    if is_form && head.method != "GET" {
        return Err(RouteError::Mixed("a form, where the service takes none"));
    }
    if rest.is_empty() {
        return Err(RouteError::UnknownOperation);
    }
    rest_route(head, &rest, &host, query)
}

fn speaking(
    services: &[&'static Service],
    wanted: impl Fn(Protocol) -> bool + Copy,
) -> Vec<(&'static Service, Protocol)> {
    let spoken = services.iter();
    spoken
        .filter_map(|service| Some((*service, service.speaks(wanted)?)))
        .collect()
}

/// Smithy RPC v2: `POST /service/NAME/operation/OPERATION`. The name is the target prefix.
fn cbor(
    head: &ApiHead<'_>,
    services: &[&'static Service],
    host: &str,
    smithy: &str,
    content_type: &str,
    query: &[(String, String)],
) -> Result<ApiRequest, RouteError> {
    if smithy != "rpc-v2-cbor" {
        return Err(RouteError::Header("smithy-protocol"));
    }
    if !matches!(content_type, "application/cbor" | "") {
        return Err(RouteError::Header("content-type"));
    }
    if head.method != "POST" || !query.is_empty() {
        return Err(RouteError::UnknownRoute);
    }
    let segments = routes::segments(head.path)?;
    let [before, name, between, operation] = segments.as_slice() else {
        return Err(RouteError::UnknownRoute);
    };
    if *before != "service" || *between != "operation" {
        return Err(RouteError::UnknownRoute);
    }
    let found = speaking(services, |protocol| protocol == Protocol::Cbor);
    let found = found
        .into_iter()
        .filter(|(service, _)| service.target == Some(name));
    choose(
        found.filter_map(|(service, protocol)| Some((service, service.operation(operation)?, protocol))),
        host,
    )
    .map(|chosen| ApiRequest::known(chosen, head.method))
}

/// AWS JSON: `X-Amz-Target: PREFIX.OPERATION`.
fn json(
    head: &ApiHead<'_>,
    services: &[&'static Service],
    host: &str,
    target: &str,
    content_type: &str,
    query: &[(String, String)],
) -> Result<ApiRequest, RouteError> {
    let protocol = match content_type {
        "application/x-amz-json-1.0" => Protocol::Json10,
        "application/x-amz-json-1.1" => Protocol::Json11,
        _ => return Err(RouteError::Header("content-type")),
    };
    if head.method != "POST" || !matches!(head.path, "/" | "") || !query.is_empty() {
        return Err(RouteError::UnknownRoute);
    }
    let (prefix, operation) = target.rsplit_once('.').ok_or(RouteError::UnknownOperation)?;
    let found = speaking(services, Protocol::is_json_rpc);
    let found = found
        .into_iter()
        .filter(|(service, _)| service.target == Some(prefix))
        .filter_map(|(service, _)| Some((service, service.operation(operation)?, protocol)));
    choose(found, host).map(|chosen| ApiRequest::known(chosen, head.method))
}

/// AWS Query: `Action` in the form, or in the query string of a request without one.
fn form(
    head: &ApiHead<'_>,
    services: Vec<(&'static Service, Protocol)>,
    host: &str,
    query: Vec<(String, String)>,
    is_form: bool,
) -> Result<ApiRequest, RouteError> {
    let queue = queue_path(head.path).filter(|_| head.service == "sqs");
    if queue.is_none() && !matches!(head.path, "/" | "") {
        return Err(RouteError::UnknownRoute);
    }
    let Some((first, protocol)) = services.first().copied() else {
        return Err(RouteError::UnknownRoute);
    };
    let mut request = ApiRequest::of(first, protocol, head.method);
    request.candidates = services;
    request.queue_path = queue;
    host.clone_into(&mut request.host);
    match head.method {
        "POST" if query.is_empty() && is_form => Ok(request),
        "POST" if query.is_empty() => Err(RouteError::Header("content-type")),
        "GET" | "POST" => {
            let raw = head.query.unwrap_or_default();
            let form = read_form(protocol, raw.as_bytes())?;
            settle(&mut request, form)?;
            request.body_must_be_empty = true;
            Ok(request)
        }
        _ => Err(RouteError::UnknownRoute),
    }
}

/// Sets the operation of a query request and keeps its parameters.
pub(crate) fn settle(request: &mut ApiRequest, form: Form) -> Result<(), RouteError> {
    let action = form.action.ok_or(RouteError::MissingAction)?;
    let known = request.candidates.iter();
    let mut found: Vec<_> = known
        .filter_map(|(service, protocol)| Some((*service, service.operation(&action)?, *protocol)))
        .collect();
    // Only where two services share a name does the version tell which is meant.
    if found.len() > 1
        && let Some(version) = &form.version
    {
        found.retain(|(service, _, _)| service.version == version);
    }
    let Ok(chosen) = choose(found.into_iter(), &request.host) else {
        return Err(RouteError::InvalidAction(action));
    };
    (request.service, request.protocol) = (chosen.0, chosen.2);
    request.operation = Some(chosen.1);
    request.body = Body::Read(form.value);
    Ok(())
}

fn rest_route(
    head: &ApiHead<'_>,
    services: &[(&'static Service, Protocol)],
    host: &str,
    query: Vec<(String, String)>,
) -> Result<ApiRequest, RouteError> {
    let segments = routes::segments(head.path)?;
    let mut matches = vec![];
    for (service, protocol) in services {
        if let Some(found) = service.operations().routes.find(head.method, &segments, &query)?
            && let Some(operation) = service.operation(found.operation)
        {
            matches.push((*service, operation, *protocol, found.labels));
        }
    }
    if matches.is_empty() {
        return Err(RouteError::UnknownRoute);
    }
    if matches.iter().any(|(service, ..)| is_named(service, host)) {
        matches.retain(|(service, ..)| is_named(service, host));
    }
    // Where only some services have literals at a place, those mean it and the others hold it for a name.
    let most = matches.iter().map(|(_, operation, ..)| literals(operation)).max();
    matches.retain(|(_, operation, ..)| Some(literals(operation)) == most);
    let all = matches
        .iter()
        .map(|(service, operation, protocol, _)| (*service, *operation, *protocol));
    let chosen = choose(all, host)?;
    let labels = matches
        .into_iter()
        .find(|(service, ..)| service.name == chosen.0.name)
        .map(|(.., labels)| labels);
    let mut request = ApiRequest::known(chosen, head.method);
    request.path = head.path.to_owned();
    request.labels = labels.unwrap_or_default();
    request.query = query;
    if !chosen.1.needs_body && !services::needs_body(chosen.0.name, chosen.1.name) {
        request.body = Body::Ignored;
    }
    Ok(request)
}

/// How many parts of a URI are not labels.
fn literals(operation: &Operation) -> usize {
    let parts = operation.uri.split(['/', '?', '&']);
    parts
        .filter(|part| !part.is_empty() && !part.starts_with('{'))
        .count()
}

type Chosen = (&'static Service, &'static Operation, Protocol);

/// The one that is meant: the only one, the one the host names, or the first of those that mean the same.
fn choose(found: impl Iterator<Item = Chosen>, host: &str) -> Result<Chosen, RouteError> {
    let found: Vec<_> = found.collect();
    let named: Vec<_> = found
        .iter()
        .filter(|(service, ..)| is_named(service, host))
        .copied()
        .collect();
    let left = if named.is_empty() { found } else { named };
    let first = *left.first().ok_or(RouteError::UnknownOperation)?;
    let same = |other: &Chosen| {
        (other.0.endpoint, other.0.prefix, other.1.name) == (first.0.endpoint, first.0.prefix, first.1.name)
    };
    if !left.iter().all(same) {
        return Err(RouteError::Ambiguous);
    }
    let main = left.iter().find(|(service, ..)| service.name == service.signing);
    Ok(main.copied().unwrap_or(first))
}

/// Whether the host begins with the service's endpoint prefix.
fn is_named(service: &Service, host: &str) -> bool {
    let rest = host.strip_prefix(service.endpoint);
    rest.is_some_and(|rest| rest.starts_with('.'))
}

/// `/ACCOUNT/QUEUE`: where SQS's query protocol takes the queue's URL from.
fn queue_path(path: &str) -> Option<(String, String)> {
    let (account, name) = path.strip_prefix('/')?.split_once('/')?;
    account.parse::<AccountId>().ok()?;
    crate::resource::is_plain_name(name).then(|| (account.to_owned(), name.to_owned()))
}
