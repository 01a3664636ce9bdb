//! Tests of a rule as text: lists become sets where that says the same, and rules where it does not.
//!
//! A rule with lists matches what one of its combinations matches (NFT-200). The wheels that share no test are
//! independent of each other, so the combinations are the product of what each *group* of wheels matches, and a
//! group is one membership in a set, of one field or of several joined (NFT-201). What cannot be said so is
//! written out, position by position, for that group alone (NFT-202).

use std::collections::BTreeSet;
use std::fmt::Write;

use super::fields::{Bounds, Item, Shape, What};
use super::key::{Interval, Key, merge};
use crate::model::{Attribute, Profile, Value};
use crate::ruleset::{Slot, Wheel};

/// What is wrong with the values of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// A range ends before it begins.
    EmptyRange {
        /// The attribute.
        attribute: Attribute,
        /// The start, as nft writes it.
        start: String,
        /// The end.
        end: String,
    },
    /// The value is none that the attribute can have.
    Value {
        /// The attribute.
        attribute: Attribute,
    },
}

/// The texts of a rule's tests, one for each line that it needs, without guards.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The texts; an empty one matches all. None at all: the rule matches nothing.
    pub texts: Vec<String>,
    /// The attributes whose lists are inverted.
    pub inverted_lists: BTreeSet<Attribute>,
}

/// Writes all alternatives of a rule.
pub fn write(shape: &Shape<'_>, wheels: &[Wheel], profile: Profile) -> Result<Written, Wrong> {
    let mut written = Written::default();
    for items in &shape.alternatives {
        Alternative { items, wheels, profile }.write(&mut written)?;
    }
    written.texts.dedup();
    Ok(written)
}

/// One test with its values put in.
enum Said {
    /// The text.
    Text(String),
    /// Nothing needs to be tested.
    Always,
    /// Nothing matches.
    Never,
}

/// Wheels that tests tie together, and these tests, by their index.
#[derive(Debug, Default)]
struct Group {
    wheels: Vec<usize>,
    items: Vec<usize>,
}

struct Alternative<'a> {
    items: &'a [Item<'a>],
    wheels: &'a [Wheel],
    profile: Profile,
}

impl<'a> Alternative<'a> {
    fn write(&self, written: &mut Written) -> Result<(), Wrong> {
        let mut pieces: Vec<Option<String>> = vec![None; self.items.len()];
        let mut expanded = Vec::new();
        let nowhere = vec![0; self.wheels.len()];
        for (index, item) in self.items.iter().enumerate() {
            if item.slots().iter().all(|slot| slot.wheel().is_none()) {
                match self.say(item, &nowhere)? {
                    Said::Text(text) => put(&mut pieces, index, text),
                    Said::Always => {}
                    Said::Never => return Ok(()),
                }
            }
        }
        for group in self.groups() {
            self.tell_inverted(&group, written);
            match self.as_set(&group)? {
                Some(Said::Text(text)) => {
                    if let Some(first) = group.items.first() {
                        put(&mut pieces, *first, text);
                    }
                }
                Some(Said::Always) => {}
                Some(Said::Never) => return Ok(()),
                None => expanded.push(group),
            }
        }
        self.expand(&expanded, &pieces, written)
    }

