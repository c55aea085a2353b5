//! Every principal × every policy × both account relations, as one reviewed table: `matrix.txt`.
//!
//! A cell says what is decided: `allow`, `DENY kind` (an explicit deny there), or the kind of policy that is missing.
//! `HALLPASS_BLESS=1 cargo test -p hallpass-policy --test matrix` writes the table anew; review the difference.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers outside test functions"
)]

mod common;

use common::*;
use hallpass_policy::*;
use std::fmt::Write as _;

const FEDERATED: &str = "arn:aws:sts::123456789012:federated-user/fed";

struct Who {
    name: &'static str,
    info: PrincipalInfo,
    /// The most exact name a resource policy can give it.
    own: &'static str,
    /// `other` when the resource is another account's.
    other: bool,
}

fn everyone() -> Vec<Who> {
    let account = || ACCOUNT.parse().unwrap();
    let mut all = Vec::new();
    for other in [false, true] {
        let mut add = |name, info, own| {
            all.push(Who {
                name,
                info,
                own,
                other,
            })
        };
        add(
            "user",
            user(),
            r#"{"AWS":"arn:aws:iam::123456789012:user/alice"}"#,
        );
        add(
            "role session",
            role(),
            r#"{"AWS":"arn:aws:sts::123456789012:assumed-role/app/s1"}"#,
        );
        add(
            "federated user",
            PrincipalInfo::federated_user(account(), FEDERATED),
            r#"{"AWS":"arn:aws:sts::123456789012:federated-user/fed"}"#,
        );
        add(
            "root",
            PrincipalInfo::root(account()),
            r#"{"AWS":"arn:aws:iam::123456789012:root"}"#,
        );
    }
    // Who has no account is in no relation to one.
    let mut add = |name, info, own| {
        all.push(Who {
            name,
            info,
            own,
            other: false,
        })
    };
    add("anonymous", PrincipalInfo::anonymous(), r#""*""#);
    add(
        "service",
        PrincipalInfo::service("ec2.amazonaws.com"),
        r#"{"Service":"ec2.amazonaws.com"}"#,
    );
    add(
        "web identity",
        PrincipalInfo::web_identity("accounts.example.com", "sub"),
        r#"{"Federated":"accounts.example.com"}"#,
    );
    let saml = "arn:aws:iam::123456789012:saml-provider/idp";
    add(
        "saml",
        PrincipalInfo::saml(saml, "sub"),
        r#"{"Federated":"arn:aws:iam::123456789012:saml-provider/idp"}"#,
    );
    all
}

/// What stands in the resource's (or trust, or key) policy.
#[derive(Clone, Copy, PartialEq)]
enum Grants {
    Absent,
    Silent,
    Own,
    Role,
    Account,
    Everyone,
}

#[derive(Clone, Copy)]
struct Scenario {
    title: &'static str,
    identity: bool,
    resource: Grants,
    boundary: Option<bool>,
    session: Option<bool>,
    organization: Option<bool>,
    deny: Option<PolicyKind>,
    action: &'static str,
    target: &'static str,
}

const PLAIN: Scenario = Scenario {
    title: "",
    identity: false,
    resource: Grants::Absent,
    boundary: None,
    session: None,
    organization: None,
    deny: None,
    action: "s3:GetObject",
    target: OBJECT,
};

const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/k";
const TARGET: &str = "arn:aws:iam::123456789012:role/target";

fn scenarios() -> Vec<Scenario> {
    use Grants::{Account, Everyone, Own, Role, Silent};
    let mut all = vec![
        Scenario {
            title: "nothing",
            ..PLAIN
        },
        Scenario {
            title: "identity",
            identity: true,
            ..PLAIN
        },
    ];
    let grants = [
        (Own, "resource names it"),
        (Role, "resource names the role"),
        (Account, "resource names the account"),
        (Everyone, "resource names everyone"),
    ];
    for (resource, title) in grants {
        all.push(Scenario {
            title,
            resource,
            ..PLAIN
        });
    }
    for (resource, title) in [
        (Silent, "identity + resource silent"),
        (Own, "identity + resource names it"),
        (Account, "identity + resource names the account"),
        (Everyone, "identity + resource names everyone"),
    ] {
        all.push(Scenario {
            title,
            identity: true,
            resource,
            ..PLAIN
        });
    }
    let limited = |title, limits: fn(Scenario) -> Scenario, resource| {
        limits(Scenario {
            title,
            identity: resource == Grants::Absent,
            resource,
            ..PLAIN
        })
    };
    type Limits = fn(Scenario) -> Scenario;
    let boundary: Limits = |one| Scenario {
        boundary: Some(false),
        ..one
    };
    let session: Limits = |one| Scenario {
        session: Some(false),
        ..one
    };
    let organization: Limits = |one| Scenario {
        organization: Some(false),
        ..one
    };
    for (limits, titles) in [
        (
            boundary,
            [
                "identity, boundary silent",
                "resource names it, boundary silent",
                "resource names the role, boundary silent",
                "resource names everyone, boundary silent",
            ],
        ),
        (
            session,
            [
                "identity, session policy silent",
                "resource names it, session policy silent",
                "resource names the role, session policy silent",
                "resource names everyone, session policy silent",
            ],
        ),
        (
            organization,
            [
                "identity, organization silent",
                "resource names it, organization silent",
                "resource names the role, organization silent",
                "resource names everyone, organization silent",
            ],
        ),
    ] {
        for (title, resource) in titles.into_iter().zip([Grants::Absent, Own, Role, Everyone]) {
            all.push(limited(title, limits, resource));
        }
    }
    all.push(Scenario {
        title: "identity, all limits allow",
        identity: true,
        boundary: Some(true),
        session: Some(true),
        organization: Some(true),
        ..PLAIN
    });
    all.push(Scenario {
        title: "identity + resource everyone, all limits allow",
        identity: true,
        resource: Everyone,
        boundary: Some(true),
        session: Some(true),
        organization: Some(true),
        ..PLAIN
    });
    for (deny, title) in [
        (PolicyKind::Identity, "everything allows, identity denies"),
        (PolicyKind::Resource, "everything allows, resource denies"),
        (PolicyKind::Boundary, "everything allows, boundary denies"),
        (PolicyKind::Session, "everything allows, session policy denies"),
        (
            PolicyKind::ServiceControl,
            "everything allows, service control denies",
        ),
        (
            PolicyKind::ResourceControl,
            "everything allows, resource control denies",
        ),
    ] {
        all.push(Scenario {
            title,
            identity: true,
            resource: Everyone,
            boundary: Some(true),
            session: Some(true),
            organization: Some(true),
            deny: Some(deny),
            ..PLAIN
        });
    }
    for (identity, resource, title) in [
        (true, Silent, "trust: silent, identity allows"),
        (false, Own, "trust: names it"),
        (false, Role, "trust: names the role"),
        (false, Account, "trust: names the account"),
        (true, Account, "trust: names the account, identity allows"),
        (false, Everyone, "trust: everyone"),
        (true, Own, "trust: names it, identity allows"),
    ] {
        all.push(Scenario {
            title,
            identity,
            resource,
            action: "sts:AssumeRole",
            target: TARGET,
            ..PLAIN
        });
    }
    for (identity, resource, title) in [
        (true, Silent, "key: silent, identity allows"),
        (false, Own, "key: names it"),
        (false, Account, "key: names the account"),
        (true, Account, "key: names the account, identity allows"),
    ] {
        all.push(Scenario {
            title,
            identity,
            resource,
            action: "kms:Decrypt",
            target: KEY,
            ..PLAIN
        });
    }
    all.push(Scenario {
        title: "sts:GetCallerIdentity, identity denies",
        action: "sts:GetCallerIdentity",
        target: "*",
        deny: Some(PolicyKind::Identity),
        ..PLAIN
    });
    all
}

fn cell(scenario: &Scenario, who: &Who) -> String {
    let Scenario { action, target, .. } = *scenario;
    let is_trust = action == "sts:AssumeRole";
    let statement = |effect: &str, principal: &str, action: &str| {
        let resource = if is_trust && !principal.is_empty() {
            String::new()
        } else {
            r#","Resource":"*""#.to_owned()
        };
        let principal = if principal.is_empty() {
            String::new()
        } else {
            format!(r#","Principal":{principal}"#)
        };
        format!(r#"{{"Effect":"{effect}","Action":"{action}"{principal}{resource}}}"#)
    };
    let silent = if is_trust { "sts:TagSession" } else { "iam:GetUser" };
    let limit = |kind: PolicyKind, allows: bool| {
        let mut text = statement("Allow", "", if allows { "*" } else { silent });
        if scenario.deny == Some(kind) {
            text = format!("{text},{}", statement("Deny", "", action));
        }
        policy(kind, &text)
    };
    let identity = match (scenario.identity, scenario.deny == Some(PolicyKind::Identity)) {
        (true, true) => limit(PolicyKind::Identity, true),
        (true, false) => allow_all(PolicyKind::Identity),
        (false, true) => policy(PolicyKind::Identity, &statement("Deny", "", "*")),
        (false, false) => PolicyGroup::default(),
    };
    let kind = if is_trust {
        PolicyKind::Trust
    } else {
        PolicyKind::Resource
    };
    let principal = match scenario.resource {
        Grants::Absent => None,
        Grants::Silent => Some((who.own, silent)),
        Grants::Own => Some((who.own, action)),
        Grants::Role => Some((r#"{"AWS":"arn:aws:iam::123456789012:role/path/app"}"#, action)),
        Grants::Account => Some((r#"{"AWS":"123456789012"}"#, action)),
        Grants::Everyone => Some((r#""*""#, action)),
    };
    let resource = principal.map(|(principal, action)| {
        let mut text = statement("Allow", principal, action);
        if scenario.deny == Some(PolicyKind::Resource) {
            text = format!("{text},{}", statement("Deny", r#""*""#, action));
        }
        policy(kind, &text)
    });
    let boundary = scenario
        .boundary
        .map(|allows| limit(PolicyKind::Boundary, allows));
    let session = scenario.session.map(|allows| limit(PolicyKind::Session, allows));
    let levels = scenario
        .organization
        .map(|allows| [limit(PolicyKind::ServiceControl, allows)]);
    let control = (scenario.deny == Some(PolicyKind::ResourceControl))
        .then(|| policy(PolicyKind::ResourceControl, &statement("Deny", r#""*""#, action)));
    let mut context = Context::new();
    who.info.fill(&mut context);
    let request = Request {
        principal: &who.info,
        action,
        resource: target,
        resource_account: Some(if who.other { OTHER } else { ACCOUNT }),
        context: &context,
    };
    let set = PolicySet {
        identity: Some(&identity),
        resource: resource.as_ref().filter(|_| !is_trust),
        boundary: boundary.as_ref(),
        session: session.as_ref(),
        service_control: levels.as_ref().map(|levels| levels.as_slice()),
        resource_control: control.as_ref(),
    };
    let decision = match resource.as_ref().filter(|_| is_trust) {
        Some(trust) => evaluate_trust(&request, trust, &set),
        None => evaluate(&request, &set),
    };
    let by = decision.denied_by.map(|kind| match kind {
        PolicyKind::Identity => "identity",
        PolicyKind::Resource => "resource",
        PolicyKind::Trust => "trust",
        PolicyKind::Session => "session",
        PolicyKind::Boundary => "boundary",
        PolicyKind::ServiceControl => "scp",
        PolicyKind::ResourceControl => "rcp",
    });
    match (decision.effect, by) {
        (Effect::Allow, _) => "allow".to_owned(),
        (Effect::ExplicitDeny, by) => format!("DENY {}", by.unwrap_or_default()),
        (Effect::ImplicitDeny, by) => format!("no {}", by.unwrap_or_default()),
    }
}

fn table() -> String {
    let (everyone, scenarios) = (everyone(), scenarios());
    let mut text = String::new();
    for other in [Some(false), Some(true), None] {
        let columns = everyone.iter().filter(|who| match other {
            Some(other) => who.info.account.is_some() && who.other == other,
            None => who.info.account.is_none(),
        });
        let columns = columns.collect::<Vec<_>>();
        let title = match other {
            Some(false) => "same account",
            Some(true) => "another account's resource",
            None => "no account",
        };
        write!(text, "{title:<48}").unwrap();
        columns
            .iter()
            .for_each(|who| write!(text, "{:<16}", who.name).unwrap());
        text = text.trim_end().to_owned() + "\n";
        for scenario in &scenarios {
            write!(text, "{:<48}", scenario.title).unwrap();
            columns
                .iter()
                .for_each(|who| write!(text, "{:<16}", cell(scenario, who)).unwrap());
            text = text.trim_end().to_owned() + "\n";
        }
        text.push('\n');
    }
    text
}

#[test]
fn the_authorization_matrix_is_as_reviewed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/matrix.txt");
    let table = table();
    if std::env::var_os("HALLPASS_BLESS").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let reviewed = std::fs::read_to_string(path).unwrap_or_default();
    for (line, (now, before)) in table.lines().zip(reviewed.lines()).enumerate() {
        assert_eq!(now, before, "line {}", line + 1);
    }
    assert_eq!(table.lines().count(), reviewed.lines().count());
}
