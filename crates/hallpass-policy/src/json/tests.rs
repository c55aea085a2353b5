use super::*;
use proptest::prelude::*;

fn convert(node: &Node) -> serde_json::Value {
    match &node.value {
        Json::Null => serde_json::Value::Null,
        Json::Bool(value) => (*value).into(),
        Json::Number(digits) => serde_json::from_str(digits).unwrap(),
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => items.iter().map(convert).collect(),
        Json::Object(members) => members
            .iter()
            .map(|(key, value)| (key.text.clone(), convert(value)))
            .collect(),
    }
}

#[test]
fn an_object_naming_a_key_twice_is_refused_where_it_does() {
    assert_eq!(
        parse(r#"{"a": 1, "b": {"c": 1, "c": 2}}"#),
        Err(JsonError { offset: 23 })
    );
    assert_eq!(parse(r#"{"a": 1, "\u0061": 2}"#), Err(JsonError { offset: 9 }));
    assert!(parse(r#"{"a": 1, "A": 2, "b": {"a": 3}}"#).is_ok());
}

#[test]
fn every_value_and_key_knows_where_it_ends() {
    let text = r#" {"a" : [1.5, "\u0062" ], "c":null} "#;
    let root = parse(text).unwrap();
    assert_eq!(&text[root.offset..root.end], text.trim());
    let Json::Object(members) = &root.value else {
        panic!("no object");
    };
    let spans = members
        .iter()
        .map(|(key, value)| (&text[key.offset..key.end], &text[value.offset..value.end]));
    assert_eq!(
        spans.collect::<Vec<_>>(),
        [(r#""a""#, r#"[1.5, "\u0062" ]"#), (r#""c""#, "null")]
    );
}

#[test]
fn depth_is_limited() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(parse(&nested(DEPTH_MAX)).is_ok());
    assert!(parse(&nested(DEPTH_MAX + 1)).is_err());
    assert!(parse(&"[".repeat(100_000)).is_err());
}

#[test]
fn what_serde_json_refuses_is_refused() {
    let bad = [
        "",
        " ",
        "nul",
        "+1",
        "01",
        "1.",
        ".5",
        "1e",
        "-",
        "\"\t\"",
        "\"\\x\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"",
        "\"\\",
        "\"\\u12",
        "[1,]",
        "[,]",
        "{,}",
        "{\"a\"}",
        "{\"a\":}",
        "{1:2}",
        "[1 2]",
        "{} {}",
        "'a'",
        "\u{feff}{}",
        "[1]]",
        "NaN",
        "\"\\u00é\"",
        "tru\u{e9}",
    ];
    for text in bad {
        assert!(parse(text).is_err(), "{text:?}");
        assert!(
            serde_json::from_str::<serde_json::Value>(text).is_err(),
            "{text:?}"
        );
    }
}

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?",
        "\"([a-zé ]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-c][0-9a-f]{3}|\\\\ud83d\\\\ude00){0,6}\"",
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[ {}]", items.join(" ,\n"))),
            prop::collection::vec(("[a-z]{6}", inner), 0..4).prop_map(|members| {
                let members = members
                    .iter()
                    .enumerate()
                    .map(|(index, (key, value))| format!("\"{key}{index}\" :{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn good_json_reads_as_serde_json_reads_it(text in json_text()) {
        let ours = parse(&text).map(|node| convert(&node));
        prop_assert_eq!(ours.ok(), serde_json::from_str::<serde_json::Value>(&text).ok());
    }

    #[test]
    fn broken_json_is_judged_as_serde_json_judges_it(text in json_text(), at in 0usize..64, with in "[\\[\\]{},:\"0-9a\\\\ -]{0,2}") {
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let end = (at + 1..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(at);
        let broken = format!("{}{with}{}", &text[..at], &text[end..]);
        // serde_json refuses numbers too large for it, which are good JSON.
        let large = broken.bytes().filter(u8::is_ascii_digit).count() > 15 || broken.contains(['e', 'E']);
        let ours = parse(&broken);
        let theirs = serde_json::from_str::<serde_json::Value>(&broken);
        prop_assert!(large || ours.is_ok() == theirs.is_ok(), "{broken:?} {ours:?} {theirs:?}");
    }
}