    /// The groups of wheels that tests use. A wheel that no test uses changes nothing: its combinations are equal.
    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            let used: BTreeSet<usize> = item.slots().iter().filter_map(|slot| slot.wheel()).collect();
            if used.is_empty() {
                continue;
            }
            let mut joined = Group { wheels: used.iter().copied().collect(), items: vec![index] };
            let is_touched = |group: &Group| group.wheels.iter().any(|wheel| used.contains(wheel));
            let (near, apart): (Vec<Group>, Vec<Group>) = groups.into_iter().partition(is_touched);
            for group in near {
                joined.wheels.extend(group.wheels);
                joined.items.extend(group.items);
            }
            joined.wheels.sort_unstable();
            joined.wheels.dedup();
            joined.items.sort_unstable();
            groups = apart;
            groups.push(joined);
        }
        groups.sort_by_key(|group| group.items.first().copied());
        groups
    }

    fn group_items(&self, group: &Group) -> Vec<&'a Item<'a>> {
        group.items.iter().filter_map(|index| self.items.get(*index)).collect()
    }

    fn tell_inverted(&self, group: &Group, written: &mut Written) {
        let inverted = self.group_items(group).into_iter().filter(|item| item.negated);
        written.inverted_lists.extend(inverted.map(|item| item.attribute));
    }

    /// The whole group as one test; none if that cannot be said.
    fn as_set(&self, group: &Group) -> Result<Option<Said>, Wrong> {
        let items = self.group_items(group);
        let mut fields = Vec::with_capacity(items.len());
        for item in &items {
            let What::Field(key, bounds) = item.what else { return Ok(None) };
            fields.push((item, key, bounds));
        }
        if let [(item, key, bounds)] = fields.as_slice() {
            if item.negated && self.profile == Profile::Libvirt {
                return Ok(None);
            }
            let mut intervals = Vec::new();
            self.walk(&group.wheels, |at| {
                intervals.push(self.interval(item, key, *bounds, at)?);
                Ok(())
            })?;
            return Ok(Some(if item.negated { differs_from_one(*key, &intervals) } else { member(*key, intervals) }));
        }
        let joinable = |(item, key, _): &(&&Item<'_>, Key, Bounds<'_>)| !item.negated && !key.shifted;
        let key_bytes: u32 = fields.iter().map(|(_, key, _)| key.width.div_ceil(32) * 4).sum();
        if !fields.iter().all(joinable) || key_bytes > CONCATENATION_MAX_BYTES {
            return Ok(None);
        }
        let mut rows: Vec<Vec<Interval>> = Vec::new();
        self.walk(&group.wheels, |at| {
            let row = fields.iter().map(|(item, key, bounds)| self.interval(item, key, *bounds, at));
            rows.push(row.collect::<Result<_, _>>()?);
            Ok(())
        })?;
        let keys: Vec<Key> = fields.iter().map(|(_, key, _)| *key).collect();
        Ok(joined_member(&keys, rows).map(Said::Text))
    }

    /// Writes what is left as one line for each position of the groups, the first wheel fastest (RES-34).
    fn expand(&self, groups: &[Group], pieces: &[Option<String>], written: &mut Written) -> Result<(), Wrong> {
        let mut wheels: Vec<usize> = groups.iter().flat_map(|group| group.wheels.iter().copied()).collect();
        wheels.sort_unstable();
        let mut wanted: Vec<usize> = groups.iter().flat_map(|group| group.items.iter().copied()).collect();
        wanted.sort_unstable();
        self.walk(&wheels, |at| {
            let mut text = String::new();
            let mut differs = false;
            for (index, (item, piece)) in self.items.iter().zip(pieces).enumerate() {
                let said = if wanted.binary_search(&index).is_ok() {
                    self.say(item, at)?
                } else {
                    piece.as_ref().map_or(Said::Always, |piece| Said::Text(piece.clone()))
                };
                match said {
                    Said::Text(piece) => {
                        if !text.is_empty() {
                            text.push(' ');
                        }
                        match inequality(&piece) {
                            Some(value) if differs => {
                                let _ = write!(text, "{piece}-{value}");
                            }
                            Some(_) => {
                                differs = true;
                                text.push_str(&piece);
                            }
                            None => text.push_str(&piece),
                        }
                    }
                    Said::Always => {}
                    Said::Never => return Ok(()),
                }
            }
            written.texts.push(text);
            Ok(())
        })
    }

    /// Visits every position of some wheels; the others stand at their first.
    fn walk(&self, wheels: &[usize], mut visit: impl FnMut(&[usize]) -> Result<(), Wrong>) -> Result<(), Wrong> {
        let mut at = vec![0; self.wheels.len()];
        loop {
            visit(&at)?;
            let mut turned = false;
            for wheel in wheels {
                let length = self.wheels.get(*wheel).map_or(0, Wheel::len);
                let Some(position) = at.get_mut(*wheel) else { continue };
                *position += 1;
                if *position < length {
                    turned = true;
                    break;
                }
                *position = 0;
            }
            if !turned {
                return Ok(());
            }
        }
    }

    fn value(&self, item: &Item<'_>, slot: &'a Slot, at: &[usize]) -> Result<&'a Value, Wrong> {
        slot.value(self.wheels, at).ok_or(Wrong::Value { attribute: item.attribute })
    }

    /// The numbers that a field may have in one combination.
    fn interval(&self, item: &Item<'_>, key: &Key, bounds: Bounds<'a>, at: &[usize]) -> Result<Interval, Wrong> {
        let wrong = || Wrong::Value { attribute: item.attribute };
        let fitting = |slot| {
            let number = self.value(item, slot, at)?.bits().filter(|number| *number <= key.max());
            number.ok_or_else(wrong)
        };
        match bounds {
            Bounds::One(slot) => Ok(Interval::single(fitting(slot)?)),
            Bounds::Masked(value, mask) => {
                let length = self.value(item, mask, at)?.prefix_length().filter(|length| *length <= key.width);
                Ok(Interval::with_prefix(fitting(value)?, length.ok_or_else(wrong)?, key.width))
            }
            Bounds::Range(start, end) => {
                let (low, high) = (fitting(start)?, fitting(end)?);
                if low > high {
                    let written = |number| {
                        let mut text = String::new();
                        key.write_interval(Interval::single(number), &mut text);
                        text
                    };
                    let (start, end) = (written(low), written(high));
                    return Err(Wrong::EmptyRange { attribute: item.attribute, start, end });
                }
                Ok(Interval { low, high })
            }
        }
    }

    /// A test in one combination.
    fn say(&self, item: &Item<'a>, at: &[usize]) -> Result<Said, Wrong> {
        match item.what {
            What::Text(text) => Ok(Said::Text(text.to_owned())),
            What::Field(key, bounds) => Ok(one_interval(key, item.negated, self.interval(item, &key, bounds, at)?)),
            What::TcpFlags(slot) => match self.value(item, slot, at)? {
                Value::TcpFlags(flags) => Ok(tcp_flags(flags.mask.bits(), flags.flags.bits(), item.negated)),
                _ => Err(Wrong::Value { attribute: item.attribute }),
            },
            What::TcpOption(slot) => match self.value(item, slot, at)?.number() {
                Some(option @ 0..=255) => {
                    let is = if item.negated { "missing" } else { "exists" };
                    Ok(Said::Text(format!("tcp option {option} {is}")))
                }
                _ => Err(Wrong::Value { attribute: item.attribute }),
            },
        }
    }
}

