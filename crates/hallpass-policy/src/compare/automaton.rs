//! The patterns of both policies as one automaton, and a position in all of them at once.

use crate::pattern::{Pattern, Token};
use crate::variable::Variable;

/// One step of a text that may hold values not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Symbol {
    Char(char),
    /// The value of a variable, by its index in [`Variables`].
    Variable(usize),
}

/// The variables met so far.
#[derive(Debug, Default)]
pub(super) struct Variables(Vec<Variable>);

impl Variables {
    pub(super) fn index(&mut self, variable: &Variable) -> usize {
        if let Some(index) = self.0.iter().position(|known| known == variable) {
            return index;
        }
        self.0.push(variable.clone());
        self.0.len() - 1
    }

    pub(super) fn get(&self, index: usize) -> Option<&Variable> {
        self.0.get(index)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Variable> {
        self.0.iter()
    }
}

/// What a counterexample wants of a group of patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// One of them has to match.
    Must,
    /// None of them may match.
    MustNot,
    /// Better if one of them matches.
    Rather,
    /// Better if none of them matches.
    RatherNot,
}

impl Want {
    pub(super) fn is_match(self) -> bool {
        matches!(self, Self::Must | Self::Rather)
    }
}

/// Patterns that only matter together.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) patterns: Vec<&'a Pattern>,
    pub(super) want: Want,
    /// Letters match whatever their ASCII case.
    pub(super) fold: bool,
    /// The text is written as one of these patterns reads it: a variable puts its value there. At most one group of
    /// a search writes. In the others, where a match is wanted, a variable may be anything; where none is wanted, only
    /// its own value in the text is certain to match it.
    pub(super) writes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Char(char),
    Any,
    AnyInSegment,
    One,
    OneInSegment,
    Variable(usize),
    End,
    /// Of a group: it has matched, however the text goes on.
    Settled,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    node: Node,
    group: u32,
    /// The first place of the same pattern.
    start: u32,
    /// The place after the last of the same pattern.
    end: u32,
}

/// All places of all patterns.
#[derive(Debug)]
pub(super) struct Automaton {
    places: Vec<Place>,
    groups: Vec<(Want, bool, bool)>,
    /// The place that says a group has matched for good, by group.
    settled: Vec<u32>,
    starts: Vec<u32>,
}

/// Where all patterns stand after some text. Sorted; a pattern that cannot match any more is absent.
pub(super) type Places = Vec<u32>;

