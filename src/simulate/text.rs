//! Packets as people write them: `ip saddr 10.0.0.5 tcp dport 80`.
//!
//! The words are nft's where it has them. A text is a list of headers, each with fields and their values; the header
//! need not be repeated in front of each field. What is left out is filled in by [`Packet::frame`] from the
//! [`Stations`] at both ends, so that a text says only what matters. `in` or `out` may stand in front.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use crate::model::{Bound, Kind, MacAddr};
use crate::problem::closest;
use crate::ruleset::Side;

/// Why a text is no packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct TextError {
    /// What is wrong.
    pub why: String,
    /// What would be right.
    pub help: String,
    /// Where: bytes of the text.
    pub at: Range<usize>,
}

/// What a field's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// A number up to this one, decimal or with `0x`.
    Number(u64),
    /// The same, or a name.
    Named(u64, &'static [(&'static str, u64)]),
    /// An Ethernet address, or `broadcast`.
    Mac,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// Hexadecimal digits.
    Bytes,
    /// TCP flags.
    Flags,
    /// Several names or numbers with commas between.
    List(u64, &'static [(&'static str, u64)]),
}

/// A value that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    Number(u64),
    Mac(MacAddr),
    Address(IpAddr),
    Bytes(Vec<u8>),
}

const ETHER_TYPES: &[(&str, u64)] = &[
    ("ip", 0x0800),
    ("ipv4", 0x0800),
    ("arp", 0x0806),
    ("rarp", 0x8035),
    ("vlan", 0x8100),
    ("ip6", 0x86dd),
    ("ipv6", 0x86dd),
];
const PROTOCOLS: &[(&str, u64)] = &[
    ("icmp", 1),
    ("igmp", 2),
    ("tcp", 6),
    ("udp", 17),
    ("dccp", 33),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("sctp", 132),
    ("udplite", 136),
];
const ARP_OPERATIONS: &[(&str, u64)] = &[("request", 1), ("reply", 2), ("rrequest", 3), ("rreply", 4)];
const ICMP_TYPES: &[(&str, u64)] = &[
    ("echo-reply", 0),
    ("destination-unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo-request", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp-request", 13),
    ("timestamp-reply", 14),
    ("info-request", 15),
    ("info-reply", 16),
    ("address-mask-request", 17),
    ("address-mask-reply", 18),
];
const ICMPV6_TYPES: &[(&str, u64)] = &[
    ("destination-unreachable", 1),
    ("packet-too-big", 2),
    ("time-exceeded", 3),
    ("parameter-problem", 4),
    ("echo-request", 128),
    ("echo-reply", 129),
    ("mld-listener-query", 130),
    ("mld-listener-report", 131),
    ("mld-listener-done", 132),
    ("nd-router-solicit", 133),
    ("nd-router-advert", 134),
    ("nd-neighbor-solicit", 135),
    ("nd-neighbor-advert", 136),
    ("nd-redirect", 137),
    ("mld2-listener-report", 143),
];
const EXTENSIONS: &[(&str, u64)] = &[("hbh", 0), ("rt", 43), ("dst", 60), ("ah", 51), ("frag", 44)];
const FLAGS: &[(&str, u64)] = &[
    ("fin", 0x01),
    ("syn", 0x02),
    ("rst", 0x04),
    ("psh", 0x08),
    ("ack", 0x10),
    ("urg", 0x20),
    ("ecn", 0x40),
    ("cwr", 0x80),
    ("none", 0),
];
/// Where in a packet a fragment is from; a number is an offset in bytes.
const FRAGMENTS: &[(&str, u64)] = &[("first", FRAGMENT_FIRST), ("middle", FRAGMENT_MIDDLE), ("last", FRAGMENT_LAST)];
pub(super) const FRAGMENT_FIRST: u64 = 1 << 32;
pub(super) const FRAGMENT_MIDDLE: u64 = 2 << 32;
pub(super) const FRAGMENT_LAST: u64 = 3 << 32;

const U8: Takes = Takes::Number(0xff);
const U16: Takes = Takes::Number(0xffff);
const U32: Takes = Takes::Number(0xffff_ffff);

/// Longest payload, in bytes.
const PAYLOAD_MAX: u64 = 9000;

type Fields = &'static [(&'static str, Takes)];

