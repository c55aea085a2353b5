use super::{RESPONSE, Rules, parse};

#[test]
fn what_no_provider_writes_is_refused() {
    let deep = "<a>".repeat(65) + &"</a>".repeat(65);
    let many = format!("<a>{}</a>", "<b/>".repeat(RESPONSE.nodes_max));
    let attributes: String = (0..65).map(|it| format!(" a{it}=''")).collect();
    let prefixes: String = (0..65).map(|it| format!(" xmlns:a{it}='u:'")).collect();
    for document in [
        "",
        "words",
        "<a>",
        "</a>",
        "<a></b>",
        "<a/><b/>",
        "<a/>words",
        "<a/>&amp;",
        "<a b=\"<\"/>",
        "<a b='1' b='2'/>",
        "<a b=1/>",
        "<a xmlns:p='u:' xmlns:q='u:' p:b='1' q:b='2'/>",
        "<a xmlns:p='u:' xmlns:p='u:x'/>",
        "<p:a/>",
        "<a p:b='1'/>",
        "<xmlns:a/>",
        "<a xmlns:p=''/>",
        "<a xmlns:xml='u:'/>",
        "<a xmlns:xmlns='u:'/>",
        "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<1a/>",
        "<a:/>",
        "<:a/>",
        "<a:b:c xmlns:a='u:'/>",
        "<ä/>",
        "<a>]]></a>",
        "<a>&b;</a>",
        "<a>&#0;</a>",
        "<a>&#xd800;</a>",
        "<a>&#+65;</a>",
        "<a>&#x;</a>",
        "<a b='&b;'/>",
        "<a b='&lt'/>",
        "<a>\u{1}</a>",
        "<a>\u{ffff}</a>",
        "<a>ann<!-- -->.evil</a>",
        "<!-- --><a/>",
        "<a><?x y?></a>",
        "<?x y?><a/>",
        "<a><?xml version=\"1.0\"?></a>",
        "<?xml version=\"1.1\"?><a/>",
        "<?xml version=\"1.0\" encoding=\"latin1\"?><a/>",
        "<!DOCTYPE a><a/>",
        "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
        "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>",
        &deep,
        &many,
        &format!("<a{attributes}/>"),
        &format!("<a{prefixes}/>"),
    ] {
        parse(document, RESPONSE).unwrap_err();
    }
}

#[test]
fn what_providers_write_is_read() {
    let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<p:a xmlns:p='u:p' b='&#65;\t&amp;'>x&lt;\r\ny<![CDATA[<]]></p:a>\n";
    let root = parse(document, RESPONSE).unwrap();
    assert!(root.is("u:p", "a"));
    assert_eq!(root.attribute("b"), Some("A &"));
    assert_eq!(root.text(), Some("x<\ny<"));
    let with_comments = Rules {
        nodes_max: 3,
        has_comments: true,
    };
    let root = parse("<a> x<!-- c -->y </a>", with_comments).unwrap();
    assert_eq!(root.text(), Some("xy"));
    parse("<a b='1' c='2' d='3'/>", with_comments).unwrap_err();
    let deep = "<a>".repeat(64) + &"</a>".repeat(64);
    parse(&deep, RESPONSE).unwrap();
}
