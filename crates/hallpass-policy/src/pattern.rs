//! Wildcard matching, compiled when the policy is parsed.
//!
//! Four languages share one matcher: actions (case folded), `StringLike` (a star crosses everything), resources
//! and ARN conditions (a star stays inside its colon-delimited segment).

use crate::context::Context;
use crate::index::Head;
use crate::variable::{Piece, Variable, pieces};

/// Fields of an ARN before the resource part; the text after the fifth colon is one field.
const RESOURCE_SEGMENT: usize = 5;
const SERVICE_SEGMENT: usize = 2;

/// One element of a compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    Text(Box<str>),
    /// `*` over anything.
    Any,
    /// `*` that stops at a colon.
    AnyInSegment,
    /// `?` over any character.
    One,
    /// `?` that is not a colon.
    OneInSegment,
    Variable(Variable),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shape {
    Everything,
    Nothing,
    Literal(Box<str>),
    Prefix(Box<str>),
    Tokens(Box<[Token]>),
    /// Tokens of which some are variables.
    Template(Box<[Token]>),
}

/// What a comparison with a pattern says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matched {
    Yes,
    No,
    /// A variable in the pattern has no value, so nothing equals or resembles it.
    Unresolved,
}

impl From<bool> for Matched {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// One compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    source: Box<str>,
    shape: Shape,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wildcards {
    Literal,
    Anywhere,
    PerSegment { end_runs_over: bool },
}

impl Pattern {
    /// An action pattern: case-insensitive in prefix and name, wildcards anywhere, no variables.
    pub(crate) fn action(text: &str) -> Self {
        let shape = match text {
            "*" | "*:*" => Shape::Everything,
            _ => compile(pieces(&text.to_ascii_lowercase(), false), Wildcards::Anywhere),
        };
        Self::new(text, shape)
    }

    /// A `Resource` pattern: wildcards per ARN segment; an incomplete ARN is completed with `*`.
    ///
    /// A star at the end of the region or account segment may run over following colons (the current "Resource"
    /// page); nothing ever runs out of the partition or service. Variables work only after the fifth colon, so a
    /// pattern with one before it matches nothing.
    pub(crate) fn resource(text: &str, variables: bool) -> Self {
        if text == "*" {
            return Self::new(text, Shape::Everything);
        }
        let early_variable = variables
            && text
                .splitn(RESOURCE_SEGMENT + 1, ':')
                .take(RESOURCE_SEGMENT)
                .any(|part| part.contains("${"));
        if early_variable {
            return Self::new(text, Shape::Nothing);
        }
        let mut parts = pieces(text, variables);
        let colons = parts.iter().filter(|piece| **piece == Piece::Char(':')).count();
        for _ in colons..RESOURCE_SEGMENT {
            parts.extend([Piece::Char(':'), Piece::Star]);
        }
        Self::new(
            text,
            compile(parts, Wildcards::PerSegment { end_runs_over: true }),
        )
    }

    /// A value of an ARN operator: each of the six segments is compared by itself.
    pub(crate) fn arn(text: &str, variables: bool) -> Self {
        let shape = match text {
            "*" => Shape::Everything,
            _ => compile(
                pieces(text, variables),
                Wildcards::PerSegment { end_runs_over: false },
            ),
        };
        Self::new(text, shape)
    }

    /// A value of `StringLike`: wildcards cross everything.
    pub(crate) fn like(text: &str, variables: bool) -> Self {
        Self::new(text, compile(pieces(text, variables), Wildcards::Anywhere))
    }

    /// A value of `StringEquals` and the like: `*` and `?` are themselves.
    pub(crate) fn literal(text: &str, variables: bool) -> Self {
        Self::new(text, compile(pieces(text, variables), Wildcards::Literal))
    }

    fn new(source: &str, shape: Shape) -> Self {
        Self {
            source: source.into(),
            shape,
        }
    }

    /// The text as the policy has it.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The literal text it begins with; nothing for a pattern that can never match, which is looked at regardless.
    pub(crate) fn head(&self) -> Head<'_> {
        match &self.shape {
            Shape::Everything | Shape::Nothing => Head::Start(""),
            Shape::Literal(text) => Head::Exact(text),
            Shape::Prefix(text) => Head::Start(text),
            Shape::Tokens(tokens) | Shape::Template(tokens) => match tokens.first() {
                Some(Token::Text(text)) => Head::Start(text),
                _ => Head::Start(""),
            },
        }
    }

    /// Whether a variable in it depends on a key nothing is known about.
    pub(crate) fn is_unknown(&self, context: &Context) -> bool {
        let Shape::Template(tokens) = &self.shape else {
            return false;
        };
        tokens
            .iter()
            .any(|token| matches!(token, Token::Variable(variable) if variable.is_unknown(context)))
    }

