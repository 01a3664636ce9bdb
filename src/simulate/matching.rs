//! One rule against one frame.
//!
//! A rule with lists matches what one of its combinations matches (NFT-200). Wheels that no test ties together are
//! independent, so each group of tied wheels is searched alone; within a group one list is looked up by an index, so
//! that the cost does not grow with the list.

use std::collections::{BTreeSet, HashMap};

use super::packet::{Frame, ether_type, number};
use super::sets::{self, Sets};
use crate::model::{Attribute, FieldRow, Kind, Layer, Place, Profile, Protocol, Value};
use crate::ruleset::{Expression, Placement, Rule, Slot, Test, TypeCode, Wheel};

/// Why a rule does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// The frame is of another protocol.
    Protocol,
    /// The frame lacks the field; then no test of it holds, inverted or not.
    Absent(Attribute),
    /// The field has another value; where it is a number, this one.
    Differs(Attribute, Option<u128>),
    /// The connection is in another state, or the packet belongs to its other half.
    State,
    /// There are fewer connections than the limit, or more if it is inverted.
    Limit,
}

/// Whether a rule matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// It does.
    Yes,
    /// It does not.
    No(Miss),
    /// Nobody told what is in this IP set.
    Unknown(String),
}

/// What a test compares.
#[derive(Debug, Clone, Copy)]
enum Reading<'f> {
    Number(u128),
    Options(&'f [u8]),
    TypeCode(u128, Option<u128>),
    Same(bool),
    /// The test says by itself what it looks at.
    Nothing,
}

/// Whether one test holds.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Truth {
    Yes,
    No,
    Unknown(String),
}

impl From<bool> for Truth {
    fn from(truth: bool) -> Self {
        if truth { Truth::Yes } else { Truth::No }
    }
}

/// A rule as it reads in one chain, made ready for many frames.
#[derive(Debug)]
pub struct Matcher<'a> {
    rule: &'a Rule,
    profile: Profile,
    expressions: Vec<Expression>,
    groups: Vec<Group>,
}

/// Wheels that tests tie together, and these tests, by their position. A group without wheels has one test.
#[derive(Debug)]
struct Group {
    wheels: Vec<usize>,
    tests: Vec<usize>,
    index: Option<Index>,
}

/// The values of one list, for looking up.
#[derive(Debug)]
struct Index {
    test: usize,
    wheel: usize,
    /// Positions by the bits that are left of a value once the low ones are cut off.
    prefixes: HashMap<(u32, u128), Vec<usize>>,
    /// The numbers of low bits that are cut off.
    cuts: BTreeSet<u32>,
    /// What is no prefix: lowest, highest, position.
    ranges: Vec<(u128, u128, usize)>,
}

impl<'a> Matcher<'a> {
    /// Prepares a rule as it reads in a placement.
    pub fn new(rule: &'a Rule, placement: &Placement, profile: Profile) -> Self {
        let mut matcher = Matcher { rule, profile, expressions: placement.expressions(rule), groups: Vec::new() };
        matcher.groups = matcher.make_groups();
        matcher
    }

    /// Whether the rule's tests hold, but for its limit of connections and its state.
    pub fn matches(&self, frame: &Frame<'_>, sets: &Sets) -> Match {
        if !self.rule.protocol.is_none_or(|protocol| concerns(protocol, frame)) {
            return Match::No(Miss::Protocol);
        }
        let mut readings = Vec::with_capacity(self.expressions.len());
        for expression in &self.expressions {
            match self.read(expression, frame) {
                Some(reading) => readings.push(reading),
                None => return Match::No(Miss::Absent(expression.attribute)),
            }
        }
        let mut unknown = None;
        for group in &self.groups {
            match self.search(group, &readings, frame, sets) {
                Truth::Yes => {}
                Truth::No => return Match::No(self.blame(group, &readings)),
                Truth::Unknown(set) => unknown = Some(set),
            }
        }
        unknown.map_or(Match::Yes, Match::Unknown)
    }

    /// The combinations whose tests hold, with the limit of connections in each, and whether it is inverted.
    pub fn limits(&self, frame: &Frame<'_>, sets: &Sets) -> Vec<(Vec<usize>, u32, bool)> {
        let limit = self.expressions.iter().find(|expression| expression.attribute == Attribute::ConnlimitAbove);
        let Some(Expression { negated, test: Test::Is(slot), .. }) = limit else { return Vec::new() };
        let readings: Option<Vec<Reading<'_>>> =
            self.expressions.iter().map(|expression| self.read(expression, frame)).collect();
        let Some(readings) = readings else { return Vec::new() };
        let holds = |at: &[usize]| {
            let mut tests = self.expressions.iter().zip(&readings);
            tests.all(|(expression, reading)| self.test(expression, *reading, at, frame, sets) == Truth::Yes)
        };
        let held = self.rule.combinations().filter(|at| holds(at));
        held.filter_map(|at| slot.value(&self.rule.wheels, &at)?.number().map(|limit| (at, limit, *negated))).collect()
    }

