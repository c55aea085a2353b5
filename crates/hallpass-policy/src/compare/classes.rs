//! The texts that matter: of all that a request can hold in one place, one for each best way to be matched.
//!
//! A counterexample wants some patterns to match and others not to, whatever the rest of it. So of two texts the
//! one that is matched by more of the wanted and fewer of the unwanted patterns is always as good, and a state of
//! the automaton need not be looked into when one at least as good has been (an antichain search). Without this the
//! texts that several wildcards match in every combination would be beyond counting.

use super::Budget;
use super::automaton::{Automaton, Group, Places, Symbol, Variables, Want};
use super::universe::Universe;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::rc::Rc;

/// A text, and which groups match it.
#[derive(Debug, Clone)]
pub(super) struct Class {
    pub(super) text: Vec<Symbol>,
    pub(super) matched: Vec<bool>,
}

/// The budget ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OverBudget;

/// States compared with a new one of the same kind.
const COMPARED_MAX: usize = 256;
/// What a free place is filled with, the first that nothing looks for.
const FILLERS: &str = "example0123456789bcdfghijknoqrstuvwyzEXAMPLEBCDFGHIJKNOQRSTUVWYZ-_.,;/=+@";

struct State {
    universe: u8,
    places: Places,
    parent: Option<(usize, Symbol)>,
    length: usize,
}

/// What states are ordered and compared by: the universe's state and the wanted places.
type Kind = (u8, Places);

struct Search<'a> {
    automaton: &'a Automaton,
    states: Vec<State>,
    queue: BinaryHeap<Reverse<(usize, usize, usize)>>,
    seen: HashSet<(u8, Rc<Places>)>,
    kinds: HashMap<Kind, Vec<Places>>,
}

/// Finds for every possible text one that is at least as good.
pub(super) fn best(
    universe: Universe,
    groups: &[Group<'_>],
    variables: &mut Variables,
    budget: &mut Budget,
) -> Result<Vec<Class>, OverBudget> {
    let automaton = Automaton::new(groups, variables);
    let mut search = Search {
        automaton: &automaton,
        states: Vec::new(),
        queue: BinaryHeap::new(),
        seen: HashSet::new(),
        kinds: HashMap::new(),
    };
    let wants = groups.iter().map(|group| group.want).collect::<Vec<_>>();
    let mut found: Vec<Class> = Vec::new();
    search.add(0, automaton.start(), None);
    while let Some(Reverse((_, _, index))) = search.queue.pop() {
        let Some((state, places)) = search
            .states
            .get(index)
            .map(|state| (state.universe, state.places.clone()))
        else {
            continue;
        };
        budget.spend(places.len() as u64 + 1)?;
        if universe.accepts(state) {
            let matched = automaton.matched(&places);
            let fits = wants.iter().zip(&matched).all(|(want, matched)| match want {
                Want::Must => *matched,
                Want::MustNot => !matched,
                Want::Rather | Want::RatherNot => true,
            });
            if fits
                && !found
                    .iter()
                    .any(|class| is_as_good(&wants, &class.matched, &matched))
            {
                found.retain(|class| !is_as_good(&wants, &matched, &class.matched));
                let perfect = wants
                    .iter()
                    .zip(&matched)
                    .all(|(want, matched)| want.is_match() == *matched);
                let text = search.text(index);
                found.push(Class { text, matched });
                if perfect {
                    break;
                }
            }
        }
        let mut symbols = automaton.looked_for(&places);
        symbols.extend(universe.demands(state).into_iter().map(Symbol::Char));
        let filler = filler(universe, state, &symbols);
        symbols.extend(filler);
        let mut tried = HashSet::new();
        for symbol in symbols.into_iter().rev().filter(|symbol| tried.insert(*symbol)) {
            let next = match symbol {
                Symbol::Char(char) => universe.step(state, char),
                Symbol::Variable(_) => universe.step_over(state),
            };
            let Some(next) = next else { continue };
            budget.spend(places.len() as u64 + 1)?;
            search.add(next, automaton.step(&places, symbol), Some((index, symbol)));
        }
    }
    Ok(found)
}

impl Search<'_> {
    fn add(&mut self, universe: u8, places: Places, parent: Option<(usize, Symbol)>) {
        if self.automaton.is_hopeless(&places) || !self.seen.insert((universe, Rc::new(places.clone()))) {
            return;
        }
        let (wanted, unwanted) = self.automaton.split(&places);
        let cost = unwanted.len();
        let kind = self.kinds.entry((universe, wanted)).or_default();
        if kind.iter().any(|known| self.automaton.covers(&unwanted, known)) {
            return;
        }
        if kind.len() < COMPARED_MAX {
            kind.push(unwanted);
        }
        let length = parent
            .and_then(|(parent, _)| self.states.get(parent))
            .map_or(0, |parent| parent.length + 1);
        self.queue.push(Reverse((cost, length, self.states.len())));
        self.states.push(State {
            universe,
            places,
            parent,
            length,
        });
    }

    fn text(&self, index: usize) -> Vec<Symbol> {
        let mut text = Vec::new();
        let mut at = self.states.get(index);
        while let Some((parent, symbol)) = at.and_then(|state| state.parent) {
            text.push(symbol);
            at = self.states.get(parent);
        }
        text.reverse();
        text
    }
}

/// Whether a text matched like `left` serves wherever one matched like `right` does.
fn is_as_good(wants: &[Want], left: &[bool], right: &[bool]) -> bool {
    let pairs = wants.iter().zip(left.iter().zip(right));
    pairs
        .into_iter()
        .all(|(want, (left, right))| match want.is_match() {
            true => left >= right,
            false => left <= right,
        })
}

/// A character that no pattern looks for; those it might be stand for one another.
fn filler(universe: Universe, state: u8, looked_for: &[Symbol]) -> Option<Symbol> {
    let taken = looked_for.iter().copied().collect::<HashSet<_>>();
    let more = ('\u{21}'..='\u{24f}').chain('\u{4e00}'..='\u{9fff}');
    FILLERS
        .chars()
        .chain(more)
        .filter(|char| *char != ':' && universe.step(state, *char).is_some())
        .map(Symbol::Char)
        .find(|symbol| !taken.contains(symbol))
}
