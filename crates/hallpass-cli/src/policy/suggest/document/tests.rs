use super::*;

fn grant(action: &str, resource: &str) -> Grant {
    Grant {
        action: action.to_owned(),
        resource: resource.to_owned(),
        condition: None,
    }
}

#[test]
fn actions_on_the_same_resources_are_one_statement() {
    let only = json!({ "Bool": { "aws:SecureTransport": ["true"] } });
    let grants = [
        grant("s3:PutObject", "arn:aws:s3:::b/k"),
        grant("s3:GetObject", "arn:aws:s3:::b/k"),
        grant("s3:ListBucket", "arn:aws:s3:::b"),
        Grant {
            condition: Some(only.clone()),
            ..grant("s3:DeleteObject", "arn:aws:s3:::b/k")
        },
    ];
    let (statements, generalised) = statements(&grants, false);
    assert_eq!(
        statements,
        [
            json!({ "Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": ["arn:aws:s3:::b"] }),
            json!({ "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["arn:aws:s3:::b/k"] }),
            json!({ "Effect": "Allow", "Action": ["s3:DeleteObject"], "Resource": ["arn:aws:s3:::b/k"], "Condition": only }),
        ]
    );
    assert_eq!(generalised, []);
}

#[test]
fn many_objects_are_their_folder() {
    for (count, folders, expected) in [
        (20, 1, None),
        (21, 1, Some("arn:aws:s3:::b/0/*")),
        (30, 30, Some("arn:aws:s3:::b/*")),
    ] {
        let key = |number: usize| format!("arn:aws:s3:::b/{}/{number}", number % folders);
        let grants = (0..count)
            .map(|number| grant("s3:GetObject", &key(number)))
            .collect::<Vec<_>>();
        let (found, generalised) = statements(&grants, false);
        let resources = found[0]["Resource"].as_array().expect("a list");
        match expected {
            None => assert_eq!(resources.len(), count),
            Some(prefix) => {
                assert_eq!(resources, &[json!(prefix)]);
                assert_eq!(generalised, [(prefix.to_owned(), count)]);
            }
        }
        let (exact, none) = statements(&grants, true);
        assert_eq!(
            (exact[0]["Resource"].as_array().map(Vec::len), none.len()),
            (Some(count), 0)
        );
    }
}

#[test]
fn names_are_not_patterns() {
    for (name, pattern) in [
        ("arn:aws:s3:::b/a*b?c", "arn:aws:s3:::b/a${*}b${?}c"),
        (
            "arn:aws:s3:::b/${aws:username}$",
            "arn:aws:s3:::b/${$}{aws:username}$",
        ),
        ("*", "*"),
    ] {
        assert_eq!(literal(name), pattern);
    }
}

#[test]
fn documents_stay_within_the_quota() {
    let grants = (0..500).map(|number| grant("s3:GetObject", &format!("arn:aws:s3:::bucket-{number}/key")));
    let (found, _) = statements(&grants.collect::<Vec<_>>(), true);
    let documents = documents(
        found,
        &[json!({ "Effect": "Deny", "Action": "*", "Resource": "*" })],
    );
    assert!(documents.len() > 2 && documents.iter().all(|document| size(document) <= CHARACTERS_MAX));
    let text = documents.iter().map(Value::to_string).collect::<String>();
    assert!((0..500).all(|number| text.contains(&format!("bucket-{number}/key"))));
    assert_eq!(text.matches("Deny").count(), 1);
}
