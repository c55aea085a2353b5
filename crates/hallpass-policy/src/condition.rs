//! Condition blocks: operators, qualifiers, and how several values and keys combine.

mod arn;
mod binary;
mod boolean;
mod date;
mod ip;
mod null;
mod numeric;
mod string;

use crate::context::{Context, Key};
use crate::pattern::Pattern;

/// Whether something holds, when it may be impossible to say.
///
/// A value that its operator cannot read (a date that is none) is `Unknown`: it satisfies no `Allow` and escapes no
/// `Deny`. It is not simply false, because a false condition would switch a `Deny` off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Truth {
    True,
    False,
    Unknown,
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

impl Truth {
    /// Whether a statement applies: what cannot be decided binds a `Deny` and frees no `Allow`. With `hopeful` it is
    /// the other way round, to learn what is possible at all.
    pub(crate) fn binds(self, denies: bool, hopeful: bool) -> bool {
        self == Self::True || (self == Self::Unknown && denies != hopeful)
    }

    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown => Self::Unknown,
        }
    }

    pub(crate) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut result = Self::True;
        for part in parts {
            match part {
                Self::False => return Self::False,
                Self::Unknown => result = Self::Unknown,
                Self::True => {}
            }
        }
        result
    }

    fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::all(parts.into_iter().map(Self::not)).not()
    }
}

/// `ForAllValues:` and `ForAnyValue:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    All,
    Any,
}

/// How two ordered values must stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Compare {
    fn holds(self, ordering: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    String,
    StringIgnoreCase,
    Like,
    Numeric(Compare),
    Date(Compare),
    Bool,
    Binary,
    Ip,
    Arn,
    Null,
}

/// A condition operator with its qualifiers, such as `ForAnyValue:StringNotLikeIfExists`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator {
    test: Test,
    negated: bool,
    quantifier: Option<Quantifier>,
    if_exists: bool,
}

impl Operator {
    /// Reads an operator's name, which is case-sensitive; `None` for any that does not exist.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (quantifier, name) = if let Some(rest) = name.strip_prefix("ForAllValues:") {
            (Some(Quantifier::All), rest)
        } else if let Some(rest) = name.strip_prefix("ForAnyValue:") {
            (Some(Quantifier::Any), rest)
        } else {
            (None, name)
        };
        let (if_exists, name) = match name.strip_suffix("IfExists") {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let (test, negated) = match name {
            "StringEquals" => (Test::String, false),
            "StringNotEquals" => (Test::String, true),
            "StringEqualsIgnoreCase" => (Test::StringIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (Test::StringIgnoreCase, true),
            "StringLike" => (Test::Like, false),
            "StringNotLike" => (Test::Like, true),
            "NumericEquals" => (Test::Numeric(Compare::Equal), false),
            "NumericNotEquals" => (Test::Numeric(Compare::Equal), true),
            "NumericLessThan" => (Test::Numeric(Compare::Less), false),
            "NumericLessThanEquals" => (Test::Numeric(Compare::LessOrEqual), false),
            "NumericGreaterThan" => (Test::Numeric(Compare::Greater), false),
            "NumericGreaterThanEquals" => (Test::Numeric(Compare::GreaterOrEqual), false),
            "DateEquals" => (Test::Date(Compare::Equal), false),
            "DateNotEquals" => (Test::Date(Compare::Equal), true),
            "DateLessThan" => (Test::Date(Compare::Less), false),
            "DateLessThanEquals" => (Test::Date(Compare::LessOrEqual), false),
            "DateGreaterThan" => (Test::Date(Compare::Greater), false),
            "DateGreaterThanEquals" => (Test::Date(Compare::GreaterOrEqual), false),
            "Bool" => (Test::Bool, false),
            "BinaryEquals" => (Test::Binary, false),
            "IpAddress" => (Test::Ip, false),
            "NotIpAddress" => (Test::Ip, true),
            "ArnEquals" | "ArnLike" => (Test::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
            // It asks for existence itself, so neither qualifier can mean anything.
            "Null" if !if_exists && quantifier.is_none() => (Test::Null, false),
            _ => return None,
        };
        Some(Self {
            test,
            negated,
            quantifier,
            if_exists,
        })
    }
}

/// The right-hand sides, read once when the policy is parsed.
#[derive(Debug, Clone, PartialEq)]
enum Values {
    String(string::Values),
    Numeric(numeric::Values),
    Date(date::Values),
    Bool(boolean::Values),
    Binary(binary::Values),
    Ip(ip::Values),
    Arn(arn::Values),
    Null(null::Values),
}

/// One operator applied to one key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    pub(crate) operator_text: Box<str>,
    pub(crate) key_text: Box<str>,
    pub(crate) value_texts: Vec<Box<str>>,
    operator: Operator,
    /// Tag keys after the slash included.
    key: Key,
    values: Values,
}

impl Condition {
    /// Compiles one entry of a condition block; `None` when a value cannot belong to the operator.
    pub(crate) fn new(
        operator_text: &str,
        operator: Operator,
        key: &str,
        value_texts: Vec<Box<str>>,
        variables: bool,
    ) -> Option<Self> {
        let texts = value_texts.as_slice();
        let values = match operator.test {
            Test::String => Values::String(string::Values::equal(texts, variables)),
            Test::StringIgnoreCase => Values::String(string::Values::equal_ignoring_case(texts, variables)),
            Test::Like => Values::String(string::Values::like(texts, variables)),
            Test::Numeric(compare) => Values::Numeric(numeric::Values::parse(compare, texts)?),
            Test::Date(compare) => Values::Date(date::Values::parse(compare, texts)?),
            Test::Bool => Values::Bool(boolean::Values::parse(texts, variables)?),
            Test::Binary => Values::Binary(binary::Values::parse(texts)?),
            Test::Ip => Values::Ip(ip::Values::parse(texts)?),
            Test::Arn => Values::Arn(arn::Values::new(texts, variables)),
            Test::Null => Values::Null(null::Values::parse(texts)?),
        };
        Some(Self {
            operator_text: operator_text.into(),
            key_text: key.into(),
            operator,
            key: Key::new(key),
            values,
            value_texts,
        })
    }