/// Longest key of a set in the kernel: sixteen registers of four bytes.
const CONCATENATION_MAX_BYTES: u32 = 64;

fn put(pieces: &mut [Option<String>], index: usize, text: String) {
    if let Some(piece) = pieces.get_mut(index) {
        *piece = Some(text);
    }
}

/// The value of a test that a whole field differs from it.
///
/// nft 1.0.6 joins two such tests of neighbouring fields to one of both together, which also matches where only one of
/// them differs. It leaves ranges alone, so the second value is written as one.
fn inequality(test: &str) -> Option<&str> {
    let (field, value) = test.split_once(" != ")?;
    let is_payload = !field.starts_with("meta ");
    let is_single = !value.contains(['-', '/', '{', '@', ' ']) && !field.contains('&');
    (is_payload && is_single).then_some(value)
}

fn one_interval(key: Key, negated: bool, interval: Interval) -> Said {
    match (interval.is_all(&key), negated) {
        (true, false) => Said::Always,
        (true, true) => Said::Never,
        (false, _) => {
            let mut text = String::new();
            key.write_test(negated, interval, &mut text);
            Said::Text(text)
        }
    }
}

/// Membership of one field in a list.
fn member(key: Key, intervals: Vec<Interval>) -> Said {
    let merged = merge(intervals);
    if let [interval] = merged.as_slice() {
        return one_interval(key, false, *interval);
    }
    let mut text = format!("{} {{ ", key.text);
    for (position, interval) in merged.iter().enumerate() {
        if position > 0 {
            text.push_str(", ");
        }
        key.write_interval(*interval, &mut text);
    }
    text.push_str(" }");
    Said::Text(text)
}

