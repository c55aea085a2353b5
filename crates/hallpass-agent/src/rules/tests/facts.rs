use super::*;
use hallpass_caller::{Ancestor, Cgroup, ContainerInfo, Pod, ProcessFacts, SaidFacts, Unknown};

pub(super) const ID: &str = "5a3bde0aa63e9a3a4f1b0e54dbb0ee4b9e1b2bbb0d4f9d1a1f0b3c2d4e5f6a7b";

pub(super) fn group(path: &str) -> Option<Cgroup> {
    Some(Cgroup::parse(&format!("0::{}\n", path.replace("ID", ID))).unwrap())
}

fn exe(path: &str) -> SaidFacts {
    SaidFacts {
        exe: Some(path.to_owned()),
        ..SaidFacts::default()
    }
}

fn unit(name: &str) -> SaidFacts {
    SaidFacts {
        cgroup: group(&format!("/system.slice/{name}")),
        ..SaidFacts::default()
    }
}

pub(super) fn held_by(processes: Vec<SaidFacts>) -> Evidence {
    let numbered = processes.into_iter().zip(7_u32..);
    Evidence {
        processes: numbered
            .map(|(said, pid)| ProcessFacts::said(pid, &[33], said))
            .collect(),
        groups: vec!["web".to_owned()],
    }
}

/// Whether a rule with `conditions` and the uid matches the holders.
fn matches(conditions: &str, evidence: &Evidence) -> bool {
    let rules =
        Rules::parse(&format!("[[rule]]\nuid = 33\n{conditions}\nroles = ['a']\n")).expect(conditions);
    let caller = caller(33, Some("web"), &[(33, "web")]);
    let decided = matches!(rules.decide(&caller, evidence), Decision::Match { .. });
    if let Some(by_kernel) = rules.decide_by_kernel(&caller) {
        assert_eq!(
            matches!(by_kernel, Decision::Match { .. }),
            decided,
            "{conditions}"
        );
    }
    decided
}

#[test]
fn each_fact_is_matched_by_its_key() {
    let docker = || SaidFacts {
        unit: None,
        exe: Some("/usr/bin/app".into()),
        exe_sha256: Some("ab".repeat(32)),
        cgroup: group("/system.slice/docker-ID.scope"),
        info: Some(ContainerInfo {
            name: "web-1".into(),
            image: "shop/web:3".into(),
            labels: [
                ("team".to_owned(), "a".to_owned()),
                ("tier".to_owned(), "b".to_owned()),
            ]
            .into(),
        }),
        pod: Some(Pod {
            name: "web-1".into(),
            namespace: "shop".into(),
        }),
        ancestors: Some(vec![Ancestor {
            pid: 3,
            exe: Ok("/usr/sbin/cron".into()),
        }]),
    };
    let sha = "ab".repeat(32);
    for (conditions, wanted) in [
        ("exe = '/usr/bin/*'", true),
        ("exe = '/usr/*'", false),
        ("exe = ['/opt/x', '/usr/**']", true),
        (&format!("exe_sha256 = '{sha}'"), true),
        (&format!("exe_sha256 = '{}'", "0".repeat(64)), false),
        ("unit = 'docker-*.scope'", true),
        ("slice = 'system.slice'", true),
        ("slice = 'user.slice'", false),
        ("cgroup = '/system.slice/**'", true),
        ("cgroup = '/system.slice'", false),
        (&format!("container = '{}'", &ID[..12]), true),
        (&format!("container = '{}'", &"0".repeat(12)), false),
        ("container = false", false),
        ("image = 'shop/*:3'", true),
        ("image = '*:4'", false),
        ("label = 'team=a'", true),
        ("label = 'tier=*'", true),
        ("label = 'team=b'", false),
        ("container_name = 'web-?'", true),
        ("pod = 'web-*'\nnamespace = 'shop'", true),
        ("namespace = 'other'", false),
        ("ancestor = '/usr/sbin/cron'", true),
        ("ancestor = '/usr/bin/app'", false),
        ("not = { container = false }", true),
        ("not = { label = 'team=b', image = 'other' }", true),
        ("not = { label = 'team=a' }", false),
        ("not = { ancestor = '/usr/sbin/cron' }", false),
        ("not = { ancestor = '/usr/sbin/sshd' }", true),
    ] {
        assert_eq!(
            matches(conditions, &held_by(vec![docker()])),
            wanted,
            "{conditions}"
        );
    }
}

#[test]
fn every_holder_must_satisfy_the_rule_and_none_may_be_excluded() {
    let (good, bad) = (|| exe("/usr/bin/app"), || exe("/tmp/evil"));
    assert!(matches("exe = '/usr/bin/app'", &held_by(vec![good(), good()])));
    assert!(!matches("exe = '/usr/bin/app'", &held_by(vec![good(), bad()])));
    assert!(!matches(
        "not = { exe = '/tmp/evil' }",
        &held_by(vec![good(), bad()])
    ));
    assert!(matches(
        "unit = ['a.service', 'b.service']",
        &held_by(vec![unit("a.service"), unit("b.service")])
    ));
}

