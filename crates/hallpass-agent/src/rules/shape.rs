use super::conditions::Evidence;
use crate::SessionRequest;
use hallpass_caller::{Caller, Fact, ProcessFacts, Unknown};

/// AWS's limits (STS API reference, AssumeRole).
pub(crate) const NAME_CHARACTERS: std::ops::RangeInclusive<usize> = 2..=64;
const TAG_VALUE_CHARACTERS_MAX: usize = 256;

/// How a rule shapes the sessions it gives, beyond their role.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionShape {
    pub(crate) session_name: Option<Template>,
    pub(crate) source_identity: Option<Template>,
    pub(crate) tags: Vec<(String, Template)>,
    pub(crate) policy: Option<String>,
    pub(crate) duration_seconds: Option<u32>,
}

/// Text with variables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Template(pub(crate) Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Variable(Variable),
}

/// What a template may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variable {
    Uid,
    User,
    Unit,
    Container,
    ContainerName,
    Exe,
    Pid,
    Instance,
    Role,
}

impl Variable {
    pub(crate) const ALL: [(&'static str, Self); 9] = [
        ("uid", Self::Uid),
        ("user", Self::User),
        ("unit", Self::Unit),
        ("container", Self::Container),
        ("container_name", Self::ContainerName),
        ("exe", Self::Exe),
        ("pid", Self::Pid),
        ("instance", Self::Instance),
        ("role", Self::Role),
    ];

    /// Known only when a session is asked for.
    fn is_late(self) -> bool {
        matches!(self, Self::Instance | Self::Role)
    }

    /// The value, if every process agrees on it.
    fn value(self, caller: &Caller, evidence: &Evidence) -> Fact<String> {
        let agreed = |of: &dyn Fn(&ProcessFacts) -> Fact<Option<String>>| {
            let mut agreed: Option<String> = None;
            for process in &evidence.processes {
                let value = of(process)?.ok_or_else(|| Unknown::new("there is none"))?;
                if agreed.as_ref().is_some_and(|other| *other != value) {
                    return Err(Unknown::new("the processes that hold the connection differ"));
                }
                agreed = Some(value);
            }
            agreed.ok_or_else(|| Unknown::new("the process is not known"))
        };
        match self {
            Self::Uid => Ok(caller.uid.to_string()),
            Self::User => caller
                .user
                .clone()
                .ok_or_else(|| Unknown::new("the uid has no name")),
            Self::Unit => agreed(&|process| Ok(process.unit()?.map(str::to_owned))),
            Self::Container => agreed(&|process| {
                let id = process
                    .container()?
                    .map(|container| container.id.chars().take(12).collect());
                Ok(id)
            }),
            Self::ContainerName => agreed(&|process| Ok(Some(process.container_info()?.name.clone()))),
            Self::Exe => agreed(&|process| Ok(process.exe()?.rsplit('/').next().map(str::to_owned))),
            Self::Pid => agreed(&|process| Ok(Some(process.pid().to_string()))),
            Self::Instance | Self::Role => Err(Unknown::new("it is not asked for yet")),
        }
    }
}

impl SessionShape {
    /// Whether anything but the connection's own facts is needed to fill it in.
    pub(crate) fn reads_processes(&self) -> bool {
        let kernel =
            |variable: &Variable| variable.is_late() || matches!(variable, Variable::Uid | Variable::User);
        !self
            .templates()
            .flat_map(Template::variables)
            .all(|variable| kernel(&variable))
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        let names = self.session_name.iter().chain(&self.source_identity);
        names.chain(self.tags.iter().map(|(_, value)| value))
    }

    /// Fills in what is known of the caller.
    ///
    /// # Errors
    /// What is missing: then the rule gives nothing, rather than something under a false name.
    pub(crate) fn filled(&self, caller: &Caller, evidence: &Evidence) -> Result<Self, String> {
        let fill = |template: &Template| template.filled(caller, evidence);
        let tags = self
            .tags
            .iter()
            .map(|(key, value)| Ok((key.clone(), fill(value)?)));
        Ok(Self {
            session_name: self.session_name.as_ref().map(fill).transpose()?,
            source_identity: self.source_identity.as_ref().map(fill).transpose()?,
            tags: tags.collect::<Result<_, String>>()?,
            policy: self.policy.clone(),
            duration_seconds: self.duration_seconds,
        })
    }

    /// The session of `role` on `instance`, from a shape that was filled in.
    pub(crate) fn request(&self, role: &str, instance: &str) -> SessionRequest {
        let name = |template: &Template| template.text(role, instance, is_name, *NAME_CHARACTERS.end());
        let mut tags: Vec<(String, String)> = self
            .tags
            .iter()
            .map(|(key, value)| {
                let value = value.text(role, instance, is_tag, TAG_VALUE_CHARACTERS_MAX);
                (key.clone(), value)
            })
            .collect();
        tags.sort();
        let bounded = |mut text: String| {
            while text.len() < *NAME_CHARACTERS.start() {
                text.push('-');
            }
            text
        };
        SessionRequest {
            session_name: self.session_name.as_ref().map(name).map(bounded),
            source_identity: self.source_identity.as_ref().map(name).map(bounded),
            tags,
            policy: self.policy.clone(),
            duration_seconds: self.duration_seconds,
            ..SessionRequest::of_role(role)
        }
    }
}

impl Template {
    fn variables(&self) -> impl Iterator<Item = Variable> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable(variable) => Some(*variable),
            Piece::Text(_) => None,
        })
    }

    fn filled(&self, caller: &Caller, evidence: &Evidence) -> Result<Self, String> {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Variable(variable) if !variable.is_late() => match variable.value(caller, evidence) {
                Ok(value) => Ok(Piece::Text(value)),
                Err(unknown) => Err(format!("{{{}}} is unknown: {unknown}", variable.name())),
            },
            other => Ok(other.clone()),
        });
        Ok(Self(pieces.collect::<Result<_, _>>()?))
    }

    /// The text, with `-` for each character that AWS refuses, cut at `longest`.
    fn text(&self, role: &str, instance: &str, is_allowed: fn(char) -> bool, longest: usize) -> String {
        let pieces = self.0.iter().flat_map(|piece| match piece {
            Piece::Text(text) => text.chars(),
            Piece::Variable(Variable::Role) => role.chars(),
            Piece::Variable(_) => instance.chars(),
        });
        let allowed = pieces.map(|letter| if is_allowed(letter) { letter } else { '-' });
        allowed.take(longest).collect()
    }
}

impl Variable {
    fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, variable)| *variable == self);
        named.map_or("variable", |(name, _)| name)
    }
}

/// What session names and source identities may hold.
pub(crate) fn is_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter)
}

/// What session tags may hold.
pub(crate) fn is_tag(letter: char) -> bool {
    letter.is_alphanumeric() || letter == ' ' || "_.:/=+-@".contains(letter)
}