const ARP_FIELDS: Fields = &[
    ("op", Takes::Named(0xffff, ARP_OPERATIONS)),
    ("operation", Takes::Named(0xffff, ARP_OPERATIONS)),
    ("htype", U16),
    ("ptype", Takes::Named(0xffff, ETHER_TYPES)),
    ("hlen", U8),
    ("plen", U8),
    ("saddr ip", Takes::Ipv4),
    ("saddr ether", Takes::Mac),
    ("daddr ip", Takes::Ipv4),
    ("daddr ether", Takes::Mac),
];
const PORTS: Fields = &[("sport", U16), ("dport", U16)];

/// All headers and their fields. Of two fields with one meaning the first is the one that is kept.
const HEADERS: &[(&str, Fields)] = &[
    (
        "ether",
        &[
            ("src", Takes::Mac),
            ("saddr", Takes::Mac),
            ("dst", Takes::Mac),
            ("daddr", Takes::Mac),
            ("type", Takes::Named(0xffff, ETHER_TYPES)),
        ],
    ),
    ("vlan", &[("id", Takes::Number(4095)), ("pcp", Takes::Number(7)), ("type", Takes::Named(0xffff, ETHER_TYPES))]),
    ("arp", ARP_FIELDS),
    ("rarp", ARP_FIELDS),
    (
        "ip",
        &[
            ("saddr", Takes::Ipv4),
            ("daddr", Takes::Ipv4),
            ("ttl", U8),
            ("dscp", Takes::Number(63)),
            ("tos", U8),
            ("id", U16),
            ("protocol", Takes::Named(0xff, PROTOCOLS)),
            ("version", Takes::Number(15)),
            ("length", U16),
            ("options", Takes::Bytes),
        ],
    ),
    (
        "ip6",
        &[
            ("saddr", Takes::Ipv6),
            ("daddr", Takes::Ipv6),
            ("hoplimit", U8),
            ("dscp", Takes::Number(63)),
            ("flowlabel", Takes::Number(0xf_ffff)),
            ("nexthdr", Takes::Named(0xff, PROTOCOLS)),
            ("ext", Takes::List(0xff, EXTENSIONS)),
            ("version", Takes::Number(15)),
            ("length", U16),
        ],
    ),
    (
        "tcp",
        &[
            ("sport", U16),
            ("dport", U16),
            ("flags", Takes::Flags),
            ("seq", U32),
            ("ack", U32),
            ("window", U16),
            ("doff", Takes::Number(15)),
            ("option", Takes::List(0xff, &[])),
        ],
    ),
    ("udp", PORTS),
    ("udplite", PORTS),
    ("dccp", PORTS),
    ("sctp", PORTS),
    ("icmp", &[("type", Takes::Named(0xff, ICMP_TYPES)), ("code", U8), ("id", U16), ("sequence", U16)]),
    (
        "icmpv6",
        &[
            ("type", Takes::Named(0xff, ICMPV6_TYPES)),
            ("code", U8),
            ("id", U16),
            ("sequence", U16),
            ("target", Takes::Ipv6),
        ],
    ),
    ("igmp", &[("type", U8), ("group", Takes::Ipv4)]),
    ("esp", &[("spi", U32)]),
    ("ah", &[("spi", U32), ("nexthdr", Takes::Named(0xff, PROTOCOLS))]),
    (
        "stp",
        &[
            ("type", U8),
            ("flags", U8),
            ("root-priority", U16),
            ("root-address", Takes::Mac),
            ("root-cost", U32),
            ("sender-priority", U16),
            ("sender-address", Takes::Mac),
            ("port", U16),
            ("age", U16),
            ("max-age", U16),
            ("hello-time", U16),
            ("forward-delay", U16),
        ],
    ),
    // Not headers, but written like them.
    ("frag", &[("", Takes::Named(0xfff8, FRAGMENTS))]),
    ("payload", &[("length", Takes::Number(PAYLOAD_MAX)), ("hex", Takes::Bytes)]),
    ("cut", &[("", Takes::Number(PAYLOAD_MAX))]),
    ("raw", &[("", Takes::Bytes)]),
];

