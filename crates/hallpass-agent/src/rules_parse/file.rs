//! The `[[file]]` tables of a rules file.

use super::Reader;
use crate::file_rule::{FileAcl, FileRule, Id};
use hallpass_rolefs::Access;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

const KEYS: &str = "role, owner, group, mode, world_readable, acl";

impl Reader<'_> {
    /// Reads them; true if `key` is theirs.
    pub(super) fn files(&mut self, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) -> bool {
        if key.get_ref() != "file" {
            return false;
        }
        let Some(entries) = value.get_ref().as_array() else {
            self.problem(value.span(), "write [[file]], with two brackets: they are a list");
            return true;
        };
        for entry in entries.iter() {
            match entry.get_ref().as_table() {
                Some(table) => self.file_rule(entry.span(), table),
                None => self.problem(entry.span(), "a [[file]] is a table"),
            }
        }
        true
    }

    fn file_rule(&mut self, span: Range<usize>, table: &DeTable<'_>) {
        let mut rule = FileRule {
            role: String::new(),
            owner: Id::Number(0),
            group: Id::Number(0),
            mode: 0o400,
            world_readable: false,
            acl: Vec::new(),
        };
        let mut mode_span = span.clone();
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "role" => {
                    let roles = self.roles(key, value);
                    if value.get_ref().as_array().is_some() {
                        self.problem(value.span(), "`role` takes one name: write a [[file]] for each");
                    }
                    rule.role = roles.into_iter().next().unwrap_or_default();
                    if self.files.iter().any(|other| other.role == rule.role) {
                        let message = format!("there is a [[file]] for `{}` already", rule.role);
                        self.problem(value.span(), message);
                    }
                }
                "owner" => rule.owner = self.id(key, value),
                "group" => rule.group = self.id(key, value),
                "mode" => {
                    mode_span = value.span();
                    rule.mode = self.mode(value);
                }
                "world_readable" => match value.get_ref().as_bool() {
                    Some(world_readable) => rule.world_readable = world_readable,
                    None => self.problem(value.span(), "`world_readable` takes true or false"),
                },
                "acl" => {
                    for item in super::items(value) {
                        match item.get_ref().as_str().and_then(entry) {
                            Some(entry) if rule.acl.iter().any(|other| same(other, &entry)) => {
                                self.problem(item.span(), "`acl` names the same user or group twice");
                            }
                            Some(entry) => rule.acl.push(entry),
                            None => self.problem(
                                item.span(),
                                "`acl` takes \"user:NAME:r\" and \"group:NAME:r\" (or `-` for no right)",
                            ),
                        }
                    }
                }
                other => self.problem(
                    key.span(),
                    format!("unknown key `{other}`: a [[file]] knows {KEYS}"),
                ),
            }
        }
        if rule.role.is_empty() && !table.contains_key("role") {
            self.problem(span, "the [[file]] names no `role`");
        }
        if let Err(error) = Access::new(0, 0, rule.mode, rule.world_readable) {
            self.problem(mode_span, error.to_string());
        }
        self.files.push(rule);
    }

    fn id(&mut self, key: &Spanned<DeString<'_>>, value: &Spanned<DeValue<'_>>) -> Id {
        match value.get_ref().as_str() {
            Some(name) => match id(name) {
                Some(id) => return id,
                None => self.problem(
                    value.span(),
                    format!("`{}` takes a name or a number", key.get_ref()),
                ),
            },
            None => {
                let ids = self.ids(key, value);
                if let [number] = ids[..] {
                    return Id::Number(number);
                }
                if value.get_ref().as_array().is_some() {
                    self.problem(value.span(), format!("`{}` takes one", key.get_ref()));
                }
            }
        }
        Id::Number(0)
    }

    /// Octal digits in quotes: a bare 0440 is no TOML, and 440 would be another number.
    fn mode(&mut self, value: &Spanned<DeValue<'_>>) -> u32 {
        let digits = value.get_ref().as_str().filter(|text| {
            (3..=4).contains(&text.len()) && text.bytes().all(|digit| (b'0'..=b'7').contains(&digit))
        });
        match digits.and_then(|digits| u32::from_str_radix(digits, 8).ok()) {
            Some(mode) => mode,
            None => {
                self.problem(value.span(), "`mode` takes octal digits in quotes: \"0440\"");
                0o400
            }
        }
    }
}

/// `user:bob:r`
fn entry(text: &str) -> Option<FileAcl> {
    let mut parts = text.split(':');
    let (kind, name, rights) = (parts.next()?, parts.next()?, parts.next()?);
    let is_group = match kind {
        "user" => false,
        "group" => true,
        _ => return None,
    };
    let read = match rights {
        "r" | "r--" => true,
        "-" | "---" => false,
        _ => return None,
    };
    let id = id(name)?;
    parts.next().is_none().then_some(FileAcl { is_group, id, read })
}