impl Automaton {
    pub(super) fn new(groups: &[Group<'_>], variables: &mut Variables) -> Self {
        let mut automaton = Self {
            places: Vec::new(),
            groups: groups
                .iter()
                .map(|group| (group.want, group.fold, group.writes))
                .collect(),
            settled: Vec::new(),
            starts: Vec::new(),
        };
        for group in 0..groups.len() {
            let at = automaton.places.len() as u32;
            automaton.settled.push(at);
            automaton.push(Node::Settled, group, at, at + 1);
        }
        for (index, group) in groups.iter().enumerate() {
            for pattern in &group.patterns {
                automaton.compile(pattern, index, group.fold, variables);
            }
        }
        automaton
    }

    fn push(&mut self, node: Node, group: usize, start: u32, end: u32) {
        let group = group as u32;
        self.places.push(Place {
            node,
            group,
            start,
            end,
        });
    }

    fn compile(&mut self, pattern: &Pattern, group: usize, fold: bool, variables: &mut Variables) {
        let Some(tokens) = pattern.tokens() else { return };
        let mut nodes = Vec::new();
        for token in &tokens {
            match token {
                Token::Text(text) if fold => {
                    nodes.extend(text.chars().map(|char| Node::Char(char.to_ascii_lowercase())));
                }
                Token::Text(text) => nodes.extend(text.chars().map(Node::Char)),
                Token::Any => nodes.push(Node::Any),
                Token::AnyInSegment => nodes.push(Node::AnyInSegment),
                Token::One => nodes.push(Node::One),
                Token::OneInSegment => nodes.push(Node::OneInSegment),
                Token::Variable(variable) => nodes.push(Node::Variable(variables.index(variable))),
            }
        }
        nodes.push(Node::End);
        let start = self.places.len() as u32;
        let end = start + nodes.len() as u32;
        self.starts.push(start);
        for node in nodes {
            self.push(node, group, start, end);
        }
    }

    fn want(&self, place: Place) -> Want {
        self.groups
            .get(place.group as usize)
            .map_or(Want::RatherNot, |group| group.0)
    }

    fn fold(&self, place: Place) -> bool {
        self.groups.get(place.group as usize).is_some_and(|group| group.1)
    }

    fn writes(&self, place: Place) -> bool {
        self.groups.get(place.group as usize).is_some_and(|group| group.2)
    }

    /// Whether the variable at this place stands for any text.
    fn is_wide(&self, place: Place) -> bool {
        self.groups
            .get(place.group as usize)
            .is_some_and(|(want, _, writes)| want.is_match() && !writes)
    }

    fn place(&self, at: u32) -> Option<Place> {
        self.places.get(at as usize).copied()
    }

    /// The places before any text.
    pub(super) fn start(&self) -> Places {
        self.tidy(self.starts.clone())
    }

    /// The places after one more step.
    pub(super) fn step(&self, places: &[u32], symbol: Symbol) -> Places {
        let mut next = Vec::with_capacity(places.len());
        for at in places {
            let Some(place) = self.place(*at) else { continue };
            match symbol {
                Symbol::Char(char) => {
                    let in_segment = char != ':';
                    match place.node {
                        Node::Char(own) => {
                            let same = own == char || (self.fold(place) && own == char.to_ascii_lowercase());
                            if same {
                                next.push(at + 1);
                            }
                        }
                        Node::Any | Node::Settled => next.push(*at),
                        Node::AnyInSegment if in_segment => next.push(*at),
                        Node::OneInSegment if in_segment => next.push(at + 1),
                        Node::One => next.push(at + 1),
                        Node::Variable(_) if self.is_wide(place) => next.push(*at),
                        Node::AnyInSegment | Node::OneInSegment | Node::Variable(_) | Node::End => {}
                    }
                }
                Symbol::Variable(variable) => match place.node {
                    Node::Variable(own) if own == variable && !self.is_wide(place) => next.push(at + 1),
                    // What writes the text reads its variables where it wrote them, and nowhere else.
                    _ if self.writes(place) => {}
                    Node::Any | Node::Settled => next.push(*at),
                    // Some value may take the pattern to any place ahead.
                    _ if self.want(place).is_match() => next.extend(*at..place.end),
                    _ => {}
                },
            }
        }
        self.tidy(next)
    }

    /// Adds what is reached without text, and leaves out what adds nothing to what can still match.
    fn tidy(&self, mut places: Places) -> Places {
        let mut index = 0;
        while let Some(at) = places.get(index).copied() {
            index += 1;
            let Some(place) = self.place(at) else { continue };
            let skips = match place.node {
                Node::Any | Node::AnyInSegment => true,
                Node::Variable(_) => self.is_wide(place),
                _ => false,
            };
            if skips {
                places.push(at + 1);
            }
            let ends = || self.place(at + 1).is_some_and(|next| next.node == Node::End);
            if place.node == Node::Any
                && ends()
                && let Some(settled) = self.settled.get(place.group as usize)
            {
                places.push(*settled);
            }
        }
        places.sort_unstable();
        places.dedup();
        let mut kept: Places = Vec::with_capacity(places.len());
        // From the back, so that the last star of a pattern comes before what it makes moot.
        let mut star: Option<Place> = None;
        for at in places.iter().rev() {
            let Some(place) = self.place(*at) else { continue };
            let settled = self.settled.get(place.group as usize);
            let moot = star.is_some_and(|star| star.start == place.start)
                || settled.is_some_and(|settled| settled != at && places.binary_search(settled).is_ok());
            if moot {
                continue;
            }
            if place.node == Node::Any {
                star = Some(place);
            }
            kept.push(*at);
        }
        kept.reverse();
        kept
    }

    /// By group, whether one of its patterns matches a text that ends here.
    pub(super) fn matched(&self, places: &[u32]) -> Vec<bool> {
        let mut matched = vec![false; self.groups.len()];
        for at in places {
            if let Some(place) = self.place(*at)
                && matches!(place.node, Node::End | Node::Settled)
                && let Some(group) = matched.get_mut(place.group as usize)
            {
                *group = true;
            }
        }
        matched
    }

    /// Whether nothing that follows can give every group what it must have.
    pub(super) fn is_hopeless(&self, places: &[u32]) -> bool {
        self.groups
            .iter()
            .enumerate()
            .any(|(group, (want, _, _))| match want {
                Want::Must => !places.iter().any(|at| self.group_of(*at) == Some(group)),
                Want::MustNot => self
                    .settled
                    .get(group)
                    .is_some_and(|settled| places.binary_search(settled).is_ok()),
                Want::Rather | Want::RatherNot => false,
            })
    }

    fn group_of(&self, at: u32) -> Option<usize> {
        self.place(at).map(|place| place.group as usize)
    }

    /// Splits places into those wanted and those not.
    pub(super) fn split(&self, places: &[u32]) -> (Places, Places) {
        places
            .iter()
            .partition(|at| self.place(**at).is_some_and(|place| self.want(place).is_match()))
    }

    /// Whether all that can match from `less` can match from `more`.
    pub(super) fn covers(&self, more: &[u32], less: &[u32]) -> bool {
        less.iter().all(|at| {
            let Some(place) = self.place(*at) else { return true };
            let has = |at: u32| more.binary_search(&at).is_ok();
            if has(*at)
                || self
                    .settled
                    .get(place.group as usize)
                    .is_some_and(|settled| has(*settled))
            {
                return true;
            }
            let from = more.partition_point(|other| other <= at);
            let ahead = more.iter().skip(from).take_while(|other| **other < place.end);
            ahead
                .into_iter()
                .any(|other| self.place(*other).is_some_and(|other| other.node == Node::Any))
        })
    }

    /// The characters and variables that patterns look for next, and whether a colon matters to any.
    pub(super) fn looked_for(&self, places: &[u32]) -> Vec<Symbol> {
        let mut symbols = Vec::new();
        for at in places {
            let Some(place) = self.place(*at) else { continue };
            match place.node {
                Node::Char(char) => {
                    symbols.push(Symbol::Char(char));
                    if self.fold(place) {
                        symbols.push(Symbol::Char(char.to_ascii_uppercase()));
                    }
                }
                Node::AnyInSegment | Node::OneInSegment => symbols.push(Symbol::Char(':')),
                Node::Variable(variable) if self.writes(place) => {
                    symbols.push(Symbol::Variable(variable));
                }
                _ => {}
            }
        }
        symbols
    }
}