/// Headers that stand directly behind the Ethernet header.
pub(super) const NETWORK: [&str; 5] = ["arp", "rarp", "ip", "ip6", "stp"];
/// Headers that stand behind IP.
pub(super) const TRANSPORT: [&str; 10] =
    ["tcp", "udp", "udplite", "dccp", "sctp", "icmp", "icmpv6", "igmp", "esp", "ah"];

/// A packet as it was written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packet {
    side: Option<Side>,
    pub(super) headers: Vec<&'static str>,
    pub(super) fields: BTreeMap<(&'static str, &'static str), Given>,
}

/// A word and where it stands.
#[derive(Debug, Clone, Copy)]
struct Word<'t> {
    text: &'t str,
    at: usize,
}

impl Word<'_> {
    fn error(self, why: String, help: impl Into<String>) -> TextError {
        TextError { why, help: help.into(), at: self.at..self.at + self.text.len() }
    }
}

fn words(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut at = 0;
    for part in text.split_inclusive(char::is_whitespace) {
        let word = part.trim_end_matches(char::is_whitespace);
        if !word.is_empty() {
            words.push(Word { text: word, at });
        }
        at += part.len();
    }
    words
}

impl Packet {
    /// Reads a packet.
    ///
    /// # Errors
    /// The first word that has no meaning, with what would have one.
    pub fn parse(text: &str) -> Result<Packet, TextError> {
        let words = words(text);
        let mut rest = words.as_slice();
        let mut packet = Packet::default();
        if let [Word { text: direction @ ("in" | "out"), .. }, behind @ ..] = rest {
            packet.side = Some(if *direction == "in" { Side::ToGuest } else { Side::FromGuest });
            rest = behind;
        }
        let mut header: Option<(&'static str, Fields)> = None;
        while let [word, behind @ ..] = rest {
            // A field of the header at hand goes before a header of that name.
            if let Some((_, fields)) = header
                && let Some((name, takes, used)) = field(fields, rest)
            {
                let (value, behind) = Packet::value(name, takes, *word, rest.get(used..).unwrap_or_default())?;
                packet.put(header.map_or("", |(name, _)| name), name, value, *word)?;
                rest = behind;
                continue;
            }
            let Some((name, fields)) = HEADERS.iter().find(|(name, _)| *name == word.text) else {
                return Err(unknown(*word, header));
            };
            packet.begin(name, *word)?;
            rest = behind;
            if let [("", takes)] = fields {
                let (value, behind) = Packet::value(name, *takes, *word, rest)?;
                packet.put(name, "", value, *word)?;
                rest = behind;
                header = None;
            } else {
                header = Some((name, fields));
            }
        }
        Ok(packet)
    }

    /// The direction that was written, if one was.
    pub fn side(&self) -> Option<Side> {
        self.side
    }

    /// The fields that each header takes, one header a line, for help texts.
    pub fn vocabulary() -> String {
        let mut text = String::new();
        for (header, fields) in HEADERS {
            let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
            let names = match *header {
                "frag" => "first, middle, last, or an offset in bytes: the packet is a fragment".to_owned(),
                "cut" => "bytes that are left of the frame".to_owned(),
                "raw" => "the whole frame in hexadecimal".to_owned(),
                "ip6" => format!("{} (ext: {})", names.join(", "), names_of(EXTENSIONS)),
                _ => names.join(", "),
            };
            text.extend([header, ": ", names.as_str(), "\n"]);
        }
        text
    }

    fn begin(&mut self, name: &'static str, word: Word<'_>) -> Result<(), TextError> {
        if self.headers.contains(&name) {
            return Ok(());
        }
        let clash = |group: &[&str]| {
            let known = self.headers.iter().find(|known| group.contains(known));
            known.filter(|_| group.contains(&name)).copied()
        };
        let linked = self.headers.iter().find(|known| ["arp", "rarp", "stp"].contains(known)).copied();
        let is_linked = ["arp", "rarp", "stp"].contains(&name);
        let carried = self.headers.iter().find(|known| TRANSPORT.contains(known)).copied();
        let contradiction = clash(&NETWORK)
            .or_else(|| clash(&TRANSPORT))
            .or_else(|| linked.filter(|_| TRANSPORT.contains(&name)))
            .or_else(|| carried.filter(|_| is_linked));
        if let Some(known) = contradiction {
            let why = format!("`{name}` cannot stand beside `{known}`");
            return Err(word.error(why, "a frame has one header of each layer; write one packet for each"));
        }
        self.headers.push(name);
        Ok(())
    }

    fn put(&mut self, header: &'static str, name: &'static str, value: Given, word: Word<'_>) -> Result<(), TextError> {
        let name = match name {
            "saddr" if header == "ether" => "src",
            "daddr" if header == "ether" => "dst",
            "operation" => "op",
            name => name,
        };
        if self.fields.insert((header, name), value).is_some() {
            return Err(word.error(format!("`{header} {name}` is given twice"), "write each field once"));
        }
        Ok(())
    }

    /// Reads the value of a field from the words behind it.
    fn value<'w, 't>(
        name: &str,
        takes: Takes,
        word: Word<'_>,
        rest: &'w [Word<'t>],
    ) -> Result<(Given, &'w [Word<'t>]), TextError> {
        let [value, behind @ ..] = rest else {
            return Err(word.error(format!("`{name}` has no value"), format!("write {takes} behind it")));
        };
        match read(takes, value.text) {
            Some(given) => Ok((given, behind)),
            None => {
                let names = takes.names().iter().map(|(name, _)| *name);
                let why = format!("`{}` is no value of `{name}`", value.text.escape_debug());
                let help = match closest(value.text, names) {
                    Some(near) => format!("did you mean `{near}`? It is {takes}"),
                    None => format!("write {takes}"),
                };
                Err(value.error(why, help))
            }
        }
    }
}

