//! Names and numbers that have a rule of their own.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::{Profile, text_type};

/// Why a text is not the name that it should be: the whole sentence, without a full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidName(Cow<'static, str>);

/// Name of a host network interface, such as `vnet0`.
///
/// 1 to 15 bytes; never `.` or `..`; no `/`, `:`, white space or control character. These are the
/// kernel's limits (`dev_valid_name`; `IFNAMSIZ` less the closing NUL), and control characters, which
/// no tool that lists interfaces can show.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName(Arc<str>);

impl InterfaceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InterfaceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong = |why| Err(InvalidName(format!("`{}` is not an interface name: {why}", text.escape_debug()).into()));
        if text.is_empty() || text.len() > 15 {
            return wrong("it must have 1 to 15 bytes");
        }
        if text == "." || text == ".." {
            return wrong("the kernel refuses it");
        }
        if text.chars().any(|c| c == '/' || c == ':' || c.is_whitespace() || c.is_control()) {
            return wrong("`/`, `:`, white space and control characters are not allowed");
        }
        Ok(InterfaceName(text.into()))
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(
    InterfaceName,
    "InterfaceName",
    "name of a host network interface: 1 to 15 bytes, no `/`, `:` or white space"
);

/// Name of a filter.
///
/// In the profile `nwf` an XML NCName of at most 255 bytes ([`FilterName::check`]; XML-11, Q-3); in the
/// profile `libvirt` any text without control characters, also the empty one (a reference to it never
/// resolves).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilterName(Arc<str>);

impl FilterName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name is allowed in a profile: in `nwf`, whether it is an NCName of at most 255 bytes.
    ///
    /// # Errors
    /// Says what is wrong with the name.
    pub fn check(&self, profile: Profile) -> Result<(), InvalidName> {
        if profile == Profile::Libvirt || self.is_ncname() {
            return Ok(());
        }
        Err(InvalidName(
            format!(
                "`{}` is not a filter name: it must begin with a letter or `_` and go on with letters, digits, `.`, `-`, `_`, at most 255 bytes",
                self.0.escape_debug()
            )
            .into(),
        ))
    }

    /// Whether a file `NAME.xml` can stand for the filter: the name is never a path.
    pub fn is_file_name(&self) -> bool {
        self.is_ncname()
    }

    fn is_ncname(&self) -> bool {
        let mut chars = self.0.chars();
        let first = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_');
        first && self.0.len() <= 255 && chars.all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
    }
}

impl FromStr for FilterName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.chars().any(char::is_control) {
            let shown = text.escape_debug();
            return Err(InvalidName(format!("`{shown}` is not a filter name: it has control characters").into()));
        }
        Ok(FilterName(text.into()))
    }
}

impl fmt::Display for FilterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(FilterName, "FilterName", "name of a filter: a letter or `_`, then letters, digits, `.`, `-`, `_`");

/// What a chain's name begins with; it decides which frames enter the chain (XML-14, RES-82).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainPrefix {
    /// The interface's own chain.
    Root,
    /// Entered by every frame.
    Mac,
    /// Entered by 802.1Q-tagged frames.
    Vlan,
    /// Entered by frames to 01:80:c2:00:00:00.
    Stp,
    /// Entered by ARP.
    Arp,
    /// Entered by reverse ARP.
    Rarp,
    /// Entered by IPv4.
    Ipv4,
    /// Entered by IPv6.
    Ipv6,
}

impl ChainPrefix {
    /// All of them, in the order in which messages list them.
    pub const ALL: [ChainPrefix; 8] = [
        ChainPrefix::Root,
        ChainPrefix::Mac,
        ChainPrefix::Vlan,
        ChainPrefix::Stp,
        ChainPrefix::Arp,
        ChainPrefix::Rarp,
        ChainPrefix::Ipv4,
        ChainPrefix::Ipv6,
    ];

    /// The text of the prefix.
    pub fn name(self) -> &'static str {
        match self {
            ChainPrefix::Root => "root",
            ChainPrefix::Mac => "mac",
            ChainPrefix::Vlan => "vlan",
            ChainPrefix::Stp => "stp",
            ChainPrefix::Arp => "arp",
            ChainPrefix::Rarp => "rarp",
            ChainPrefix::Ipv4 => "ipv4",
            ChainPrefix::Ipv6 => "ipv6",
        }
    }

    /// Priority of a chain for which the XML gives none (XML-16; `stp`: Q-6).
    pub fn default_priority(self, profile: Profile) -> Priority {
        Priority(match (self, profile) {
            (ChainPrefix::Root, _) | (ChainPrefix::Stp, Profile::Libvirt) => 0,
            (ChainPrefix::Stp, Profile::Nwf) => -810,
            (ChainPrefix::Mac, _) => -800,
            (ChainPrefix::Vlan, _) => -750,
            (ChainPrefix::Ipv4, _) => -700,
            (ChainPrefix::Ipv6, _) => -600,
            (ChainPrefix::Arp, _) => -500,
            (ChainPrefix::Rarp, _) => -400,
        })
    }
}

/// Name of a filter's chain: `root`, or one of the prefixes with anything behind it (XML-13, XML-14).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainName {
    prefix: ChainPrefix,
    text: Arc<str>,
}

