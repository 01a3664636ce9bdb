//! The arguments of one rule, while they are put together.

use crate::model::{Attribute, Value, format_ipv6};
use crate::ruleset::{Expression, Orientation, Placement, Rule, Slot, Test};

/// Why a rule cannot be said in a tool's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The ruleset was made by hand, wrongly: a value of another kind, or a test that the attribute does not take.
    Malformed(Attribute),
    /// There are no words for it; what, and what helps.
    Inexpressible(Attribute, &'static str, &'static str),
    /// It needs another test in the rule: which.
    NeedsProtocol(Attribute, &'static str),
}

/// Where the sign of a test stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// Between option and value: ebtables (EB-42).
    Behind,
    /// In front of the option: iptables (EB-62).
    InFront,
}

/// The arguments of one rule, or of several that stand for it together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Words {
    alternatives: Vec<Vec<String>>,
    sign: Sign,
}

impl Words {
    pub(super) fn new(sign: Sign) -> Self {
        Words { alternatives: vec![Vec::new()], sign }
    }

    pub(super) fn push(&mut self, word: &str) {
        self.all(&[word]);
    }

    pub(super) fn all(&mut self, words: &[&str]) {
        for alternative in &mut self.alternatives {
            alternative.extend(words.iter().map(|word| (*word).to_owned()));
        }
    }

    /// An option with its sign and value.
    pub(super) fn option(&mut self, negated: bool, name: &str, value: &str) {
        match (negated, self.sign) {
            (false, _) => self.all(&[name, value]),
            (true, Sign::Behind) => self.all(&[name, "!", value]),
            (true, Sign::InFront) => self.all(&["!", name, value]),
        }
    }

    /// An option that has one of several values: the rule is said once for each.
    pub(super) fn one_of(&mut self, name: &str, values: &[String]) {
        let mut alternatives = Vec::with_capacity(self.alternatives.len() * values.len());
        for alternative in &self.alternatives {
            for value in values {
                let mut longer = alternative.clone();
                longer.extend([name.to_owned(), value.clone()]);
                alternatives.push(longer);
            }
        }
        self.alternatives = alternatives;
    }

    /// Nothing matches the rule: it is not said at all.
    pub(super) fn never(&mut self) {
        self.alternatives.clear();
    }

    pub(super) fn finish(self) -> Vec<Vec<String>> {
        self.alternatives
    }
}

/// One combination of a rule's lists.
#[derive(Debug, Clone, Copy)]
pub(super) struct Combination<'a> {
    pub(super) rule: &'a Rule,
    pub(super) positions: &'a [usize],
}

impl Combination<'_> {
    pub(super) fn value(&self, attribute: Attribute, slot: &Slot) -> Result<Value, Wrong> {
        slot.value(&self.rule.wheels, self.positions).cloned().ok_or(Wrong::Malformed(attribute))
    }

    pub(super) fn number(&self, attribute: Attribute, slot: &Slot) -> Result<u32, Wrong> {
        self.value(attribute, slot)?.number().ok_or(Wrong::Malformed(attribute))
    }

    /// The text of a value (EB-30).
    pub(super) fn text(&self, attribute: Attribute, slot: &Slot) -> Result<String, Wrong> {
        Ok(match self.value(attribute, slot)? {
            Value::Number(number) | Value::Hex(number) => number.to_string(),
            Value::Mac(address) => address.to_string(),
            Value::MacMask(mask) => mask.to_string(),
            Value::Ipv4(address) => address.to_string(),
            Value::Ipv6(address) => format_ipv6(address),
            Value::Prefix(length) => length.to_string(),
            Value::IpSet(name) => name,
            Value::Bool(_) | Value::Text(_) | Value::State(_) | Value::TcpFlags(_) | Value::IpSetFlags(_) => {
                return Err(Wrong::Malformed(attribute));
            }
        })
    }

    /// The text of a value with its mask or its range's end (EB-32).
    pub(super) fn operand(&self, attribute: Attribute, test: &Test, between: char) -> Result<String, Wrong> {
        let print = |slot| self.text(attribute, slot);
        match test {
            Test::Is(slot) => print(slot),
            Test::Masked { value, mask } => Ok(format!("{}/{}", print(value)?, print(mask)?)),
            Test::Range { start, end } => Ok(format!("{}{between}{}", print(start)?, print(end)?)),
            Test::TypeCode(_) | Test::InSet { .. } => Err(Wrong::Malformed(attribute)),
        }
    }
}

/// Whether a test looks at no bit of its field, so that it holds always, or inverted never.
pub(super) fn looks_at_nothing(combination: Combination<'_>, expression: &Expression) -> Result<bool, Wrong> {
    let Test::Masked { mask, .. } = &expression.test else { return Ok(false) };
    Ok(match combination.value(expression.attribute, mask)? {
        Value::Prefix(length) => length == 0,
        Value::MacMask(mask) => mask.to_string() == "00:00:00:00:00:00",
        Value::Number(_)
        | Value::Hex(_)
        | Value::Mac(_)
        | Value::Ipv4(_)
        | Value::Ipv6(_)
        | Value::Bool(_)
        | Value::Text(_)
        | Value::State(_)
        | Value::TcpFlags(_)
        | Value::IpSet(_)
        | Value::IpSetFlags(_) => return Err(Wrong::Malformed(expression.attribute)),
    })
}

/// A test of a rule as it reads in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    /// The attribute as the author wrote it: it decides the place among the options.
    pub(super) written: Attribute,
    /// The test, with source and destination exchanged if the placement says so: it decides the option's name.
    pub(super) expression: Expression,
}

/// The tests of a rule in one chain, in the order of a rank of the attributes as written: exchanging source and
/// destination changes names, never the order (EB-41).
pub(super) fn shown<Rank: Ord>(rule: &Rule, placement: &Placement, rank: impl Fn(Attribute) -> Rank) -> Vec<Shown> {
    let mut all: Vec<Shown> = placement
        .expressions(rule)
        .into_iter()
        .map(|expression| {
            let written = match placement.orientation {
                Orientation::AsWritten => expression.attribute,
                Orientation::Mirrored => expression.attribute.mirrored(),
            };
            Shown { written, expression }
        })
        .collect();
    all.sort_by_key(|shown| rank(shown.written));
    all
}
