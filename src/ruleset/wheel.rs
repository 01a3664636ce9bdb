//! Lists of values, and the order in which their combinations come (spec 02, section 4).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rule;
use crate::model::{Value, VariableAccess};

/// Lists that are walked in step: one position of a wheel is one value of each of its columns.
///
/// Repetitions are already left out (RES-35), and there are at least two positions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wheel {
    /// The lists, all of one length. One variable that is used as two kinds of value has two columns.
    pub columns: Vec<Column>,
}

/// One list of a wheel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The access that it came from, for messages.
    pub access: VariableAccess,
    /// The values, each checked for the attribute that uses it.
    pub values: Vec<Value>,
}

impl Wheel {
    /// Number of positions.
    pub fn len(&self) -> usize {
        self.columns.first().map_or(0, |column| column.values.len())
    }

    /// Whether there is no position; never true in a ruleset.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let length = self.len();
        if length < 2 {
            return Err("a wheel has fewer than two positions".to_owned());
        }
        if self.columns.iter().any(|column| column.values.len() != length) {
            return Err("the columns of a wheel have different lengths".to_owned());
        }
        Ok(())
    }
}

/// Walks the combinations of a rule: the first wheel varies fastest (RES-34).
///
/// Each item has the position of each wheel, in the order of [`Rule::wheels`].
#[derive(Debug, Clone)]
pub struct Combinations {
    lengths: Vec<usize>,
    next: Option<Vec<usize>>,
}

impl Rule {
    /// The combinations of the rule's lists, in order; exactly one, without positions, if it has no list.
    pub fn combinations(&self) -> Combinations {
        let lengths: Vec<usize> = self.wheels.iter().map(Wheel::len).collect();
        let next = (!lengths.contains(&0)).then(|| vec![0; lengths.len()]);
        Combinations { lengths, next }
    }

    /// How many combinations there are; `usize::MAX` if that many or more.
    pub fn combination_count(&self) -> usize {
        self.wheels.iter().fold(1, |count, wheel| usize::saturating_mul(count, wheel.len()))
    }
}

impl Iterator for Combinations {
    type Item = Vec<usize>;

    fn next(&mut self) -> Option<Vec<usize>> {
        let current = self.next.take()?;
        let mut following = current.clone();
        for (position, length) in following.iter_mut().zip(&self.lengths) {
            *position += 1;
            if *position < *length {
                self.next = Some(following);
                break;
            }
            *position = 0;
        }
        Some(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Value;
    use crate::ruleset::Slot;
    use crate::ruleset::tests::rule;

    fn wheel(length: u32) -> Wheel {
        let access = crate::model::VariableAccess::plain("A".parse().unwrap_or_else(|_| unreachable!()));
        Wheel { columns: vec![Column { access, values: (0..length).map(Value::Number).collect() }] }
    }

    #[test]
    fn res_34_the_first_wheel_varies_fastest() {
        let mut rule = rule();
        rule.wheels = vec![wheel(2), wheel(3)];
        let order: Vec<Vec<usize>> = rule.combinations().collect();
        assert_eq!(order, [[0, 0], [1, 0], [0, 1], [1, 1], [0, 2], [1, 2]]);
        assert_eq!(rule.combination_count(), 6);
        let slot = Slot::Column { wheel: 1, column: 0 };
        let values: Vec<_> = order.iter().filter_map(|at| slot.value(&rule.wheels, at)?.number()).collect();
        assert_eq!(values, [0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn res_37_a_rule_without_lists_stands_once() {
        assert_eq!(rule().combinations().collect::<Vec<_>>(), [Vec::<usize>::new()]);
        assert_eq!(rule().combination_count(), 1);
    }

    #[test]
    fn a_wheel_needs_columns_of_one_length() {
        assert!(wheel(2).check().is_ok());
        assert!(wheel(1).check().is_err());
        let mut odd = wheel(2);
        odd.columns.extend(wheel(3).columns);
        assert!(odd.check().is_err());
    }
}
