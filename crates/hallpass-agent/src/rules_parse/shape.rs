use super::Reader;
use crate::rules::{NAME_CHARACTERS, Piece, Template, Variable, is_name, is_tag};
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeValue};

/// AWS's limits (STS API reference, AssumeRole; IAM User Guide, "Rules for tagging").
const TAGS_MAX: usize = 50;
const TAG_KEY_CHARACTERS_MAX: usize = 128;
const TAG_VALUE_CHARACTERS_MAX: usize = 256;
const POLICY_CHARACTERS_MAX: usize = 2048;
const SECONDS: std::ops::RangeInclusive<u64> = 900..=43_200;

impl Reader<'_> {
    /// A session's name or source identity: a template of 2 to 64 characters.
    pub(super) fn session_name(
        &mut self,
        key: &Spanned<DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Template> {
        let name = key.get_ref().to_string();
        let template = self.template(&name, value, is_name, "A-Z a-z 0-9 _ + = , . @ -")?;
        if let [Piece::Text(text)] = template.0.as_slice()
            && !NAME_CHARACTERS.contains(&text.len())
        {
            self.problem(value.span(), format!("`{name}` takes 2 to 64 characters"));
        }
        Some(template)
    }

    pub(super) fn tags(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<(String, Template)> {
        let Some(table) = value.get_ref().as_table() else {
            self.problem(value.span(), "`tags` takes a table: tags = { team = \"x\" }");
            return Vec::new();
        };
        if table.len() > TAGS_MAX {
            self.problem(value.span(), format!("a session has at most {TAGS_MAX} tags"));
        }
        let mut tags = Vec::new();
        let mut seen = BTreeSet::new();
        for (key, value) in table {
            let name = key.get_ref().to_string();
            let length = name.chars().count();
            if !(1..=TAG_KEY_CHARACTERS_MAX).contains(&length) || !name.chars().all(is_tag) {
                self.problem(
                    key.span(),
                    "a tag's key has 1 to 128 letters, digits, spaces and _ . : / = + - @",
                );
            }
            if name.to_ascii_lowercase().starts_with("aws:") {
                self.problem(key.span(), "tags that begin with aws: are AWS's own");
            }
            if !seen.insert(name.to_lowercase()) {
                self.problem(
                    key.span(),
                    format!("two tags are called `{name}`, whatever their case"),
                );
            }
            let template = self.template(
                &name,
                value,
                is_tag,
                "letters, digits, spaces and _ . : / = + - @",
            );
            if let Some([Piece::Text(text)]) = template.as_ref().map(|template| template.0.as_slice())
                && text.chars().count() > TAG_VALUE_CHARACTERS_MAX
            {
                self.problem(value.span(), "a tag's value has at most 256 characters");
            }
            tags.extend(template.map(|template| (name, template)));
        }
        tags
    }

    /// A session policy: JSON as text, or the same as a table. Its statements are judged where it is used.
    pub(super) fn policy(&mut self, value: &Spanned<DeValue<'_>>) -> Option<String> {
        let text = match value.get_ref() {
            DeValue::String(text) => {
                let object = serde_json::from_str::<serde_json::Value>(text);
                match object {
                    Ok(object) if object.is_object() => text.to_string(),
                    Ok(_) => {
                        self.problem(value.span(), "`policy` takes a JSON object");
                        return None;
                    }
                    Err(error) => {
                        self.problem(value.span(), format!("`policy` is not JSON: {error}"));
                        return None;
                    }
                }
            }
            DeValue::Table(_) => match json(value.get_ref()) {
                Some(object) => object.to_string(),
                None => {
                    self.problem(
                        value.span(),
                        "`policy` takes texts, whole numbers, booleans, lists and tables",
                    );
                    return None;
                }
            },
            _ => {
                self.problem(value.span(), "`policy` takes JSON in quotes, or a table");
                return None;
            }
        };
        if text.chars().count() > POLICY_CHARACTERS_MAX {
            self.problem(
                value.span(),
                format!("a session policy has at most {POLICY_CHARACTERS_MAX} characters"),
            );
        }
        Some(text)
    }

    /// Seconds, or `"90m"`, `"1h"`.
    pub(super) fn duration(&mut self, value: &Spanned<DeValue<'_>>) -> Option<u32> {
        let seconds = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            DeValue::String(text) => seconds(text),
            _ => None,
        };
        let fine = seconds.filter(|seconds| SECONDS.contains(seconds));
        if fine.is_none() {
            self.problem(
                value.span(),
                "`duration` takes 900 to 43200 seconds, or a text such as \"90m\" or \"1h\"",
            );
        }
        fine.and_then(|seconds| u32::try_from(seconds).ok())
    }

    fn template(
        &mut self,
        key: &str,
        value: &Spanned<DeValue<'_>>,
        is_allowed: fn(char) -> bool,
        allowed: &str,
    ) -> Option<Template> {
        let Some(text) = value.get_ref().as_str() else {
            self.problem(value.span(), format!("`{key}` takes one text in quotes"));
            return None;
        };
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                self.problem(value.span(), format!("`{key}`: a variable ends with }}"));
                return None;
            };
            let Some((_, variable)) = Variable::ALL.iter().find(|(known, _)| *known == name) else {
                let at = self.inside(value.span(), text, text.len() - rest.len() + before.len());
                let known = Variable::ALL.map(|(name, _)| name).join(", ");
                self.problem(at, format!("unknown variable {{{name}}}: there are {known}"));
                return None;
            };
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Variable(*variable));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let filled = |piece: &Piece| !matches!(piece, Piece::Text(text) if text.is_empty());
        let fine = |piece: &Piece| !matches!(piece, Piece::Text(text) if !text.chars().all(is_allowed));
        if !pieces.iter().all(fine) {
            self.problem(
                value.span(),
                format!("`{key}` takes {allowed}, and variables such as {{user}}"),
            );
        }
        pieces.retain(filled);
        if pieces.is_empty() {
            pieces.push(Piece::Text(String::new()));
        }
        Some(Template(pieces))
    }

    /// The place of byte `at` of a text, where the file has it as it is: a text with escapes is told as a whole.
    fn inside(&self, span: Range<usize>, text: &str, at: usize) -> Range<usize> {
        match self.text.get(span.clone()).and_then(|written| written.find(text)) {
            Some(start) => span.start + start + at..span.end,
            None => span,
        }
    }
}

/// The parser bounds how deep values nest.
fn json(value: &DeValue<'_>) -> Option<serde_json::Value> {
    Some(match value {
        DeValue::String(text) => serde_json::Value::from(text.to_string()),
        DeValue::Boolean(yes) => serde_json::Value::from(*yes),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).ok()?.into(),
        DeValue::Array(list) => {
            let items = list.iter().map(|item| json(item.get_ref()));
            serde_json::Value::Array(items.collect::<Option<_>>()?)
        }
        DeValue::Table(table) => {
            let entries = table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), json(value.get_ref())?)));
            serde_json::Value::Object(entries.collect::<Option<_>>()?)
        }
        DeValue::Float(_) | DeValue::Datetime(_) => return None,
    })
}

fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, text.chars().last()),
        None => (text, Some('s')),
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let factor = match unit {
        Some('h') => 3600,
        Some('m') => 60,
        _ => 1,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