/// The field that some words begin with, and how many words its name has.
fn field(fields: Fields, words: &[Word<'_>]) -> Option<(&'static str, Takes, usize)> {
    let first = words.first()?.text;
    let second = words.get(1).map_or("", |word| word.text);
    fields.iter().find_map(|(name, takes)| match name.split_once(' ') {
        Some((one, two)) => (one == first && two == second).then_some((*name, *takes, 2)),
        None => (*name == first && !name.is_empty()).then_some((*name, *takes, 1)),
    })
}

/// A word that is neither a field of the header at hand nor a header.
fn unknown(word: Word<'_>, header: Option<(&'static str, Fields)>) -> TextError {
    let shown = word.text.escape_debug();
    let headers: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
    let fields: Vec<&str> = header
        .map(|(_, fields)| fields.iter().filter_map(|(name, _)| name.split(' ').next()).collect())
        .unwrap_or_default();
    let why = match header {
        Some((name, _)) => format!("`{shown}` is neither a field of `{name}` nor a header"),
        None => format!("`{shown}` is no header"),
    };
    let half: Vec<&str> = header
        .map(|(_, fields)| {
            fields.iter().map(|(name, _)| *name).filter(|name| name.starts_with(&format!("{} ", word.text))).collect()
        })
        .unwrap_or_default();
    if !half.is_empty() {
        let help = format!("write `{}`", half.join("` or `"));
        return word.error(format!("`{shown}` of `{}` is not complete", header.map_or("", |(name, _)| name)), help);
    }
    let owner = HEADERS.iter().find(|(_, fields)| fields.iter().any(|(name, _)| *name == word.text));
    let help = match (closest(word.text, fields.iter().copied().chain(headers.iter().copied())), owner, header) {
        (Some(near), _, _) => format!("did you mean `{near}`?"),
        (None, Some((owner, _)), _) => format!("`{shown}` is a field of `{owner}`: write the header in front of it"),
        (None, None, Some((name, _))) => format!("the fields of `{name}` are {}", fields.join(", ")),
        (None, None, None) => format!("a packet begins with a header: {}", headers.join(", ")),
    };
    word.error(why, help)
}