    fn blame(&self, group: &Group, readings: &[Reading<'_>]) -> Miss {
        let first = group.index.as_ref().map(|index| index.test).or_else(|| group.tests.first().copied());
        let first = first.and_then(|test| self.expressions.get(test).zip(readings.get(test)));
        match first {
            Some((expression, Reading::Number(number) | Reading::TypeCode(number, _))) => {
                Miss::Differs(expression.attribute, Some(*number))
            }
            Some((expression, Reading::Options(_) | Reading::Same(_) | Reading::Nothing)) => {
                Miss::Differs(expression.attribute, None)
            }
            None => Miss::Protocol,
        }
    }

    fn make_groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (position, expression) in self.expressions.iter().enumerate() {
            let mut wheels: BTreeSet<usize> = expression.test.slots().into_iter().filter_map(Slot::wheel).collect();
            let mut tests = vec![position];
            if !wheels.is_empty() {
                let tied = |group: &Group| group.wheels.iter().any(|wheel| wheels.contains(wheel));
                let (touched, apart): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(tied);
                groups = apart;
                for group in touched {
                    wheels.extend(group.wheels);
                    tests.extend(group.tests);
                }
            }
            tests.sort_unstable();
            groups.push(Group { wheels: wheels.into_iter().collect(), tests, index: None });
        }
        groups.sort_by_key(|group| group.tests.first().copied());
        for group in &mut groups {
            group.index = group.tests.iter().find_map(|test| self.make_index(*test));
        }
        groups
    }

    /// An index over a test, if it is one that can be looked up: of numbers, not inverted, on one wheel.
    fn make_index(&self, test: usize) -> Option<Index> {
        let expression = self.expressions.get(test)?;
        let mut wheels = expression.test.slots().into_iter().filter_map(Slot::wheel);
        let wheel = wheels.next()?;
        if expression.negated || wheels.any(|other| other != wheel) || width(self.rule, expression.attribute).is_none()
        {
            return None;
        }
        let mut index = Index { test, wheel, prefixes: HashMap::new(), cuts: BTreeSet::new(), ranges: Vec::new() };
        let mut at = vec![0; self.rule.wheels.len()];
        for position in 0..self.rule.wheels.get(wheel).map_or(0, Wheel::len) {
            *at.get_mut(wheel)? = position;
            let (low, high) = bounds(self.rule, expression, &at)?;
            if low > high {
                continue;
            }
            let cut = (high - low).checked_add(1).map_or(128, u128::trailing_zeros);
            let key = low.checked_shr(cut).unwrap_or_default();
            let is_prefix = key.checked_shl(cut).unwrap_or_default() == low
                && low.checked_add(1_u128.checked_shl(cut).unwrap_or_default().wrapping_sub(1)) == Some(high);
            if is_prefix {
                index.cuts.insert(cut);
                index.prefixes.entry((cut, key)).or_default().push(position);
            } else {
                index.ranges.push((low, high, position));
            }
        }
        Some(index)
    }