#[test]
fn what_is_unknown_matches_neither_way() {
    let nothing = || held_by(vec![SaidFacts::default()]);
    for condition in [
        "exe = '**'",
        "unit = '*'",
        "slice = '*'",
        "cgroup = '**'",
        "container = false",
        "image = '*'",
        "label = '*=*'",
        "container_name = '*'",
        "pod = '*'",
        "namespace = '*'",
        "ancestor = '**'",
    ] {
        assert!(!matches(condition, &nothing()), "{condition}");
        assert!(!matches(condition, &Evidence::default()), "{condition}");
        assert!(
            !matches(&format!("not = {{ {condition} }}"), &nothing()),
            "not {condition}"
        );
        assert!(
            !matches(&format!("not = {{ {condition} }}"), &Evidence::default()),
            "not {condition}"
        );
    }
    // One known and one unknown holder are unknown together.
    let half = held_by(vec![exe("/usr/bin/app"), SaidFacts::default()]);
    assert!(!matches("not = { exe = '/tmp/evil' }", &half));
    let ancestors = SaidFacts {
        ancestors: Some(vec![Ancestor {
            pid: 3,
            exe: Err(Unknown::new("deleted")),
        }]),
        ..SaidFacts::default()
    };
    assert!(!matches(
        "not = { ancestor = '/usr/sbin/sshd' }",
        &held_by(vec![ancestors])
    ));
}

#[test]
fn a_users_unit_is_not_the_systems() {
    let path = "/user.slice/user-33.slice/user@33.service/app.slice/web.service";
    let said = SaidFacts {
        cgroup: group(path),
        ..SaidFacts::default()
    };
    assert!(!matches("unit = 'web.service'", &held_by(vec![said.clone()])));
    assert!(matches("unit = 'user@33.service'", &held_by(vec![said.clone()])));
    assert!(!matches("slice = 'app.slice'", &held_by(vec![said])));
}

#[test]
fn exclusion_by_user_and_group_is_the_kernels_word_too() {
    let evidence = || held_by(vec![SaidFacts::default()]);
    assert!(!matches("not = { user = 'web' }", &evidence()));
    assert!(matches("not = { user = ['root', 'other'] }", &evidence()));
    assert!(!matches("not = { uid = [1, 33] }", &evidence()));
    assert!(matches("not = { group = 'adm', gid = 4 }", &evidence()));
    assert!(!matches("not = { group = 'web' }", &evidence()));
    assert!(!matches("not = { gid = 33 }", &evidence()));
    // Without the processes, nobody can say what groups they are not in.
    assert!(!matches("not = { gid = 4 }", &Evidence::default()));
    let nameless = caller(33, None, &[]);
    let rules = Rules::parse("[[rule]]\nuid = 33\nnot = { user = 'root' }\nroles = ['a']\n").unwrap();
    assert!(matches!(
        rules.decide(&nameless, &evidence()),
        Decision::NoMatch(_)
    ));
}

#[test]
fn nothing_is_read_for_a_rule_that_is_not_for_the_caller() {
    let rules = Rules::parse(
        "[[rule]]\nuid = 1\nexe = '/a'\nroles = ['a']\n[[rule]]\nuid = 2\nnot = { uid = 2 }\nroles = ['b']\n\
         [[rule]]\nuid = [2, 3]\nunit = 'x.service'\nroles = ['c']\n[[rule]]\nuid = 4\nroles = ['d']\n",
    )
    .unwrap();
    let by_kernel = |uid| rules.decide_by_kernel(&caller(uid, None, &[]));
    assert!(by_kernel(1).is_none());
    assert!(by_kernel(2).is_none());
    assert!(by_kernel(3).is_none());
    assert!(matches!(by_kernel(4), Some(Decision::Match { index: 3, .. })));
    assert!(matches!(by_kernel(5), Some(Decision::NoMatch(_))));
}

#[test]
fn a_program_or_container_alone_is_no_condition() {
    for key in [
        "exe = '/a'",
        "ancestor = '/a'",
        "container = false",
        "image = 'a'",
        "label = 'a=b'",
        "container_name = 'a'",
        "pod = 'a'",
        "namespace = 'a'",
    ] {
        let found = problems(&format!("[[rule]]\n{key}\nroles = ['a']\n"));
        let name = key.split(' ').next().unwrap();
        assert!(found[0].starts_with(&format!("2:1: `{name}` alone")), "{found:?}");
        Rules::parse(&format!("[[rule]]\n{key}\nunit = 'a.service'\nroles = ['a']\n")).unwrap();
    }
    problems("[[rule]]\nnot = { uid = 0 }\nroles = ['a']\n");
    Rules::parse("[[rule]]\neveryone = true\nnot = { uid = 0 }\nroles = ['a']\n").unwrap();
    for wrong in [
        "exe = 'app'",
        "exe = 5",
        "container = true",
        "container = 'abc'",
        "container = 'ZZZZZZZZZZZZ'",
        "exe_sha256 = 'ab'",
        "label = 'team'",
        "not = {}",
        "not = 'a'",
        "not = { roles = ['a'] }",
        "unit = ''",
        "service_account = 'a'",
    ] {
        problems(&format!("[[rule]]\nuid = 1\n{wrong}\nroles = ['a']\n"));
    }
}

#[test]
fn an_explanation_tells_each_fact_and_each_reason() {
    let rules = Rules::parse(
        "[[rule]]\nname = 'cron'\nuid = 33\nexe = '/opt/*'\nroles = ['a']\n[[rule]]\nuid = 33\nroles = ['b']\n",
    )
    .unwrap();
    let told = rules.explain(
        &caller(33, Some("web"), &[]),
        &held_by(vec![exe("/usr/bin/app")]),
        &["b".into()],
    );
    assert_eq!(told.matched.as_deref(), Some("rule 2"));
    assert_eq!(told.available, ["b"]);
    assert_eq!(
        told.skipped[0].reason,
        "exe of process 7 is /usr/bin/app, not /opt/*"
    );
    let facts = held_by(vec![exe("/usr/bin/app")]).told(&caller(33, Some("web"), &[]));
    assert_eq!(facts["exe"], "/usr/bin/app");
    assert!(facts["unit"].starts_with("unknown: "));
}
