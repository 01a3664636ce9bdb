//! Tests of a packet: one field of the table, a sign, and what the field is compared with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Wheel;
use crate::model::{Attribute, FieldRow, IpSetDirection, Kind, Protocol, Role, Value};

/// One test of a rule. A mask, a range's end, an ICMP code belongs to its leader's expression, and one sign
/// stands for the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expression {
    /// The field that is tested: the leader's attribute.
    pub attribute: Attribute,
    /// Whether the test is inverted as a whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negated: bool,
    /// What it is compared with.
    pub test: Test,
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Test {
    /// Equal to a value. For `gratuitous`, `connlimit-above`, `option`, `flags`: the test of that name.
    Is(Slot),
    /// Equal in the bits of a mask: of the value, too, only these bits count.
    Masked {
        /// The value.
        value: Slot,
        /// A MAC mask or a prefix length.
        mask: Slot,
    },
    /// Between two values, both included.
    Range {
        /// The lowest.
        start: Slot,
        /// The highest.
        end: Slot,
    },
    /// ICMP type and code, both within their ranges; negated: not both.
    TypeCode(TypeCode),
    /// A look-up in an IP set of the kernel.
    InSet {
        /// Name of the set.
        name: Slot,
        /// The header fields looked up, as seen in the rule's own direction.
        flags: Vec<IpSetDirection>,
    },
}

/// Ranges of ICMP types and codes (XML-75); an end equal to its start is one value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TypeCode {
    /// Lowest type.
    pub type_start: Slot,
    /// Highest type.
    pub type_end: Slot,
    /// Lowest code.
    pub code_start: Slot,
    /// Highest code.
    pub code_end: Slot,
}

/// A value, or a column of a wheel of the rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Slot {
    /// This value.
    Value(Value),
    /// The value at the wheel's present position.
    Column {
        /// Index into the rule's wheels.
        wheel: usize,
        /// Index into the wheel's columns.
        column: usize,
    },
}

impl Slot {
    /// The value in one combination; none only if the slot refers to nothing, which [`super::Rule::check`]
    /// excludes.
    pub fn value<'a>(&'a self, wheels: &'a [Wheel], positions: &[usize]) -> Option<&'a Value> {
        match self {
            Slot::Value(value) => Some(value),
            Slot::Column { wheel, column } => {
                let position = positions.get(*wheel)?;
                wheels.get(*wheel)?.columns.get(*column)?.values.get(*position)
            }
        }
    }

    /// All values that the slot can have.
    pub fn values<'a>(&'a self, wheels: &'a [Wheel]) -> &'a [Value] {
        match self {
            Slot::Value(value) => std::slice::from_ref(value),
            Slot::Column { wheel, column } => wheels
                .get(*wheel)
                .and_then(|wheel| wheel.columns.get(*column))
                .map_or(&[], |column| column.values.as_slice()),
        }
    }

    /// The wheel that the slot walks; none for a literal.
    pub fn wheel(&self) -> Option<usize> {
        match self {
            Slot::Value(_) => None,
            Slot::Column { wheel, .. } => Some(*wheel),
        }
    }

    fn check(&self, kind: Kind, wheels: &[Wheel]) -> Result<(), String> {
        let values = self.values(wheels);
        if values.is_empty() {
            return Err("it refers to a wheel or column that does not exist".to_owned());
        }
        match values.iter().find(|value| !value.is_of(kind)) {
            Some(value) => Err(format!("`{}` is not {}", value.print(kind), kind.expected())),
            None => Ok(()),
        }
    }
}

impl Test {
    /// All slots of the test.
    pub fn slots(&self) -> Vec<&Slot> {
        match self {
            Test::Is(slot) | Test::InSet { name: slot, .. } => vec![slot],
            Test::Masked { value, mask } => vec![value, mask],
            Test::Range { start, end } => vec![start, end],
            Test::TypeCode(TypeCode { type_start, type_end, code_start, code_end }) => {
                vec![type_start, type_end, code_start, code_end]
            }
        }
    }
}

impl Expression {
    /// The expression with source and destination exchanged.
    #[must_use]
    pub fn mirrored(&self) -> Expression {
        let mut mirrored = self.clone();
        mirrored.attribute = self.attribute.mirrored();
        if let Test::InSet { flags, .. } = &mut mirrored.test {
            for flag in flags {
                *flag = match flag {
                    IpSetDirection::Src => IpSetDirection::Dst,
                    IpSetDirection::Dst => IpSetDirection::Src,
                };
            }
        }
        mirrored
    }

    pub(super) fn check(&self, protocol: Protocol, wheels: &[Wheel]) -> Result<(), String> {
        let Some(row) = protocol.row(self.attribute) else { return Err("the protocol does not take it".to_owned()) };
        let follower = |wanted: fn(Role, Attribute) -> bool| {
            let found = protocol.rows().iter().find(|other| wanted(other.role, self.attribute));
            found.map(|row| row.kind).ok_or_else(|| "it takes no such test".to_owned())
        };
        let fits = |row: &FieldRow, slot: &Slot| slot.check(row.kind, wheels);
        match &self.test {
            Test::Is(slot) => fits(row, slot),
            Test::Masked { value, mask } => {
                let kind = follower(|role, leader| role == Role::MaskOf(leader))?;
                fits(row, value)?;
                mask.check(kind, wheels)
            }
            Test::Range { start, end } => {
                let kind = follower(|role, leader| role == Role::EndOf(leader))?;
                fits(row, start)?;
                end.check(kind, wheels)
            }
            Test::TypeCode(_) => {
                if !matches!(self.attribute, Attribute::Type | Attribute::Code) {
                    return Err("only ICMP has type and code".to_owned());
                }
                follower(|role, _| matches!(role, Role::CodeOf(_)))?;
                self.test.slots().into_iter().try_for_each(|slot| slot.check(Kind::U8, wheels))
            }
            Test::InSet { name, flags } => {
                if self.attribute != Attribute::IpSet || flags.is_empty() {
                    return Err("a look-up in a set is for `ipset`, with one to six fields".to_owned());
                }
                fits(row, name)
            }
        }
    }
}