    /// The condition keys its variables read, as written.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let tokens = match &self.shape {
            Shape::Template(tokens) => &**tokens,
            _ => &[],
        };
        tokens.iter().filter_map(|token| match token {
            Token::Variable(variable) => variable.name(),
            _ => None,
        })
    }

    /// Compares with `text`, byte for byte.
    pub(crate) fn matches(&self, text: &str, context: &Context) -> Matched {
        match &self.shape {
            Shape::Everything => Matched::Yes,
            Shape::Nothing => Matched::Unresolved,
            Shape::Literal(literal) => (**literal == *text).into(),
            Shape::Prefix(prefix) => text.starts_with(&**prefix).into(),
            Shape::Tokens(tokens) => run(tokens, text, context, false).into(),
            Shape::Template(tokens) => {
                let unresolved = tokens.iter().any(
                    |token| matches!(token, Token::Variable(variable) if variable.resolve(context).is_none()),
                );
                if unresolved {
                    Matched::Unresolved
                } else {
                    run(tokens, text, context, false).into()
                }
            }
        }
    }

    /// Compares an action pattern with `action`, whatever the case of either.
    pub(crate) fn matches_action(&self, action: &str) -> bool {
        match &self.shape {
            Shape::Everything => true,
            Shape::Nothing => false,
            Shape::Literal(literal) => literal.eq_ignore_ascii_case(action),
            Shape::Prefix(prefix) => action
                .as_bytes()
                .get(..prefix.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes())),
            Shape::Tokens(tokens) | Shape::Template(tokens) => run(tokens, action, &Context::new(), true),
        }
    }

    /// The text with its variables filled in, for comparisons that do their own folding; `None` if one has no value.
    pub(crate) fn expand(&self, context: &Context) -> Option<String> {
        match &self.shape {
            Shape::Literal(literal) => Some(literal.to_string()),
            Shape::Template(tokens) | Shape::Tokens(tokens) => {
                let mut text = String::new();
                for token in tokens {
                    match token {
                        Token::Text(part) => text.push_str(part),
                        Token::Variable(variable) => text.push_str(variable.resolve(context)?),
                        Token::Any | Token::AnyInSegment => text.push('*'),
                        Token::One | Token::OneInSegment => text.push('?'),
                    }
                }
                Some(text)
            }
            Shape::Everything | Shape::Prefix(_) => Some(self.source.to_string()),
            Shape::Nothing => None,
        }
    }

    /// What the pattern is made of, in order; `None` for one that matches nothing whatever the request.
    pub(crate) fn tokens(&self) -> Option<Vec<Token>> {
        match &self.shape {
            Shape::Everything => Some(vec![Token::Any]),
            Shape::Nothing => None,
            Shape::Literal(text) => Some(vec![Token::Text(text.clone())]),
            Shape::Prefix(text) => Some(vec![Token::Text(text.clone()), Token::Any]),
            Shape::Tokens(tokens) | Shape::Template(tokens) => Some(tokens.to_vec()),
        }
    }

    /// Whether it has a variable that can never have a value.
    pub(crate) fn is_never(&self) -> bool {
        let keyless = |token: &Token| matches!(token, Token::Variable(variable) if variable.key().is_none());
        self.tokens().is_none_or(|tokens| tokens.iter().any(keyless))
    }

    /// Whether what it matches depends on the request's context.
    pub(crate) fn is_template(&self) -> bool {
        matches!(self.shape, Shape::Template(_))
    }
}

