use super::*;

fn refusal(action: &str, form: &str) -> String {
    let params = QueryParams::parse(form).unwrap();
    check(Service::Iam, action, &params).map_or_else(
        |error| format!("{}: {}", error.code, error.message),
        |()| String::new(),
    )
}

#[test]
fn the_tables_are_understood_whole() {
    for (table, operations) in [(&*IAM, 180), (&*STS, 11)] {
        assert_eq!(table.operations.len(), operations);
        for (name, members) in &table.operations {
            for member in members {
                assert!(table.shapes.contains_key(member.shape), "{name} {}", member.shape);
            }
        }
        for (name, shape) in &table.shapes {
            if let Shape::Text { pattern, .. } = shape {
                assert!(pattern::is_known(pattern), "{name}: {pattern}");
            }
        }
    }
}

#[test]
fn every_violation_is_named_in_one_answer() {
    assert_eq!(
        refusal("CreateRole", ""),
        "ValidationError: 2 validation errors detected: Value null at 'roleName' failed to satisfy constraint: Member \
         must not be null; Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: Member must not be null"
    );
    let long = format!("GroupName={}", "g".repeat(129));
    assert!(refusal("CreateGroup", &long).ends_with("Member must have length less than or equal to 128"));
    assert_eq!(refusal("CreateGroup", &long[..long.len() - 1]), "");
    assert_eq!(
        refusal("UpdateAccessKey", "AccessKeyId=AKIAAAAAAAAAAAAAAAAA&Status=On"),
        "ValidationError: 1 validation error detected: Value 'On' at 'status' failed to satisfy constraint: Member must \
         satisfy enum value set: [Active, Inactive, Expired]"
    );
    assert!(refusal("ListGroups", "MaxItems=1001").contains("value less than or equal to 1000"));
    assert!(refusal("ListGroups", "MaxItems=x").starts_with("MalformedInput"));
    assert!(refusal("CreateGroup", "GroupName=a%20b").contains("specified value for groupName is invalid"));
}

#[test]
fn lists_are_checked_member_by_member() {
    assert_eq!(
        refusal("TagRole", "RoleName=r&Tags.member.1.Key=&Tags.member.1.Value=v"),
        "ValidationError: 2 validation errors detected: Value '' at 'tags.1.member.key' failed to satisfy constraint: \
         Member must have length greater than or equal to 1; Value '' at 'tags.1.member.key' failed to satisfy \
         constraint: Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+"
    );
    assert!(refusal("TagRole", "RoleName=r").contains("Value null at 'tags'"));
    assert_eq!(refusal("UntagRole", "RoleName=r&TagKeys="), "");
}

#[test]
fn a_secret_is_not_said_back() {
    let long = format!("UserName=u&Password={}", "p".repeat(129));
    let said = refusal("CreateLoginProfile", &long);
    assert!(said.contains("'password'") && !said.contains("ppp"), "{said}");
}

#[test]
fn forms_of_paths_aliases_and_versions() {
    let cases = [
        (r"((/[A-Za-z0-9\.,\+@=_-]+)*)/", "/a/b/", true),
        (r"((/[A-Za-z0-9\.,\+@=_-]+)*)/", "/", true),
        (r"((/[A-Za-z0-9\.,\+@=_-]+)*)/", "/a//", false),
        (r"((/[A-Za-z0-9\.,\+@=_-]+)*)/", "a/", false),
        (r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)", "/a", false),
        (r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)", "//", false),
        (r"^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$", "a--b", false),
        (r"^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$", "a-b", true),
        (r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?", "v10", true),
        (r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?", "v0", false),
    ];
    for (pattern, text, expected) in cases {
        assert_eq!(pattern::matches(pattern, text), expected, "{text}");
    }
}
