//! From a pattern of resources to a resource that fits it and, if possible, no other pattern.

use hallpass_policy::Context;

/// A name that nobody gives.
const FRESH: &str = "hallpass-made-this-up";

/// The pattern with its variables replaced: by their values where these are known, else by `*`.
pub(super) fn filled(pattern: &str, context: &Context) -> String {
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        text += before;
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        rest = after;
        // A default is one more value that is possible, so that the pattern stays open.
        let key = name.split_once(',').map_or(name, |(key, _)| key);
        match key.trim() {
            "$" => text.push('$'),
            "*" | "?" => text.push('?'),
            key => match context.get(key).map(hallpass_policy::ContextValue::values) {
                Some([value]) => text += value,
                _ => text.push('*'),
            },
        }
    }
    text + rest
}

/// A resource that fits a pattern without variables. Where an account may be any it is this one.
pub(super) fn of(pattern: &str, account: &str) -> String {
    if !pattern.contains(':') {
        return fresh(pattern, FRESH);
    }
    let parts = pattern.splitn(6, ':').collect::<Vec<_>>();
    let names = ["arn", "aws", "s3", "eu-central-1", account, FRESH];
    let part = |(at, name): (usize, &&str)| fresh(parts.get(at).copied().unwrap_or("*"), name);
    let parts = names.iter().enumerate().map(part).collect::<Vec<_>>();
    parts.join(":")
}

fn fresh(pattern: &str, name: &str) -> String {
    pattern.replace('*', name).replace('?', "x")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn witnesses_fit() {
        let mut context = Context::new();
        context.set("aws:username", "ana");
        for (pattern, witness) in [
            ("arn:aws:s3:::b/*", "arn:aws:s3:::b/hallpass-made-this-up"),
            ("arn:aws:s3:::b/${aws:username}/?", "arn:aws:s3:::b/ana/x"),
            (
                "arn:aws:s3:::b/${aws:other}",
                "arn:aws:s3:::b/hallpass-made-this-up",
            ),
            ("arn:aws:sqs:*:*:q", "arn:aws:sqs:eu-central-1:123456789012:q"),
            (
                "arn:aws:sqs:*",
                "arn:aws:sqs:eu-central-1:123456789012:hallpass-made-this-up",
            ),
            ("arn:aws:s3:::b/${$}{", "arn:aws:s3:::b/${"),
            ("arn:aws:s3:::b/${", "arn:aws:s3:::b/hallpass-made-this-up"),
        ] {
            assert_eq!(
                of(&filled(pattern, &context), "123456789012"),
                witness,
                "{pattern}"
            );
        }
    }
}
