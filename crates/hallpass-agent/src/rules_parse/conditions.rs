use super::{Reader, items};
use crate::rules::{Condition, Glob, Key, Want};
use toml::Spanned;
use toml::de::{DeString, DeValue};

/// Longer patterns and more of them than anyone writes.
const GLOB_CHARACTERS_MAX: usize = 512;
const VALUES_MAX: usize = 1000;
/// Fewer digits of a container's id may be two containers'.
const ID_DIGITS_MIN: usize = 12;

type Named<'a, 'i> = &'a Spanned<DeString<'i>>;

impl Reader<'_> {
    /// One condition: a key and the value or values it wants.
    pub(super) fn condition(
        &mut self,
        known: Key,
        key: Named<'_, '_>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Condition> {
        if items(value).len() > VALUES_MAX {
            self.problem(
                value.span(),
                format!("`{}` takes at most {VALUES_MAX} values", known.name()),
            );
            return None;
        }
        let want = match known {
            Key::User | Key::Group => Want::Names(self.texts(key, value)),
            Key::Uid | Key::Gid => Want::Numbers(self.ids(key, value)),
            Key::Container => match value.get_ref().as_bool() {
                Some(false) => Want::NoContainer,
                Some(true) => {
                    self.problem(
                        value.span(),
                        "`container` takes ids or false; for any container say not = { container = false }",
                    );
                    return None;
                }
                None => Want::Prefixes(self.hexadecimal(key, value, ID_DIGITS_MIN, "12 to 64")),
            },
            Key::ExeSha256 => Want::Names(self.hexadecimal(key, value, 64, "64")),
            Key::Exe | Key::Ancestor | Key::Cgroup => {
                let globs = self.globs(key, value, Glob::of_path);
                for item in items(value) {
                    let relative = item
                        .get_ref()
                        .as_str()
                        .is_some_and(|text| !text.starts_with(['/', '*']));
                    if relative {
                        self.problem(item.span(), format!("`{}` takes a path from /", known.name()));
                    }
                }
                Want::Globs(globs)
            }
            Key::Label => {
                for item in items(value) {
                    if item.get_ref().as_str().is_some_and(|text| !text.contains('=')) {
                        self.problem(item.span(), "`label` takes \"key=value\"");
                    }
                }
                Want::Globs(self.globs(key, value, Glob::of_text))
            }
            _ => Want::Globs(self.globs(key, value, Glob::of_text)),
        };
        Some(Condition { key: known, want })
    }

    /// The table of `not`: conditions none of which may hold.
    pub(super) fn exclusion(&mut self, value: &Spanned<DeValue<'_>>) -> Vec<Condition> {
        let Some(table) = value.get_ref().as_table() else {
            self.problem(value.span(), "`not` takes a table: not = { user = \"…\" }");
            return Vec::new();
        };
        if table.is_empty() {
            self.problem(value.span(), "`not` must not be empty");
        }
        let mut conditions = Vec::new();
        for (key, value) in table {
            match Key::named(key.get_ref()) {
                Some(known) => conditions.extend(self.condition(known, key, value)),
                None => self.problem(
                    key.span(),
                    format!("unknown key `{}`: `not` knows a rule's conditions", key.get_ref()),
                ),
            }
        }
        conditions.sort_by_key(|condition| condition.key);
        conditions
    }

    fn globs(
        &mut self,
        key: Named<'_, '_>,
        value: &Spanned<DeValue<'_>>,
        glob: fn(&str) -> Glob,
    ) -> Vec<Glob> {
        let texts = self.texts(key, value);
        if texts
            .iter()
            .any(|text| text.chars().count() > GLOB_CHARACTERS_MAX)
        {
            self.problem(
                value.span(),
                format!("a pattern has at most {GLOB_CHARACTERS_MAX} characters"),
            );
        }
        texts.iter().map(|text| glob(text)).collect()
    }

    fn hexadecimal(
        &mut self,
        key: Named<'_, '_>,
        value: &Spanned<DeValue<'_>>,
        least: usize,
        digits: &str,
    ) -> Vec<String> {
        let texts = self.texts(key, value);
        let fine = |text: &String| {
            (least..=64).contains(&text.len())
                && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !texts.iter().all(fine) {
            self.problem(
                value.span(),
                format!("`{}` takes {digits} digits of 0-9 a-f", key.get_ref()),
            );
        }
        texts
    }
}
