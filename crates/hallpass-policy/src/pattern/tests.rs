use super::*;
use proptest::prelude::*;

fn matches(pattern: &Pattern, text: &str) -> bool {
    pattern.matches(text, &Context::new()) == Matched::Yes
}

#[test]
fn shapes_are_compiled_ahead() {
    assert_eq!(Pattern::like("*", true).shape, Shape::Everything);
    assert_eq!(Pattern::like("a${*}", true).shape, Shape::Literal("a*".into()));
    assert_eq!(Pattern::action("S3:Get*").shape, Shape::Prefix("s3:get".into()));
    let object = Pattern::resource("arn:aws:s3:::bucket/*", true);
    assert_eq!(object.shape, Shape::Prefix("arn:aws:s3:::bucket/".into()));
}

#[test]
fn characters_are_not_bytes() {
    assert!(matches(&Pattern::like("a?c", true), "aéc"));
    assert!(!matches(&Pattern::like("a??c", true), "aéc"));
    assert!(matches(&Pattern::like("*é?", true), "ééx"));
}

#[test]
fn many_stars_cost_no_exponential_time() {
    let pattern = Pattern::like(&"*a".repeat(500), true);
    assert!(!matches(&pattern, &format!("{}b", "a".repeat(4000))));
}

/// The obvious recursion, over the same tokens: star = any run, bounded star = any run without a colon.
fn naive(tokens: &[Token], text: &[char]) -> bool {
    let Some((token, rest)) = tokens.split_first() else {
        return text.is_empty();
    };
    let star = |bounded: bool| {
        let end = if bounded {
            text.iter().position(|char| *char == ':')
        } else {
            None
        };
        (0..=end.unwrap_or(text.len())).any(|taken| naive(rest, &text[taken..]))
    };
    let one =
        |bounded: bool| text.first().is_some_and(|char| !bounded || *char != ':') && naive(rest, &text[1..]);
    match token {
        Token::Any => star(false),
        Token::AnyInSegment => star(true),
        Token::One => one(false),
        Token::OneInSegment => one(true),
        Token::Text(part) => {
            let part = part.chars().collect::<Vec<_>>();
            text.starts_with(&part) && naive(rest, &text[part.len()..])
        }
        Token::Variable(_) => false,
    }
}

fn naive_shape(pattern: &Pattern, text: &str) -> bool {
    let chars = text.chars().collect::<Vec<_>>();
    match &pattern.shape {
        Shape::Everything => true,
        Shape::Nothing => false,
        Shape::Literal(literal) => **literal == *text,
        Shape::Prefix(prefix) => naive(&[Token::Text(prefix.clone()), Token::Any], &chars),
        Shape::Tokens(tokens) | Shape::Template(tokens) => naive(tokens, &chars),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn string_patterns_agree_with_the_naive_matcher(pattern in "[ab:é*?]{0,8}", text in "[ab:é]{0,10}") {
        let pattern = Pattern::like(&pattern, true);
        prop_assert_eq!(matches(&pattern, &text), naive_shape(&pattern, &text));
    }

    #[test]
    fn arn_patterns_agree_with_the_naive_matcher(
        pattern in "arn(:[ab*?]{0,4}){1,6}",
        text in "arn(:[ab]{0,3}){3,8}",
    ) {
        for pattern in [Pattern::resource(&pattern, true), Pattern::arn(&pattern, true)] {
            prop_assert_eq!(matches(&pattern, &text), naive_shape(&pattern, &text), "{:?}", pattern);
        }
    }

    #[test]
    fn arn_conditions_compare_six_segments_by_themselves(
        pattern in "[ab*]{0,3}(:[ab*]{0,3}){5}",
        text in "[ab]{0,3}(:[ab]{0,3}){5,6}",
    ) {
        let each = pattern.splitn(6, ':').zip(text.splitn(6, ':'));
        let wanted = each.fold(true, |all, (pattern, text)| all && matches(&Pattern::like(pattern, true), text));
        prop_assert_eq!(matches(&Pattern::arn(&pattern, true), &text), wanted);
    }

    #[test]
    fn actions_match_whatever_the_case(pattern in "s3:[aB*?]{0,5}", action in "s3:[aB]{0,6}") {
        let compiled = Pattern::action(&pattern);
        let lower = Pattern::like(&pattern.to_lowercase(), false);
        prop_assert_eq!(compiled.matches_action(&action), naive_shape(&lower, &action.to_lowercase()));
        prop_assert_eq!(compiled.matches_action(&action), compiled.matches_action(&action.to_uppercase()));
    }
}
