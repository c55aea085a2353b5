mod facts;
mod shape;

use super::*;

fn caller(uid: u32, user: Option<&str>, groups: &[(u32, &str)]) -> Caller {
    Caller {
        uid,
        user: user.map(str::to_owned),
        gids: groups.iter().map(|group| group.0).collect(),
        groups: groups.iter().map(|group| group.1.to_owned()).collect(),
        inode: 1,
        cgroup_id: None,
        pid: None,
        exe: None,
    }
}

fn problems(text: &str) -> Vec<String> {
    let error = Rules::parse(text).expect_err(text);
    error
        .problems
        .iter()
        .map(|problem| format!("{}:{}: {}", problem.line, problem.column, problem.message))
        .collect()
}

#[test]
fn the_first_match_wins_and_every_condition_must_hold() {
    let rules = Rules::parse(
        "[[rule]]\nname = 'both'\nuser = 'web'\ngroup = 'adm'\nroles = ['a', 'b']\n\
         [[rule]]\nuid = [33, 34]\nroles = ['c']\n[[rule]]\neveryone = true\nroles = ['d']\n",
    )
    .unwrap();
    let role = |caller: &Caller| match rules.decide(caller, &Evidence::default()) {
        Decision::Match { roles, rule, .. } => (rule, roles[0].clone()),
        Decision::NoMatch(_) => panic!("everyone matches"),
    };
    assert_eq!(
        role(&caller(33, Some("web"), &[(4, "adm")])),
        ("both".into(), "a".into())
    );
    assert_eq!(role(&caller(33, Some("web"), &[])), ("rule 2".into(), "c".into()));
    assert_eq!(
        role(&caller(5, Some("other"), &[(4, "adm")])),
        ("rule 3".into(), "d".into())
    );
}

#[test]
fn no_rule_means_no_role_and_says_why() {
    let rules =
        Rules::parse("[[rule]]\nuser = 'web'\nroles = ['a']\n[[rule]]\ngid = 4\nroles = ['b']\n").unwrap();
    let Decision::NoMatch(no) = rules.decide(&caller(100_033, None, &[]), &Evidence::default()) else {
        panic!("matched")
    };
    assert_eq!(no.reasons[0].reason, "user is without a name, not web");
    assert_eq!(no.reasons[1].reason, "the caller is not in group number 4");
    assert!(matches!(
        Rules::default().decide(&caller(0, Some("root"), &[]), &Evidence::default()),
        Decision::NoMatch(_)
    ));
}

#[test]
fn every_problem_is_reported_at_once_with_its_place() {
    let found = problems(
        "colour = 1\n[[rule]]\nuser = 'a'\nrolls = ['x']\n[[rule]]\nroles = ['a b', '']\n[[rule]]\nuid = -1\nroles = []\n",
    );
    let text = found.join("\n");
    for part in [
        "1:1: unknown key `colour`",
        "4:1: unknown key `rolls`",
        "2:1: the rule gives no `roles`",
        "5:1: the rule has no condition",
        "`a b` is not a role name",
        "8:7: `uid` takes numbers",
        "9:9: `roles` must not be empty",
    ] {
        assert!(text.contains(part), "{part} not in\n{text}");
    }
}

#[test]
fn a_rule_that_could_match_everyone_by_mistake_is_refused() {
    for text in [
        "[[rule]]\nroles = ['a']\n",
        "[[rule]]\neveryone = false\nroles = ['a']\n",
        "[[rule]]\nuser = []\nroles = ['a']\n",
        "[[rule]]\nuser = ''\nroles = ['a']\n",
        "[[rule]]\nuid = 4294967295\nroles = ['a']\n",
        "[[rule]]\nuid = '33'\nroles = ['a']\n",
        "[[rule]]\neveryone = true\nuser = 'a'\nroles = ['a']\n",
        "[rule]\nuser = 'a'\nroles = ['a']\n",
        "[[rule]]\nuser = 'a'\nuser = 'b'\nroles = ['a']\n",
        "[[rule]]\nuser = 'a'\nroles = ['../a']\n",
        "[[rule]\n",
    ] {
        problems(text);
    }
}

#[test]
fn an_empty_file_gives_nobody_anything() {
    assert!(Rules::parse("# nothing\n").unwrap().is_empty());
}
