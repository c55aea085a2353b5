//! Choosing a state for every key so that no unwanted statement applies.

use super::Budget;
use super::bits::Bits;
use super::classes::OverBudget;
use super::keys::Choice;
use std::collections::HashSet;

/// Goes through the combinations of one choice per key in which every one of `unwanted` statements fails on some key,
/// until `accept` is content. Says whether it was.
pub(super) fn combinations(
    keys: &[Vec<Choice>],
    unwanted: usize,
    budget: &mut Budget,
    mut accept: impl FnMut(&[&Choice]) -> bool,
) -> Result<bool, OverBudget> {
    let all = Bits::full(unwanted);
    // What the keys from each one on can still bring about.
    let mut ahead = vec![Bits::empty(unwanted)];
    for choices in keys.iter().rev() {
        let last = ahead.last().cloned().unwrap_or_else(|| Bits::empty(unwanted));
        ahead.push(choices.iter().fold(last, |sum, choice| sum.or(&choice.failing)));
    }
    ahead.reverse();
    let mut taken: Vec<&Choice> = Vec::new();
    let mut reached = vec![Bits::empty(unwanted)];
    let mut next = vec![0];
    let mut seen = HashSet::new();
    while let Some(index) = next.last_mut() {
        budget.spend(1 + unwanted as u64 / 64)?;
        let depth = taken.len();
        let so_far = reached.last().cloned().unwrap_or_else(|| Bits::empty(unwanted));
        let choice = keys.get(depth).and_then(|choices| choices.get(*index));
        *index += 1;
        let Some(choice) = choice else {
            if depth == keys.len() && all.is_subset(&so_far) && accept(&taken) {
                return Ok(true);
            }
            next.pop();
            taken.pop();
            reached.pop();
            continue;
        };
        let now = so_far.or(&choice.failing);
        let possible = ahead
            .get(depth + 1)
            .is_some_and(|ahead| all.is_subset(&now.or(ahead)));
        if possible && seen.insert((depth, now.clone())) {
            taken.push(choice);
            reached.push(now);
            next.push(0);
        }
    }
    Ok(false)
}