    /// Whether the tests of a group hold together at one position of its wheels.
    fn search(&self, group: &Group, readings: &[Reading<'_>], frame: &Frame<'_>, sets: &Sets) -> Truth {
        let mut at = vec![0; self.rule.wheels.len()];
        let Some(index) = &group.index else {
            return self.walk(group, &group.wheels, &mut at, readings, frame, sets);
        };
        let Some(Reading::Number(number)) = readings.get(index.test) else { return Truth::No };
        let others: Vec<usize> = group.wheels.iter().copied().filter(|wheel| *wheel != index.wheel).collect();
        let found = index.cuts.iter().filter_map(|cut| {
            let key = number.checked_shr(*cut).unwrap_or_default();
            index.prefixes.get(&(*cut, key))
        });
        let ranges = index.ranges.iter().filter(|(low, high, _)| (low..=high).contains(&number));
        let mut truth = Truth::No;
        for position in found.flatten().chain(ranges.map(|(_, _, position)| position)) {
            if let Some(place) = at.get_mut(index.wheel) {
                *place = *position;
            }
            match self.walk(group, &others, &mut at, readings, frame, sets) {
                Truth::Yes => return Truth::Yes,
                Truth::No => {}
                unknown @ Truth::Unknown(_) => truth = unknown,
            }
        }
        truth
    }

    /// Tries every position of some wheels; the others stand where they are.
    fn walk(
        &self,
        group: &Group,
        wheels: &[usize],
        at: &mut [usize],
        readings: &[Reading<'_>],
        frame: &Frame<'_>,
        sets: &Sets,
    ) -> Truth {
        let mut truth = Truth::No;
        for wheel in wheels {
            if let Some(place) = at.get_mut(*wheel) {
                *place = 0;
            }
        }
        loop {
            match self.holds(group, at, readings, frame, sets) {
                Truth::Yes => return Truth::Yes,
                Truth::No => {}
                unknown @ Truth::Unknown(_) => truth = unknown,
            }
            let mut turned = false;
            for wheel in wheels {
                let length = self.rule.wheels.get(*wheel).map_or(0, Wheel::len);
                let Some(position) = at.get_mut(*wheel) else { continue };
                *position += 1;
                if *position < length {
                    turned = true;
                    break;
                }
                *position = 0;
            }
            if !turned {
                return truth;
            }
        }
    }

    fn holds(&self, group: &Group, at: &[usize], readings: &[Reading<'_>], frame: &Frame<'_>, sets: &Sets) -> Truth {
        let mut truth = Truth::Yes;
        for test in &group.tests {
            let Some((expression, reading)) = self.expressions.get(*test).zip(readings.get(*test)) else { continue };
            match self.test(expression, *reading, at, frame, sets) {
                Truth::Yes => {}
                Truth::No => return Truth::No,
                unknown @ Truth::Unknown(_) => truth = unknown,
            }
        }
        truth
    }

    /// One test in one combination.
    fn test(
        &self,
        expression: &Expression,
        reading: Reading<'_>,
        at: &[usize],
        frame: &Frame<'_>,
        sets: &Sets,
    ) -> Truth {
        let Expression { attribute, negated, test } = expression;
        let number_at = |slot: &Slot| slot.value(&self.rule.wheels, at).and_then(Value::bits);
        let within = |found: u128, start: &Slot, end: &Slot| {
            number_at(start).zip(number_at(end)).is_some_and(|(low, high)| (low..=high).contains(&found))
        };
        let plain = match (test, reading) {
            (Test::InSet { name, flags }, _) => {
                let Some(Value::IpSet(name)) = name.value(&self.rule.wheels, at) else { return Truth::No };
                match sets.get(name) {
                    Some(elements) => sets::contains(elements, flags, frame),
                    None => return Truth::Unknown(name.clone()),
                }
            }
            // Counted where connections are known.
            (_, Reading::Nothing) if *attribute == Attribute::ConnlimitAbove => return Truth::Yes,
            (
                Test::TypeCode(TypeCode { type_start, type_end, code_start, code_end }),
                Reading::TypeCode(kind, code),
            ) => {
                let kinds = within(kind, type_start, type_end);
                match code {
                    Some(code) => kinds && within(code, code_start, code_end),
                    // Cut off behind the type: only another type can be told.
                    None if *negated && !kinds => return Truth::Yes,
                    None => return Truth::No,
                }
            }
            (Test::Is(slot), Reading::Same(same)) => match slot.value(&self.rule.wheels, at) {
                Some(Value::Bool(true)) => same,
                // Not asked for, so nothing is tested.
                _ => return Truth::Yes,
            },
            (Test::Is(slot), Reading::Options(options)) => {
                number_at(slot).is_some_and(|wanted| has_option(options, wanted))
            }
            (Test::Is(slot), Reading::Number(found)) if *attribute == Attribute::Flags => {
                match slot.value(&self.rule.wheels, at) {
                    Some(Value::TcpFlags(flags)) => {
                        found & u128::from(flags.mask.bits()) == u128::from(flags.flags.bits())
                    }
                    Some(value) => value.bits() == Some(found),
                    None => false,
                }
            }
            (Test::Is(_) | Test::Masked { .. } | Test::Range { .. }, Reading::Number(found)) => {
                bounds(self.rule, expression, at).is_some_and(|(low, high)| (low..=high).contains(&found))
            }
            _ => return Truth::No,
        };
        Truth::from(plain != *negated)
    }

    /// Reads what an expression compares; none if the frame lacks it, or lacks what makes it believable.
    fn read<'f>(&self, expression: &Expression, frame: &Frame<'f>) -> Option<Reading<'f>> {
        let protocol = self.rule.protocol?;
        let attribute = expression.attribute;
        if let Test::TypeCode(_) = expression.test {
            let icmp = if protocol.layer() == Layer::Ipv4 { number::ICMP } else { number::ICMPV6 };
            frame.upper().filter(|upper| upper.protocol == icmp)?;
            return Some(Reading::TypeCode(frame.transport_bits(0, 8)?, frame.transport_bits(8, 8)));
        }
        let row = row(protocol, attribute)?;
        match (row.place, protocol) {
            (Place::Connection | Place::IpSet | Place::None, _) => Some(Reading::Nothing),
            (Place::TcpOptions, _) => frame.tcp_options().map(Reading::Options),
            (Place::Comparison, _) => {
                // Not wanted: nothing is tested, so nothing needs to be there.
                if matches!(&expression.test, Test::Is(Slot::Value(Value::Bool(false)))) {
                    return Some(Reading::Same(true));
                }
                has_ip_addresses(frame, expression.negated)?;
                Some(Reading::Same(frame.network_bits(112, 32)? == frame.network_bits(192, 32)?))
            }
            (Place::UpperProtocol, Protocol::Ip) => frame.network_bits(72, 8).map(Reading::Number),
            (Place::UpperProtocol, _) => frame.upper().map(|upper| Reading::Number(upper.protocol.into())),
            (Place::Link { offset, width }, _) => frame.link_bits(offset, width).map(Reading::Number),
            (Place::Transport { offset, width }, _) => {
                if matches!(protocol, Protocol::Ip | Protocol::Ipv6) {
                    frame.upper().filter(|upper| has_ports(upper.protocol))?;
                }
                frame.transport_bits(offset, width).map(Reading::Number)
            }
            // QE-7: libvirt compares the number with the whole byte.
            (Place::Network { .. }, Protocol::Ip)
                if attribute == Attribute::Dscp && self.profile == Profile::Libvirt =>
            {
                frame.network_bits(8, 8).map(Reading::Number)
            }
            (Place::Network { offset, width }, Protocol::Arp | Protocol::Rarp) => {
                match attribute {
                    Attribute::ArpSrcMacAddr | Attribute::ArpDstMacAddr => has_ethernet_addresses(frame)?,
                    Attribute::ArpSrcIpAddr | Attribute::ArpDstIpAddr => {
                        has_ip_addresses(frame, expression.negated)?;
                    }
                    _ => {}
                }
                frame.network_bits(offset, width).map(Reading::Number)
            }
            (Place::Network { offset, width }, Protocol::Stp) => {
                // Behind the type are the fields of a configuration, unless a rule asks for another type itself.
                let asks = self.rule.expression(Attribute::Type).is_some();
                if attribute != Attribute::Type && !asks {
                    frame.network_bits(48, 8).filter(|kind| *kind == 0)?;
                }
                frame.network_bits(offset, width).map(Reading::Number)
            }
            (Place::Network { offset, width }, _) => frame.network_bits(offset, width).map(Reading::Number),
        }
    }
}

/// Lowest and highest number that a test of a number takes in one combination.
fn bounds(rule: &Rule, expression: &Expression, at: &[usize]) -> Option<(u128, u128)> {
    let value = |slot: &Slot| slot.value(&rule.wheels, at).and_then(Value::bits);
    match &expression.test {
        Test::Is(slot) => {
            let number = value(slot)?;
            Some((number, number))
        }
        Test::Range { start, end } => Some((value(start)?, value(end)?)),
        Test::Masked { value: slot, mask } => {
            let number = value(slot)?;
            let all = largest(width(rule, expression.attribute)?);
            let length = mask.value(&rule.wheels, at)?.prefix_length()?;
            let free = all.checked_shr(length).unwrap_or_default();
            Some((number & !free & all, number | free))
        }
        Test::TypeCode(_) | Test::InSet { .. } => None,
    }
}

/// Bits of an attribute that is compared as a number; none if it is not.
fn width(rule: &Rule, attribute: Attribute) -> Option<u32> {
    let row = row(rule.protocol?, attribute)?;
    match row.place {
        _ if row.kind == Kind::TcpFlags => None,
        Place::Link { width, .. } | Place::Network { width, .. } | Place::Transport { width, .. } => {
            Some(u32::from(width))
        }
        Place::UpperProtocol => Some(8),
        Place::TcpOptions | Place::Connection | Place::Comparison | Place::IpSet | Place::None => None,
    }
}

/// The largest number of so many bits.
fn largest(width: u32) -> u128 {
    u128::MAX.checked_shr(128 - width).unwrap_or_default()
}

/// The numbers that a field can have where a test of a rule holds, over all its combinations: sorted, without overlap.
/// None if the field is not compared as a number, or if its lists are tied to other tests.
///
/// `beside` are the tests of the rule as they read in the chain at hand.
pub fn numbers(rule: &Rule, beside: &[Expression], expression: &Expression) -> Option<Vec<(u128, u128)>> {
    let width = width(rule, expression.attribute)?;
    let slots = expression.test.slots();
    let mut wheels = slots.into_iter().filter_map(Slot::wheel);
    let wheel = wheels.next();
    if wheels.any(|other| Some(other) != wheel) {
        return None;
    }
    let others = beside.iter().filter(|other| other.attribute != expression.attribute);
    let mut tied = others.flat_map(|other| other.test.slots()).filter_map(Slot::wheel);
    if wheel.is_some_and(|wheel| tied.any(|other| other == wheel)) {
        return None;
    }
    let mut at = vec![0; rule.wheels.len()];
    let mut found = Vec::new();
    for position in 0..wheel.and_then(|wheel| rule.wheels.get(wheel)).map_or(1, Wheel::len) {
        if let Some(place) = wheel.and_then(|wheel| at.get_mut(wheel)) {
            *place = position;
        }
        let (low, high) = bounds(rule, expression, &at)?;
        match (low <= high, expression.negated) {
            (true, false) => found.push((low, high)),
            (false, false) => {}
            (false, true) => found.push((0, largest(width))),
            (true, true) => {
                found.extend(low.checked_sub(1).map(|below| (0, below)));
                found.extend((high < largest(width)).then(|| (high + 1, largest(width))));
            }
        }
    }
    found.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::new();
    for (low, high) in found {
        match merged.last_mut() {
            Some((_, last)) if low <= last.saturating_add(1) => *last = high.max(*last),
            _ => merged.push((low, high)),
        }
    }
    Some(merged)
}

/// The row of an attribute. A spanning-tree rule that is mirrored asks for the destination, which its protocol has
/// not, but every frame.
fn row(protocol: Protocol, attribute: Attribute) -> Option<&'static FieldRow> {
    protocol.row(attribute).or_else(|| Protocol::Mac.row(attribute))
}

