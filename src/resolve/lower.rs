//! From a rule of the model, with its values, to a rule of the ruleset.
//!
//! Items become expressions: a mask, a range's end, an ICMP code joins its leader, and what has no effect
//! (XML-82) is left out. Every text that comes from a variable is read as the attribute's kind here, so that
//! nothing of a wrong type gets any further (RES-63). The signs were settled by the reader (XML-43), and each
//! expression takes its leader's.

use super::ResolveError;
use super::iterators::{Steps, odometer};
use super::tree::{Environment, Instance};
use crate::model::{
    AccessKind, Attribute, Direction, IpSetDirection, Item, Kind, Layer, Operand, Profile, Protocol, Provenance, Role,
    Rule as ModelRule, StateSet, TcpFlagSet, TcpFlags, Value, VariableAccess,
};
use crate::ruleset::{Column, Expression, Rule, Slot, StateMatch, Test, TypeCode, Wheel};

/// Lowers one instance.
///
/// # Errors
/// Everything that is wrong with the rule's values.
pub fn lower(instance: &Instance, profile: Profile) -> Result<Rule, Vec<ResolveError>> {
    let rule = instance.rule();
    let accesses = rule.access_list();
    let steps = odometer(&accesses, &instance.environment).map_err(|unequal| {
        let error = |unequal: super::iterators::Unequal| ResolveError::UnequalLists {
            filter: instance.filter.name.clone(),
            rule: instance.number,
            iterator: unequal.iterator,
            lists: unequal.lists,
            at: rule.at.clone(),
        };
        unequal.into_iter().map(error).collect::<Vec<_>>()
    })?;
    let mut lowering = Lowering {
        instance,
        rule,
        profile,
        environment: &instance.environment,
        wheels: steps.iter().filter(|steps| steps.positions.len() > 1).map(|_| Wheel { columns: Vec::new() }).collect(),
        steps,
        errors: Vec::new(),
    };
    let expressions = lowering.expressions();
    lowering.fill_unused_wheels();
    if !lowering.errors.is_empty() {
        return Err(lowering.errors);
    }
    Ok(Rule {
        chain: instance.filter.chain.clone(),
        chain_priority: instance.filter.priority,
        priority: rule.priority,
        direction: rule.direction,
        verdict: rule.action.into(),
        protocol: rule.protocol,
        expressions,
        state: state(rule),
        comment: comment(rule),
        wheels: lowering.wheels,
        provenance: Provenance { filter: instance.filter.name.clone(), rule: instance.number, at: rule.at.clone() },
    })
}

/// EB-69 to EB-74: `statematch` off wins, an empty list counts as none, and so does a variable (XML-51).
fn state(rule: &ModelRule) -> StateMatch {
    if !rule.statematch {
        return StateMatch::Off;
    }
    let written: Option<&StateSet> = match rule.item(Attribute::State).map(|item| &item.operand) {
        Some(Operand::Literal(Value::State(set))) => Some(rule.effective_state.as_ref().unwrap_or(set)),
        _ => None,
    };
    match written {
        Some(set) if !set.is_empty() => StateMatch::Explicit(set.clone()),
        _ => StateMatch::Automatic,
    }
}

