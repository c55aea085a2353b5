use crate::guard::forwarded;
use crate::tree::Node;
use crate::{
    HostPolicy, ImdsResponse, Normal, PathError, TOKEN_TTL_SECONDS_MAX, TokenKey, Tree, check_headers, html,
    info_document,
};
use hallpass_types::UnixSeconds;
use http::{HeaderMap, Method};

/// Every version the real service lists. Clients pin them; all show the same tree.
const VERSIONS: [&str; 30] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2014-11-05",
    "2015-10-20",
    "2016-04-19",
    "2016-06-30",
    "2016-09-02",
    "2018-03-28",
    "2018-08-17",
    "2018-09-24",
    "2019-10-01",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "2022-07-09",
    "2022-09-24",
    "2024-04-11",
    "latest",
];
const TOKEN_HEADER: &str = "x-aws-ec2-metadata-token";
const TTL_HEADER: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TTL_REPLY_HEADER: &str = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds";

/// One request, as parsed by the shell.
#[derive(Debug, Clone, Copy)]
pub struct ImdsRequest<'a> {
    /// The method.
    pub method: &'a Method,
    /// The request target as [`crate::normalize`] reads it.
    pub path: &'a Result<Normal, PathError>,
    /// The headers; repeated ones repeated.
    pub headers: &'a HeaderMap,
}

/// Who asks, as far as the service cares.
#[derive(Debug, Clone, Copy)]
pub struct CallerView<'a> {
    /// What a session token is bound to: uid, control group and network namespace in one text.
    pub id: &'a str,
    /// The roles the caller may have, its first being the one it is shown. Empty for a caller without a rule.
    pub roles: &'a [String],
}

/// The service, as it is set at the moment of the request.
#[derive(Debug, Clone, Copy)]
pub struct Service<'a> {
    /// What it shows.
    pub tree: &'a Tree,
    /// What tokens are sealed with.
    pub tokens: &'a TokenKey,
    /// Which `Host` names are its own.
    pub hosts: &'a HostPolicy,
    /// Whether requests without a token are served (`HttpTokens=optional`).
    pub v1_allowed: bool,
    /// Whether it answers at all (`HttpEndpoint`).
    pub endpoint_enabled: bool,
}

/// How a request came: what AWS calls `ec2:RoleDelivery` 1.0 and 2.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Without a token.
    V1,
    /// With a valid token.
    V2,
}

/// What [`respond`] says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The whole answer. `denied_role` is set if it refuses a credential question: the role asked for, or an empty
    /// text for the list.
    Answer {
        /// What to send.
        response: ImdsResponse,
        /// For the record.
        denied_role: Option<String>,
    },
    /// The role list: `role` may be shown, once the shell made sure that its credentials can be had.
    RoleList {
        /// The one name to show.
        role: String,
        /// What to send then.
        response: ImdsResponse,
        /// Version 1 or 2.
        door: Door,
    },
    /// The credentials of `role`: fetch the lease, record it, send [`crate::credentials_answer`].
    Credentials {
        /// A role the caller may have.
        role: String,
        /// What the token used has left.
        token_ttl: Option<i64>,
        /// Version 1 or 2.
        door: Door,
    },
}

/// How well the shell must know the caller before it can ask [`respond`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The uid is enough: the answer is the same for everyone on the machine.
    Uid,
    /// The answer depends on the caller's roles, so the caller must be proven.
    Proof,
}

/// How well the caller must be known to answer what is at `path`. Unreadable targets are refused whoever asks.
#[must_use]
pub fn need(path: &Result<Normal, PathError>) -> Need {
    let segments = path.as_ref().map_or(&[][..], |path| &path.segments);
    match segments {
        [_, data] if data == "meta-data" => Need::Proof,
        [_, data, iam, ..] if data == "meta-data" && iam == "iam" => Need::Proof,
        _ => Need::Uid,
    }
}

/// Answers one request. `nonce` is fresh random bytes, used if a token is made.
#[must_use]
pub fn respond(
    service: &Service<'_>,
    caller: &CallerView<'_>,
    now: UnixSeconds,
    nonce: [u8; 12],
    request: &ImdsRequest<'_>,
) -> Reply {
    let Ok(path) = request.path else {
        return plain(html(400));
    };
    if let Err(refusal) = check_headers(service.hosts, path.authority.as_deref(), request.headers) {
        return plain(refusal);
    }
    if !service.endpoint_enabled {
        return plain(html(403));
    }
    let segments: Vec<&str> = path.segments.iter().map(String::as_str).collect();
    if let [_, "api", "token"] = segments.as_slice() {
        return plain(token(service, caller, now, nonce, request, path));
    }
    if *request.method == Method::PUT {
        return plain(empty(403));
    }
    if *request.method != Method::GET && *request.method != Method::HEAD {
        return plain(empty(405).with("Allow", "GET, HEAD"));
    }
    let token_ttl = match session(service, caller, now, request.headers) {
        Ok(token_ttl) => token_ttl,
        Err(refusal) => return plain(refusal),
    };
    document(service, caller, &segments, token_ttl)
}

