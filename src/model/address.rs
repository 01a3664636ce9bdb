//! Ethernet addresses, their masks, and the text form of IPv6 addresses.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::text_type;

/// An Ethernet (EUI-48) address, such as `52:54:00:11:22:33`.
///
/// Read as six groups of one or two hexadecimal digits between colons, printed with two lower-case
/// digits each (XML-52). Text behind the sixth group is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr([u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: MacAddr = MacAddr([0xff; 6]);
    /// `01:80:c2:00:00:00`, where spanning-tree frames go.
    pub const SPANNING_TREE: MacAddr = MacAddr([0x01, 0x80, 0xc2, 0, 0, 0]);

    /// The address with these six bytes, in the order of the wire.
    pub const fn new(bytes: [u8; 6]) -> Self {
        MacAddr(bytes)
    }

    /// The six bytes, in the order of the wire.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }

    /// Whether the group bit is set; true for broadcast too.
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// The address with the bits outside `mask` cleared.
    #[must_use]
    pub fn masked(self, mask: MacMask) -> MacAddr {
        let mask = mask.octets();
        let mut bytes = self.0;
        for (byte, keep) in bytes.iter_mut().zip(mask) {
            *byte &= keep;
        }
        MacAddr(bytes)
    }
}

/// Why a text is no MAC address or mask.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a MAC {what}")]
pub struct InvalidMac {
    text: String,
    what: &'static str,
}

fn parse_groups(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut groups = text.split(':');
    for byte in &mut bytes {
        let group = groups.next()?;
        let digits = (1..=2).contains(&group.len()) && group.bytes().all(|b| b.is_ascii_hexdigit());
        if !digits {
            return None;
        }
        *byte = u8::from_str_radix(group, 16).ok()?;
    }
    groups.next().is_none().then_some(bytes)
}

fn print_groups(bytes: [u8; 6], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (position, byte) in bytes.iter().enumerate() {
        write!(f, "{}{byte:02x}", if position == 0 { "" } else { ":" })?;
    }
    Ok(())
}

impl FromStr for MacAddr {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        parse_groups(text).map(MacAddr).ok_or_else(|| InvalidMac { text: text.to_owned(), what: "address" })
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_groups(self.0, f)
    }
}

text_type!(MacAddr, "MacAddr", "an Ethernet address: six groups of hexadecimal digits between colons");

/// A mask for Ethernet addresses: ones followed by zeros (XML-52, MACMASK).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacMask([u8; 6]);

impl MacMask {
    /// The mask under which every bit counts.
    pub const FULL: MacMask = MacMask([0xff; 6]);

    /// The six bytes, in the order of the wire.
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl FromStr for MacMask {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let invalid = || InvalidMac { text: text.to_owned(), what: "mask" };
        let bytes = parse_groups(text).ok_or_else(invalid)?;
        let number = bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        // Ones followed by zeros: the complement, read as a number, is one less than a power of two.
        let complement = !number & 0xffff_ffff_ffff;
        if complement & (complement + 1) == 0 { Ok(MacMask(bytes)) } else { Err(invalid()) }
    }
}

impl fmt::Display for MacMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print_groups(self.0, f)
    }
}

text_type!(MacMask, "MacMask", "a mask for Ethernet addresses: ones followed by zeros, written like an address");

/// The canonical text of an IPv6 address (XML-53).
///
/// Differs from `std` in one case: an address whose first six groups, and no more, are zero is printed
/// with its last 32 bits dotted, `::10.1.2.3`.
pub fn format_ipv6(address: Ipv6Addr) -> String {
    let segments = address.segments();
    if let [0, 0, 0, 0, 0, 0, high, low] = segments
        && high != 0
    {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return format!("::{a}.{b}.{c}.{d}");
    }
    address.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn xml_52_mac_addresses_are_read_liberally_and_printed_strictly() {
        assert_eq!("1:2:3:A:b:6".parse::<MacAddr>().unwrap().to_string(), "01:02:03:0a:0b:06");
        for wrong in ["", "1:2:3:4:5", "1:2:3:4:5:6:7", "1:2:3:4:5:6 ", "001:2:3:4:5:6", "1:2:3:4:5:g", "1-2-3-4-5-6"] {
            assert!(wrong.parse::<MacAddr>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn xml_52_masks_are_ones_followed_by_zeros() {
        for right in ["ff:ff:ff:ff:ff:ff", "0:0:0:0:0:0", "ff:ff:80:0:0:0"] {
            assert!(right.parse::<MacMask>().is_ok(), "{right}");
        }
        for wrong in ["ff:ff:7f:0:0:0", "0:0:0:0:0:1", "ff:0:ff:0:0:0"] {
            assert!(wrong.parse::<MacMask>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn xml_53_ipv6_text() {
        for (text, printed) in [
            ("::10.1.2.3", "::10.1.2.3"),
            ("::1", "::1"),
            ("::", "::"),
            ("::ffff:10.1.2.3", "::ffff:10.1.2.3"),
            ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"),
            ("::1:2:3", "::1:2:3"),
            ("::1:0", "::0.1.0.0"),
        ] {
            assert_eq!(format_ipv6(text.parse().unwrap()), printed);
        }
    }
}