fn comment(rule: &ModelRule) -> Option<String> {
    match rule.item(Attribute::Comment).map(|item| &item.operand) {
        Some(Operand::Literal(Value::Text(text))) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

struct Lowering<'a> {
    instance: &'a Instance,
    rule: &'a ModelRule,
    profile: Profile,
    environment: &'a Environment,
    /// All iterators of the rule; those with one position do not turn.
    steps: Vec<Steps<'a>>,
    /// One for each iterator that turns, in the same order.
    wheels: Vec<Wheel>,
    errors: Vec<ResolveError>,
}

impl Lowering<'_> {
    fn expressions(&mut self) -> Vec<Expression> {
        let Some(protocol) = self.rule.protocol else { return Vec::new() };
        if protocol == Protocol::Stp
            && self.rule.direction == Direction::Inout
            && self.rule.item(Attribute::SrcMacAddr).is_some()
        {
            self.errors.push(ResolveError::StpInout {
                filter: self.instance.filter.name.clone(),
                rule: self.instance.number,
                at: self.rule.at.clone(),
            });
        }
        let mut expressions = Vec::new();
        for row in protocol.rows().iter().filter(|row| row.role == Role::Leader) {
            if row.attribute == Attribute::Type {
                expressions.extend(self.icmp(protocol));
                continue;
            }
            let Some(item) = self.rule.item(row.attribute) else { continue };
            if let Some(test) = self.test(protocol, item, row.kind) {
                expressions.push(Expression { attribute: item.attribute, negated: item.negated, test });
            }
        }
        expressions
    }

    /// The test of one leader with its mask or end; none if the attribute has no effect (XML-51, XML-82).
    fn test(&mut self, protocol: Protocol, item: &Item, kind: Kind) -> Option<Test> {
        match (item.attribute, &item.operand) {
            (Attribute::State, _)
            | (Attribute::Gratuitous, Operand::Variable(_) | Operand::Literal(Value::Bool(false))) => return None,
            (Attribute::SrcIpFrom, _) if self.rule.item(Attribute::SrcIpAddr).is_some() => return None,
            (Attribute::DstIpFrom, _) if self.rule.item(Attribute::DstIpAddr).is_some() => return None,
            (Attribute::IpSet, _) => return self.ip_set(item, kind),
            (Attribute::Flags, Operand::Variable(_)) if kind == Kind::TcpFlags => {
                let nothing = TcpFlags { mask: TcpFlagSet::default(), flags: TcpFlagSet::default() };
                return Some(Test::Is(Slot::Value(Value::TcpFlags(nothing))));
            }
            _ => {}
        }
        let slot = self.slot(item, kind)?;
        let follower = protocol.rows().iter().find_map(|row| match row.role {
            Role::MaskOf(leader) | Role::EndOf(leader) if leader == item.attribute => {
                self.rule.item(row.attribute).map(|follower| (row, follower))
            }
            _ => None,
        });
        let Some((row, follower)) = follower else { return Some(Test::Is(slot)) };
        let second = self.slot(follower, row.kind)?;
        if let Role::MaskOf(_) = row.role {
            return Some(Test::Masked { value: slot, mask: second });
        }
        self.check_range(item.attribute, kind, &slot, &second);
        Some(Test::Range { start: slot, end: second })
    }

    /// XML-81, Q-20: in the profile `nwf` a set without flags is looked up by source; in the profile `libvirt`
    /// it has no effect where the reader left it so.
    fn ip_set(&mut self, item: &Item, kind: Kind) -> Option<Test> {
        let flags = match self.rule.item(Attribute::IpSetFlags).map(|flags| &flags.operand) {
            Some(Operand::Literal(Value::IpSetFlags(flags))) => flags.clone(),
            Some(Operand::Variable(access)) => self.flags_of_variable(access)?,
            _ if self.profile == Profile::Nwf => vec![IpSetDirection::Src],
            _ => return None,
        };
        Some(Test::InSet { name: self.slot(item, kind)?, flags })
    }

    fn flags_of_variable(&mut self, access: &VariableAccess) -> Option<Vec<IpSetDirection>> {
        let slot = self.access_slot(access, Attribute::IpSetFlags, Kind::IpSetFlags)?;
        if let Slot::Value(Value::IpSetFlags(flags)) = slot {
            return Some(flags);
        }
        self.errors.push(ResolveError::NoList {
            filter: self.instance.filter.name.clone(),
            rule: self.instance.number,
            access: access.clone(),
            attribute: Attribute::IpSetFlags,
            at: self.rule.at.clone(),
        });
        None
    }

    /// Type and code, in the IP layer and of `ipv6` (XML-75); spanning tree's `type` is an ordinary field.
    fn icmp(&mut self, protocol: Protocol) -> Vec<Expression> {
        let item = |attribute| self.rule.item(attribute).cloned();
        let (kind, code) = (item(Attribute::Type), item(Attribute::Code));
        if protocol == Protocol::Stp || (protocol.layer() != Layer::Ethernet && code.is_none()) {
            let Some(item) = kind else { return Vec::new() };
            let test = self.slot(&item, Kind::U8).map(Test::Is);
            return test
                .map(|test| Expression { attribute: item.attribute, negated: item.negated, test })
                .into_iter()
                .collect();
        }
        let (kind_end, code_end) = (item(Attribute::TypeEnd), item(Attribute::CodeEnd));
        if protocol.layer() != Layer::Ethernet && kind.is_none() {
            // XML-82: a code without a type has no effect.
            return Vec::new();
        }
        let kind_sign = kind.as_ref().or(kind_end.as_ref()).map(|item| item.negated);
        let code_sign = code.as_ref().or(code_end.as_ref()).map(|item| item.negated);
        let Some((type_start, type_end)) = self.bounds(kind.as_ref(), kind_end.as_ref()) else { return Vec::new() };
        let Some((code_start, code_end)) = self.bounds(code.as_ref(), code_end.as_ref()) else { return Vec::new() };
        let pair = |types: (Slot, Slot), codes: (Slot, Slot), attribute, negated| Expression {
            attribute,
            negated,
            test: Test::TypeCode(TypeCode {
                type_start: types.0,
                type_end: types.1,
                code_start: codes.0,
                code_end: codes.1,
            }),
        };
        let any = || (Slot::Value(Value::Number(0)), Slot::Value(Value::Number(255)));
        match (kind_sign, code_sign) {
            (None, None) => Vec::new(),
            (Some(kind_sign), Some(code_sign)) if kind_sign != code_sign => vec![
                pair((type_start, type_end), any(), Attribute::Type, kind_sign),
                pair(any(), (code_start, code_end), Attribute::Code, code_sign),
            ],
            (Some(negated), _) | (None, Some(negated)) => {
                vec![pair((type_start, type_end), (code_start, code_end), Attribute::Type, negated)]
            }
        }
    }

    /// XML-75: a missing start is 0; a missing end is the start if that is given, else 255.
    fn bounds(&mut self, start: Option<&Item>, end: Option<&Item>) -> Option<(Slot, Slot)> {
        let number = |number| Slot::Value(Value::Number(number));
        let start_slot = match start {
            Some(item) => self.slot(item, Kind::U8)?,
            None => number(0),
        };
        let end_slot = match end {
            Some(item) => self.slot(item, Kind::U8)?,
            None if start.is_some() => start_slot.clone(),
            None => number(255),
        };
        if let Some(item) = start.or(end) {
            self.check_range(item.attribute, Kind::U8, &start_slot, &end_slot);
        }
        Some((start_slot, end_slot))
    }

    fn slot(&mut self, item: &Item, kind: Kind) -> Option<Slot> {
        match &item.operand {
            Operand::Literal(value) => Some(Slot::Value(value.clone().normalized())),
            Operand::Variable(access) => self.access_slot(access, item.attribute, kind),
        }
    }

    /// The slot of an access. An access for which there is none would leave a test out: it is an error even
    /// though the walk of the tree has found every access to have a value.
    fn access_slot(&mut self, access: &VariableAccess, attribute: Attribute, kind: Kind) -> Option<Slot> {
        let before = self.errors.len();
        let slot = self.find_slot(access, attribute, kind);
        if slot.is_none() && self.errors.len() == before {
            self.errors.push(ResolveError::BadValue {
                filter: self.instance.filter.name.clone(),
                rule: self.instance.number,
                access: access.clone(),
                value: String::new(),
                attribute,
                help: "the access is not among those that the rule lists".to_owned(),
                at: self.rule.at.clone(),
            });
        }
        slot
    }

    /// RES-36: the value of an element access, or of an iterator that does not turn, stands for itself; any
    /// other is a column.
    fn find_slot(&mut self, access: &VariableAccess, attribute: Attribute, kind: Kind) -> Option<Slot> {
        let values = self.environment.values(&access.name);
        let iterator = match access.kind {
            AccessKind::Element(position) => {
                let value = usize::try_from(position).ok().and_then(|position| values.get(position))?.clone();
                return self.value(access, attribute, kind, &value).map(Slot::Value);
            }
            AccessKind::Iterator(iterator) => iterator,
        };
        let steps = self.steps.iter().find(|steps| steps.iterator == iterator)?;
        let positions = steps.positions.clone();
        if let [only] = positions.as_slice() {
            let value = values.get(*only)?.clone();
            return self.value(access, attribute, kind, &value).map(Slot::Value);
        }
        let wheel = self.turning(iterator)?;
        let texts: Vec<String> = positions.iter().filter_map(|position| values.get(*position)).cloned().collect();
        let before = self.errors.len();
        let typed: Vec<Value> = texts.iter().filter_map(|text| self.value(access, attribute, kind, text)).collect();
        if self.errors.len() > before {
            return None;
        }
        let column = Column { access: access.clone(), values: typed };
        let columns = &mut self.wheels.get_mut(wheel)?.columns;
        let known = columns.iter().position(|known| *known == column);
        let column = known.unwrap_or_else(|| {
            columns.push(column);
            columns.len() - 1
        });
        Some(Slot::Column { wheel, column })
    }

    /// Index of an iterator among those that turn.
    fn turning(&self, iterator: u16) -> Option<usize> {
        self.steps.iter().filter(|steps| steps.positions.len() > 1).position(|steps| steps.iterator == iterator)
    }

    fn value(&mut self, access: &VariableAccess, attribute: Attribute, kind: Kind, text: &str) -> Option<Value> {
        match Value::parse(kind, text, self.profile) {
            Ok(parsed) => Some(parsed.value.normalized()),
            Err(invalid) => {
                if self.errors.len() < ERRORS_MAX {
                    let because = invalid.because.map_or(String::new(), |because| format!("; {because}"));
                    self.errors.push(ResolveError::BadValue {
                        filter: self.instance.filter.name.clone(),
                        rule: self.instance.number,
                        access: access.clone(),
                        value: text.to_owned(),
                        attribute,
                        help: ResolveError::expected(kind) + &because,
                        at: self.rule.at.clone(),
                    });
                }
                None
            }
        }
    }

    /// Refuses a range that is empty in any combination: no tool takes it, and it would match nothing.
    fn check_range(&mut self, attribute: Attribute, kind: Kind, start: &Slot, end: &Slot) {
        let (starts, ends) = (start.values(&self.wheels), end.values(&self.wheels));
        let empty = match (start.wheel(), end.wheel()) {
            (Some(one), Some(other)) if one == other => starts.iter().zip(ends).find(|(start, end)| start > end),
            _ => starts.iter().max().zip(ends.iter().min()).filter(|(start, end)| start > end),
        };
        if let Some((start, end)) = empty {
            self.errors.push(ResolveError::EmptyRange {
                filter: self.instance.filter.name.clone(),
                rule: self.instance.number,
                attribute,
                start: start.print(kind),
                end: end.print(kind),
                at: self.rule.at.clone(),
            });
        }
    }

    /// A wheel that only overwritten accesses walk still multiplies the rule in the profile `libvirt` (QR-4).
    fn fill_unused_wheels(&mut self) {
        let turning = self.steps.iter().filter(|steps| steps.positions.len() > 1);
        for (wheel, steps) in self.wheels.iter_mut().zip(turning).filter(|(wheel, _)| wheel.columns.is_empty()) {
            let Some((access, values)) = steps.lists.first() else { continue };
            let texts = steps.positions.iter().filter_map(|position| values.get(*position));
            let values = texts.map(|text| Value::Text(text.clone())).collect();
            wheel.columns.push(Column { access: (*access).clone(), values });
        }
    }
}

/// Wrong values of one rule that are told at once.
const ERRORS_MAX: usize = 20;
