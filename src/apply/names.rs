//! Names of our tables, maps and chains in the kernel (NFT-106 to NFT-108).

use std::fmt::Write as _;

use crate::model::InterfaceName;

/// The maps through which packets get into an interface's chains.
pub const MAPS: [&str; 5] = ["l2o", "l2i", "l3o", "l3i", "l3b"];

/// What the comment of our tables and maps begins with.
pub const OWNER: &str = "owner=nwf;";

/// The layout that this version knows, as the comment names it.
pub const SCHEMA: &str = "schema=1";

/// An interface's name as a part of a chain's: bytes outside `[A-Za-z0-9-]` become `_` and two digits.
pub fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "_{byte:02x}");
        }
    }
    text
}

/// The name that [`encoded`] gave this text; none if it gave none.
pub fn decoded(text: &str) -> Option<InterfaceName> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'_' {
            let digits = [rest.next()?, rest.next()?];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    let name: InterfaceName = String::from_utf8(bytes).ok()?.parse().ok()?;
    (encoded(name.as_str()) == text).then_some(name)
}

/// What the names of an interface's chains begin with.
pub fn chain_prefix(interface: &InterfaceName) -> String {
    format!("i.{}.", encoded(interface.as_str()))
}

/// The interface that a chain belongs to; none if the chain is no interface's.
pub fn chain_owner(chain: &str) -> Option<InterfaceName> {
    let (name, _) = chain.strip_prefix("i.")?.split_once('.')?;
    decoded(name)
}

/// An interface's name as nft reads it; none for names that nft has no way to write.
pub fn quoted(interface: &str) -> Option<String> {
    (!interface.contains(['"', '\\']) && !interface.ends_with('*')).then(|| format!("\"{interface}\""))
}

/// The comment of an element: `h=` and the first 16 digits of a rendering's hash.
pub fn mark(hash: &str) -> String {
    format!("h={}", hash.get(..16).unwrap_or(hash))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nft_108_names_survive_encoding() {
        for name in ["vnet0", "a.b_c", "-", "é", "tap\"x", "x+y@1", "fwd", "_5f"] {
            let name: InterfaceName = name.parse().unwrap();
            let text = encoded(name.as_str());
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')), "{text}");
            assert_eq!(decoded(&text), Some(name.clone()));
            assert_eq!(chain_owner(&format!("{}l2o.arp-x", chain_prefix(&name))), Some(name));
        }
        for text in ["", "a b", "_", "_5", "_zz", "_61", "b_l2o", "a.b"] {
            assert_eq!(decoded(text), None, "{text}");
        }
        for chain in ["b_l2o", "i.", "i.vnet0", "x.vnet0.l2o", "relay"] {
            assert_eq!(chain_owner(chain), None, "{chain}");
        }
    }

    #[test]
    fn nft_106_names_that_nft_cannot_write_are_not_written() {
        assert_eq!(quoted("vnet0").as_deref(), Some("\"vnet0\""));
        for name in ["vnet*", "a\"b", "a\\b"] {
            assert_eq!(quoted(name), None);
        }
    }
}
