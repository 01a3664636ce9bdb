//! Values of attributes: from text and back (spec 01, section 6).

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Kind, MacAddr, MacMask, Profile, format_ipv6};

/// A literal value. Which variants an attribute can have is decided by its [`Kind`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// A number that was written in decimal, or by name.
    Number(u32),
    /// A number that was written in hexadecimal, and is printed so.
    Hex(u32),
    /// An Ethernet address.
    Mac(MacAddr),
    /// A mask for Ethernet addresses.
    MacMask(MacMask),
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address.
    Ipv6(Ipv6Addr),
    /// A prefix length, 0 to 32 or 128.
    Prefix(u8),
    /// A truth value.
    Bool(bool),
    /// A comment.
    Text(String),
    /// Connection states.
    State(StateSet),
    /// A mask and a set of TCP flags.
    TcpFlags(TcpFlags),
    /// Name of a kernel IP set.
    IpSet(String),
    /// Header fields looked up in an IP set, in order, one to six.
    IpSetFlags(Vec<IpSetDirection>),
}

/// One header field of an IP-set look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IpSetDirection {
    /// The source.
    Src,
    /// The destination.
    Dst,
}

/// A connection state that a rule can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// The packet begins a connection.
    New,
    /// The connection has seen packets both ways.
    Established,
    /// The packet begins a connection that an existing one asked for.
    Related,
    /// The packet belongs to no connection.
    Invalid,
    /// Not a state: the rule is one-directional and asks for none.
    None,
}

impl State {
    /// All of them, in print order (XML-57).
    pub const ALL: [State; 5] = [State::New, State::Established, State::Related, State::Invalid, State::None];

    /// The state's name in XML.
    pub fn name(self) -> &'static str {
        match self {
            State::New => "NEW",
            State::Established => "ESTABLISHED",
            State::Related => "RELATED",
            State::Invalid => "INVALID",
            State::None => "NONE",
        }
    }
}

/// A set of states, sorted; `NONE` stands alone (XML-57).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Vec<State>")]
pub struct StateSet(Vec<State>);

impl StateSet {
    /// The states, in print order.
    pub fn states(&self) -> &[State] {
        &self.0
    }

    /// Whether no state was named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the set is `NONE`: one-directional, without a state test (EB-71).
    pub fn is_none(&self) -> bool {
        self.0 == [State::None]
    }

    /// The states of both sets.
    #[must_use]
    pub fn union(&self, other: &StateSet) -> StateSet {
        self.0.iter().chain(&other.0).copied().collect::<Vec<_>>().into()
    }
}

impl From<Vec<State>> for StateSet {
    fn from(mut states: Vec<State>) -> Self {
        if states.contains(&State::None) {
            states = vec![State::None];
        }
        states.sort_unstable();
        states.dedup();
        StateSet(states)
    }
}

/// `MASK/FLAGS`: of the flags in the mask exactly these are set (XML-58).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TcpFlags {
    /// The flags looked at.
    pub mask: TcpFlagSet,
    /// Those that must be set.
    pub flags: TcpFlagSet,
}

/// A set of the six TCP flags, as the bits of the header: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct TcpFlagSet(u8);

impl JsonSchema for TcpFlagSet {
    fn schema_name() -> Cow<'static, str> {
        "TcpFlagSet".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": 63 })
    }
}

impl TcpFlagSet {
    const NAMES: [(&'static str, u8); 8] = [
        ("FIN", 0x01),
        ("SYN", 0x02),
        ("RST", 0x04),
        ("PSH", 0x08),
        ("ACK", 0x10),
        ("URG", 0x20),
        ("ALL", 0x3f),
        ("NONE", 0),
    ];

    /// The bits.
    pub fn bits(self) -> u8 {
        self.0
    }
}

impl TryFrom<u8> for TcpFlagSet {
    type Error = String;

