//! Which texts a request can hold in the place that is looked at.

/// What the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Universe {
    /// `service:Name` in lower case, since actions are compared without regard to case.
    Action,
    /// What [`hallpass_types::Arn`] reads, or `*` for actions that know no resources.
    Resource,
    /// The value of a condition key: anything.
    Value,
}

const ARN: [char; 4] = ['a', 'r', 'n', ':'];
/// The states of [`Universe::Resource`]: 0 to 3 are within `arn:`.
const PARTITION: u8 = 4;
const SERVICE: u8 = 6;
const REGION: u8 = 8;
const ACCOUNT: u8 = 9;
const PATH: u8 = 10;
const PATH_BEGUN: u8 = 11;
const NO_RESOURCE: u8 = 12;
const NAME_BEGUN: u8 = 3;

impl Universe {
    /// The state after `char`; `None` when no text goes on so.
    pub(super) fn step(self, state: u8, char: char) -> Option<u8> {
        match self {
            Self::Value => Some(0),
            Self::Action => {
                let vendor = char.is_ascii_lowercase() || char.is_ascii_digit() || matches!(char, '-' | '.');
                match (state, char) {
                    (1, ':') => Some(2),
                    (0 | 1, _) => vendor.then_some(1),
                    (_, ':') => None,
                    _ => (!char.is_ascii_uppercase() && !char.is_whitespace() && !char.is_control())
                        .then_some(NAME_BEGUN),
                }
            }
            Self::Resource => match (state, char) {
                (0, '*') => Some(NO_RESOURCE),
                (0..PARTITION, _) => (ARN.get(usize::from(state)) == Some(&char)).then_some(state + 1),
                (PARTITION | SERVICE, ':') | (NO_RESOURCE, _) => None,
                (PARTITION | SERVICE, _) => Some(state + 1),
                (5 | 7 | REGION | ACCOUNT, ':') => Some(state + 1),
                (PATH | PATH_BEGUN, _) => Some(PATH_BEGUN),
                _ => Some(state),
            },
        }
    }

    /// The state after a value nobody knows. Variables stand only where every text may.
    pub(super) fn step_over(self, state: u8) -> Option<u8> {
        match self {
            Self::Value => Some(0),
            Self::Action => None,
            Self::Resource => (state >= PATH && state != NO_RESOURCE).then_some(PATH_BEGUN),
        }
    }

    /// Whether a text may end here.
    pub(super) fn accepts(self, state: u8) -> bool {
        match self {
            Self::Value => true,
            Self::Action => state == NAME_BEGUN,
            Self::Resource => matches!(state, PATH_BEGUN | NO_RESOURCE),
        }
    }

    /// Characters to go on with that the form itself asks for.
    pub(super) fn demands(self, state: u8) -> Vec<char> {
        match (self, state) {
            (Self::Action, 1) => vec![':'],
            (Self::Resource, 0) => vec!['a', '*'],
            (Self::Resource, 1..PARTITION) => ARN.get(usize::from(state)).copied().into_iter().collect(),
            (Self::Resource, 4..PATH) => vec![':'],
            _ => Vec::new(),
        }
    }
}