fn compile(pieces: Vec<Piece>, wildcards: Wildcards) -> Shape {
    let mut tokens = Vec::new();
    let mut text = String::new();
    let mut segment = 0;
    for (index, piece) in pieces.iter().enumerate() {
        let bounded = matches!(wildcards, Wildcards::PerSegment { .. }) && segment < RESOURCE_SEGMENT;
        let token = match piece {
            Piece::Char(char) => {
                if *char == ':' && segment < RESOURCE_SEGMENT {
                    segment += 1;
                }
                text.push(*char);
                continue;
            }
            Piece::Star if wildcards == Wildcards::Literal => {
                text.push('*');
                continue;
            }
            Piece::Question if wildcards == Wildcards::Literal => {
                text.push('?');
                continue;
            }
            Piece::Star if bounded => {
                let ends_segment = pieces.get(index + 1).is_none_or(|next| *next == Piece::Char(':'));
                let may_run_over = wildcards == Wildcards::PerSegment { end_runs_over: true };
                if may_run_over && ends_segment && segment > SERVICE_SEGMENT {
                    Token::Any
                } else {
                    Token::AnyInSegment
                }
            }
            Piece::Question if bounded => Token::OneInSegment,
            Piece::Star => Token::Any,
            Piece::Question => Token::One,
            Piece::Variable(variable) => Token::Variable(variable.clone()),
        };
        if !text.is_empty() {
            tokens.push(Token::Text(std::mem::take(&mut text).into()));
        }
        // `**` says no more than `*`, and would make the matcher revisit the same positions.
        if !(token == Token::Any && tokens.last() == Some(&Token::Any)) {
            tokens.push(token);
        }
    }
    if !text.is_empty() {
        tokens.push(Token::Text(text.into()));
    }
    match tokens.as_slice() {
        [] => Shape::Literal("".into()),
        [Token::Any] => Shape::Everything,
        [Token::Text(text)] => Shape::Literal(text.clone()),
        [Token::Text(text), Token::Any] => Shape::Prefix(text.clone()),
        other if other.iter().any(|token| matches!(token, Token::Variable(_))) => {
            Shape::Template(tokens.into())
        }
        _ => Shape::Tokens(tokens.into()),
    }
}

/// Matches without allocating and without recursion.
///
/// Two resume points are enough. A star over anything makes all earlier ones moot, since they matched as little as
/// they could. A star inside a segment ends at the first colon after it, so an earlier one in the same segment can
/// win nothing by taking more, and one in an earlier segment has no choice left.
fn run(tokens: &[Token], text: &str, context: &Context, fold: bool) -> bool {
    let bytes = text.as_bytes();
    let mut token = 0;
    let mut at = 0;
    let mut any: Option<(usize, usize)> = None;
    let mut in_segment: Option<(usize, usize)> = None;
    loop {
        let step = match tokens.get(token) {
            None if at == bytes.len() => return true,
            None => None,
            Some(Token::Any) => {
                token += 1;
                any = Some((token, at));
                in_segment = None;
                continue;
            }
            Some(Token::AnyInSegment) => {
                token += 1;
                in_segment = Some((token, at));
                continue;
            }
            Some(Token::One) => width(bytes, at),
            Some(Token::OneInSegment) => width_in_segment(bytes, at),
            Some(Token::Text(part)) => prefix(bytes, at, part, fold),
            Some(Token::Variable(variable)) => variable
                .resolve(context)
                .and_then(|value| prefix(bytes, at, value, fold)),
        };
        if let Some(step) = step {
            at += step;
            token += 1;
            continue;
        }
        if let Some((resume, from)) = in_segment {
            let next = width_in_segment(bytes, from)
                .and_then(|step| seek(tokens.get(resume), bytes, from + step, true, fold));
            in_segment = next.map(|next| (resume, next));
            if let Some(next) = next {
                (token, at) = (resume, next);
                continue;
            }
        }
        let Some((resume, from)) = any else {
            return false;
        };
        let next =
            width(bytes, from).and_then(|step| seek(tokens.get(resume), bytes, from + step, false, fold));
        let Some(next) = next else {
            return false;
        };
        any = Some((resume, next));
        (token, at) = (resume, next);
    }
}

/// The first place from `from` on where what follows a star can begin; `None` when there is none. Without this, most
/// of the time goes into comparing at places where not even the first byte fits.
fn seek(follows: Option<&Token>, bytes: &[u8], from: usize, in_segment: bool, fold: bool) -> Option<usize> {
    let Some(Token::Text(part)) = follows else {
        return Some(from);
    };
    let first = *part.as_bytes().first()?;
    let fits = |byte: &u8| *byte == first || (fold && byte.eq_ignore_ascii_case(&first));
    let rest = bytes.get(from..)?;
    let skipped = rest
        .iter()
        .position(|byte| fits(byte) || (in_segment && *byte == b':'))?;
    rest.get(skipped).is_some_and(fits).then_some(from + skipped)
}

/// Bytes of the character at `at`; `None` at the end.
fn width(bytes: &[u8], at: usize) -> Option<usize> {
    let first = *bytes.get(at)?;
    Some(match first {
        0x00..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xff => 4,
    })
}

fn width_in_segment(bytes: &[u8], at: usize) -> Option<usize> {
    width(bytes, at).filter(|_| bytes.get(at) != Some(&b':'))
}

fn prefix(bytes: &[u8], at: usize, part: &str, fold: bool) -> Option<usize> {
    let head = bytes.get(at..at.checked_add(part.len())?)?;
    let equal = if fold {
        head.eq_ignore_ascii_case(part.as_bytes())
    } else {
        head == part.as_bytes()
    };
    equal.then_some(part.len())
}

#[cfg(test)]
mod tests;