    fn try_from(bits: u8) -> Result<Self, String> {
        if bits <= 0x3f {
            Ok(TcpFlagSet(bits))
        } else {
            Err(format!("{bits} is not a set of TCP flags: it must be at most 63"))
        }
    }
}

impl From<TcpFlagSet> for u8 {
    fn from(set: TcpFlagSet) -> u8 {
        set.0
    }
}

impl fmt::Display for TcpFlagSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => return f.write_str("NONE"),
            0x3f => return f.write_str("ALL"),
            _ => {}
        }
        let names = TcpFlagSet::NAMES.iter().take(6).filter(|(_, bit)| self.0 & bit != 0).map(|(name, _)| *name);
        f.write_str(&names.collect::<Vec<_>>().join(","))
    }
}

/// Names of Ethernet types (XML-54).
const ETHER_TYPES: &[(&str, u32)] =
    &[("arp", 0x806), ("rarp", 0x8035), ("ipv4", 0x800), ("ipv6", 0x86dd), ("vlan", 0x8100)];

/// Names of ARP operations (XML-55).
const ARP_OPERATIONS: &[(&str, u32)] = &[
    ("Request", 1),
    ("Reply", 2),
    ("Request_Reverse", 3),
    ("Reply_Reverse", 4),
    ("DRARP_Request", 5),
    ("DRARP_Reply", 6),
    ("DRARP_Error", 7),
    ("InARP_Request", 8),
    ("ARP_NAK", 9),
];

/// Names of IP protocols (XML-56).
const IP_PROTOCOLS: &[(&str, u32)] = &[
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
    ("esp", 50),
    ("ah", 51),
    ("icmp", 1),
    ("igmp", 2),
    ("sctp", 132),
    ("icmpv6", 58),
];

/// Longest comment in bytes (XML-52, TEXT).
const TEXT_MAX: usize = 256;

impl Kind {
    /// What a value of the kind looks like, for messages.
    pub fn expected(self) -> &'static str {
        match self {
            Kind::U8 => "a number from 0 to 255 (decimal, or hexadecimal such as 0x1f)",
            Kind::U16 => "a number from 0 to 65535 (decimal, or hexadecimal such as 0x1f)",
            Kind::U32 => "a number from 0 to 4294967295 (decimal, or hexadecimal such as 0x1f)",
            Kind::U16Decimal => "a decimal number from 0 to 65535",
            Kind::Mac => "a MAC address such as 52:54:00:12:34:56",
            Kind::MacMask => "a MAC mask of ones followed by zeros, such as ff:ff:ff:00:00:00",
            Kind::Ipv4 => "an IPv4 address such as 192.0.2.1",
            Kind::Mask4 => "a prefix length from 0 to 32, or a netmask such as 255.255.255.0",
            Kind::Ipv6 => "an IPv6 address such as 2001:db8::1",
            Kind::Mask6 => "a prefix length from 0 to 128, or a netmask such as ffff:ffff::",
            Kind::Bool => "`true`, `1` or `yes`, or `false`, `0` or `no`",
            Kind::Text => "at most 256 bytes of text",
            Kind::EtherType => "an Ethernet type of at least 0x600, or one of `arp`, `rarp`, `ipv4`, `ipv6`, `vlan`",
            Kind::VlanType => "a type of at least 0x3c, or one of `arp`, `rarp`, `ipv4`, `ipv6`, `vlan`",
            Kind::VlanId => "a VLAN number from 0 to 4095",
            Kind::ArpOperation => "a number from 0 to 65535, or an operation such as `Request` or `Reply`",
            Kind::IpProtocol => {
                "a number from 0 to 255, or one of `tcp`, `udp`, `udplite`, `esp`, `ah`, `icmp`, `igmp`, `sctp`, `icmpv6`"
            }
            Kind::Dscp => "a DSCP from 0 to 63",
            Kind::State => "states out of `NEW`, `ESTABLISHED`, `RELATED`, `INVALID`, separated by commas, or `NONE`",
            Kind::TcpFlags => {
                "`MASK/FLAGS`, each a list out of `FIN`, `SYN`, `RST`, `PSH`, `ACK`, `URG`, `ALL`, `NONE`, separated by commas"
            }
            Kind::IpSet => "the name of an IP set: at most 31 letters, digits, `_`, `.`, `:`, `-`, `+` and blanks",
            Kind::IpSetFlags => "one to six of `src` and `dst`, separated by commas",
        }
    }

    /// The names that some numbers of the kind have, as they are printed.
    pub fn names(self) -> &'static [(&'static str, u32)] {
        match self {
            Kind::EtherType | Kind::VlanType => ETHER_TYPES,
            Kind::ArpOperation => ARP_OPERATIONS,
            Kind::IpProtocol => IP_PROTOCOLS,
            _ => &[],
        }
    }

    /// Smallest and largest number of the numeric kinds.
    pub fn range(self) -> Option<(u32, u32)> {
        match self {
            Kind::U8 | Kind::IpProtocol => Some((0, 0xff)),
            Kind::U16 | Kind::U16Decimal | Kind::ArpOperation => Some((0, 0xffff)),
            Kind::U32 => Some((0, u32::MAX)),
            Kind::EtherType => Some((0x600, 0xffff)),
            Kind::VlanType => Some((0x3c, 0xffff)),
            Kind::VlanId => Some((0, 4095)),
            Kind::Dscp => Some((0, 63)),
            Kind::Mac
            | Kind::MacMask
            | Kind::Ipv4
            | Kind::Mask4
            | Kind::Ipv6
            | Kind::Mask6
            | Kind::Bool
            | Kind::Text
            | Kind::State
            | Kind::TcpFlags
            | Kind::IpSet
            | Kind::IpSetFlags => None,
        }
    }
}