/// What an inverted list means: the field differs from at least one of the list, that is, it is not in all of them
/// at once (NFT-202).
fn differs_from_one(key: Key, intervals: &[Interval]) -> Said {
    let mut rest = intervals.iter().copied();
    let first = rest.next();
    match rest.fold(first, |common, interval| common?.intersection(interval)) {
        Some(common) => one_interval(key, true, common),
        None => Said::Always,
    }
}

/// Membership of several fields, joined, in a list of rows; none if rows with ranges overlap, which sets of joined
/// ranges do not take (NFT-201).
fn joined_member(keys: &[Key], mut rows: Vec<Vec<Interval>>) -> Option<String> {
    rows.sort_unstable();
    rows.dedup();
    let ranges = rows.iter().flatten().any(|interval| !interval.is_single());
    if ranges && overlap(&rows) {
        return None;
    }
    let mut text = String::new();
    if let [row] = rows.as_slice() {
        for (key, interval) in keys.iter().zip(row) {
            if let Said::Text(piece) = one_interval(*key, false, *interval) {
                let _ = write!(text, "{}{piece}", if text.is_empty() { "" } else { " " });
            }
        }
        return Some(text);
    }
    for (position, key) in keys.iter().enumerate() {
        let _ = write!(text, "{}{}", if position == 0 { "" } else { " . " }, key.text);
    }
    text.push_str(" { ");
    for (position, row) in rows.iter().enumerate() {
        text.push_str(if position == 0 { "" } else { ", " });
        for (column, (key, interval)) in keys.iter().zip(row).enumerate() {
            text.push_str(if column == 0 { "" } else { " . " });
            key.write_interval(*interval, &mut text);
        }
    }
    text.push_str(" }");
    Some(text)
}

/// Comparisons of rows after which a list counts as one that overlaps: written out it says the same, and a list
/// of hosts and ports needs few.
const COMPARISONS_MAX: usize = 10_000_000;

/// Whether two of the rows have a packet in common, or may have.
fn overlap(rows: &[Vec<Interval>]) -> bool {
    // Rows are near each other only where they are in the column that tells most of them apart.
    let columns = rows.first().map_or(0, Vec::len);
    let low = |row: &[Interval], column: usize| row.get(column).map_or(0, |interval| interval.low);
    let high = |row: &[Interval], column: usize| row.get(column).map_or(0, |interval| interval.high);
    let distinct = |column: &usize| rows.iter().map(|row| low(row, *column)).collect::<BTreeSet<_>>().len();
    let best = (0..columns).max_by_key(distinct).unwrap_or_default();
    let mut sorted: Vec<&[Interval]> = rows.iter().map(Vec::as_slice).collect();
    sorted.sort_unstable_by_key(|row| low(row, best));
    let mut left = COMPARISONS_MAX;
    sorted.iter().enumerate().any(|(position, row)| {
        let behind = sorted.iter().skip(position + 1);
        let mut near = behind.take_while(|other| low(other, best) <= high(row, best));
        near.any(|other| {
            left = left.saturating_sub(1);
            left == 0 || row.iter().zip(*other).all(|(one, two)| one.intersection(*two).is_some())
        })
    })
}