impl ChainName {
    /// The chain `root`.
    pub fn root() -> Self {
        ChainName { prefix: ChainPrefix::Root, text: "root".into() }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What the name begins with.
    pub fn prefix(&self) -> ChainPrefix {
        self.prefix
    }

    /// Whether this is the interface's own chain.
    pub fn is_root(&self) -> bool {
        self.prefix == ChainPrefix::Root
    }
}

impl FromStr for ChainName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let wrong =
            |why: String| Err(InvalidName(format!("`{}` is not a chain name: {why}", text.escape_debug()).into()));
        if text.chars().count() > 12 {
            return wrong("it has more than 12 characters".to_owned());
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-')) {
            return wrong("only letters, digits, `_`, `.`, `:` and `-` are allowed".to_owned());
        }
        let prefix = ChainPrefix::ALL.into_iter().find(|prefix| match prefix {
            ChainPrefix::Root => text == "root",
            other => text.starts_with(other.name()),
        });
        match prefix {
            Some(prefix) => Ok(ChainName { prefix, text: text.into() }),
            None => wrong(
                "it must be `root`, or begin with `mac`, `vlan`, `stp`, `arp`, `rarp`, `ipv4` or `ipv6`".to_owned(),
            ),
        }
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

text_type!(
    ChainName,
    "ChainName",
    "`root`, or up to 12 characters that begin with mac, vlan, stp, arp, rarp, ipv4 or ipv6"
);

/// Place of a rule or chain among its neighbours, -1000 to 1000, low first (XML-15, XML-30).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Priority(i16);

impl JsonSchema for Priority {
    fn schema_name() -> Cow<'static, str> {
        "Priority".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": -1000, "maximum": 1000 })
    }
}

impl Priority {
    /// What a rule has that gives none: 500 (XML-30).
    pub const RULE_DEFAULT: Priority = Priority(500);
    /// 0: what the chain `root` has.
    pub const ZERO: Priority = Priority(0);

    /// The number.
    pub fn get(self) -> i16 {
        self.0
    }
}

impl TryFrom<i64> for Priority {
    type Error = InvalidName;

    fn try_from(number: i64) -> Result<Self, InvalidName> {
        match i16::try_from(number) {
            Ok(small) if (-1000..=1000).contains(&small) => Ok(Priority(small)),
            _ => Err(InvalidName(format!("{number} is not a priority: it must be from -1000 to 1000").into())),
        }
    }
}

impl From<Priority> for i64 {
    fn from(priority: Priority) -> i64 {
        priority.0.into()
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Name of a variable: letters, digits and `_` (RES-10, XML-21).
///
/// The empty name exists only in the profile `libvirt` (QR-1); it never has a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariableName(Arc<str>);

impl VariableName {
    /// The name as text, without `$`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a byte can stand in a name.
    pub fn allows(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || byte == b'_'
    }
}

impl FromStr for VariableName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if text.bytes().all(VariableName::allows) {
            return Ok(VariableName(text.into()));
        }
        let shown = text.escape_debug();
        Err(InvalidName(format!("`{shown}` is not a variable name: only letters, digits and `_` are allowed").into()))
    }
}

impl fmt::Display for VariableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text_type!(VariableName, "VariableName", "name of a variable: letters, digits and `_`");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn xml_13_14_chain_names() {
        for right in ["root", "mac", "arp-test", "arptest", "ipv6", "vlan", "stp:1_2.3", "rarp", "ipv4-1234567"] {
            assert!(right.parse::<ChainName>().is_ok(), "{right}");
        }
        for wrong in ["", "root1", "Arp", "foo", "arp/x", "ipv4-12345678", "arp é"] {
            assert!(wrong.parse::<ChainName>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn xml_16_q_6_default_priorities() {
        for (name, nwf, libvirt) in [
            ("root", 0, 0),
            ("stp", -810, 0),
            ("mac-x", -800, -800),
            ("vlan", -750, -750),
            ("ipv4", -700, -700),
            ("ipv6", -600, -600),
            ("arp-testme", -500, -500),
            ("rarp", -400, -400),
        ] {
            let prefix = name.parse::<ChainName>().unwrap().prefix();
            assert_eq!(prefix.default_priority(Profile::Nwf).get(), nwf, "{name}");
            assert_eq!(prefix.default_priority(Profile::Libvirt).get(), libvirt, "{name}");
        }
    }

    #[test]
    fn interface_names_have_the_limits_of_the_kernel() {
        for right in ["vnet0", "a", "fifteen-bytes-x", "eth0.5", "x+", "-"] {
            assert!(right.parse::<InterfaceName>().is_ok(), "{right}");
        }
        for wrong in ["", ".", "..", "a/b", "a b", "a:1", "sixteen-bytes-xy", "a\n", "a\u{7}"] {
            assert!(wrong.parse::<InterfaceName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn q_3_filter_names_are_ncnames_in_the_profile_nwf() {
        for wrong in ["", "a'b", "../x", "a b", "1a", "a:b", "-a", ".a"] {
            let name: FilterName = wrong.parse().unwrap();
            assert!(name.check(Profile::Nwf).is_err(), "{wrong}");
            assert!(name.check(Profile::Libvirt).is_ok(), "{wrong}");
            assert!(!name.is_file_name(), "{wrong}");
        }
        assert!("a\nb".parse::<FilterName>().is_err());
    }
}