/// A value that was read, and what libvirt would have taken without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedValue {
    /// The value.
    pub value: Value,
    /// In the profile `libvirt`: what was taken that the profile `nwf` refuses.
    pub loose: Option<&'static str>,
}

/// Why a text is no value of a kind: [`Kind::expected`] tells what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not {}", text.escape_debug(), kind.expected())]
pub struct InvalidValue {
    /// The text.
    pub text: String,
    /// The kind.
    pub kind: Kind,
    /// What is wrong in particular, where more can be said.
    pub because: Option<&'static str>,
}

/// Whether something odd is refused or only told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document is taken.
    Warning,
}

/// A text that only libvirt takes, with the reason; an error in the profile `nwf`.
struct Loose(&'static str);

type Read = Result<(Value, Option<Loose>), Option<&'static str>>;

impl Value {
    /// Reads a literal of a kind under a profile (XML-52 to XML-59).
    ///
    /// # Errors
    /// The text is no value of the kind. What libvirt takes beyond that is an error in
    /// the profile `nwf` and a remark in the profile `libvirt`.
    pub fn parse(kind: Kind, text: &str, profile: Profile) -> Result<ParsedValue, InvalidValue> {
        let invalid = |because| InvalidValue { text: text.to_owned(), kind, because };
        match read(kind, text).map_err(invalid)? {
            (value, None) => Ok(ParsedValue { value, loose: None }),
            (value, Some(Loose(why))) => match profile {
                Profile::Libvirt => Ok(ParsedValue { value, loose: Some(why) }),
                Profile::Nwf => Err(invalid(Some(why))),
            },
        }
    }

    /// Whether the value is one that an attribute of the kind can have: variant and range.
    pub fn is_of(&self, kind: Kind) -> bool {
        match (self, kind) {
            (Value::Number(number) | Value::Hex(number), kind) => {
                kind.range().is_some_and(|(low, high)| (low..=high).contains(number))
            }
            (Value::Prefix(length), Kind::Mask4) => *length <= 32,
            (Value::Prefix(length), Kind::Mask6) => *length <= 128,
            (Value::Text(text), Kind::Text) => text.len() <= TEXT_MAX && !has_control_characters(text),
            (Value::IpSet(name), Kind::IpSet) => is_ip_set_name(name),
            (Value::IpSetFlags(flags), Kind::IpSetFlags) => (1..=6).contains(&flags.len()),
            (Value::Mac(_), Kind::Mac)
            | (Value::MacMask(_), Kind::MacMask)
            | (Value::Ipv4(_), Kind::Ipv4)
            | (Value::Ipv6(_), Kind::Ipv6)
            | (Value::Bool(_), Kind::Bool)
            | (Value::State(_), Kind::State)
            | (Value::TcpFlags(_), Kind::TcpFlags) => true,
            _ => false,
        }
    }

    /// The number, of whichever base it was written in.
    pub fn number(&self) -> Option<u32> {
        match self {
            Value::Number(number) | Value::Hex(number) => Some(*number),
            _ => None,
        }
    }

    /// The number that stands for the value in the packet; none for values that are no header field.
    pub fn bits(&self) -> Option<u128> {
        match self {
            Value::Number(number) | Value::Hex(number) => Some((*number).into()),
            Value::Mac(address) => Some(big_endian(address.octets())),
            Value::Ipv4(address) => Some(u32::from(*address).into()),
            Value::Ipv6(address) => Some((*address).into()),
            Value::MacMask(_)
            | Value::Prefix(_)
            | Value::Bool(_)
            | Value::Text(_)
            | Value::State(_)
            | Value::TcpFlags(_)
            | Value::IpSet(_)
            | Value::IpSetFlags(_) => None,
        }
    }

    /// The number of leading ones of a mask; none for values that are no mask.
    pub fn prefix_length(&self) -> Option<u32> {
        match self {
            Value::Prefix(length) => Some((*length).into()),
            // A mask for MAC addresses is ones followed by zeros (XML-52).
            Value::MacMask(mask) => Some(big_endian(mask.octets()).count_ones()),
            _ => None,
        }
    }

    /// The same value without a memory of how it was written.
    #[must_use]
    pub fn normalized(self) -> Value {
        match self {
            Value::Hex(number) => Value::Number(number),
            other => other,
        }
    }

    /// The text that stands for the value in XML, not escaped (XML-52).
    pub fn print(&self, kind: Kind) -> String {
        let name = |number: u32| kind.names().iter().find(|(_, known)| *known == number).map(|(name, _)| *name);
        match self {
            Value::Number(number) | Value::Hex(number) if name(*number).is_some() => {
                name(*number).unwrap_or_default().to_owned()
            }
            Value::Hex(number) if kind != Kind::ArpOperation => format!("{number:#x}"),
            Value::Number(number) | Value::Hex(number) => number.to_string(),
            Value::Mac(address) => address.to_string(),
            Value::MacMask(mask) => mask.to_string(),
            Value::Ipv4(address) => address.to_string(),
            Value::Ipv6(address) => format_ipv6(*address),
            Value::Prefix(length) => length.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Text(text) | Value::IpSet(text) => text.clone(),
            Value::State(set) => set.states().iter().map(|state| state.name()).collect::<Vec<_>>().join(","),
            Value::TcpFlags(TcpFlags { mask, flags }) => format!("{mask}/{flags}"),
            Value::IpSetFlags(flags) => {
                let names = flags.iter().map(|flag| match flag {
                    IpSetDirection::Src => "src",
                    IpSetDirection::Dst => "dst",
                });
                names.collect::<Vec<_>>().join(",")
            }
        }
    }
}

fn big_endian(bytes: [u8; 6]) -> u128 {
    bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

fn read(kind: Kind, text: &str) -> Read {
    match kind {
        Kind::Mac => text.parse().map(|mac| (Value::Mac(mac), None)).map_err(|_| None),
        Kind::MacMask => text.parse().map(|mask| (Value::MacMask(mask), None)).map_err(|_| None),
        Kind::Ipv4 => read_ipv4(text),
        Kind::Ipv6 => text.parse().map(|address| (Value::Ipv6(address), None)).map_err(|_| None),
        Kind::Mask4 => read_mask4(text),
        Kind::Mask6 => read_mask6(text),
        Kind::Bool => match text {
            "true" | "1" | "yes" => Ok((Value::Bool(true), None)),
            "false" | "0" | "no" => Ok((Value::Bool(false), None)),
            _ => Ok((Value::Bool(false), Some(Loose("libvirt takes any other word for false")))),
        },
        Kind::Text => {
            if has_control_characters(text) {
                return Err(Some("control characters are not allowed"));
            }
            if text.len() <= TEXT_MAX {
                return Ok((Value::Text(text.to_owned()), None));
            }
            let mut end = TEXT_MAX;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            let cut = text.get(..end).unwrap_or_default();
            Ok((Value::Text(cut.to_owned()), Some(Loose("libvirt cuts a comment after 256 bytes"))))
        }
        Kind::State => {
            let (states, loose) = read_words(text, &State::ALL.map(|state| (state.name(), state)))?;
            Ok((Value::State(states.into()), loose))
        }
        Kind::TcpFlags => read_tcp_flags(text),
        Kind::IpSet if is_ip_set_name(text) => Ok((Value::IpSet(text.to_owned()), None)),
        Kind::IpSet => Err(None),
        Kind::IpSetFlags => read_ip_set_flags(text),
        Kind::U8
        | Kind::U16
        | Kind::U32
        | Kind::U16Decimal
        | Kind::EtherType
        | Kind::VlanType
        | Kind::VlanId
        | Kind::ArpOperation
        | Kind::IpProtocol
        | Kind::Dscp => read_number(kind, text),
    }
}

/// Whether a text has characters that no comment can show; white space is fine.
fn has_control_characters(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

fn read_number(kind: Kind, text: &str) -> Read {
    let (low, high) = kind.range().unwrap_or((0, u32::MAX));
    // "Dec then hex" (XML-52): a number that is no decimal of the width is tried as hexadecimal; the
    // kind's own limits are judged afterwards, and never lead to another try.
    let width = if high > 0xffff {
        u32::MAX
    } else if high > 0xff {
        0xffff
    } else {
        0xff
    };
    let fits = |(number, loose): (u32, Option<Loose>)| (number <= width).then_some((number, loose));
    let (value, loose) = if let Some((number, loose)) = read_integer(text, 10).and_then(fits) {
        (Value::Number(number), loose)
    } else if kind != Kind::U16Decimal
        && let Some((number, loose)) = read_integer(text, 16).and_then(fits)
    {
        (Value::Hex(number), loose)
    } else {
        let known = kind.names().iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        let (_, number) = known.ok_or(None)?;
        (Value::Number(*number), None)
    };
    let number = value.number().unwrap_or_default();
    // What is printed by name, or always in decimal, has no base to remember.
    let named = kind.names().iter().any(|(_, known)| *known == number);
    let value = if named || kind == Kind::ArpOperation { value.normalized() } else { value };
    if (low..=high).contains(&number) { Ok((value, loose)) } else { Err(None) }
}

/// Reads an integer as C's `strtoul` does (XML-6, Q-2); a base of 16 allows `0x` in front.
fn read_integer(text: &str, base: u32) -> Option<(u32, Option<Loose>)> {
    let trimmed = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let (negative, digits) = match trimmed.as_bytes().first() {
        Some(b'-') => (true, trimmed.get(1..)?),
        Some(b'+') => (false, trimmed.get(1..)?),
        _ => (false, trimmed),
    };
    let digits = match base {
        16 => digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits),
        _ => digits,
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return None;
    }
    let magnitude = u32::from_str_radix(digits, base).ok()?;
    let number = if negative { magnitude.wrapping_neg() } else { magnitude };
    let plain = text.starts_with(|c: char| c.is_digit(base));
    Some((number, (!plain).then_some(Loose("libvirt takes signs and leading blanks, and wraps negative numbers"))))
}

fn read_ipv4(text: &str) -> Read {
    if let Ok(address) = text.parse() {
        return Ok((Value::Ipv4(address), None));
    }
    let address = read_inet_aton(text).ok_or(None)?;
    Ok((Value::Ipv4(address), Some(Loose("libvirt takes short, octal and hexadecimal forms of an address"))))
}

/// The forms that C's `inet_aton` takes: one to four parts, octal with `0`, hexadecimal with `0x`; the last
/// part fills all the bytes that are left.
fn read_inet_aton(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = text.split('.').collect();
    let numbers: Option<Vec<u32>> = parts
        .iter()
        .map(|part| {
            let lower = part.to_ascii_lowercase();
            let (digits, base) = if let Some(hex) = lower.strip_prefix("0x") {
                (hex, 16)
            } else if lower.len() > 1 && lower.starts_with('0') {
                (lower.get(1..)?, 8)
            } else {
                (lower.as_str(), 10)
            };
            let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
            plain.then(|| u32::from_str_radix(digits, base).ok()).flatten()
        })
        .collect();
    let numbers = numbers?;
    let (last, leading) = numbers.split_last()?;
    if leading.len() > 3 || leading.iter().any(|number| *number > 255) {
        return None;
    }
    let left = 32 - 8 * u32::try_from(leading.len()).ok()?;
    if u64::from(*last) >> left != 0 {
        return None;
    }
    let high = leading.iter().fold(0_u64, |sum, number| sum << 8 | u64::from(*number));
    u32::try_from(high << left | u64::from(*last)).ok().map(Ipv4Addr::from)
}

fn read_mask4(text: &str) -> Read {
    if let Some((length, loose)) = read_integer(text, 10) {
        return match u8::try_from(length) {
            Ok(length @ 0..=32) => Ok((Value::Prefix(length), loose)),
            _ => Err(None),
        };
    }
    let (Value::Ipv4(address), loose) = read_ipv4(text)? else { return Err(None) };
    let bits = u32::from(address);
    let length = bits.leading_ones();
    if bits.count_ones() != length {
        return Err(Some("the ones of a netmask are contiguous"));
    }
    Ok((Value::Prefix(u8::try_from(length).unwrap_or(32)), loose))
}

fn read_mask6(text: &str) -> Read {
    if let Some((length, loose)) = read_integer(text, 10) {
        return match u8::try_from(length) {
            Ok(length @ 0..=128) => Ok((Value::Prefix(length), loose)),
            _ => Err(None),
        };
    }
    let address: Ipv6Addr = text.parse().map_err(|_| None)?;
    let bits = u128::from(address);
    let length = bits.leading_ones();
    if bits.count_ones() != length {
        return Err(Some("the ones of a netmask are contiguous"));
    }
    Ok((Value::Prefix(u8::try_from(length).unwrap_or(128)), None))
}

fn is_ip_set_name(name: &str) -> bool {
    name.len() <= 31
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-' | b'+' | b' '))
}

/// Reads a list of words by prefix, as libvirt does (XML-57, Q-15); words without a separator are loose.
fn read_words<T: Copy>(
    text: &str,
    words: &[(&'static str, T)],
) -> Result<(Vec<T>, Option<Loose>), Option<&'static str>> {
    let separator = |c: char| c == ',' || c.is_ascii_whitespace();
    let mut found = Vec::new();
    let mut loose = None;
    let mut rest = text.trim_start_matches(separator);
    while !rest.is_empty() {
        let known =
            words.iter().find(|(word, _)| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)));
        let (word, item) = known.ok_or(None)?;
        found.push(*item);
        let behind = rest.get(word.len()..).unwrap_or_default();
        if !behind.is_empty() && !behind.starts_with(separator) {
            loose = Some(Loose("libvirt needs no separator between the words of a list"));
        }
        rest = behind.trim_start_matches(separator);
    }
    Ok((found, loose))
}

fn read_tcp_flags(text: &str) -> Read {
    let (mask, flags) = text.split_once('/').ok_or(None)?;
    let read_half = |half| {
        let (bits, loose) = read_words(half, &TcpFlagSet::NAMES)?;
        Ok::<_, Option<&'static str>>((TcpFlagSet(bits.iter().fold(0, |set, bit| set | bit)), loose))
    };
    let (mask, loose_mask) = read_half(mask)?;
    let (flags, loose_flags) = read_half(flags)?;
    Ok((Value::TcpFlags(TcpFlags { mask, flags }), loose_mask.or(loose_flags)))
}

fn read_ip_set_flags(text: &str) -> Read {
    let flags: Option<Vec<_>> = text
        .split(',')
        .map(|word| match word {
            _ if word.eq_ignore_ascii_case("src") => Some(IpSetDirection::Src),
            _ if word.eq_ignore_ascii_case("dst") => Some(IpSetDirection::Dst),
            _ => None,
        })
        .collect();
    match flags {
        Some(flags) if flags.len() <= 6 => Ok((Value::IpSetFlags(flags), None)),
        _ => Err(None),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn strict(kind: Kind, text: &str) -> Option<String> {
        Value::parse(kind, text, Profile::Nwf).ok().map(|parsed| parsed.value.print(kind))
    }

    fn loose(kind: Kind, text: &str) -> Option<String> {
        let parsed = Value::parse(kind, text, Profile::Libvirt).ok()?;
        assert!(parsed.loose.is_some(), "{text} is taken without a remark");
        Some(parsed.value.print(kind))
    }

    #[track_caller]
    fn prints(kind: Kind, text: &str, printed: &str) {
        assert_eq!(strict(kind, text).as_deref(), Some(printed), "{kind:?} {text}");
    }

    #[track_caller]
    fn refused(kind: Kind, text: &str) {
        assert_eq!(strict(kind, text), None, "{kind:?} {text}");
        assert!(Value::parse(kind, text, Profile::Libvirt).is_err(), "{kind:?} {text}");
    }

    #[test]
    fn xml_52_numbers_are_decimal_then_hexadecimal() {
        prints(Kind::U8, "10", "10");
        prints(Kind::U8, "0x10", "0x10");
        prints(Kind::U8, "1f", "0x1f");
        prints(Kind::U8, "08", "8");
        prints(Kind::U16, "abc", "0xabc");
        prints(Kind::U32, "4294967295", "4294967295");
        refused(Kind::U8, "");
        refused(Kind::U8, "1 ");
        refused(Kind::U8, "100000");
        // Out of range in decimal, in range in no base.
        refused(Kind::U8, "256");
        refused(Kind::U16, "99999");
        // A number is not read again in another base once it is one (XML-52).
        refused(Kind::EtherType, "800");
    }

    #[test]
    fn xml_52_decimal_only() {
        prints(Kind::U16Decimal, "65535", "65535");
        refused(Kind::U16Decimal, "0x10");
        refused(Kind::U16Decimal, "65536");
    }

    #[test]
    fn q_2_signs_and_blanks_are_libvirts() {
        for (kind, text, printed) in [
            (Kind::U16, "-4294967216", "80"),
            (Kind::U32, "-1", "4294967295"),
            (Kind::U8, " 7", "7"),
            (Kind::U8, "+7", "7"),
        ] {
            assert_eq!(strict(kind, text), None, "{text}");
            assert_eq!(loose(kind, text).as_deref(), Some(printed));
        }
        refused(Kind::U16, "-1");
    }

    #[test]
    fn xml_52_masks_print_as_prefix_lengths() {
        prints(Kind::Mask4, "32", "32");
        prints(Kind::Mask4, "255.255.252.0", "22");
        prints(Kind::Mask4, "0.0.0.0", "0");
        prints(Kind::Mask6, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:8000", "113");
        for text in ["255.255.255.127", "33", "x"] {
            refused(Kind::Mask4, text);
        }
        for text in ["129", "ffff::1", "255.255.255.0"] {
            refused(Kind::Mask6, text);
        }
    }

    #[test]
    fn q_12_odd_ipv4_forms_are_libvirts() {
        for (text, printed) in
            [("10.1", "10.0.0.1"), ("0x0a000001", "10.0.0.1"), ("012.0.0.1", "10.0.0.1"), ("10.1.258", "10.1.1.2")]
        {
            assert_eq!(strict(Kind::Ipv4, text), None, "{text}");
            assert_eq!(loose(Kind::Ipv4, text).as_deref(), Some(printed));
        }
        for text in ["256.0.0.1", "1.2.3.4.5", "", "1..2", "10.0.0.256", "08.0.0.1", "1.2.3.4 "] {
            refused(Kind::Ipv4, text);
        }
        refused(Kind::Ipv6, "10.1.2.3");
    }

    #[test]
    fn q_13_booleans() {
        for (text, printed) in
            [("true", "true"), ("1", "true"), ("yes", "true"), ("false", "false"), ("0", "false"), ("no", "false")]
        {
            prints(Kind::Bool, text, printed);
        }
        assert_eq!(strict(Kind::Bool, "True"), None);
        assert_eq!(loose(Kind::Bool, "True").as_deref(), Some("false"));
    }

    #[test]
    fn q_14_long_comments_are_cut_at_a_character() {
        let text = format!("{}é", "x".repeat(255));
        assert_eq!(strict(Kind::Text, &text), None);
        assert_eq!(loose(Kind::Text, &text), Some("x".repeat(255)));
        prints(Kind::Text, &"x".repeat(256), &"x".repeat(256));
    }

    #[test]
    fn xml_54_ethernet_types() {
        prints(Kind::EtherType, "ARP", "arp");
        prints(Kind::EtherType, "0x800", "ipv4");
        prints(Kind::EtherType, "2048", "ipv4");
        prints(Kind::EtherType, "0x88cc", "0x88cc");
        prints(Kind::VlanType, "0x3c", "0x3c");
        refused(Kind::EtherType, "0x5ff");
        refused(Kind::VlanType, "0x3b");
        refused(Kind::VlanId, "4096");
    }

    #[test]
    fn xml_55_arp_operations() {
        prints(Kind::ArpOperation, "1", "Request");
        prints(Kind::ArpOperation, "reply_reverse", "Reply_Reverse");
        prints(Kind::ArpOperation, "11", "11");
        prints(Kind::ArpOperation, "0xb", "11");
    }

    #[test]
    fn xml_56_ip_protocols() {
        for (text, printed) in [("6", "tcp"), ("0x11", "udp"), ("255", "255"), ("0xff", "0xff"), ("ICMPv6", "icmpv6")] {
            prints(Kind::IpProtocol, text, printed);
        }
        refused(Kind::IpProtocol, "dccp");
    }

    #[test]
    fn xml_57_states() {
        prints(Kind::State, "related , new", "NEW,RELATED");
        prints(Kind::State, "NEW,NONE,RELATED", "NONE");
        prints(Kind::State, "", "");
        prints(Kind::State, ",, INVALID\t", "INVALID");
        refused(Kind::State, "NEW,OLD");
        assert_eq!(loose(Kind::State, "NEWRELATED").as_deref(), Some("NEW,RELATED"));
        assert_eq!(strict(Kind::State, "NEWRELATED"), None);
    }

    #[test]
    fn xml_58_tcp_flags() {
        for (text, printed) in
            [("PSH/", "PSH/NONE"), ("SYN/SYN,ACK", "SYN/SYN,ACK"), ("urg,fin/all", "FIN,URG/ALL"), ("/", "NONE/NONE")]
        {
            prints(Kind::TcpFlags, text, printed);
        }
        refused(Kind::TcpFlags, "SYN");
        refused(Kind::TcpFlags, "SYN/ACK/FIN");
        assert_eq!(loose(Kind::TcpFlags, "SYNACK/ALL").as_deref(), Some("SYN,ACK/ALL"));
    }

    #[test]
    fn xml_59_ip_sets() {
        prints(Kind::IpSetFlags, "SRC,dst", "src,dst");
        for text in ["", "src,", "src dst", "src,dst,src,dst,src,dst,src"] {
            refused(Kind::IpSetFlags, text);
        }
        prints(Kind::IpSet, "a b-+.:_9", "a b-+.:_9");
        refused(Kind::IpSet, "a/b");
        refused(Kind::IpSet, &"x".repeat(32));
    }

    #[test]
    fn q_25_nothing_stands_behind_a_mac_address() {
        refused(Kind::Mac, "1:2:3:4:5:6 x");
        prints(Kind::Mac, "1:2:3:4:5:6", "01:02:03:04:05:06");
    }
}