impl Takes {
    fn names(self) -> &'static [(&'static str, u64)] {
        match self {
            Takes::Named(_, names) | Takes::List(_, names) => names,
            Takes::Flags => FLAGS,
            Takes::Number(_) | Takes::Mac | Takes::Ipv4 | Takes::Ipv6 | Takes::Bytes => &[],
        }
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Takes::Number(max) => write!(f, "a number from 0 to {max}"),
            Takes::Named(max, names) => {
                write!(f, "a number from 0 to {max} or a name such as `{}`", names.first().map_or("", |(name, _)| name))
            }
            Takes::Mac => write!(f, "{}", Kind::Mac.expected()),
            Takes::Ipv4 => write!(f, "{}", Kind::Ipv4.expected()),
            Takes::Ipv6 => write!(f, "{}", Kind::Ipv6.expected()),
            Takes::Bytes => write!(f, "pairs of hexadecimal digits"),
            Takes::Flags => write!(f, "flags such as `syn,ack`, or `none`"),
            Takes::List(max, []) => write!(f, "numbers from 0 to {max} with commas between"),
            Takes::List(_, names) => {
                write!(f, "one or more of {} with commas between", names_of(names).replace(',', ", "))
            }
        }
    }
}

fn names_of(names: &[(&str, u64)]) -> String {
    names.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(",")
}

fn read(takes: Takes, text: &str) -> Option<Given> {
    match takes {
        Takes::Number(max) => number(text).filter(|number| *number <= max).map(Given::Number),
        Takes::Named(max, names) => named(text, max, names).map(Given::Number),
        Takes::Mac if text == "broadcast" => Some(Given::Mac(MacAddr::BROADCAST)),
        Takes::Mac => text.parse().ok().map(Given::Mac),
        Takes::Ipv4 => text.parse().ok().map(|address| Given::Address(IpAddr::V4(address))),
        Takes::Ipv6 => text.parse().ok().map(|address| Given::Address(IpAddr::V6(address))),
        Takes::Bytes => bytes(text).map(Given::Bytes),
        Takes::Flags => {
            let bits = text.split([',', '|']).map(|word| named(word, 0xff, FLAGS));
            let bits: Option<Vec<u64>> = bits.collect();
            bits.map(|bits| Given::Number(bits.iter().fold(0, |all, bit| all | bit)))
        }
        Takes::List(max, names) => {
            let items = text.split(',').map(|word| u8::try_from(named(word, max, names)?).ok());
            items.collect::<Option<Vec<u8>>>().map(Given::Bytes)
        }
    }
}

fn named(text: &str, max: u64, names: &[(&str, u64)]) -> Option<u64> {
    let known = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| *number);
    known.or_else(|| number(text).filter(|number| *number <= max))
}

fn number(text: &str) -> Option<u64> {
    let (digits, base) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
    plain.then(|| u64::from_str_radix(digits, base).ok()).flatten()
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let digits: Option<Vec<u8>> =
        digits.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2) && digits.len() as u64 <= 2 * PAYLOAD_MAX)?;
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| match pair {
                [high, low] => high << 4 | low,
                _ => 0,
            })
            .collect(),
    )
}

/// The addresses of one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Station {
    /// The Ethernet address.
    pub mac: MacAddr,
    /// The IPv4 address.
    pub ipv4: Ipv4Addr,
    /// The IPv6 address.
    pub ipv6: Ipv6Addr,
}

/// Both ends, whose addresses fill in what a text leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stations {
    /// The guest.
    pub guest: Station,
    /// Whom it talks to.
    pub peer: Station,
}

