use super::*;

#[test]
fn every_line_of_the_data_is_understood() {
    let text = include_str!("../data/reference.txt");
    let count = |heads: &[&str]| {
        let heads_of = text.lines().filter_map(|line| line.split_once(' '));
        heads_of.filter(|(head, _)| heads.contains(head)).count()
    };
    assert_eq!(services().count(), count(&["service"]));
    assert_eq!(
        services().map(|service| service.actions().len()).sum::<usize>(),
        count(&["L", "R", "W", "T", "P"])
    );
    assert_eq!(
        services()
            .map(|service| service.resource_types().len())
            .sum::<usize>(),
        count(&["t"])
    );
    assert_eq!(
        services()
            .map(|service| service.condition_keys().len())
            .sum::<usize>(),
        count(&["k"])
    );
    assert!(count(&["L", "R", "W", "T", "P"]) > 20_000);
}

#[test]
fn every_service_and_action_is_found_by_its_name() {
    for wanted in services() {
        assert_eq!(
            service(&wanted.prefix().to_uppercase()).map(Service::prefix),
            Some(wanted.prefix())
        );
        for wanted_action in wanted.actions() {
            let name = format!("{}:{}", wanted.prefix(), wanted_action.name().to_uppercase());
            assert_eq!(action(&name), Some(wanted_action), "{name}");
        }
    }
    assert_eq!(action("s3:GetObjekt"), None);
    assert_eq!(action("s3"), None);
}

#[test]
fn every_resource_type_of_an_action_is_described() {
    for service in services() {
        for action in service.actions() {
            for resource in action.resources() {
                let kind = service.resource_type(resource.name);
                assert!(
                    kind.is_some(),
                    "{}:{} {}",
                    service.prefix(),
                    action.name(),
                    resource.name
                );
            }
        }
    }
}

#[test]
fn an_action_tells_what_it_acts_on() {
    let get = action("s3:GetObject").expect("s3:GetObject");
    assert!(get.resources().iter().any(|resource| resource.name == "object"));
    assert!(get.condition_keys().contains(&"s3:ExistingObjectTag/<key>"));
    assert!(!get.is_wildcard_only());
    let buckets = action("s3:ListAllMyBuckets").expect("s3:ListAllMyBuckets");
    assert!(buckets.is_wildcard_only());
    assert_eq!(buckets.access_level(), AccessLevel::List);
    let create = action("ec2:CreateVolume").expect("ec2:CreateVolume");
    let volume = ActionResource {
        name: "volume",
        required: true,
    };
    assert!(create.resources().contains(&volume));
    assert!(create.condition_keys().contains(&"aws:RequestTag/${TagKey}"));
}

#[test]
fn patterns_match_in_any_case() {
    let names = |pattern| matching(pattern).map(Action::name).collect::<Vec<_>>();
    assert!(names("S3:getobject*").contains(&"GetObjectAcl"));
    assert_eq!(names("s3:GetObjec?"), ["GetObject"]);
    assert_eq!(names("s3:GetObject"), ["GetObject"]);
    assert_eq!(names("nothing:*"), [""; 0]);
    assert_eq!(names("s3"), [""; 0]);
    assert_eq!(matching("*").count(), services().map(|s| s.actions().len()).sum());
}

#[test]
fn condition_keys_have_types() {
    assert_eq!(condition_key("AWS:sourceip"), Some(KeyType::Ip));
    assert_eq!(condition_key("aws:RequestTag/team"), Some(KeyType::String));
    assert_eq!(condition_key("aws:requesttag/a/b"), Some(KeyType::String));
    assert_eq!(condition_key("aws:RequestTag/"), None);
    assert_eq!(condition_key("aws:RequestTag"), None);
    assert_eq!(condition_key("s3:ExistingObjectTag/x"), Some(KeyType::String));
    assert_eq!(
        condition_key("secretsmanager:ResourceTag/a:b"),
        Some(KeyType::String)
    );
    assert_eq!(condition_key("sagemaker:ResourceTag/a"), Some(KeyType::String));
    assert_eq!(condition_key("s3:max-keys"), Some(KeyType::Numeric));
    assert_eq!(condition_key("aws:TagKeys"), Some(KeyType::ArrayOfString));
    assert_eq!(condition_key("aws:SourcIp"), None);
    assert!(is_key("aws:RequestTag/${TagKey}", "AWS:RequestTag/team"));
    assert!(!is_key("aws:RequestTag/${TagKey}", "aws:RequestTag/"));
}

#[test]
fn a_pattern_of_many_stars_ends_soon() {
    let pattern = "*a".repeat(60) + "*b";
    assert!(!glob::covers(&pattern, &"a".repeat(5_000)));
}
