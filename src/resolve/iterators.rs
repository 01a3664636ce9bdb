//! From the accesses of a rule to its wheels (spec 02, section 4).

use std::collections::HashSet;

use super::tree::Environment;
use crate::model::{AccessKind, VariableAccess};

/// Accesses that are walked in step, with the positions that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Steps<'a> {
    /// The iterator's number.
    pub iterator: u16,
    /// The accesses, in order of first appearance, each with all its values.
    pub lists: Vec<(&'a VariableAccess, &'a [String])>,
    /// Positions whose values differ from those of every earlier one (RES-35), in order.
    pub positions: Vec<usize>,
}

/// Lists of one iterator that have different lengths (RES-33).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unequal {
    /// The iterator.
    pub iterator: u16,
    /// Each access with the number of its values.
    pub lists: Vec<(VariableAccess, usize)>,
}

/// Builds the odometer of RES-32: iterator 0 first, the others in order of first appearance. Accesses to single
/// elements do not turn, so they are not in it.
///
/// # Errors
/// Every iterator whose lists differ in length.
pub fn odometer<'a>(
    accesses: &[&'a VariableAccess],
    environment: &'a Environment,
) -> Result<Vec<Steps<'a>>, Vec<Unequal>> {
    let mut wheels: Vec<Steps<'a>> = vec![Steps { iterator: 0, lists: Vec::new(), positions: Vec::new() }];
    for access in accesses.iter().copied() {
        let AccessKind::Iterator(iterator) = access.kind else { continue };
        let list = (access, environment.values(&access.name));
        match wheels.iter_mut().find(|wheel| wheel.iterator == iterator) {
            Some(wheel) => wheel.lists.push(list),
            None => wheels.push(Steps { iterator, lists: vec![list], positions: Vec::new() }),
        }
    }
    wheels.retain(|wheel| !wheel.lists.is_empty());
    let unequal: Vec<Unequal> = wheels.iter().filter_map(check_lengths).collect();
    if !unequal.is_empty() {
        return Err(unequal);
    }
    for wheel in &mut wheels {
        wheel.positions = distinct(&wheel.lists);
    }
    Ok(wheels)
}

fn check_lengths(wheel: &Steps<'_>) -> Option<Unequal> {
    let lists: Vec<(VariableAccess, usize)> =
        wheel.lists.iter().map(|(access, values)| ((*access).clone(), values.len())).collect();
    let (_, first) = lists.first()?;
    let equal = lists.iter().all(|(_, length)| length == first);
    (!equal).then_some(Unequal { iterator: wheel.iterator, lists })
}

/// The positions that no earlier position of the wheel equals in all lists; texts are compared (RES-35).
fn distinct(lists: &[(&VariableAccess, &[String])]) -> Vec<usize> {
    let length = lists.first().map_or(0, |(_, values)| values.len());
    let mut seen: HashSet<Vec<&str>> = HashSet::with_capacity(length);
    let texts =
        |position: usize| lists.iter().filter_map(|(_, values)| values.get(position)).map(String::as_str).collect();
    (0..length).filter(|position| seen.insert(texts(*position))).collect()
}