fn token(
    service: &Service<'_>,
    caller: &CallerView<'_>,
    now: UnixSeconds,
    nonce: [u8; 12],
    request: &ImdsRequest<'_>,
    path: &Normal,
) -> ImdsResponse {
    if *request.method != Method::PUT {
        return empty(405).with("Allow", "OPTIONS, PUT");
    }
    if path.trailing_slash || path.segments.first().is_none_or(|version| version != "latest") {
        return empty(403);
    }
    if forwarded(request.headers) {
        return html(403);
    }
    let Some(ttl) = ttl(request.headers) else {
        return html(400);
    };
    let instance = &service.tree.view().instance_id;
    match service.tokens.seal(caller.id, instance, now.plus(ttl), nonce) {
        Ok(token) => ImdsResponse::text(200, token).with(TTL_REPLY_HEADER, ttl.to_string()),
        Err(_) => html(500),
    }
}

/// Digits only: `+5`, `1e4`, an empty text and a header sent twice are all refused.
fn ttl(headers: &HeaderMap) -> Option<i64> {
    let text = only(headers, TTL_HEADER)??;
    let digits = !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    let ttl = digits.then(|| text.parse::<i64>().ok()).flatten()?;
    (1..=TOKEN_TTL_SECONDS_MAX).contains(&ttl).then_some(ttl)
}

/// What the token used has left, `None` if version 1 is allowed and none was sent.
fn session(
    service: &Service<'_>,
    caller: &CallerView<'_>,
    now: UnixSeconds,
    headers: &HeaderMap,
) -> Result<Option<i64>, ImdsResponse> {
    match only(headers, TOKEN_HEADER) {
        // Without a token only the forwarding headers are left to tell a proxied request by.
        Some(None) if service.v1_allowed && forwarded(headers) => Err(html(403)),
        Some(None) if service.v1_allowed => Ok(None),
        // A token once sent is checked, even where none is needed.
        Some(Some(token)) => {
            let instance = &service.tree.view().instance_id;
            service
                .tokens
                .open(token, caller.id, instance, now)
                .map(Some)
                .map_err(|_| html(401))
        }
        _ => Err(html(401)),
    }
}

/// `Some(Some(value))` if the header is there once, `Some(None)` if it is not there, `None` if it is unusable.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(None),
        (Some(value), None) => value.to_str().ok().map(Some),
        (Some(_), Some(_)) => None,
    }
}

fn document(
    service: &Service<'_>,
    caller: &CallerView<'_>,
    segments: &[&str],
    token_ttl: Option<i64>,
) -> Reply {
    let door = if token_ttl.is_some() { Door::V2 } else { Door::V1 };
    let launched = service.tree.view().launched;
    let shown = |body: &str| {
        let answer = ImdsResponse::text(200, body).with("Accept-Ranges", "none");
        let answer = answer.with("Last-Modified", launched.http_date());
        with_ttl(answer, token_ttl)
    };
    let [version, below @ ..] = segments else {
        return plain(shown(&VERSIONS.join("\n")));
    };
    if !VERSIONS.contains(version) {
        return plain(html(404));
    }
    let view = service.tree.view();
    match below {
        [] => plain(shown("dynamic\nmeta-data\nuser-data")),
        ["user-data"] => plain(match &view.user_data {
            Some(bytes) => with_ttl(
                ImdsResponse::new(200, "application/octet-stream", bytes.clone())
                    .with("Accept-Ranges", "bytes")
                    .with("Last-Modified", launched.http_date()),
                token_ttl,
            ),
            None => html(404),
        }),
        ["meta-data", "iam", "security-credentials"] => match caller.roles.first() {
            Some(role) => Reply::RoleList {
                role: role.clone(),
                response: shown(role),
                door,
            },
            // WHY empty: awscrt takes a short body of any status for a role name and then aborts the process.
            None => denied(empty(404), ""),
        },
        ["meta-data", "iam", "security-credentials", role] => {
            if caller.roles.iter().any(|allowed| allowed == role) {
                return Reply::Credentials {
                    role: (*role).to_owned(),
                    token_ttl,
                    door,
                };
            }
            denied(html(404), role)
        }
        ["meta-data", "iam", rest @ ..] if !caller.roles.is_empty() => match (rest, &view.profile) {
            ([], Some(_)) => plain(shown("info\nsecurity-credentials/")),
            ([], None) => plain(shown("security-credentials/")),
            (["info"], Some((arn, id))) => plain(shown(&info_document(arn, id, launched))),
            _ => plain(html(404)),
        },
        ["meta-data", "iam", ..] => plain(html(404)),
        _ => plain(match service.tree.at(below, !caller.roles.is_empty()) {
            Some(Node::Leaf(value)) => shown(value),
            Some(Node::List(names)) => shown(&names),
            None => html(404),
        }),
    }
}

fn with_ttl(response: ImdsResponse, token_ttl: Option<i64>) -> ImdsResponse {
    match token_ttl {
        Some(left) => response.with(TTL_REPLY_HEADER, left.to_string()),
        None => response,
    }
}

fn empty(status: u16) -> ImdsResponse {
    ImdsResponse::text(status, "")
}

fn plain(response: ImdsResponse) -> Reply {
    Reply::Answer {
        response,
        denied_role: None,
    }
}

fn denied(response: ImdsResponse, role: &str) -> Reply {
    Reply::Answer {
        response,
        denied_role: Some(role.to_owned()),
    }
}