/// Of the flags in the mask exactly these are set. Written in numbers, which have none of the traps of NFT-49.
fn tcp_flags(mask: u8, flags: u8, negated: bool) -> Said {
    let never_equal = flags & !mask != 0;
    if never_equal || mask == 0 {
        return if never_equal == negated { Said::Always } else { Said::Never };
    }
    let is = if negated { "!=" } else { "==" };
    Said::Text(format!("tcp flags & {mask:#04x} {is} {flags:#04x}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
    use proptest::prelude::*;

    use super::*;
    use crate::model::VariableAccess;
    use crate::ruleset::Column;

    /// Fields of four bits, so that every packet can be tried.
    const KEYS: [Key; 4] = [Key::decimal("a", 4), Key::hexadecimal("b", 4), Key::hexadecimal("@c", 4), Key::dscp("d")];
    const VALUES: u128 = 16;

    type Packet = [u128; 4];

    fn packets() -> impl Iterator<Item = Packet> {
        let each = || 0..VALUES;
        each().flat_map(move |a| each().flat_map(move |b| each().flat_map(move |c| each().map(move |d| [a, b, c, d]))))
    }

    /// A test as it is wanted: field, sign, kind of test, its first and its second slot.
    #[derive(Debug, Clone)]
    struct Wish {
        key: usize,
        negated: bool,
        kind: u8,
        slots: [Slot; 2],
    }

    fn item(wish: &Wish) -> Item<'_> {
        let [first, second] = &wish.slots;
        let bounds = match wish.kind {
            0 => Bounds::One(first),
            1 => Bounds::Masked(first, second),
            _ => Bounds::Range(first, second),
        };
        Item { attribute: Attribute::Protocol, negated: wish.negated, what: What::Field(KEYS[wish.key], bounds) }
    }

    fn slot(values: std::ops::Range<u32>, column: usize) -> impl Strategy<Value = Slot> {
        prop_oneof![
            values.prop_map(|number| Slot::Value(Value::Number(number))),
            (0..3_usize).prop_map(move |wheel| Slot::Column { wheel, column }),
        ]
    }

    /// Column 0 of a wheel has low numbers, 1 has high ones, 2 has lengths of prefixes.
    fn wish() -> impl Strategy<Value = Wish> {
        (0..KEYS.len(), proptest::bool::weighted(0.3), 0..3_u8).prop_flat_map(|(key, negated, kind)| {
            // What is shifted is never masked, nor a range.
            let kind = if KEYS[key].shifted { 0 } else { kind };
            let second = match kind {
                1 => prop_oneof![
                    (0..=4_u8).prop_map(|length| Slot::Value(Value::Prefix(length))),
                    (0..3_usize).prop_map(|wheel| Slot::Column { wheel, column: 2 }),
                ]
                .boxed(),
                _ => slot(7..16, 1).boxed(),
            };
            (slot(0..8, 0), second).prop_map(move |(first, second)| Wish { key, negated, kind, slots: [first, second] })
        })
    }

    fn wheel() -> impl Strategy<Value = Wheel> {
        (2..4_usize).prop_flat_map(|length| {
            let column =
                |values: std::ops::Range<u32>| proptest::collection::vec(values.prop_map(Value::Number), length);
            let lengths = proptest::collection::vec((0..=4_u8).prop_map(Value::Prefix), length);
            (column(0..8), column(7..16), lengths).prop_map(|(low, high, lengths)| {
                let access = VariableAccess::plain("A".parse().unwrap());
                let column = |values| Column { access: access.clone(), values };
                Wheel { columns: vec![column(low), column(high), column(lengths)] }
            })
        })
    }

    /// What the rule means: some combination has all tests of some alternative.
    fn meant(alternatives: &[Vec<Item<'_>>], wheels: &[Wheel], packet: Packet) -> bool {
        let lengths: Vec<usize> = wheels.iter().map(Wheel::len).collect();
        let combinations: usize = lengths.iter().product();
        (0..combinations).any(|mut combination| {
            let mut at = Vec::new();
            for length in &lengths {
                at.push(combination % length);
                combination /= length;
            }
            alternatives.iter().any(|items| items.iter().all(|item| holds(item, wheels, &at, packet)))
        })
    }

    fn holds(item: &Item<'_>, wheels: &[Wheel], at: &[usize], packet: Packet) -> bool {
        let What::Field(key, bounds) = item.what else { panic!("only fields are made") };
        let field = packet[KEYS.iter().position(|known| *known == key).unwrap()];
        let value = |slot: &Slot| slot.value(wheels, at).unwrap().clone();
        let number = |slot: &Slot| u128::from(value(slot).number().unwrap());
        let inside = match bounds {
            Bounds::One(slot) => field == number(slot),
            Bounds::Range(start, end) => number(start) <= field && field <= number(end),
            Bounds::Masked(slot, mask) => {
                let Value::Prefix(length) = value(mask) else { panic!("a mask is a prefix") };
                field >> (4 - length) == number(slot) >> (4 - length)
            }
        };
        inside != item.negated
    }

    /// A plain reading of the text, as nft reads it.
    fn said(text: &str, packet: Packet) -> bool {
        let mut words = text.split(' ').filter(|word| !word.is_empty()).peekable();
        let mut all = true;
        while let Some(word) = words.next() {
            let field = |name: &str| packet[KEYS.iter().position(|key| key.text == name).unwrap()];
            let mut fields = vec![field(word)];
            while words.next_if_eq(&".").is_some() {
                fields.push(field(words.next().unwrap()));
            }
            let inside = match words.next().unwrap() {
                "&" => {
                    let mask = range(words.next().unwrap()).low;
                    let equal = words.next().unwrap() == "==";
                    (fields[0] & mask == range(words.next().unwrap()).low) == equal
                }
                "!=" => !within(range(words.next().unwrap()), fields[0]),
                "{" => {
                    let elements: Vec<&str> = words.by_ref().take_while(|word| *word != "}").collect();
                    let joined = elements.join(" ");
                    joined.split(", ").any(|row| {
                        let columns: Vec<&str> = row.split(" . ").collect();
                        assert_eq!(columns.len(), fields.len(), "{text}");
                        columns.iter().zip(&fields).all(|(column, field)| within(range(column), *field))
                    })
                }
                value => within(range(value), fields[0]),
            };
            all &= inside;
        }
        all
    }

    fn range(text: &str) -> Interval {
        let number = |text: &str| match text.strip_prefix("0x") {
            Some(digits) => u128::from_str_radix(digits, 16).unwrap(),
            None => text.parse().unwrap(),
        };
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        Interval { low: number(low), high: number(high) }
    }

    fn within(interval: Interval, number: u128) -> bool {
        (interval.low..=interval.high).contains(&number)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn nft_200_the_lines_match_what_any_combination_matches(
            wishes in proptest::collection::vec(proptest::collection::vec(wish(), 0..5), 1..3),
            wheels in proptest::collection::vec(wheel(), 3),
            libvirt in any::<bool>(),
        ) {
            let alternatives: Vec<Vec<Item<'_>>> =
                wishes.iter().map(|wishes| wishes.iter().map(item).collect()).collect();
            let shape = Shape { guards: BTreeSet::new(), alternatives };
            let profile = if libvirt { Profile::Libvirt } else { Profile::Nwf };
            match write(&shape, &wheels, profile) {
                Ok(written) => {
                    // A stride that has no factor in common with the number of packets meets all values of all fields.
                    for packet in packets().step_by(97) {
                        let found = written.texts.iter().any(|text| said(text, packet));
                        let expected = meant(&shape.alternatives, &wheels, packet);
                        prop_assert_eq!(found, expected, "{:?}\n{:#?}", packet, written.texts);
                    }
                }
                Err(Wrong::EmptyRange { .. }) => {}
                Err(wrong) => prop_assert!(false, "{wrong:?}"),
            }
        }
    }
}