fn id(name: &str) -> Option<Id> {
    match name.parse() {
        // 4294967295 is "no id" to the kernel.
        Ok(u32::MAX) => None,
        Ok(number) => Some(Id::Number(number)),
        Err(_) if name.is_empty() || name.contains(|c: char| c == ':' || c.is_control()) => None,
        Err(_) if name.bytes().all(|byte| byte.is_ascii_digit()) => None,
        Err(_) => Some(Id::Name(name.to_owned())),
    }
}

fn same(one: &FileAcl, other: &FileAcl) -> bool {
    one.is_group == other.is_group && one.id == other.id
}

#[cfg(test)]
mod tests {
    use crate::Rules;
    use hallpass_caller::UserDatabase;

    fn users() -> UserDatabase {
        UserDatabase::parse("bob:x:1001:100::/:/bin/sh\n", "ops:x:200:\nadm:x:4:\n")
    }

    fn problems(text: &str) -> Vec<String> {
        match Rules::parse(text) {
            Ok(_) => vec![],
            Err(error) => error.to_string().lines().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn a_file_says_who_may_read() {
        let rules = Rules::parse(
            "[[file]]\nrole = \"web\"\nowner = \"bob\"\ngroup = 4\nmode = \"0440\"\nacl = [\"group:ops:r\", \"user:7:-\"]\n\
             [[file]]\nrole = \"plain\"\n",
        )
        .unwrap();
        let web = rules.files[0].access(&users()).unwrap();
        assert_eq!((web.owner(), web.group()), (1001, 4));
        assert!(web.allows(1001, &[]) && web.allows(9, &[4]) && web.allows(9, &[200]));
        assert!(!web.allows(7, &[4]) && !web.allows(9, &[9]));
        // Nothing said: root's alone.
        let plain = rules.files[1].access(&users()).unwrap();
        assert!(plain.allows(0, &[]) && !plain.allows(1001, &[0, 4]));
        assert_eq!(rules.len(), 0, "a [[file]] gives no role by any other door");
    }

    #[test]
    fn a_name_that_nobody_has_gives_no_access() {
        for line in ["owner = \"eve\"", "group = \"bob\"", "acl = [\"user:ops:r\"]"] {
            let rules = Rules::parse(&format!("[[file]]\nrole = \"web\"\n{line}\n")).unwrap();
            let error = rules.files[0].access(&users()).unwrap_err();
            assert!(error.starts_with("there is no "), "{error}");
        }
    }

    #[test]
    fn every_mistake_has_its_place() {
        for (line, wanted) in [
            ("mode = \"0640\"", "3:8: only reading can be given"),
            ("mode = \"0444\"", "3:8: everyone on the machine could read it"),
            ("mode = 440", "3:8: `mode` takes octal digits"),
            ("mode = \"0490\"", "3:8: `mode` takes octal digits"),
            ("mode = \"00000000000400\"", "3:8: `mode` takes octal digits"),
            ("owner = \"\"", "3:9: `owner` takes a name or a number"),
            ("owner = 4294967295", "3:9: `owner` takes numbers"),
            ("group = [1, 2]", "3:9: `group` takes one"),
            ("acl = [\"user:bob:rw\"]", "3:8: `acl` takes"),
            ("acl = [\"other::r\"]", "3:8: `acl` takes"),
            ("acl = [\"user:99999999999:r\"]", "3:8: `acl` takes"),
            ("acl = [\"user:1:r\", \"user:1:-\"]", "3:20: `acl` names the same"),
            ("user = \"bob\"", "3:1: unknown key `user`"),
            ("world_readable = \"yes\"", "3:18: `world_readable` takes"),
        ] {
            let found = problems(&format!("[[file]]\nrole = \"web\"\n{line}\n"));
            assert!(
                found.iter().any(|problem| problem.starts_with(wanted)),
                "{line}: {found:?}"
            );
        }
        assert_eq!(
            problems("[[file]]\nmode = \"0400\"\n"),
            ["1:1: the [[file]] names no `role`"]
        );
        assert!(problems("[[file]]\nrole = \"..\"\n")[0].contains("is not a role name"));
        let twice = "[[file]]\nrole = \"web\"\n[[file]]\nrole = \"web\"\n";
        assert!(problems(twice)[0].starts_with("4:8: there is a [[file]]"));
        assert!(problems("file = 1\n")[0].starts_with("1:8: write [[file]]"));
        let open = "[[file]]\nrole = \"web\"\nmode = \"0444\"\nworld_readable = true\n";
        assert_eq!(problems(open), [""; 0]);
    }
}