/// Whether a frame is of a protocol at all.
fn concerns(protocol: Protocol, frame: &Frame<'_>) -> bool {
    let is = |wanted: u16| frame.ether_type() == Some(wanted);
    match protocol {
        Protocol::Mac => true,
        Protocol::Vlan => is(ether_type::VLAN),
        Protocol::Stp => frame.is_spanning_tree(),
        Protocol::Arp => is(ether_type::ARP),
        Protocol::Rarp => is(ether_type::RARP),
        Protocol::Ip => is(ether_type::IPV4),
        Protocol::Ipv6 => is(ether_type::IPV6),
        _ => {
            let family = if protocol.layer() == Layer::Ipv4 { ether_type::IPV4 } else { ether_type::IPV6 };
            let wanted = protocol.ip_number();
            is(family) && wanted.is_none_or(|wanted| frame.upper().is_some_and(|upper| upper.protocol == wanted))
        }
    }
}

/// NFT-43: the MAC addresses of ARP are read for Ethernet only.
fn has_ethernet_addresses(frame: &Frame<'_>) -> Option<()> {
    (frame.network_bits(0, 16)? == 1 && frame.network_bits(32, 8)? == 6).then_some(())
}

/// NFT-43: the IP addresses of ARP are read for IPv4 only. An inverted test does not ask for the length of the MAC
/// addresses: it mostly drops, and odd frames are to be caught (NFT-122).
fn has_ip_addresses(frame: &Frame<'_>, negated: bool) -> Option<()> {
    let is_ipv4 = frame.network_bits(16, 16)? == u128::from(ether_type::IPV4) && frame.network_bits(40, 8)? == 4;
    let lies_there = negated || frame.network_bits(32, 8)? == 6;
    (is_ipv4 && lies_there).then_some(())
}

/// Whether a protocol's header begins with two ports (XML-80).
fn has_ports(protocol: u8) -> bool {
    matches!(protocol, number::TCP | number::UDP | number::DCCP | number::SCTP | number::UDPLITE)
}

/// Whether a kind stands in a list of TCP options.
fn has_option(options: &[u8], wanted: u128) -> bool {
    let mut rest = options;
    while let [kind, behind @ ..] = rest {
        if u128::from(*kind) == wanted {
            return true;
        }
        let length = match (kind, behind) {
            (0 | 1, _) | (_, [] | [0, ..]) => 1,
            (_, [length, ..]) => usize::from(*length),
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}
