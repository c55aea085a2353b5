use super::canonical;
use crate::parse::{RESPONSE, parse};

/// A document, the local name of the element that is written, the prefixes, what it is. All but the one with the default
/// namespace among the prefixes are as libxml2 writes them.
const WRITTEN: &[(&str, &str, &[&str], &str)] = &[
    (
        r#"<a xmlns="u:d" b="2" a="1"><c/></a>"#,
        "a",
        &[],
        r#"<a xmlns="u:d" a="1" b="2"><c></c></a>"#,
    ),
    (
        r#"<p:a xmlns:p="u:p" xmlns:q="u:q"><p:b q:z="1" q:a="2" n="3"/><q:c xmlns:q="u:q"/></p:a>"#,
        "a",
        &[],
        r#"<p:a xmlns:p="u:p"><p:b xmlns:q="u:q" n="3" q:a="2" q:z="1"></p:b><q:c xmlns:q="u:q"></q:c></p:a>"#,
    ),
    (
        r#"<r xmlns="u:d" xmlns:x="u:x"><x:s><t/><t xmlns=""/></x:s></r>"#,
        "s",
        &[],
        r#"<x:s xmlns:x="u:x"><t xmlns="u:d"></t><t></t></x:s>"#,
    ),
    (
        r#"<r xmlns:x="u:x" xmlns:xs="u:xs"><x:s><x:t v="xs:string"/></x:s></r>"#,
        "s",
        &["xs"],
        r#"<x:s xmlns:x="u:x" xmlns:xs="u:xs"><x:t v="xs:string"></x:t></x:s>"#,
    ),
    (
        r#"<r xmlns="u:d" xmlns:x="u:x"><x:s><x:t/><x:t xmlns="u:e"/><t xmlns=""/></x:s></r>"#,
        "s",
        &[""],
        r#"<x:s xmlns="u:d" xmlns:x="u:x"><x:t></x:t><x:t xmlns="u:e"></x:t><t xmlns=""></t></x:s>"#,
    ),
    (
        "<r a=\"&#9;&#10;&#13;&lt;&amp;&quot;&apos;&gt;\n x\">&#13;\r\n&lt;&gt;&amp;\"'\t&#x41;<![CDATA[<a>&amp;]]></r>",
        "r",
        &[],
        "<r a=\"&#x9;&#xA;&#xD;&lt;&amp;&quot;'>  x\">&#xD;\n&lt;&gt;&amp;\"'\tA&lt;a&gt;&amp;amp;</r>",
    ),
    (
        r#"<r xml:lang="en" xmlns:b="u:a" xmlns:a="u:b"><s a:x="1" b:x="2" xml:space="preserve" z="0"> </s></r>"#,
        "s",
        &[],
        r#"<s xmlns:a="u:b" xmlns:b="u:a" z="0" xml:space="preserve" b:x="2" a:x="1"> </s>"#,
    ),
    (
        r#"<a:r xmlns:a="u:1"><a:s xmlns:a="u:2"><a:t xmlns:a="u:1"/></a:s></a:r>"#,
        "r",
        &[],
        r#"<a:r xmlns:a="u:1"><a:s xmlns:a="u:2"><a:t xmlns:a="u:1"></a:t></a:s></a:r>"#,
    ),
    (
        r#"<r xmlns:x="u:x"><s xmlns:x="u:y"><x:t xmlns:x="u:x"/></s></r>"#,
        "r",
        &["x"],
        r#"<r xmlns:x="u:x"><s xmlns:x="u:y"><x:t xmlns:x="u:x"></x:t></s></r>"#,
    ),
    ("<r>é€😀\u{a0}</r>", "r", &[], "<r>é€😀\u{a0}</r>"),
];

#[test]
fn elements_are_written_as_others_write_them() {
    for (document, name, prefixes, expected) in WRITTEN {
        let root = parse(document, RESPONSE).unwrap();
        let prefixes: Vec<String> = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        let found = if root.local == *name {
            canonical(&root, &[], &prefixes, None)
        } else {
            let inner = root.elements().find(|element| element.local == *name).unwrap();
            canonical(inner, &[&root], &prefixes, None)
        };
        assert_eq!(found, *expected, "{document}");
    }
}

#[test]
fn what_was_written_is_written_the_same_again() {
    for (document, ..) in WRITTEN {
        let once = canonical(&parse(document, RESPONSE).unwrap(), &[], &[], None);
        let twice = canonical(&parse(&once, RESPONSE).unwrap(), &[], &[], None);
        assert_eq!(once, twice);
    }
}

#[test]
fn one_element_is_left_out_and_not_another_like_it() {
    let root = parse("<r>a<s/>b<s/>c</r>", RESPONSE).unwrap();
    let second = root.elements().nth(1);
    assert_eq!(canonical(&root, &[], &[], second), "<r>a<s></s>bc</r>");
}