impl Stations {
    /// The ends of a binding: the guest has its MAC address and the first values of `IP` and `IPV6`, if there are
    /// any, the other end is a neighbour in the same network. Without them the addresses are those of documentation.
    pub fn of(binding: &Bound) -> Stations {
        let first = |wanted: &str| {
            let mut parameters = binding.parameters.iter();
            let values = parameters.find(|(name, _)| name.as_str() == wanted).map(|(_, values)| values)?;
            values.first().cloned()
        };
        let ipv4 = first("IP").and_then(|text| text.parse().ok()).unwrap_or(Ipv4Addr::new(192, 0, 2, 5));
        let documentation = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 5);
        let ipv6 = first("IPV6").and_then(|text| text.parse().ok()).unwrap_or(documentation);
        let mac = binding.mac.unwrap_or(MacAddr::new([0x52, 0x54, 0, 0, 0, 5]));
        let [a, b, c, d] = ipv4.octets();
        let mut segments = ipv6.segments();
        let host = if segments.ends_with(&[0, 0, 0, 1]) { 2 } else { 1 };
        for (segment, value) in segments.iter_mut().skip(4).zip([0, 0, 0, host]) {
            *segment = value;
        }
        let other = MacAddr::new([0x52, 0x54, 0, 0, 0, 1]);
        let peer = Station {
            mac: if mac == other { MacAddr::new([0x52, 0x54, 0, 0, 0, 2]) } else { other },
            ipv4: Ipv4Addr::new(a, b, c, if d == 1 { 2 } else { 1 }),
            ipv6: Ipv6Addr::from(segments),
        };
        Stations { guest: Station { mac, ipv4, ipv6 }, peer }
    }

    /// Sender and receiver of a frame.
    pub fn ends(&self, side: Side) -> (Station, Station) {
        match side {
            Side::FromGuest => (self.guest, self.peer),
            Side::ToGuest => (self.peer, self.guest),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn wrong(text: &str) -> String {
        let error = Packet::parse(text).unwrap_err();
        format!("{}: {}; {}", text.get(error.at.clone()).unwrap(), error.why, error.help)
    }

    #[test]
    fn a_header_need_not_be_repeated() {
        let long = Packet::parse("ip saddr 10.0.0.1 ip daddr 10.0.0.2 tcp dport 80 tcp flags syn,ack").unwrap();
        let short = Packet::parse("ip saddr 10.0.0.1 daddr 10.0.0.2 tcp dport 80 flags syn|ack").unwrap();
        assert_eq!(long, short);
        assert_eq!(long.side(), None);
        assert_eq!(Packet::parse("in arp").unwrap().side(), Some(Side::ToGuest));
    }

    #[test]
    fn arp_addresses_have_two_words() {
        let packet = Packet::parse("arp saddr ip 10.0.0.1 saddr ether 2:0:0:0:0:1 op reply").unwrap();
        assert_eq!(packet.fields.get(&("arp", "op")), Some(&Given::Number(2)));
        assert_eq!(
            wrong("arp saddr 10.0.0.1"),
            "saddr: `saddr` of `arp` is not complete; write `saddr ip` or `saddr ether`"
        );
    }

    #[test]
    fn errors_name_the_word_and_the_closest() {
        assert_eq!(
            wrong("ip sadr 10.0.0.1"),
            "sadr: `sadr` is neither a field of `ip` nor a header; did you mean `saddr`?"
        );
        assert_eq!(wrong("tpc dport 80"), "tpc: `tpc` is no header; did you mean `tcp`?");
        assert_eq!(
            wrong("ether src 1:2:3:4:5:6 dport 80"),
            "dport: `dport` is neither a field of `ether` nor a header; `dport` is a field of `tcp`: write the header in front of it"
        );
        assert_eq!(wrong("tcp dport 65536"), "65536: `65536` is no value of `dport`; write a number from 0 to 65535");
        assert_eq!(
            wrong("icmp type echo-requst"),
            "echo-requst: `echo-requst` is no value of `type`; did you mean `echo-request`? It is a number from 0 to 255 or a name such as `echo-reply`"
        );
        assert_eq!(wrong("tcp dport"), "dport: `dport` has no value; write a number from 0 to 65535 behind it");
        assert_eq!(
            wrong("udp tcp"),
            "tcp: `tcp` cannot stand beside `udp`; a frame has one header of each layer; write one packet for each"
        );
        assert_eq!(wrong("udp sport 1 sport 2"), "sport: `udp sport` is given twice; write each field once");
    }
}