    /// Whether the condition holds.
    ///
    /// Without values on the right there is nothing to decide with: AWS stores such a condition, and we let it
    /// neither grant nor lift a denial.
    pub(crate) fn evaluate(&self, context: &Context) -> Truth {
        if self.value_texts.is_empty() {
            return Truth::Unknown;
        }
        if context.is_open() && self.is_unknown(context) {
            return Truth::Unknown;
        }
        let found = context.lookup(&self.key);
        if let Values::Null(values) = &self.values {
            return values.hold(found).into();
        }
        let Some(found) = found else {
            return match self.operator.quantifier {
                _ if self.operator.if_exists => Truth::True,
                Some(Quantifier::All) => Truth::True,
                Some(Quantifier::Any) => Truth::False,
                // Nothing is unequal to everything, so a negated operator holds.
                None => self.operator.negated.into(),
            };
        };
        self.combine(found.values().iter().map(|value| self.matches(value, context)))
    }

    /// The condition keys its values' variables read, as written.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        let patterns = match &self.values {
            Values::String(values) => values.patterns(),
            Values::Arn(values) => values.patterns(),
            _ => &[],
        };
        patterns.iter().flat_map(Pattern::variables)
    }

    fn is_unknown(&self, context: &Context) -> bool {
        let values = match &self.values {
            Values::String(values) => values.patterns(),
            Values::Arn(values) => values.patterns(),
            _ => &[],
        };
        context.is_unknown(self.key.as_str()) || values.iter().any(|pattern| pattern.is_unknown(context))
    }

    /// What the request has for its key.
    pub(crate) fn found<'a>(&self, context: &'a Context) -> Option<&'a [String]> {
        context.lookup(&self.key).map(|value| value.values())
    }

    /// Whether any value on the right matches `value`, negation aside.
    fn matches(&self, value: &str, context: &Context) -> Truth {
        match &self.values {
            Values::String(values) => values.match_any(value, context).into(),
            Values::Arn(values) => values.match_any(value, context).into(),
            Values::Bool(values) => values.match_any(value, context),
            Values::Numeric(values) => values.match_any(value),
            Values::Date(values) => values.match_any(value),
            Values::Binary(values) => values.match_any(value),
            Values::Ip(values) => values.match_any(value),
            Values::Null(_) => Truth::Unknown,
        }
    }

    /// What the key's values amount to, given for each of them whether any value on the right matches it.
    pub(crate) fn combine(&self, matched: impl IntoIterator<Item = Truth>) -> Truth {
        let each = matched.into_iter().map(|matched| {
            if self.operator.negated {
                matched.not()
            } else {
                matched
            }
        });
        match self.operator.quantifier {
            Some(Quantifier::All) => Truth::all(each),
            Some(Quantifier::Any) => Truth::any(each),
            None if self.operator.negated => Truth::all(each),
            None => Truth::any(each),
        }
    }

    /// The key it reads, in lower case.
    pub(crate) fn key(&self) -> &str {
        self.key.as_str()
    }

    /// Whether the operator is the negation of another.
    pub(crate) fn is_negated(&self) -> bool {
        self.operator.negated
    }

    /// Whether the operator is made for keys with several values.
    pub(crate) fn is_quantified(&self) -> bool {
        self.operator.quantifier.is_some()
    }

    /// Whether one value that satisfies it is enough (`ForAnyValue`).
    pub(crate) fn is_for_any_value(&self) -> bool {
        self.operator.quantifier == Some(Quantifier::Any)
    }

    /// Whether the two always say the same of the same value.
    pub(crate) fn compares_as(&self, other: &Self) -> bool {
        self.operator.test == other.operator.test && self.values == other.values
    }

    /// Whether any value on the right matches `value`, negation aside, where no variable is involved.
    pub(crate) fn matches_value(&self, value: &str) -> Truth {
        self.matches(value, &Context::new())
    }

    /// What the right-hand side is compared with.
    pub(crate) fn reads(&self) -> Reads<'_> {
        match &self.values {
            Values::String(values) => Reads::Text {
                patterns: values.patterns(),
                ignore_case: values.ignores_case(),
            },
            Values::Arn(values) => Reads::Text {
                patterns: values.patterns(),
                ignore_case: false,
            },
            Values::Numeric(_) => Reads::Number,
            Values::Date(values) => Reads::Date(values.instants()),
            Values::Bool(values) => Reads::Bool {
                variables: values.has_variables(),
            },
            Values::Binary(_) => Reads::Binary,
            Values::Ip(values) => Reads::Ip(values.edges()),
            Values::Null(_) => Reads::Existence,
        }
    }
}

/// What an operator takes a key's value for, with what divides such values into those it tells apart.
#[derive(Debug)]
pub(crate) enum Reads<'a> {
    Text {
        patterns: &'a [Pattern],
        ignore_case: bool,
    },
    Number,
    /// Seconds since 1970 and nanoseconds of each date.
    Date(Vec<(i64, u32)>),
    Bool {
        variables: bool,
    },
    Binary,
    /// The first address of each network, and the first one after it.
    Ip(Vec<std::net::IpAddr>),
    Existence,
}
