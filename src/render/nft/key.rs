//! Header fields in nft's words, and values as numbers: every test of a field is an interval of numbers.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::MacAddr;

/// How the values of a field are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `52:54:00:00:00:01`.
    Mac,
    /// `192.0.2.1`.
    Ipv4,
    /// `2001:db8::1`.
    Ipv6,
    /// A decimal number.
    Decimal,
    /// `0x0800`: as many digits as the field is wide.
    Hexadecimal,
}

/// A field of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The expression of nft that reads it.
    pub text: &'static str,
    /// How its values are written.
    pub form: Form,
    /// Its width in bits.
    pub width: u32,
    /// Whether it is part of a byte or spans bytes unevenly: nft shifts its values, which is sure outside of
    /// concatenations and ranges only.
    pub shifted: bool,
}

impl Key {
    const fn new(text: &'static str, form: Form, width: u32) -> Self {
        Key { text, form, width, shifted: false }
    }

    /// An Ethernet address.
    pub const fn mac(text: &'static str) -> Self {
        Key::new(text, Form::Mac, 48)
    }

    /// An IPv4 address.
    pub const fn ipv4(text: &'static str) -> Self {
        Key::new(text, Form::Ipv4, 32)
    }

    /// An IPv6 address.
    pub const fn ipv6(text: &'static str) -> Self {
        Key::new(text, Form::Ipv6, 128)
    }

    /// A number that people write in decimal.
    pub const fn decimal(text: &'static str, width: u32) -> Self {
        Key::new(text, Form::Decimal, width)
    }

    /// A number that people write in hexadecimal, or a part of the packet without a name.
    pub const fn hexadecimal(text: &'static str, width: u32) -> Self {
        Key::new(text, Form::Hexadecimal, width)
    }

    /// The DSCP of an IP packet.
    pub const fn dscp(text: &'static str) -> Self {
        Key { shifted: true, ..Key::new(text, Form::Decimal, 6) }
    }

    /// The largest value.
    pub fn max(&self) -> u128 {
        u128::MAX >> (128 - self.width)
    }

    fn write_value(&self, number: u128, text: &mut String) {
        // Writing to a text does not fail.
        let _ = match self.form {
            Form::Mac => {
                let [_, _, _, _, _, _, _, _, _, _, octets @ ..] = number.to_be_bytes();
                write!(text, "{}", MacAddr::new(octets))
            }
            Form::Ipv4 => {
                let [.., a, b, c, d] = number.to_be_bytes();
                write!(text, "{}", Ipv4Addr::new(a, b, c, d))
            }
            Form::Ipv6 => write!(text, "{}", Ipv6Addr::from(number)),
            Form::Decimal => write!(text, "{number}"),
            Form::Hexadecimal => {
                let digits = usize::try_from(self.width.div_ceil(4)).unwrap_or_default();
                write!(text, "0x{number:0digits$x}")
            }
        };
    }

    /// Writes a value, a prefix or a range.
    pub fn write_interval(&self, interval: Interval, text: &mut String) {
        self.write_value(interval.low, text);
        if interval.is_single() {
            return;
        }
        match (self.form, interval.prefix(self.width)) {
            (Form::Ipv4 | Form::Ipv6, Some(length)) => {
                let _ = write!(text, "/{length}");
            }
            _ => {
                text.push('-');
                self.write_value(interval.high, text);
            }
        }
    }

    /// Writes the test of the field against one interval. A MAC prefix, or that of a nameless field, is written
    /// with its mask (NFT-122).
    pub fn write_test(&self, negated: bool, interval: Interval, text: &mut String) {
        text.push_str(self.text);
        let masked = matches!(self.form, Form::Mac) || self.text.starts_with('@');
        match interval.prefix(self.width) {
            Some(length) if masked && !interval.is_single() => {
                let mask = self.max() & !(self.max().checked_shr(length).unwrap_or_default());
                text.push_str(" & ");
                self.write_value(mask, text);
                text.push_str(if negated { " != " } else { " == " });
                self.write_value(interval.low, text);
            }
            _ => {
                text.push_str(if negated { " != " } else { " " });
                self.write_interval(interval, text);
            }
        }
    }
}

/// Numbers from a lowest to a highest, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    /// The lowest.
    pub low: u128,
    /// The highest; not below the lowest.
    pub high: u128,
}

impl Interval {
    /// One number.
    pub fn single(number: u128) -> Self {
        Interval { low: number, high: number }
    }

    /// The numbers of `width` bits that begin like `number`.
    pub fn with_prefix(number: u128, length: u32, width: u32) -> Self {
        let all = u128::MAX >> (128 - width);
        let low_bits = all.checked_shr(length).unwrap_or_default();
        Interval { low: number & all & !low_bits, high: (number & all) | low_bits }
    }

    /// Whether it is one number.
    pub fn is_single(self) -> bool {
        self.low == self.high
    }

    /// Whether every value of a field is in it.
    pub fn is_all(self, key: &Key) -> bool {
        self.low == 0 && self.high == key.max()
    }

    /// The length of the prefix that all its numbers share, if it has all numbers with it.
    fn prefix(self, width: u32) -> Option<u32> {
        let differing = self.low ^ self.high;
        let aligned = differing & differing.wrapping_add(1) == 0 && self.low & differing == 0;
        aligned.then(|| width - differing.count_ones())
    }

    /// The numbers that are in both.
    pub fn intersection(self, other: Interval) -> Option<Interval> {
        let both = Interval { low: self.low.max(other.low), high: self.high.min(other.high) };
        (both.low <= both.high).then_some(both)
    }
}

/// Sorts intervals and joins those that overlap. Numbers that only stand side by side stay apart if all are
/// single: a set of numbers is faster than one of ranges.
pub fn merge(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    intervals.dedup();
    let adjacent = u128::from(intervals.iter().any(|interval| !interval.is_single()));
    let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
    for interval in intervals {
        match merged.last_mut() {
            Some(last) if interval.low <= last.high.saturating_add(adjacent) => {
                last.high = last.high.max(interval.high);
            }
            _ => merged.push(interval),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(key: Key, negated: bool, interval: Interval) -> String {
        let mut text = String::new();
        key.write_test(negated, interval, &mut text);
        text
    }

    fn range(low: u128, high: u128) -> Interval {
        Interval { low, high }
    }

    #[test]
    fn nft_122_values_are_written_in_the_form_of_their_field() {
        let mac = Key::mac("ether saddr");
        assert_eq!(written(mac, false, Interval::single(0x5254_0000_0001)), "ether saddr 52:54:00:00:00:01");
        let ours = Interval::with_prefix(0x5254_0000_0001, 24, 48);
        assert_eq!(written(mac, true, ours), "ether saddr & ff:ff:ff:00:00:00 != 52:54:00:00:00:00");
        let ip = Key::ipv4("ip saddr");
        assert_eq!(written(ip, false, Interval::with_prefix(0x0a01_0203, 8, 32)), "ip saddr 10.0.0.0/8");
        assert_eq!(written(ip, true, range(1, 2)), "ip saddr != 0.0.0.1-0.0.0.2");
        assert_eq!(written(Key::ipv6("ip6 saddr"), false, Interval::with_prefix(1, 0, 128)), "ip6 saddr ::/0");
        assert_eq!(written(Key::hexadecimal("ether type", 16), true, Interval::single(0x806)), "ether type != 0x0806");
        let raw = Key::hexadecimal("@nh,112,32", 32);
        let raw_prefix = Interval::with_prefix(0x0a00_0001, 24, 32);
        assert_eq!(written(raw, false, raw_prefix), "@nh,112,32 & 0xffffff00 == 0x0a000000");
        assert_eq!(written(raw, false, range(1, 5)), "@nh,112,32 0x00000001-0x00000005");
        assert_eq!(written(Key::decimal("tcp dport", 16), false, range(80, 81)), "tcp dport 80-81");
    }

    #[test]
    fn nft_201_intervals_are_merged() {
        assert_eq!(merge(vec![range(5, 9), range(1, 2), range(8, 12), range(3, 3)]), [range(1, 3), range(5, 12)]);
        let singles = [Interval::single(1), Interval::single(2)];
        assert_eq!(merge(vec![singles[1], singles[0], singles[1]]), singles);
        let top = range(u128::MAX - 1, u128::MAX);
        assert_eq!(merge(vec![top, top]), [top]);
    }
}
